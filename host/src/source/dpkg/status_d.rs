//! Packages of images without dpkg, as distroless makes them: `var/lib/dpkg/status.d`.
//!
//! Each file in it is what a package says of itself, without a `Status`: what is there is installed. Its name need not be
//! the package's; some tools shorten or encode it. Beside it, `NAME.md5sums` has the package's regular files, and their
//! directories with them; but neither its symlinks, see [`unlisted`](super::unlisted), nor its configuration files.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::error::DpkgError;
use super::file_list::{lines, parse_path};
use super::root::Root;
use super::status::{self, Listed, Package, WithoutStatus};

const DIRECTORY: &str = "/var/lib/dpkg/status.d";

/// The end of the name of a file of check sums.
const CHECK_SUMS: &str = ".md5sums";

/// Digits of a check sum.
const SUM_DIGITS: usize = 32;

/// Reads the packages, in the order of their files; `None` where there is no such directory.
pub(super) fn read(root: Root<'_>) -> Result<Option<Vec<Package>>, DpkgError> {
    let directory = Path::new(DIRECTORY);
    if root.real_path(directory)?.is_none() {
        return Ok(None);
    }
    let (sums, says): (Vec<PathBuf>, Vec<PathBuf>) =
        root.read_dir(directory, is_no_backup)?.into_iter().partition(|path| is_check_sums(path));
    let mut packages = Vec::new();
    for file in says {
        let Some(text) = root.read(&file)? else { continue };
        let listed = listed(&file, &sums);
        let read = status::parse(&text, &root.named_path(&file), WithoutStatus::Installed)?;
        packages.extend(read.into_iter().map(|package| Package { listed: listed.clone(), ..package }));
    }
    Ok(Some(packages))
}

/// Hidden files, and those of editors.
fn is_no_backup(name: &[u8]) -> bool {
    !name.starts_with(b".") && !name.ends_with(b"~")
}

fn is_check_sums(path: &Path) -> bool {
    path.as_os_str().as_bytes().ends_with(CHECK_SUMS.as_bytes())
}

/// A package without regular files has no check sums. Where no package has any, they were not kept.
fn listed(file: &Path, sums: &[PathBuf]) -> Listed {
    let mut own = file.as_os_str().to_os_string();
    own.push(CHECK_SUMS);
    let own = PathBuf::from(own);
    if sums.is_empty() || sums.contains(&own) { Listed::CheckSums(own) } else { Listed::Nowhere }
}

/// The line of a mistake, counted from 1, and what it is.
type Mistake = (usize, &'static str);

/// Reads the paths in a file of check sums, which are relative: a sum, a space, a space or the `*` of a binary file, and
/// a path. A backslash before it says that some are in the path, too.
pub(super) fn parse_check_sums(text: &[u8]) -> Result<Vec<(Vec<u8>, PathBuf)>, Mistake> {
    let numbered = lines(text).zip(1..).filter(|(line, _)| !line.trim_ascii().is_empty());
    numbered.map(|(line, number)| parse_line(line).map_err(|reason| (number, reason))).collect()
}

/// A path as packages list them, and the same as a path.
fn parse_line(line: &[u8]) -> Result<(Vec<u8>, PathBuf), &'static str> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (is_escaped, line) = line.strip_prefix(b"\\").map_or((false, line), |rest| (true, rest));
    let (sum, rest) = line.split_at_checked(SUM_DIGITS).ok_or("no check sum")?;
    let path = rest.strip_prefix(b"  ").or_else(|| rest.strip_prefix(b" *")).ok_or("no check sum and path")?;
    if !sum.iter().all(u8::is_ascii_hexdigit) || path.is_empty() {
        return Err("no check sum and path");
    }
    let path = if is_escaped { unescape(path) } else { path.to_vec() };
    let path = path.strip_prefix(b".").filter(|rest| rest.starts_with(b"/")).unwrap_or(&path);
    let absolute = if path.starts_with(b"/") { path.to_vec() } else { [b"/", path].concat() };
    let parsed = parse_path(&absolute)?;
    Ok((parsed.as_os_str().as_bytes().to_vec(), parsed))
}

fn unescape(path: &[u8]) -> Vec<u8> {
    let mut bytes = path.iter().copied();
    let mut plain = Vec::new();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(other) => other,
                None => b'\\',
            },
            byte => byte,
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::super::test_root::TestRoot;
    use super::*;

    const SUM: &str = "d41d8cd98f00b204e9800998ecf8427e";

    fn packages(root: &TestRoot) -> Vec<(String, Listed)> {
        let read = read(root.root()).unwrap().unwrap();
        read.into_iter().map(|package| (package.node_name(), package.listed)).collect()
    }

    fn sums(name: &str) -> Listed {
        Listed::CheckSums(format!("{DIRECTORY}/{name}.md5sums").into())
    }

    #[test]
    fn each_file_is_a_package_whatever_its_name() {
        let root = TestRoot::new();
        assert!(read(root.root()).unwrap().is_none());
        root.write("var/lib/dpkg/status.d/libssl1", "Package: libssl1.1\nVersion: 1\nArchitecture: amd64\n");
        root.write("var/lib/dpkg/status.d/libssl1.md5sums", "");
        root.write("var/lib/dpkg/status.d/dHpkYXRh", "Package: tzdata\nVersion: 2\nArchitecture: all\n");
        root.write("var/lib/dpkg/status.d/.hidden", "nonsense");
        root.write("var/lib/dpkg/status.d/old~", "nonsense");
        let gone = "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n";
        root.write("var/lib/dpkg/status.d/gone", gone);
        let expected =
            [("tzdata_2_all".to_owned(), Listed::Nowhere), ("libssl1.1_1_amd64".to_owned(), sums("libssl1"))];
        assert_eq!(packages(&root), expected);
        fs_err::remove_file(root.path().join("var/lib/dpkg/status.d/libssl1.md5sums")).unwrap();
        assert_eq!(packages(&root)[0].1, sums("dHpkYXRh"));
    }

    #[test]
    fn paths_have_their_check_sums_before_them() {
        for (line, expected) in [
            ("usr/bin/app", "/usr/bin/app"),
            ("./usr/bin/app", "/usr/bin/app"),
            ("/usr//bin/app", "/usr/bin/app"),
            ("usr/share/a b/c  d", "/usr/share/a b/c  d"),
            (".hidden", "/.hidden"),
        ] {
            for (before, after) in [("  ", ""), (" *", ""), ("  ", "\r")] {
                let text = format!("{SUM}{before}{line}{after}\n\n");
                let read = parse_check_sums(text.as_bytes()).unwrap();
                assert_eq!(read, [(expected.as_bytes().to_vec(), PathBuf::from(expected))], "{text:?}");
            }
        }
        let escaped = format!("\\{SUM}  usr/a\\\\b\\nc\n");
        assert_eq!(parse_check_sums(escaped.as_bytes()).unwrap()[0].0, b"/usr/a\\b\nc");
    }

    #[test]
    fn what_is_no_check_sum_is_refused_with_its_line() {
        let lines = ["usr/bin/app", "d41d  usr/bin/app", &format!("{SUM} usr/bin/app"), SUM, &format!("{SUM}  ")];
        let leads_out = format!("{SUM}  usr/../../etc/shadow");
        for line in lines.into_iter().chain([leads_out.as_str()]) {
            let text = format!("{SUM}  a\n{line}\n");
            assert_eq!(parse_check_sums(text.as_bytes()).unwrap_err().0, 2, "{line}");
        }
    }
}
