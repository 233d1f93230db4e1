//! Packages that lie, folders that are there already, and two installers at once.

use std::io::Write;

use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;

use super::*;
use crate::domain::hex;

const CONTENT: &[u8] = b"not a library, but pinned";
const MEMBER: &str = "package/lib/libonnxruntime.so.1.99.0";

/// A build of one small "library", pinned to `CONTENT`; leaked, since builds live as long as the program.
fn build() -> &'static Build {
    let sha256: &'static str = hex(&Sha256::digest(CONTENT)).leak();
    let pins = vec![LibraryPin {
        member: MEMBER,
        file: "libonnxruntime.so.1.99.0",
        bytes: CONTENT.len() as u64,
        sha256,
    }];
    Box::leak(Box::new(Build {
        version: "1.99.0",
        platform: PLATFORM,
        flavour: Flavour::Cpu,
        tried: true,
        source: Source::Wheel {
            project: "onnxruntime",
            platform: "any",
            sha256,
        },
        libraries: pins.leak(),
    }))
}

fn zip_of(path: &Path, members: &[(&str, &[u8])]) {
    let mut zip = zip::ZipWriter::new(File::create(path).unwrap());
    for (name, content) in members {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap();
}

fn tgz_of(path: &Path, members: &[(&str, &[u8])]) {
    let gzip = flate2::write::GzEncoder::new(File::create(path).unwrap(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o777);
        // The name is written as it is: `append_data` would refuse one that leads out of the folder.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        tar.append(&header, *content).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap();
}

/// Takes the pinned library out of a package of either kind with these members.
fn take(members: &[(&str, &[u8])], take_from: TakeFrom) -> (tempfile::TempDir, Result<(), WayError>) {
    let folder = tempfile::tempdir().unwrap();
    let package = folder.path().join("package");
    let out = folder.path().join("a").join("libraries");
    std::fs::create_dir_all(&out).unwrap();
    let result = match take_from {
        TakeFrom::Zip => {
            zip_of(&package, members);
            take_from_zip(&package, build().libraries, &out)
        }
        TakeFrom::Tgz => {
            tgz_of(&package, members);
            take_from_tgz(&package, build().libraries, &out)
        }
    };
    (folder, result)
}

#[derive(Clone, Copy, Debug)]
enum TakeFrom {
    Zip,
    Tgz,
}

/// Every file below `folder`, relative to it.
fn files_below(folder: &Path) -> Vec<String> {
    let mut files: Vec<String> = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| entry.path().strip_prefix(folder).unwrap().display().to_string())
        .collect();
    files.sort();
    files
}

#[test]
fn only_the_pinned_member_is_taken_whatever_else_is_in_the_package() {
    let members: [(&str, &[u8]); 4] = [
        ("../../evil.so", b"out of the folder"),
        ("/etc/evil.so", b"absolute"),
        (MEMBER, CONTENT),
        ("package/lib/libother.so", b"not wanted"),
    ];
    for kind in [TakeFrom::Zip, TakeFrom::Tgz] {
        let (folder, result) = take(&members, kind);
        result.unwrap();
        assert_eq!(
            files_below(folder.path()),
            ["a/libraries/libonnxruntime.so.1.99.0", "package"],
            "{kind:?}"
        );
    }
}

#[test]
fn a_member_that_is_missing_changed_or_longer_is_refused() {
    let mut longer = CONTENT.to_vec();
    longer.resize(1 << 20, 0);
    let mut changed = CONTENT.to_vec();
    changed[0] ^= 1;
    let cases: [&[(&str, &[u8])]; 3] = [
        &[("package/lib/other", CONTENT)],
        &[(MEMBER, &changed)],
        &[(MEMBER, &longer)],
    ];
    for members in cases {
        for kind in [TakeFrom::Zip, TakeFrom::Tgz] {
            let (folder, result) = take(members, kind);
            let error = result.unwrap_err().to_string();
            assert!(error.contains(MEMBER), "{kind:?}: {error}");
            // Not a byte more than one past the pin was unpacked.
            let unpacked = folder.path().join("a/libraries/libonnxruntime.so.1.99.0");
            let length = std::fs::metadata(unpacked).map_or(0, |metadata| metadata.len());
            assert!(length <= CONTENT.len() as u64 + 1);
        }
    }
}

#[test]
fn what_is_no_package_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let package = folder.path().join("package");
    std::fs::write(&package, "<html>sign in first</html>").unwrap();
    assert!(take_from_zip(&package, build().libraries, folder.path()).is_err());
    assert!(take_from_tgz(&package, build().libraries, folder.path()).is_err());
}

fn filled(cache: &Path, name: &str, content: &[u8]) -> PathBuf {
    let folder = cache.join(name).join("libraries");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("libonnxruntime.so.1.99.0"), content).unwrap();
    folder
}

#[test]
fn the_second_installer_uses_what_the_first_one_put_there() {
    let cache = tempfile::tempdir().unwrap();
    let target = cache.path().join("1.99.0-cpu");
    let first = publish(build(), &filled(cache.path(), "one", CONTENT), &target).unwrap();
    let second = publish(build(), &filled(cache.path(), "two", CONTENT), &target).unwrap();
    assert_eq!(first, second);
    assert_eq!(first.path, target.join("libonnxruntime.so.1.99.0"));
    assert_eq!(std::fs::read(&first.path).unwrap(), CONTENT);
}

#[test]
fn many_installers_at_once_end_with_one_sound_folder() {
    let cache = tempfile::tempdir().unwrap();
    let target = cache.path().join("1.99.0-cpu");
    let build = build();
    std::thread::scope(|scope| {
        for index in 0..8 {
            let (cache, target) = (cache.path(), &target);
            scope.spawn(move || {
                publish(build, &filled(cache, &format!("at{index}"), CONTENT), target).unwrap();
            });
        }
    });
    assert_eq!(files_below(&target), ["libonnxruntime.so.1.99.0"]);
}

#[test]
fn a_damaged_folder_is_replaced() {
    let cache = tempfile::tempdir().unwrap();
    let target = cache.path().join("1.99.0-cpu");
    std::fs::create_dir_all(&target).unwrap();
    std::fs::write(target.join("libonnxruntime.so.1.99.0"), "cut o").unwrap();
    assert!(
        find::check_build(build(), &target)
            .unwrap_err()
            .contains("damaged")
    );
    publish(build(), &filled(cache.path(), "one", CONTENT), &target).unwrap();
    assert!(find::check_build(build(), &target).is_ok());
}

#[test]
fn a_cache_that_cannot_be_written_is_an_error_that_names_it_and_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    std::fs::write(&cache, "a file where a folder should be").unwrap();
    let mut said = Vec::new();
    let error = install_blocking(&cache, Flavour::Cpu, &mut |line| said.push(line.to_owned()))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&cache.display().to_string()) && error.contains("runtime.library"),
        "{error}"
    );
    assert!(said[0].starts_with("installing ONNX Runtime"), "{said:?}");
}

/// Up to 314 MB stayed for good with each installation that was ended.
#[test]
fn what_an_ended_installation_left_is_removed_and_not_what_one_under_way_fills() {
    let cache = tempfile::tempdir().unwrap();
    let aside = |name: &str| cache.path().join(format!(".aside-{name}"));
    filled(cache.path(), ".aside-left", CONTENT);
    filled(cache.path(), "1.99.0-cpu", CONTENT);
    let first = begin(cache.path()).unwrap();
    assert!(!aside("left").exists());
    filled(cache.path(), ".aside-first", CONTENT);
    let second = begin(cache.path()).unwrap();
    drop(first);
    drop(begin(cache.path()).unwrap());
    assert!(aside("first").exists(), "the second is at work still");
    drop(second);
    drop(begin(cache.path()).unwrap());
    assert_eq!(
        files_below(cache.path()),
        ["1.99.0-cpu/libraries/libonnxruntime.so.1.99.0"]
    );
}

#[test]
fn what_pip_said_last_is_told_on_one_line() {
    let said = b"Collecting x\n\n  Downloading\nERROR: one\n  ERROR: two\nERROR: three\nERROR: four\n";
    assert_eq!(
        last_lines(said),
        "ERROR: one | ERROR: two | ERROR: three | ERROR: four"
    );
    assert_eq!(last_lines(b""), "");
}
