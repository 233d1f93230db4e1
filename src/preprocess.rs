//! Pictures -> what a model sees; the only definition, for training, evaluation and service.
//!
//! In: a [`DecodedImage`], or a picture of Fashion-MNIST. Out: an [`InputTensor`]. Never: I/O, chance, threads,
//! a value that is not finite, another result on another machine.
//!
//! The contract is Fashion-MNIST's look: the garment alone, upright, its longest edge 28 pixels, centred, bright on
//! black, over the full range. Its makers (Xiao, Rasul, Vollgraf 2017) had catalogue photos on white: they trimmed what
//! was within 5 % of the corner's colour, shrank, sharpened, extended with background, and negated. Shops and homes have
//! other backgrounds, so here
//!
//! ```text
//! picture -> reduce (halved, where the decoder did not) -> frame (rims and bars off) -> surface (the background, through the border)
//!         -> garment (mask and rectangle): plain, what differs from the surface, less its shadow
//!                                          busy, what looks like the middle rather than like the border (likely)
//!         -> canvas (cut out, shrunk, stretched)
//! ```
//!
//! Nothing is sharpened: on photos of shops and homes that lost more tags than it won.

use fast_image_resize::Resizer;

use crate::domain::{DecodedImage, INPUT_LEN, LOOKED_AT_BELOW, PreprocessingVersion};

mod canvas;
mod frame;
mod garment;
mod likely;
mod reduce;
mod regions;
mod surface;

pub use garment::Backdrop;
use garment::Finder;
use reduce::{Grey, Reducer};

/// Raised whenever a picture may come out differently than before, also because it is decoded differently.
pub const VERSION: PreprocessingVersion = PreprocessingVersion(4);

/// The longest edge of what the garment is searched in stays below this: its rectangle is then found to half a pixel of
/// the model's, or to one where the garment fills but a third of the picture.
const SEARCHED_BELOW: u32 = 200;

/// What a model sees: 28 rows of 28 grey values, 0 (background) to 1, the garment bright on black.
#[derive(Debug, Clone, PartialEq)]
pub struct InputTensor(Box<[f32; INPUT_LEN]>);

impl InputTensor {
    /// The values, row by row from the top left, each 0..=1.
    pub fn values(&self) -> &[f32; INPUT_LEN] {
        &self.0
    }

    fn from_bytes(pixels: &[u8; INPUT_LEN]) -> Self {
        let mut values = Box::new([0.0; INPUT_LEN]);
        for (value, &pixel) in values.iter_mut().zip(pixels) {
            *value = f32::from(pixel) / 255.0;
        }
        Self(values)
    }
}

/// A picture of Fashion-MNIST, which is trimmed, shrunk and negated already: only the last step is left.
pub fn from_idx(pixels: &[u8; INPUT_LEN]) -> InputTensor {
    InputTensor::from_bytes(pixels)
}

/// Prepares one picture; who has many keeps a [`Preprocessor`].
pub fn prepare(image: &DecodedImage) -> InputTensor {
    Preprocessor::new().prepare(image)
}

/// All of a picture that is looked at: itself, or halved until its edges are shorter than [`LOOKED_AT_BELOW`]. Prepared again,
/// it gives the same to the bit.
pub fn looked_at(image: &DecodedImage) -> DecodedImage {
    let mut reducer = Reducer::default();
    let reduced = reducer.reduce(Grey::of(image), LOOKED_AT_BELOW);
    DecodedImage {
        luma: reduced.luma.to_vec(),
        width: reduced.width,
        height: reduced.height,
        ..*image
    }
}

/// What a model sees of a picture, and where that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// What the model sees.
    pub input: InputTensor,
    /// Left, top, right and bottom edge of the rectangle that was cut out, as shares of the picture's width and height,
    /// 0..=1.
    pub cut: [f64; 4],
    /// What the garment was found before.
    pub backdrop: Backdrop,
}

/// Prepares picture after picture, with the same memory; one for each thread.
#[derive(Debug, Default)]
pub struct Preprocessor {
    reducer: Reducer,
    searched: Reducer,
    finder: Finder,
    resizer: Resizer,
}

impl Preprocessor {
    /// Without memory yet; it grows to the largest picture's needs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Prepares one picture; the result depends on nothing but the picture.
    pub fn prepare(&mut self, image: &DecodedImage) -> InputTensor {
        self.look(image).input
    }

    /// Prepares one picture and says what was found in it.
    pub fn look(&mut self, image: &DecodedImage) -> Seen {
        let picture = self.reducer.reduce(Grey::of(image), LOOKED_AT_BELOW);
        let searched = self.searched.reduce(picture, SEARCHED_BELOW);
        let found = self.finder.find(searched);
        let mask = Grey {
            luma: &self.finder.mask,
            ..searched
        };
        let canvas = canvas::draw(&mut self.resizer, picture, mask, &found);
        Seen {
            input: InputTensor::from_bytes(&canvas),
            cut: found.window.shares(searched),
            backdrop: found.backdrop,
        }
    }
}

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;
