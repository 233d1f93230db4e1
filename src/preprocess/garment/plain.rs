//! A garment before paper, a wall, a sheet: all that differs from the backdrop's surface.
//!
//! In: a grey picture and the surface. Out: the finder's mask and the rectangle around it, or nothing. Never: a shadow
//! on the ground, dust, a watermark.

use super::{Finder, Window};
use crate::preprocess::reduce::Grey;
use crate::preprocess::surface::Surface;

/// From this difference on a pixel is clearly told from the background.
const CLEAR: u8 = 40;
/// A garment is faint if less than this part of its rectangle is clearly told from the background.
const FAINT_PART: u32 = 8;
/// How much darker than the background a soft shadow may be, and how much from one pixel to the next.
const SHADOW_DEPTH: u8 = 64;
const SHADOW_STEP: u8 = 10;
/// Rows of a shadow, at least: a single one may be the soft edge of what it lies below.
const LEAST_SHADOW: usize = 2;
/// A shadow takes less than two parts in so many of the height of what it lies below.
const SHADOW_PART: usize = 5;

impl Finder {
    /// All that differs from the surface, strongly somewhere, less its shadow.
    pub(super) fn before_plain(&mut self, picture: Grey, surface: &Surface) -> Option<Window> {
        surface.greys(
            picture.width as usize,
            picture.height as usize,
            &mut self.backdrop,
        );
        let usual = (4.5 * surface.roughness).max(8.0) as u8;
        let window = self.unlike_backdrop(picture, usual);
        if window.is_none_or(|window| self.is_faint(picture, window)) {
            // White on white: what is left of the background's noise is all that must be told from it.
            let faint = (3.0 * surface.roughness).max(3.0) as u8;
            return self.unlike_backdrop(picture, faint);
        }
        if self.clear_shadow(picture, window?) {
            self.regions.find(&self.classes, picture.width as usize);
            return self.keep(picture);
        }
        window
    }

    /// What differs from the background by more than `low`, and somewhere by more than twice that.
    fn unlike_backdrop(&mut self, picture: Grey, low: u8) -> Option<Window> {
        let high = 2 * low;
        self.classes.clear();
        self.classes
            .extend(picture.luma.iter().zip(&self.backdrop).map(|(&luma, &back)| {
                let distance = luma.abs_diff(back);
                u8::from(distance > low) + u8::from(distance > high)
            }));
        self.regions.find(&self.classes, picture.width as usize);
        self.keep(picture)
    }

    /// Whether next to nothing of what was found is clearly told from the background.
    fn is_faint(&self, picture: Grey, window: Window) -> bool {
        let clear = picture.luma.iter().zip(&self.backdrop);
        let clear: u32 = clear
            .map(|(&luma, &back)| u32::from(luma.abs_diff(back) > CLEAR))
            .sum();
        clear * FAINT_PART < window.width * window.height
    }

    /// Takes a soft shadow away from below what was found; whether there was one.
    ///
    /// A shadow on the ground is a little darker than the background and has no edges, least of all an outer one. So in
    /// each column, from below, all is shadow that is so, up to the first edge. Where that goes on for long, it is a
    /// pale garment.
    fn clear_shadow(&mut self, picture: Grey, window: Window) -> bool {
        let width = picture.width as usize;
        let (top, bottom) = (window.top as usize, (window.top + window.height) as usize);
        let deepest = window.height as usize * 2 / SHADOW_PART;
        let mut is_cleared = false;
        for x in window.left as usize..(window.left + window.width) as usize {
            let Some(lowest) = (top..bottom).rev().find(|y| self.classes[y * width + x] != 0) else {
                continue;
            };
            let is_shadow = |y: usize| {
                let at = y * width + x;
                let (luma, back) = (picture.luma[at], self.backdrop[at]);
                let below = picture.luma.get(at + width).unwrap_or(&luma);
                self.classes[at] != 0
                    && luma < back
                    && back - luma <= SHADOW_DEPTH
                    && luma.abs_diff(*below) <= SHADOW_STEP
            };
            let depth = (top..=lowest).rev().take_while(|&y| is_shadow(y)).count();
            if (LEAST_SHADOW..=deepest).contains(&depth) {
                (lowest + 1 - depth..=lowest).for_each(|y| self.classes[y * width + x] = 0);
                is_cleared = true;
            }
        }
        is_cleared
    }
}
