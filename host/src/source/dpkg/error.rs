//! What can be wrong with a package database, or with what was asked of it.

use std::io;
use std::path::PathBuf;

use layerwright_planner::ClosureError;
use thiserror::Error;

/// Why no closure, or no list of files, could be read.
#[derive(Debug, Error)]
pub(crate) enum DpkgError {
    /// Nothing before, between or after the commas.
    #[error("a package name is missing")]
    NoName,
    /// Neither a package nor a virtual package of that name.
    #[error("package `{name}` is not installed{}; `apt-get install {name}` may install it", did_you_mean(.close))]
    NotInstalled {
        /// As it was asked for.
        name: String,
        /// Installed packages with names like it, the closest first.
        close: Vec<String>,
    },
    /// Going on would pack files that their package has not set up yet.
    #[error("package `{package}` is {state} {}", how_to_repair(.state, .package))]
    NotConfigured {
        /// Its name.
        package: String,
        /// As dpkg calls it, such as `unpacked`.
        state: String,
    },
    /// Going on would write an image in which the package does not work.
    #[error("package `{package}`: nothing installed satisfies `{group}` of its {field}")]
    Unsatisfied {
        /// Who needs it.
        package: String,
        /// `Depends` or `Pre-Depends`.
        field: &'static str,
        /// The alternatives, as written.
        group: String,
    },
    /// Going on would pack another version than the plan was made for.
    #[error("`{node}` is not installed any more: version {installed} is")]
    OtherVersion {
        /// The node in the plan.
        node: String,
        /// The version that took its place.
        installed: String,
    },
    /// Going on would leave a node of the plan without files.
    #[error("`{node}` is not installed any more")]
    Gone {
        /// The node in the plan.
        node: String,
    },
    /// Going on would pack the package without its files.
    #[error("package `{package}` has no list of files: there is no `{}`", .path.display())]
    NoFileList {
        /// Its name.
        package: String,
        /// Where the list should be.
        path: PathBuf,
    },
    /// A field of the status database that means nothing.
    #[error("package `{package}`: field `{field}` is `{value}`: {reason}")]
    InvalidField {
        /// The package it is a field of.
        package: String,
        /// The field.
        field: &'static str,
        /// Its value, or the part that is wrong; bytes outside of ASCII are escaped.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Two packages of one name and architecture: one of them would be lost.
    #[error("package `{package}` is in the status database twice")]
    DuplicatePackage {
        /// Its name and architecture.
        package: String,
    },
    /// A line of a database file or of dpkg's configuration that means nothing.
    #[error("`{}`, line {line}: {reason}", .file.display())]
    InvalidLine {
        /// The file.
        file: PathBuf,
        /// Counted from one.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A directory, or something that might never come to an end, such as a FIFO or a device.
    #[error("`{}` is not a regular file", .path.display())]
    NotRegular {
        /// Where a file of the database should be.
        path: PathBuf,
    },
    /// Going on would fill the memory.
    #[error("`{}` is longer than {max_bytes} bytes", .path.display())]
    TooBig {
        /// The file.
        path: PathBuf,
        /// The longest that is read.
        max_bytes: u64,
    },
    /// Going on would find no package at all.
    #[error("there is no package database: `{}` does not exist, and neither does `status.d` beside it", .path.display())]
    NoDatabase {
        /// Where its main file should be.
        path: PathBuf,
    },
    /// The packages do not form a graph.
    #[error(transparent)]
    Closure(#[from] ClosureError),
    /// A file could not be read; the message names it.
    #[error(transparent)]
    Io(#[from] io::Error),
}

fn did_you_mean(close: &[String]) -> String {
    match close {
        [] => String::new(),
        names => format!(" (did you mean `{}`?)", names.join("`, `")),
    }
}

fn how_to_repair(state: &str, package: &str) -> String {
    match state {
        "unpacked" | "half-configured" => "but not configured; run `dpkg --configure -a`".to_string(),
        _ => format!("and must be installed again; run `apt-get install --reinstall {package}`"),
    }
}
