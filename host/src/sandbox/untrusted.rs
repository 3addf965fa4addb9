//! Text that a stranger wrote, made fit for a terminal.

use std::borrow::Cow;

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

/// Returns `text`, which may have many lines, without what build servers take for commands in a log: lines that begin
/// with `::`, and `##[`, `##vso[`, `##teamcity[` and their like wherever they are. The escape means the same in JSON.
pub(crate) fn without_commands(text: &str) -> Cow<'_, str> {
    if !text.contains("::") && !text.contains("##") {
        return text.into();
    }
    let line = |line: &str| {
        let (margin, rest) = line.split_at(line.len() - line.trim_start().len());
        let begins = rest.starts_with("::");
        let rest = if begins { rest.replacen(':', r"\u003a", 1) } else { rest.to_owned() };
        format!("{margin}{}", without_brackets(&rest))
    };
    text.split_inclusive('\n').map(line).collect::<String>().into()
}

/// Escapes the second `#` of each `##WORD[`.
fn without_brackets(mut rest: &str) -> String {
    let mut shown = String::with_capacity(rest.len());
    while let Some(at) = rest.find("##") {
        let (before, second) = rest.split_at(at + 1);
        shown += before;
        let word_and_more = &second[1..];
        let is_word = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if word_and_more.trim_start_matches(is_word).starts_with('[') {
            shown += r"\u0023";
            rest = word_and_more;
        } else {
            rest = second;
        }
    }
    shown + rest
}

/// As [`printable`], for bytes that should be UTF-8: those that are not are shown as escapes.
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
    fn commands_to_build_servers_are_shown_and_not_obeyed() {
        for (text, shown) in [
            ("::error::x\na::b\n \u{a0}::add-mask::y\n", "\\u003a:error::x\na::b\n \u{a0}\\u003a:add-mask::y\n"),
            ("\n::x", "\n\\u003a:x"),
            ("{\"label\": \"##[error]\"}", "{\"label\": \"#\\u0023[error]\"}"),
            ("###[x] ##[y]", "##\\u0023[x] #\\u0023[y]"),
            ("a ##vso[task.setvariable variable=PATH]/evil", "a #\\u0023vso[task.setvariable variable=PATH]/evil"),
            ("##teamcity[x] ## a [b] ##", "#\\u0023teamcity[x] ## a [b] ##"),
        ] {
            assert_eq!(without_commands(text), shown);
        }
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(printable("éééé", 4), "éé…");
    }
}
