//! kill -9 at arbitrary moments: every file ends with exactly one answer, and the database is whole.

use std::time::Duration;

use crate::util::{Shop, drop_png, wait_until};

const FILES: u32 = 800;
const KILLS: u32 = 30;

#[test]
fn thirty_kills_lose_nothing_and_double_nothing() {
    let shop = Shop::new();
    let inbox = shop.inbox();
    let dropping = std::thread::spawn(move || {
        for number in 0..FILES {
            drop_png(&inbox, number);
            // Spread over the kills, so that each of them finds files in every station.
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    for kill in 0..KILLS {
        let daemon = shop.daemon_with(&[
            "--set",
            "settle.quiet=20ms",
            "--set",
            "settle.quiet_unclosed=50ms",
        ]);
        // Another moment each time: from the first millisecond after being ready on.
        std::thread::sleep(Duration::from_millis(u64::from(kill * 53 % 211)));
        daemon.kill();
        let sql = shop.sql();
        let whole: String = sql
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(whole, "ok", "after kill {kill}");
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
