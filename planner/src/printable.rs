//! Which characters a text may show as they are.

use std::fmt::Write;
use std::sync::LazyLock;

use regex_syntax::hir::{Class, ClassUnicode, HirKind};

/// What Unicode says is not seen where nothing is made of it: of no width, joiners, selectors, fillers, tags, and what turns
/// the direction of writing.
static IGNORABLE: LazyLock<ClassUnicode> = LazyLock::new(|| {
    let parsed = regex_syntax::parse(r"\p{Default_Ignorable_Code_Point}").expect("the feature `unicode-bool` knows it");
    match parsed.into_kind() {
        HirKind::Class(Class::Unicode(characters)) => characters,
        other => unreachable!("a property is one of characters, and not {other:?}"),
    }
});

/// Whether `c` can be shown as it is: it neither moves the cursor, nor hides, nor turns the direction of writing.
#[must_use]
pub fn is_printable(c: char) -> bool {
    // Printable as far as Unicode goes: an empty pattern of Braille, ends of lines and paragraphs, and annotations.
    let is_blank_or_ends = matches!(c, '\u{2800}' | '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffb}');
    match c {
        ' '..='~' => true,
        _ => !c.is_control() && !is_blank_or_ends && !is_ignorable(c),
    }
}

/// Returns a JSON text in which all characters that are not printable are escapes: the same value, and nothing that a
/// terminal obeys. Ends of lines between its values stay.
#[must_use]
pub fn printable_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || is_printable(c) {
            shown.push(c);
        } else {
            // Within a text, because only there can it be.
            let write = |unit: &u16| write!(shown, "\\u{unit:04x}").expect("a text takes all");
            c.encode_utf16(&mut [0; 2]).iter().for_each(write);
        }
    }
    shown
}

fn is_ignorable(c: char) -> bool {
    let ranges = IGNORABLE.ranges();
    let after = ranges.partition_point(|range| range.end() < c);
    ranges.get(after).is_some_and(|range| range.start() <= c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sees_is_not_printable() {
        for c in [
            '\0',
            '\t',
            '\n',
            '\u{1b}',
            '\u{7f}',
            '\u{80}',
            '\u{9b}',
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{115f}',
            '\u{1160}',
            '\u{17b4}',
            '\u{180b}',
            '\u{180e}',
            '\u{200b}',
            '\u{200d}',
            '\u{200f}',
            '\u{2028}',
            '\u{2029}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{2065}',
            '\u{2069}',
            '\u{206f}',
            '\u{2800}',
            '\u{3164}',
            '\u{fe00}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{ffa0}',
            '\u{fff0}',
            '\u{fff9}',
            '\u{fffb}',
            '\u{1bca0}',
            '\u{1d173}',
            '\u{e0000}',
            '\u{e0041}',
            '\u{e01ef}',
            '\u{e0fff}',
        ] {
            assert!(!is_printable(c), "{}", c.escape_unicode());
        }
        for c in " a~\u{a0}éשכ图層🦀\u{301}\u{2801}\u{fffd}\u{10ffff}".chars() {
            assert!(is_printable(c), "{}", c.escape_unicode());
        }
    }

    #[test]
    fn json_is_the_same_value_without_commands() {
        let hostile: String = ('\0'..='\u{2fff}').chain(['\u{feff}', '\u{1d173}', '\u{e0041}', '🦀']).collect();
        let text = serde_json::to_string_pretty(&[&hostile, &hostile]).unwrap();
        let shown = printable_json(&text);
        assert!(shown.chars().all(|c| c == '\n' || is_printable(c)));
        assert_eq!(serde_json::from_str::<[String; 2]>(&shown).unwrap(), [hostile.clone(), hostile]);
        assert!(shown.contains(r"\ud834\udd73") && shown.contains('🦀'), "{shown}");
    }
}
