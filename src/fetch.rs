//! Files from the network: from several mirrors, resumed, checked, and put in their place whole.
//!
//! In: addresses, length and SHA-256 of one file. Out: that file, or an error that lists every mirror with its cause
//! and says what the operator can do. Never: a byte past the stated length, a file with another sum under its final
//! name, an unbounded wait.

use std::fmt::Write as _;
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::domain::hex;
use crate::durable;

/// Long enough for a slow name server and a far host, short enough that the next mirror gets its turn.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// From the request to the first byte of the answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Below this a mirror counts as stalled. What has arrived is kept, so that the next attempt goes on from there.
const LEAST_BYTES_PER_SECOND: u64 = 10_000;
/// Read and hashed at a time.
const CHUNK_BYTES: usize = 128 << 10;

/// One file that is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Download<'a> {
    /// What it is, for messages.
    pub what: &'a str,
    /// Its addresses, tried in this order.
    pub mirrors: &'a [String],
    /// SHA-256 in lower-case hexadecimal digits.
    pub sha256: &'a str,
    /// Its exact length; nothing past it is read.
    pub bytes: u64,
    /// Where it shall be. Beside it lies `NAME.partial` as long as it is incomplete.
    pub to: &'a Path,
}

/// A file that could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No mirror gave it.
    #[error(
        "could not fetch {what}:{causes}\n  try again later (what has arrived is kept), or put the file there by hand: {to}, {bytes} bytes, SHA-256 {sha256}"
    )]
    NoMirror {
        /// What was wanted.
        what: String,
        /// One line for each mirror.
        causes: String,
        /// Where it belongs.
        to: PathBuf,
        /// Its length.
        bytes: u64,
        /// Its sum.
        sha256: String,
    },
    /// The file could not be written here.
    #[error("could not store {path}: {source}")]
    Local {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Someone else is at it.
    #[error("{path} is being fetched by another process; wait for it to end")]
    Busy {
        /// The incomplete file.
        path: PathBuf,
    },
}

/// Why one mirror did not give the file.
#[derive(Debug, thiserror::Error)]
enum MirrorError {
    #[error("{0}")]
    Network(#[from] ureq::Error),
    #[error("it broke off: {0}")]
    BrokeOff(io::Error),
    #[error("it answered {0}")]
    Status(u16),
    #[error("it sends {found} bytes, expected {expected}")]
    Length { found: String, expected: u64 },
    #[error("its SHA-256 is {found}, expected {expected}")]
    Sum { found: String, expected: String },
    #[error(transparent)]
    Local(io::Error),
}

/// Fetches the file unless it is there already with the right sum. `progress` hears how many of how many bytes are
/// there.
pub fn download_blocking(download: &Download, progress: &mut dyn FnMut(u64, u64)) -> Result<(), FetchError> {
    if file_sha256(download.to).is_ok_and(|sum| sum == download.sha256) {
        return Ok(());
    }
    let mut partial = Partial::open(download)?;
    let mut causes = String::new();
    for mirror in download.mirrors {
        match from_mirror(mirror, download, &mut partial, progress) {
            Ok(()) => return partial.finish(download),
            Err(MirrorError::Local(source)) => return Err(partial.local(source)),
            Err(error) => {
                tracing::info!(mirror, "{}: {error}", download.what);
                let _ = write!(causes, "\n  {mirror}: {error}");
            }
        }
    }
    Err(FetchError::NoMirror {
        what: download.what.into(),
        causes,
        to: download.to.into(),
        bytes: download.bytes,
        sha256: download.sha256.into(),
    })
}

/// SHA-256 of a file, 64 lower-case hexadecimal digits.
pub fn file_sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hasher.finalize())),
            read => hasher.update(&buffer[..read]),
        }
    }
}

/// What has arrived so far; its lock keeps two processes from writing into one file.
struct Partial {
    path: PathBuf,
    file: File,
    have: u64,
}

impl Partial {
    fn open(download: &Download) -> Result<Self, FetchError> {
        let mut name = download.to.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        let path = download.to.with_file_name(name);
        let attempt = || -> io::Result<Option<(File, u64)>> {
            std::fs::create_dir_all(durable::folder_of(&path))?;
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)?;
            if !is_locked_in_place(&file, &path)? {
                return Ok(None);
            }
            let have = file.metadata()?.len();
            Ok(Some((file, have)))
        };
        match attempt() {
            Ok(Some((file, have))) => Ok(Self { path, file, have }),
            Ok(None) => Err(FetchError::Busy { path }),
            Err(source) => Err(FetchError::Local { path, source }),
        }
    }

    /// Forgets everything from byte `length` on and writes on from there.
    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)?;
        self.file.seek(SeekFrom::Start(length))?;
        self.have = length;
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.have += bytes.len() as u64;
        Ok(())
    }

    fn finish(self, download: &Download) -> Result<(), FetchError> {
        let attempt = || -> io::Result<()> {
            self.file.sync_all()?;
            std::fs::rename(&self.path, download.to)?;
            durable::sync_folder(durable::folder_of(download.to))
        };
        attempt().map_err(|source| FetchError::Local {
            path: download.to.into(),
            source,
        })
    }

    fn local(&self, source: io::Error) -> FetchError {
        FetchError::Local {
            path: self.path.clone(),
            source,
        }
    }
}

/// Whether the lock was had, and the file still lies at this path. Another process may have completed it and moved it to its
/// final name after it was opened here: what is there is whole, and nobody's to write into.
fn is_locked_in_place(file: &File, path: &Path) -> io::Result<bool> {
    let identity = |metadata: Metadata| (metadata.dev(), metadata.ino());
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(false),
        // Of a file system without locks, say: nobody else is at it.
        Err(TryLockError::Error(error)) => return Err(error),
    }
    match std::fs::metadata(path) {
        Ok(there) => Ok(identity(there) == identity(file.metadata()?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Completes `partial` from one mirror. What was there before and leads to a wrong sum is thrown away and fetched
/// anew, once.
fn from_mirror(
    mirror: &str,
    download: &Download,
    partial: &mut Partial,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), MirrorError> {
    loop {
        let resumed_at = if partial.have > download.bytes {
            0
        } else {
            partial.have
        };
        partial.cut(resumed_at).map_err(MirrorError::Local)?;
        if partial.have < download.bytes {
            receive(mirror, download, partial, progress)?;
        }
        let found = file_sha256(&partial.path).map_err(MirrorError::Local)?;
        if found == download.sha256 {
            return Ok(());
        }
        partial.cut(0).map_err(MirrorError::Local)?;
        if resumed_at == 0 {
            return Err(MirrorError::Sum {
                found,
                expected: download.sha256.into(),
            });
        }
    }
}

/// One request: appends what is missing, or begins anew where the server does not know ranges.
fn receive(
    mirror: &str,
    download: &Download,
    partial: &mut Partial,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), MirrorError> {
    let body_timeout = ANSWER_TIMEOUT + Duration::from_secs(download.bytes / LEAST_BYTES_PER_SECOND);
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .user_agent(concat!("hangtag/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_recv_response(Some(ANSWER_TIMEOUT))
        .timeout_recv_body(Some(body_timeout))
        .build()
        .into();
    // Compressed on the way, lengths and ranges would count other bytes.
    let mut request = agent.get(mirror).header("Accept-Encoding", "identity");
    if partial.have > 0 {
        request = request.header("Range", format!("bytes={}-", partial.have));
    }
    let mut response = request.call()?;
    match response.status().as_u16() {
        206 if starts_at(&response, partial.have) => {}
        // The whole file from its start: also what a server sends that ignores ranges.
        200 => partial.cut(0).map_err(MirrorError::Local)?,
        status => {
            // 416, or another range than asked for: what is here fits nothing that the server has.
            if matches!(status, 206 | 416) {
                partial.cut(0).map_err(MirrorError::Local)?;
            }
            return Err(MirrorError::Status(status));
        }
    }
    let wrong_length = |found: String| MirrorError::Length {
        found,
        expected: download.bytes,
    };
    if let Some(length) = response.body().content_length()
        && length != download.bytes - partial.have
    {
        return Err(wrong_length((partial.have + length).to_string()));
    }
    let mut body = response.body_mut().as_reader();
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let read = body.read(&mut buffer).map_err(MirrorError::BrokeOff)?;
        if read == 0 {
            break;
        }
        if partial.have + read as u64 > download.bytes {
            partial.cut(0).map_err(MirrorError::Local)?;
            return Err(wrong_length("more".into()));
        }
        partial.append(&buffer[..read]).map_err(MirrorError::Local)?;
        progress(partial.have, download.bytes);
    }
    if partial.have < download.bytes {
        return Err(wrong_length(partial.have.to_string()));
    }
    Ok(())
}

/// Whether a partial answer begins at byte `offset`.
fn starts_at(response: &ureq::http::Response<ureq::Body>, offset: u64) -> bool {
    response
        .headers()
        .get("content-range")
        .and_then(|value| value.to_str().ok())
        .and_then(|range| range.strip_prefix("bytes ")?.split_once('-'))
        .is_some_and(|(start, _)| start.parse() == Ok(offset))
}

#[cfg(test)]
mod tests;
