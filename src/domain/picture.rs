//! Pictures between decoding and preprocessing.
//!
//! In: grey values. Out: a picture with its sizes. Never: a format that is told from a name.

/// Side of the square picture a model sees, in pixels.
pub const INPUT_SIDE: usize = 28;

/// Values in one model input: 28 rows of 28 grey values.
pub const INPUT_LEN: usize = INPUT_SIDE * INPUT_SIDE;

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
    /// Rec.601 luma, 0 black to 255 white, row by row from the top left; `width * height` values.
    pub luma: Vec<u8>,
    /// Pixels in a row, after the orientation that the file asks for; at least 1.
    pub width: u32,
    /// Rows, after the orientation that the file asks for; at least 1.
    pub height: u32,
    /// What the file is.
    pub format: ImageFormat,
    /// Pixels in a row as the file stores them.
    pub stored_width: u32,
    /// Rows as the file stores them.
    pub stored_height: u32,
}
