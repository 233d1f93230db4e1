//! What a shared library says about itself, read without loading it.
//!
//! In: a path. Out: whether the file is whole, which version of ONNX Runtime it is, which other libraries it needs.
//! Never: loading or mapping it. A file that is shorter than its header declares kills the process with SIGBUS when
//! the loader touches the missing pages, and nothing can catch that.
//!
//! Source of the layout: the ELF-64 object file format (System V ABI, chapters 4 and 5).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// More than any real library has; keeps a broken header from asking for all memory.
const MAX_TABLE_BYTES: u64 = 64 << 20;
const HEADER_BYTES: usize = 64;
const PROGRAM_HEADER_BYTES: u64 = 56;
const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_STRSZ: u64 = 10;

/// A library that must not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ElfError {
    /// It could not be read.
    #[error("could not read {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Something else than a 64-bit shared library of this machine.
    #[error("{path} is not a library for this machine: {what}")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Its end is missing.
    #[error(
        "{path} is cut off: its header declares {declared} bytes, it has {actual}; copy or install it anew (loading it would kill hangtag)"
    )]
    CutOff {
        /// The file.
        path: PathBuf,
        /// Least length that its headers declare.
        declared: u64,
        /// Its length.
        actual: u64,
    },
}

/// What a whole library says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElfFacts {
    /// Version of ONNX Runtime, from the version that its symbols carry; `None` in another library.
    pub onnxruntime_version: Option<String>,
    /// Names of the libraries that the loader must find for it.
    pub needed: Vec<String>,
}

/// Reads the headers of the library at `path` and checks that the file is as long as they declare.
pub fn inspect(path: &Path) -> Result<ElfFacts, ElfError> {
    let unreadable = |source| ElfError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    let library = Library {
        path,
        file,
        bytes: metadata.len(),
    };
    if !metadata.is_file() {
        return Err(library.foreign("it is not a file"));
    }
    library.inspect()
}

struct Library<'a> {
    path: &'a Path,
    file: File,
    bytes: u64,
}

struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    bytes: u64,
}

impl Library<'_> {
    fn inspect(&self) -> Result<ElfFacts, ElfError> {
        let header = self.read(0, HEADER_BYTES as u64)?;
        self.check_kind(&header)?;
        let (programs_at, sections_at) = (u64_at(&header, 32), u64_at(&header, 40));
        let programs_bytes = PROGRAM_HEADER_BYTES * u64::from(u16_at(&header, 56));
        let sections_bytes = u64::from(u16_at(&header, 58)) * u64::from(u16_at(&header, 60));
        self.check_end(programs_at, programs_bytes)?;
        self.check_end(sections_at, sections_bytes)?;

        let segments: Vec<Segment> = self
            .read(programs_at, programs_bytes)?
            .chunks_exact(PROGRAM_HEADER_BYTES as usize)
            .map(|entry| Segment {
                kind: u32_at(entry, 0),
                offset: u64_at(entry, 8),
                address: u64_at(entry, 16),
                bytes: u64_at(entry, 32),
            })
            .collect();
        for segment in &segments {
            self.check_end(segment.offset, segment.bytes)?;
        }
        self.facts(&segments)
    }

    fn check_kind(&self, header: &[u8]) -> Result<(), ElfError> {
        const LITTLE_ENDIAN_64: &[u8] = b"\x7fELF\x02\x01";
        let machine = match std::env::consts::ARCH {
            "x86_64" => 62,
            "aarch64" => 183,
            other => return Err(self.foreign(format!("hangtag knows no machine code for {other}"))),
        };
        if !header.starts_with(LITTLE_ENDIAN_64) {
            return Err(self.foreign("it does not begin as a 64-bit ELF file does"));
        }
        if u16_at(header, 18) != machine {
            return Err(self.foreign(format!("it is not built for {}", std::env::consts::ARCH)));
        }
        if u64::from(u16_at(header, 54)) != PROGRAM_HEADER_BYTES {
            return Err(self.foreign("its program headers have an unknown size"));
        }
        Ok(())
    }

    fn facts(&self, segments: &[Segment]) -> Result<ElfFacts, ElfError> {
        let Some(dynamic) = segments.iter().find(|segment| segment.kind == PT_DYNAMIC) else {
            return Err(self.foreign("it is no shared library"));
        };
        let entries: Vec<(u64, u64)> = self
            .read(dynamic.offset, dynamic.bytes)?
            .chunks_exact(16)
            .map(|entry| (u64_at(entry, 0), u64_at(entry, 8)))
            .collect();
        let value = |tag| entries.iter().find(|entry| entry.0 == tag).map(|entry| entry.1);
        let (Some(address), Some(bytes)) = (value(DT_STRTAB), value(DT_STRSZ)) else {
            return Err(self.foreign("it has no table of names"));
        };
        let offset = segments
            .iter()
            .filter(|segment| segment.kind == PT_LOAD)
            .find(|segment| {
                (segment.address..segment.address.saturating_add(segment.bytes)).contains(&address)
            })
            .map(|segment| segment.offset.saturating_add(address - segment.address))
            .ok_or_else(|| self.foreign("its table of names lies outside of it"))?;
        self.check_end(offset, bytes)?;
        let names = self.read(offset, bytes)?;
        let needed = entries
            .iter()
            .filter(|entry| entry.0 == DT_NEEDED)
            .filter_map(|entry| name_at(&names, entry.1))
            .collect();
        Ok(ElfFacts {
            onnxruntime_version: onnxruntime_version(&names),
            needed,
        })
    }

    fn check_end(&self, offset: u64, bytes: u64) -> Result<(), ElfError> {
        let declared = offset.saturating_add(bytes);
        if declared <= self.bytes {
            return Ok(());
        }
        Err(ElfError::CutOff {
            path: self.path.to_owned(),
            declared,
            actual: self.bytes,
        })
    }

    fn read(&self, offset: u64, bytes: u64) -> Result<Vec<u8>, ElfError> {
        self.check_end(offset, bytes)?;
        if bytes > MAX_TABLE_BYTES {
            return Err(self.foreign("one of its tables is too long"));
        }
        let mut buffer = vec![0; bytes as usize];
        self.file
            .read_exact_at(&mut buffer, offset)
            .map_err(|source| ElfError::Unreadable {
                path: self.path.to_owned(),
                source,
            })?;
        Ok(buffer)
    }

    fn foreign(&self, what: impl Into<String>) -> ElfError {
        ElfError::Foreign {
            path: self.path.to_owned(),
            what: what.into(),
        }
    }
}

/// ONNX Runtime gives its symbols the version `VERS_` and its own number.
fn onnxruntime_version(names: &[u8]) -> Option<String> {
    names
        .split(|&byte| byte == 0)
        .filter_map(|name| std::str::from_utf8(name).ok()?.strip_prefix("VERS_"))
        .find(|version| {
            version.split('.').count() == 3 && version.split('.').all(|part| part.parse::<u32>().is_ok())
        })
        .map(str::to_owned)
}

fn name_at(names: &[u8], offset: u64) -> Option<String> {
    let rest = names.get(usize::try_from(offset).ok()?..)?;
    let end = rest.iter().position(|&byte| byte == 0)?;
    String::from_utf8(rest[..end].to_vec()).ok()
}

/// The three readers below are called within slices whose length was checked.
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|index| bytes[at + index]))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|index| bytes[at + index]))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::model::testing;

    #[test]
    fn a_whole_library_tells_its_version_and_its_needs() {
        let facts = inspect(testing::runtime().path()).unwrap();
        assert_eq!(facts.onnxruntime_version.as_deref(), testing::runtime().version());
        assert!(
            facts.needed.iter().any(|name| name.starts_with("libstdc++")),
            "{facts:?}"
        );
    }

    #[test]
    fn a_library_cut_anywhere_is_refused_before_it_is_loaded() {
        let whole = std::fs::read(testing::runtime().path()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("libonnxruntime.so");
        for length in [whole.len() - 1, whole.len() / 2, 4096, 100] {
            std::fs::write(&path, &whole[..length]).unwrap();
            let error = inspect(&path).unwrap_err();
            assert!(
                matches!(error, ElfError::CutOff { declared, actual, .. }
                    if actual == length as u64 && declared > actual),
                "{length}: {error}"
            );
        }
    }

    #[test]
    fn what_is_no_library_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("libonnxruntime.so");
        for content in [
            &[0_u8; 5000][..],
            b"",
            b"version https://git-lfs.github.com/spec/v1",
        ] {
            std::fs::write(&path, content).unwrap();
            assert!(inspect(&path).is_err(), "{content:?}");
        }
        assert!(matches!(
            inspect(folder.path()).unwrap_err(),
            ElfError::Foreign { .. }
        ));
        assert!(matches!(
            inspect(&folder.path().join("absent")).unwrap_err(),
            ElfError::Unreadable { .. }
        ));
    }

    #[test]
    fn a_header_that_lies_is_an_error_and_no_panic() {
        let whole = std::fs::read(testing::runtime().path()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lib.so");
        for at in 16..64 {
            let mut bytes = whole[..100_000].to_vec();
            bytes[at] = 0xff;
            std::fs::write(&path, bytes).unwrap();
            assert!(inspect(&path).is_err(), "byte {at}");
        }
    }
}
