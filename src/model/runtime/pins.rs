//! Which ONNX Runtime hangtag installs: names, sizes and SHA-256 sums, fixed in the source.
//!
//! In: platform and flavour. Out: the builds that may stand in hangtag's cache, best first. Never: a download
//! without a sum; a name that comes from an archive.

use super::Flavour;

/// One file that is taken from a package.
#[derive(Debug)]
pub struct LibraryPin {
    /// Its name in the package, from the root.
    pub member: &'static str,
    /// Its name in the cache.
    pub file: &'static str,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256, lower-case hexadecimal digits.
    pub sha256: &'static str,
}

/// Where a build comes from.
#[derive(Debug)]
pub enum Source {
    /// A Python wheel, fetched by `pip download`.
    Wheel {
        /// Name of the project.
        project: &'static str,
        /// Platform tag.
        platform: &'static str,
        /// SHA-256 of the wheel.
        sha256: &'static str,
    },
    /// A release archive of the ONNX Runtime project: `tar` in `gzip`.
    Archive {
        /// Its address.
        url: &'static str,
        /// Length in bytes.
        bytes: u64,
        /// SHA-256 of the archive.
        sha256: &'static str,
    },
}

/// One build of ONNX Runtime for one platform.
#[derive(Debug)]
pub struct Build {
    /// Its version.
    pub version: &'static str,
    /// `os-arch`, as `PLATFORM` has it.
    pub platform: &'static str,
    /// With or without CUDA.
    pub flavour: Flavour,
    /// Whether its installation and its results were tested on such a machine.
    pub tried: bool,
    /// Where it comes from.
    pub source: Source,
    /// What is taken from it; the first one is the library that is loaded, the others lie beside it.
    pub libraries: &'static [LibraryPin],
}

impl Build {
    /// Name of its folder in the cache.
    pub fn folder(&self) -> String {
        format!("{}-{}", self.version, self.flavour.name())
    }
}

/// The platform that this binary was built for.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub const PLATFORM: &str = "linux-x86_64";
/// The platform that this binary was built for.
#[cfg(all(target_os = "linux", target_arch = "aarch64"))]
pub const PLATFORM: &str = "linux-aarch64";
/// The platform that this binary was built for.
#[cfg(all(target_os = "macos", target_arch = "aarch64"))]
pub const PLATFORM: &str = "macos-arm64";
/// The platform that this binary was built for: one without pins.
#[cfg(not(any(
    all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")),
    all(target_os = "macos", target_arch = "aarch64")
)))]
pub const PLATFORM: &str = "other";

/// The builds for this platform and flavour, best first.
pub fn builds(flavour: Flavour) -> impl Iterator<Item = &'static Build> {
    BUILDS
        .iter()
        .filter(move |build| build.platform == PLATFORM && build.flavour == flavour)
}

/// Sums of the wheels and of what is in them were computed from the wheels. Sums of the release archives and of what
/// is in them were compared between the recipes of several package managers and projects.
pub const BUILDS: &[Build] = &[
    Build {
        version: "1.31.1",
        platform: "linux-x86_64",
        flavour: Flavour::Cpu,
        tried: true,
        source: Source::Wheel {
            project: "onnxruntime",
            platform: "manylinux_2_28_x86_64",
            sha256: "1f3dea47f2f0e5117c2404cea7d21fd253ae7836a3bf167a501cdfbb2600d536",
        },
        libraries: &[LibraryPin {
            member: "onnxruntime/capi/libonnxruntime.so.1.31.1",
            file: "libonnxruntime.so.1.31.1",
            bytes: 29_352_200,
            sha256: "fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3",
        }],
    },
    Build {
        version: "1.31.1",
        platform: "linux-x86_64",
        flavour: Flavour::Cuda,
        tried: true,
        source: Source::Wheel {
            project: "onnxruntime-gpu",
            platform: "manylinux_2_28_x86_64",
            sha256: "05d548956197b9d01f59b625de740e0d6be3593f874e241a12dc0362650ecdf7",
        },
        libraries: &[
            LibraryPin {
                member: "onnxruntime/capi/libonnxruntime.so.1.31.1",
                file: "libonnxruntime.so.1.31.1",
                bytes: 29_421_832,
                sha256: "5104254339ecadae808da771bd0b63b240f0dbd466514234905e54372435c303",
            },
            LibraryPin {
                member: "onnxruntime/capi/libonnxruntime_providers_shared.so",
                file: "libonnxruntime_providers_shared.so",
                bytes: 14_632,
                sha256: "086ec1d5388f64153d9c63470d126693db9a182c8ce236d3a1119068471b8a0d",
            },
            LibraryPin {
                member: "onnxruntime/capi/libonnxruntime_providers_cuda.so",
                file: "libonnxruntime_providers_cuda.so",
                bytes: 284_014_752,
                sha256: "8387867e857499e045caff5d13ac6a5de29571c801562fa2dde0e45f1f31de52",
            },
        ],
    },
    Build {
        version: "1.31.1",
        platform: "linux-aarch64",
        flavour: Flavour::Cpu,
        tried: false,
        source: Source::Wheel {
            project: "onnxruntime",
            platform: "manylinux_2_28_aarch64",
            sha256: "0b9a492176886992e0e875f06bc0367e333f5fff11711a2d642e18b02f3009cc",
        },
        libraries: &[LibraryPin {
            member: "onnxruntime/capi/libonnxruntime.so.1.31.1",
            file: "libonnxruntime.so.1.31.1",
            bytes: 25_265_040,
            sha256: "8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467",
        }],
    },
    Build {
        version: "1.31.1",
        platform: "macos-arm64",
        flavour: Flavour::Cpu,
        tried: false,
        source: Source::Wheel {
            project: "onnxruntime",
            platform: "macosx_14_0_arm64",
            sha256: "96dd2564b10ea7153ad9c207e7cd8e5917cb3ba521e0e0a62ac03486fdc8d56c",
        },
        libraries: &[LibraryPin {
            member: "onnxruntime/capi/libonnxruntime.1.31.1.dylib",
            file: "libonnxruntime.1.31.1.dylib",
            bytes: 33_037_336,
            sha256: "d586cbe89effc085a09d3341b3cfbd5c322517f9d397aeb20814af21433f2b36",
        }],
    },
    Build {
        version: "1.24.4",
        platform: "linux-x86_64",
        flavour: Flavour::Cpu,
        tried: false,
        source: Source::Archive {
            url: "https://github.com/microsoft/onnxruntime/releases/download/v1.24.4/onnxruntime-linux-x64-1.24.4.tgz",
            bytes: 8_155_822,
            sha256: "3a211fbea252c1e66290658f1b735b772056149f28321e71c308942cdb54b747",
        },
        libraries: &[LibraryPin {
            member: "onnxruntime-linux-x64-1.24.4/lib/libonnxruntime.so.1.24.4",
            file: "libonnxruntime.so.1.24.4",
            bytes: 22_159_232,
            sha256: "d132535d051344ff5c64c9c200004150559049a81ed330eb4422c1962fb6b7e4",
        }],
    },
    Build {
        version: "1.24.4",
        platform: "linux-aarch64",
        flavour: Flavour::Cpu,
        tried: false,
        source: Source::Archive {
            url: "https://github.com/microsoft/onnxruntime/releases/download/v1.24.4/onnxruntime-linux-aarch64-1.24.4.tgz",
            bytes: 7_181_958,
            sha256: "866109a9248d057671a039b9d725be4bd86888e3754140e6701ec621be9d4d7e",
        },
        libraries: &[LibraryPin {
            member: "onnxruntime-linux-aarch64-1.24.4/lib/libonnxruntime.so.1.24.4",
            file: "libonnxruntime.so.1.24.4",
            bytes: 18_625_376,
            sha256: "52b2a0e75e79468404284fec38ad5ee1a7a996232274f5e1b84f3e793fb07554",
        }],
    },
    Build {
        version: "1.24.4",
        platform: "macos-arm64",
        flavour: Flavour::Cpu,
        tried: false,
        source: Source::Archive {
            url: "https://github.com/microsoft/onnxruntime/releases/download/v1.24.4/onnxruntime-osx-arm64-1.24.4.tgz",
            bytes: 30_937_282,
            sha256: "93787795f47e1eee369182e43ed51b9e5da0878ab0346aecf4258979b8bba989",
        },
        libraries: &[LibraryPin {
            member: "onnxruntime-osx-arm64-1.24.4/lib/libonnxruntime.1.24.4.dylib",
            file: "libonnxruntime.1.24.4.dylib",
            bytes: 35_418_600,
            sha256: "872533f130f1839a5bc01788ddb4f75c83a189763441ba1178788ed965449289",
        }],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pin_is_whole_and_its_names_stay_in_the_cache() {
        for build in BUILDS {
            let (Source::Wheel { sha256, .. } | Source::Archive { sha256, .. }) = build.source;
            let sums = build
                .libraries
                .iter()
                .map(|library| library.sha256)
                .chain([sha256]);
            for sum in sums {
                assert!(
                    sum.len() == 64 && sum.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')),
                    "{sum}"
                );
            }
            for library in build.libraries {
                assert!(!library.file.contains('/') && library.member.ends_with(library.file));
            }
        }
    }

    #[test]
    fn a_version_and_a_flavour_name_one_build_a_platform() {
        let mut seen = std::collections::HashSet::new();
        for build in BUILDS {
            assert!(seen.insert((build.platform, build.folder())));
        }
    }
}
