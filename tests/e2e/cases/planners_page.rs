//! `docs/planners.md`, whose figures are those of the program, over real histories.

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use serde_json::Value;

use crate::case::{Case, case};
use crate::run::layerwright;

pub(super) const CASES: &[Case] = &[
    case!(its_figures_are_those_that_the_program_counts),
    case!(foresight_pulls_no_more_than_auto_layer),
    case!(histories_are_as_their_readme_says),
];

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/planners.md");
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/histories");

/// The small histories: some seconds all together.
const SMALL: [&str; 2] = ["web-distro", "web-pinned"];
const LIMITS: [&str; 3] = ["20", "40", "100"];
const WITHHELD: [&[&str]; 2] = [&[], &["--no-history"]];

/// What the simulation of one history prints, planner by planner.
fn replay(history: &str, planners: &[&str], limit: &str, more: &[&str]) -> Result<Vec<Value>> {
    let file = file(history);
    let simulate = layerwright(&["simulate", "--history", &file, "--max-layers", limit, "--json", "--planner"]);
    let found = simulate.args(planners).args(more).ok()?.json()?;
    found["results"].as_array().cloned().context("results")
}

fn file(history: &str) -> String {
    format!("{FOLDER}/{history}.jsonl.zst")
}

fn number(result: &Value, key: &str) -> Result<u64> {
    result[key].as_u64().with_context(|| format!("no `{key}` in {result}"))
}

/// A table of the page, cell by cell; the first row has the titles.
fn table(page: &str, section: &str, limit: &str) -> Result<Vec<Vec<String>>> {
    let (_, section) = page.split_once(&format!("\n## {section}\n")).with_context(|| format!("no `{section}`"))?;
    let (_, table) = section.split_once(&format!("\n### {limit} layers\n\n")).context("a table for each limit")?;
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    let rows: Vec<Vec<String>> = rows.map(cells).collect();
    Ok(rows.into_iter().filter(|row| !row[0].starts_with(['-', '('])).collect())
}

fn its_figures_are_those_that_the_program_counts() -> Result<()> {
    let page = fs::read_to_string(PAGE)?;
    for (section, more) in ["What is pulled", "With the history withheld"].into_iter().zip(WITHHELD) {
        for limit in LIMITS {
            let table = table(&page, section, limit)?;
            let (titles, rows) = table.split_first().context("titles")?;
            let planners: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
            ensure!(planners.contains(&"foresight") && planners.contains(&"auto-layer"), "{planners:?}");
            for history in SMALL {
                let column = titles.iter().position(|title| title == history).context("a column for each history")?;
                for (row, result) in rows.iter().zip(replay(history, &planners, limit, more)?) {
                    let (pulled, floor) = (number(&result, "pulled_bytes")?, number(&result, "floor_bytes")?);
                    let counted = format!("{:.2}", pulled as f64 / floor as f64);
                    ensure!(
                        row[column] == counted,
                        "{} pulls {counted} times the floor of {history} with {limit} layers, and the page says {}: \
                         run `cargo xtask planners --write`",
                        row[0],
                        row[column]
                    );
                }
            }
        }
    }
    Ok(())
}

fn foresight_pulls_no_more_than_auto_layer() -> Result<()> {
    for history in SMALL {
        for limit in LIMITS {
            for more in WITHHELD {
                let results = replay(history, &["foresight", "auto-layer"], limit, more)?;
                let [foresight, auto_layer] = [&results[0], &results[1]].map(|result| number(result, "pulled_bytes"));
                let (foresight, auto_layer) = (foresight?, auto_layer?);
                ensure!(foresight <= auto_layer, "{history}, {limit} layers {more:?}: {foresight} > {auto_layer}");
            }
        }
    }
    Ok(())
}

/// Each has 53 images, and as many paths in each as its line says.
fn histories_are_as_their_readme_says() -> Result<()> {
    let readme = fs::read_to_string(format!("{FOLDER}/README.md"))?;
    let mut told = 0;
    for line in readme.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let history = cells[0].trim_matches('`').trim_end_matches(".jsonl.zst");
        let (file, paths) = (file(history), cells[1].parse::<u64>()?);
        // With enough layers for all, each path has one.
        let results = replay(history, &["popularity"], "1000", &[])?;
        ensure!(number(&results[0], "updates")? == 52, "{file}: {}", results[0]["updates"]);
        ensure!(number(&results[0], "layers_used")? == paths, "{file}: {}", results[0]["layers_used"]);
        told += 1;
    }
    let files = fs::read_dir(FOLDER)?.filter_map(Result::ok).filter(|file| file.file_name() != "README.md").count();
    ensure!(told == files, "{told} of {files} histories are told of");
    Ok(())
}
