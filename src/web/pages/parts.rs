//! Small pieces that several pages show.
//!
//! In: values. Out: markup. Never: a decision.

use maud::{Markup, html};

use crate::domain::{Confidence, Label, ModelId, Status, Timestamp, Truth};

/// A moment; the script turns it into the reader's own time.
pub fn moment(at: Timestamp) -> Markup {
    let iso = at.to_string();
    let short = iso.get(..16).unwrap_or(&iso).replace('T', " ");
    html! { time datetime=(iso) { (short) " UTC" } }
}

/// `93 %`; rounded down, so that only certainty is 100 %.
pub fn percent(confidence: Confidence) -> String {
    format!("{} %", (f64::from(confidence.get()) * 100.0).floor())
}

/// `93.31 %`
pub fn accuracy(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// A status as a word in its colour.
pub fn status(status: Status) -> Markup {
    html! { span class={ "chip s-" (status.name()) } { (status.name()) } }
}

/// A model by its id, leading to where it stands.
pub fn model(model: &ModelId) -> Markup {
    html! { a.mono href={ "/models#m-" (model) } title=(model) { (&model.as_str()[..8]) } }
}

/// 1,234,567
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 photo`, `2,000 photos`
pub fn counted(number: u64, one: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {one}{plural}", grouped(number))
}

/// 12.3 MB, in powers of ten.
pub fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.0} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// The key that stands for a label, `1` to `9` and `0`, in label order.
pub fn key(label: Label) -> char {
    char::from(b'0' + ((label.index() + 1) % 10) as u8)
}

/// A button for each label and one for none of them; the script does what they say.
pub fn correction_buttons(current: Option<Truth>) -> Markup {
    let pressed = |truth: Truth| (current == Some(truth)).then_some("true");
    html! {
        @for label in Label::all() {
            button type="button" data-label=(label.name()) aria-pressed=[pressed(Truth::Label(label))] {
                kbd { (key(label)) } span { (label.name()) }
            }
        }
        button type="button" data-label=(Truth::Unknown) aria-pressed=[pressed(Truth::Unknown)] {
            kbd { "u" } span { "None of these" }
        }
    }
}

/// The last part of a path.
pub fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(counted(1, "photo"), "1 photo");
        assert_eq!(counted(2_000, "photo"), "2,000 photos");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(12_345_678), "12.3 MB");
        assert_eq!(percent(Confidence::new(0.999).unwrap()), "99 %");
    }

    #[test]
    fn the_ten_keys_are_one_to_nine_and_zero() {
        let keys: String = Label::all().map(key).collect();
        assert_eq!(keys, "1234567890");
    }
}
