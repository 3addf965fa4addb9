//! One package of the status database.

use std::path::Path;

use super::error::DpkgError;
use super::paragraph::{Paragraph, paragraphs};

/// A package whose files are on the machine.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) architecture: String,
    pub(super) multi_arch: MultiArch,
    pub(super) state: State,
    /// In KiB, as written; read it with [`Package::installed_bytes`].
    pub(super) installed_size: Option<String>,
    /// Relations as written: most packages are never asked for theirs, which then need not be well-formed.
    pub(super) pre_depends: String,
    pub(super) depends: String,
    pub(super) provides: String,
    /// Paths as the package lists them.
    pub(super) conffiles: Vec<Vec<u8>>,
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
#[derive(Debug, PartialEq, Eq)]
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

    /// What dpkg says it takes, in bytes; `None` if it does not say.
    pub(super) fn installed_bytes(&self) -> Result<Option<u64>, DpkgError> {
        let Some(text) = &self.installed_size else { return Ok(None) };
        let bytes = text.parse::<u64>().ok().and_then(|kib| kib.checked_mul(1024));
        bytes.map(Some).ok_or_else(|| DpkgError::InvalidField {
            package: self.name.clone(),
            field: "Installed-Size",
            value: text.clone(),
            reason: "not a number of KiB",
        })
    }

    /// Refuses a package that is not configured.
    pub(super) fn ready(&self) -> Result<&Self, DpkgError> {
        match &self.state {
            State::Installed => Ok(self),
            State::Unready(state) => Err(DpkgError::NotConfigured { package: self.name.clone(), state: state.clone() }),
        }
    }
}

/// Reads the packages that have files, in the order of the database. `file` is named in errors only.
pub(super) fn parse(text: &[u8], file: &Path) -> Result<Vec<Package>, DpkgError> {
    let paragraphs = paragraphs(text).map_err(|bad| DpkgError::InvalidLine {
        file: file.to_path_buf(),
        line: bad.line,
        reason: bad.reason,
    })?;
    paragraphs.iter().filter_map(|paragraph| parse_package(paragraph, file).transpose()).collect()
}

fn parse_package(paragraph: &Paragraph<'_>, file: &Path) -> Result<Option<Package>, DpkgError> {
    let name = paragraph.get("Package").and_then(|name| str::from_utf8(name).ok()).filter(|name| is_name(name));
    let Some(name) = name else {
        let reason = "a paragraph without a proper field `Package`";
        return Err(DpkgError::InvalidLine { file: file.to_path_buf(), line: paragraph.line, reason });
    };
    let fields = Fields { paragraph, package: name };
    let Some(state) = parse_state(&fields)? else { return Ok(None) };
    Ok(Some(Package {
        name: name.to_string(),
        version: fields.required("Version", is_version)?,
        architecture: fields.required("Architecture", is_architecture)?,
        multi_arch: parse_multi_arch(&fields)?,
        state,
        installed_size: fields.text("Installed-Size")?.map(str::to_string),
        pre_depends: fields.text("Pre-Depends")?.unwrap_or_default().to_string(),
        depends: fields.text("Depends")?.unwrap_or_default().to_string(),
        provides: fields.text("Provides")?.unwrap_or_default().to_string(),
        conffiles: parse_conffiles(paragraph.get("Conffiles").unwrap_or_default()),
    }))
}

/// The fields of a package whose name is known, so that errors can tell it.
struct Fields<'a> {
    paragraph: &'a Paragraph<'a>,
    package: &'a str,
}

impl<'a> Fields<'a> {
    fn text(&self, field: &'static str) -> Result<Option<&'a str>, DpkgError> {
        let Some(value) = self.paragraph.get(field) else { return Ok(None) };
        let text = str::from_utf8(value);
        text.map(Some).map_err(|_| self.invalid(field, value.escape_ascii().to_string(), "not UTF-8"))
    }

    fn required(&self, field: &'static str, is_valid: fn(&str) -> bool) -> Result<String, DpkgError> {
        let value = self.text(field)?.unwrap_or_default();
        if is_valid(value) {
            Ok(value.to_string())
        } else {
            Err(self.invalid(field, value.escape_default().to_string(), "missing or malformed"))
        }
    }

    fn invalid(&self, field: &'static str, value: String, reason: &'static str) -> DpkgError {
        DpkgError::InvalidField { package: self.package.to_string(), field, value, reason }
    }
}

/// `None` for packages without files. The field is `WANT FLAG STATE`, as in `install ok installed`.
fn parse_state(fields: &Fields<'_>) -> Result<Option<State>, DpkgError> {
    let value = fields.text("Status")?.unwrap_or_default();
    let words: Vec<&str> = value.split_ascii_whitespace().collect();
    match words[..] {
        [_, _, "not-installed" | "config-files"] => Ok(None),
        [_, "ok", "installed" | "triggers-pending" | "triggers-awaited"] => Ok(Some(State::Installed)),
        [_, "ok", state @ ("unpacked" | "half-configured" | "half-installed")] => {
            Ok(Some(State::Unready(state.to_string())))
        }
        // The flag for a package that is broken and must be installed again, in whatever state it is.
        [_, "reinstreq", state] => Ok(Some(State::Unready(format!("{state} (reinstreq)")))),
        _ => Err(fields.invalid("Status", value.escape_default().to_string(), "not a status")),
    }
}

fn parse_multi_arch(fields: &Fields<'_>) -> Result<MultiArch, DpkgError> {
    match fields.text("Multi-Arch")?.unwrap_or("no") {
        "no" => Ok(MultiArch::No),
        "same" => Ok(MultiArch::Same),
        "foreign" => Ok(MultiArch::Foreign),
        "allowed" => Ok(MultiArch::Allowed),
        other => Err(fields.invalid("Multi-Arch", other.escape_default().to_string(), "unknown")),
    }
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

fn is_version(version: &str) -> bool {
    !version.is_empty() && version.chars().all(|c| c.is_ascii_alphanumeric() || "-+._~:".contains(c))
}

/// An architecture stands in the file name of a list, so it must not lead elsewhere either.
pub(super) fn is_architecture(architecture: &str) -> bool {
    !architecture.is_empty() && architecture.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_text(text: &str) -> Result<Vec<Package>, DpkgError> {
        parse(text.as_bytes(), Path::new("status"))
    }

    fn with_status(status: &str) -> Result<Vec<Package>, DpkgError> {
        parse_text(&format!("Package: a\nStatus: {status}\nVersion: 1\nArchitecture: all\n"))
    }

    #[test]
    fn installed_packages_are_those_that_work() {
        for status in ["install ok installed", "hold ok triggers-pending", "deinstall ok triggers-awaited"] {
            assert_eq!(with_status(status).unwrap()[0].state, State::Installed, "{status}");
        }
        for status in ["deinstall ok config-files", "unknown ok not-installed"] {
            assert!(with_status(status).unwrap().is_empty(), "{status}");
        }
    }

    #[test]
    fn packages_that_do_not_work_yet_say_how_to_repair_them() {
        let message = |status| with_status(status).unwrap()[0].ready().unwrap_err().to_string();
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

    #[test]
    fn fields_that_mean_nothing_are_named() {
        let cases = [
            ("Version: 1\nArchitecture: ../x\nStatus: install ok installed\n", "Architecture"),
            ("Version: 1/2\nArchitecture: all\nStatus: install ok installed\n", "Version"),
            ("Architecture: all\nStatus: install ok installed\n", "Version"),
            ("Version: 1\nArchitecture: all\nStatus: fine\n", "Status"),
            ("Version: 1\nArchitecture: all\n", "Status"),
            ("Version: 1\nArchitecture: all\nMulti-Arch: maybe\nStatus: install ok installed\n", "Multi-Arch"),
        ];
        for (fields, wrong) in cases {
            let error = parse_text(&format!("Package: a\n{fields}")).unwrap_err();
            assert!(matches!(&error, DpkgError::InvalidField { field, .. } if *field == wrong), "{error}");
        }
    }

    #[test]
    fn a_size_too_large_for_bytes_is_refused() {
        let text = "Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n";
        let packages = parse_text(&format!("{text}Installed-Size: {}\n", u64::MAX)).unwrap();
        assert!(packages[0].installed_bytes().is_err());
    }
}
