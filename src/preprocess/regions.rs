//! Which pixels hang together.
//!
//! In: a class for each pixel: none, weak, strong. Out: connected regions and what each covers. Never: grey values.
//!
//! Regions are found over runs (stretches of a row that are not `NONE`) joined to those of the row above, corners
//! included: far fewer than pixels.

/// No part of any region.
const NONE: u8 = 0;
/// Part of a region, and reason enough for it to be one. What lies between is part of a region, too.
const STRONG: u8 = 2;

/// A stretch of one row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub row: u32,
    pub begin: u32,
    /// First column behind it.
    pub end: u32,
    /// Index of its region's first run.
    parent: u32,
    strong: u32,
}

/// What a region covers.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Region {
    pub pixels: u32,
    pub strong: u32,
    pub left: u32,
    pub top: u32,
    /// First column and row behind it.
    pub right: u32,
    pub bottom: u32,
}

/// Memory to work in.
#[derive(Debug, Default)]
pub(super) struct Regions {
    runs: Vec<Run>,
    /// One for each run; only those of roots count.
    regions: Vec<Region>,
}

impl Regions {
    /// Finds them anew.
    pub(super) fn find(&mut self, classes: &[u8], width: usize) {
        self.runs.clear();
        let mut above = 0..0;
        for (row, line) in classes.chunks_exact(width).enumerate() {
            let first = self.runs.len();
            self.add_runs(row as u32, line);
            self.join(above, first);
            above = first..self.runs.len();
        }
        self.measure();
    }

    /// Every region once.
    pub(super) fn all(&self) -> impl Iterator<Item = &Region> {
        self.regions.iter().filter(|region| region.pixels > 0)
    }

    /// Every run with the region that it belongs to.
    pub(super) fn runs_with_regions(&self) -> impl Iterator<Item = (&Run, &Region)> {
        self.runs
            .iter()
            .enumerate()
            .map(|(index, run)| (run, &self.regions[self.root(index)]))
    }

    fn root(&self, mut run: usize) -> usize {
        while self.runs[run].parent as usize != run {
            run = self.runs[run].parent as usize;
        }
        run
    }

    fn add_runs(&mut self, row: u32, line: &[u8]) {
        let mut x = 0;
        loop {
            x += empty_stretch(&line[x..]);
            if x == line.len() {
                return;
            }
            let end = x + full_stretch(&line[x..]);
            let strong = line[x..end].iter().map(|&class| u32::from(class / STRONG)).sum();
            let parent = self.runs.len() as u32;
            self.runs.push(Run {
                row,
                begin: x as u32,
                end: end as u32,
                parent,
                strong,
            });
            x = end;
        }
    }

    fn join(&mut self, above: std::ops::Range<usize>, first: usize) {
        let mut upper = above.start;
        for run in first..self.runs.len() {
            let Run { begin, end, .. } = self.runs[run];
            while upper < above.end && self.runs[upper].end < begin {
                upper += 1;
            }
            let mut touching = upper;
            while touching < above.end && self.runs[touching].begin <= end {
                let (a, b) = (self.root(run), self.root(touching));
                let (low, high) = (a.min(b), a.max(b));
                self.runs[high].parent = low as u32;
                touching += 1;
            }
        }
    }

    fn measure(&mut self) {
        self.regions.clear();
        self.regions.resize(self.runs.len(), Region::default());
        for index in 0..self.runs.len() {
            let root = self.root(index);
            let run = self.runs[index];
            self.regions[root].include(&Region {
                pixels: run.end - run.begin,
                strong: run.strong,
                left: run.begin,
                top: run.row,
                right: run.end,
                bottom: run.row + 1,
            });
        }
    }
}

/// How many classes at the beginning are `NONE`; eight at a time, since most pixels are.
fn empty_stretch(classes: &[u8]) -> usize {
    let (chunks, _) = classes.as_chunks::<8>();
    let empty = 8 * chunks
        .iter()
        .take_while(|&&chunk| u64::from_ne_bytes(chunk) == 0)
        .count();
    let rest = classes[empty..].iter().position(|&class| class != NONE);
    rest.map_or(classes.len(), |rest| empty + rest)
}

/// How many classes at the beginning are not `NONE`; eight at a time, too.
fn full_stretch(classes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let (chunks, _) = classes.as_chunks::<8>();
    let has_none = |chunk: &[u8; 8]| {
        let chunk = u64::from_ne_bytes(*chunk);
        // Only a byte of 0 borrows from the one above without having its own highest bit set.
        chunk.wrapping_sub(ONES) & !chunk & (ONES << 7) != 0
    };
    let full = 8 * chunks.iter().take_while(|chunk| !has_none(chunk)).count();
    let rest = classes[full..].iter().position(|&class| class == NONE);
    rest.map_or(classes.len(), |rest| full + rest)
}

impl Region {
    /// Whether the rectangles around both are no farther apart than an eighth of the other's longer edge.
    pub(super) fn is_near(&self, other: &Region) -> bool {
        let reach = (other.right - other.left).max(other.bottom - other.top) / 8;
        self.left <= other.right + reach
            && other.left <= self.right + reach
            && self.top <= other.bottom + reach
            && other.top <= self.bottom + reach
    }

    /// Both together.
    pub(super) fn include(&mut self, other: &Region) {
        if self.pixels == 0 {
            *self = *other;
            return;
        }
        self.pixels += other.pixels;
        self.strong += other.strong;
        self.left = self.left.min(other.left);
        self.top = self.top.min(other.top);
        self.right = self.right.max(other.right);
        self.bottom = self.bottom.max(other.bottom);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Regions of a drawing: `.` is none, `o` weak, `#` strong; pixels, strong ones, left, top, right, bottom.
    fn regions_of(rows: &[&str]) -> Vec<[u32; 6]> {
        let class = |byte: u8| match byte {
            b'#' => STRONG,
            b'o' => 1,
            _ => NONE,
        };
        let classes: Vec<u8> = rows.concat().bytes().map(class).collect();
        let mut regions = Regions::default();
        regions.find(&classes, rows[0].len());
        regions
            .all()
            .map(|r| [r.pixels, r.strong, r.left, r.top, r.right, r.bottom])
            .collect()
    }

    #[test]
    fn what_touches_by_a_corner_hangs_together() {
        assert_eq!(regions_of(&["....", "...."]), [[0; 6]; 0]);
        assert_eq!(
            regions_of(&["#..o", ".o.#"]),
            [[2, 1, 0, 0, 2, 2], [2, 1, 3, 0, 4, 2]]
        );
        assert_eq!(
            regions_of(&["#.#", "#.#", "ooo"]),
            [[7, 4, 0, 0, 3, 3]],
            "joined below"
        );
        assert_eq!(
            regions_of(&["ooooooooooooooooo#", "..................", "........#........."]),
            [[18, 1, 0, 0, 18, 1], [1, 1, 8, 2, 9, 3]]
        );
        assert_eq!(regions_of(&["#.#.#", ".o.o.", "#...#"]), [[7, 5, 0, 0, 5, 3]]);
    }
}
