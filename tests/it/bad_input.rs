//! Every bad thing that can lie in an inbox ends with a reason, and the rest goes on.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::util::{Shop, age, drop_png, is_tagged, permit, png, text, wait_until};

/// Settings under which a truncated file is final soon.
const IMPATIENT: [&str; 2] = ["--set", "settle.give_up=1s"];

/// A PNG that declares 60,000 x 60,000 pixels: a right header, and no data to speak of.
fn bomb() -> Vec<u8> {
    let mut bytes = png(1);
    let mut header = b"IHDR".to_vec();
    header.extend(60_000u32.to_be_bytes());
    header.extend(60_000u32.to_be_bytes());
    header.extend([8, 0, 0, 0, 0]);
    bytes[12..29].copy_from_slice(&header);
    bytes[29..33].copy_from_slice(&crc32(&header).to_be_bytes());
    bytes
}

/// The checksum of a PNG chunk (ISO 3309).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 {
                crc >> 1 ^ 0xEDB8_8320
            } else {
                crc >> 1
            }
        })
    })
}

fn picture(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let white = image::GrayImage::from_pixel(width, height, image::Luma([255]));
    white
        .write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Png)
        .unwrap();
    bytes
}

/// Name, and the reason it ends with (`None`: it is tagged).
fn lay_out(inbox: &Path) -> Vec<(PathBuf, Option<&'static str>)> {
    let mut laid = Vec::new();
    let mut file = |name: &OsStr, bytes: &[u8], reason| {
        std::fs::write(inbox.join(name), bytes).unwrap();
        laid.push((inbox.join(name), reason));
    };
    let whole = png(2);
    file(OsStr::new("empty.jpg"), b"", Some("empty"));
    file(OsStr::new("text.jpg"), b"this is a letter", Some("not_an_image"));
    file(
        OsStr::new("cut.png"),
        &whole[..whole.len() * 2 / 3],
        Some("truncated"),
    );
    let jpeg = include_bytes!("../../src/decode/fixtures/ycbcr-420.jpg");
    file(
        OsStr::new("cut.jpg"),
        &jpeg[..jpeg.len() * 2 / 3],
        Some("truncated"),
    );
    file(OsStr::new("bomb.png"), &bomb(), Some("too_many_pixels"));
    file(OsStr::new("dot.png"), &picture(1, 1), None);
    file(OsStr::new("white.png"), &picture(300, 200), None);
    file(OsStr::new("quote'\"`$(x).png"), &png(3), None);
    file(OsStr::new("new\nline.png"), &png(4), None);
    file(OsStr::from_bytes(b"not-utf8-\xff\xfe.png"), &png(5), None);
    file(OsStr::new("name.without.sense"), &png(6), None);
    std::fs::create_dir(inbox.join("folder.jpg")).unwrap();
    laid.push((inbox.join("folder.jpg"), Some("not_a_file")));
    std::fs::write(inbox.join("folder.jpg").join("inside.png"), png(7)).unwrap();
    laid.push((inbox.join("folder.jpg").join("inside.png"), None));
    // A link that leads in a circle cannot be read, not even by root.
    std::os::unix::fs::symlink(inbox.join("circle.jpg"), inbox.join("circle.jpg")).unwrap();
    laid.push((inbox.join("circle.jpg"), Some("unreadable")));
    std::fs::write(inbox.parent().unwrap().join("outside.png"), png(8)).unwrap();
    std::os::unix::fs::symlink("../outside.png", inbox.join("out.png")).unwrap();
    laid.push((inbox.join("out.png"), Some("link_outside_inbox")));
    assert!(
        Command::new("mkfifo")
            .arg(inbox.join("pipe.jpg"))
            .status()
            .unwrap()
            .success()
    );
    laid.push((inbox.join("pipe.jpg"), Some("not_a_file")));
    laid
}

fn check(shop: &Shop, laid: &[(PathBuf, Option<&str>)]) {
    for (path, reason) in laid {
        let stored = hangtag::domain::InventoryPath::of(path);
        let row = shop.rows().into_iter().find(|row| row["path"] == stored.as_str());
        let row = row.unwrap_or_else(|| panic!("{path:?} has no answer"));
        match reason {
            None => assert!(is_tagged(&row), "{path:?}: {row}"),
            Some(reason) => {
                assert_eq!(
                    (row["status"].as_str(), row["reason"].as_str()),
                    (Some("rejected"), Some(*reason)),
                    "{path:?}"
                );
                assert!(!row["detail"].as_str().unwrap().is_empty());
            }
        }
    }
    assert_eq!(
        shop.count("SELECT count(*) FROM files"),
        laid.len() as i64,
        "each exactly once"
    );
}

#[test]
fn a_scan_answers_for_every_bad_file() {
    let shop = Shop::new();
    let laid = lay_out(&shop.inbox());
    let summary = shop.json(&["scan", "--format", "json", IMPATIENT[0], IMPATIENT[1]]);
    assert_eq!(summary["seen"], laid.len() as u64);
    check(&shop, &laid);
    let again = shop.json(&["scan", "--format", "json", IMPATIENT[0], IMPATIENT[1]]);
    let open = again["seen"].as_u64().unwrap() - again["unchanged"].as_u64().unwrap();
    assert!(open <= 1, "only what is unreadable is tried again: {again}");
}

#[test]
fn the_daemon_answers_for_every_bad_file_and_goes_on() {
    let shop = Shop::new();
    let daemon = shop.daemon_with(&IMPATIENT);
    let mut laid = lay_out(&shop.inbox());
    shop.wait_for_rows(laid.len() as i64);
    laid.push((drop_png(&shop.inbox(), 50), None));
    shop.wait_for_rows(laid.len() as i64);
    check(&shop, &laid);
    assert_eq!(
        shop.run(&["status"]).status.code(),
        Some(0),
        "bad files do not make the service unhealthy"
    );
    assert_eq!(daemon.end(), Some(0));
}

#[test]
fn a_file_too_large_is_not_read() {
    let shop = Shop::new();
    let path = shop.inbox().join("huge.jpg");
    std::fs::File::create(&path).unwrap().set_len(5_000_000).unwrap();
    age(&path, Duration::from_secs(60));
    shop.ok(&["scan", "--set", "limits.max_file_bytes=4000000"]);
    let row = shop.row(&path).unwrap();
    assert_eq!(
        (row["reason"].as_str(), row["content_hash"].as_str()),
        (Some("too_many_bytes"), None)
    );
    assert!(
        row["detail"].as_str().unwrap().contains("5000000")
            && row["detail"].as_str().unwrap().contains("limits.max_file_bytes")
    );
    let explained = shop.ok(&["explain", "inbox/huge.jpg"]);
    assert!(explained.contains("too_many_bytes"), "{explained}");
}

#[test]
fn a_file_without_permission_is_unreadable_until_it_may_be_read() {
    let shop = Shop::new();
    let path = drop_png(&shop.inbox(), 1);
    drop_png(&shop.inbox(), 2);
    permit(&path, 0o000);
    let scan = |shop: &Shop| shop.command_of_nobody(&["scan"]).output().unwrap();
    let output = scan(&shop);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(shop.row(&path).unwrap()["reason"], "unreadable");
    permit(&path, 0o644);
    assert!(scan(&shop).status.success());
    assert!(is_tagged(&shop.row(&path).unwrap()));
}

#[test]
fn a_file_that_vanishes_ends_as_vanished_or_tagged() {
    let shop = Shop::new();
    let daemon = shop.daemon();
    let paths: Vec<_> = (0..20).map(|number| drop_png(&shop.inbox(), number)).collect();
    for path in &paths {
        std::fs::remove_file(path).unwrap();
    }
    drop_png(&shop.inbox(), 100);
    wait_until("the file that stayed is tagged", || {
        shop.count("SELECT count(*) FROM files WHERE is_present = 1") == 1
    });
    wait_until("all that vanished are on record or were never seen whole", || {
        shop.count("SELECT count(*) FROM files WHERE is_present = 0") == shop.rows().len() as i64 - 1
    });
    assert!(
        shop.rows()
            .iter()
            .filter(|row| row["present"] == false)
            .all(|row| { row["reason"] == "vanished" || is_tagged(row) })
    );
    assert_eq!(daemon.end(), Some(0));
}

#[test]
fn a_full_disk_is_said_and_nothing_is_lost() {
    // A file system of its own, small enough to fill; only root may mount one.
    let shop = Shop::new();
    std::fs::create_dir(shop.data()).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
        .arg(shop.data())
        .output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: a small file system cannot be mounted here");
        return;
    }
    let _unmount = Unmount(shop.data());
    let daemon = shop.daemon();
    drop_png(&shop.inbox(), 1);
    shop.wait_for_rows(1);
    let ballast = shop.data().join("ballast");
    // As large as there is room for.
    let _ = Command::new("dd")
        .args(["if=/dev/zero", "bs=4096"])
        .arg(format!("of={}", ballast.display()))
        .output();
    for number in 2..400 {
        drop_png(&shop.inbox(), number);
    }
    wait_until("the full disk is said", || {
        shop.log().contains("the disk is full")
    });
    std::fs::remove_file(&ballast).unwrap();
    shop.wait_for_rows(399);
    assert_eq!(
        shop.count("SELECT count(*) FROM files WHERE label_id IS NOT NULL"),
        399
    );
    assert_eq!(daemon.end(), Some(0));
}

struct Unmount(PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
