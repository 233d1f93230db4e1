//! Which format a file is, told from its first bytes.
//!
//! In: the bytes. Out: the format, or why it is none. Never: names, decoding.

use super::DecodeError;
use crate::domain::ImageFormat;

/// The formats that hangtag reads, for messages.
pub(super) const KNOWN: &str = "JPEG, PNG, WebP, GIF, BMP, TIFF";

/// First bytes that settle the format by themselves.
const SIGNATURES: [(&[u8], ImageFormat); 8] = [
    (b"\xFF\xD8\xFF", ImageFormat::Jpeg),
    (b"\x89PNG\r\n\x1A\n", ImageFormat::Png),
    (b"GIF87a", ImageFormat::Gif),
    (b"GIF89a", ImageFormat::Gif),
    (b"II*\0", ImageFormat::Tiff),
    (b"MM\0*", ImageFormat::Tiff),
    (b"II+\0", ImageFormat::Tiff),
    (b"MM\0+", ImageFormat::Tiff),
];
/// Lengths that a BMP's second header may have; they tell it from a text that begins with "BM".
const BMP_HEADER_LENGTHS: [u32; 8] = [12, 16, 40, 52, 56, 64, 108, 124];
/// Where a BMP's second header says how long it is.
const BMP_HEADER_LENGTH_AT: usize = 14;

/// The format of a file's content.
pub(super) fn sniff(bytes: &[u8]) -> Result<ImageFormat, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    if let Some((_, format)) = SIGNATURES.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Ok(*format);
    }
    if is_webp(bytes) {
        return Ok(ImageFormat::Webp);
    }
    if is_bmp(bytes) {
        return Ok(ImageFormat::Bmp);
    }
    if may_become_a_picture(bytes) {
        return Err(DecodeError::Truncated {
            bytes: bytes.len(),
            what: "not even the first header is whole".into(),
        });
    }
    if let Some(what) = known_but_not_read(bytes) {
        return Err(DecodeError::Unsupported { what: what.into() });
    }
    Err(DecodeError::NotAnImage {
        begins_with: quoted(bytes),
    })
}

fn is_webp(bytes: &[u8]) -> bool {
    bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP")
}

fn is_bmp(bytes: &[u8]) -> bool {
    let length = bytes.get(BMP_HEADER_LENGTH_AT..BMP_HEADER_LENGTH_AT + 4);
    bytes.starts_with(b"BM")
        && length.is_some_and(|length| {
            let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]);
            BMP_HEADER_LENGTHS.contains(&length)
        })
}

/// Whether a picture may begin with just these few bytes, so that more may follow.
fn may_become_a_picture(bytes: &[u8]) -> bool {
    SIGNATURES.iter().any(|(magic, _)| magic.starts_with(bytes))
        || (bytes.len() < 12 && b"RIFF".starts_with(&bytes[..bytes.len().min(4)]))
        || (bytes.len() < BMP_HEADER_LENGTH_AT + 4 && b"BM".starts_with(&bytes[..bytes.len().min(2)]))
}

/// Pictures that people do drop, in formats that cannot be read.
fn known_but_not_read(bytes: &[u8]) -> Option<&'static str> {
    match bytes.get(4..12) {
        Some(b"ftypavif" | b"ftypavis") => return Some("AVIF is not read"),
        Some(b"ftypheic" | b"ftypheix" | b"ftyphevc" | b"ftypheim" | b"ftypmif1" | b"ftypmsf1") => {
            return Some("HEIC is not read");
        }
        Some(b"JXL \r\n\x87\n") => return Some("JPEG XL is not read"),
        Some(b"jP  \r\n\x87\n") => return Some("JPEG 2000 is not read"),
        _ => {}
    }
    if bytes.starts_with(b"\xFF\x0A") {
        return Some("JPEG XL is not read");
    }
    bytes.starts_with(b"8BPS").then_some("PSD is not read")
}

fn quoted(bytes: &[u8]) -> String {
    const SHOWN: usize = 12;
    let first = &bytes[..bytes.len().min(SHOWN)];
    if first
        .iter()
        .all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace())
    {
        format!("{:?}", String::from_utf8_lossy(first))
    } else {
        format!("the bytes {}", crate::domain::hex(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_tells_the_format() {
        for (bytes, format) in [
            (&b"\xFF\xD8\xFF\xE0"[..], ImageFormat::Jpeg),
            (b"\x89PNG\r\n\x1A\n....", ImageFormat::Png),
            (b"RIFF\x10\0\0\0WEBPVP8 ", ImageFormat::Webp),
            (b"GIF89a", ImageFormat::Gif),
            (b"BM............\x28\0\0\0", ImageFormat::Bmp),
            (b"MM\0*", ImageFormat::Tiff),
        ] {
            assert_eq!(sniff(bytes), Ok(format));
        }
    }

    #[test]
    fn what_is_no_picture_says_what_it_begins_with() {
        for text in [
            "BMW catalogue, spring",
            "hello, I am no picture",
            "RIFFraff, and so on",
        ] {
            let error = sniff(text.as_bytes()).unwrap_err();
            assert!(matches!(error, DecodeError::NotAnImage { .. }), "{error}");
            assert!(error.to_string().contains(&text[..12]), "{error}");
        }
        assert!(
            sniff(b"\x7fELF\0")
                .unwrap_err()
                .to_string()
                .contains("7f454c4600")
        );
        assert_eq!(sniff(b""), Err(DecodeError::Empty));
    }

    #[test]
    fn the_first_bytes_of_a_picture_are_a_picture_on_its_way() {
        for begin in [
            &b"\xFF"[..],
            b"\xFF\xD8",
            b"\x89PN",
            b"RIF",
            b"RIFF\x10\0\0",
            b"GIF8",
            b"BM1234",
            b"II*",
        ] {
            assert!(sniff(begin).unwrap_err().is_truncated(), "{begin:?}");
        }
    }

    #[test]
    fn heic_is_named() {
        let error = sniff(b"\0\0\0\x18ftypheic\0\0\0\0").unwrap_err();
        assert!(error.to_string().contains("HEIC"), "{error}");
    }
}
