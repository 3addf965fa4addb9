//! `--only WORD`: the rows that are wanted.

/// Rows whose name contains one of these words; all where there is none.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Only(Vec<String>);

impl Only {
    pub(crate) fn add(&mut self, word: &str) {
        self.0.push(word.into());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether to measure what has a name such as `web-pinned/foresight`.
    pub(crate) fn takes(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|word| name.contains(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_parts_of_names() {
        let mut only = Only::default();
        assert!(only.takes("debian/gzip"));
        only.add("gzip");
        only.add("pinned");
        assert!(only.takes("debian/gzip") && only.takes("web-pinned/foresight") && !only.takes("debian/zstd"));
    }
}
