//! Standard output: answers, whole or as they come, and no complaint when the reader has had enough. Standard error: what is
//! said beside them, and how far the work is.
//!
//! In: text, JSON values, tables, bars. Out: bytes on both. Never: a panic because of a closed pipe
//! (`hangtag query | head`); a line and a bar in each other's place.

use std::ffi::OsString;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, WeakProgressBar};
use serde::Serialize;

/// Prints text as it is.
pub fn print(text: &str) -> anyhow::Result<()> {
    print_as_it_comes(|out| Ok(out.write_all(text.as_bytes())?))
}

/// Has an answer written that need not be in memory at once. A reader that has had enough ends it, and is no failure.
pub fn print_as_it_comes(write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| Ok(out.flush()?)) {
        Err(error) if is_closed_pipe(&error) => Ok(()),
        written => written,
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<io::Error>();
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// Says in a line of its own what belongs to an answer and stands beside it: a command promises it, so that no `log.level`
/// silences it and no `log.format` makes JSON of it. Whoever closed standard error has had enough of it.
pub fn note(text: &str) {
    let line = shown(text) + "\n";
    let _ = StandardError.write_all(line.as_bytes());
}

/// Lets what is written to standard error stand above this bar from now on.
pub fn keep_below(bar: &ProgressBar) {
    *BAR.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.downgrade());
}

/// The bar on the terminal, of which a command shows one at a time. Owner: this file, through which goes what is written to
/// standard error.
static BAR: Mutex<Option<WeakProgressBar>> = Mutex::new(None);

/// Standard error, to be given whole lines: the bar makes way for what is written.
pub struct StandardError;

impl Write for StandardError {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let bar = BAR.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match bar.and_then(|bar| bar.upgrade()) {
            Some(bar) => bar.suspend(|| io::stderr().write_all(bytes)),
            None => io::stderr().write_all(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Whether what is written there may be coloured: to a terminal, unless `NO_COLOR` says otherwise (no-color.org).
pub fn wants_colour(to: &impl IsTerminal) -> bool {
    to.is_terminal() && !is_plain(std::env::var_os("NO_COLOR"))
}

fn is_plain(no_color: Option<OsString>) -> bool {
    no_color.is_some_and(|value| !value.is_empty())
}

/// Prints a value as indented JSON and a line end.
pub fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    print(&(serde_json::to_string_pretty(value)? + "\n"))
}

/// Rows in columns, each as wide as its widest cell; numbers stand right, the last column is not padded. Cells are [`shown`].
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let of_row = |row: &Vec<String>| row.iter().map(|cell| shown(cell)).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(of_row).collect();
    let columns = head.len();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells
            .chain([head[column].chars().count()])
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let is_number = |column: usize| {
        !rows.is_empty()
            && rows
                .iter()
                .all(|row| row[column].is_empty() || row[column].parse::<f64>().is_ok())
    };
    let right: Vec<bool> = (0..columns).map(is_number).collect();
    let line = |cells: &[String]| {
        let cells =
            cells
                .iter()
                .enumerate()
                .map(|(column, cell)| match (right[column], column + 1 == columns) {
                    (true, _) => format!("{cell:>width$}", width = widths[column]),
                    (false, true) => cell.clone(),
                    (false, false) => format!("{cell:<width$}", width = widths[column]),
                });
        cells.collect::<Vec<_>>().join("  ") + "\n"
    };
    let mut text = line(&head.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    rows.iter().for_each(|row| text.push_str(&line(row)));
    text
}

/// A path or name for a terminal: control characters (a newline in a name, an escape sequence) are shown, not obeyed.
pub fn shown(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() {
                c.escape_default().to_string()
            } else {
                c.to_string()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_needed_and_numbers_stand_right() {
        let rows = [
            vec!["a".into(), "9.5".into(), "x".into()],
            vec!["bcd".into(), "10".into(), "yy".into()],
        ];
        assert_eq!(
            table(&["name", "n", "rest"], &rows),
            "name    n  rest\na     9.5  x\nbcd    10  yy\n"
        );
    }

    /// A reason of two lines, given to `models rollback`, broke the table of models.
    #[test]
    fn a_cell_stays_in_its_row() {
        let rows = [vec!["a\nb".into(), "\u{1b}[31mx".into()]];
        assert_eq!(table(&["by", "why"], &rows), "by    why\na\\nb  \\u{1b}[31mx\n");
    }

    #[test]
    fn no_color_is_obeyed_unless_it_is_empty() {
        assert!(is_plain(Some("1".into())) && is_plain(Some("0".into())));
        assert!(!is_plain(Some("".into())) && !is_plain(None));
    }

    #[test]
    fn control_characters_are_shown() {
        assert_eq!(shown("a\n\u{1b}[31m.jpg"), "a\\n\\u{1b}[31m.jpg");
    }
}
