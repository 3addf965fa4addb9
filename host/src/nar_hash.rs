//! The SHA-256 of a store path's NAR, in all the ways in which Nix spells it.
//!
//! | spelling | who writes it |
//! |---|---|
//! | `sha256:` and 64 digits in base 16 | Nix's database, and here [`Display`](fmt::Display) |
//! | `sha256:` and 52 digits in Nix's base 32 | `exportReferencesGraph`, `.narinfo` |
//! | `sha256-` and 44 digits in base 64 | `nix path-info --json` |
//! | an object with `algorithm` and `hash` | `nix path-info --json-format 2` |
//!
//! Nix's base 32 has an alphabet without `e`, `o`, `u` and `t`, and counts backwards: the last digit holds the lowest five
//! bits of the first byte. Only one text spells a hash in each: one with bits left over is none.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

const BYTES: usize = 32;

/// Nix's digits, in the order of their values.
const BASE_32: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";

const BASE_64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What a store path holds, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NarHash([u8; BYTES]);

/// Why a text is no [`NarHash`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoNarHash;

impl NarHash {
    /// Reads any of the spellings above.
    pub(crate) fn from_json(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => text.parse().ok(),
            Value::Object(members) if members.get("algorithm")? == "sha256" => digits(members.get("hash")?.as_str()?),
            _ => None,
        }
    }
}

impl FromStr for NarHash {
    type Err = NoNarHash;

    fn from_str(text: &str) -> Result<Self, NoNarHash> {
        text.strip_prefix("sha256:").or_else(|| text.strip_prefix("sha256-")).and_then(digits).ok_or(NoNarHash)
    }
}

/// As Nix's database has it.
impl fmt::Display for NarHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Their number tells which they are.
fn digits(text: &str) -> Option<NarHash> {
    let text = text.as_bytes();
    match text.len() {
        64 => base_16(text),
        52 => base_32(text),
        44 => base_64(text),
        _ => None,
    }
    .map(NarHash)
}

fn base_16(text: &[u8]) -> Option<[u8; BYTES]> {
    let mut bits = Bits::default();
    for digit in text.iter().rev() {
        bits.push(char::from(*digit).to_digit(16)?, 4)?;
    }
    let mut bytes = bits.bytes;
    bytes.reverse();
    Some(bytes)
}

fn base_32(text: &[u8]) -> Option<[u8; BYTES]> {
    let mut bits = Bits::default();
    for digit in text.iter().rev() {
        bits.push(value(*digit, BASE_32)?, 5)?;
    }
    Some(bits.bytes)
}

/// From the other end than base 32: padding and the bits that are left over come first.
fn base_64(text: &[u8]) -> Option<[u8; BYTES]> {
    let (last, text) = text.strip_suffix(b"=")?.split_last()?;
    let last = value(*last, BASE_64)?;
    if last & 0b11 != 0 {
        return None;
    }
    let mut bits = Bits::default();
    bits.push(last >> 2, 4)?;
    for digit in text.iter().rev() {
        bits.push(value(*digit, BASE_64)?, 6)?;
    }
    let mut bytes = bits.bytes;
    bytes.reverse();
    Some(bytes)
}

fn value(digit: u8, alphabet: &[u8]) -> Option<u32> {
    let at = alphabet.iter().position(|other| *other == digit)?;
    u32::try_from(at).ok()
}

/// A number, least significant bits and bytes first.
#[derive(Default)]
struct Bits {
    bytes: [u8; BYTES],
    filled: usize,
}

impl Bits {
    /// Appends the lowest `count` bits of `value`, at most 8. `None` where one that is set has no room.
    fn push(&mut self, value: u32, count: usize) -> Option<()> {
        let [low, high, ..] = (value << (self.filled % 8)).to_le_bytes();
        let at = self.filled / 8;
        for (byte, part) in [(at, low), (at + 1, high)] {
            match self.bytes.get_mut(byte) {
                Some(byte) => *byte |= part,
                None if part == 0 => {}
                None => return None,
            }
        }
        self.filled += count;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Of `hello\n`, in the three spellings, as `nix-hash --to-...` gives them.
    const HEX: &str = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
    const NIX: &str = "00xyyr3fi8l6hb839bv3f7yb86yjv7xi1cgh1xnhipym4asvb4aq";
    const SRI: &str = "WJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2vgM=";

    #[test]
    fn all_spellings_are_one_hash() {
        let shown = format!("sha256:{HEX}");
        for text in [format!("sha256:{HEX}"), format!("sha256:{NIX}"), format!("sha256-{SRI}"), format!("sha256:{SRI}")]
        {
            assert_eq!(text.parse::<NarHash>().unwrap().to_string(), shown, "{text}");
        }
        for hash in [HEX, NIX, SRI] {
            let object = json!({"algorithm": "sha256", "format": "any", "hash": hash});
            assert_eq!(NarHash::from_json(&object).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn the_ends_of_the_range_are_spelled() {
        for (byte, nix, base64) in [
            ("00", "0".repeat(52), "A".repeat(43) + "="),
            ("ff", "1".to_owned() + &"z".repeat(51), "/".repeat(42) + "8="),
        ] {
            let expected = format!("sha256:{}", byte.repeat(32));
            for text in [format!("sha256:{nix}"), format!("sha256-{base64}")] {
                assert_eq!(text.parse::<NarHash>().unwrap().to_string(), expected);
            }
        }
    }

    #[test]
    fn what_spells_no_hash_or_more_than_one_is_refused() {
        for text in [
            String::new(),
            HEX.into(),
            format!("md5:{HEX}"),
            format!("sha256:{}", &HEX[1..]),
            format!("sha256:{}g", &HEX[1..]),
            format!("sha256:{}", NIX.replace('0', "e")),
            // Bits beyond the 256th.
            format!("sha256:2{}", &NIX[1..]),
            format!("sha256-{}", SRI.replace("gM=", "gN=")),
            format!("sha256-{}", SRI.replace('=', "A")),
            format!("sha256-{}", SRI.replace('/', "é")),
        ] {
            assert_eq!(text.parse::<NarHash>(), Err(NoNarHash), "{text}");
        }
        for json in [
            json!(null),
            json!(7),
            json!({"algorithm": "sha256"}),
            json!({"algorithm": "sha512", "hash": HEX}),
            json!({"hash": HEX}),
        ] {
            assert_eq!(NarHash::from_json(&json), None);
        }
    }
}
