//! Small grey pictures as text within a page.
//!
//! In: 28x28 grey values, or a `data:` URI. Out: a PNG, or that URI. Never: files.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};

use crate::domain::{INPUT_LEN, INPUT_SIDE};

const PREFIX: &str = "data:image/png;base64,";

/// A PNG of 28x28 grey values, 0 black to 255 white, row by row.
///
/// # Panics
/// If there are more or fewer than 784 values.
pub(super) fn png(pixels: &[u8]) -> Vec<u8> {
    assert_eq!(
        pixels.len(),
        INPUT_LEN,
        "a sample has 28x28 values; this is a bug"
    );
    let (mut png, side) = (Vec::new(), INPUT_SIDE as u32);
    PngEncoder::new(&mut png)
        .write_image(pixels, side, side, ExtendedColorType::L8)
        .expect("grey values of the right number are written to memory; this is a bug");
    png
}

/// The PNG as an address that holds its own content.
pub(super) fn to_data_uri(png: &[u8]) -> String {
    format!("{PREFIX}{}", STANDARD.encode(png))
}

/// PNG bytes in a report's JSON.
pub(super) mod data_uri {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::*;

    pub fn serialize<S: Serializer>(png: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_data_uri(png))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let uri = String::deserialize(deserializer)?;
        let encoded = uri
            .strip_prefix(PREFIX)
            .ok_or_else(|| Error::custom(format!("a picture must begin with {PREFIX}")))?;
        STANDARD.decode(encoded).map_err(Error::custom)
    }
}
