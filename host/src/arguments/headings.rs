//! Every flag of every command stands where one looks for it in the help.
//!
//! A heading goes on behind the arguments that it is meant for, into whatever is flattened next to them. So a flag that
//! comes last gets the heading of its neighbours, unless it says its own.

use std::collections::BTreeMap;

use clap::{Command, CommandFactory};

use super::{Arguments, CHECKED_SETTINGS, SETTINGS, STAMP};

/// What stands under which heading, in all commands that have it. Anything else stands under none.
const HEADINGS: &[(&str, &str)] = &[
    ("Closure", "from exclude shape nodes allow-missing"),
    ("Planning", "planner max-layers history no-history locked state"),
    (
        "Sandbox",
        "planner-fuel planner-memory planner-timeout planner-output planner-log planner-stack planner-size \
         planner-compile-timeout planner-compile-memory no-compile-cache",
    ),
    ("Cache", "cache-dir compiled-dir no-cache cache-size"),
    ("Base image", "from-image max-base-size"),
    (
        "Customisation layer (done in the order given)",
        "copy-to-root copy-mode add mkdir symlink chown chmod customisation staged staged-attributes customisation-owner \
         fake-nss",
    ),
    ("Image", "to tag inherit no-store-paths legacy-parents compression nix-db"),
    (SETTINGS, "image-config entrypoint cmd env label user workdir expose architecture variant os created"),
    (STAMP, "mtime uid gid uname gname"),
];

/// Where a flag means something else, or is one of few: the command, the flag, and its heading.
const EXCEPTIONS: &[(&str, &str, Option<&str>)] = &[
    // The folder of a closure, or of the files of a plan.
    ("build", "root", Some("Closure")),
    ("plan", "root", Some("Closure")),
    ("run", "root", Some("Closure")),
    ("check", "root", Some("Closure")),
    ("bench", "root", Some("Closure")),
    // Which image is meant.
    ("compare", "architecture", None),
    ("stage", "architecture", Some("Base image")),
    ("stage", "variant", Some("Base image")),
    ("layer", "compression", None),
    ("pack", "allow-missing", None),
    ("layer", "allow-missing", None),
];

fn expected(command: &str, flag: &str) -> Option<&'static str> {
    let exception = EXCEPTIONS.iter().find(|(of, name, _)| (*of, *name) == (command, flag));
    let heading = || HEADINGS.iter().find(|(_, flags)| flags.split_whitespace().any(|name| name == flag));
    let heading = exception.map_or_else(|| heading().map(|(heading, _)| *heading), |(_, _, heading)| *heading);
    // A plan holds nothing of them.
    let is_checked = command == "plan" && matches!(heading, Some(SETTINGS | STAMP));
    if is_checked { Some(CHECKED_SETTINGS) } else { heading }
}

/// Calls `see` with each command and flag, and the flag's heading.
fn walk(command: &Command, see: &mut dyn FnMut(&str, &str, Option<&str>)) {
    for argument in command.get_arguments() {
        if let Some(flag) = argument.get_long() {
            see(command.get_name(), flag, argument.get_help_heading());
        }
    }
    command.get_subcommands().for_each(|command| walk(command, see));
}

fn program() -> Command {
    let mut program = Arguments::command();
    program.build();
    program
}

#[test]
fn every_flag_stands_under_its_heading() {
    let mut wrong = Vec::new();
    walk(&program(), &mut |command, flag, found| {
        let expected = expected(command, flag);
        if found != expected {
            wrong.push(format!("{command} --{flag}: {found:?}, and not {expected:?}"));
        }
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_listed_here_is_there() {
    let mut there = BTreeMap::<String, Vec<String>>::new();
    walk(&program(), &mut |command, flag, _| there.entry(flag.to_owned()).or_default().push(command.to_owned()));
    for flag in HEADINGS.iter().flat_map(|(_, flags)| flags.split_whitespace()) {
        assert!(there.contains_key(flag), "--{flag}");
    }
    for (command, flag, _) in EXCEPTIONS {
        assert!(there.get(*flag).is_some_and(|commands| commands.iter().any(|of| of == command)), "{command} --{flag}");
    }
}

#[test]
fn a_heading_that_goes_on_is_found() {
    let flag = |name: &'static str| clap::Arg::new(name).long(name);
    let command = Command::new("pack").next_help_heading("Sandbox").arg(flag("planner-fuel")).arg(flag("new"));
    let mut found = Vec::new();
    walk(&command, &mut |command, flag, heading| found.push(heading == expected(command, flag)));
    assert_eq!(found, [true, false]);
}
