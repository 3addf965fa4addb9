//! Figures for people.

use comfy_table::{Table, presets};
use indicatif::BinaryBytes;

use super::figures::{Figures, share};
use super::timeline::Timeline;
use crate::command::output::counted;
use crate::command::plan_table::{TEXT_BYTES, with_numbers_right};
use crate::sandbox::printable;

/// For each history a line that tells what it is, and a table with a row for each of its figures.
pub(super) fn shown(timelines: &[Timeline], figures: &[Figures]) -> String {
    // Of one history there are as many as of any other.
    let by_history = timelines.iter().zip(figures.chunks(figures.len() / timelines.len().max(1)));
    let one =
        |(timeline, figures): (&Timeline, &[Figures])| format!("{}\n{}", heading(timeline, figures), table(figures));
    by_history.map(one).collect::<Vec<_>>().join("\n")
}

/// `updates.jsonl.gz: 52 updates, 2021-07-05 to 2022-07-04; 9.76 GiB as a single layer, at least 1.20 GiB`
fn heading(timeline: &Timeline, figures: &[Figures]) -> String {
    let date = |step: Option<&super::timeline::Step>| step.map(|step| step.date.clone()).unwrap_or_default();
    let (first, last) = (date(timeline.steps.first()), date(timeline.steps.last()));
    let single = figures.first().map_or(0, |figures| figures.single_layer_bytes);
    let floor = figures.first().map_or(0, |figures| figures.floor_bytes);
    format!(
        "{}: {}, {first} to {last}; {} as a single layer, at least {}",
        printable(&timeline.name, TEXT_BYTES),
        counted(timeline.updates().len(), "update"),
        BinaryBytes(single),
        BinaryBytes(floor)
    )
}

fn table(figures: &[Figures]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "PLANNER",
        "MAX",
        "LAYERS",
        "PULLED",
        "OF SINGLE",
        "OF FLOOR",
        "P50",
        "P95",
        "MOST",
        "LARGEST",
        "PLANNING",
    ]);
    for row in figures {
        let bytes = |bytes: u64| BinaryBytes(bytes).to_string();
        table.add_row([
            printable(&row.planner, TEXT_BYTES),
            row.max_layers.to_string(),
            row.layers_used.to_string(),
            bytes(row.pulled_bytes),
            percent(share(row.pulled_bytes, row.single_layer_bytes, 1000)),
            multiple(share(row.pulled_bytes, row.floor_bytes, 100)),
            bytes(row.p50_bytes),
            bytes(row.p95_bytes),
            bytes(row.max_bytes),
            percent(Some(row.largest_layer_permille)),
            format!("{:.2?}", row.planning),
        ]);
    }
    with_numbers_right(table, 1..11)
}

/// `12.3 %`
fn percent(permille: Option<u64>) -> String {
    permille.map_or("-".into(), |permille| format!("{}.{} %", permille / 10, permille % 10))
}

/// `1.14 x`
fn multiple(hundredths: Option<u64>) -> String {
    hundredths.map_or("-".into(), |hundredths| format!("{}.{:02} x", hundredths / 100, hundredths % 100))
}
