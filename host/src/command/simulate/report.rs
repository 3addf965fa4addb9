//! `simulate --report`: what each update costs, and what each run ended with.

use std::path::Path;

use anyhow::Result;
use indicatif::HumanCount;
use layerwright_packer::Durability;
use layerwright_planner::Lineages;

use super::Run;
use super::figures::Figures;
use super::replay::LastImage;
use super::timeline::{Step, Timeline};
use crate::command::output::counted;
use crate::command::report::write;
use crate::console::Console;
use crate::report::{self, Data, History, Image, MAX_NODES, Nodes};

/// Chooses the runs whose last images are kept until they are drawn: the first ones, as many as one page can draw. Tells
/// the user of the others.
pub(super) fn choose_drawn(runs: &mut [Run<'_>], console: &Console) {
    let sizes = runs.iter().map(|run| run.timeline.steps.last().map_or(0, |step| step.closure.len()));
    let drawn = how_many_fit(sizes);
    runs[..drawn].iter_mut().for_each(|run| run.is_drawn = true);
    let left_out = runs.len() - drawn;
    if left_out > 0 {
        let most = HumanCount(MAX_NODES as u64);
        let runs = counted(left_out, "run");
        console.warn(&format!("the report draws no map for the last {runs}: it can draw {most} nodes in all"));
    }
}

/// How many images of these sizes fit into a page, from the first one on.
fn how_many_fit(sizes: impl Iterator<Item = usize>) -> usize {
    let mut nodes = 0_usize;
    let fits = |size: &usize| {
        nodes = nodes.saturating_add(*size);
        nodes <= MAX_NODES
    };
    sizes.take_while(fits).count()
}

/// `results` and `images` are those of the runs, in their order: of each history as many as of any other.
pub(super) fn write_of<'a>(
    file: &Path,
    timelines: &'a [Timeline],
    results: &[Figures],
    images: &[Option<LastImage>],
    console: &Console,
) -> Result<()> {
    let runs = (results.len() / timelines.len().max(1)).max(1);
    let outcomes: Vec<Outcome<'_>> = results.iter().zip(images).collect();
    let by_history = || timelines.iter().zip(outcomes.chunks(runs));
    let nodes: Vec<Nodes<'_>> = by_history().map(|(timeline, outcomes)| last_nodes(timeline, outcomes)).collect();
    let files: Vec<&str> = timelines.iter().map(|timeline| timeline.name.as_str()).collect();
    let names = without_common_folder(&files);
    let histories = {
        let mut drawn = 0;
        let history = |((timeline, outcomes), name): (_, &&'a str)| history(timeline, name, outcomes, &mut drawn);
        by_history().zip(&names).map(history).collect()
    };
    // Only where there are several must one be told from the others.
    let of = |name: &str| if names.len() > 1 { format!(", of {name}") } else { String::new() };
    let images = by_history().zip(&nodes).zip(&names);
    let images = images.flat_map(|(((_, outcomes), nodes), name)| last_images(outcomes, nodes, &of(name))).collect();
    write(
        file,
        &Data { histories, ..Data::of_images("simulate", files.join(", "), images) },
        Durability::Synced,
        console,
    )
}

/// What tells files from each other: their names from the folder on that has all of them.
fn without_common_folder<'a>(files: &[&'a str]) -> Vec<&'a str> {
    let first = files.first().copied().unwrap_or_default();
    let is_above = |folder: &str| files.iter().all(|file| file.starts_with(folder) && *file != folder);
    let above = first.rmatch_indices('/').map(|(slash, _)| slash + 1).find(|end| is_above(&first[..*end])).unwrap_or(0);
    files.iter().map(|file| &file[above..]).collect()
}

/// Figures, and the image if it is drawn.
type Outcome<'a> = (&'a Figures, &'a Option<LastImage>);

/// What is in the last image, whoever planned it.
fn last_nodes<'a>(timeline: &'a Timeline, outcomes: &[Outcome<'_>]) -> Nodes<'a> {
    match timeline.steps.split_last() {
        Some((last, past)) if outcomes.iter().any(|(_, image)| image.is_some()) => {
            Nodes::new(&last.closure, past.iter().rev().map(|step| Lineages::from(&step.closure)))
        }
        _ => Nodes::default(),
    }
}

/// Their names end with `of`.
fn last_images<'a>(outcomes: &[Outcome<'a>], nodes: &'a Nodes<'a>, of: &str) -> Vec<Image<'a>> {
    let image = |(figures, image): &Outcome<'a>| {
        let LastImage { plan, states } = image.as_ref()?;
        let layers = counted(usize::try_from(figures.max_layers.get()).unwrap_or(usize::MAX), "layer");
        let name = format!("{}, at most {layers}{of}", figures.planner);
        Some(Image::of_plan(name, plan, nodes, states))
    };
    outcomes.iter().filter_map(image).collect()
}

/// `drawn` counts the images so far.
fn history<'a>(timeline: &'a Timeline, name: &'a str, outcomes: &[Outcome<'a>], drawn: &mut usize) -> History<'a> {
    let updates = timeline.updates();
    let bytes = |of: fn(&Step) -> u64| updates.iter().map(of).collect::<Vec<_>>();
    let mut run = |(figures, image): &Outcome<'a>| {
        let image = image.as_ref().map(|_| {
            *drawn += 1;
            *drawn - 1
        });
        report::Run {
            planner: &figures.planner,
            max_layers: figures.max_layers.get(),
            pulled_bytes: &figures.pulled_bytes_by_update,
            layers_used: figures.layers_used,
            largest_layer_permille: figures.largest_layer_permille,
            planning_us: figures.planning_us,
            image,
        }
    };
    History {
        name,
        file: &timeline.name,
        since: timeline.steps.first().map_or("", |step| step.date.as_str()),
        dates: updates.iter().map(|step| step.date.as_str()).collect(),
        floor_bytes: bytes(|step| step.floor_bytes),
        single_layer_bytes: bytes(|step| step.single_layer_bytes),
        runs: outcomes.iter().map(&mut run).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart_by_what_they_do_not_share() {
        for (files, names) in [
            (&["a.jsonl"][..], &["a.jsonl"][..]),
            (&["/x/y/a.jsonl"], &["a.jsonl"]),
            (&["/x/y/a", "/x/y/b"], &["a", "b"]),
            (&["x/one/a", "x/two/a"], &["one/a", "two/a"]),
            (&["x/", "x/a"], &["x/", "x/a"]),
            (&["a", "/b"], &["a", "/b"]),
            (&["x/ä", "x/ö"], &["ä", "ö"]),
        ] {
            assert_eq!(without_common_folder(files), names);
        }
    }

    #[test]
    fn a_page_draws_as_many_images_as_it_can() {
        let third = MAX_NODES / 3;
        assert_eq!(how_many_fit([third; 5].into_iter()), 3);
        assert_eq!(how_many_fit([third, MAX_NODES, 1].into_iter()), 1);
        assert_eq!(how_many_fit([MAX_NODES, 0, 0].into_iter()), 3);
        assert_eq!(how_many_fit([usize::MAX, usize::MAX].into_iter()), 0);
    }
}
