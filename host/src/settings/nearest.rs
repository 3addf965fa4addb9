//! The name that was probably meant.

use strsim::osa_distance;

/// Returns the name that is nearest to `written`, where one is near enough: a third of it, or less, is other letters.
pub(super) fn nearest<'a>(written: &str, names: &[&'a str]) -> Option<&'a str> {
    let plain = |name: &str| name.to_lowercase().replace(['_', ' '], "-");
    let written = plain(written);
    let length = written.chars().count();
    // Distances take time in proportion to both lengths.
    if length > MAX_CHARS {
        return None;
    }
    let allowed = length.div_ceil(3);
    let near = names.iter().take(MAX_NAMES).filter(|name| name.chars().count() <= length + allowed);
    let with_distance = near.map(|name| (osa_distance(&written, &plain(name)), *name));
    with_distance.filter(|(distance, _)| *distance <= allowed).min().map(|(_, name)| name)
}

/// Nobody writes longer names by hand.
const MAX_CHARS: usize = 100;

/// Nor so many. A stranger's schema may have them.
const MAX_NAMES: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_have_a_meaning_and_other_words_have_none() {
        let names = ["label", "lineages", "names", "with-dependencies"];
        for (written, meant) in [
            ("lineage", Some("lineages")),
            ("lable", Some("label")),
            ("name", Some("names")),
            ("withDependencies", Some("with-dependencies")),
            ("with_dependencies", Some("with-dependencies")),
            ("NAMES", Some("names")),
            ("patterns", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, &names), meant, "{written}");
        }
        assert_eq!(nearest(&"x".repeat(1 << 20), &names), None);
    }
}
