//! Values that every module speaks: identities, labels, confidences, outcomes.
//!
//! In: raw bytes, numbers and text. Out: types that cannot be wrong. Never: I/O, clocks, other modules.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Side of the square picture a model sees, in pixels.
pub const INPUT_SIDE: usize = 28;
/// Values in one model input: 28 rows of 28 grey values.
pub const INPUT_LEN: usize = INPUT_SIDE * INPUT_SIDE;
/// How many classes there are.
pub const LABEL_COUNT: usize = 10;

/// A value from outside that does not fit its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not {expected}")]
pub struct ParseError {
    /// What was given.
    pub value: String,
    /// What would have been right, worded to follow "is not".
    pub expected: String,
}

impl ParseError {
    fn new(value: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            expected: expected.into(),
        }
    }
}

/// What a failure means for the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Reject this file, go on with the next.
    Item,
    /// Back off and try again.
    Retry,
    /// Drain and end with a non-zero exit code.
    Fatal,
}

/// One of the ten Fashion-MNIST classes; the index is the model's output position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(u8);

impl Label {
    /// The names, in the order of the model's outputs.
    pub const NAMES: [&'static str; LABEL_COUNT] = [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ];

    /// All ten, in order.
    pub fn all() -> impl ExactSizeIterator<Item = Label> {
        (0..LABEL_COUNT as u8).map(Label)
    }

    /// The label at a model's output position, `None` past the ninth.
    pub fn from_index(index: usize) -> Option<Label> {
        (index < LABEL_COUNT).then_some(Label(index as u8))
    }

    /// Output position, 0..10.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// The name as Fashion-MNIST writes it.
    pub fn name(self) -> &'static str {
        Self::NAMES[self.index()]
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Label {
    type Err = ParseError;

    /// Reads a name without regard to case, `-`, `_` and spaces; `t-shirt` and `top` stand for `T-shirt/top`.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let plain = |s: &str| s.to_lowercase().replace(['-', '_', ' '], "");
        let wanted = plain(text);
        Label::all()
            .find(|label| {
                let name = plain(label.name());
                name == wanted || name.split('/').any(|part| part == wanted)
            })
            .ok_or_else(|| {
                ParseError::new(
                    text,
                    format!("a label; the labels are {}", Label::NAMES.join(", ")),
                )
            })
    }
}

impl Serialize for Label {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// How sure the model is: finite, 0 to 1 inclusive.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Confidence(f32);

impl Confidence {
    /// Refuses what is not finite or lies outside 0..=1.
    pub fn new(value: f32) -> Result<Self, ParseError> {
        if (0.0..=1.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err(ParseError::new(value.to_string(), "a confidence from 0 to 1"))
        }
    }

    /// The number, 0..=1.
    pub fn get(self) -> f32 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Confidence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(f32::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl FromStr for Confidence {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        text.parse::<f32>()
            .ok()
            .and_then(|value| Self::new(value).ok())
            .ok_or_else(|| ParseError::new(text, "a confidence from 0 to 1"))
    }
}

/// A model's full answer for one picture: ten probabilities in label order, each 0..=1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Scores([f32; LABEL_COUNT]);

impl Scores {
    /// Refuses an answer that holds a value outside 0..=1 or none at all (NaN); the sum is the model's affair.
    pub fn new(values: [f32; LABEL_COUNT]) -> Result<Self, ParseError> {
        for value in values {
            Confidence::new(value)?;
        }
        Ok(Self(values))
    }

    /// The ten probabilities, in label order.
    pub fn values(&self) -> &[f32; LABEL_COUNT] {
        &self.0
    }

    /// The likeliest label and its confidence; the first one where several are equal.
    pub fn top(&self) -> (Label, Confidence) {
        let mut best = 0;
        for index in 1..LABEL_COUNT {
            if self.0[index] > self.0[best] {
                best = index;
            }
        }
        (Label(best as u8), Confidence(self.0[best]))
    }
}

/// Identity of a photo: the BLAKE3 hash of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// The hash of a whole file's bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// From a stored hash.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentHash({self})")
    }
}

impl FromStr for ContentHash {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = || ParseError::new(text, "a content hash of 64 hexadecimal digits");
        if text.len() != 64 || !text.is_ascii() {
            return Err(bad());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| bad())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for ContentHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Lower-case hexadecimal digits, two a byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a content is kept from training and asked only by the gate: one in five, by its hash alone, so that it is
/// the same one for every run on every machine, however many corrections there are.
pub fn held_out(hash: &ContentHash) -> bool {
    let first = hash.0.first_chunk::<8>();
    let first = first.expect("a hash has 32 bytes; this is a bug");
    u64::from_be_bytes(*first).is_multiple_of(5)
}

/// What a person says that a photo shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Truth {
    /// One of the ten.
    Label(Label),
    /// None of the ten.
    Unknown,
}

impl Truth {
    /// The label, `None` where it is none of the ten.
    pub fn label(self) -> Option<Label> {
        match self {
            Truth::Label(label) => Some(label),
            Truth::Unknown => None,
        }
    }
}

impl From<Option<Label>> for Truth {
    fn from(label: Option<Label>) -> Self {
        label.map_or(Truth::Unknown, Truth::Label)
    }
}

impl fmt::Display for Truth {
    /// The label's name, or `unknown`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.label().map_or("unknown", Label::name))
    }
}

impl FromStr for Truth {
    type Err = ParseError;

    /// `unknown`, or a label in any spelling that `Label` takes.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text.to_lowercase().as_str() {
            "unknown" => Ok(Truth::Unknown),
            _ => text.parse().map(Truth::Label),
        }
    }
}

impl Serialize for Truth {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Identity of a model: the first 16 hexadecimal digits of the SHA-256 of its ONNX file, which carries
/// labels and preprocessing version in its metadata, so that what answers differently is named differently.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ModelId(String);

impl ModelId {
    /// From the file's SHA-256 in hexadecimal digits (at least 16 of them).
    pub fn from_sha256(sha256: &str) -> Result<Self, ParseError> {
        match sha256.get(..16) {
            Some(short) if short.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) => {
                Ok(Self(short.into()))
            }
            _ => Err(ParseError::new(
                sha256,
                "a SHA-256 in lower-case hexadecimal digits",
            )),
        }
    }

    /// The 16 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for ModelId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_sha256(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Version of the way from pixels to tensor; a model runs only with the one it was trained with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PreprocessingVersion(pub u32);

/// How the learning rate changes from step to step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RateSchedule {
    /// Not at all.
    #[default]
    Constant,
    /// It falls to zero along half a cosine (Loshchilov and Hutter 2017, without restarts): large steps find the
    /// valley, small ones its floor.
    Cosine,
}

impl RateSchedule {
    /// The rate of a step, from 0, of so many in all.
    pub fn rate(self, first: f32, step: u64, steps: u64) -> f32 {
        match self {
            RateSchedule::Constant => first,
            RateSchedule::Cosine => {
                let done = step as f64 / steps as f64;
                (f64::from(first) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())) as f32
            }
        }
    }
}

impl fmt::Display for RateSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RateSchedule::Constant => "constant",
            RateSchedule::Cosine => "cosine",
        })
    }
}

/// Where inference was asked to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DevicePolicy {
    /// The CPU execution provider.
    Cpu,
    /// CUDA or an error.
    Cuda,
    /// CUDA where it can be had, else the CPU, which is said once.
    Auto,
}

/// Where inference really runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// The CPU execution provider.
    Cpu,
    /// The CUDA execution provider.
    Cuda,
}

impl Device {
    /// `cpu` or `cuda`, as it stands in records.
    pub fn name(self) -> &'static str {
        match self {
            Device::Cpu => "cpu",
            Device::Cuda => "cuda",
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Device {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text {
            "cpu" => Ok(Device::Cpu),
            "cuda" => Ok(Device::Cuda),
            _ => Err(ParseError::new(text, "a device (cpu, cuda)")),
        }
    }
}

/// A moment, in milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since 1970-01-01 UTC.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01 UTC.
    pub fn as_millis(self) -> i64 {
        self.0
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self(after.as_millis() as i64),
            Err(before) => Self(-(before.duration().as_millis() as i64)),
        }
    }
}

impl fmt::Display for Timestamp {
    /// ISO 8601 in UTC with milliseconds, for example `2026-11-23T18:31:00.250Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => write!(f, "{time:.3}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Timestamp {
    type Err = ParseError;

    /// Reads what `Display` writes, and every other ISO 8601 moment with an offset; cut to milliseconds.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        text.parse::<jiff::Timestamp>()
            .map(|moment| Self(moment.as_millisecond()))
            .map_err(|_| ParseError::new(text, "a moment in ISO 8601, such as 2026-11-23T18:31:00.250Z"))
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// A file's absolute path as the store and every answer write it: always text, always the way back.
///
/// Bytes that are not UTF-8, and the bytes of U+FFFD itself, are written as U+FFFD and two hexadecimal
/// digits, so that two names never share a text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct InventoryPath(String);

impl InventoryPath {
    /// The text of an absolute path.
    pub fn of(path: &Path) -> Self {
        Self(path_text::from_path(path))
    }

    /// From the text that the store kept.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path in the file system.
    pub fn to_path(&self) -> PathBuf {
        path_text::to_path(&self.0)
    }
}

impl fmt::Display for InventoryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

mod path_text {
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::path::{Path, PathBuf};

    const MARK: char = '\u{FFFD}';

    pub fn from_path(path: &Path) -> String {
        let bytes = path.as_os_str().as_bytes();
        let mut text = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    MARK => "\u{FFFD}".bytes().for_each(|byte| push_escaped(&mut text, byte)),
                    _ => text.push(character),
                }
            }
            chunk
                .invalid()
                .iter()
                .for_each(|&byte| push_escaped(&mut text, byte));
        }
        text
    }

    pub fn to_path(text: &str) -> PathBuf {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(MARK) {
            bytes.extend_from_slice(&rest.as_bytes()[..at]);
            let after = &rest[at + MARK.len_utf8()..];
            match after
                .get(..2)
                .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            {
                Some(byte) => {
                    bytes.push(byte);
                    rest = &after[2..];
                }
                None => {
                    bytes.extend_from_slice("\u{FFFD}".as_bytes());
                    rest = after;
                }
            }
        }
        bytes.extend_from_slice(rest.as_bytes());
        PathBuf::from(OsString::from_vec(bytes))
    }

    fn push_escaped(text: &mut String, byte: u8) {
        text.push(MARK);
        text.push_str(&format!("{byte:02X}"));
    }
}

/// What a file looked like from outside; two equal stamps mean the bytes were not touched in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStamp {
    /// Length in bytes.
    pub size: u64,
    /// Last modification, nanoseconds since 1970-01-01 UTC.
    pub mtime_ns: i64,
    /// The file's number in its file system; changes when a file is replaced by a rename.
    pub inode: u64,
}

/// Format of a picture, told from its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ImageFormat {
    Jpeg,
    Png,
    Webp,
    Gif,
    Bmp,
    Tiff,
}

impl ImageFormat {
    /// Lower-case name, as it stands in records.
    pub fn name(self) -> &'static str {
        match self {
            ImageFormat::Jpeg => "jpeg",
            ImageFormat::Png => "png",
            ImageFormat::Webp => "webp",
            ImageFormat::Gif => "gif",
            ImageFormat::Bmp => "bmp",
            ImageFormat::Tiff => "tiff",
        }
    }
}

/// A picture as grey values, upright: what decoding gives and preprocessing takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodedImage {
    /// Rec.601 luma, 0 black to 255 white, row by row from the top left; `width * height` values.
    pub luma: Vec<u8>,
    /// Pixels in a row, after the orientation that the file asks for; at least 1.
    pub width: u32,
    /// Rows, after the orientation that the file asks for; at least 1.
    pub height: u32,
    /// What the file is.
    pub format: ImageFormat,
    /// Pixels in a row as the file stores them.
    pub stored_width: u32,
    /// Rows as the file stores them.
    pub stored_height: u32,
}

/// Why a file has no tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RejectionReason {
    /// Nothing in it.
    Empty,
    /// The content is of no picture format that hangtag knows.
    NotAnImage,
    /// A known format in a variant that cannot be decoded.
    Unsupported,
    /// Ends too early, and stayed so.
    Truncated,
    /// Broken inside.
    Corrupt,
    /// More bytes than `limits.max_file_bytes`.
    TooManyBytes,
    /// More pixels than `limits.max_pixels`.
    TooManyPixels,
    /// Decoding would take more memory than `limits.max_decode_bytes`.
    TooMuchMemory,
    /// The operating system refused to read it.
    Unreadable,
    /// Gone before it could be read.
    Vanished,
    /// A folder, pipe, socket or device with the name of a photo.
    NotAFile,
    /// A symbolic link that leads out of the inbox.
    LinkOutsideInbox,
    /// Kept changing for longer than `settle.give_up`.
    NeverSettled,
}

impl RejectionReason {
    /// Every reason there is.
    pub const ALL: [RejectionReason; 13] = [
        RejectionReason::Empty,
        RejectionReason::NotAnImage,
        RejectionReason::Unsupported,
        RejectionReason::Truncated,
        RejectionReason::Corrupt,
        RejectionReason::TooManyBytes,
        RejectionReason::TooManyPixels,
        RejectionReason::TooMuchMemory,
        RejectionReason::Unreadable,
        RejectionReason::Vanished,
        RejectionReason::NotAFile,
        RejectionReason::LinkOutsideInbox,
        RejectionReason::NeverSettled,
    ];

    /// The word in records: lower case with underscores; stable.
    pub fn code(self) -> &'static str {
        match self {
            RejectionReason::Empty => "empty",
            RejectionReason::NotAnImage => "not_an_image",
            RejectionReason::Unsupported => "unsupported",
            RejectionReason::Truncated => "truncated",
            RejectionReason::Corrupt => "corrupt",
            RejectionReason::TooManyBytes => "too_many_bytes",
            RejectionReason::TooManyPixels => "too_many_pixels",
            RejectionReason::TooMuchMemory => "too_much_memory",
            RejectionReason::Unreadable => "unreadable",
            RejectionReason::Vanished => "vanished",
            RejectionReason::NotAFile => "not_a_file",
            RejectionReason::LinkOutsideInbox => "link_outside_inbox",
            RejectionReason::NeverSettled => "never_settled",
        }
    }
}

impl fmt::Display for RejectionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

/// Why one file was rejected, with the particulars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The kind.
    pub reason: RejectionReason,
    /// What exactly, with the values: "60000x60000 pixels, at most 100000000 are allowed (limits.max_pixels)".
    pub detail: String,
}

/// Where a file stands, as `query --status` asks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// A model gave it a label.
    Tagged,
    /// A person said what it is; no model changes that.
    Corrected,
    /// It has no label, and the reason is on record.
    Rejected,
}

impl Status {
    /// Every status there is.
    pub const ALL: [Status; 3] = [Status::Tagged, Status::Corrected, Status::Rejected];

    /// The word in records.
    pub fn name(self) -> &'static str {
        match self {
            Status::Tagged => "tagged",
            Status::Corrected => "corrected",
            Status::Rejected => "rejected",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Status {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Status::ALL
            .into_iter()
            .find(|status| status.name() == text)
            .ok_or_else(|| {
                let names: Vec<_> = Status::ALL.iter().map(|status| status.name()).collect();
                ParseError::new(text, format!("a status ({})", names.join(", ")))
            })
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn labels_are_read_in_every_usual_spelling() {
        for (text, name) in [
            ("T-shirt/top", "T-shirt/top"),
            ("t-shirt", "T-shirt/top"),
            ("tshirt", "T-shirt/top"),
            ("TROUSER", "Trouser"),
            ("ankle-boot", "Ankle boot"),
            ("ankle boot", "Ankle boot"),
        ] {
            assert_eq!(text.parse::<Label>().unwrap().name(), name);
        }
        let error = "Hat".parse::<Label>().unwrap_err().to_string();
        assert!(
            error.contains("\"Hat\"") && error.contains("Ankle boot"),
            "{error}"
        );
    }

    #[test]
    fn confidence_refuses_what_is_no_probability() {
        for bad in [-0.1, 1.1, f32::NAN, f32::INFINITY] {
            assert!(Confidence::new(bad).is_err(), "{bad}");
        }
        assert_eq!("0.5".parse::<Confidence>().unwrap().get(), 0.5);
    }

    #[test]
    fn top_is_the_first_of_equals() {
        let mut values = [0.0; 10];
        values[3] = 0.5;
        values[7] = 0.5;
        let (label, confidence) = Scores::new(values).unwrap().top();
        assert_eq!((label.name(), confidence.get()), ("Dress", 0.5));
    }

    #[test]
    fn every_path_has_its_own_text_and_the_way_back() {
        let names: [&[u8]; 5] = [
            b"/a/plain.jpg",
            b"/a/\xff.jpg",
            "/a/\u{FFFD}FF.jpg".as_bytes(),
            b"/a/q'\"\n.jpg",
            b"/\xe2\x82",
        ];
        let mut seen = std::collections::HashSet::new();
        for name in names {
            let path = Path::new(OsStr::from_bytes(name));
            let text = InventoryPath::of(path);
            assert_eq!(text.to_path(), path, "{text}");
            assert!(seen.insert(text));
        }
    }

    #[test]
    fn timestamps_are_written_in_utc_with_milliseconds() {
        assert_eq!(
            Timestamp::from_millis(1_700_000_000_250).to_string(),
            "2023-11-14T22:13:20.250Z"
        );
    }

    #[test]
    fn one_content_in_five_is_held_out_by_its_hash_alone() {
        let mut bytes = [0; 32];
        assert!(held_out(&ContentHash::from_bytes(bytes)));
        bytes[7] = 4;
        bytes[31] = 1; // Past the first eight: plays no part.
        assert!(!held_out(&ContentHash::from_bytes(bytes)));
        bytes[7] = 10;
        assert!(held_out(&ContentHash::from_bytes(bytes)));
        let held = (0..10_000u32).filter(|n| held_out(&ContentHash::of(&n.to_le_bytes())));
        assert!((1_900..2_100).contains(&held.count()));
    }

    #[test]
    fn truths_are_labels_or_unknown() {
        let dress = Label::from_index(3).unwrap();
        assert_eq!("DRESS".parse::<Truth>().unwrap(), Truth::Label(dress));
        assert_eq!("Unknown".parse::<Truth>().unwrap(), Truth::Unknown);
        assert_eq!(Truth::from(Truth::Unknown.label()).to_string(), "unknown");
        assert!("hat".parse::<Truth>().is_err());
    }

    #[test]
    fn hashes_survive_their_text() {
        let hash = ContentHash::of(b"photo");
        assert_eq!(hash.to_string().parse::<ContentHash>().unwrap(), hash);
        assert!("xyz".parse::<ContentHash>().is_err());
    }

    #[test]
    fn timestamps_and_model_ids_survive_their_json() {
        let time = Timestamp::from_millis(1_700_000_000_250);
        let json = serde_json::to_string(&time).unwrap();
        assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), time);
        assert!(serde_json::from_str::<Timestamp>("\"soon\"").is_err());
        let model = ModelId::from_sha256(&"0a".repeat(32)).unwrap();
        let json = serde_json::to_string(&model).unwrap();
        assert_eq!(serde_json::from_str::<ModelId>(&json).unwrap(), model);
        assert!(serde_json::from_str::<Confidence>("1.5").is_err());
    }
}
