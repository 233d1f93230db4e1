//! The plane of a scene: points, linear maps, rectangles.
//!
//! In: numbers. Out: numbers, by arithmetic alone. Never: sines, or anything else that a platform rounds in its own way.

/// A place in the scene, x to the right, y down.
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

    pub(super) fn times(&self, factor: f32) -> Self {
        Self {
            xx: self.xx * factor,
            xy: self.xy * factor,
            yx: self.yx * factor,
            yy: self.yy * factor,
        }
    }

    /// The way back; scales are never zero here.
    pub(super) fn inverse(&self) -> Self {
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
    pub(super) fn around(points: &[Point], margin: f32) -> Self {
        let fold = |of: fn(&Point) -> f32, pick: fn(f32, f32) -> f32| {
            points.iter().map(of).reduce(pick).unwrap_or(0.0)
        };
        Self {
            low: at(fold(|p| p.x, f32::min) - margin, fold(|p| p.y, f32::min) - margin),
            high: at(fold(|p| p.x, f32::max) + margin, fold(|p| p.y, f32::max) + margin),
        }
    }
}

/// Rounded towards zero, without a call into the platform's library.
pub(super) fn whole(value: f32) -> f32 {
    value as i32 as f32
}
