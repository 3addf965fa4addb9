//! `cargo xtask`: one command for each thing that one does with this repository.

mod architecture;
mod bench;
mod demo;
mod machine;
mod only;
mod planners;
mod program;
mod run;
mod setup;
mod table;
mod test;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

const USAGE: &str = "\
Usage: cargo xtask COMMAND

  demo    Set up what is needed, build the program and pack a real closure of this machine
  test    Set up what is needed, then check format, lints and documentation, and run all tests
  setup   Set up what building needs; with --clients also what the tests need
  bench   Measure packing, against what the machine can do and what people use today
          --only WORD    rows whose name, such as debian/gzip, contains the word; repeatable
          --runs N       rounds [default: 5]
          --json FILE    figures [default: target/bench/results.json]
          --write        also write docs/benchmarks.md
          --scale N      smaller closures, such as 0.05, to try it out
  planners
          Compare the built-in planners over histories: what do updates cost with which?
          --histories DIR  of other images [default: tests/histories]
          --only WORD      rows whose name, such as web-pinned/foresight, contains the word; repeatable
          --graph FILE     also measure how long planning this closure takes; repeatable
          --write          also write docs/planners.md
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["demo"] => demo::run(workspace()),
        ["test"] => test::run(workspace()),
        ["setup"] => setup::toolchain(),
        ["setup", "--clients"] => set_up_everything(),
        ["bench", ref words @ ..] => bench::run(workspace(), words),
        ["planners", ref words @ ..] => planners::run(workspace(), words),
        // What `bench` runs each of its lines in.
        ["measure", ref line @ ..] => bench::child(line),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn set_up_everything() -> Result<()> {
    setup::toolchain()?;
    setup::clients(workspace())
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace")
}
