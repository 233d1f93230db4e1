//! Where the garment is.
//!
//! In: a grey picture. Out: a mask, the rectangle around it, and the background around that. Never: an empty
//! rectangle, changed pixels.

use super::frame;
use super::likely::Likelihood;
use super::reduce::Grey;
use super::regions::{Region, Regions};
use super::surface::{PLAIN_SHARE, Surface};

mod busy;
mod plain;

/// A rectangle of pixels, at least 1x1, within its picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub left: u32,
    pub top: u32,
    pub width: u32,
    pub height: u32,
}

impl Window {
    pub(super) fn whole(picture: Grey) -> Self {
        Self {
            left: 0,
            top: 0,
            width: picture.width,
            height: picture.height,
        }
    }

    /// Left, top, right and bottom edge as shares of the picture.
    pub(super) fn shares(&self, of: Grey) -> [f64; 4] {
        let share = |at: u32, whole: u32| f64::from(at) / f64::from(whole);
        [
            share(self.left, of.width),
            share(self.top, of.height),
            share(self.left + self.width, of.width),
            share(self.top + self.height, of.height),
        ]
    }

    /// The same rectangle of another size of the picture: left, top, width, height.
    pub(super) fn scaled(&self, from: Grey, to: Grey) -> [f64; 4] {
        let edge = |begin: u32, length: u32, from: u32, to: u32| {
            let scale = f64::from(to) / f64::from(from);
            let begin = f64::from(begin) * scale;
            // Rounding must not lead over the edge.
            let length = (f64::from(length) * scale).min(f64::from(to) - begin);
            (begin, length)
        };
        let (left, width) = edge(self.left, self.width, from.width, to.width);
        let (top, height) = edge(self.top, self.height, from.height, to.height);
        [left, top, width, height]
    }
}

/// What was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    /// The rectangle around the garment.
    pub window: Window,
    /// What is around the garment.
    pub surface: Surface,
    /// How it was found.
    pub backdrop: Backdrop,
}

/// What a garment lies before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backdrop {
    /// One smooth surface: what differs from it is the garment.
    Plain,
    /// A floor, a bed, a room: the garment is what looks like the middle rather than like the border.
    Busy,
    /// Nothing stood out: the whole picture is taken.
    Nothing,
}

/// Most roughness of a plain background, in grey values: what cameras and compression leave on paper and walls.
const PLAIN_ROUGHNESS: f32 = 3.0;
/// A region belongs to the garment if it is at least this part of the largest one and near it (a strap), or this part
/// of it anywhere (the other shoe).
const NEAR_PART: u32 = 16;
const FAR_PART: u32 = 3;
/// Pixels around a region that are in the mask, too: edges are soft, and fade by themselves.
const MARGIN: u32 = 2;

/// Memory to work in.
#[derive(Debug, Default)]
pub(super) struct Finder {
    inner: Vec<u8>,
    backdrop: Vec<u8>,
    classes: Vec<u8>,
    regions: Regions,
    likelihood: Likelihood,
    /// 255 where the garment is, else 0; of the size of the picture that was searched.
    pub mask: Vec<u8>,
}

impl Finder {
    /// Searches a picture.
    pub(super) fn find(&mut self, picture: Grey) -> Found {
        let window = frame::inside(picture);
        if window == Window::whole(picture) {
            return self.find_within(picture);
        }
        let mut inner = std::mem::take(&mut self.inner);
        inner.clear();
        let rows = picture.luma.chunks_exact(picture.width as usize);
        for row in rows.skip(window.top as usize).take(window.height as usize) {
            inner.extend(&row[window.left as usize..(window.left + window.width) as usize]);
        }
        let mut found = self.find_within(Grey {
            luma: &inner,
            width: window.width,
            height: window.height,
        });
        self.inner = inner;
        self.put_back(picture, window, &mut found);
        found
    }

    fn find_within(&mut self, picture: Grey) -> Found {
        let surface = Surface::of(picture);
        let is_plain = surface.share >= PLAIN_SHARE && surface.roughness <= PLAIN_ROUGHNESS;
        let plain = if is_plain {
            self.before_plain(picture, &surface)
        } else {
            None
        };
        let found = match plain {
            Some(window) => Some((window, Backdrop::Plain)),
            None => self
                .before_busy(picture, &surface)
                .map(|window| (window, Backdrop::Busy)),
        };
        let (window, backdrop) = found.unwrap_or_else(|| {
            self.mask.clear();
            self.mask.resize(picture.luma.len(), 255);
            (Window::whole(picture), Backdrop::Nothing)
        });
        Found {
            window,
            surface,
            backdrop,
        }
    }

    /// The largest region and what belongs to it become the mask.
    fn keep(&mut self, picture: Grey) -> Option<Window> {
        let (width, height) = (picture.width, picture.height);
        let reaches_out = |region: &Region| {
            region.left == 0 || region.top == 0 || region.right == width || region.bottom == height
        };
        // What leaves the picture is rather surroundings than garment.
        let weight = |region: &Region| region.strong / if reaches_out(region) { 2 } else { 1 };
        let main = *self.regions.all().max_by_key(|region| weight(region))?;
        if main.strong == 0 {
            return None;
        }
        let belongs = |region: &Region| {
            let is_large = NEAR_PART * region.strong >= main.strong && region.strong > 0;
            let is_alike = FAR_PART * region.strong >= main.strong;
            let is_inside = reaches_out(&main) || !reaches_out(region);
            is_alike || (is_large && is_inside && region.is_near(&main))
        };
        self.mask.clear();
        self.mask.resize(picture.luma.len(), 0);
        let mut around = Region::default();
        for (run, region) in self
            .regions
            .runs_with_regions()
            .filter(|(_, region)| belongs(region))
        {
            let (begin, end) = (run.begin.saturating_sub(MARGIN), (run.end + MARGIN).min(width));
            for row in run.row.saturating_sub(MARGIN)..(run.row + MARGIN + 1).min(height) {
                let line = (row * width) as usize;
                self.mask[line + begin as usize..line + end as usize].fill(255);
            }
            around.include(region);
        }
        Some(Window {
            left: around.left,
            top: around.top,
            width: around.right - around.left,
            height: around.bottom - around.top,
        })
    }

    /// From within a frame back to the whole picture.
    fn put_back(&mut self, picture: Grey, inside: Window, found: &mut Found) {
        found.window.left += inside.left;
        found.window.top += inside.top;
        found.surface = found.surface.over_whole(picture, inside);
        self.classes.clear();
        self.classes.resize(picture.luma.len(), 0);
        let width = picture.width as usize;
        for (y, row) in self.mask.chunks_exact(inside.width as usize).enumerate() {
            let begin = (inside.top as usize + y) * width + inside.left as usize;
            self.classes[begin..begin + row.len()].copy_from_slice(row);
        }
        std::mem::swap(&mut self.mask, &mut self.classes);
    }
}
