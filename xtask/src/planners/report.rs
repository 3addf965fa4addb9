//! The figures as tables, on standard output and in `docs/planners.md`.

use anyhow::{Result, bail};

use super::LIMITS;
use super::figures::{Figures, Results, of, over_all, ratio};
use super::strategies::YARDSTICK;
use crate::table::Table;

/// The page but for its tables, each of which has a line with its name in braces.
const TEXT: &str = include_str!("page.md");

/// After so many updates it is told what was pulled until then.
const FIRST_UPDATES: [usize; 6] = [1, 3, 6, 13, 26, 52];

/// For what was not measured, or has nothing to compare with.
const NOTHING: &str = "-";

/// A table of the page, or several.
struct Part {
    /// In `page.md`, in braces.
    name: &'static str,
    /// On standard output.
    title: &'static str,
    make: fn(&Results) -> String,
}

const PARTS: [Part; 12] = [
    Part { name: "histories", title: "Histories", make: histories },
    Part {
        name: "pulled",
        title: "Pulled, as a multiple of the floor",
        make: |results| pulled(results, &results.known),
    },
    Part { name: "excess", title: "Excess over all histories", make: |results| excess(results, &results.known) },
    Part { name: "start", title: "The first updates", make: start },
    Part { name: "withheld", title: "Pulled with the history withheld", make: |results| pulled_withheld(results) },
    Part {
        name: "excess withheld",
        title: "Excess with the history withheld",
        make: |results| excess_withheld(results),
    },
    Part { name: "worst", title: "Where each loses", make: |results| worst(results, &results.known) },
    Part {
        name: "worst withheld",
        title: "Where each loses with the history withheld",
        make: |results| worst(results, &results.withheld),
    },
    Part { name: "p95", title: "MB that 19 of 20 updates do not exceed", make: p95 },
    Part { name: "layers", title: "Layers used, and the largest one's share", make: layers },
    Part { name: "planning", title: "Planning time", make: planning },
    Part { name: "machine", title: "Machine", make: machine },
];

/// All tables.
pub(crate) fn tables(results: &Results) -> String {
    PARTS.iter().map(|part| format!("## {}\n\n{}\n", part.title, (part.make)(results))).collect()
}

/// The page for `docs/`.
pub(crate) fn page(results: &Results) -> Result<String> {
    let mut page = String::new();
    for line in TEXT.lines() {
        match name_in_braces(line) {
            Some(name) => match PARTS.iter().find(|part| part.name == name) {
                Some(part) => page += &(part.make)(results),
                None => bail!("page.md wants a table `{name}`, and there is none"),
            },
            None => page += &format!("{line}\n"),
        }
    }
    Ok(page)
}

/// `{name}`
fn name_in_braces(line: &str) -> Option<&str> {
    line.strip_prefix('{')?.strip_suffix('}')
}

fn table(columns: Vec<String>) -> Table {
    Table::new("", "", &columns.iter().map(String::as_str).collect::<Vec<_>>())
}

/// A column for each history, after others.
fn with_histories(first: &[&str], results: &Results) -> Table {
    let names = results.histories.iter().map(|history| format!("{history}>"));
    table(first.iter().map(|title| (*title).to_owned()).chain(names).collect())
}

fn histories(results: &Results) -> String {
    let mut table =
        Table::new("", "", &["history", "updates>", "MB of an image>", "changed MB of an update>", "of the image>"]);
    for history in &results.histories {
        let Some(any) = results.known.iter().find(|one| one.history == *history) else { continue };
        let mean = |bytes: u64| megabytes(bytes.checked_div(any.updates).unwrap_or(0));
        let share = percent(ratio(any.floor_bytes, any.single_layer_bytes));
        let (image, changed) = (mean(any.single_layer_bytes), mean(any.floor_bytes));
        table.push([history.clone(), any.updates.to_string(), image, changed, share]);
    }
    table.to_string()
}

/// Below each other a table for each limit.
fn by_limit(make: impl Fn(u64) -> Table) -> String {
    let titled = LIMITS.map(|limit| format!("### {limit} layers\n\n{}", make(limit)));
    titled.join("\n")
}

fn pulled(results: &Results, all: &[Figures]) -> String {
    by_limit(|limit| {
        let mut table = pulled_table(results, all, limit, &strategies(results));
        let single = |history: &String| {
            let any = all.iter().find(|one| one.history == *history);
            any.map_or_else(|| NOTHING.into(), |any| times(ratio(any.single_layer_bytes, any.floor_bytes)))
        };
        table.push(std::iter::once("(one single layer)".into()).chain(results.histories.iter().map(single)));
        table
    })
}

fn pulled_withheld(results: &Results) -> String {
    by_limit(|limit| pulled_table(results, &results.withheld, limit, &with_memory(results)))
}

fn pulled_table(results: &Results, all: &[Figures], limit: u64, strategies: &[&str]) -> Table {
    let mut table = with_histories(&["planner"], results);
    for strategy in strategies {
        let cells = of_each_history(results, all, strategy, limit, |one| times(one.of_floor()));
        table.push(std::iter::once((*strategy).to_owned()).chain(cells));
    }
    table
}

fn of_each_history(
    results: &Results,
    all: &[Figures],
    strategy: &str,
    limit: u64,
    cell: impl Fn(&Figures) -> String,
) -> Vec<String> {
    let one = |history: &String| of(all, history, strategy, limit).map_or_else(|| NOTHING.into(), &cell);
    results.histories.iter().map(one).collect()
}

fn strategies(results: &Results) -> Vec<&str> {
    results.strategies.iter().map(String::as_str).collect()
}

/// The strategies for which it matters whether they know earlier images, and the one they are compared with.
fn with_memory(results: &Results) -> Vec<&str> {
    let pulled = |all: &[Figures], strategy: &str| -> Vec<u64> {
        all.iter().filter(|one| one.strategy == strategy).map(|one| one.pulled_bytes).collect()
    };
    let matters = |strategy: &&str| {
        *strategy == YARDSTICK || pulled(&results.known, strategy) != pulled(&results.withheld, strategy)
    };
    strategies(results).into_iter().filter(matters).collect()
}

fn excess(results: &Results, all: &[Figures]) -> String {
    excess_table(results, all, &strategies(results))
}

fn excess_withheld(results: &Results) -> String {
    excess_table(results, &results.withheld, &with_memory(results))
}

/// What is pulled in the first updates of all histories and limits, against the yardstick.
fn start(results: &Results) -> String {
    let mut table = Table::new(
        "",
        "",
        &["planner", "updates>", &format!("pulled, of {YARDSTICK}'s>"), "more with>", "at most by>"],
    );
    for strategy in with_memory(results).into_iter().filter(|strategy| *strategy != YARDSTICK) {
        for updates in FIRST_UPDATES {
            let mine = results.known.iter().filter(|one| one.strategy == strategy);
            let pairs = mine.filter_map(|one| {
                let yardstick = of(&results.known, &one.history, YARDSTICK, one.max_layers)?;
                Some((one.pulled_until(updates)?, yardstick.pulled_until(updates)?))
            });
            let pairs: Vec<(u64, u64)> = pairs.collect();
            let (mine, yardstick) = pairs.iter().fold((0, 0), |sums, pair| (sums.0 + pair.0, sums.1 + pair.1));
            let more: Vec<f64> =
                pairs.iter().filter(|pair| pair.0 > pair.1).map(|pair| ratio(pair.0 - pair.1, pair.1)).collect();
            let most = more.iter().copied().reduce(f64::max);
            table.push([
                strategy.to_owned(),
                updates.to_string(),
                percent(ratio(mine, yardstick)),
                format!("{} of {}", more.len(), pairs.len()),
                most.map_or_else(|| NOTHING.into(), percent),
            ]);
        }
    }
    table.to_string()
}

/// Of those that were measured over all histories: other sums cannot be compared.
fn excess_table(results: &Results, all: &[Figures], strategies: &[&str]) -> String {
    let titles = LIMITS.iter().flat_map(|limit| [format!("{limit} layers, MB>"), format!("of {YARDSTICK}'s>")]);
    let mut table = table(std::iter::once("planner".into()).chain(titles).collect());
    let sum = |strategy: &str, limit| {
        let excess: Vec<u64> = over_all(all, strategy, limit).map(Figures::excess_bytes).collect();
        (excess.len() == results.histories.len()).then(|| excess.iter().sum::<u64>())
    };
    for strategy in strategies {
        let cells = LIMITS.iter().flat_map(|limit| {
            let (excess, yardstick) = (sum(strategy, *limit), sum(YARDSTICK, *limit));
            let of_yardstick = excess.zip(yardstick).map(|(excess, yardstick)| percent(ratio(excess, yardstick)));
            [excess.map(megabytes), of_yardstick].map(|cell| cell.unwrap_or_else(|| NOTHING.into()))
        });
        table.push(std::iter::once((*strategy).to_owned()).chain(cells));
    }
    table.to_string()
}

/// For each strategy, where it pulls most as a multiple of what the best one pulls there.
fn worst(results: &Results, all: &[Figures]) -> String {
    let more = format!("more than {YARDSTICK}>");
    let mut table = Table::new("", "", &["planner", "worst with", "x floor>", "best there", "x floor>", &more]);
    for strategy in strategies(results) {
        let Some((one, best)) = worst_of(all, strategy) else { continue };
        table.push([
            strategy.to_owned(),
            format!("{}, {} layers", one.history, one.max_layers),
            times(one.of_floor()),
            best.strategy.clone(),
            times(best.of_floor()),
            losses(all, strategy),
        ]);
    }
    table.to_string()
}

/// With the best there. Who is best everywhere is worst where the multiple of the floor is highest.
fn worst_of<'a>(all: &'a [Figures], strategy: &str) -> Option<(&'a Figures, &'a Figures)> {
    let lost = |one: &Figures, best: &Figures| ratio(one.pulled_bytes, best.pulled_bytes);
    let mine = all.iter().filter(|one| one.strategy == strategy).filter_map(|one| Some((one, best_beside(all, one)?)));
    let rank = |(one, best): &(&Figures, &Figures)| (lost(one, best), one.of_floor());
    mine.reduce(|worst, next| if rank(&next) > rank(&worst) { next } else { worst })
}

fn beside<'a>(all: &'a [Figures], one: &'a Figures) -> impl Iterator<Item = &'a Figures> {
    all.iter().filter(|other| other.history == one.history && other.max_layers == one.max_layers)
}

fn best_beside<'a>(all: &'a [Figures], one: &'a Figures) -> Option<&'a Figures> {
    beside(all, one).min_by_key(|other| other.pulled_bytes)
}

/// `2 of 15`: with so many of the histories and limits it pulls more than the one it is compared with.
fn losses(all: &[Figures], strategy: &str) -> String {
    let mine: Vec<&Figures> = all.iter().filter(|one| one.strategy == strategy).collect();
    let is_more = |one: &&&Figures| {
        beside(all, one).any(|other| other.strategy == YARDSTICK && other.pulled_bytes < one.pulled_bytes)
    };
    format!("{} of {}", mine.iter().filter(is_more).count(), mine.len())
}

fn p95(results: &Results) -> String {
    each_limit_and_strategy(results, |one| megabytes(one.p95_bytes))
}

fn layers(results: &Results) -> String {
    each_limit_and_strategy(results, |one| {
        format!("{}, {}", one.layers_used, percent(one.largest_layer_permille as f64 / 1000.0))
    })
}

fn each_limit_and_strategy(results: &Results, cell: impl Fn(&Figures) -> String) -> String {
    let mut table = with_histories(&["layers>", "planner"], results);
    for limit in LIMITS {
        for strategy in strategies(results) {
            let cells = of_each_history(results, &results.known, strategy, limit, &cell);
            table.push([limit.to_string(), strategy.to_owned()].into_iter().chain(cells));
        }
    }
    table.to_string()
}

/// The slowest plan with any limit of each history, and plans of large closures.
fn planning(results: &Results) -> String {
    let histories = results.histories.iter().map(|history| format!("{history}, ms>"));
    let large = large(results);
    let closures = large.iter().flat_map(|(closure, nodes)| [format!("{closure} ({nodes} nodes), ms>"), "MiB>".into()]);
    let mut table = table(std::iter::once("planner".into()).chain(histories).chain(closures).collect());
    for strategy in strategies(results) {
        let slowest = |history: &String| {
            let plans = results.known.iter().filter(|one| one.strategy == strategy && one.history == *history);
            plans.map(|one| one.slowest_plan_us).max().map_or_else(|| NOTHING.into(), milliseconds)
        };
        let of_large = |(closure, _): &(&str, u64)| {
            let found = results.planning.iter().find(|one| one.strategy == strategy && one.closure == *closure);
            found.map_or_else(
                || [NOTHING.to_owned(), NOTHING.to_owned()],
                |one| [milliseconds(one.plan_us), format!("{:.0}", one.memory_bytes as f64 / f64::from(1 << 20))],
            )
        };
        let cells = results.histories.iter().map(slowest).chain(large.iter().flat_map(of_large));
        table.push(std::iter::once(strategy.to_owned()).chain(cells));
    }
    table.to_string()
}

/// The closures that were planned, each with its number of nodes.
fn large(results: &Results) -> Vec<(&str, u64)> {
    let mut large: Vec<(&str, u64)> = Vec::new();
    for planning in &results.planning {
        if large.iter().all(|(closure, _)| *closure != planning.closure) {
            large.push((&planning.closure, planning.nodes));
        }
    }
    large
}

fn machine(results: &Results) -> String {
    let mut table = Table::new("", "", &["", "is"]);
    for (name, value) in &results.machine {
        table.push([name.clone(), value.clone()]);
    }
    table.to_string()
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

fn milliseconds(microseconds: u64) -> String {
    format!("{:.1}", microseconds as f64 / 1e3)
}

fn times(ratio: f64) -> String {
    if ratio.is_nan() { NOTHING.into() } else { format!("{ratio:.2}") }
}

fn percent(ratio: f64) -> String {
    if ratio.is_nan() { NOTHING.into() } else { format!("{:.1} %", ratio * 100.0) }
}

#[cfg(test)]
mod tests;
