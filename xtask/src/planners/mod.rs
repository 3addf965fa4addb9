//! What updates cost with each built-in strategy, over histories of real images.
//!
//! 1. [`simulate`] replays each history with all strategies and limits, with what they know of earlier images and
//!    without it.
//! 2. [`timing`] measures planning large closures.
//! 3. [`report`] makes tables of the [`figures`], and the page `docs/planners.md` of them and of `page.md`.
//!
//! All figures but times are the same on every machine.

mod figures;
mod options;
mod report;
mod simulate;
mod strategies;
mod timing;

use std::path::Path;

use anyhow::{Result, bail};
use fs_err as fs;

use self::figures::Results;
use self::options::Options;
use self::simulate::{History, Memory};
use crate::machine;
use crate::program::program;

/// Layers that an image may have. Docker's drivers allow no more than some 120, and users build on top.
const LIMITS: [u64; 3] = [20, 40, 100];

/// Where the histories are, and where the page goes.
const HISTORIES: &str = "tests/histories";
const PAGE: &str = "docs/planners.md";

/// Measures, and writes what came out.
pub(crate) fn run(workspace: &Path, words: &[&str]) -> Result<()> {
    let options = Options::parse(words)?;
    let dir = options.histories.clone().unwrap_or_else(|| workspace.join(HISTORIES));
    let histories = simulate::histories(&dir)?;
    let results = measure(workspace, &histories, &options)?;
    print!("{}", report::tables(&results));
    if options.write {
        let page = workspace.join(PAGE);
        fs::write(&page, report::page(&results)?)?;
        eprintln!("The page is {}", page.display());
    }
    Ok(())
}

fn measure(workspace: &Path, histories: &[History], options: &Options) -> Result<Results> {
    let program = program(workspace)?;
    let mut strategies = strategies::measured(&program)?;
    let runs = simulate::runs(histories, &strategies, options);
    if runs.is_empty() && !timing::is_wanted(&strategies, options) {
        bail!("--only names nothing that is measured: rows have names such as web-pinned/foresight and large/origin");
    }
    let machine = machine::describe(workspace, &program, &["rustc"]);
    let known = simulate::all(&program, &runs, Memory::OwnPlans)?;
    let withheld = simulate::all(&program, &runs, Memory::Nothing)?;
    let planning = timing::all(&program, &strategies, options)?;
    let histories = runs.iter().map(|run| run.history.name.clone()).collect();
    strategies.retain(|strategy| {
        known.iter().any(|one| one.strategy == *strategy) || planning.iter().any(|one| one.strategy == *strategy)
    });
    Ok(Results { machine, histories, strategies, known, withheld, planning })
}
