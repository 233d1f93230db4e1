//! kill -9 at arbitrary moments: every file ends with exactly one answer, and the database is whole.

use std::time::Duration;

use crate::util::{Shop, drop_png, wait_until};

const FILES: u32 = 800;
const KILLS: u32 = 30;
/// The moments of the kills follow from it, so that a failure can be had again.
const SEED: u64 = 0x5EED_0F7A_6500_0001;

/// A number that looks arbitrary, below `end` (xorshift64*, Vigna 2016).
fn arbitrary(state: &mut u64, end: u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) % end
}

#[test]
fn thirty_kills_lose_nothing_and_double_nothing() {
    // ONNX Runtime may have to be fetched first, which takes as long as it takes; a command is waited for without end.
    Shop::new().ok(&["scan"]);
    let shop = Shop::new();
    let inbox = shop.inbox();
    let dropping = std::thread::spawn(move || {
        for number in 0..FILES {
            drop_png(&inbox, number);
            // Spread over the kills, so that each of them finds files in every station.
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let mut state = SEED;
    for kill in 0..KILLS {
        let daemon = shop.start(&[
            "--set",
            "settle.quiet=20ms",
            "--set",
            "settle.quiet_unclosed=50ms",
        ]);
        // Every third dies while it starts; the first of them, while it makes the database.
        let longest_ms = if kill % 3 == 0 {
            100
        } else {
            shop.wait_until_ready(&daemon);
            210
        };
        std::thread::sleep(Duration::from_millis(arbitrary(&mut state, longest_ms)));
        daemon.kill();
        if !shop.store().is_file() {
            continue; // It died before there was one.
        }
        let sql = shop.sql();
        let whole: String = sql
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(whole, "ok", "after kill {kill}, seed {SEED:#x}");
    }
    dropping.join().unwrap();
    let daemon = shop.daemon();
    shop.wait_for_rows(i64::from(FILES));
    wait_until("all are tagged", || {
        shop.count("SELECT count(*) FROM files WHERE label_id IS NOT NULL") == i64::from(FILES)
    });
    assert_eq!(daemon.end(), Some(0));
    for (what, sql) in [
        ("files", "SELECT count(*) FROM files"),
        ("paths", "SELECT count(DISTINCT path) FROM files"),
        ("contents", "SELECT count(*) FROM images"),
        ("outcomes", "SELECT count(*) FROM outcomes"),
    ] {
        assert_eq!(shop.count(sql), i64::from(FILES), "{what}");
    }
    let broken: i64 = shop.count("SELECT count(*) FROM pragma_foreign_key_check");
    assert_eq!(broken, 0);
}
