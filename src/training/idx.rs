//! The IDX format of Fashion-MNIST, gzipped.
//!
//! In: a file's bytes, from anywhere. Out: pixels or labels, or what is wrong. Never: a panic, files, more memory than
//! is really there.

use std::io::Read;

use flate2::read::GzDecoder;

use crate::domain::{INPUT_LEN, INPUT_SIDE, Label};

/// Most pictures a file may declare: far above any data set of this kind, and 784 MB of pixels.
const MAX_IMAGES: usize = 1_000_000;

/// What is wrong inside a file; the path is added by who knows it.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which part.
    pub what: &'static str,
    /// What stands there.
    pub found: String,
    /// What should.
    pub expected: String,
}

impl Fault {
    /// A fault of this part.
    pub fn new(what: &'static str, found: impl ToString, expected: impl Into<String>) -> Self {
        Self {
            what,
            found: found.to_string(),
            expected: expected.into(),
        }
    }
}

/// Pixels of a gzipped IDX file of 28x28 pictures.
pub fn parse_images(gzipped: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut reader = GzDecoder::new(gzipped);
    let count = read_header(&mut reader, 0x0803)?;
    for what in ["the number of rows", "the number of columns"] {
        let side = read_number(&mut reader)?;
        if side as usize != INPUT_SIDE {
            return Err(Fault::new(what, side, INPUT_SIDE.to_string()));
        }
    }
    read_rest(&mut reader, count * INPUT_LEN)
}

/// Labels of a gzipped IDX file.
pub fn parse_labels(gzipped: &[u8]) -> Result<Vec<Label>, Fault> {
    let mut reader = GzDecoder::new(gzipped);
    let count = read_header(&mut reader, 0x0801)?;
    read_rest(&mut reader, count)?
        .into_iter()
        .enumerate()
        .map(|(index, byte)| {
            Label::from_index(usize::from(byte))
                .ok_or_else(|| Fault::new("a label", format!("{byte} (number {index})"), "0 to 9"))
        })
        .collect()
}

/// Reads magic and count.
fn read_header(reader: &mut impl Read, magic: u32) -> Result<usize, Fault> {
    let found = read_number(reader)?;
    if found != magic {
        return Err(Fault::new(
            "its magic number",
            format!("{found:#010x}"),
            format!("{magic:#010x}"),
        ));
    }
    let count = read_number(reader)? as usize;
    if count == 0 || count > MAX_IMAGES {
        return Err(Fault::new(
            "the number of entries",
            count,
            format!("1 to {MAX_IMAGES}"),
        ));
    }
    Ok(count)
}

fn read_number(reader: &mut impl Read) -> Result<u32, Fault> {
    let mut bytes = [0; 4];
    reader
        .read_exact(&mut bytes)
        .map_err(|error| Fault::new("its header", error, "16 bytes of gzipped IDX (8 for labels)"))?;
    Ok(u32::from_be_bytes(bytes))
}

/// Reads exactly `len` bytes and the end of the stream, whose checksum is checked with it.
fn read_rest(reader: &mut impl Read, len: usize) -> Result<Vec<u8>, Fault> {
    // The declared length is not believed: memory grows with what is really there.
    let mut bytes = Vec::with_capacity(len.min(1 << 16));
    reader
        .by_ref()
        .take(len as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Fault::new("its content", error, "whole gzipped data"))?;
    if bytes.len() != len {
        let found = if bytes.len() > len {
            "more".to_owned()
        } else {
            bytes.len().to_string()
        };
        return Err(Fault::new(
            "the number of bytes behind the header",
            found,
            len.to_string(),
        ));
    }
    bytes.shrink_to_fit();
    Ok(bytes)
}
