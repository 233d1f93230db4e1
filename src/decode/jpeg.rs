//! JPEG -> grey picture.
//!
//! In: bytes that begin as a JPEG. Out: its Y channel, or the luma of its colours where it has no Y; upright.
//! Never: a picture whose end is missing.
//!
//! The Y channel of nearly all JPEGs is read by our own decoder (`sequential`), at a part of its size where a picture is
//! larger than anybody looks at. All else goes through zune-jpeg.
//!
//! A JPEG without its end marker (EOI) counts as truncated. The decoder reads ahead by a few bytes, so that it
//! cannot say whether the last pixels were really there; and a file whose end is not yet written, or still
//! reads as zeros, looks just like it. Where the end marker is there and pixels before it are not, they are read as far as
//! they go, as other programs read them. What follows EOI (padding, a second picture, a maker's data) is ignored.

use image::RgbImage;
use image::metadata::Orientation;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{DecodeError, DecodeLimits, DecodedImage, luma};
use crate::domain::{ImageFormat, LOOKED_AT_BELOW};

mod layout;
mod sequential;

use layout::Layout;
use sequential::Scale;

/// Decodes a JPEG into `buffer`; limits are checked from its header first.
pub(super) fn decode(
    bytes: &[u8],
    limits: &DecodeLimits,
    mut buffer: Vec<u8>,
) -> Result<DecodedImage, DecodeError> {
    let (layout, colours) = check(bytes, limits)?;
    let stored = (layout.width, layout.height);
    let size = match sequential_luma(bytes, &layout, colours, &mut buffer) {
        Some(size) => size,
        None => {
            let space = colours.to_ask_for(&layout);
            read(bytes, &layout, space, &mut buffer)?;
            colours.fold_to_luma(space, &mut buffer);
            stored
        }
    };
    let (width, height) = luma::turn_upright(&mut buffer, size, layout.orientation);
    Ok(DecodedImage {
        luma: buffer,
        width,
        height,
        format: ImageFormat::Jpeg,
        photo_size: luma::upright(stored, layout.orientation),
    })
}

/// The Y channel, at the part of its size that is enough, where our decoder can have it.
fn sequential_luma(
    bytes: &[u8],
    layout: &Layout,
    colours: Colours,
    buffer: &mut Vec<u8>,
) -> Option<(u32, u32)> {
    if colours != Colours::Luma {
        return None;
    }
    let stored = (layout.width, layout.height);
    let scale = Scale::to_below(LOOKED_AT_BELOW, stored);
    sequential::decode(bytes, layout, scale, buffer)?;
    Some(scale.of(stored))
}

/// Decodes a JPEG in its colours, as it is stored, and how it is to be turned.
pub(super) fn decode_colour(
    bytes: &[u8],
    limits: &DecodeLimits,
) -> Result<(RgbImage, Orientation), DecodeError> {
    let (layout, colours) = check(bytes, limits)?;
    let space = match (layout.components.len(), colours) {
        (1, _) => ColorSpace::Luma,
        (_, Colours::Cmyk) => ColorSpace::CMYK,
        (_, Colours::Luma | Colours::Rgb | Colours::Ycck) => ColorSpace::RGB,
    };
    let mut buffer = Vec::new();
    read(bytes, &layout, space, &mut buffer)?;
    let buffer = match space {
        ColorSpace::Luma => buffer.iter().flat_map(|&grey| [grey; 3]).collect(),
        ColorSpace::CMYK => {
            let (pixels, _) = buffer.as_chunks::<4>();
            let lit = pixels
                .iter()
                .flat_map(|&[c, m, y, k]| [c, m, y].map(|part| luma::scale8(part, k)));
            lit.collect()
        }
        _ => buffer,
    };
    let image = RgbImage::from_raw(layout.width, layout.height, buffer);
    let image = image.expect("three values a pixel were decoded; this is a bug");
    Ok((image, layout.orientation))
}

/// Checks limits and end.
fn check(bytes: &[u8], limits: &DecodeLimits) -> Result<(Layout, Colours), DecodeError> {
    let layout = Layout::read(bytes)?;
    let (width, height) = (layout.width, layout.height);
    limits.check_pixels(width, height)?;
    limits.check_memory((width, height), layout.decode_bytes())?;
    layout.check_end(bytes)?;
    let colours = Colours::of(&layout)?;
    Ok((layout, colours))
}

/// Decodes all pixels into the space that is asked for.
fn read(bytes: &[u8], layout: &Layout, space: ColorSpace, buffer: &mut Vec<u8>) -> Result<(), DecodeError> {
    let options = DecoderOptions::default()
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(space);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| explain(&error, bytes))?;
    // Oddities between headers are forgiven, codes that are none are not.
    decoder.set_options(options.set_strict_mode(true));
    // Cleared, so that no pixel of an earlier picture can show through.
    buffer.clear();
    buffer.resize(
        layout.width as usize * layout.height as usize * space.num_components(),
        0,
    );
    decoder
        .decode_into(buffer)
        .map_err(|error| explain(&error, bytes))
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
        match (layout.components.len(), layout.adobe_transform) {
            (1, _) => Ok(Colours::Luma),
            (3, Some(0)) => Ok(Colours::Rgb),
            (3, _) if layout.is_named_rgb() => Ok(Colours::Rgb),
            (3, _) => Ok(Colours::Luma),
            (4, Some(2)) => Ok(Colours::Ycck),
            (4, _) => Ok(Colours::Cmyk),
            (count, _) => Err(DecodeError::Unsupported {
                what: format!("a JPEG of {count} components is not read"),
            }),
        }
    }

    /// What the decoder shall give: luma where it can, else the components as they are.
    fn to_ask_for(self, layout: &Layout) -> ColorSpace {
        match self {
            // zune-jpeg 0.5.15, asked for luma alone, takes the rows of these for twice as many.
            Colours::Luma if layout.components.len() == 3 && matches!(layout.finest_sampling(), (1, 2..)) => {
                ColorSpace::YCbCr
            }
            Colours::Luma => ColorSpace::Luma,
            Colours::Rgb | Colours::Ycck => ColorSpace::RGB,
            Colours::Cmyk => ColorSpace::CMYK,
        }
    }

    /// Leaves one luma value a pixel at the buffer's front and drops the rest.
    fn fold_to_luma(self, space: ColorSpace, buffer: &mut Vec<u8>) {
        let values = space.num_components();
        let pixels = buffer.len() / values;
        match self {
            Colours::Luma if values == 1 => {}
            Colours::Luma => (1..pixels).for_each(|i| buffer[i] = buffer[values * i]),
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
        DecodeErrors::SofError(_) | DecodeErrors::ZeroError => DecodeError::Unsupported { what },
        _ => DecodeError::Corrupt {
            format: ImageFormat::Jpeg,
            what,
        },
    }
}
