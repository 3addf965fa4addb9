//! `--report`: what several commands say of it.

use std::path::Path;

use anyhow::Result;
use indicatif::HumanCount;
use layerwright_packer::Durability;
use layerwright_planner::Lineages;

use super::output::write_file;
use super::plan::Made;
use crate::console::Console;
use crate::report::{Data, Image, MAX_NODES, Nodes, page};

/// Writes a page about one plan and the updates that led to it.
pub(super) fn write_of_plan(
    file: &Path,
    command: &'static str,
    title: String,
    made: &Made,
    durability: Durability,
    console: &Console,
) -> Result<()> {
    let Made { plan, history, .. } = made;
    if !fits(plan.closure().len(), console) {
        return write(file, &Data::of_images(command, title, Vec::new()), durability, console);
    }
    let nodes = Nodes::new(plan.closure(), history.iter().map(|generation| Lineages::from(&**generation)));
    let image = Image::of_plan(title.clone(), plan, &nodes, &[]);
    write(file, &Data::of_images(command, title, vec![image]), durability, console)
}

/// Writes a page and tells of it.
pub(super) fn write(file: &Path, data: &Data<'_>, durability: Durability, console: &Console) -> Result<()> {
    write_file(file, page(data)?, durability)?;
    console.say(&format!("wrote {}", file.display()));
    Ok(())
}

/// Whether a page can draw so many nodes. Otherwise tells the user, who gets the rest of it.
pub(super) fn fits(nodes: usize, console: &Console) -> bool {
    let fits = nodes <= MAX_NODES;
    if !fits {
        let [nodes, most] = [nodes, MAX_NODES].map(|count| HumanCount(count as u64));
        console.warn(&format!("the report draws no map: {nodes} nodes are more than the {most} that one can"));
    }
    fits
}
