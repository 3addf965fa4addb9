//! What lies below and above the planned layers: a base image, and the customisation layer.

use std::collections::BTreeSet;
use std::env;
use std::io::Write;
use std::mem;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use layerwright_packer::{
    BaseImage, Customisation, ImageSettings, ImageSource, LowerFiles, Observer, Operation, Platform, with_packages,
};
use layerwright_planner::{Closure, NodeKind, Plan};

use crate::arguments::SurroundingsArguments;
use crate::console::Console;
use crate::interrupt::TemporaryFolder;
use crate::nix_db::{self, BaseDatabase, Content, Entry, MAX_BASE_BYTES};
use crate::progress::Progress;
use crate::source::NodeFilesByName;

/// Where the database of a Nix store is.
const NIX_DATABASE: &str = "/nix/var/nix/db/db.sqlite";

/// What was written to it last, if Nix has not put it there yet.
const NIX_DATABASE_LOG: &str = "/nix/var/nix/db/db.sqlite-wal";

/// What a Nix makes beside it when it starts, and no image should ship: 8 MiB of space for bad times, and memory that is
/// shared with others.
const OF_A_RUNNING_NIX: [&str; 2] = ["/nix/var/nix/db/reserved", "/nix/var/nix/db/db.sqlite-shm"];

/// A base image and a customisation layer, opened before the closure is read.
pub(super) struct Surroundings {
    base: Option<BaseImage>,
    /// By which the customisation layer is made, and for whom.
    operations: Vec<Operation>,
    owner: (u32, u32),
    customisation: Customisation,
    /// Store paths that files of the customisation layer refer to.
    references: BTreeSet<String>,
    /// Where a Nix database goes.
    has_nix_db: bool,
    /// The same where scripts are going to work on the files: what would be in the image without them.
    without_scripts: Option<Customisation>,
    scratch: Scratch,
}

/// A temporary folder for what is made on the way, until the image is packed. Not there until it is needed.
#[derive(Default)]
struct Scratch(Option<TemporaryFolder>);

impl Scratch {
    fn path(&mut self) -> Result<&Path> {
        if self.0.is_none() {
            self.0 = Some(TemporaryFolder::new().context("making a temporary folder")?);
        }
        Ok(self.0.as_ref().expect("it is there now").path())
    }

    /// A new folder in it.
    fn folder(&mut self, name: &str) -> Result<PathBuf> {
        let folder = self.path()?.join(name);
        fs_err::create_dir(&folder)?;
        Ok(folder)
    }
}

/// Refuses a base image on standard input where something else is read there as well.
pub(super) fn check_stream(arguments: &SurroundingsArguments, others: impl IntoIterator<Item = PathBuf>) -> Result<()> {
    let is_stream = |path: &Path| path == Path::new("-");
    let of_base = arguments.from_image.as_ref().is_some_and(|source| is_stream(source.path()));
    match of_base && others.into_iter().any(|other| is_stream(&other)) {
        true => bail!("--from-image and another flag both read standard input: write one of them to a file"),
        false => Ok(()),
    }
}

impl Surroundings {
    /// `settings` say for which platform the image is, and who owns files of which nobody says so.
    pub(super) fn open(
        arguments: &SurroundingsArguments,
        root: &Path,
        settings: &ImageSettings,
        has_nix_db: bool,
        console: &Console,
    ) -> Result<Self> {
        let SurroundingsArguments { from_image, max_base_size, .. } = arguments;
        let operations = operations(arguments, has_nix_db);
        let mut scratch = Scratch::default();
        let base = match from_image {
            Some(source) => {
                let max_bytes = max_base_size.map(|size| size.bytes);
                Some(open_base(source, settings, max_bytes, scratch.path()?, console)?)
            }
            None => None,
        };
        let aside = if operations.is_empty() { PathBuf::new() } else { scratch.folder("customisation")? };
        let lower = base.as_ref().map(|base| base.lower_files().clone()).unwrap_or_default();
        let owner = arguments.customisation.owner.unwrap_or((settings.stamp.uid, settings.stamp.gid));
        let customisation =
            Customisation::new(&operations, root, owner, &aside, lower).context("making the customisation layer")?;
        let references = match customisation.is_empty() {
            true => BTreeSet::new(),
            false => customisation.references(&store_dir()).context("reading the files of the customisation layer")?,
        };
        let without_scripts = None;
        Ok(Self { base, operations, owner, customisation, references, has_nix_db, without_scripts, scratch })
    }

    /// The same for scripts to work on: links of the base image are left out. Whatever cannot be joined in the image is told
    /// here nevertheless.
    pub(super) fn for_scripts(
        arguments: &SurroundingsArguments,
        root: &Path,
        settings: &ImageSettings,
        has_nix_db: bool,
        console: &Console,
    ) -> Result<Self> {
        let mut surroundings = Self::open(arguments, root, settings, has_nix_db, console)?;
        let operations = operations(arguments, has_nix_db);
        let aside = surroundings.scratch.folder("stage")?;
        let lower = surroundings.base.as_ref().map(|base| base.lower_files().clone()).unwrap_or_default();
        let customisation = Customisation::for_scripts(&operations, root, (0, 0), &aside, lower);
        let customisation = customisation.context("making the customisation layer")?;
        surroundings.without_scripts = Some(mem::replace(&mut surroundings.customisation, customisation));
        Ok(surroundings)
    }

    /// Writes the files of the customisation layer into a new folder.
    pub(super) fn write(&self, dir: &Path, observer: &dyn Observer) -> Result<()> {
        Ok(self.customisation.stage(dir, observer)?)
    }

    /// Writes the script that gives the files in that folder their owners and modes.
    pub(super) fn write_attributes(&self, out: &mut impl Write) -> Result<()> {
        let without_scripts = self.without_scripts.as_ref().unwrap_or(&self.customisation);
        Ok(without_scripts.write_attributes(&self.customisation, out)?)
    }

    pub(super) fn base(&self) -> Option<&BaseImage> {
        self.base.as_ref()
    }

    pub(super) fn customisation(&self) -> Option<&Customisation> {
        Some(&self.customisation).filter(|customisation| !customisation.is_empty())
    }

    /// Whether the base image or the customisation layer has a file. One that is too large to be looked at is one, too.
    pub(super) fn has_file(&self, path: &Path) -> bool {
        let in_base = |base: &BaseImage| match path.to_str() {
            Some(path) => base.read_file(path, MAX_BASE_BYTES).map_or(true, |content| content.is_some()),
            None => false,
        };
        self.customisation.has(path) || self.base.as_ref().is_some_and(in_base)
    }

    /// Store paths that have to be in the image because files of the customisation layer refer to them.
    pub(super) fn references(&self) -> &BTreeSet<String> {
        &self.references
    }

    /// Makes the customisation layer anew, upon the packages of a plan: a directory of it would hide a link of theirs.
    pub(super) fn lay_upon_packages(&mut self, plan: &Plan, files: &NodeFilesByName, root: &Path) -> Result<()> {
        if self.operations.is_empty() || files.kind() != NodeKind::DpkgPackage {
            return Ok(());
        }
        let nothing = LowerFiles::default();
        let below = self.base.as_ref().map_or(&nothing, BaseImage::lower_files);
        let lower = with_packages(plan, &|name| files.get(name), root, below).context("looking at the packages")?;
        let aside = self.scratch.folder("customisation-upon-packages")?;
        self.customisation = Customisation::new(&self.operations, root, self.owner, &aside, lower)
            .context("making the customisation layer")?;
        Ok(())
    }

    /// Returns how many layers are left for the plan.
    pub(super) fn planned_layers(&self, max_layers: NonZeroU32) -> Result<NonZeroU32> {
        let base = self.base.as_ref().map_or(0, |base| base.layers().len());
        let customisation = usize::from(!self.customisation.is_empty() || self.has_nix_db);
        let taken = u32::try_from(base + customisation).unwrap_or(u32::MAX);
        max_layers.get().checked_sub(taken).and_then(NonZeroU32::new).with_context(|| {
            format!(
                "no layer is left for the closure: of --max-layers {max_layers}, the base image has {base} and the \
                 customisation {customisation}; give at least --max-layers {}",
                taken.saturating_add(1)
            )
        })
    }

    /// Returns the closure without what the base image holds.
    pub(super) fn without_held(&self, closure: &Closure) -> Closure {
        let keep: Vec<_> = closure.ids().filter(|id| !self.base_has(&closure.node(*id).name)).collect();
        if keep.len() == closure.len() { closure.clone() } else { closure.induced(&keep) }
    }

    /// Refuses a closure that lacks what files of the customisation layer refer to.
    pub(super) fn check_references(&self, closure: &Closure, kind: NodeKind, console: &Console) -> Result<()> {
        let lacks = |name: &&String| closure.find(name).is_none() && !self.base_has(name);
        let Some(missing) = self.references.iter().find(lacks) else { return Ok(()) };
        match kind {
            NodeKind::StorePath => bail!(
                "files of the customisation layer refer to {missing}, which is not in the closure; have the graph \
                 begin at it too, or take --from nix:{missing}"
            ),
            NodeKind::DpkgPackage => {
                console.warn(&format!("the image lacks {missing}, which files of the customisation layer refer to"));
                Ok(())
            }
        }
    }

    fn base_has(&self, store_path: &str) -> bool {
        self.base.as_ref().is_some_and(|base| base.store_paths().contains(store_path))
    }

    /// Adds the database of a Nix store that has the closure, and what scripts or the base image have in theirs. Owners and
    /// modes of what is there stay.
    pub(super) fn add_nix_db(&mut self, closure: &Closure, files: &NodeFilesByName, root: &Path) -> Result<()> {
        let dir = self.scratch.folder("nix-db")?;
        let (database, log) = (self.read(NIX_DATABASE)?, self.read(NIX_DATABASE_LOG)?);
        let valid = files.valid_paths(closure, root)?;
        let roots: Vec<String> = closure.roots().iter().map(|id| closure.node(*id).name.clone()).collect();
        let base = database.as_deref().map(|database| BaseDatabase { database, log: log.as_deref() });
        let entries = nix_db::write(&valid, &roots, base, &dir).context("writing the Nix database")?;
        // That link is one that scripts make themselves, with a command that fails where it is.
        let is_for_scripts = self.without_scripts.is_some();
        let is_scripts_own = |entry: &Entry| is_for_scripts && entry.path == nix_db::PROFILES_ROOT;
        // All that is in it is in the other one now.
        for file in OF_A_RUNNING_NIX.iter().chain([&NIX_DATABASE_LOG]) {
            self.customisation.remove_file(Path::new(file));
        }
        for Entry { path, content } in entries.into_iter().filter(|entry| !is_scripts_own(entry)) {
            let path = Path::new(&path);
            match content {
                Content::File { mode, file } => self.customisation.put_file(path, mode, &file),
                Content::Symlink { target } => self.customisation.link_if_free(Path::new(&target), path),
            }?;
        }
        Ok(())
    }

    /// A file of a Nix database, as scripts have left it. They have seen that of the base image in it.
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        let customised = self.customisation.read_file(Path::new(NIX_DATABASE), MAX_BASE_BYTES);
        if customised.context("reading the Nix database of the customisation layer")?.is_some() {
            return Ok(self.customisation.read_file(Path::new(path), MAX_BASE_BYTES)?);
        }
        match &self.base {
            Some(base) => base.read_file(path, MAX_BASE_BYTES).context("reading the base image's Nix database"),
            None => Ok(None),
        }
    }
}

/// What is done to the customisation layer. The folders of a Nix database are there before anything else, so that flags and
/// scripts can say whose they are.
fn operations(arguments: &SurroundingsArguments, has_nix_db: bool) -> Vec<Operation> {
    let folders = nix_db::DIRECTORIES.iter().filter(|_| has_nix_db);
    let made = folders.map(|path| Operation::Mkdir { path: path.into(), mode: None });
    made.chain(arguments.customisation.operations.iter().cloned()).collect()
}

fn open_base(
    source: &ImageSource,
    settings: &ImageSettings,
    max_bytes: Option<u64>,
    scratch: &Path,
    console: &Console,
) -> Result<BaseImage> {
    let ImageSettings { os, architecture, variant, .. } = settings.clone();
    let platform = Platform { os, architecture, variant };
    let progress = Progress::new(console, "layers");
    BaseImage::open_within(source, &platform, max_bytes, scratch, &progress).context("--from-image")
}

/// Where store paths are.
fn store_dir() -> PathBuf {
    env::var_os("NIX_STORE_DIR").filter(|dir| !dir.is_empty()).map_or_else(|| "/nix/store".into(), PathBuf::from)
}
