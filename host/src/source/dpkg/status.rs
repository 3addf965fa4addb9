//! One package of the status database.
//!
//! A machine may have packages that are odd, and that nobody asked for. dpkg reads its database whole, refusing some faults
//! and warning of others; here, what is wrong with a package's fields is told when the package is used, and what dpkg
//! only warns of is taken. Only `Multi-Arch` is like a name: it decides what goes with what, and so it is always an error.

use std::path::{Path, PathBuf};

use layerwright_planner::is_printable;

use super::error::DpkgError;
use super::paragraph::{Paragraph, paragraphs};
use super::version::Version;

/// A package whose files are on the machine.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    /// Packages from before there were several may lack it: then it is empty until the database knows the machine's.
    pub(super) architecture: String,
    pub(super) multi_arch: MultiArch,
    pub(super) state: State,
    /// As dpkg counts it; `None` if nothing says so, or something else than a number.
    pub(super) installed_bytes: Option<u64>,
    /// Relations as written: most packages are never asked for theirs, which then need not be well-formed.
    pub(super) pre_depends: String,
    pub(super) depends: String,
    pub(super) provides: String,
    /// Paths as the package lists them.
    pub(super) conffiles: Vec<Vec<u8>>,
    pub(super) listed: Listed,
    /// The first thing that is wrong with it.
    pub(super) flaw: Option<Flaw>,
}

/// Where its files are listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    /// By dpkg, in `info`.
    Info,
    /// In a file of check sums, which knows regular files only.
    CheckSums(PathBuf),
    /// Nowhere, as it has none.
    Nowhere,
}

/// A field that means nothing.
#[derive(Clone, Debug)]
pub(super) struct Flaw {
    pub(super) field: &'static str,
    /// Bytes outside of ASCII are escaped.
    pub(super) value: String,
    pub(super) reason: &'static str,
}

/// Whether packages of other architectures may use a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MultiArch {
    /// They may not.
    No,
    /// They may not, but it can be installed for several architectures at once.
    Same,
    /// They may.
    Foreign,
    /// They may if they say so: `:any`.
    Allowed,
}

/// How far its installation went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It works, though it may wait for triggers.
    Installed,
    /// It has files, but must not be relied on. The state as dpkg calls it.
    Unready(String),
}

impl Package {
    /// The name of its node.
    pub(super) fn node_name(&self) -> String {
        format!("{}_{}_{}", self.name, self.version, self.architecture)
    }

    /// Refuses a package that is not configured, or that nobody can make sense of.
    pub(super) fn ready(&self) -> Result<&Self, DpkgError> {
        if let Some(Flaw { field, value, reason }) = self.flaw.clone() {
            return Err(DpkgError::InvalidField { package: self.name.clone(), field, value, reason });
        }
        match &self.state {
            State::Installed => Ok(self),
            State::Unready(state) => Err(DpkgError::NotConfigured { package: self.name.clone(), state: state.clone() }),
        }
    }
}

/// What a package is that has no field `Status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WithoutStatus {
    /// Not installed, to dpkg.
    Absent,
    /// Installed, where nothing but what is installed has a file.
    Installed,
}

/// Reads the packages that have files, in the order of the database. `file` is named in errors only.
pub(super) fn parse(text: &[u8], file: &Path, without: WithoutStatus) -> Result<Vec<Package>, DpkgError> {
    let paragraphs = paragraphs(text).map_err(|bad| DpkgError::InvalidLine {
        file: file.to_path_buf(),
        line: bad.line,
        reason: bad.reason,
    })?;
    paragraphs.iter().filter_map(|paragraph| parse_package(paragraph, file, without).transpose()).collect()
}

fn parse_package(paragraph: &Paragraph<'_>, file: &Path, without: WithoutStatus) -> Result<Option<Package>, DpkgError> {
    let name = paragraph.get("Package").and_then(|name| str::from_utf8(name).ok()).filter(|name| is_name(name));
    let Some(name) = name else {
        let reason = "a paragraph without a proper field `Package`";
        return Err(DpkgError::InvalidLine { file: file.to_path_buf(), line: paragraph.line, reason });
    };
    let mut fields = Fields { paragraph, flaw: None };
    let Some(state) = parse_state(&mut fields, without) else { return Ok(None) };
    Ok(Some(Package {
        name: name.to_string(),
        version: fields.checked("Version", check_version),
        architecture: fields.checked("Architecture", check_architecture),
        multi_arch: parse_multi_arch(&mut fields, name)?,
        state,
        installed_bytes: parse_kib(fields.text("Installed-Size")),
        pre_depends: fields.text("Pre-Depends").to_string(),
        depends: fields.text("Depends").to_string(),
        provides: fields.text("Provides").to_string(),
        conffiles: parse_conffiles(paragraph.get("Conffiles").unwrap_or_default()),
        listed: Listed::Info,
        flaw: fields.flaw,
    }))
}

/// The fields of a package, and the first of them that means nothing.
struct Fields<'a> {
    paragraph: &'a Paragraph<'a>,
    flaw: Option<Flaw>,
}

impl<'a> Fields<'a> {
    /// Empty if it is not there.
    fn text(&mut self, field: &'static str) -> &'a str {
        let value = self.paragraph.get(field).unwrap_or_default();
        str::from_utf8(value).unwrap_or_else(|_| {
            self.note(Flaw { field, value: value.escape_ascii().to_string(), reason: "not UTF-8" });
            ""
        })
    }

    fn checked(&mut self, field: &'static str, check: fn(&str) -> Result<(), &'static str>) -> String {
        let value = self.text(field);
        if let Err(reason) = check(value) {
            self.note(Flaw { field, value: value.escape_default().to_string(), reason });
        }
        value.to_string()
    }

    fn note(&mut self, flaw: Flaw) {
        self.flaw.get_or_insert(flaw);
    }
}

/// `None` for packages without files. The field is `WANT FLAG STATE`, as in `install ok installed`.
fn parse_state(fields: &mut Fields<'_>, without: WithoutStatus) -> Option<State> {
    let value = fields.text("Status");
    let words = value.to_ascii_lowercase();
    let words: Vec<&str> = words.split_ascii_whitespace().collect();
    match words[..] {
        [] => (without == WithoutStatus::Installed).then_some(State::Installed),
        [_, _, "not-installed" | "config-files"] => None,
        [_, "ok", "installed" | "triggers-pending" | "triggers-awaited"] => Some(State::Installed),
        [_, "ok", state @ ("unpacked" | "half-configured" | "half-installed")] => {
            Some(State::Unready(state.to_string()))
        }
        // The flag for a package that is broken and must be installed again, in whatever state it is.
        [_, "reinstreq", state] => Some(State::Unready(format!("{state} (reinstreq)"))),
        _ => {
            fields.note(Flaw { field: "Status", value: value.escape_default().to_string(), reason: "not a status" });
            Some(State::Unready(value.to_string()))
        }
    }
}

fn parse_multi_arch(fields: &mut Fields<'_>, package: &str) -> Result<MultiArch, DpkgError> {
    let value = fields.text("Multi-Arch");
    match value.to_ascii_lowercase().as_str() {
        "" | "no" => Ok(MultiArch::No),
        "same" => Ok(MultiArch::Same),
        "foreign" => Ok(MultiArch::Foreign),
        "allowed" => Ok(MultiArch::Allowed),
        _ => Err(DpkgError::InvalidField {
            package: package.to_string(),
            field: "Multi-Arch",
            value: value.escape_default().to_string(),
            reason: "neither `same` nor `foreign`, `allowed` or `no`",
        }),
    }
}

/// What is no number says nothing, as to dpkg.
fn parse_kib(text: &str) -> Option<u64> {
    text.parse::<u64>().ok()?.checked_mul(1024)
}

/// It stands in the names of nodes, too.
fn check_version(version: &str) -> Result<(), &'static str> {
    Version::parse(version)?;
    if version.chars().all(is_printable) { Ok(()) } else { Err("a version that is not printable") }
}

/// It stands in the file name of a list, so it must not lead elsewhere.
fn check_architecture(architecture: &str) -> Result<(), &'static str> {
    if architecture.is_empty() || is_architecture(architecture) { Ok(()) } else { Err("not an architecture") }
}

/// Lines of path and hash, and perhaps words after it. The path may hold spaces.
fn parse_conffiles(value: &[u8]) -> Vec<Vec<u8>> {
    value.split(|&byte| byte == b'\n').filter_map(|line| conffile_path(line.trim_ascii())).collect()
}

fn conffile_path(mut line: &[u8]) -> Option<Vec<u8>> {
    for marker in [&b" remove-on-upgrade"[..], b" obsolete", b" remove-on-upgrade"] {
        line = line.strip_suffix(marker).unwrap_or(line);
    }
    let space = line.iter().rposition(|&byte| byte == b' ')?;
    Some(line[..space].trim_ascii().to_vec())
}

/// The names that dpkg itself accepts, which is more than policy does; none of them leads out of a directory.
fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-+._".contains(c))
}

pub(super) fn is_architecture(architecture: &str) -> bool {
    !architecture.is_empty() && architecture.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_text(text: &str) -> Result<Vec<Package>, DpkgError> {
        parse(text.as_bytes(), Path::new("status"), WithoutStatus::Absent)
    }

    fn with_status(status: &str) -> Vec<Package> {
        parse_text(&format!("Package: a\nStatus: {status}\nVersion: 1\nArchitecture: all\n")).unwrap()
    }

    #[test]
    fn installed_packages_are_those_that_work() {
        for status in ["install ok installed", "hold ok triggers-pending", "Deinstall OK Triggers-Awaited"] {
            assert_eq!(with_status(status)[0].state, State::Installed, "{status}");
        }
        for status in ["deinstall ok config-files", "unknown ok not-installed", ""] {
            assert!(with_status(status).is_empty(), "{status}");
        }
        let without = b"Package: a\nVersion: 1\nArchitecture: all\n";
        assert!(parse(without, Path::new("status"), WithoutStatus::Absent).unwrap().is_empty());
        let read = parse(without, Path::new("status.d/a"), WithoutStatus::Installed).unwrap();
        assert!(read[0].ready().is_ok());
    }

    #[test]
    fn packages_that_do_not_work_yet_say_how_to_repair_them() {
        let message = |status| with_status(status)[0].ready().unwrap_err().to_string();
        assert_eq!(
            message("install ok unpacked"),
            "package `a` is unpacked but not configured; run `dpkg --configure -a`"
        );
        assert_eq!(
            message("install reinstreq half-installed"),
            "package `a` is half-installed (reinstreq) and must be installed again; run `apt-get install --reinstall a`"
        );
    }

    #[test]
    fn conffiles_are_paths_without_hash_and_markers() {
        let value = b"/etc/a 0123\n /etc/b c 0123 obsolete\n /etc/d newconffile\n /etc/e 01 obsolete remove-on-upgrade";
        let paths = parse_conffiles(value);
        assert_eq!(paths, [&b"/etc/a"[..], b"/etc/b c", b"/etc/d", b"/etc/e"]);
    }

    #[test]
    fn names_that_would_lead_elsewhere_are_refused() {
        for name in ["../../etc/shadow", "a/b", "", ".", "a b", "ä"] {
            let error = parse_text(&format!("Package: {name}\nStatus: install ok installed\n")).unwrap_err();
            assert!(matches!(error, DpkgError::InvalidLine { line: 1, .. }), "{name}: {error}");
        }
    }

    const INSTALLED: &str = "Package: a\nStatus: install ok installed\n";

    #[test]
    fn what_dpkg_takes_is_taken() {
        for fields in [
            "Version: 1.0^git20240101\nArchitecture: all\n",
            "Version: 1.0@abc\nArchitecture: all\n",
            "Version: 1.0/2_3\nArchitecture: all\n",
            "Version: ${version}\nArchitecture: all\n",
            "Version: 1.0ü\nArchitecture: all\n",
            "Version: 1\n",
            "Version: 1\nArchitecture:\n",
            "Version: 1\nArchitecture: amd64\nMulti-Arch: Foreign\n",
            "Version: 1\nArchitecture: amd64\nMulti-Arch:\n",
            "Version: 1\nArchitecture: amd64\nInstalled-Size: big\n",
            "Version: 1\nArchitecture: amd64\nInstalled-Size: 18446744073709551615\n",
        ] {
            let read = parse_text(&format!("{INSTALLED}{fields}")).unwrap();
            assert!(read[0].ready().is_ok(), "{fields}: {:?}", read[0].flaw);
            assert_eq!(read[0].installed_bytes, None, "{fields}");
        }
    }

    #[test]
    fn fields_that_mean_nothing_are_named_when_the_package_is_used() {
        let cases: [(&[u8], &str); 9] = [
            (b"Version: 1\nArchitecture: ../x\n", "Architecture"),
            (b"Version: 1\nArchitecture: x_y\n", "Architecture"),
            (b"Version: 1 beta\nArchitecture: all\n", "Version"),
            (b"Version: x:1\nArchitecture: all\n", "Version"),
            (b"Version: 1\x1b[2J\nArchitecture: all\n", "Version"),
            (b"Version: \xfc\nArchitecture: all\n", "Version"),
            (b"Architecture: all\n", "Version"),
            (b"Version: 1\nDepends: \xfc\n", "Depends"),
            (b"Version: 1\nProvides: \xfc\n", "Provides"),
        ];
        for (fields, wrong) in cases {
            let read = parse(&[INSTALLED.as_bytes(), fields].concat(), Path::new("status"), WithoutStatus::Absent);
            let error = read.unwrap()[0].ready().unwrap_err();
            assert!(matches!(&error, DpkgError::InvalidField { field, .. } if *field == wrong), "{error}");
            assert!(!error.to_string().contains('\u{1b}'), "{error:?}");
        }
        for status in ["fine", "install ok nonsense", "install hold installed"] {
            let error = with_status(status)[0].ready().unwrap_err();
            assert_eq!(error.to_string(), format!("package `a`: field `Status` is `{status}`: not a status"));
        }
    }

    #[test]
    fn what_decides_about_others_is_an_error_at_once() {
        for value in ["maybe", "for%ign", "yes"] {
            let error = parse_text(&format!("{INSTALLED}Version: 1\nMulti-Arch: {value}\n")).unwrap_err().to_string();
            assert!(error.starts_with(&format!("package `a`: field `Multi-Arch` is `{value}`: neither")), "{error}");
        }
    }
}
