//! `layerwright pack`, and the second half of `layerwright build`.

use std::io::{IsTerminal, stdout};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use indicatif::BinaryBytes;
use layerwright_packer::{
    Customisation, Destination, ImageSettings, LayerKind, LayerReuse, PackRequest, PackedImage, ReadyLayer, pack,
};
use layerwright_planner::Plan;
use serde::Serialize;

use super::afterwards::Afterwards;
use super::image_settings::GivenSettings;
use super::inputs::{check_all_there, check_there, root};
use super::made_by_scripts::lacking;
use super::output::{counted, print_json};
use super::places::{Place, check_apart};
use super::plan_file::read_plan;
use super::surroundings::{Surroundings, check_stream};
use crate::arguments::{CacheDirArguments, PackArguments, PackingArguments};
use crate::caches::open_layer_cache;
use crate::console::Console;
use crate::exit::Usage;
use crate::interrupt::Writing;
use crate::progress::Progress;
use crate::source::{NodeFilesByName, ReadClosure, Source};

pub(crate) fn run(arguments: &PackArguments, console: &Console) -> Result<ExitCode> {
    let packing = Packing::check(&arguments.packing, &arguments.cache_dir, console)?;
    let others = arguments.nix_db.iter().filter_map(Source::file).chain([arguments.plan.clone()]);
    check_stream(&arguments.surroundings, others).map_err(Usage)?;
    check_places(arguments)?;
    let ready = read_layers(&arguments.layers)?;
    let plan = read_plan(&arguments.plan, console)?.plan;
    arguments.missing.check(plan.kind()).map_err(Usage)?;
    let files = NodeFilesByName::of_plan(&plan, &arguments.root, &arguments.missing.allow_missing)?;
    let root = &*arguments.root;
    let has_nix_db = arguments.nix_db.is_some();
    let mut surroundings = Surroundings::open(&arguments.surroundings, root, packing.settings(), has_nix_db, console)?;
    if !arguments.packing.no_store_paths {
        surroundings.lay_upon_packages(&plan, &files, root)?;
    }
    if let Some(source) = &arguments.nix_db {
        let ReadClosure { closure, files } = source.read(root, surroundings.references(), &[])?;
        surroundings.add_nix_db(&closure, &files, root)?;
    }
    let (ready, surroundings) = (&ready[..], &surroundings);
    Ok(packing.run(&Planned { plan: &plan, files: &files, root, ready, surroundings }, console)?.code())
}

/// Refuses what is not there, and to write over what is read.
fn check_places(arguments: &PackArguments) -> Result<()> {
    let PackArguments { plan, layers, surroundings, nix_db, packing, .. } = arguments;
    let plan = [("--plan", plan.as_path())];
    let layers = layers.iter().map(|dir| ("--layers", dir.as_path()));
    // Where all layers are packed already, nothing is read there.
    let root = arguments.layers.is_empty().then(|| root(&arguments.root));
    check_there(plan.into_iter().chain(layers).chain(surroundings.sources()).chain(root))?;
    let graph: Vec<Place> = nix_db.iter().filter_map(Place::of_graph).collect();
    check_all_there(&graph, [])?;
    let config = packing.settings.image_config.as_deref().map(|file| ("--image-config", file));
    let files = Place::of_files(plan.into_iter().chain(config).chain(surroundings.customisation.sources()));
    check_apart([Place::of_image(&packing.to)], files.chain(graph)).map_err(Usage)?;
    Ok(())
}

/// Layers that were packed one by one.
fn read_layers(dirs: &[PathBuf]) -> Result<Vec<ReadyLayer>> {
    let layers = dirs.iter().map(|dir| ReadyLayer::open(dir).context("--layers"));
    Ok(layers.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// What is to be packed.
#[derive(Clone, Copy)]
pub(super) struct Planned<'a> {
    pub(super) plan: &'a Plan,
    pub(super) files: &'a NodeFilesByName,
    /// Below which the files are.
    pub(super) root: &'a Path,
    /// Layers that were packed one by one.
    pub(super) ready: &'a [ReadyLayer],
    pub(super) surroundings: &'a Surroundings,
}

/// The second half of a build. What can be refused before any work is done has been.
pub(super) struct Packing<'a> {
    arguments: &'a PackingArguments,
    cache_dir: &'a CacheDirArguments,
    settings: GivenSettings,
}

impl<'a> Packing<'a> {
    pub(super) fn check(
        arguments: &'a PackingArguments,
        cache_dir: &'a CacheDirArguments,
        console: &Console,
    ) -> Result<Self> {
        if arguments.to == Destination::Stdout {
            check_stdout(arguments).map_err(Usage)?;
        }
        let _writing = Writing::start();
        arguments.to.check(arguments.compression, arguments.legacy_parents)?;
        Ok(Self { arguments, cache_dir, settings: GivenSettings::new(&arguments.settings, console)? })
    }

    /// What the user said about the image.
    pub(super) fn settings(&self) -> &ImageSettings {
        self.settings.given()
    }

    /// Writes the image and tells about it.
    pub(super) fn run<'c>(self, planned: &Planned<'_>, console: &'c Console) -> Result<Afterwards<'c>> {
        let Planned { files, root, ready, surroundings, .. } = *planned;
        let nothing = Plan::from_store_layers("[]")?;
        let plan = if self.arguments.no_store_paths { &nothing } else { planned.plan };
        files.check(plan)?;
        // Whoever packed a layer was told.
        if ready.is_empty() {
            tell_left_out(files, plan.closure().nodes().iter().map(|node| &*node.name), root, console)?;
        }
        let is_there = |file: &Path| files.lists(file) || surroundings.has_file(file);
        lacking(plan, root, is_there).iter().for_each(|told| console.warn(told));
        let Self { arguments, cache_dir, settings } = self;
        // A stream has no use for it.
        let is_file = arguments.to != Destination::Stdout;
        let cache = is_file.then(|| open_layer_cache(cache_dir, &arguments.cache, console)).flatten();
        let nar_hash = |name: &str| files.nar_hash(name);
        let reuse = cache.as_ref().map(|cache| LayerReuse { cache, nar_hash: &nar_hash });
        let has_files = surroundings.customisation().is_some_and(Customisation::has_files);
        let request = PackRequest {
            plan,
            files: &|name| files.get(name),
            root,
            settings: &settings.of_image(plan, surroundings.base(), has_files, arguments.inherit)?,
            compression: arguments.compression,
            destination: &arguments.to,
            tags: &arguments.tags,
            base: surroundings.base(),
            customisation: surroundings.customisation(),
            ready,
            legacy_parents: arguments.legacy_parents,
            threads: threads(arguments.threads),
            reuse,
            durability: arguments.sync.durability(),
        };
        let writing = Writing::start();
        let progress = Progress::new(console, "layers");
        let image = pack(&request, &progress).context("packing the image")?;
        drop((progress, writing));
        let mut after = Afterwards::new(console);
        if arguments.json {
            let packed = Packed { destination: arguments.to.to_string(), image: &image };
            after.done("what --json prints", print_json(&packed));
        } else {
            console.say(&summary(&image, &arguments.to));
        }
        Ok(after)
    }
}

/// Tells what these nodes are packed without.
pub(super) fn tell_left_out<'n>(
    files: &NodeFilesByName,
    nodes: impl Iterator<Item = &'n str>,
    root: &Path,
    console: &Console,
) -> Result<()> {
    let left_out = files.left_out(nodes, root)?;
    if !left_out.is_empty() {
        console.note(&left_out.to_string());
    }
    Ok(())
}

/// How many threads pack: as many as the user says, or else the builder of Nix that this is. `None` for one for each
/// processor.
pub(super) fn threads(given: Option<NonZeroUsize>) -> Option<NonZeroUsize> {
    let is_builder = std::env::var_os("NIX_BUILD_TOP").is_some();
    // 0 says the same as nothing.
    let cores = || std::env::var("NIX_BUILD_CORES").ok().filter(|_| is_builder)?.parse().ok();
    given.or_else(cores)
}

fn check_stdout(arguments: &PackingArguments) -> Result<()> {
    if arguments.json {
        bail!("--json has no place to go: standard output takes the image with --to -");
    }
    if stdout().is_terminal() {
        bail!("standard output is a terminal, which cannot take an image; pipe it into `docker load` or `podman load`");
    }
    Ok(())
}

/// What `--json` prints.
#[derive(Serialize)]
struct Packed<'a> {
    destination: String,
    #[serde(flatten)]
    image: &'a PackedImage,
}

fn summary(image: &PackedImage, destination: &Destination) -> String {
    let stored: u64 = image.layers.iter().map(|layer| layer.blob_bytes).sum();
    let plain: u64 = image.layers.iter().map(|layer| layer.tar_bytes).sum();
    let (stored, plain) = (BinaryBytes(stored), BinaryBytes(plain));
    let place =
        if *destination == Destination::Stdout { "standard output".to_owned() } else { destination.to_string() };
    let layers = counted(image.layers.len(), "layer");
    let reused = || image.layers.iter().filter(|layer| layer.reused);
    let reuse = match reused().count() {
        0 => String::new(),
        count => {
            let bytes = BinaryBytes(reused().map(|layer| layer.tar_bytes).sum());
            format!("\n  {count} of them packed before, {bytes} that were not read again")
        }
    };
    let base = match image.layers.iter().filter(|layer| layer.kind == LayerKind::Base).count() {
        0 => String::new(),
        count => format!("\n  {count} of them from the base image"),
    };
    let names = match image.references.as_slice() {
        [] => String::new(),
        names => format!("\n  named {}", names.join(", ")),
    };
    format!("wrote {place}\n  {layers}, {stored} ({plain} plain){base}{reuse}\n  image ID {}{names}", image.image_id)
}
