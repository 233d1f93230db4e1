//! PNG, WebP, GIF, BMP and TIFF -> grey picture, by the `image` crate.
//!
//! In: bytes whose format is known. Out: a grey picture, upright. Never: JPEG.

use std::error::Error;
use std::io::{self, Cursor};

use image::error::LimitErrorKind;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits};

use super::{DecodeError, DecodeLimits, DecodedImage, luma};
use crate::domain::ImageFormat;

/// Decodes a file of the given format; limits are checked from its header first.
pub(super) fn decode(
    bytes: &[u8],
    format: ImageFormat,
    limits: &DecodeLimits,
) -> Result<DecodedImage, DecodeError> {
    let (image, orientation) = decode_colour(bytes, format, limits)?;
    let (width, height) = (image.width(), image.height());
    let mut luma = luma::of_image(image);
    let (width, height) = luma::turn_upright(&mut luma, (width, height), orientation);
    Ok(DecodedImage {
        luma,
        width,
        height,
        format,
        photo_size: (width, height),
    })
}

/// As [`decode`], in its colours, as it is stored, and how it is to be turned.
pub(super) fn decode_colour(
    bytes: &[u8],
    format: ImageFormat,
    limits: &DecodeLimits,
) -> Result<(DynamicImage, Orientation), DecodeError> {
    check_container(bytes, format, limits)?;
    let file = File { bytes, format };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), file.crate_format());
    let mut crate_limits = Limits::no_limits();
    crate_limits.max_alloc = Some(limits.max_decode_bytes);
    reader.limits(crate_limits);
    let mut decoder = reader.into_decoder().map_err(|e| file.explain(e, limits))?;
    check_size(&file, decoder.dimensions(), decoder.total_bytes(), limits)?;
    // Broken metadata do not make a picture unusable.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let image = DynamicImage::from_decoder(decoder).map_err(|e| file.explain(e, limits))?;
    Ok((image, orientation))
}

/// Colours, luma and a turned copy of it may all be there at once.
fn check_size(
    file: &File<'_>,
    (width, height): (u32, u32),
    colour_bytes: u64,
    limits: &DecodeLimits,
) -> Result<(), DecodeError> {
    if width == 0 || height == 0 {
        return Err(file.corrupt(format!("{width}x{height} pixels")));
    }
    limits.check_pixels(width, height)?;
    let grey_bytes = 2 * u64::from(width) * u64::from(height);
    limits.check_memory((width, height), colour_bytes.saturating_add(grey_bytes))
}

/// What the decoders do not check or check too late: PNG's size and end, WebP's length, what follows a GIF's first frame.
fn check_container(bytes: &[u8], format: ImageFormat, limits: &DecodeLimits) -> Result<(), DecodeError> {
    match format {
        ImageFormat::Png => {
            // The decoder reads on to the first data before it tells the size.
            if let Some((width, height)) = png_size(bytes) {
                limits.check_pixels(width, height)?;
            }
            png_is_whole(bytes)
        }
        ImageFormat::Webp => webp_is_whole(bytes),
        ImageFormat::Gif => gif_is_whole(bytes),
        _ => Ok(()),
    }
}

fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    const HEADER: usize = 8 + 4;
    (bytes.get(HEADER..HEADER + 4)? == b"IHDR")
        .then(|| Some((u32_be(bytes, HEADER + 4)?, u32_be(bytes, HEADER + 8)?)))
        .flatten()
}

/// Walks the chunks (length, name, data, checksum) up to IEND.
fn png_is_whole(bytes: &[u8]) -> Result<(), DecodeError> {
    const AROUND: usize = 12;
    let mut at = 8;
    while let (Some(length), Some(name)) = (u32_be(bytes, at), bytes.get(at + 4..at + 8)) {
        at = at.saturating_add(AROUND).saturating_add(length as usize);
        if name == b"IEND" && at <= bytes.len() {
            return Ok(());
        }
    }
    Err(truncated(bytes, "a PNG without its last chunk (IEND)"))
}

fn webp_is_whole(bytes: &[u8]) -> Result<(), DecodeError> {
    let declared = bytes.get(4..8).map_or(0, |length| {
        u32::from_le_bytes([length[0], length[1], length[2], length[3]])
    });
    if (bytes.len() as u64) < 8 + u64::from(declared) {
        let what = format!("a WebP that declares {} bytes", 8 + u64::from(declared));
        return Err(truncated(bytes, what));
    }
    Ok(())
}

/// Walks the blocks (GIF89a, 1990): the first frame is all that is looked at, but a file that breaks off in a later one is
/// still being written. One that only lacks the trailer behind a whole block is shown by everything else, and taken.
fn gif_is_whole(bytes: &[u8]) -> Result<(), DecodeError> {
    const HEADER: usize = 13;
    let mut at = HEADER + bytes.get(10).map_or(0, |&packed| colour_table_bytes(packed));
    while let Some(b',' | b'!') = bytes.get(at) {
        let end = gif_block_end(bytes, at);
        at = end.ok_or_else(|| truncated(bytes, "a GIF that breaks off within a frame"))?;
    }
    Ok(())
}

/// Where the image or extension that begins here ends; `None`: not within the file.
fn gif_block_end(bytes: &[u8], begin: usize) -> Option<usize> {
    let is_image = *bytes.get(begin)? == b',';
    let mut at = match is_image {
        true => begin + 11 + colour_table_bytes(*bytes.get(begin + 9)?),
        false => begin + 2,
    };
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1 + length;
        if length == 0 {
            return Some(at);
        }
    }
}

fn colour_table_bytes(packed: u8) -> usize {
    if packed & 0x80 == 0 {
        0
    } else {
        3 << ((packed & 7) + 1)
    }
}

fn u32_be(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
}

fn truncated(bytes: &[u8], what: impl Into<String>) -> DecodeError {
    DecodeError::Truncated {
        bytes: bytes.len(),
        what: what.into(),
    }
}

/// A file under decoding, for messages.
struct File<'a> {
    bytes: &'a [u8],
    format: ImageFormat,
}

impl File<'_> {
    fn crate_format(&self) -> image::ImageFormat {
        match self.format {
            ImageFormat::Jpeg => image::ImageFormat::Jpeg,
            ImageFormat::Png => image::ImageFormat::Png,
            ImageFormat::Webp => image::ImageFormat::WebP,
            ImageFormat::Gif => image::ImageFormat::Gif,
            ImageFormat::Bmp => image::ImageFormat::Bmp,
            ImageFormat::Tiff => image::ImageFormat::Tiff,
        }
    }

    fn corrupt(&self, what: impl Into<String>) -> DecodeError {
        DecodeError::Corrupt {
            format: self.format,
            what: what.into(),
        }
    }

    fn explain(&self, error: ImageError, limits: &DecodeLimits) -> DecodeError {
        if ended_early(&error) {
            return truncated(self.bytes, error.to_string());
        }
        match &error {
            ImageError::Unsupported(what) => DecodeError::Unsupported {
                what: what.to_string(),
            },
            // The decoder does not say how much it asked for, only that it was more than it may have.
            ImageError::Limits(limit) if matches!(limit.kind(), LimitErrorKind::InsufficientMemory) => {
                DecodeError::DecoderOutOfMemory {
                    format: self.format,
                    max: limits.max_decode_bytes,
                }
            }
            _ => self.corrupt(error.to_string()),
        }
    }
}

/// Whether somewhere below an error the bytes ran out.
fn ended_early(error: &ImageError) -> bool {
    let mut source: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = source {
        let end = error
            .downcast_ref::<io::Error>()
            .is_some_and(|io| io.kind() == io::ErrorKind::UnexpectedEof);
        // Some decoders turn the end of the bytes into a message of their own.
        let message = error.to_string().to_lowercase();
        if end || message.contains("unexpected e") || message.contains("failed to fill whole buffer") {
            return true;
        }
        source = error.source();
    }
    false
}
