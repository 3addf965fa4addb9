//! Names of images, as registries and container tools spell them.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use thiserror::Error;

/// The longest name, without tag, that registries take.
const MAX_NAME_BYTES: usize = 255;

/// The longest tag.
const MAX_TAG_BYTES: usize = 128;

/// A name and a tag: `git:latest`, `registry.example:5000/team/app:1.2`.
///
/// The tag is `latest` where none is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageReference {
    name: String,
    tag: String,
}

/// Why a text names no image.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{text}` is no NAME:TAG: {reason}")]
pub struct ReferenceError {
    /// What was given.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl ImageReference {
    /// The part before the tag.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The part after the name.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// What the `ref.name` of an image in an index means besides a tag, if it means more.
    pub(crate) fn from_ref_name(text: &str) -> Option<Self> {
        if text.contains([':', '/']) { text.parse().ok() } else { None }
    }

    /// Returns the reference with the registry that it means where it names none, which is Docker's.
    ///
    /// containerd knows images by these only.
    #[must_use]
    pub fn canonical(&self) -> String {
        match split_domain(&self.name) {
            (Some(_), _) => self.to_string(),
            (None, path) if path.contains('/') => format!("docker.io/{self}"),
            (None, _) => format!("docker.io/library/{self}"),
        }
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.tag)
    }
}

impl Serialize for ImageReference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for ImageReference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let fail = |reason| ReferenceError { text: text.into(), reason };
        if text.contains('@') {
            return Err(fail("an image that is being made cannot be named by a digest"));
        }
        // A colon before the last slash belongs to the port of a registry.
        let (name, tag) = match text.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, tag),
            _ => (text, "latest"),
        };
        check_name(name).map_err(fail)?;
        check_tag(tag).map_err(fail)?;
        Ok(Self { name: name.into(), tag: tag.into() })
    }
}

/// Splits off a registry. A single component is never one, and neither is one that could be a user's name.
fn split_domain(name: &str) -> (Option<&str>, &str) {
    match name.split_once('/') {
        Some((first, path))
            if first == "localhost" || first.contains(['.', ':']) || first.chars().any(|c| c.is_ascii_uppercase()) =>
        {
            (Some(first), path)
        }
        _ => (None, name),
    }
}

fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("the name is empty");
    }
    if name.len() > MAX_NAME_BYTES {
        return Err("the name is longer than 255 bytes");
    }
    let (domain, path) = split_domain(name);
    if !domain.is_none_or(is_domain) {
        return Err("the registry before the first `/` is no host name with an optional port");
    }
    if !path.split('/').all(is_path_component) {
        return Err("between `/`, a name has lower-case letters and digits, separated by `.`, `_`, `__` or `-`");
    }
    Ok(())
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = match domain.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (domain, None),
    };
    let is_host = match host.strip_prefix('[') {
        Some(address) => address.strip_suffix(']').is_some_and(|address| {
            !address.is_empty() && address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':')
        }),
        None => host.split('.').all(is_domain_component),
    };
    is_host && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_domain_component(component: &str) -> bool {
    !component.is_empty()
        && component.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !component.starts_with('-')
        && !component.ends_with('-')
}

fn is_path_component(component: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = component.as_bytes();
    let at_word = |byte: Option<&u8>| byte.copied().is_some_and(is_word);
    at_word(bytes.first())
        && at_word(bytes.last())
        && bytes
            .split(|byte| is_word(*byte))
            .all(|separator| matches!(separator, b"" | b"." | b"_" | b"__") || separator.iter().all(|b| *b == b'-'))
}

fn check_tag(tag: &str) -> Result<(), &'static str> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if tag.is_empty() {
        return Err("the tag after the `:` is empty");
    }
    if tag.len() > MAX_TAG_BYTES {
        return Err("the tag is longer than 128 bytes");
    }
    if !tag.bytes().all(|byte| is_word(byte) || matches!(byte, b'.' | b'-')) || !tag.bytes().next().is_some_and(is_word)
    {
        return Err("a tag has letters, digits, `_`, `.` and `-`, and begins with none of the last two");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tags_and_what_they_mean() {
        for (text, name, tag, canonical) in [
            ("git", "git", "latest", "docker.io/library/git:latest"),
            ("git:2.40", "git", "2.40", "docker.io/library/git:2.40"),
            ("team/app", "team/app", "latest", "docker.io/team/app:latest"),
            ("localhost/app", "localhost/app", "latest", "localhost/app:latest"),
            ("host:5000/a/b", "host:5000/a/b", "latest", "host:5000/a/b:latest"),
            ("a.example:50/team/app:1.2", "a.example:50/team/app", "1.2", "a.example:50/team/app:1.2"),
            ("[::1]:80/a:x", "[::1]:80/a", "x", "[::1]:80/a:x"),
            ("x/a__b-c---d.e:_T-1.x", "x/a__b-c---d.e", "_T-1.x", "docker.io/x/a__b-c---d.e:_T-1.x"),
        ] {
            let reference: ImageReference = text.parse().unwrap();
            assert_eq!((reference.name(), reference.tag()), (name, tag));
            assert_eq!(reference.canonical(), canonical);
            assert_eq!(reference.to_string().parse::<ImageReference>().unwrap(), reference);
        }
    }

    #[test]
    fn what_no_registry_takes_is_refused() {
        let long_name = "a".repeat(256);
        let long_tag = format!("a:{}", "t".repeat(129));
        for text in [
            "",
            ":tag",
            "Git",
            "git:",
            "git:-x",
            "git:a/b:",
            "a//b",
            "/a",
            "a/",
            "a..b",
            "a___b",
            "-a",
            "a_",
            "é",
            "a b",
            "a:é",
            "-host.x/a",
            "host:port/a",
            "host:/a",
            "[::1/a",
            "[]/a",
            "a@sha256:00",
            &long_name,
            &long_tag,
        ] {
            assert!(text.parse::<ImageReference>().is_err(), "{text}");
        }
    }
}
