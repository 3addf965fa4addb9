//! What chmod(1) understands.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

const READ: u32 = 0o444;
const WRITE: u32 = 0o222;
const EXECUTE: u32 = 0o111;
const SET_ID: u32 = 0o6000;
const STICKY: u32 = 0o1000;

/// What a clause that names nobody leaves alone. chmod(1) takes the umask of whoever calls it; the bytes of an image must
/// not depend on that, so it is the one that most have.
const UMASK: u32 = 0o022;

/// A change of a file's mode: octal digits, or clauses as of chmod(1), such as `u+w,go-rwx` or `a+rX`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModeChange {
    text: String,
    clauses: Vec<Clause>,
}

/// Why a text is no [`ModeChange`].
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ModeChangeError {
    /// More than permissions, set-id and sticky bits.
    #[error("`{0}` is no mode: write up to four octal digits, such as 755 or 1777")]
    Octal(String),
    /// A letter or an order of them that means nothing.
    #[error("`{0}` is no mode: write octal digits, or clauses such as u+w, go-rwx or a+rX, with commas between them")]
    Symbolic(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Clause {
    /// The bits of those whom it is about.
    who: u32,
    /// The bits that it leaves alone all the same.
    masked: u32,
    operator: Operator,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Add,
    Remove,
    Set,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Bits {
        bits: u32,
        /// `X`: execution, where anybody may already, and for directories.
        execute_if_any: bool,
    },
    /// What the user, the group or others have now: shifted right by so much.
    SameAs(u32),
}

impl ModeChange {
    /// Returns the mode that a file of this mode gets.
    pub(super) fn apply(&self, mode: u32, is_directory: bool) -> u32 {
        self.clauses.iter().fold(mode, |mode, clause| clause.apply(mode, is_directory))
    }
}

impl Clause {
    fn apply(self, mode: u32, is_directory: bool) -> u32 {
        let bits = match self.what {
            What::Bits { bits, execute_if_any } => {
                let execute = execute_if_any && (is_directory || mode & EXECUTE != 0);
                bits | if execute { EXECUTE } else { 0 }
            }
            What::SameAs(shift) => {
                let one = (mode >> shift) & 0o7;
                one << 6 | one << 3 | one
            }
        };
        let bits = bits & self.who & !self.masked;
        match self.operator {
            Operator::Add => mode | bits,
            Operator::Remove => mode & !bits,
            Operator::Set => mode & !self.who | bits,
        }
    }
}

impl FromStr for ModeChange {
    type Err = ModeChangeError;

    fn from_str(text: &str) -> Result<Self, ModeChangeError> {
        let clauses = if text.starts_with(|first: char| first.is_ascii_digit()) {
            vec![octal(text)?]
        } else {
            let mut clauses = Vec::new();
            let parsed = text.split(',').try_for_each(|part| parse_part(part.as_bytes(), &mut clauses));
            parsed.ok_or_else(|| ModeChangeError::Symbolic(text.to_owned()))?;
            clauses
        };
        Ok(Self { text: text.to_owned(), clauses })
    }
}

/// As it was written.
impl fmt::Display for ModeChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn octal(text: &str) -> Result<Clause, ModeChangeError> {
    let bits = u32::from_str_radix(text, 8).ok().filter(|bits| *bits <= 0o7777);
    let bits = bits.ok_or_else(|| ModeChangeError::Octal(text.to_owned()))?;
    Ok(Clause { who: 0o7777, masked: 0, operator: Operator::Set, what: What::Bits { bits, execute_if_any: false } })
}

/// Those whom it is about, then operators, each with what it does. `None` for what is none of this.
fn parse_part(part: &[u8], clauses: &mut Vec<Clause>) -> Option<()> {
    let named = part.iter().take_while(|letter| b"ugoa".contains(letter)).count();
    let (who, mut rest) = part.split_at(named);
    let (who, masked) = match who {
        [] => (0o7777, UMASK),
        who => (who.iter().map(bits_of).fold(0, |all, bits| all | bits), 0),
    };
    while let [operator, behind @ ..] = rest {
        let operator = match operator {
            b'+' => Operator::Add,
            b'-' => Operator::Remove,
            b'=' => Operator::Set,
            _ => return None,
        };
        let length = behind.iter().take_while(|letter| !b"+-=".contains(letter)).count();
        let (what, next) = behind.split_at(length);
        clauses.push(Clause { who, masked, operator, what: parse_what(what)? });
        rest = next;
    }
    (named < part.len()).then_some(())
}

/// All bits that are somebody's. To GNU, the sticky bit is others'.
fn bits_of(who: &u8) -> u32 {
    match who {
        b'u' => 0o4700,
        b'g' => 0o2070,
        b'o' => 0o1007,
        _ => 0o7777,
    }
}

fn parse_what(letters: &[u8]) -> Option<What> {
    match letters {
        b"u" => return Some(What::SameAs(6)),
        b"g" => return Some(What::SameAs(3)),
        b"o" => return Some(What::SameAs(0)),
        _ => {}
    }
    let (mut bits, mut execute_if_any) = (0, false);
    for letter in letters {
        bits |= match letter {
            b'r' => READ,
            b'w' => WRITE,
            b'x' => EXECUTE,
            b's' => SET_ID,
            b't' => STICKY,
            b'X' => {
                execute_if_any = true;
                0
            }
            _ => return None,
        };
    }
    Some(What::Bits { bits, execute_if_any })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: &str, before: u32, after: u32) {
        let applied = change.parse::<ModeChange>().unwrap().apply(before, false);
        assert_eq!(applied, after, "{change}: {applied:o} and not {after:o}");
    }

    /// What GNU chmod makes of a file, with umask 022.
    #[test]
    fn changes_are_those_of_chmod() {
        for (change, before, after) in [
            ("755", 0o4600, 0o755),
            ("0", 0o777, 0),
            ("4755", 0o644, 0o4755),
            ("u+w", 0o444, 0o644),
            ("go-rwx", 0o755, 0o700),
            ("a+rX", 0o600, 0o644),
            ("a+rX", 0o700, 0o755),
            ("u=rwx,go=rx", 0o4640, 0o755),
            ("u+x-w", 0o644, 0o544),
            ("g=u", 0o640, 0o660),
            ("o=", 0o777, 0o770),
            ("u+s,g+s", 0o755, 0o6755),
            ("+t", 0o777, 0o1777),
            ("o+s", 0o755, 0o755),
            ("o+t", 0o755, 0o1755),
            ("a=rwt", 0o755, 0o1666),
            ("ug+o", 0o604, 0o644),
        ] {
            check(change, before, after);
        }
    }

    #[test]
    fn who_is_not_named_is_everybody_but_for_the_umask() {
        check("+x", 0o644, 0o755);
        check("+w", 0o444, 0o644);
        check("-w", 0o666, 0o466);
        check("=r", 0o755, 0o444);
    }

    #[test]
    fn directories_can_be_entered_with_a_capital_x() {
        assert_eq!("a+X".parse::<ModeChange>().unwrap().apply(0o600, true), 0o711);
    }

    #[test]
    fn what_is_no_mode_says_what_would_be() {
        for text in ["8", "10000", "77777777777777", "9x", "0x1"] {
            let message = text.parse::<ModeChange>().unwrap_err().to_string();
            assert_eq!(message, format!("`{text}` is no mode: write up to four octal digits, such as 755 or 1777"));
        }
        for text in ["", "u", "rw", "u+w,", ",u+w", "u+wq", "u+ug", "+é", "-rw-r--r--x!"] {
            let message = text.parse::<ModeChange>().unwrap_err().to_string();
            assert!(message.contains("clauses such as u+w"), "{text}: {message}");
        }
    }
}
