//! JPEG -> grey picture.
//!
//! In: bytes that begin as a JPEG. Out: its Y channel, or the luma of its colours where it has no Y; upright.
//! Never: colour that nobody asked for, a picture whose end is missing.
//!
//! A JPEG without its end marker (EOI) counts as truncated. The decoder reads ahead by a few bytes, so that it
//! cannot say whether the last pixels were really there; and a file whose end is not yet written, or still
//! reads as zeros, looks just like it. What follows EOI (padding, a second picture, a maker's data) is ignored.

use image::RgbImage;
use image::metadata::Orientation;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{DecodeError, DecodeLimits, DecodedImage, luma};
use crate::domain::ImageFormat;

mod layout;

use layout::Layout;

/// Decodes a JPEG into `buffer`; limits are checked from its header first.
pub(super) fn decode(
    bytes: &[u8],
    limits: &DecodeLimits,
    buffer: Vec<u8>,
) -> Result<DecodedImage, DecodeError> {
    let mut raw = read(bytes, limits, buffer, |_, colours| colours.to_ask_for())?;
    raw.colours.fold_to_luma(&mut raw.buffer);
    let size = (raw.width, raw.height);
    let upright = luma::turn_upright(&mut raw.buffer, size, raw.orientation);
    Ok(DecodedImage {
        luma: raw.buffer,
        width: upright.0,
        height: upright.1,
        format: ImageFormat::Jpeg,
        stored_width: size.0,
        stored_height: size.1,
    })
}

/// Decodes a JPEG in its colours, as it is stored, and how it is to be turned.
pub(super) fn decode_colour(
    bytes: &[u8],
    limits: &DecodeLimits,
) -> Result<(RgbImage, Orientation), DecodeError> {
    let raw = read(bytes, limits, Vec::new(), |layout, colours| {
        match (layout.components, colours) {
            (1, _) => ColorSpace::Luma,
            (_, Colours::Cmyk) => ColorSpace::CMYK,
            (_, Colours::Luma | Colours::Rgb | Colours::Ycck) => ColorSpace::RGB,
        }
    })?;
    let buffer = match raw.space {
        ColorSpace::Luma => raw.buffer.iter().flat_map(|&grey| [grey; 3]).collect(),
        ColorSpace::CMYK => {
            let (pixels, _) = raw.buffer.as_chunks::<4>();
            let lit = pixels
                .iter()
                .flat_map(|&[c, m, y, k]| [c, m, y].map(|part| luma::scale8(part, k)));
            lit.collect()
        }
        _ => raw.buffer,
    };
    let image = RgbImage::from_raw(raw.width, raw.height, buffer);
    let image = image.expect("three values a pixel were decoded; this is a bug");
    Ok((image, raw.orientation))
}

/// A picture as the file stores it.
struct Raw {
    buffer: Vec<u8>,
    width: u32,
    height: u32,
    colours: Colours,
    /// What the values are.
    space: ColorSpace,
    orientation: Orientation,
}

/// Checks limits and end, then decodes into the space that is asked for.
fn read(
    bytes: &[u8],
    limits: &DecodeLimits,
    mut buffer: Vec<u8>,
    to_ask_for: impl Fn(&Layout, Colours) -> ColorSpace,
) -> Result<Raw, DecodeError> {
    let layout = Layout::read(bytes)?;
    let (width, height) = (layout.width, layout.height);
    limits.check_pixels(width, height)?;
    limits.check_memory((width, height), layout.decode_bytes())?;
    layout.check_end(bytes)?;
    let colours = Colours::of(&layout)?;
    let space = to_ask_for(&layout, colours);
    let options = DecoderOptions::default()
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(space);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| explain(&error, bytes))?;
    // Oddities between headers are forgiven, missing or broken pixels are not.
    decoder.set_options(options.set_strict_mode(true));
    // Cleared, so that no pixel of an earlier picture can show through.
    buffer.clear();
    buffer.resize(width as usize * height as usize * space.num_components(), 0);
    decoder
        .decode_into(&mut buffer)
        .map_err(|error| explain(&error, bytes))?;
    let orientation = decoder
        .exif()
        .and_then(|exif| Orientation::from_exif_chunk(exif))
        .unwrap_or(Orientation::NoTransforms);
    Ok(Raw {
        buffer,
        width,
        height,
        colours,
        space,
        orientation,
    })
}

/// What a pixel's components are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Colours {
    /// Y, alone or with two components that are not needed.
    Luma,
    Rgb,
    /// Inverted inks: 0 is full ink. The standard has it the other way round, but the programs that write such
    /// files follow Adobe, and so do the programs that read them.
    Cmyk,
    /// Inverted inks, three of them transformed.
    Ycck,
}

impl Colours {
    /// Number, Adobe's transform and the components' names decide, in the decoder's own way.
    fn of(layout: &Layout) -> Result<Self, DecodeError> {
        match (layout.components, layout.adobe_transform) {
            (1, _) => Ok(Colours::Luma),
            (3, Some(0)) => Ok(Colours::Rgb),
            (3, _) if layout.is_named_rgb => Ok(Colours::Rgb),
            (3, _) => Ok(Colours::Luma),
            (4, Some(2)) => Ok(Colours::Ycck),
            (4, _) => Ok(Colours::Cmyk),
            (count, _) => Err(DecodeError::Unsupported {
                what: format!("a JPEG of {count} components is not read"),
            }),
        }
    }

    /// What the decoder shall give: luma where it can, else the components as they are.
    fn to_ask_for(self) -> ColorSpace {
        match self {
            Colours::Luma => ColorSpace::Luma,
            Colours::Rgb | Colours::Ycck => ColorSpace::RGB,
            Colours::Cmyk => ColorSpace::CMYK,
        }
    }

    /// Leaves one luma value a pixel at the buffer's front and drops the rest.
    fn fold_to_luma(self, buffer: &mut Vec<u8>) {
        let pixels = buffer.len() / self.to_ask_for().num_components();
        match self {
            Colours::Luma => {}
            Colours::Rgb | Colours::Ycck => {
                for i in 0..pixels {
                    buffer[i] = luma::of_rgb8([buffer[3 * i], buffer[3 * i + 1], buffer[3 * i + 2]]);
                }
            }
            Colours::Cmyk => {
                for i in 0..pixels {
                    let [c, m, y, k] = [0, 1, 2, 3].map(|channel| buffer[4 * i + channel]);
                    buffer[i] = luma::of_rgb8([c, m, y].map(|part| luma::scale8(part, k)));
                }
            }
        }
        buffer.truncate(pixels);
    }
}

fn explain(error: &DecodeErrors, bytes: &[u8]) -> DecodeError {
    let what = error.to_string();
    if !layout::reaches_end(bytes) {
        return DecodeError::Truncated {
            bytes: bytes.len(),
            what,
        };
    }
    match error {
        DecodeErrors::Unsupported(_) => DecodeError::Unsupported { what },
        // Precisions other than 8 bits, and a height that only follows the pixels (DNL).
        DecodeErrors::SofError(_) | DecodeErrors::ZeroError => DecodeError::Unsupported { what },
        _ => DecodeError::Corrupt {
            format: ImageFormat::Jpeg,
            what,
        },
    }
}
