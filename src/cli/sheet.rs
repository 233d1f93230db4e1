//! A list of photos and what they show, as people keep one: a CSV file.
//!
//! In: the file. Out: its rows, each with its place, and what is wrong with a row in words; or, once for all of them, that
//! this is no such list. Never: a photo opened.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::paths::path_meant;
use crate::domain::{ContentHash, Truth};

/// Problems listed one by one; of more, only the number is told.
const MAX_SHOWN_PROBLEMS: usize = 20;

/// By what a row may name its photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedBy {
    /// By a file.
    File,
    /// By a file, a content hash, or both.
    FileOrHash,
}

impl NamedBy {
    fn columns(self) -> &'static str {
        match self {
            NamedBy::File => "file (or path) and label",
            NamedBy::FileOrHash => "file (or path) or content_hash, and label",
        }
    }
}

/// A list with the right columns.
#[derive(Debug)]
pub struct Sheet {
    path: PathBuf,
    bytes: Vec<u8>,
    columns: Columns,
}

#[derive(Debug, Clone, Copy)]
struct Columns {
    file: Option<usize>,
    content_hash: Option<usize>,
    label: usize,
}

/// Where a row begins; [`Sheet::listed`] shows it as a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(usize);

/// What a row says; at least one of file and content hash is there.
#[derive(Debug, PartialEq, Eq)]
pub struct SheetRow {
    /// The file; of a relative path, what it means beside the list.
    pub file: Option<PathBuf>,
    /// What the photo is known by.
    pub content_hash: Option<ContentHash>,
    /// What it shows.
    pub truth: Truth,
}

impl Sheet {
    /// Reads the file and looks at its header.
    pub fn open(path: &Path, named_by: NamedBy) -> anyhow::Result<Self> {
        let shown = path.display();
        if path.is_dir() {
            bail!("{shown} is a folder; name the CSV file with the list");
        }
        let bytes = std::fs::read(path).with_context(|| format!("could not read {shown}"))?;
        let columns = columns_of(&bytes, named_by).map_err(|why| anyhow::anyhow!("{shown}: {why}"))?;
        Ok(Self {
            path: path.to_owned(),
            bytes,
            columns,
        })
    }

    /// All rows, in their order; other columns are passed over.
    pub fn rows(&self) -> Vec<(Place, Result<SheetRow, String>)> {
        let folder = crate::durable::folder_of(&self.path);
        let mut reader = reader_of(&self.bytes);
        // Read with the header in one go, a first row that cannot be read would have the header's place. That the header
        // can be read is known.
        let _ = reader.headers();
        let rows = reader.records().map(|row| {
            let begun = match &row {
                Ok(row) => row.position(),
                Err(error) => error.position(),
            };
            let place = Place(begun.map_or(0, csv::Position::byte) as usize);
            let row = row.map_err(|error| in_short(&error));
            (place, row.and_then(|row| self.columns.read(&row, folder)))
        });
        rows.collect()
    }

    /// The line of an editor, from 1, on which a row begins.
    pub fn line_of(&self, place: Place) -> usize {
        line_of_row(&self.bytes, place.0)
    }

    /// Problems with their lines, one below the other.
    pub fn listed(&self, problems: &[(Place, String)]) -> String {
        let shown = problems.iter().take(MAX_SHOWN_PROBLEMS).map(|(place, problem)| {
            format!("\n  {}:{}: {problem}", self.path.display(), self.line_of(*place))
        });
        let mut listed: String = shown.collect();
        if problems.len() > MAX_SHOWN_PROBLEMS {
            listed += &format!("\n  and {} more", problems.len() - MAX_SHOWN_PROBLEMS);
        }
        listed
    }
}

impl Columns {
    fn read(self, row: &csv::StringRecord, folder: &Path) -> Result<SheetRow, String> {
        let cell = |column: Option<usize>| column.and_then(|at| row.get(at)).filter(|cell| !cell.is_empty());
        let content_hash = cell(self.content_hash).map(|cell| cell.trim().parse::<ContentHash>());
        let row = SheetRow {
            file: cell(self.file).map(|file| path_meant(&folder.join(file))),
            content_hash: content_hash.transpose().map_err(|error| error.to_string())?,
            truth: truth_in(row.get(self.label).unwrap_or_default())?,
        };
        match (&row.file, &row.content_hash, self.content_hash) {
            (None, None, Some(_)) => Err("neither file nor content_hash is given".into()),
            (None, None, None) => Err("no file is given".into()),
            _ => Ok(row),
        }
    }
}

/// What a label's cell says: empty, `none` or `unknown` for none of the classes.
fn truth_in(cell: &str) -> Result<Truth, String> {
    match cell.trim() {
        "" => Ok(Truth::Unknown),
        none if none.eq_ignore_ascii_case("none") => Ok(Truth::Unknown),
        label => label.parse().map_err(|error| format!("{error}")),
    }
}

fn reader_of(bytes: &[u8]) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .trim(csv::Trim::Headers)
        .from_reader(bytes)
}

fn columns_of(bytes: &[u8], named_by: NamedBy) -> Result<Columns, String> {
    let needed = named_by.columns();
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err("it is UTF-16 text; save it as CSV in UTF-8".into());
    }
    if bytes.trim_ascii().is_empty() {
        return Err(format!(
            "it is empty; a first line with the columns {needed} is needed"
        ));
    }
    let mut reader = reader_of(bytes);
    let headers = reader
        .headers()
        .map_err(|error| format!("its first line cannot be read: {}", in_short(&error)))?;
    let at = |name: &str| headers.iter().position(|header| header == name);
    let by_hash = at("content_hash").filter(|_| named_by == NamedBy::FileOrHash);
    let file = at("file").or_else(|| at("path"));
    match at("label") {
        Some(label) if file.is_some() || by_hash.is_some() => Ok(Columns {
            file,
            content_hash: by_hash,
            label,
        }),
        _ => {
            let found: Vec<_> = headers.iter().map(|header| format!("{header:?}")).collect();
            let hint = match headers.iter().any(|header| header.contains([';', '\t'])) {
                true => ", separated by commas",
                false => "",
            };
            Err(format!(
                "its first line names the columns {}; needed are {needed}{hint}",
                found.join(", ")
            ))
        }
    }
}

/// The line, from 1, on which the row begins that the reader met at this byte: empty lines before it are the reader's
/// part of the row, and rows may have several lines.
fn line_of_row(text: &[u8], met_at: usize) -> usize {
    let (before, from) = text.split_at(met_at.min(text.len()));
    let empty = from.iter().take_while(|&&byte| matches!(byte, b'\r' | b'\n'));
    let ends_of_lines = before.iter().chain(empty).filter(|&&byte| byte == b'\n');
    1 + ends_of_lines.count()
}

/// What is wrong, without a place: the reader's own would count empty lines otherwise.
fn in_short(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => {
            format!("it has {len} fields, but the first line has {expected_len}")
        }
        csv::ErrorKind::Utf8 { err, .. } => err.to_string(),
        csv::ErrorKind::Deserialize { err, .. } => err.kind().to_string(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Label;

    fn opened(bytes: &[u8], named_by: NamedBy) -> anyhow::Result<Sheet> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.csv");
        std::fs::write(&path, bytes).unwrap();
        Sheet::open(&path, named_by)
    }

    #[test]
    fn what_is_no_such_list_is_told_with_the_columns_found_and_needed() {
        let utf_16: Vec<u8> = "\u{feff}file,label\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        for (bytes, words) in [
            (
                &b"file;label\na.jpg;Dress\n"[..],
                &["\"file;label\"", "file (or path) and label", "by commas"][..],
            ),
            (
                b"photo,label",
                &["\"photo\", \"label\"", "file (or path) and label"],
            ),
            (b"content_hash,label\n", &["\"content_hash\", \"label\""]),
            (b"", &["empty", "file (or path) and label"]),
            (&utf_16, &["UTF-16", "UTF-8"]),
            (b"f\xfcle,label\n", &["first line", "utf-8"]),
        ] {
            let why = opened(bytes, NamedBy::File).unwrap_err().to_string();
            assert!(words.iter().all(|word| why.contains(word)), "{why}");
        }
        let folder = tempfile::tempdir().unwrap();
        let why = Sheet::open(folder.path(), NamedBy::File).unwrap_err();
        assert!(why.to_string().contains("is a folder"), "{why}");
    }

    #[test]
    fn every_reader_of_a_list_takes_the_same_labels() {
        for (named_by, column) in [(NamedBy::File, "file"), (NamedBy::FileOrHash, "path")] {
            let text = format!("{column},label\n/a,\n/a, none\n/a,Unknown\n/a,t-shirt\n/a,hat\n");
            let sheet = opened(text.as_bytes(), named_by).unwrap();
            let rows: Vec<_> = sheet.rows().into_iter().map(|(_, row)| row).collect();
            let truths: Vec<_> = rows.iter().flatten().map(|row| row.truth).collect();
            let none = Truth::Unknown;
            let shirt = Truth::Label("T-shirt/top".parse::<Label>().unwrap());
            assert_eq!(truths, [none, none, none, shirt]);
            assert!(rows[4].as_ref().unwrap_err().contains("hat"), "{rows:?}");
        }
    }

    /// What cannot be read as text in the first row was told of the header's line.
    #[test]
    fn a_first_row_that_cannot_be_read_has_its_own_line() {
        for (text, line) in [
            (&b"file,label\nb\xff.jpg,Bag\n"[..], 2),
            (b"file,label\r\n\r\nb\xff.jpg,Bag\n", 3),
        ] {
            let sheet = opened(text, NamedBy::File).unwrap();
            let rows = sheet.rows();
            let [(place, Err(_))] = &rows[..] else {
                panic!("{rows:?}")
            };
            assert_eq!(sheet.line_of(*place), line);
        }
    }

    #[test]
    fn lines_are_counted_as_an_editor_does_past_empty_ones_and_rows_of_several() {
        for text in [
            "file,label\n\na,\"of\nsummer\"\nb\n",
            "file,label\r\n\r\na,\"of\r\nsummer\"\r\nb",
        ] {
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            let rows: Vec<_> = reader.records().collect();
            let whole = rows[0].as_ref().unwrap().position().unwrap().byte();
            assert_eq!(line_of_row(text.as_bytes(), whole as usize), 3, "{text:?}");
            let short = rows[1].as_ref().unwrap_err();
            let met_at = short.position().unwrap().byte();
            assert_eq!(line_of_row(text.as_bytes(), met_at as usize), 5, "{text:?}");
            assert!(
                in_short(short).contains("1 fields, but the first line has 2"),
                "{}",
                in_short(short)
            );
        }
    }
}
