//! Small package databases for tests.

use std::path::Path;

use fs_err::OpenOptions;
use std::io::Write;
use tempfile::TempDir;

use super::root::Root;

/// A root directory that is removed with this value.
pub(super) struct TestRoot(TempDir);

impl TestRoot {
    /// One with an empty status database.
    pub(super) fn new() -> Self {
        let root = Self(tempfile::tempdir().unwrap());
        root.write("var/lib/dpkg/status", "");
        root
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn root(&self) -> Root<'_> {
        Root::new(self.path())
    }

    /// Adds an installed package; `fields` are whole lines.
    pub(super) fn package(&self, name: &str, version: &str, architecture: &str, fields: &str) {
        self.package_in_state("install ok installed", name, version, architecture, fields);
    }

    pub(super) fn package_in_state(&self, status: &str, name: &str, version: &str, architecture: &str, fields: &str) {
        let mut file = OpenOptions::new().append(true).open(self.path().join("var/lib/dpkg/status")).unwrap();
        write!(file, "Package: {name}\nStatus: {status}\nVersion: {version}\nArchitecture: {architecture}\n{fields}\n")
            .unwrap();
    }

    /// Writes `info/NAME.list`.
    pub(super) fn list(&self, name: &str, paths: &[&str]) {
        let lines: String = paths.iter().map(|path| format!("{path}\n")).collect();
        self.write(&format!("var/lib/dpkg/info/{name}.list"), lines);
    }

    pub(super) fn write(&self, path: &str, contents: impl AsRef<[u8]>) {
        fs_err::write(self.prepare(path), contents).unwrap();
    }

    pub(super) fn symlink(&self, target: &str, path: &str) {
        fs_err::os::unix::fs::symlink(target, self.prepare(path)).unwrap();
    }

    fn prepare(&self, path: &str) -> std::path::PathBuf {
        let path = self.path().join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }
}
