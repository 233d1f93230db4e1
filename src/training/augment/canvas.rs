//! A sheet to paint a photo on, larger than what the network sees, and the way back to 28x28.
//!
//! In: shapes and cut-out garments in scene coordinates, with a pose. Out: a picture of 28x28, the painted part centred
//! with its longest edge at 28, as preprocessing does it. Never: chance, sines, anything that a platform rounds in its own way.

use super::Picture;
use super::cutout::Cutout;
use crate::domain::{INPUT_LEN, INPUT_SIDE};

/// Side of the sheet: a garment that is worn fills about half of it and is painted at about its own size.
pub(super) const SIDE: usize = 64;
/// Middle of the sheet, around which a pose turns.
pub(super) const MIDDLE: f32 = SIDE as f32 / 2.0;

/// A place in the scene; without a pose a pixel of the sheet, x to the right, y down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub x: f32,
    pub y: f32,
}

/// Short for a [`Point`].
pub(super) const fn at(x: f32, y: f32) -> Point {
    Point { x, y }
}

/// A linear map of the plane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Linear {
    pub xx: f32,
    pub xy: f32,
    pub yx: f32,
    pub yy: f32,
}

impl Linear {
    /// Scales, leans (x grows by `lean` times y), then turns clockwise by twice the arc whose tangent is `half_turn`:
    /// for small ones about twice as many radians.
    pub(super) fn new(scale: Point, lean: f32, half_turn: f32) -> Self {
        let square = half_turn * half_turn;
        let (cosine, sine) = ((1.0 - square) / (1.0 + square), 2.0 * half_turn / (1.0 + square));
        let (xx, xy, yy) = (scale.x, lean * scale.y, scale.y);
        Self {
            xx: cosine * xx,
            xy: cosine * xy - sine * yy,
            yx: sine * xx,
            yy: sine * xy + cosine * yy,
        }
    }

    pub(super) fn apply(&self, p: Point) -> Point {
        at(self.xx * p.x + self.xy * p.y, self.yx * p.x + self.yy * p.y)
    }

    /// The way back; scales are never zero here.
    fn inverse(&self) -> Self {
        let whole = self.xx * self.yy - self.xy * self.yx;
        Self {
            xx: self.yy / whole,
            xy: -self.xy / whole,
            yx: -self.yx / whole,
            yy: self.xx / whole,
        }
    }
}

/// A rectangle of the scene.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub low: Point,
    pub high: Point,
}

impl Bounds {
    fn around(points: &[Point], margin: f32) -> Self {
        let fold = |of: fn(&Point) -> f32, pick: fn(f32, f32) -> f32| {
            points.iter().map(of).reduce(pick).unwrap_or(0.0)
        };
        Self {
            low: at(fold(|p| p.x, f32::min) - margin, fold(|p| p.y, f32::min) - margin),
            high: at(fold(|p| p.x, f32::max) + margin, fold(|p| p.y, f32::max) + margin),
        }
    }
}

/// What can be filled with a tone.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    Ellipse {
        centre: Point,
        rx: f32,
        ry: f32,
    },
    /// The outline of an ellipse, `width` to the inside.
    Ring {
        centre: Point,
        rx: f32,
        ry: f32,
        width: f32,
    },
    /// From one point to another, as thick as the radii there.
    Limb {
        from: Point,
        to: Point,
        from_radius: f32,
        to_radius: f32,
    },
    /// Four corners, clockwise as seen; convex.
    Quad([Point; 4]),
}

/// How a garment is laid on the sheet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Laying {
    /// Place of the garment's `pivot` in the scene.
    pub place: Point,
    /// Point of the garment's picture, in its pixels.
    pub pivot: Point,
    /// From the garment's pixels to the scene.
    pub map: Linear,
    /// Sideways, with the square of the way down from the pivot, in garment pixels for 28 rows.
    pub bend: f32,
    /// How much taller the right end is than the left one, for 28 columns; 0 for none.
    pub taper: f32,
    /// Rows of the garment's picture that are painted: from, and first left out.
    pub rows: (f32, f32),
}

/// A sheet with what was painted on it.
pub(super) struct Canvas {
    values: [f32; SIDE * SIDE],
    pose: Linear,
    back: Linear,
}

impl Canvas {
    /// Black; what is painted on it is moved about its middle by `pose`.
    pub(super) fn new(pose: Linear) -> Self {
        Self {
            values: [0.0; SIDE * SIDE],
            pose,
            back: pose.inverse(),
        }
    }

    /// Fills a shape; `tone` gives the value at each place.
    pub(super) fn fill(&mut self, shape: Shape, tone: impl Fn(Point) -> f32) {
        match shape {
            Shape::Ellipse { centre, rx, ry } => {
                let bounds = ellipse_bounds(centre, rx, ry);
                let soft = rx.min(ry);
                self.paint(bounds, |p| {
                    ((1.0 - radius(p, centre, rx, ry)) * soft + 0.5, tone(p))
                });
            }
            Shape::Ring {
                centre,
                rx,
                ry,
                width,
            } => {
                let soft = rx.min(ry);
                self.paint(ellipse_bounds(centre, rx, ry), |p| {
                    let depth = (1.0 - radius(p, centre, rx, ry)) * soft;
                    ((depth + 0.5).min(width - depth + 0.5), tone(p))
                });
            }
            Shape::Limb {
                from,
                to,
                from_radius,
                to_radius,
            } => {
                let bounds = Bounds::around(&[from, to], from_radius.max(to_radius) + 1.0);
                let (dx, dy) = (to.x - from.x, to.y - from.y);
                let scale = 1.0 / (dx * dx + dy * dy).max(1e-6);
                self.paint(bounds, |p| {
                    let (px, py) = (p.x - from.x, p.y - from.y);
                    let along = ((px * dx + py * dy) * scale).clamp(0.0, 1.0);
                    let (ex, ey) = (px - along * dx, py - along * dy);
                    let thick = from_radius + (to_radius - from_radius) * along;
                    (thick - (ex * ex + ey * ey).sqrt() + 0.5, tone(p))
                });
            }
            Shape::Quad(corners) => {
                let edges: [(Point, f32, f32); 4] = std::array::from_fn(|i| {
                    let (a, b) = (corners[i], corners[(i + 1) % 4]);
                    let (dx, dy) = (b.x - a.x, b.y - a.y);
                    let length = (dx * dx + dy * dy).sqrt().max(1e-6);
                    (a, -dy / length, dx / length)
                });
                self.paint(Bounds::around(&corners, 1.0), |p| {
                    let inside = edges
                        .iter()
                        .map(|(a, nx, ny)| (p.x - a.x) * nx + (p.y - a.y) * ny)
                        .fold(f32::INFINITY, f32::min);
                    (inside + 0.5, tone(p))
                });
            }
        }
    }

    /// Lays a garment on what is there.
    pub(super) fn lay(&mut self, garment: &Cutout, laying: &Laying) {
        let cloth = Cloth::new(garment);
        let Laying {
            place, pivot, map, ..
        } = *laying;
        let frame = garment.frame;
        let (top, bottom) = (
            (frame.top as f32).max(laying.rows.0),
            (frame.bottom as f32).min(laying.rows.1),
        );
        let corners = [
            (frame.left as f32, top),
            (frame.right as f32, top),
            (frame.right as f32, bottom),
            (frame.left as f32, bottom),
        ]
        .map(|(x, y)| {
            let moved = map.apply(at(x - pivot.x, y - pivot.y));
            at(place.x + moved.x, place.y + moved.y)
        });
        let spread = (laying.bend.abs() + laying.taper.abs() * 8.0) * map.xx.abs().max(map.yy.abs());
        let back = map.inverse();
        let bend = laying.bend / (INPUT_LEN as f32);
        let taper = laying.taper / INPUT_SIDE as f32;
        self.paint(Bounds::around(&corners, 1.0 + spread), |p| {
            let moved = back.apply(at(p.x - place.x, p.y - place.y));
            let y = moved.y * (1.0 - taper * moved.x);
            let x = moved.x - bend * y * y.abs();
            let (x, y) = (x + pivot.x, y + pivot.y);
            if y < laying.rows.0 || y >= laying.rows.1 {
                return (0.0, 0.0);
            }
            cloth.look(x, y)
        });
    }

    /// Everything that is painted so far, changed value by value.
    pub(super) fn change(&mut self, change: impl Fn(Point, f32) -> f32) {
        for (index, value) in self.values.iter_mut().enumerate() {
            let place = at((index % SIDE) as f32 + 0.5, (index / SIDE) as f32 + 0.5);
            *value = change(place, *value);
        }
    }

    /// Blends what `ink` gives for each place (how much of it, which value) over what is there.
    #[inline]
    fn paint(&mut self, bounds: Bounds, ink: impl Fn(Point) -> (f32, f32)) {
        let Bounds { low, high } = bounds;
        let corners = [low, at(high.x, low.y), high, at(low.x, high.y)].map(|p| {
            let moved = self.pose.apply(at(p.x - MIDDLE, p.y - MIDDLE));
            at(moved.x + MIDDLE, moved.y + MIDDLE)
        });
        let on_sheet = Bounds::around(&corners, 0.0);
        let limit = |value: f32| value.clamp(0.0, SIDE as f32) as i32 as usize;
        let (left, right) = (limit(on_sheet.low.x), limit(on_sheet.high.x + 1.0));
        for y in limit(on_sheet.low.y)..limit(on_sheet.high.y + 1.0) {
            let down = y as f32 + 0.5 - MIDDLE;
            let from = at(self.back.xy * down + MIDDLE, self.back.yy * down + MIDDLE);
            for (x, value) in self.values[y * SIDE + left..y * SIDE + right]
                .iter_mut()
                .enumerate()
            {
                let across = (left + x) as i32 as f32 + (0.5 - MIDDLE);
                let place = at(from.x + self.back.xx * across, from.y + self.back.yx * across);
                let (cover, tone) = ink(place);
                *value += (tone - *value) * cover.clamp(0.0, 1.0);
            }
        }
    }

    /// The painted part, its longest edge at 28, centred.
    pub(super) fn fit(&self, out: &mut Picture) {
        let (across, down) = self.painted();
        self.shrink(across, down, out);
    }

    /// The whole sheet.
    pub(super) fn fit_whole(&self, out: &mut Picture) {
        self.shrink((0, SIDE), (0, SIDE), out);
    }

    /// These columns and rows.
    fn shrink(&self, across: (usize, usize), down: (usize, usize), out: &mut Picture) {
        let longest = (across.1 - across.0).max(down.1 - down.0);
        let fitted = |edge: usize| ((2 * edge * INPUT_SIDE + longest) / (2 * longest)).clamp(1, INPUT_SIDE);
        let (width, height) = (fitted(across.1 - across.0), fitted(down.1 - down.0));
        let (left, top) = ((INPUT_SIDE - width) / 2, (INPUT_SIDE - height) / 2);
        let mut lines = [[0.0f32; SIDE]; INPUT_SIDE];
        for (line, share) in lines.iter_mut().zip(shares(down, height)) {
            for (index, weight) in share {
                let row = &self.values[index * SIDE..(index + 1) * SIDE];
                for (sum, value) in line.iter_mut().zip(row) {
                    *sum += weight * value;
                }
            }
        }
        *out = [0.0; INPUT_LEN];
        for (x, share) in shares(across, width).enumerate() {
            for (index, weight) in share {
                for (y, line) in lines[..height].iter().enumerate() {
                    out[(top + y) * INPUT_SIDE + left + x] += weight * line[index];
                }
            }
        }
    }

    /// Columns and rows with something on them; all if there is nothing.
    fn painted(&self) -> ((usize, usize), (usize, usize)) {
        /// What preprocessing takes for background: 5 %.
        const FAINT: f32 = 0.05;
        let mut brightest_of_column = [0.0f32; SIDE];
        let mut rows = (SIDE, 0);
        for (y, line) in self.values.chunks_exact(SIDE).enumerate() {
            let mut brightest = 0.0f32;
            for (column, &value) in brightest_of_column.iter_mut().zip(line) {
                *column = column.max(value);
                brightest = brightest.max(value);
            }
            if brightest > FAINT {
                rows = (rows.0.min(y), y + 1);
            }
        }
        let first = brightest_of_column.iter().position(|&value| value > FAINT);
        let last = brightest_of_column.iter().rposition(|&value| value > FAINT);
        match (first, last) {
            (Some(first), Some(last)) => ((first, last + 1), rows),
            _ => ((0, SIDE), (0, SIDE)),
        }
    }
}

/// Which pixels of a line make up each of fewer (or more) ones, and with what weights, by area.
fn shares(
    (first, end): (usize, usize),
    count: usize,
) -> impl Iterator<Item = impl Iterator<Item = (usize, f32)>> {
    let step = (end - first) as f32 / count as f32;
    let per_step = 1.0 / step;
    (0..count).map(move |number| {
        let low = first as f32 + number as f32 * step;
        let high = low + step;
        let last = (high as i32 as usize).min(end - 1);
        (low as i32 as usize..=last).map(move |index| {
            let (begin, next) = (index as f32, (index + 1) as f32);
            (index, (high.min(next) - low.max(begin)).max(0.0) * per_step)
        })
    })
}

/// A garment's values and mask with empty pixels around, so that no look between pixels leaves them.
struct Cloth {
    covers: [f32; CLOTH_SIDE * CLOTH_SIDE],
    values: [f32; CLOTH_SIDE * CLOTH_SIDE],
}

const CLOTH_BORDER: usize = 2;
/// A power of two, so that an index is kept within by a mask.
const CLOTH_SIDE: usize = 32;

impl Cloth {
    fn new(garment: &Cutout) -> Self {
        let mut cloth = Self {
            covers: [0.0; CLOTH_SIDE * CLOTH_SIDE],
            values: [0.0; CLOTH_SIDE * CLOTH_SIDE],
        };
        for y in garment.frame.top..garment.frame.bottom {
            let begin = (y + CLOTH_BORDER) * CLOTH_SIDE + CLOTH_BORDER;
            let covers = &mut cloth.covers[begin..begin + INPUT_SIDE];
            let values = &mut cloth.values[begin..begin + INPUT_SIDE];
            let line = &garment.values[y * INPUT_SIDE..(y + 1) * INPUT_SIDE];
            for x in 0..INPUT_SIDE {
                let held = (garment.mask[y] >> x & 1) as i32 as f32;
                covers[x] = held;
                values[x] = held * line[x];
            }
        }
        cloth
    }

    /// Cover and value at a place of the garment's picture, between its pixels.
    #[inline]
    fn look(&self, x: f32, y: f32) -> (f32, f32) {
        const SHIFT: f32 = CLOTH_BORDER as f32 - 0.5;
        const INNER: f32 = (CLOTH_SIDE - 2) as f32;
        const MASK: usize = CLOTH_SIDE * CLOTH_SIDE - 1;
        let (x, y) = (x + SHIFT, y + SHIFT);
        if !(x > 0.0 && x < INNER && y > 0.0 && y < INNER) {
            return (0.0, 0.0);
        }
        let (left, top) = (x as i32, y as i32);
        let (right, low) = (x - left as f32, y - top as f32);
        let here = top as usize * CLOTH_SIDE + left as usize;
        let places = [0, 1, CLOTH_SIDE, CLOTH_SIDE + 1].map(|step| (here + step) & MASK);
        let between = |of: &[f32; CLOTH_SIDE * CLOTH_SIDE]| {
            let upper = of[places[0]] + (of[places[1]] - of[places[0]]) * right;
            let lower = of[places[2]] + (of[places[3]] - of[places[2]]) * right;
            upper + (lower - upper) * low
        };
        let cover = between(&self.covers);
        if cover <= 0.0 {
            return (0.0, 0.0);
        }
        (cover, between(&self.values) / cover)
    }
}

fn ellipse_bounds(centre: Point, rx: f32, ry: f32) -> Bounds {
    Bounds {
        low: at(centre.x - rx - 1.0, centre.y - ry - 1.0),
        high: at(centre.x + rx + 1.0, centre.y + ry + 1.0),
    }
}

fn radius(p: Point, centre: Point, rx: f32, ry: f32) -> f32 {
    let (x, y) = ((p.x - centre.x) / rx, (p.y - centre.y) / ry);
    (x * x + y * y).sqrt()
}
