//! Which pixels hang together.
//!
//! In: a class for each pixel: none, weak, strong. Out: connected regions and what each covers. Never: grey values.
//!
//! Regions are found over runs (stretches of a row that are not `NONE`) joined to those of the row above, corners
//! included: far fewer than pixels. They are read off bits, a word of them at a time.

/// No part of any region. 1 is a part of one, and 2 is that and reason enough for there to be one.
const NONE: u8 = 0;
/// Classes that are looked at together, as bits.
const WORD: usize = u64::BITS as usize;

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
        // A run that may go on: where it begins, and how much of it is strong.
        let mut open: Option<(usize, u32)> = None;
        for (index, classes) in line.chunks(WORD).enumerate() {
            let (parts, strong) = bits_of(classes);
            let mut at = 0;
            while at < WORD {
                let Some((begin, strong_before)) = open else {
                    match (parts >> at).trailing_zeros() as usize {
                        WORD => break,
                        empty => at += empty,
                    }
                    open = Some((WORD * index + at, 0));
                    continue;
                };
                let full = ((!parts) >> at).trailing_zeros() as usize;
                let full = full.min(WORD - at);
                let within = u64::MAX.checked_shr((WORD - full) as u32).unwrap_or(0);
                let strong = strong_before + (strong >> at & within).count_ones();
                at += full;
                if at == WORD {
                    open = Some((begin, strong)); // It may go on in the next word.
                } else {
                    self.add_run(row, begin..WORD * index + at, strong);
                    open = None;
                }
            }
        }
        if let Some((begin, strong)) = open {
            self.add_run(row, begin..line.len(), strong);
        }
    }

    fn add_run(&mut self, row: u32, columns: std::ops::Range<usize>, strong: u32) {
        let parent = self.runs.len() as u32;
        self.runs.push(Run {
            row,
            begin: columns.start as u32,
            end: columns.end as u32,
            parent,
            strong,
        });
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

/// Which of up to [`WORD`] classes are not `NONE`, and which are strong: a bit each, from the lowest on.
fn bits_of(classes: &[u8]) -> (u64, u64) {
    const BYTES: usize = 8;
    const LOWEST: u64 = 0x0101_0101_0101_0101;
    // Brings the lowest bit of each byte to its place in the highest byte.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let (mut parts, mut strong) = (0, 0);
    let mut add = |index: usize, bytes: [u8; BYTES]| {
        let classes = u64::from_le_bytes(bytes);
        let gathered = |bits: u64| (bits & LOWEST).wrapping_mul(GATHER) >> 56 << (BYTES * index);
        parts |= gathered(classes | classes >> 1);
        strong |= gathered(classes >> 1);
    };
    let (groups, rest) = classes.as_chunks::<BYTES>();
    (0..).zip(groups).for_each(|(index, &group)| add(index, group));
    if !rest.is_empty() {
        let mut group = [NONE; BYTES];
        group[..rest.len()].copy_from_slice(rest);
        add(groups.len(), group);
    }
    (parts, strong)
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
            b'#' => 2,
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

    #[test]
    fn a_run_goes_on_as_long_as_it_is_however_words_part_it() {
        let long = |length: usize| ["o".repeat(length - 1), "#".into()].concat();
        for before in [0, 1, 63, 64, 65, 127, 128] {
            for length in [1, 2, 63, 64, 65, 128, 200] {
                for after in [0, 1, 62, 63, 64] {
                    let row = [".".repeat(before), long(length), ".".repeat(after)].concat();
                    let (begin, end) = (before as u32, (before + length) as u32);
                    assert_eq!(
                        regions_of(&[&row]),
                        [[length as u32, 1, begin, 0, end, 1]],
                        "{row}"
                    );
                }
            }
        }
    }
}
