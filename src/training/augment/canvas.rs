//! A sheet to paint a photo on, larger than what the network sees, and the way back to 28x28.
//!
//! In: shapes and cut-out garments in scene coordinates, with a pose. Out: a picture of 28x28, the painted part centred
//! with its longest edge at 28, as preprocessing does it. Never: chance.

use super::Picture;
use super::cloth::Cloth;
use super::cutout::Cutout;
use super::plane::{Bounds, Linear, Point, at};
use crate::domain::{INPUT_LEN, INPUT_SIDE};

/// Side of the square scene, in its own units.
pub(super) const SCENE: f32 = 64.0;

/// Middle of the scene, around which a pose turns.
pub(super) const MIDDLE: f32 = SCENE / 2.0;

/// Pixels along a side of the sheet on which the scene is painted: a garment that is worn fills half of it and keeps
/// nearly its own size; more would cost time and show nothing in 28 rows.
const SIDE: usize = 48;

/// Units of the scene in a pixel of the sheet.
const UNIT: f32 = SCENE / SIDE as f32;

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

impl Laying {
    /// All of a garment: the pivot of its picture at a place of the scene, neither bent nor tapered.
    pub(super) fn new(place: Point, pivot: Point, map: Linear) -> Self {
        Self {
            place,
            pivot,
            map,
            bend: 0.0,
            taper: 0.0,
            rows: (0.0, INPUT_SIDE as f32),
        }
    }

    /// Where a place of the garment's picture comes to lie, bend and taper left out.
    pub(super) fn place_of(&self, p: Point) -> Point {
        let moved = self.map.apply(at(p.x - self.pivot.x, p.y - self.pivot.y));
        at(self.place.x + moved.x, self.place.y + moved.y)
    }
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
        let pose = pose.times(1.0 / UNIT);
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
                let soft = rx.min(ry);
                self.paint(ellipse_bounds(centre, rx, ry), |p| {
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
            } => self.fill_limb((from, from_radius), (to, to_radius), tone),
            Shape::Quad(corners) => self.fill_quad(corners, tone),
        }
    }

    fn fill_limb(
        &mut self,
        (from, from_radius): (Point, f32),
        (to, to_radius): (Point, f32),
        tone: impl Fn(Point) -> f32,
    ) {
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

    fn fill_quad(&mut self, corners: [Point; 4], tone: impl Fn(Point) -> f32) {
        // Each edge as a line's equation, positive inside.
        let edges = [0, 1, 2, 3].map(|number| {
            let (a, b) = (corners[number], corners[(number + 1) % 4]);
            let (dx, dy) = (b.x - a.x, b.y - a.y);
            let length = (dx * dx + dy * dy).sqrt().max(1e-6);
            let (nx, ny) = (-dy / length, dx / length);
            (nx, ny, nx * a.x + ny * a.y)
        });
        self.paint(Bounds::around(&corners, 1.0), |p| {
            let depth = |(nx, ny, offset): (f32, f32, f32)| nx * p.x + ny * p.y - offset;
            let inside = edges.map(depth).into_iter().fold(f32::INFINITY, f32::min);
            (inside + 0.5, tone(p))
        });
    }

    /// Lays a garment on what is there.
    pub(super) fn lay(&mut self, garment: &Cutout, laying: &Laying) {
        let cloth = Cloth::new(garment);
        let Laying {
            place, pivot, map, ..
        } = *laying;
        let rows = (
            laying.rows.0.max(garment.frame.top as f32),
            laying.rows.1.min(garment.frame.bottom as f32),
        );
        let (left, right) = (garment.frame.left as f32, garment.frame.right as f32);
        let corners = [
            at(left, rows.0),
            at(right, rows.0),
            at(right, rows.1),
            at(left, rows.1),
        ]
        .map(|corner| laying.place_of(corner));
        let largest = map.xx.abs().max(map.yy.abs());
        let spread = (laying.bend.abs() + laying.taper.abs() * 8.0) * largest;
        let back = map.inverse();
        let (bend, taper) = (laying.bend / INPUT_LEN as f32, laying.taper / INPUT_SIDE as f32);
        // Half a pixel more on each side, over which the garment's edge fades.
        let (first, end) = (
            rows.0 - 0.5,
            rows.1 + if laying.rows.1 > rows.1 { 0.5 } else { 0.0 },
        );
        self.paint(Bounds::around(&corners, largest + spread), |p| {
            let moved = back.apply(at(p.x - place.x, p.y - place.y));
            let y = moved.y * (1.0 - taper * moved.x);
            let x = moved.x - bend * y * y.abs() + pivot.x;
            let y = y + pivot.y;
            if y < first || y >= end {
                return (0.0, 0.0);
            }
            cloth.look(x, y)
        });
    }

    /// Everything that is painted so far, changed value by value; places are those of the scene without its pose.
    pub(super) fn change(&mut self, change: impl Fn(Point, f32) -> f32) {
        for (index, value) in self.values.iter_mut().enumerate() {
            let place = at(
                ((index % SIDE) as f32 + 0.5) * UNIT,
                ((index / SIDE) as f32 + 0.5) * UNIT,
            );
            *value = change(place, *value);
        }
    }

    /// Blends what `ink` gives for each place (how much of it, which value) over what is there.
    #[inline]
    fn paint(&mut self, bounds: Bounds, ink: impl Fn(Point) -> (f32, f32)) {
        const HALF: f32 = SIDE as f32 / 2.0;
        let Bounds { low, high } = bounds;
        let corners = [low, at(high.x, low.y), high, at(low.x, high.y)].map(|p| {
            let moved = self.pose.apply(at(p.x - MIDDLE, p.y - MIDDLE));
            at(moved.x + HALF, moved.y + HALF)
        });
        let on_sheet = Bounds::around(&corners, 0.0);
        let limit = |value: f32| value.clamp(0.0, SIDE as f32) as i32 as usize;
        let (left, right) = (limit(on_sheet.low.x), limit(on_sheet.high.x + 1.0));
        for y in limit(on_sheet.low.y)..limit(on_sheet.high.y + 1.0) {
            let down = y as f32 + 0.5 - HALF;
            let from = at(self.back.xy * down + MIDDLE, self.back.yy * down + MIDDLE);
            for (x, value) in self.values[y * SIDE + left..y * SIDE + right]
                .iter_mut()
                .enumerate()
            {
                let across = (left + x) as i32 as f32 + (0.5 - HALF);
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
