//! Pictures -> what a model sees; the only definition, for training, evaluation and service.
//!
//! In: a [`DecodedImage`], or a picture of Fashion-MNIST. Out: an [`InputTensor`]. Never: I/O, chance, threads,
//! a value that is not finite, another result on another machine.
//!
//! The way follows the one in which Fashion-MNIST was made (Xiao, Rasul, Vollgraf 2017): trim what is within
//! 5 % of the background, shrink the longest edge to 28 pixels, sharpen, extend the shorter edge with
//! background and centre, and let the background be black. What differs has its reason here: shop photos have
//! backgrounds of any brightness, so that "black" is the distance from the background rather than the negative;
//! where the border shows no single background nothing is trimmed; white garments are brightened; and nothing is
//! sharpened: on photos of a shop that lost more tags than it won.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use crate::domain::{DecodedImage, INPUT_LEN, INPUT_SIDE, PreprocessingVersion};

mod background;
mod crop;
mod reduce;

use background::Background;
use reduce::{Grey, Reducer};

/// Raised whenever a picture may come out differently than before.
pub const VERSION: PreprocessingVersion = PreprocessingVersion(2);

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

/// Prepares picture after picture, with the same memory; one for each thread.
#[derive(Debug, Default)]
pub struct Preprocessor {
    reducer: Reducer,
    resizer: Resizer,
    columns: Vec<u32>,
}

impl Preprocessor {
    /// Without memory yet; it grows to the largest picture's needs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Prepares one picture; the result depends on nothing but the picture.
    pub fn prepare(&mut self, image: &DecodedImage) -> InputTensor {
        let Self {
            reducer,
            resizer,
            columns,
        } = self;
        let picture = reducer.reduce(Grey {
            luma: &image.luma,
            width: image.width,
            height: image.height,
        });
        let background = Background::of(picture);
        let garment = crop::find_garment(picture, &background, columns);
        let mut canvas = [0; INPUT_LEN];
        let (small, width, height) = shrink(resizer, picture, garment);
        let (left, top) = ((INPUT_SIDE - width) / 2, (INPUT_SIDE - height) / 2);
        for (row, line) in small.chunks_exact(width).enumerate() {
            let begin = (top + row) * INPUT_SIDE + left;
            for (pixel, &luma) in canvas[begin..begin + width].iter_mut().zip(line) {
                *pixel = background.distance(luma);
            }
        }
        stretch_contrast(&mut canvas);
        InputTensor::from_bytes(&canvas)
    }
}

/// The crop with its longest edge at 28 pixels; gives the grey values, width and height.
fn shrink(resizer: &mut Resizer, picture: Grey, crop: crop::Crop) -> (Vec<u8>, usize, usize) {
    let longest = crop.width.max(crop.height);
    let fitted = |edge: u32| {
        let side = INPUT_SIDE as u64;
        ((2 * u64::from(edge) * side + u64::from(longest)) / (2 * u64::from(longest))).max(1) as u32
    };
    let (width, height) = (fitted(crop.width), fitted(crop.height));
    // Typed, so that the resizer is compiled for grey alone and not for every kind of pixel there is.
    let source = TypedImageRef::<U8>::from_buffer(picture.width, picture.height, picture.luma)
        .expect("a decoded image has width times height values; this is a bug");
    let mut small = TypedImage::<U8>::new(width, height);
    // A triangle shrinks without aliasing, and its weights cost a fraction of those of filters with sines.
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
        .crop(
            f64::from(crop.left),
            f64::from(crop.top),
            f64::from(crop.width),
            f64::from(crop.height),
        );
    resizer
        .resize_typed(&source, &mut small, &options)
        .expect("a crop lies within its image and both are grey; this is a bug");
    let values = small.pixels().iter().map(|pixel| pixel.0).collect();
    (values, width as usize, height as usize)
}

/// Brightens a garment that hardly differs from its background, up to the full range, at most fourfold.
///
/// Fashion-MNIST left white garments out because they are hard to see on white, and nearly all of its pictures
/// use the full range; shops do sell white garments. The few brightest pixels may be clipped.
fn stretch_contrast(canvas: &mut [u8; INPUT_LEN]) {
    const CLIPPED: usize = INPUT_LEN / 200;
    const LOWEST_PEAK: u8 = 64;
    let mut sorted = *canvas;
    let (_, &mut peak, _) = sorted.select_nth_unstable(INPUT_LEN - 1 - CLIPPED);
    let peak = u32::from(peak.max(LOWEST_PEAK));
    for pixel in canvas {
        *pixel = ((u32::from(*pixel) * 255 + peak / 2) / peak).min(255) as u8;
    }
}

#[cfg(test)]
mod tests;
