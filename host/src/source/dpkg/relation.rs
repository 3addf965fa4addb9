//! The syntax of `Depends`, `Pre-Depends` and `Provides`: `a (>= 1) | b:any, c`.

use std::cmp::Ordering;

use super::version::Version;

/// Alternatives of which one must be there.
#[derive(Debug)]
pub(super) struct Group<'a> {
    /// As written, for errors.
    pub(super) text: &'a str,
    pub(super) alternatives: Vec<Alternative<'a>>,
}

/// A package, and which versions and architectures of it will do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Alternative<'a> {
    pub(super) name: &'a str,
    pub(super) qualifier: Option<Qualifier<'a>>,
    pub(super) constraint: Option<Constraint>,
}

/// What stands after the colon of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Qualifier<'a> {
    Any,
    Native,
    Architecture(&'a str),
}

/// A comparison with a version.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Constraint {
    operator: Operator,
    pub(super) version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Earlier,
    EarlierOrEqual,
    Equal,
    LaterOrEqual,
    Later,
}

/// A group that is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadRelation<'a> {
    pub(super) group: &'a str,
    pub(super) reason: &'static str,
}

impl Constraint {
    /// Whether that version will do.
    pub(super) fn admits(&self, version: &Version) -> bool {
        let order = version.cmp(&self.version);
        match self.operator {
            Operator::Earlier => order == Ordering::Less,
            Operator::EarlierOrEqual => order != Ordering::Greater,
            Operator::Equal => order == Ordering::Equal,
            Operator::LaterOrEqual => order != Ordering::Less,
            Operator::Later => order == Ordering::Greater,
        }
    }
}

/// Reads a field into its groups. Empty ones, as after a last comma, are left out.
pub(super) fn parse(field: &str) -> Result<Vec<Group<'_>>, BadRelation<'_>> {
    field.split(',').map(str::trim).filter(|text| !text.is_empty()).map(parse_group).collect()
}

fn parse_group(text: &str) -> Result<Group<'_>, BadRelation<'_>> {
    let alternatives = text.split('|').map(parse_alternative).collect::<Result<_, _>>();
    let alternatives = alternatives.map_err(|reason| BadRelation { group: text, reason })?;
    Ok(Group { text, alternatives })
}

fn parse_alternative(text: &str) -> Result<Alternative<'_>, &'static str> {
    let text = text.trim();
    let (word, mut rest) =
        text.split_at(text.find(|c: char| c.is_whitespace() || "([<".contains(c)).unwrap_or(text.len()));
    let (name, qualifier) = match word.split_once(':') {
        None => (word, None),
        Some((name, "any")) => (name, Some(Qualifier::Any)),
        Some((name, "native")) => (name, Some(Qualifier::Native)),
        Some((_, "")) => return Err("no architecture after the colon"),
        Some((name, architecture)) => (name, Some(Qualifier::Architecture(architecture))),
    };
    if name.is_empty() {
        return Err("no package name");
    }
    let mut constraint = None;
    while let Some((inside, after)) = next_bracket(rest)? {
        // Restrictions to architectures and build profiles, in the other brackets, are decided when a package is built.
        if rest.trim_start().starts_with('(') {
            constraint = Some(parse_constraint(inside)?);
        }
        rest = after;
    }
    Ok(Alternative { name, qualifier, constraint })
}

/// What the brackets at the beginning of `text` hold, and what follows them.
fn next_bracket(text: &str) -> Result<Option<(&str, &str)>, &'static str> {
    let text = text.trim_start();
    let Some(open) = text.chars().next() else { return Ok(None) };
    let close = match open {
        '(' => ')',
        '[' => ']',
        '<' => '>',
        _ => return Err("more than a name and what brackets hold"),
    };
    text[1..].split_once(close).map(Some).ok_or("a bracket that is not closed")
}

fn parse_constraint(text: &str) -> Result<Constraint, &'static str> {
    let text = text.trim();
    let (symbol, version) = text.split_at(text.find(|c| !"<=>".contains(c)).unwrap_or(text.len()));
    let operator = match symbol {
        "<<" => Operator::Earlier,
        // The single signs are old spellings, and do include equality.
        "<=" | "<" => Operator::EarlierOrEqual,
        "=" | "" => Operator::Equal,
        ">=" | ">" => Operator::LaterOrEqual,
        ">>" => Operator::Later,
        _ => return Err("an unknown comparison"),
    };
    let version = Version::parse(version.trim())?;
    Ok(Constraint { operator, version })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_hold_alternatives_with_qualifiers_and_versions() {
        let groups = parse("a (>= 1:2-3) | b:any,\n c:i386(<<4) , d:native [amd64 !i386] <!nocheck> (= 5),").unwrap();
        let texts: Vec<&str> = groups.iter().map(|group| group.text).collect();
        assert_eq!(texts, ["a (>= 1:2-3) | b:any", "c:i386(<<4)", "d:native [amd64 !i386] <!nocheck> (= 5)"]);
        let alternatives: Vec<_> = groups.iter().flat_map(|group| &group.alternatives).collect();
        let names: Vec<_> = alternatives.iter().map(|alternative| (alternative.name, alternative.qualifier)).collect();
        let i386 = Qualifier::Architecture("i386");
        assert_eq!(
            names,
            [("a", None), ("b", Some(Qualifier::Any)), ("c", Some(i386)), ("d", Some(Qualifier::Native))]
        );
        let constrained: Vec<_> = alternatives.iter().map(|alternative| alternative.constraint.is_some()).collect();
        assert_eq!(constrained, [true, false, true, true]);
    }

    #[test]
    fn versions_compare_as_debian_versions() {
        let cases = [
            ("(>= 1.2)", "1.10", true),
            ("(>> 1.2)", "1.2", false),
            ("(> 1.2)", "1.2", true),
            ("(< 1.2)", "1.2", true),
            ("(<< 1.2)", "1.2", false),
            ("(<< 1.2)", "1.2~rc1", true),
            ("(= 1.2)", "1.2-0", true),
            ("(= 1.2)", "1.2-1", false),
            ("(<= 1:0)", "99", true),
            ("(>= 2.36)", "2.36-9+deb12u10", true),
            ("(1.2)", "1.2", true),
            ("(>= 1.0^git2)", "1.0^git10", true),
            ("(<< ${x})", "1", true),
        ];
        for (text, version, expected) in cases {
            let field = format!("a {text}");
            let groups = parse(&field).unwrap();
            let constraint = groups[0].alternatives[0].constraint.as_ref().unwrap();
            assert_eq!(constraint.admits(&Version::parse(version).unwrap()), expected, "{text} {version}");
        }
    }

    #[test]
    fn what_is_no_relation_is_refused() {
        for text in ["a | ", "(>= 1)", "a (>= 1", "a b", "a: (= 1)", "a (=< 1)", "a (>= )", "a (= 1 b)", ":any", "ä ä"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn nothing_at_all_is_no_group() {
        for text in ["", " , ,", "\n"] {
            assert!(parse(text).unwrap().is_empty(), "{text:?}");
        }
    }
}
