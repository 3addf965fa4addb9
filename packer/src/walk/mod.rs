//! From the nodes of a plan to the entries of its layers.
//!
//! Nodes are walked in parallel, each for itself; nothing but their metadata is read. Then each layer is put together:
//!
//! - of store paths: first the directories above them, then each store path with everything below it, in the order of
//!   the plan;
//! - of packages: one tree, in which each name is once, however many packages list it, laid upon what lower layers
//!   have, see [`upon`].
//!
//! Either way no name can be in a layer twice: unpackers differ in what they do then.

mod list;
mod resolve;
mod tree;
mod upon;

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use layerwright_planner::{Layer, Plan};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use crate::Stamp;
use crate::entry::{Entry, EntryKind, EntryName};
use crate::error::{MissingFile, PackError};
use crate::files::NodeFiles;
use crate::layer::{LayerFiles, Part};
use crate::lower::{LowerFile, LowerFiles};
use crate::progress::{Observer, Unobserved};
pub(crate) use list::{MAX_CAPABILITY_BYTES, read_capability};
pub use resolve::{LastLink, locate};
pub(crate) use resolve::{ResolveError, Root};
pub(crate) use tree::{Tree, TreeEntries};

/// A node with its entries.
struct Walked<'a> {
    node: &'a str,
    files: WalkedFiles,
    missing: Vec<MissingFile>,
}

enum WalkedFiles {
    /// With its name in the image, unless it is missing.
    Tree(Option<Box<(EntryName, Part)>>),
    List(BTreeMap<EntryName, Entry>),
}

/// What is walked, and how much of it is remembered until it is packed.
#[derive(Clone, Copy)]
pub(crate) struct WalkRequest<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) files: &'a (dyn Fn(&str) -> NodeFiles + Sync),
    pub(crate) root: &'a Path,
    /// What lies below the layers.
    pub(crate) lower: &'a LowerFiles,
    /// For the entries. What finds no room is walked again by then: memory does not grow with the number of files.
    pub(crate) room: &'a Room,
    pub(crate) stamp: &'a Arc<Stamp>,
    pub(crate) observer: &'a dyn Observer,
}

/// Adds the files of a plan's packages to those of the layers below them: all that a customisation layer lies upon.
///
/// # Errors
///
/// As when the layers are packed: files that are missing, and what cannot be where lower layers have something else.
pub fn with_packages(
    plan: &Plan,
    files: &(dyn Fn(&str) -> NodeFiles + Sync),
    root: &Path,
    lower: &LowerFiles,
) -> Result<LowerFiles, PackError> {
    let (room, stamp) = (Room::new(0), Arc::default());
    let request = WalkRequest { plan, files, root, lower, room: &room, stamp: &stamp, observer: &Unobserved };
    let mut all = lower.clone();
    for (index, _) in plan.layers().iter().enumerate().filter(|(_, layer)| request.is_of_packages(layer)) {
        for layer in request.layers(&[index])? {
            for entry in layer.entries() {
                let entry = entry?;
                all.insert(&Path::new("/").join(entry.name.as_path()), LowerFile::of(&entry));
            }
        }
    }
    Ok(all)
}

/// How many entries may still be remembered.
#[derive(Debug)]
pub(crate) struct Room(AtomicUsize);

impl Room {
    pub(crate) fn new(entries: usize) -> Self {
        Self(AtomicUsize::new(entries))
    }

    /// Returns whether there was room for one.
    fn take(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    /// Says that so many are gone.
    pub(crate) fn give_back(&self, entries: usize) {
        self.0.fetch_add(entries, Ordering::Relaxed);
    }
}

impl WalkRequest<'_> {
    /// Refuses plans of which nodes are missing or within others, without looking at all files of store paths. In
    /// parallel on the current thread pool.
    pub(crate) fn check(&self) -> Result<(), PackError> {
        let root = Root::real(self.root)?;
        let names: Vec<&str> = self.plan.layers().iter().flat_map(|layer| self.plan.names(layer)).collect();
        let missing_of = |node: &&str| {
            self.check_cancelled()?;
            let mut missing = Vec::new();
            match (self.files)(node) {
                NodeFiles::Tree(path) => Tree::find(node, &path, &root, self.stamp, &mut missing).map(drop)?,
                NodeFiles::List(files) => list::walk_list(node, &files, &root, &mut missing).map(drop)?,
            }
            Ok(missing)
        };
        let missing: Vec<Result<Vec<MissingFile>, PackError>> = names.par_iter().map(missing_of).collect();
        let missing = missing.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
        if !missing.is_empty() {
            return Err(PackError::missing(missing));
        }
        for (index, layer) in self.plan.layers().iter().enumerate() {
            if self.depends_on_lower(layer) {
                self.layers(&[index])?;
            }
        }
        self.check_not_nested()
    }

    /// Walks the nodes of some layers of the plan, in parallel on the current thread pool. Returns those layers, in
    /// order.
    pub(crate) fn layers(&self, layers: &[usize]) -> Result<Vec<LayerFiles>, PackError> {
        let plan = self.plan;
        let layers = || layers.iter().map(|index| &plan.layers()[*index]);
        let names: Vec<&str> = layers().flat_map(|layer| plan.names(layer)).collect();
        let walk = Walk { request: *self, root: Root::real(self.root)? };
        let walked: Vec<_> = names.par_iter().map(|node| walk.node(node, (self.files)(node))).collect();
        // Sequentially, so that of several errors it is always the same one that is reported.
        let mut walked = walked.into_iter().collect::<Result<Vec<_>, _>>()?;
        let missing = walked.iter_mut().flat_map(|walked| std::mem::take(&mut walked.missing));
        let missing: Vec<MissingFile> = missing.collect();
        if !missing.is_empty() {
            return Err(PackError::missing(missing));
        }
        let mut walked = walked.into_iter();
        layers().map(|layer| self.assemble(walked.by_ref().take(layer.nodes.len()).collect())).collect()
    }

    /// Whether lower layers may make other files of a layer.
    pub(crate) fn depends_on_lower(&self, layer: &Layer) -> bool {
        !self.lower.is_empty() && self.is_of_packages(layer)
    }

    fn is_of_packages(&self, layer: &Layer) -> bool {
        let is_list = |node: &str| matches!((self.files)(node), NodeFiles::List(_));
        self.plan.names(layer).next().is_some_and(is_list)
    }

    fn assemble(&self, nodes: Vec<Walked<'_>>) -> Result<LayerFiles, PackError> {
        let mut trees = Vec::new();
        let mut lists = Vec::new();
        for Walked { node, files, .. } in nodes {
            match files {
                WalkedFiles::Tree(part) => trees.extend(part.map(|part| (node, part))),
                WalkedFiles::List(entries) => lists.push((node, entries)),
            }
        }
        match (trees.first(), lists.first()) {
            (Some((tree, _)), Some((list, _))) => {
                Err(PackError::MixedNodes { tree: (*tree).to_owned(), list: (*list).to_owned() })
            }
            (Some(_), None) => assemble_trees(trees.into_iter().map(|(_, tree)| *tree).collect(), self.stamp),
            _ => self.assemble_lists(lists),
        }
    }

    fn assemble_lists(&self, lists: Vec<(&str, BTreeMap<EntryName, Entry>)>) -> Result<LayerFiles, PackError> {
        let mut merged = BTreeMap::new();
        for (node, entries) in lists {
            for (name, entry) in entries {
                merged.entry(name).or_insert((node, entry));
            }
        }
        let (entries, is_adapted) = upon::upon(self.lower, merged)?;
        let mut files =
            LayerFiles::new(vec![Part::remembered(entries.into_values().collect(), self.stamp)?], self.stamp)?;
        files.is_adapted = is_adapted;
        Ok(files)
    }

    /// Refuses store paths within store paths, over the whole plan: a file that is in two layers is there twice all the
    /// same.
    pub(crate) fn check_not_nested(&self) -> Result<(), PackError> {
        let top = |node: &'_ str| match (self.files)(node) {
            NodeFiles::Tree(path) => Some(EntryName(path.into_os_string().into_vec())),
            NodeFiles::List(_) => None,
        };
        let nodes = self.plan.layers().iter().flat_map(|layer| self.plan.names(layer));
        let mut tops: Vec<(EntryName, &str)> = nodes.filter_map(|node| Some((top(node)?, node))).collect();
        tops.sort();
        // What lies within a directory follows it, so neighbours are enough.
        let nested = tops.array_windows().find(|[(outer, _), (inner, _)]| inner.as_path().starts_with(outer.as_path()));
        match nested {
            Some([(_, outer), (_, node)]) => {
                Err(PackError::NestedNodes { node: (*node).to_owned(), outer: (*outer).to_owned() })
            }
            None => Ok(()),
        }
    }

    fn check_cancelled(&self) -> Result<(), PackError> {
        if self.observer.cancelled() { Err(PackError::Cancelled) } else { Ok(()) }
    }
}

struct Walk<'a> {
    request: WalkRequest<'a>,
    root: Root<'a>,
}

impl Walk<'_> {
    fn node<'a>(&self, node: &'a str, files: NodeFiles) -> Result<Walked<'a>, PackError> {
        self.request.check_cancelled()?;
        let mut missing = Vec::new();
        let files = match files {
            NodeFiles::Tree(path) => {
                let tree = Tree::find(node, &path, &self.root, self.request.stamp, &mut missing)?;
                WalkedFiles::Tree(tree.map(|tree| self.tree(tree).map(Box::new)).transpose()?)
            }
            NodeFiles::List(files) => WalkedFiles::List(list::walk_list(node, &files, &self.root, &mut missing)?),
        };
        Ok(Walked { node, files, missing })
    }

    fn tree(&self, tree: Tree) -> Result<(EntryName, Part), PackError> {
        let name = tree.name.clone();
        Ok((name, tree.walk(self.request)?))
    }
}

fn assemble_trees(trees: Vec<(EntryName, Part)>, stamp: &Arc<Stamp>) -> Result<LayerFiles, PackError> {
    let parents: BTreeSet<EntryName> = trees.iter().flat_map(|(name, _)| parents(name)).collect();
    let parents = parents.into_iter().map(|name| Entry::new(name, EntryKind::Directory, 0o755).of(stamp)).collect();
    let parts = iter::once(Part::remembered(parents, stamp)).chain(trees.into_iter().map(|(_, part)| Ok(part)));
    LayerFiles::new(parts.collect::<Result<_, _>>()?, stamp)
}

/// The directories above an absolute name, without the root.
fn parents(name: &EntryName) -> impl Iterator<Item = EntryName> {
    let slashes = name.0.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/');
    slashes.map(|(at, _)| EntryName(name.0[..at].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Fixture, H, plan, write_layer};
    use crate::{Compression, DiffId};

    /// Packs one layer of the store paths with these names.
    fn check_vector(fixture: &Fixture, name: &str, sha256: &str) {
        let layers = fixture.walk(&plan(&[&[&format!("{H}-{name}")]])).unwrap();
        let (blob, bytes) = write_layer(&layers[0], Compression::None).unwrap();
        assert_eq!(blob.diff_id.hex(), sha256);
        assert_eq!((blob.tar_bytes, bytes.len()), (10_240, 10_240));
        assert_eq!(DiffId::of(&bytes), blob.diff_id);
    }

    fn tree() -> Fixture {
        let fixture = Fixture::new();
        fixture.dir(&format!("{H}-t"), 0o755);
        fixture
    }

    // What nixpkgs' dockerTools makes of the same files.

    #[test]
    fn layer_of_nothing() {
        let parents = ["/nix", "/nix/store"]
            .map(|name| Entry::new(EntryName(name.as_bytes().to_vec()), EntryKind::Directory, 0o755));
        let (blob, _) = write_layer(&LayerFiles::of_entries(parents.into()).unwrap(), Compression::None).unwrap();
        assert_eq!(blob.diff_id.hex(), "51bd17f30e93810af6bf5676577745937afc69e167332e2b5d345b00a478c823");
    }

    #[test]
    fn layer_of_a_file() {
        let fixture = Fixture::new();
        fixture.file(&format!("{H}-a"), 0o444, b"hello\n");
        check_vector(&fixture, "a", "e83704891fb9bbd8df7cbc304cdccc9c73350e584584d4781557d3c5ec72eeb7");
    }

    #[test]
    fn layer_of_a_symlink() {
        let fixture = Fixture::new();
        fixture.symlink(&format!("{H}-l"), "/nix/store/target");
        check_vector(&fixture, "l", "0719b1b84cbcd3839745d3c232456c0c6a20957050ac167ae462d3e958e45cef");
    }

    #[test]
    fn layer_of_a_tree() {
        let fixture = tree();
        fixture.dir(&format!("{H}-t/a"), 0o755);
        fixture.file(&format!("{H}-t/a/z"), 0o444, b"z");
        fixture.file(&format!("{H}-t/a-b"), 0o555, b"#!\n");
        fixture.chmod(&format!("{H}-t/a"), 0o555);
        fixture.chmod(&format!("{H}-t"), 0o555);
        check_vector(&fixture, "t", "2121a4023b545169d36605990807a297a28c795d5b72dff80910572595cb0668");
    }

    #[test]
    fn layers_with_short_long_and_foreign_names() {
        for (name, sha256) in [
            ("n".repeat(90), "aa98a78d229cc77c609312853c499c7831b432740ec3f3479fd27583428893ac"),
            ("é".into(), "f108f4a4ad9c50e3dae71abd6e56a935c04f0814b4e75424710b85f25b00f93c"),
            ("n".repeat(54), "d5d01047af71e0405065cb33a3759e4f6ddae8207af1134081fa7c10364f5c03"),
        ] {
            let fixture = tree();
            fixture.file(&format!("{H}-t/{name}"), 0o444, b"x");
            fixture.chmod(&format!("{H}-t"), 0o555);
            check_vector(&fixture, "t", sha256);
        }
    }

    #[test]
    fn hard_links_are_files_of_their_own() {
        let fixture = Fixture::new();
        fixture.file(&format!("{H}-a"), 0o444, b"hello\n");
        fs_err::hard_link(fixture.at(&format!("{H}-a")), fixture.at(&format!("{H}-b"))).unwrap();
        check_vector(&fixture, "a", "e83704891fb9bbd8df7cbc304cdccc9c73350e584584d4781557d3c5ec72eeb7");
    }

    #[test]
    fn other_stores_have_their_own_parents() {
        let fixture = Fixture::new();
        fixture.dir("/gnu/store", 0o700);
        fixture.file("/gnu/store/x", 0o444, b"");
        let layers = fixture.walk(&plan(&[&["/gnu/store/x"]])).unwrap();
        let names: Vec<_> =
            layers[0].entries().map(|entry| entry.unwrap()).map(|entry| (entry.name.clone(), entry.mode)).collect();
        let expected = [("/gnu", 0o755), ("/gnu/store", 0o755), ("/gnu/store/x", 0o444)];
        assert_eq!(names, expected.map(|(name, mode)| (EntryName(name.into()), mode)));
    }

    #[test]
    fn store_may_lie_behind_a_link_of_the_root() {
        let fixture = Fixture::new();
        fixture.dir("/data/nix/store", 0o755);
        fixture.file(&format!("/data{H}-a"), 0o444, b"hello\n");
        fs_err::remove_dir_all(fixture.at("/nix")).unwrap();
        // Absolute, so that only within the root it leads there.
        fixture.symlink("/nix", "/data/nix");
        check_vector(&fixture, "a", "e83704891fb9bbd8df7cbc304cdccc9c73350e584584d4781557d3c5ec72eeb7");
    }

    fn error(fixture: &Fixture, layer: &[&str]) -> String {
        fixture.walk(&plan(&[layer])).unwrap_err().to_string()
    }

    #[test]
    fn fifo_in_a_store_path_is_refused() {
        let fixture = tree();
        fixture.fifo(&format!("{H}-t/pipe"));
        let node = format!("{H}-t");
        assert_eq!(
            error(&fixture, &[&node]),
            format!(
                "`{}` of node `{node}` is a FIFO, which cannot be in a store path",
                fixture.at(&node).join("pipe").display()
            )
        );
    }

    #[test]
    fn whiteout_is_refused() {
        let fixture = tree();
        fixture.file(&format!("{H}-t/.wh.x"), 0o444, b"");
        assert!(error(&fixture, &[&format!("{H}-t")]).contains("/.wh.x` of node `"));
    }

    #[test]
    fn nested_nodes_are_refused() {
        let fixture = tree();
        fixture.file(&format!("{H}-t/a"), 0o444, b"");
        fixture.file(&format!("{H}-t-a"), 0o444, b"");
        let [outer, inner, beside] = [format!("{H}-t"), format!("{H}-t/a"), format!("{H}-t-a")];
        for layers in [vec![[&*outer, &*beside, &*inner].as_slice()], vec![&[&*inner], &[&*beside, &*outer]]] {
            let message = fixture.walk(&plan(&layers)).unwrap_err().to_string();
            assert_eq!(message, format!("node `{inner}` lies within node `{outer}`"), "{layers:?}");
        }
    }

    #[test]
    fn odd_store_paths_are_refused() {
        for path in ["/", "/nix//store/a", "/nix/store/../a", "/nix/store/./a", "/nix/store/a/"] {
            let message = error(&Fixture::new(), &[path]);
            assert!(message.starts_with(&format!("`{path}` of node `{path}` ")), "{message}");
        }
    }

    #[test]
    fn missing_files_are_counted_over_the_whole_plan() {
        let names: Vec<String> = (10..35).map(|index| format!("{H}-{index}")).collect();
        let layers: Vec<[&str; 1]> = names.iter().map(|name| [name.as_str()]).collect();
        let layers: Vec<&[&str]> = layers.iter().map(<[&str; 1]>::as_slice).collect();
        let fixture = Fixture::new();
        let message = fixture.walk(&plan(&layers)).unwrap_err().to_string();
        let lines: Vec<&str> = message.lines().collect();
        assert_eq!(lines[0], "25 files do not exist:");
        assert_eq!(lines[1], format!("  {}{H}-10 of node {H}-10", fixture.root().display()));
        assert_eq!((lines.len(), lines[21]), (22, "  and 5 more"));
    }

    #[test]
    fn missing_file_is_named_as_it_is_where_the_root_is_the_machine_s() {
        let tree = |name: &str| NodeFiles::Tree(name.into());
        let plan = plan(&[&["/nowhere/x"]]);
        let (root, observer) = (Path::new("/"), &crate::Unobserved);
        let request = WalkRequest {
            plan: &plan,
            files: &tree,
            root,
            lower: &LowerFiles::default(),
            room: &Room::new(0),
            stamp: &Arc::default(),
            observer,
        };
        assert_eq!(
            request.layers(&[0]).unwrap_err().to_string(),
            "1 file does not exist:\n  /nowhere/x of node /nowhere/x"
        );
    }

    #[test]
    fn trees_and_lists_do_not_share_a_layer() {
        let fixture = tree();
        let tree = format!("{H}-t");
        let files = |name: &str| match name {
            "/list" => NodeFiles::List(Vec::new()),
            name => NodeFiles::Tree(name.into()),
        };
        let walked = fixture.walk_files(&plan(&[&[&tree, "/list"]]), &files);
        assert!(matches!(walked, Err(PackError::MixedNodes { .. })));
        assert!(fixture.walk_files(&plan(&[&[&tree], &["/list"]]), &files).is_ok());
    }
}
