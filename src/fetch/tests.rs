//! Downloads from a small server on the loopback: broken off, resumed, wrong, too long, gone.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::*;

/// How the server answers.
#[derive(Clone, Copy)]
enum Manner {
    /// With the part that was asked for.
    Ranges,
    /// With the whole, whatever was asked for.
    IgnoresRanges,
    /// With the part asked for, but breaks off after so many bytes of it.
    BreaksOffAfter(usize),
    /// With the whole and without saying how long it is.
    NoLength,
    /// With this status.
    Status(u16),
}

/// A server of one file. `asked` keeps the `Range` of each request, empty where there was none.
struct Server {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(content: &[u8], manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/file", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (content, log) = (content.to_vec(), Arc::clone(&asked));
        // Ends with the test process; nobody connects any more once the test is over.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let _ = answer(stream.unwrap(), &content, manner, &log);
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(stream: TcpStream, content: &[u8], manner: Manner, log: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut range = String::new();
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    while let Some(line) = lines.next().transpose()?
        && !line.is_empty()
    {
        if let Some(value) = line.to_lowercase().strip_prefix("range: bytes=") {
            range = value.to_owned();
        }
    }
    log.lock().unwrap().push(range.clone());
    let asked_from: usize = range.trim_end_matches('-').parse().unwrap_or(0);
    let from = if matches!(manner, Manner::IgnoresRanges | Manner::NoLength) {
        0
    } else {
        asked_from
    };
    let body = &content[from.min(content.len())..];
    let status = match manner {
        Manner::Status(status) => status,
        _ if from > 0 => 206,
        _ => 200,
    };
    let length = match manner {
        Manner::NoLength => String::new(),
        _ => format!("Content-Length: {}\r\n", body.len()),
    };
    let total = content.len();
    let head = format!(
        "HTTP/1.1 {status} x\r\n{length}Content-Range: bytes {from}-{}/{total}\r\nConnection: close\r\n\r\n",
        total.saturating_sub(1)
    );
    let sent = match manner {
        Manner::BreaksOffAfter(bytes) => &body[..bytes.min(body.len())],
        _ => body,
    };
    let mut stream = stream;
    stream.write_all(head.as_bytes())?;
    stream.write_all(sent)
}

/// An address at which nobody listens.
fn dead_url() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/file", listener.local_addr().unwrap())
}

/// 300,000 bytes: more than two chunks.
fn content() -> Vec<u8> {
    (0..300_000_u32).map(|index| (index * 7 % 251) as u8).collect()
}

struct Case {
    folder: tempfile::TempDir,
    sha256: String,
    bytes: u64,
}

impl Case {
    fn new() -> Self {
        let content = content();
        Self {
            folder: tempfile::tempdir().unwrap(),
            sha256: hex(&Sha256::digest(&content)),
            bytes: content.len() as u64,
        }
    }

    fn target(&self) -> PathBuf {
        self.folder.path().join("deep").join("file.bin")
    }

    fn partial(&self) -> PathBuf {
        self.folder.path().join("deep").join("file.bin.partial")
    }

    fn leave_partial(&self, bytes: &[u8]) {
        std::fs::create_dir_all(self.partial().parent().unwrap()).unwrap();
        std::fs::write(self.partial(), bytes).unwrap();
    }

    fn fetch(&self, mirrors: &[String]) -> Result<Vec<u64>, FetchError> {
        let mut heard = Vec::new();
        let download = Download {
            what: "the test file",
            mirrors,
            sha256: &self.sha256,
            bytes: self.bytes,
            to: &self.target(),
        };
        download_blocking(&download, &mut |have, of| {
            assert_eq!(of, self.bytes);
            heard.push(have);
        })?;
        Ok(heard)
    }

    fn is_whole(&self) -> bool {
        std::fs::read(self.target()).is_ok_and(|bytes| bytes == content()) && !self.partial().exists()
    }
}

#[test]
fn a_file_is_fetched_once_and_progress_is_told() {
    let case = Case::new();
    let server = Server::start(&content(), Manner::Ranges);
    let heard = case.fetch(std::slice::from_ref(&server.url)).unwrap();
    assert!(case.is_whole());
    assert!(
        heard.is_sorted() && heard.last() == Some(&case.bytes),
        "{heard:?}"
    );
    // A second time there is nothing to do.
    case.fetch(std::slice::from_ref(&server.url)).unwrap();
    assert_eq!(server.asked(), [""]);
}

#[test]
fn a_broken_download_goes_on_where_it_stopped_on_the_next_mirror() {
    let case = Case::new();
    let breaking = Server::start(&content(), Manner::BreaksOffAfter(200_000));
    let whole = Server::start(&content(), Manner::Ranges);
    case.fetch(&[breaking.url.clone(), whole.url.clone()]).unwrap();
    assert!(case.is_whole());
    assert_eq!(breaking.asked(), [""]);
    assert_eq!(whole.asked(), ["200000-"]);
}

#[test]
fn what_an_earlier_process_left_is_used() {
    let case = Case::new();
    case.leave_partial(&content()[..123_456]);
    let server = Server::start(&content(), Manner::Ranges);
    let heard = case.fetch(std::slice::from_ref(&server.url)).unwrap();
    assert!(case.is_whole() && heard[0] > 123_456);
    assert_eq!(server.asked(), ["123456-"]);
}

#[test]
fn a_complete_partial_file_needs_no_server() {
    let case = Case::new();
    case.leave_partial(&content());
    case.fetch(&[dead_url()]).unwrap();
    assert!(case.is_whole());
}

#[test]
fn a_server_that_ignores_ranges_is_read_from_the_start() {
    let case = Case::new();
    case.leave_partial(&content()[..1000]);
    for manner in [Manner::IgnoresRanges, Manner::NoLength] {
        let server = Server::start(&content(), manner);
        case.fetch(std::slice::from_ref(&server.url)).unwrap();
        assert!(case.is_whole());
        assert_eq!(server.asked(), ["1000-"]);
        std::fs::remove_file(case.target()).unwrap();
        case.leave_partial(&content()[..1000]);
    }
}

#[test]
fn leftovers_of_another_file_are_thrown_away_and_fetched_anew() {
    let case = Case::new();
    let server = Server::start(&content(), Manner::Ranges);
    case.leave_partial(&[1; 5000]);
    case.fetch(std::slice::from_ref(&server.url)).unwrap();
    assert!(case.is_whole());
    assert_eq!(server.asked(), ["5000-", ""]);
}

#[test]
fn leftovers_longer_than_the_file_are_thrown_away() {
    let case = Case::new();
    let server = Server::start(&content(), Manner::Ranges);
    case.leave_partial(&vec![1; 400_000]);
    case.fetch(std::slice::from_ref(&server.url)).unwrap();
    assert!(case.is_whole());
    assert_eq!(server.asked(), [""]);
}

#[test]
fn a_wrong_sum_is_never_put_in_place() {
    let case = Case::new();
    let mut wrong = content();
    wrong[150_000] ^= 1;
    let server = Server::start(&wrong, Manner::Ranges);
    let error = case
        .fetch(std::slice::from_ref(&server.url))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("SHA-256") && error.contains(&server.url),
        "{error}"
    );
    assert!(!case.target().exists());
    assert_eq!(std::fs::metadata(case.partial()).unwrap().len(), 0);
    assert_eq!(server.asked(), [""]);
}

#[test]
fn a_body_of_the_wrong_length_is_refused() {
    let mut longer = content();
    longer.resize(400_000, 0);
    let shorter = &content()[..299_999];
    for (content, manner) in [
        (&longer[..], Manner::Ranges),
        (&longer[..], Manner::NoLength),
        (shorter, Manner::Ranges),
        (shorter, Manner::NoLength),
    ] {
        let case = Case::new();
        let server = Server::start(content, manner);
        let error = case
            .fetch(std::slice::from_ref(&server.url))
            .unwrap_err()
            .to_string();
        assert!(error.contains("bytes, expected 300000"), "{error}");
        assert!(!case.target().exists());
        assert!(std::fs::metadata(case.partial()).unwrap().len() <= case.bytes);
    }
}

#[test]
fn dead_and_refusing_mirrors_are_passed_over_and_all_are_told_when_none_is_left() {
    let case = Case::new();
    let (dead, refusing) = (dead_url(), Server::start(&content(), Manner::Status(404)));
    let error = case.fetch(&[dead.clone(), refusing.url.clone()]).unwrap_err();
    let text = error.to_string();
    let target = case.target().display().to_string();
    for part in [
        &dead,
        &refusing.url,
        "404",
        "by hand",
        &target,
        &case.sha256,
        "the test file",
    ] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
    let good = Server::start(&content(), Manner::Ranges);
    case.fetch(&[dead, refusing.url, good.url]).unwrap();
    assert!(case.is_whole());
}

#[test]
fn two_processes_do_not_write_into_one_file() {
    let case = Case::new();
    case.leave_partial(b"");
    let other = File::open(case.partial()).unwrap();
    other.lock().unwrap();
    let error = case.fetch(&[dead_url()]).unwrap_err();
    assert!(matches!(error, FetchError::Busy { .. }), "{error}");
}

/// It was written into by whoever had opened it before and got the lock only then.
#[test]
fn what_another_process_has_just_completed_is_left_alone() {
    let case = Case::new();
    case.leave_partial(&content());
    let opened = File::open(case.partial()).unwrap();
    assert!(is_locked_in_place(&opened, &case.partial()).unwrap());
    opened.unlock().unwrap();
    std::fs::rename(case.partial(), case.target()).unwrap();
    assert!(!is_locked_in_place(&opened, &case.partial()).unwrap());
    // Nor is a third process's new file taken for it.
    case.leave_partial(b"");
    assert!(!is_locked_in_place(&opened, &case.partial()).unwrap());
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let case = Case::new();
    std::fs::write(case.folder.path().join("deep"), "a file where a folder should be").unwrap();
    let error = case.fetch(&[dead_url()]).unwrap_err();
    assert!(error.to_string().contains("deep"), "{error}");
}
