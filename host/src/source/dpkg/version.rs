//! Versions, as dpkg reads and orders those in its own database.
//!
//! 1. `EPOCH:UPSTREAM-REVISION`: the epoch ends at the first colon, and the revision begins behind the last dash.
//! 2. Upstream versions, and then revisions, are compared in turn by a part without digits and a number.
//! 3. In the former, `~` sorts before the end, letters before everything else.
//!
//! Debian's policy allows fewer characters than dpkg, which only warns of the others, and of a version that does not begin
//! with a digit: such packages are installed on many machines. What dpkg takes for an error, is one here.

use std::cmp::Ordering;

/// A version that can be compared.
#[derive(Clone, Debug)]
pub(super) struct Version {
    epoch: u32,
    upstream: String,
    revision: String,
}

/// As dpkg has it.
const MAX_EPOCH: u64 = i32::MAX as u64;

impl Version {
    /// Reads a version, or says why dpkg would not.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("the version is missing");
        }
        if text.contains(char::is_whitespace) {
            return Err("a version with white space");
        }
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) => (parse_epoch(epoch)?, rest),
            None => (0, text),
        };
        let (upstream, revision) = match rest.rsplit_once('-') {
            Some((_, "")) => return Err("a version with nothing behind its last dash"),
            Some(parts) => parts,
            None => (rest, ""),
        };
        if upstream.is_empty() {
            return Err("a version without its main part");
        }
        Ok(Self { epoch, upstream: upstream.to_owned(), revision: revision.to_owned() })
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let upstream = || compare(self.upstream.as_bytes(), other.upstream.as_bytes());
        let revision = || compare(self.revision.as_bytes(), other.revision.as_bytes());
        self.epoch.cmp(&other.epoch).then_with(upstream).then_with(revision)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// `1.0` and `1.00` are two spellings of one version.
impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

fn parse_epoch(text: &str) -> Result<u32, &'static str> {
    let epoch: u64 = text.parse().map_err(|_| "a version whose epoch is no number")?;
    u32::try_from(epoch).ok().filter(|_| epoch <= MAX_EPOCH).ok_or("a version whose epoch is too large")
}

fn compare(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let (text_of_a, text_of_b) = (take_while(&mut a, is_no_digit), take_while(&mut b, is_no_digit));
        let (number_of_a, number_of_b) = (take_number(&mut a), take_number(&mut b));
        // Of two numbers without zeros at the front, the longer one is larger.
        let numbers = || number_of_a.len().cmp(&number_of_b.len()).then_with(|| number_of_a.cmp(number_of_b));
        let order = compare_texts(text_of_a, text_of_b).then_with(numbers);
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

fn compare_texts(a: &[u8], b: &[u8]) -> Ordering {
    let weight = |text: &[u8], at: usize| text.get(at).map_or(0, |byte| weight(*byte));
    let weights = (0..a.len().max(b.len())).map(|at| weight(a, at).cmp(&weight(b, at)));
    weights.fold(Ordering::Equal, Ordering::then)
}

/// What comes after the end of a text weighs nothing.
fn weight(byte: u8) -> i32 {
    match byte {
        b'~' => -1,
        byte if byte.is_ascii_alphabetic() || !byte.is_ascii() => i32::from(byte),
        byte => i32::from(byte) + 256,
    }
}

fn is_no_digit(byte: &u8) -> bool {
    !byte.is_ascii_digit()
}

fn take_number<'t>(text: &mut &'t [u8]) -> &'t [u8] {
    take_while(text, |byte| *byte == b'0');
    take_while(text, u8::is_ascii_digit)
}

fn take_while<'t>(text: &mut &'t [u8], is_taken: fn(&u8) -> bool) -> &'t [u8] {
    let (taken, rest) = text.split_at(text.iter().position(|byte| !is_taken(byte)).unwrap_or(text.len()));
    *text = rest;
    taken
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Ascending, those on one line equal, as `dpkg --compare-versions` has them.
    const ASCENDING: [&[&str]; 27] = [
        &["~~"],
        &["~~a"],
        &["~1"],
        &["0", "00", "0-0"],
        &["0.1-0ubuntu1"],
        &["1.0~beta1~svn1245"],
        &["1.0~beta1"],
        &["1.0", "1.0-0", "1.00", "01.0", "0:1.0"],
        &["1.0-1"],
        &["1.0-1a"],
        &["1.0-1ü"],
        &["1.0-1+b1"],
        &["1.0-10"],
        &["1.0a"],
        &["1.0+dfsg-1"],
        &["1.0-1-1"],
        &["1.0@abc"],
        &["1.0^git20240101"],
        &["1.0_beta3-1"],
        &["1.2"],
        &["1.10"],
        &["99999999999999999999999999998"],
        &["99999999999999999999999999999"],
        &["r313.4bf71e6-1"],
        &["${version}"],
        &["1:0", "+1:0"],
        &["1:0:1"],
    ];

    fn parsed(text: &str) -> Version {
        Version::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn versions_are_ordered_as_by_dpkg() {
        let ranked =
            || ASCENDING.iter().enumerate().flat_map(|(rank, texts)| texts.iter().map(move |text| (rank, *text)));
        for (a_rank, a) in ranked() {
            for (b_rank, b) in ranked() {
                assert_eq!(parsed(a).cmp(&parsed(b)), a_rank.cmp(&b_rank), "{a} {b}");
            }
        }
    }

    /// The table is no opinion of ours.
    #[test]
    fn dpkg_orders_them_so() {
        let holds = |a: &str, relation: &str, b: &str| {
            Command::new("dpkg")
                .args(["--compare-versions", a, relation, b])
                .output()
                .map(|output| output.status.success())
        };
        if holds("1", "eq", "1").is_err() {
            eprintln!("not tested, because there is no dpkg");
            return;
        }
        for texts in ASCENDING {
            assert!(texts.iter().all(|text| holds(texts[0], "eq", text).unwrap()), "{texts:?}");
        }
        for [lower, higher] in ASCENDING.array_windows() {
            assert!(holds(lower[0], "lt", higher[0]).unwrap(), "{lower:?} {higher:?}");
        }
    }

    #[test]
    fn what_dpkg_refuses_is_no_version() {
        for text in [
            "",
            "1.0 beta",
            "1\t2",
            ":1",
            "a:1",
            "-1:1",
            "1a:1",
            "2147483648:1",
            "99999999999999999999:1",
            "1:",
            "1-",
            "-1",
            "1:-1",
        ] {
            assert!(Version::parse(text).is_err(), "{text}");
        }
    }
}
