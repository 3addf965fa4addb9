//! The cases, one file for each subject.

mod base;
mod cache;
mod cli;
mod compiling;
mod contracts;
mod cpython;
mod customisation;
mod destinations;
mod determinism;
mod dpkg;
mod durability;
mod explain;
mod failures;
mod graph;
mod history;
mod layer;
mod load;
mod memory;
mod nix;
mod nix_library;
mod nix_library_files;
mod nix_library_scripts;
mod places;
mod planner_commands;
mod planner_settings;
mod planners;
mod planners_page;
mod plans;
mod random_trees;
mod report;
mod reuse;
mod settings;
mod simulate;
mod skopeo;
mod small_files;
mod templates;
mod threats;
mod umoci;
mod verify;

use libtest_mimic::Trial;

use crate::case::Case;

const SUBJECTS: &[(&str, &[Case])] = &[
    ("base", base::CASES),
    ("cache", cache::CASES),
    ("cli", cli::CASES),
    ("compiling", compiling::CASES),
    ("contracts", contracts::CASES),
    ("cpython", cpython::CASES),
    ("customisation", customisation::CASES),
    ("destinations", destinations::CASES),
    ("determinism", determinism::CASES),
    ("dpkg", dpkg::CASES),
    ("durability", durability::CASES),
    ("explain", explain::CASES),
    ("failures", failures::CASES),
    ("graph", graph::CASES),
    ("history", history::CASES),
    ("layer", layer::CASES),
    ("load", load::CASES),
    ("memory", memory::CASES),
    ("nix", nix::CASES),
    ("nix_library", nix_library::CASES),
    ("nix_library_files", nix_library_files::CASES),
    ("nix_library_scripts", nix_library_scripts::CASES),
    ("places", places::CASES),
    ("planner_commands", planner_commands::CASES),
    ("planner_settings", planner_settings::CASES),
    ("planners", planners::CASES),
    ("planners_page", planners_page::CASES),
    ("plans", plans::CASES),
    ("random_trees", random_trees::CASES),
    ("report", report::CASES),
    ("reuse", reuse::CASES),
    ("settings", settings::CASES),
    ("simulate", simulate::CASES),
    ("skopeo", skopeo::CASES),
    ("small_files", small_files::CASES),
    ("templates", templates::CASES),
    ("threats", threats::CASES),
    ("umoci", umoci::CASES),
    ("verify", verify::CASES),
];

/// Those that run a second time, with the Nix of Debian's next release.
const WITH_BOTH_NIXES: [&str; 4] = ["nix", "nix_library", "nix_library_files", "nix_library_scripts"];

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for (subject, cases) in SUBJECTS {
        trials.extend(cases.iter().map(|case| case.trial(subject)));
        if WITH_BOTH_NIXES.contains(subject) {
            trials.extend(cases.iter().map(|case| case.trial_with_next_nix(subject)));
        }
    }
    trials
}
