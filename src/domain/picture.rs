//! Pictures between decoding and preprocessing.
//!
//! In: grey values. Out: a picture with its sizes. Never: a format that is told from a name.

/// Side of the square picture a model sees, in pixels.
pub const INPUT_SIDE: usize = 28;

/// Values in one model input: 28 rows of 28 grey values.
pub const INPUT_LEN: usize = INPUT_SIDE * INPUT_SIDE;

/// A picture's longest edge stays below this for what a model sees of it: a garment that fills but an eighth of it keeps a
/// pixel for each one of the model's.
pub const LOOKED_AT_BELOW: u32 = 16 * INPUT_SIDE as u32;

/// Format of a picture, told from its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ImageFormat {
    Jpeg,
    Png,
    Webp,
    Gif,
    Bmp,
    Tiff,
}

impl ImageFormat {
    /// Lower-case name, as it stands in records.
    pub fn name(self) -> &'static str {
        match self {
            ImageFormat::Jpeg => "jpeg",
            ImageFormat::Png => "png",
            ImageFormat::Webp => "webp",
            ImageFormat::Gif => "gif",
            ImageFormat::Bmp => "bmp",
            ImageFormat::Tiff => "tiff",
        }
    }
}

/// A picture as grey values, upright: what decoding gives and preprocessing takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodedImage {
    /// Rec.601 luma, 0 black to 255 white, row by row from the top left; `width * height` values. Each may be
    /// the mean of 2x2, 4x4 or 8x8 pixels, as long as the longest edge keeps at least half of [`LOOKED_AT_BELOW`] values.
    pub luma: Vec<u8>,
    /// Values in a row; at least 1.
    pub width: u32,
    /// Rows; at least 1.
    pub height: u32,
    /// What the file is.
    pub format: ImageFormat,
    /// Width and height of the whole photo in pixels, upright.
    pub photo_size: (u32, u32),
}
