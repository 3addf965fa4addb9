//! Text that a stranger wrote, made fit for a terminal.

use layerwright_planner::is_printable;

/// Returns `text` as one line without anything that moves the cursor, changes colours or turns the direction of
/// writing: such characters are shown as escapes. At most about `max_bytes` of it.
pub(crate) fn printable(text: &str, max_bytes: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(max_bytes));
    for c in text.chars() {
        if shown.len() >= max_bytes {
            shown.push('…');
            break;
        }
        if is_printable(c) {
            shown.push(c);
        } else {
            shown.extend(c.escape_default());
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_shown_and_not_obeyed() {
        assert_eq!(printable("a\u{1b}[31mb\nc\u{202e}d é", 99), "a\\u{1b}[31mb\\nc\\u{202e}d é");
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(printable("éééé", 4), "éé…");
    }
}
