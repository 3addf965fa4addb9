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

/// The same for bytes that should be UTF-8: those that are not are shown as escapes.
pub(super) fn printable_bytes(bytes: &[u8], max_bytes: usize) -> String {
    // An escape is longer than what it stands for, so there is nothing to be shown behind this.
    let bytes = &bytes[..bytes.len().min(max_bytes + 1)];
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text += chunk.valid();
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    printable(&text, max_bytes)
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
