//! What a JPEG's segments say before anything is decoded: size, components, orientation, and whether the end is there.
//!
//! In: the bytes. Out: a [`Layout`]. Never: pixels.

use image::metadata::Orientation;

use super::super::DecodeError;
use crate::domain::ImageFormat;

const MARKER: u8 = 0xFF;
const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;
const APP1: u8 = 0xE1;
const APP14: u8 = 0xEE;
/// What Exif data begin with in their segment.
const EXIF: &[u8] = b"Exif\0\0";
/// Where the colour transform stands in Adobe's APP14 segment.
const ADOBE_TRANSFORM_AT: usize = 11;

/// The header of a JPEG, as far as limits and colours need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// Pixels in a row, 1..=65535.
    pub width: u32,
    /// Rows, 1..=65535.
    pub height: u32,
    /// Of each pixel, in their order.
    pub components: Vec<Component>,
    /// The colour transform in Adobe's APP14 segment, if it is there.
    pub adobe_transform: Option<u8>,
    /// How the picture is to be turned.
    pub orientation: Orientation,
    /// Whether each block's coefficients stand together, rather than in several scans (progressive).
    pub is_sequential: bool,
    /// Whether the components stand in scans of their own.
    has_several_scans: bool,
}

/// What a pixel has several of: Y, Cb and Cr, or inks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Component {
    /// What scans call it by.
    pub name: u8,
    /// Horizontal and vertical sampling, 1..=4 each.
    pub sampling: (usize, usize),
    /// Which table of quantisation it has.
    pub steps: u8,
}

impl Layout {
    /// Reads the segments up to the first scan.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut layout = None;
        let mut adobe_transform = None;
        let mut orientation = None;
        let mut segments = Segments::of(bytes);
        while let Some((marker, payload)) = segments.next() {
            match marker {
                // The first that can be read: what is too long for a segment goes on in others.
                APP1 if payload.starts_with(EXIF) && orientation.is_none() => {
                    orientation = Orientation::from_exif_chunk(&payload[EXIF.len()..]);
                }
                APP14 if payload.starts_with(b"Adobe") => {
                    adobe_transform = payload.get(ADOBE_TRANSFORM_AT).copied();
                }
                // Start of frame, except for the Huffman (C4), extension (C8) and arithmetic (CC) tables.
                0xC0..=0xCF if !matches!(marker, 0xC4 | 0xC8 | 0xCC) => {
                    layout = Some(Self::of_frame(marker, payload)?);
                }
                SOS => {
                    let Some(mut layout): Option<Self> = layout else {
                        return Err(corrupt("pixels come before their size"));
                    };
                    let scan_components = payload.first().map_or(0, |&count| usize::from(count));
                    layout.has_several_scans = scan_components < layout.components.len();
                    layout.adobe_transform = adobe_transform;
                    // Broken metadata do not make a picture unusable.
                    layout.orientation = orientation.unwrap_or(Orientation::NoTransforms);
                    return Ok(layout);
                }
                EOI => return Err(corrupt("no pixels between its begin and its end")),
                _ => {}
            }
        }
        match segments.is_lost() {
            true => Err(corrupt("a segment is no segment")),
            false => Err(truncated(bytes, "a JPEG whose header is not whole")),
        }
    }

    fn of_frame(marker: u8, payload: &[u8]) -> Result<Self, DecodeError> {
        let &[precision, h1, h0, w1, w0, components, ref rest @ ..] = payload else {
            return Err(corrupt("its frame header is too short"));
        };
        // Baseline, extended and progressive, all with Huffman codes; the rest is not for pictures on screens.
        if precision != 8 || !matches!(marker, 0xC0..=0xC2) {
            return Err(DecodeError::Unsupported {
                what: format!(
                    "a JPEG of {precision} bits in mode SOF{} is not read",
                    marker - 0xC0
                ),
            });
        }
        let (width, height) = (u16::from_be_bytes([w1, w0]), u16::from_be_bytes([h1, h0]));
        let count = usize::from(components);
        let table = rest.as_chunks::<3>().0;
        if width == 0 || count == 0 || table.len() < count {
            return Err(corrupt(format!("{width}x{height} pixels of {count} components")));
        }
        if height == 0 {
            let what = "a JPEG whose height only follows its pixels (DNL) is not read".into();
            return Err(DecodeError::Unsupported { what });
        }
        let component = |&[name, sampling, steps]: &[u8; 3]| Component {
            name,
            sampling: (usize::from(sampling >> 4), usize::from(sampling & 15)),
            steps,
        };
        let components: Vec<_> = table[..count].iter().map(component).collect();
        let sampled = 1..=4;
        if !components
            .iter()
            .all(|c| sampled.contains(&c.sampling.0) && sampled.contains(&c.sampling.1))
        {
            return Err(corrupt("a component is sampled 0 or more than 4 times"));
        }
        Ok(Self {
            width: u32::from(width),
            height: u32::from(height),
            components,
            adobe_transform: None,
            orientation: Orientation::NoTransforms,
            is_sequential: marker != 0xC2,
            has_several_scans: false,
        })
    }

    /// Whether the components are named 'R', 'G' and 'B'.
    pub(super) fn is_named_rgb(&self) -> bool {
        self.components.iter().map(|component| component.name).eq(*b"RGB")
    }

    /// The most that a component is sampled, along and across the rows.
    pub(super) fn finest_sampling(&self) -> (usize, usize) {
        let samplings = || self.components.iter().map(|component| component.sampling);
        let (h, v) = (samplings().map(|s| s.0).max(), samplings().map(|s| s.1).max());
        (h.unwrap_or(1), v.unwrap_or(1))
    }

    /// An upper bound of what decoding allocates, in bytes: the picture (and a turned copy of it), rows of
    /// blocks, and all coefficients where they are kept until the last scan.
    pub(super) fn decode_bytes(&self) -> u64 {
        const BLOCK_BYTES: u64 = 64 * 2;
        let (h_max, v_max) = self.finest_sampling();
        let (h_max, v_max) = (h_max as u64, v_max as u64);
        let blocks_wide = u64::from(self.width).div_ceil(8 * h_max);
        let blocks_high = u64::from(self.height).div_ceil(8 * v_max);
        let blocks = |component: &Component| (component.sampling.0 * component.sampling.1) as u64;
        let blocks_a_unit: u64 = self.components.iter().map(blocks).sum();
        let row = blocks_wide * blocks_a_unit * BLOCK_BYTES;
        // Vertically sampled pictures are given twice the rows that they need.
        let kept = match self.is_sequential && !self.has_several_scans {
            true => 0,
            false => 2 * row * blocks_high,
        };
        let bytes_a_pixel = match self.components.len() {
            1 => 2,
            components => components as u64 + 1,
        };
        let picture = u64::from(self.width) * u64::from(self.height) * bytes_a_pixel;
        picture + kept + 6 * row
    }

    /// Refuses a file whose end marker is missing.
    pub(super) fn check_end(&self, bytes: &[u8]) -> Result<(), DecodeError> {
        match reaches_end(bytes) {
            true => Ok(()),
            false => Err(truncated(bytes, "a JPEG without its end marker")),
        }
    }
}

/// Whether an end marker follows the pixels.
pub(super) fn reaches_end(bytes: &[u8]) -> bool {
    // Inside pixels FF is always followed by 00 or a restart marker, so that these two last bytes are the end
    // marker; if they should be the last of a cut-off segment, then decoding fails for want of pixels.
    if bytes.ends_with(&[MARKER, EOI]) {
        return true;
    }
    let mut segments = Segments::of(bytes);
    while let Some((marker, _)) = segments.next() {
        if marker == EOI {
            return true;
        }
    }
    false
}

/// Walks marker after marker; the pixels after a scan's header are skipped.
pub(super) struct Segments<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Segments<'a> {
    /// From the bytes of a file, which begins with a marker of its own (SOI).
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 2 }
    }

    /// What follows the last segment.
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// The next marker and what belongs to it (nothing for those that stand alone); `None` where the bytes end
    /// or are no segment.
    pub(super) fn next(&mut self) -> Option<(u8, &'a [u8])> {
        // Bytes before a marker, and FF repeated before it, mean nothing; zeros after FF are pixels.
        loop {
            self.at += self
                .bytes
                .get(self.at..)?
                .iter()
                .position(|&byte| byte == MARKER)?;
            let marker = self.bytes[self.at..].iter().position(|&byte| byte != MARKER)?;
            self.at += marker + 1;
            match self.bytes[self.at - 1] {
                0x00 | 0x01 | 0xD0..=0xD8 => {}
                EOI => return Some((EOI, &[])),
                marker => return Some((marker, self.payload()?)),
            }
        }
    }

    fn payload(&mut self) -> Option<&'a [u8]> {
        let length = self.bytes.get(self.at..self.at + 2)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        let payload = self.bytes.get(self.at + 2..self.at + length)?;
        self.at += length;
        Some(payload)
    }

    /// Whether the walk stopped at something that cannot be a segment, rather than at the end of the bytes.
    fn is_lost(&self) -> bool {
        matches!(self.bytes.get(self.at..self.at + 2), Some([0, 0 | 1]))
    }
}

fn truncated(bytes: &[u8], what: &str) -> DecodeError {
    DecodeError::Truncated {
        bytes: bytes.len(),
        what: what.into(),
    }
}

fn corrupt(what: impl Into<String>) -> DecodeError {
    DecodeError::Corrupt {
        format: ImageFormat::Jpeg,
        what: what.into(),
    }
}
