//! Where closures come from: `--from SOURCE`.
//!
//! Each source returns the graph, and where the files of its nodes are. A graph is untrusted whoever wrote it: what is
//! no closed graph is refused with the node's name, and only what lies in a store, or what dpkg lists, is ever packed.

mod derivation;
mod dpkg;
mod graph;
mod nix;
mod registrations;
pub(crate) mod store_json;
mod store_text;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use layerwright_packer::{ListedFile, NodeFiles};
use layerwright_planner::{Closure, NodeKind, Plan};
use thiserror::Error;

pub(crate) use self::dpkg::PathGlob;
use self::dpkg::{LeftOut, Need};
pub(crate) use self::registrations::Registrations;
use crate::nix_db::ValidPath;

/// What the user wrote after `--from`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// `nix:PATH,...`
    Nix(Vec<PathBuf>),
    /// `graph:FILE[#KEY]`
    Graph { file: PathBuf, key: Option<String> },
    /// `dpkg:NAME,...`
    Dpkg(Vec<String>),
}

/// Why a text is no [`Source`].
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{0}` is no source; write nix:PATH, graph:FILE[#KEY] or dpkg:NAME")]
pub(crate) struct SourceError(String);

/// A closure with its files.
pub(crate) struct ReadClosure {
    pub(crate) closure: Closure,
    pub(crate) files: NodeFilesByName,
}

/// Where the files of each node are.
pub(crate) enum NodeFilesByName {
    /// Below the node's name. What they hold is known where they are registered.
    StorePaths(Registrations),
    /// As dpkg lists them.
    Packages(BTreeMap<String, Vec<dpkg::PackageFile>>),
}

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || SourceError(text.to_owned());
        let (kind, rest) = text.split_once(':').filter(|(_, rest)| !rest.is_empty()).ok_or_else(wrong)?;
        // An empty name is a variable that was not set, and never meant to be left out.
        let names = || rest.split(',').map(|name| if name.is_empty() { Err(wrong()) } else { Ok(name) });
        match kind {
            "nix" => Ok(Self::Nix(names().map(|name| name.map(PathBuf::from)).collect::<Result<_, _>>()?)),
            "dpkg" => Ok(Self::Dpkg(names().map(|name| name.map(str::to_owned)).collect::<Result<_, _>>()?)),
            "graph" => {
                let (file, key) = rest.split_once('#').map_or((rest, None), |(file, key)| (file, Some(key.to_owned())));
                Ok(Self::Graph { file: file.into(), key })
            }
            _ => Err(wrong()),
        }
    }
}

/// As the user could have written it.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nix(paths) => {
                let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
                write!(f, "nix:{}", paths.join(","))
            }
            Self::Graph { file, key: None } => write!(f, "graph:{}", file.display()),
            Self::Graph { file, key: Some(key) } => write!(f, "graph:{}#{key}", file.display()),
            Self::Dpkg(names) => write!(f, "dpkg:{}", names.join(",")),
        }
    }
}

impl Source {
    /// What its nodes are.
    pub(crate) fn kind(&self) -> NodeKind {
        match self {
            Self::Nix(_) | Self::Graph { .. } => NodeKind::StorePath,
            Self::Dpkg(_) => NodeKind::DpkgPackage,
        }
    }

    /// The file that it reads, or `-` for standard input.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        match self {
            Self::Graph { file, key } => Some(with_hash_in_name(file, key).0),
            Self::Nix(_) | Self::Dpkg(_) => None,
        }
    }

    /// Reads the closure. Files and databases are looked up below `root`. Nix is also asked for what these `other` store
    /// paths need. Files of packages that are `allowed` may be missing.
    pub(crate) fn read(&self, root: &Path, other: &BTreeSet<String>, allowed: &[PathGlob]) -> Result<ReadClosure> {
        let others = || other.iter().map(PathBuf::from).collect::<Vec<_>>();
        let store_paths =
            |(closure, registrations)| ReadClosure { closure, files: NodeFilesByName::StorePaths(registrations) };
        match self {
            Self::Nix(paths) => nix::read(&[paths.as_slice(), &others()].concat(), root)
                .map(store_paths)
                .context("asking Nix for the closure"),
            Self::Graph { file, key } => {
                let (file, key) = &with_hash_in_name(file, key);
                let context = || format!("reading the graph {}", file.display());
                graph::read(file, key.as_deref(), root).map(store_paths).with_context(context)
            }
            Self::Dpkg(names) => {
                let read = dpkg::read(root, names, allowed).context("reading the package database")?;
                Ok(ReadClosure { closure: read.closure, files: NodeFilesByName::Packages(read.files) })
            }
        }
    }
}

impl NodeFilesByName {
    /// Finds the files of a plan that was made earlier. Those of packages that are `allowed` may be missing.
    pub(crate) fn of_plan(plan: &Plan, root: &Path, allowed: &[PathGlob]) -> Result<Self> {
        let names = plan.closure().nodes().iter().map(|node| node.name.clone());
        match plan.kind() {
            NodeKind::StorePath => Ok(Self::StorePaths(Registrations::default())),
            NodeKind::DpkgPackage => {
                let files = dpkg::files_of(root, &names.collect::<Vec<_>>(), allowed);
                Ok(Self::Packages(files.context("reading the package database")?))
            }
        }
    }

    pub(crate) fn kind(&self) -> NodeKind {
        match self {
            Self::StorePaths(_) => NodeKind::StorePath,
            Self::Packages(_) => NodeKind::DpkgPackage,
        }
    }

    /// Refuses nodes whose files are not ours to pack: a graph or plan from elsewhere could name `/root`.
    pub(crate) fn check(&self, plan: &Plan) -> Result<()> {
        let Self::StorePaths(_) = self else { return Ok(()) };
        match plan.closure().nodes().iter().find(|node| !is_store_path(&node.name)) {
            Some(node) => {
                bail!(
                    "`{}` is no store path (/nix/store/NAME, or in $NIX_STORE_DIR), so it cannot be packed",
                    node.name
                )
            }
            None => Ok(()),
        }
    }

    /// The NAR hash of a store path, if one can rely on it.
    pub(crate) fn nar_hash(&self, name: &str) -> Option<String> {
        match self {
            Self::StorePaths(registrations) => registrations.trusted_hash(name).map(|hash| hash.to_string()),
            Self::Packages(_) => None,
        }
    }

    /// The nodes of a closure, as a Nix database has them. A plan from a file tells no hashes, so for one Nix is asked.
    pub(crate) fn valid_paths(&self, closure: &Closure, root: &Path) -> Result<Vec<ValidPath>> {
        let Self::StorePaths(registrations) = self else {
            bail!("a Nix database is about store paths, and these are Debian packages; leave out --nix-db")
        };
        let mut valid = if registrations.is_empty() && !closure.is_empty() {
            ask_nix(closure, root).context("asking Nix what the planned paths hold")?
        } else {
            registrations.valid_paths(closure)?
        };
        for path in valid.iter_mut().filter(|path| path.path.ends_with(".drv")) {
            path.outputs = derivation::outputs_of(&path.path, root)
                .with_context(|| format!("reading what the derivation {} makes", path.path))?;
        }
        Ok(valid)
    }

    /// What these nodes are packed without.
    pub(crate) fn left_out<'n>(&self, nodes: impl Iterator<Item = &'n str>, root: &Path) -> Result<LeftOut> {
        let Self::Packages(files) = self else { return Ok(LeftOut::default()) };
        Ok(dpkg::left_out(root, nodes.filter_map(|node| files.get(node)).flatten())?)
    }

    /// Whether a package lists this file. Of store paths nothing lies outside the store.
    pub(crate) fn lists(&self, path: &Path) -> bool {
        match self {
            Self::StorePaths(_) => false,
            Self::Packages(files) => files.values().flatten().any(|file| file.path == path),
        }
    }

    /// The files of one node.
    pub(crate) fn get(&self, name: &str) -> NodeFiles {
        match self {
            Self::StorePaths(_) => NodeFiles::Tree(name.into()),
            Self::Packages(files) => {
                let listed = files.get(name).map(Vec::as_slice).unwrap_or_default();
                let file = |file: &dpkg::PackageFile| ListedFile {
                    path: file.path.clone(),
                    required: file.need == Need::Required,
                };
                NodeFiles::List(listed.iter().map(file).collect())
            }
        }
    }
}

/// The nodes of a closure, and nothing else that they may need.
fn ask_nix(closure: &Closure, root: &Path) -> Result<Vec<ValidPath>> {
    let roots: Vec<PathBuf> = closure.roots().iter().map(|id| PathBuf::from(&closure.node(*id).name)).collect();
    let (whole, registrations) = nix::read(&roots, root)?;
    let mut valid = registrations.valid_paths(&whole)?;
    valid.retain(|path| closure.find(&path.path).is_some());
    Ok(valid)
}

/// A file whose own name has a `#` wins over a key.
fn with_hash_in_name(file: &Path, key: &Option<String>) -> (PathBuf, Option<String>) {
    let whole = key.as_ref().map(|key| PathBuf::from(format!("{}#{key}", file.display())));
    match whole.filter(|whole| whole.exists() && !file.exists()) {
        Some(whole) => (whole, None),
        None => (file.to_owned(), key.clone()),
    }
}

/// Whether `name` is one name in the store of Nix or Guix, or in the one that the user's Nix has.
fn is_store_path(name: &str) -> bool {
    let Some((dir, name)) = name.rsplit_once('/') else { return false };
    let own = std::env::var("NIX_STORE_DIR").is_ok_and(|own| own == dir && own.starts_with('/'));
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"+-._?=".contains(&b);
    (own || matches!(dir, "/nix/store" | "/gnu/store")) && !matches!(name, "" | "." | "..") && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_written_with_their_kind() {
        assert_eq!(
            "nix:./result,/nix/store/x".parse(),
            Ok(Source::Nix(vec!["./result".into(), "/nix/store/x".into()]))
        );
        assert_eq!("graph:-".parse(), Ok(Source::Graph { file: "-".into(), key: None }));
        assert_eq!(
            "graph:a.json#closure".parse(),
            Ok(Source::Graph { file: "a.json".into(), key: Some("closure".into()) })
        );
        assert_eq!("dpkg:git,libc6:i386".parse(), Ok(Source::Dpkg(vec!["git".into(), "libc6:i386".into()])));
        for text in ["nix:./result,/nix/store/x", "graph:-", "graph:a.json#closure", "dpkg:git,libc6:i386"] {
            assert_eq!(text.parse::<Source>().unwrap().to_string(), text);
        }
        for text in ["", "nix:", "git", "rpm:bash", "nix:,", "dpkg:git,,bash", "dpkg:,"] {
            assert_eq!(text.parse::<Source>(), Err(SourceError(text.into())));
        }
    }

    #[test]
    fn a_closure_is_registered_as_its_source_tells() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("graph.json");
        let hash = "0".repeat(64);
        let entry = |name: &str, references: &str| {
            format!(
                r#"{{"path": "/nix/store/{name}", "narSize": 7, "narHash": "sha256:{hash}", "references": [{references}]}}"#
            )
        };
        let graph = [entry("a", r#""/nix/store/a", "/nix/store/b""#), entry("b", "")].join(",");
        fs_err::write(&file, format!("[{graph}]")).unwrap();
        let read = Source::Graph { file, key: None }.read(Path::new("/"), &BTreeSet::new(), &[]).unwrap();
        let valid = read.files.valid_paths(&read.closure, Path::new("/")).unwrap();
        let shown: Vec<_> =
            valid.iter().map(|path| (path.path.as_str(), path.nar_size, path.references.len())).collect();
        assert_eq!(shown, [("/nix/store/a", 7, 2), ("/nix/store/b", 7, 0)]);
    }

    #[test]
    fn packages_are_not_registered() {
        let packages = NodeFilesByName::Packages(BTreeMap::new());
        let error = packages.valid_paths(&Closure::default(), Path::new("/")).unwrap_err();
        assert!(error.to_string().contains("leave out --nix-db"));
    }

    #[test]
    fn only_what_lies_in_a_store_is_packed() {
        for name in ["/nix/store/aaa-x-1.0", "/gnu/store/a+b_c"] {
            assert!(is_store_path(name), "{name}");
        }
        for name in [
            "/root/.ssh",
            "/home/me/store/key",
            "x",
            "/nix/store/",
            "/nix/store/..",
            "/nix/../store/x",
            "nix/store/x",
            "/nix/store/a/b",
            "/nix//store/x",
        ] {
            assert!(!is_store_path(name), "{name}");
        }
    }
}
