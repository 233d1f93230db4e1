//! Photos for people to look at: small, larger, and as the model sees them.
//!
//! In: a content hash and a size. Out: a JPEG or PNG. Never: a path from outside: where the content lies, the store says;
//! and never bytes that do not have that hash: the file is read whole, hashed and held against it.

use std::fs::OpenOptions;
use std::io::{Cursor, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use image::codecs::{jpeg::JpegEncoder, png::PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use super::App;
use super::failure::{Failure, InAddress, in_address};
use crate::decode::{DecodeLimits, decode, decode_colour};
use crate::domain::{ContentHash, INPUT_SIDE};
use crate::preprocess;

/// The sizes there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// For lists: the longest edge at most 320 pixels.
    Thumb,
    /// For one photo: at most 1,280.
    Large,
    /// What the model sees: 28x28, grey.
    Seen,
}

impl Size {
    /// All of them.
    pub const ALL: [Size; 3] = [Size::Thumb, Size::Large, Size::Seen];

    /// The word in addresses.
    pub fn name(self) -> &'static str {
        match self {
            Size::Thumb => "thumb",
            Size::Large => "large",
            Size::Seen => "seen",
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Size::Thumb | Size::Large => "image/jpeg",
            Size::Seen => "image/png",
        }
    }

    /// As the copy is kept; another preprocessing makes another picture of what the model sees.
    pub fn file_name(self, hash: &ContentHash) -> String {
        match self {
            Size::Thumb | Size::Large => format!("{hash}.{}.jpg", self.name()),
            Size::Seen => format!("{hash}.seen-{}.png", preprocess::VERSION.0),
        }
    }
}

/// The address of a picture. What it shows can never change; the version of the preprocessing is part of it.
pub fn href(hash: &ContentHash, size: Size) -> String {
    match size {
        Size::Seen => format!("/picture/{hash}/{}?v={}", size.name(), preprocess::VERSION.0),
        Size::Thumb | Size::Large => format!("/picture/{hash}/{}", size.name()),
    }
}

/// Nothing but a regular file is read, and none that is larger than those that are tagged.
pub fn read_blocking(path: &Path, max_bytes: u64) -> Option<Vec<u8>> {
    // Opening a pipe waits for its other end unless told not to.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .ok()?;
    let meta = file.metadata().ok()?;
    if !meta.is_file() || meta.len() > max_bytes {
        return None;
    }
    let mut bytes = Vec::with_capacity(meta.len() as usize);
    file.take(max_bytes).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// A photo's bytes as a picture of that size.
pub fn draw(bytes: &[u8], size: Size, limits: &DecodeLimits) -> Result<Vec<u8>, Failure> {
    let cannot =
        |error: &dyn std::fmt::Display| Failure::NotFound(format!("there is no picture of it: {error}"));
    let mut drawn = Cursor::new(Vec::new());
    let (max_edge, quality) = match size {
        Size::Thumb => (320, 80),
        Size::Large => (1_280, 86),
        Size::Seen => {
            let image = decode(bytes, limits).map_err(|error| cannot(&error))?;
            let seen = preprocess::prepare(&image);
            let pixels: Vec<u8> = seen
                .values()
                .iter()
                .map(|value| (value * 255.0).round() as u8)
                .collect();
            let side = INPUT_SIDE as u32;
            let encoded = PngEncoder::new(&mut drawn).write_image(&pixels, side, side, ExtendedColorType::L8);
            encoded.map_err(|error| Failure::Internal(error.to_string()))?;
            return Ok(drawn.into_inner());
        }
    };
    let image = decode_colour(bytes, limits, max_edge).map_err(|error| cannot(&error))?;
    let encoded = JpegEncoder::new_with_quality(&mut drawn, quality).encode_image(&image);
    encoded.map_err(|error| Failure::Internal(error.to_string()))?;
    Ok(drawn.into_inner())
}

/// `GET /picture/{hash}/{size}`
pub async fn picture(
    State(app): State<Arc<App>>,
    address: InAddress<(String, String)>,
) -> Result<Response, Failure> {
    let (hash, size) = in_address(address)?;
    let hash: ContentHash = hash.parse()?;
    let size = Size::ALL.into_iter().find(|known| known.name() == size);
    let size = size.ok_or_else(|| Failure::NotFound("the sizes are thumb, large and seen".into()))?;
    let gallery = Arc::clone(&app.gallery);
    // A picture that was drawn before waits for none that is being drawn.
    let (kept, paths) = app
        .readers
        .ask(move |reader| match gallery.kept_blocking(&hash, size) {
            Some(kept) => Ok((Some(kept), Vec::new())),
            None => {
                let content = reader.history_of_content(&hash)?;
                Ok((
                    None,
                    content.map(|content| content.present_files()).unwrap_or_default(),
                ))
            }
        })
        .await?;
    let bytes = match kept {
        Some(kept) => kept,
        None => app.gallery.picture(hash, size, &paths).await?,
    };
    let headers = [
        (header::CONTENT_TYPE, size.content_type()),
        // By content: it can never change.
        (header::CACHE_CONTROL, "private, max-age=31536000, immutable"),
    ];
    Ok((headers, bytes).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: DecodeLimits = DecodeLimits {
        max_pixels: 1 << 20,
        max_decode_bytes: 16 << 20,
    };

    #[test]
    fn each_size_is_what_it_says() {
        let photo = image::RgbImage::from_pixel(600, 300, image::Rgb([180, 40, 40]));
        let mut png = Cursor::new(Vec::new());
        photo.write_to(&mut png, image::ImageFormat::Png).unwrap();
        for (size, expected) in [
            (Size::Thumb, (320, 160)),
            (Size::Large, (600, 300)),
            (Size::Seen, (28, 28)),
        ] {
            let drawn = draw(png.get_ref(), size, &LIMITS).unwrap();
            let read = image::load_from_memory(&drawn).unwrap();
            assert_eq!((read.width(), read.height()), expected, "{size:?}");
        }
    }

    #[test]
    fn what_is_no_picture_has_none() {
        let refused = draw(b"<svg onload=alert(1)>", Size::Thumb, &LIMITS);
        assert!(matches!(refused, Err(Failure::NotFound(_))), "{refused:?}");
    }

    #[test]
    fn pipes_and_large_files_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, large) = (folder.path().join("pipe"), folder.path().join("large"));
        assert!(
            std::process::Command::new("mkfifo")
                .arg(&pipe)
                .status()
                .unwrap()
                .success()
        );
        std::fs::write(&large, [0; 11]).unwrap();
        for path in [
            pipe.as_path(),
            large.as_path(),
            folder.path(),
            Path::new("/nowhere"),
        ] {
            assert_eq!(read_blocking(path, 10), None, "{}", path.display());
        }
        assert_eq!(read_blocking(&large, 11), Some(vec![0; 11]));
    }
}
