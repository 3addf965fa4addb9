//! Paragraphs of fields, the syntax of dpkg's databases (deb822).
//!
//! Values are bytes: dpkg does not ask for UTF-8, and names of maintainers from before it are still installed here and
//! there. They must not keep anyone from reading the fields that matter.

/// Fields up to an empty line.
#[derive(Debug)]
pub(super) struct Paragraph<'a> {
    /// Of its first field, counted from one.
    pub(super) line: usize,
    fields: Vec<(&'a [u8], &'a [u8])>,
}

/// A line that neither begins nor continues a field.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadLine {
    /// Counted from one.
    pub(super) line: usize,
    pub(super) reason: &'static str,
}

impl<'a> Paragraph<'a> {
    /// The value of a field, with the line breaks inside it and without white space around it.
    pub(super) fn get(&self, name: &str) -> Option<&'a [u8]> {
        let (_, value) = self.fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name.as_bytes()))?;
        Some(value.trim_ascii())
    }
}

/// Splits a database into its paragraphs.
pub(super) fn paragraphs(text: &[u8]) -> Result<Vec<Paragraph<'_>>, BadLine> {
    let mut paragraphs = Vec::new();
    let mut current: Option<Paragraph<'_>> = None;
    let mut start = 0;
    for (line, number) in text.split_inclusive(|&byte| byte == b'\n').zip(1..) {
        let end = start + line.len();
        if line.trim_ascii().is_empty() {
            paragraphs.extend(current.take());
        } else if line.starts_with(b" ") || line.starts_with(b"\t") {
            let last = current.as_mut().and_then(|paragraph| paragraph.fields.last_mut());
            let (_, value) = last.ok_or(BadLine { line: number, reason: "continues no field" })?;
            *value = &text[start - value.len()..end];
        } else {
            let colon = line.iter().position(|&byte| byte == b':').filter(|&colon| is_field_name(&line[..colon]));
            let colon = colon.ok_or(BadLine { line: number, reason: "neither begins nor continues a field" })?;
            let paragraph = current.get_or_insert_with(|| Paragraph { line: number, fields: Vec::new() });
            paragraph.fields.push((&line[..colon], &line[colon + 1..]));
        }
        start = end;
    }
    paragraphs.extend(current);
    Ok(paragraphs)
}

fn is_field_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_whatever_their_case_and_keep_their_line_breaks() {
        let text = b"Package: a\nConffiles:\n /etc/x 1\n\t/etc/y 2\nLast:z\n\n \nPackage: b";
        let read = paragraphs(text).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].get("conffiles"), Some(&b"/etc/x 1\n\t/etc/y 2"[..]));
        assert_eq!(read[0].get("Last"), Some(&b"z"[..]));
        assert_eq!(read[0].get("Absent"), None);
        assert_eq!((read[1].line, read[1].get("Package")), (8, Some(&b"b"[..])));
    }

    #[test]
    fn bytes_that_are_no_utf_8_are_kept() {
        let read = paragraphs(b"Maintainer: J\xfcrgen\n").unwrap();
        assert_eq!(read[0].get("Maintainer"), Some(&b"J\xfcrgen"[..]));
    }

    #[test]
    fn lines_that_are_no_fields_are_refused_with_their_number() {
        for (text, line) in [("Package: a\nnonsense\n", 2), (" a\n", 1), (": a\n", 1), ("Package: a\n\n\tb: c\n", 3)] {
            assert_eq!(paragraphs(text.as_bytes()).unwrap_err().line, line, "{text:?}");
        }
    }
}
