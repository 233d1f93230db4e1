//! The training pictures by label: where second garments come from.
//!
//! In: the data set and how many of its rows are trained on. Out: a picture of a wanted class. Never: a validation
//! picture.

use crate::domain::{INPUT_LEN, LABEL_COUNT, Label};
use crate::training::dataset::Images;
use crate::training::network::random::Stream;

/// Pictures kept of a class: more than a run can tell apart as second garments, and few megabytes.
const MOST: usize = 1000;

/// Pictures of 28x28 bytes by label, bright garment on black.
#[derive(Debug, Clone)]
pub struct Wardrobe {
    racks: [Vec<[u8; INPUT_LEN]>; LABEL_COUNT],
}

impl Wardrobe {
    /// From the first `train_rows` of `images`, at most a thousand a class.
    pub fn new(images: &Images, train_rows: usize) -> Self {
        let mut racks = [const { Vec::new() }; LABEL_COUNT];
        let (pictures, _) = images.pixels.as_chunks::<INPUT_LEN>();
        for (picture, label) in pictures.iter().zip(&images.labels).take(train_rows) {
            let rack = &mut racks[label.index()];
            if rack.len() < MOST {
                rack.push(*picture);
            }
        }
        Self { racks }
    }

    /// How many pictures of a class there are.
    pub fn count(&self, label: Label) -> usize {
        self.racks[label.index()].len()
    }

    /// Any picture of a class, by its number; `None` if there is none.
    pub(super) fn take(&self, class: usize, draw: &mut Stream) -> Option<&[u8; INPUT_LEN]> {
        let rack = &self.racks[class];
        let count = u32::try_from(rack.len()).ok().filter(|&count| count > 0)?;
        Some(&rack[draw.next_below(count) as usize])
    }
}
