//! ONNX Runtime, as commands install it: where a build is pinned, and a process can be told to end with another.
#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]

use std::process::Command;

use crate::util::{Shop, permit, wait_until};

/// It fetched 256 MB for nobody, and each attempt left a folder in the cache for good.
#[test]
fn an_installation_that_is_ended_ends_pip_and_leaves_nothing_to_the_next() {
    let shop = Shop::new();
    let at = |name: &str| shop.path().join(name);
    std::fs::create_dir(at("bin")).unwrap();
    let pip = at("bin/python3");
    let fetches_for_ever = "#!/bin/sh\ncase \"$*\" in *--version) exit 0 ;; esac\necho $$ > aside\nmv aside pip\nexec sleep 1000000\n";
    std::fs::write(&pip, fetches_for_ever).unwrap();
    permit(&pip, 0o755);
    let install = || -> Command {
        let mut command = shop.command(&["runtime", "install"]);
        let path = format!("{}:{}", at("bin").display(), std::env::var("PATH").unwrap());
        command.env("PATH", path).env("XDG_CACHE_HOME", at("cache"));
        command
    };
    for _ in 0..2 {
        let installing = shop.spawn(install());
        wait_until("pip fetches", || at("pip").exists());
        let stat = format!(
            "/proc/{}/stat",
            std::fs::read_to_string(at("pip")).unwrap().trim()
        );
        std::fs::remove_file(at("pip")).unwrap();
        let lives = || std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
        assert!(lives());
        let left = std::fs::read_dir(at("cache/hangtag/onnxruntime")).unwrap();
        assert_eq!(left.count(), 1, "its own, and none of the one before");
        installing.kill();
        wait_until("pip has ended", || !lives());
    }
}
