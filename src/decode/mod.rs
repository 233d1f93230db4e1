//! Bytes of a file -> grey picture, upright.
//!
//! In: the bytes and limits. Out: a [`DecodedImage`] or the reason why there is none. Never: file names, I/O,
//! an allocation beyond the limits, a panic, a picture from a file that ends too early.
//!
//! There is one definition of luma for all formats: Rec.601, which is what a JPEG's Y is. JPEG goes through our own decoder
//! or, where it is not as nearly all are, through zune-jpeg (`jpeg.rs`), every other format through the `image` crate
//! (`other.rs`).

mod colour;
mod format;
mod jpeg;
mod luma;
mod other;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::domain::{ImageFormat, Rejection, RejectionReason};

pub use colour::decode_colour;

pub use crate::domain::DecodedImage;

/// What a file may ask for at most; checked from its header, before anything of that size is allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Width times height (`limits.max_pixels`).
    pub max_pixels: u64,
    /// Bytes that all buffers of one decoding take together (`limits.max_decode_bytes`).
    pub max_decode_bytes: u64,
}

/// Why there is no picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Nothing in the file.
    #[error("the file is empty")]
    Empty,
    /// The content is of no picture format that hangtag knows.
    #[error("begins with {begins_with}, which is no picture format that hangtag reads ({known})", known = format::KNOWN)]
    NotAnImage {
        /// The first bytes, as text where they are text, else in hexadecimal digits.
        begins_with: String,
    },
    /// A picture, but in a variant that cannot be decoded.
    #[error("{what}; save the picture as JPEG or PNG")]
    Unsupported {
        /// What exactly.
        what: String,
    },
    /// Ends too early: half-written, or cut off. Worth looking again.
    #[error("ends too early after {bytes} bytes: {what}")]
    Truncated {
        /// How many bytes there are.
        bytes: usize,
        /// What is missing.
        what: String,
    },
    /// Broken inside.
    #[error("broken {format}: {what}", format = .format.name())]
    Corrupt {
        /// What it was taken for.
        format: ImageFormat,
        /// What the decoder met.
        what: String,
    },
    /// More pixels than allowed.
    #[error("{width}x{height} pixels, at most {max} are allowed (limits.max_pixels)")]
    TooManyPixels {
        /// Declared width.
        width: u32,
        /// Declared height.
        height: u32,
        /// The limit.
        max: u64,
    },
    /// Decoding would take more memory than allowed.
    #[error(
        "decoding {width}x{height} pixels takes {needed} bytes, at most {max} are allowed (limits.max_decode_bytes)"
    )]
    TooMuchMemory {
        /// Declared width.
        width: u32,
        /// Declared height.
        height: u32,
        /// An upper bound of what decoding would take, in bytes.
        needed: u64,
        /// The limit.
        max: u64,
    },
    /// The decoder itself asked for more memory than allowed, and did not say how much.
    #[error("decoding the {format} takes more than the {max} bytes that are allowed (limits.max_decode_bytes)", format = .format.name())]
    DecoderOutOfMemory {
        /// What the file is.
        format: ImageFormat,
        /// The limit.
        max: u64,
    },
}

impl DecodeError {
    /// Whether the file may still be on its way, so that looking again is worth it.
    pub fn is_truncated(&self) -> bool {
        matches!(self, DecodeError::Truncated { .. })
    }

    /// The reason as the store keeps it.
    pub fn reason(&self) -> RejectionReason {
        match self {
            DecodeError::Empty => RejectionReason::Empty,
            DecodeError::NotAnImage { .. } => RejectionReason::NotAnImage,
            DecodeError::Unsupported { .. } => RejectionReason::Unsupported,
            DecodeError::Truncated { .. } => RejectionReason::Truncated,
            DecodeError::Corrupt { .. } => RejectionReason::Corrupt,
            DecodeError::TooManyPixels { .. } => RejectionReason::TooManyPixels,
            DecodeError::TooMuchMemory { .. } | DecodeError::DecoderOutOfMemory { .. } => {
                RejectionReason::TooMuchMemory
            }
        }
    }
}

impl From<DecodeError> for Rejection {
    fn from(error: DecodeError) -> Self {
        Rejection {
            reason: error.reason(),
            detail: error.to_string(),
        }
    }
}

/// Decodes a whole file, the first frame where it has several, turned as its EXIF or TIFF orientation asks.
///
/// The format is told from the content. Transparency is laid over white. A file that lacks its end marker
/// (JPEG's EOI, PNG's IEND, the length that WebP declares) is truncated even if all pixels happen to be there:
/// a file that is still being written cannot be told from it.
pub fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<DecodedImage, DecodeError> {
    decode_reusing(bytes, limits, Vec::new())
}

/// As [`decode`], with the memory of an earlier picture's `luma` used again.
pub fn decode_reusing(
    bytes: &[u8],
    limits: &DecodeLimits,
    buffer: Vec<u8>,
) -> Result<DecodedImage, DecodeError> {
    let format = format::sniff(bytes)?;
    // The decoders are other people's code over bytes from outside: a panic there is that file's fault alone.
    // Unwind safety: all they touch is moved in and lost when they panic.
    let decoded = catch_unwind(AssertUnwindSafe(|| match format {
        ImageFormat::Jpeg => jpeg::decode(bytes, limits, buffer),
        _ => other::decode(bytes, format, limits),
    }));
    decoded.unwrap_or_else(|_| {
        Err(DecodeError::Corrupt {
            format,
            what: "the decoder gave up in the middle".into(),
        })
    })
}

impl DecodeLimits {
    /// Refuses what declares more pixels than allowed.
    fn check_pixels(&self, width: u32, height: u32) -> Result<(), DecodeError> {
        if u64::from(width) * u64::from(height) > self.max_pixels {
            return Err(DecodeError::TooManyPixels {
                width,
                height,
                max: self.max_pixels,
            });
        }
        Ok(())
    }

    /// Refuses what would take more memory than allowed; `needed` counts all buffers, in bytes.
    fn check_memory(&self, (width, height): (u32, u32), needed: u64) -> Result<(), DecodeError> {
        if needed > self.max_decode_bytes {
            return Err(DecodeError::TooMuchMemory {
                width,
                height,
                needed,
                max: self.max_decode_bytes,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
