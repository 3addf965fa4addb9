//! `layerwright layer`

use std::process::ExitCode;

use anyhow::{Context, Result};
use indicatif::BinaryBytes;
use layerwright_packer::{LayerRequest, PackedLayer, pack_layer};

use super::image_settings::stamp;
use super::inputs::{check_there, root};
use super::output::{check_new_folder, counted, print_json};
use super::pack::{tell_left_out, threads};
use super::plan_file::read_plan;
use crate::arguments::LayerArguments;
use crate::console::Console;
use crate::exit::Usage;
use crate::interrupt::Writing;
use crate::progress::Progress;
use crate::source::NodeFilesByName;

pub(crate) fn run(arguments: &LayerArguments, console: &Console) -> Result<ExitCode> {
    let stamp = stamp(&arguments.stamp).map_err(Usage)?;
    check_new_folder(&arguments.output).context("packing the layer")?;
    check_there([("--plan", &*arguments.plan), root(&arguments.root)])?;
    let plan = read_plan(&arguments.plan, console)?.plan;
    arguments.missing.check(plan.kind()).map_err(Usage)?;
    let files = NodeFilesByName::of_plan(&plan, &arguments.root, &arguments.missing.allow_missing)?;
    files.check(&plan)?;
    if let Some(layer) = plan.layers().get(arguments.index) {
        tell_left_out(&files, plan.names(layer), &arguments.root, console)?;
    }
    let request = LayerRequest {
        plan: &plan,
        layer: arguments.index,
        files: &|name| files.get(name),
        root: &arguments.root,
        compression: arguments.compression,
        stamp: &stamp,
        threads: threads(arguments.threads),
        durability: arguments.sync.durability(),
    };
    let writing = Writing::start();
    let progress = Progress::new(console, "layers");
    let packed = pack_layer(&request, &arguments.output, &progress).context("packing the layer")?;
    drop((progress, writing));
    if arguments.json {
        print_json(&packed)?;
    } else {
        console.say(&summary(packed.as_ref(), arguments, plan.layers().len()));
    }
    Ok(ExitCode::SUCCESS)
}

fn summary(packed: Option<&PackedLayer>, arguments: &LayerArguments, layers: usize) -> String {
    let output = arguments.output.display();
    match packed {
        Some(PackedLayer { nodes, digest, tar_bytes, blob_bytes, .. }) => {
            let (nodes, stored, plain) = (counted(*nodes, "node"), BinaryBytes(*blob_bytes), BinaryBytes(*tar_bytes));
            format!("wrote {output}\n  {nodes}, {stored} ({plain} plain)\n  digest {digest}")
        }
        None => format!("wrote {output}\n  empty: the plan has {}", counted(layers, "layer")),
    }
}
