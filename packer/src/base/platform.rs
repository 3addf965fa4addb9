//! What an image is for, and which images run there: by the rules of containerd, which Docker and Kubernetes use.
//!
//! A processor runs what was built for its own variant or a lower one; of several, the highest is meant. Where no variant
//! is said, it is v1 of amd64, v7 of arm and v8 of arm64. Other architectures have no order of variants.

use std::fmt;
use std::str::FromStr;

/// What an image is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    /// In Go's words: `linux`.
    pub os: String,
    /// In Go's words: `amd64`, `arm64`.
    pub architecture: String,
    /// In Go's words, where the architecture has several: `v7` of `arm`.
    pub variant: Option<String>,
}

/// What an image says that it is for, as far as it does.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stated<'a> {
    pub(super) os: Option<&'a str>,
    pub(super) architecture: Option<&'a str>,
    pub(super) variant: Option<&'a str>,
}

/// How near an image is to what is wanted. The greater one is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fit(Level);

/// A variant as a number, and a second one behind a dot.
type Level = (u32, u32);

/// Of v9.0 of arm64, v8.5 is a part; of v9.1, v8.6.
const V8_IN_V9: u32 = 5;

impl Platform {
    /// Whether an image for the other one runs here.
    #[must_use]
    pub fn runs(&self, other: &Self) -> bool {
        let Self { os, architecture, variant } = other;
        self.fit(Stated { os: Some(os), architecture: Some(architecture), variant: variant.as_deref() }).is_some()
    }

    /// How near an image is to this, or `None` where it does not run here. What it does not say, it may be.
    pub(super) fn fit(&self, stated: Stated<'_>) -> Option<Fit> {
        let Some(architecture) = stated.architecture else { return self.runs_os(stated).then_some(Fit((0, 0))) };
        let own = Processor::new(&self.architecture, self.variant.as_deref());
        let other = Processor::new(architecture, stated.variant);
        (self.runs_os(stated) && own.architecture == other.architecture).then(|| own.fit(&other)).flatten()
    }

    /// The greatest one that there is.
    pub(super) fn best_fit(&self) -> Fit {
        let own = Processor::new(&self.architecture, self.variant.as_deref());
        own.fit(&own).unwrap_or(Fit((0, 0)))
    }

    fn runs_os(&self, stated: Stated<'_>) -> bool {
        stated.os.is_none_or(|os| os == self.os)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { os, architecture, variant } = self;
        let stated = Stated { os: Some(os), architecture: Some(architecture), variant: variant.as_deref() };
        stated.fmt(f)
    }
}

/// As [`fmt::Display`] writes it.
impl FromStr for Platform {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(3, '/').map(str::to_owned);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(os), Some(architecture), variant) => Ok(Self { os, architecture, variant }),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Stated<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os.unwrap_or("unknown"), self.architecture.unwrap_or("unknown"))?;
        self.variant.map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

/// A processor in one spelling.
struct Processor<'a> {
    architecture: &'a str,
    variant: Option<&'a str>,
}

impl<'a> Processor<'a> {
    /// Some tools write what `uname` or Debian says.
    fn new(architecture: &'a str, variant: Option<&'a str>) -> Self {
        let variant = variant.filter(|variant| !variant.is_empty());
        let (architecture, variant) = match architecture {
            "x86_64" | "x86-64" => ("amd64", variant),
            "i386" => ("386", variant),
            "aarch64" => ("arm64", variant),
            "armhf" => ("arm", Some("v7")),
            "armel" => ("arm", Some("v6")),
            other => (other, variant),
        };
        Self { architecture, variant }
    }

    fn fit(&self, other: &Self) -> Option<Fit> {
        match (self.level(), other.level()) {
            (Some(own), Some(level)) => runs(own, level).then_some(Fit(level)),
            // One of them has no place in an order.
            _ if self.variant == other.variant => Some(Fit((u32::MAX, 0))),
            _ => (self.variant.is_none() || other.variant.is_none()).then_some(Fit((0, 0))),
        }
    }

    fn level(&self) -> Option<Level> {
        let lowest = match self.architecture {
            "amd64" => "v1",
            "arm" => "v7",
            "arm64" => "v8",
            _ => return None,
        };
        let variant = self.variant.unwrap_or(lowest);
        let (major, minor) = variant.split_once('.').unwrap_or((variant, "0"));
        Some((major.strip_prefix('v').unwrap_or(major).parse().ok()?, minor.parse().ok()?))
    }
}

fn runs((own, own_minor): Level, (other, other_minor): Level) -> bool {
    match (own, other) {
        (9, 8) => other_minor <= own_minor.saturating_add(V8_IN_V9),
        _ if own == other => other_minor <= own_minor,
        _ => other < own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The best of those that run, as an index would list them.
    fn taken<'a>(wanted: &str, known: &[&'a str]) -> Option<&'a str> {
        let wanted: Platform = format!("linux/{wanted}").parse().unwrap();
        let fit = |known: &str| {
            let mut parts = known.splitn(2, '/');
            let stated = Stated { os: Some("linux"), architecture: parts.next(), variant: parts.next() };
            wanted.fit(stated)
        };
        let best = known.iter().filter_map(|known| Some((fit(known)?, *known))).max_by_key(|(fit, _)| *fit);
        best.map(|(fit, known)| {
            assert!(fit <= wanted.best_fit(), "{wanted}");
            known
        })
    }

    #[test]
    fn the_highest_variant_that_runs_is_taken() {
        let arm = ["arm/v5", "arm/v7", "arm/v6", "amd64"];
        for (wanted, known, expected) in [
            ("arm", &arm[..], Some("arm/v7")),
            ("arm/v7", &arm, Some("arm/v7")),
            ("arm/v6", &arm, Some("arm/v6")),
            ("arm/v8", &arm, Some("arm/v7")),
            ("arm/v4", &arm, None),
            ("arm/v6", &["arm"], None),
            ("arm", &["arm"], Some("arm")),
            ("armhf", &["arm/v6"], Some("arm/v6")),
            ("amd64", &["amd64/v3", "amd64"], Some("amd64")),
            ("amd64", &["amd64/v2"], None),
            ("amd64", &["amd64/v1"], Some("amd64/v1")),
            ("amd64/v2", &["amd64/v3", "amd64", "amd64/v2"], Some("amd64/v2")),
            ("amd64/v4", &["amd64/v3", "amd64"], Some("amd64/v3")),
            ("arm64", &["arm64/v8.2", "arm64"], Some("arm64")),
            ("arm64/v8", &["arm64"], Some("arm64")),
            ("arm64/v9", &["arm64/v8.6", "arm64/v8.5", "arm64"], Some("arm64/v8.5")),
            ("arm64/v8.9", &["arm64/v9"], None),
            ("amd64", &["x86_64"], Some("x86_64")),
            ("riscv64", &["riscv64/rva20u64"], Some("riscv64/rva20u64")),
            ("riscv64/rva22u64", &["riscv64", "riscv64/rva20u64", "riscv64/rva22u64"], Some("riscv64/rva22u64")),
        ] {
            assert_eq!(taken(wanted, known), expected, "{wanted} of {known:?}");
        }
    }

    #[test]
    fn what_is_not_said_may_be_anything() {
        let wanted: Platform = "linux/amd64".parse().unwrap();
        assert!(wanted.fit(Stated::default()).is_some());
        assert!(wanted.fit(Stated { os: Some("windows"), ..Stated::default() }).is_none());
        assert!(wanted.fit(Stated { architecture: Some("arm64"), ..Stated::default() }).is_none());
    }

    #[test]
    fn text_and_back() {
        for text in ["linux/amd64", "linux/arm/v6"] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), text);
        }
        assert!("linux".parse::<Platform>().is_err());
    }
}
