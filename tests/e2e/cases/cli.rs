//! The command line itself: help, completions, terminals and pipes.

use anyhow::{Result, ensure};

use crate::case::{Case, case};
use crate::hand_made::HandMade;
use crate::image::{Layout, text};
use crate::invocation::{Invocation, tool};
use crate::run::{Folder, layerwright, program};

pub(super) const CASES: &[Case] = &[
    case!(help_of_every_command_has_an_example),
    case!(mistakes_are_usage_errors),
    case!(what_can_be_refused_early_is),
    case!(times_are_what_people_write),
    case!(completions_are_printed, Bash),
    case!(nothing_is_coloured_and_nothing_moves_without_a_terminal),
    case!(a_terminal_has_colours_unless_it_asks_for_none, Python),
    case!(quiet_says_nothing),
    case!(an_image_is_not_written_to_a_terminal, Python),
    case!(a_closed_pipe_is_no_panic, Bash),
];

fn help_of_every_command_has_an_example() -> Result<()> {
    for command in [
        &[][..],
        &["build"],
        &["plan"],
        &["pack"],
        &["stage"],
        &["verify"],
        &["simulate"],
        &["planner"],
        &["planner", "inspect"],
        &["planner", "digest"],
        &["planner", "wit"],
        &["planner", "run"],
        &["planner", "check"],
        &["planner", "bench"],
        &["cache"],
        &["cache", "info"],
        &["cache", "prune"],
        &["cache", "verify"],
        &["cache", "clear"],
        &["completions"],
    ] {
        for flag in ["--help", "-h"] {
            let help = layerwright(command).args([flag]).ok()?;
            ensure!(help.text()?.contains("Example"), "{}", help.report());
            ensure!(help.stderr.is_empty() && !help.text()?.contains('\u{1b}'), "{}", help.report());
        }
    }
    for command in [&["planner", "list"][..], &["help", "build"]] {
        layerwright(command).args(if command[0] == "help" { None } else { Some("--help") }).ok()?;
    }
    let codes = layerwright(&["--help"]).ok()?;
    for code in ["0 ", "1 ", "2 ", "3 ", "4 ", "5 ", "6 ", "130"] {
        ensure!(codes.text()?.lines().any(|line| line.trim_start().starts_with(code)), "{code}: {}", codes.report());
    }
    layerwright(&["--version"]).ok()?;
    Ok(())
}

fn mistakes_are_usage_errors() -> Result<()> {
    for arguments in [
        &[][..],
        &["bild"],
        &["build"],
        &["build", "--from", "nix:x"],
        &["plan", "--from", "rpm:bash"],
        &["plan", "--from", "graph:-", "--format", "xml"],
        &["build", "--from", "graph:-", "--to", "-", "--compression", "lzma"],
        &["build", "--from", "graph:-", "--to", "-", "--threads", "0"],
        &["--quiet", "--verbose", "planner", "list"],
    ] {
        let found = layerwright(arguments).exits(2)?;
        ensure!(found.stdout.is_empty() && !found.stderr.is_empty(), "{}", found.report());
    }
    layerwright(&["plan", "--from", "rpm:bash"]).exits(2)?.says(&["nix:PATH", "graph:FILE", "dpkg:NAME"])
}

/// The graph is not there, so that who reads first would tell of it.
fn what_can_be_refused_early_is() -> Result<()> {
    let folder = Folder::new()?;
    let (file, missing) = (folder.write("file", "x")?, folder.path("missing/x"));
    let [oci, archive] = ["oci", "docker-archive"].map(|scheme| format!("{scheme}:{}", folder.path("image")));
    let graph = "graph:/missing/graph.json";
    let refused = |command: &str, flags: &[&str], code: i32, says: &str| {
        let input =
            if command == "build" || command == "plan" { ["--from", graph] } else { ["--plan", "/missing.json"] };
        layerwright(&[command]).args(input).args(flags).exits(code)?.says(&[says])
    };
    for command in ["build", "pack"] {
        for (flags, says) in [
            (&["--to", &oci, "--legacy-parents"][..], "docker-archive:FILE"),
            (&["--to", &archive, "--legacy-parents", "--compression", "gzip"], "without compression"),
            (&["--to", "-", "--legacy-parents"], "docker-archive:FILE"),
            (&["--to", "-", "--compression", "zstd"], "cannot be compressed"),
            (&["--to", &format!("oci:{missing}")], "does not exist"),
            (&["--to", &format!("oci-archive:{missing}")], "does not exist"),
            (&["--to", &format!("docker-archive:{file}/x")], "is no directory"),
            (&["--to", &format!("oci:{file}")], "is no directory"),
            (&["--to", &format!("oci:{}", folder.path("."))], "neither empty nor an image layout"),
            (&["--to", &format!("oci-archive:{}", folder.path("."))], "is a directory"),
            (&["--to", &format!("docker-archive:{}", folder.path("."))], "is a directory"),
            (&["--to", &oci, "--created", "yesterday"], "--created"),
            (&["--to", &oci, "--mtime", "1969-12-31"], "before 1970"),
            (&["--to", &oci, "--variant", "V7"], "--variant"),
            (&["--to", &oci, "--from-image", "docker://example.org/x"], "--from-image"),
        ] {
            refused(command, flags, 2, says)?;
        }
        let flags = ["--to", &oci, "--root", &missing];
        refused(command, &flags[..2], 1, "/missing")?;
        refused(command, &[&flags[..2], &["--from-image", &missing]].concat(), 1, "/missing")?;
    }
    let over = ["pack", "--plan", &file, "--to", &format!("docker-archive:{file}")];
    layerwright(&over).exits(2)?.says(&["--plan and --to name the same place"])?;
    for flags in [["--save-plan", &missing], ["--report", &missing]] {
        refused("build", &[&["--to", &oci], &flags[..]].concat(), 2, "does not exist")?;
    }
    for flags in [["-o", &missing], ["--created", "31.01.2024"], ["--mtime", "@-1"], ["--architecture", "x86-64"]] {
        refused("plan", &flags, 2, "error:")?;
    }
    for flags in [["--output", &missing], ["--mtime", "soon"]] {
        let place = if flags[0] == "--mtime" { folder.path("layer") } else { missing.clone() };
        let flags = if flags[0] == "--mtime" { flags.to_vec() } else { Vec::new() };
        refused("layer", &[&["--index", "0", "--output", &place], &flags[..]].concat(), 2, "error:")?;
    }
    for (flags, code, says) in [
        (&["--output", &missing, "--from-image", "/missing"][..], 2, "does not exist"),
        (&["--output", &file], 2, "is no empty directory"),
        (
            &["--output", &folder.path("stage"), "--from-image", "docker-archive:-", "--nix-db", "graph:-"],
            2,
            "both read",
        ),
        (
            &["--output", &folder.path("stage"), "--attributes", &folder.path("stage/attributes")],
            2,
            "--output and --attributes name the same place",
        ),
        (&["--output", &folder.path("stage"), "--attributes", &missing], 2, "--attributes: "),
        (&["--output", &folder.path("stage"), "--nix-db", graph, "--root", &missing], 1, "--nix-db: "),
        (&["--output", &folder.path("stage"), "--root", &missing], 1, "--root: "),
        (&["--output", &folder.path("stage"), "--add", &format!("{missing}:/x")], 1, "--add: "),
    ] {
        layerwright(&["stage"]).args(flags).exits(code)?.says(&[says])?;
    }
    for limit in ["fuel", "memory", "timeout", "output", "stack", "size"] {
        refused("plan", &[&format!("--planner-{limit}"), "0"], 2, "--planner-")?;
    }
    // A planner is looked at before a closure is.
    refused("plan", &["--planner", "groups"], 1, "/missing/graph.json")?;
    let store = HandMade::sample()?;
    let base = ["--from-image", &file, "--planner", "groups"];
    layerwright(&["plan", "--from", &store.source()?]).args(base).exits(2)?.says(&["needs settings"])?;
    layerwright(&["plan", "--from", "graph:-"])
        .args(["--add", &format!("{missing}:/x")])
        .exits(1)?
        .says(&["--add: "])?;
    ensure!(folder.names()? == ["file"], "{:?}", folder.names()?);
    Ok(())
}

fn times_are_what_people_write() -> Result<()> {
    let (store, folder) = (HandMade::sample()?, Folder::new()?);
    let to = format!("oci:{}:x", folder.path("oci"));
    let build = ["build", "--from", &store.source()?, "--root", &store.root(), "--to", &to];
    let created = |flags: &[&str], epoch: &str| -> Result<String> {
        layerwright(&build).args(flags).env("SOURCE_DATE_EPOCH", epoch).ok()?;
        Ok(text(&Layout::open(&folder.path("oci"), "x")?.config["created"])?.to_owned())
    };
    for (written, meant) in [
        ("20240131", "2024-01-31T00:00:00Z"),
        ("2024-01-31 10:11:12", "2024-01-31T10:11:12Z"),
        ("20240131101112", "2024-01-31T10:11:12Z"),
        ("2024-01-31T10:11:12.5+01:00", "2024-01-31T09:11:12.5Z"),
    ] {
        let found = created(&["--created", written, "--mtime", written], "not looked at")?;
        ensure!(found == meant, "{written}: {found}");
    }
    ensure!(created(&[], "1706695872")? == "2024-01-31T10:11:12Z");
    layerwright(&build).env("SOURCE_DATE_EPOCH", "soon").exits(2)?.says(&["SOURCE_DATE_EPOCH"])
}

fn completions_are_printed() -> Result<()> {
    for shell in ["bash", "zsh", "fish"] {
        let script = layerwright(&["completions", shell]).ok()?;
        ensure!(script.text()?.contains("layerwright") && script.text()?.contains("verify"));
        if shell == "bash" {
            tool("bash", &["-n"]).stdin(script.stdout).ok()?;
        }
    }
    Ok(())
}

fn build(store: &HandMade, folder: &Folder) -> Result<[String; 7]> {
    let to = format!("docker-archive:{}", folder.path("image.tar"));
    let arguments = ["build", "--from", &store.source()?, "--root", &store.root(), "--to", &to];
    Ok(arguments.map(str::to_owned))
}

fn nothing_is_coloured_and_nothing_moves_without_a_terminal() -> Result<()> {
    let store = HandMade::sample()?;
    let folder = Folder::new()?;
    let build = build(&store, &folder)?;
    for found in [
        layerwright(&[]).args(&build).ok()?,
        layerwright(&["--verbose"]).args(&build).ok()?,
        layerwright(&["verify", &folder.path("image.tar")]).ok()?,
        layerwright(&["verify", &folder.path("missing.tar")]).exits(1)?,
        layerwright(&["build"]).exits(2)?,
    ] {
        let shown = format!("{}{}", found.text()?, found.stderr);
        ensure!(!shown.contains(['\u{1b}', '\r']), "{shown:?}");
    }
    Ok(())
}

/// Runs the program with a terminal on all three sides.
fn on_a_terminal(arguments: &[&str]) -> Invocation {
    let script = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
    tool("python3", &["-c", script, program()]).args(arguments).env("TERM", "xterm-256color")
}

fn a_terminal_has_colours_unless_it_asks_for_none() -> Result<()> {
    let coloured = on_a_terminal(&["verify", "/missing"]).exits(1)?;
    ensure!(coloured.text()?.contains("\u{1b}["), "{}", coloured.report());
    let plain = on_a_terminal(&["verify", "/missing"]).env("NO_COLOR", "1").exits(1)?;
    ensure!(!plain.text()?.contains("\u{1b}["), "{}", plain.report());
    Ok(())
}

fn quiet_says_nothing() -> Result<()> {
    let store = HandMade::sample()?;
    let folder = Folder::new()?;
    let arguments = build(&store, &folder)?;
    let quiet = layerwright(&["--quiet"]).args(&arguments).ok()?;
    ensure!(quiet.stdout.is_empty() && quiet.stderr.is_empty(), "{}", quiet.report());
    let usual = layerwright(&[]).args(&arguments).ok()?;
    ensure!(usual.stdout.is_empty(), "{}", usual.report());
    usual.says(&["image.tar", "3 layers", "sha256:"])
}

fn an_image_is_not_written_to_a_terminal() -> Result<()> {
    let store = HandMade::sample()?;
    let refused =
        on_a_terminal(&["build", "--from", &store.source()?, "--root", &store.root(), "--to", "-"]).exits(2)?;
    ensure!(refused.text()?.contains("standard output is a terminal"), "{}", refused.report());
    Ok(())
}

fn a_closed_pipe_is_no_panic() -> Result<()> {
    let store = HandMade::sample()?;
    let source = store.source()?;
    for arguments in [
        &["build", "--from", &source, "--root", &store.root(), "--to", "-"][..],
        &["plan", "--from", &source],
        &["plan", "--from", &source, "--format", "table"],
        &["planner", "list"],
        &["completions", "bash"],
        &["--help"],
    ] {
        let script = "\"$0\" \"$@\" | head -c0; echo ${PIPESTATUS[0]}";
        // Without `--quiet`, whoever is the first to need a planner is told that it is compiled.
        let found = tool("bash", &["-c", script, program()]).args(arguments).args(["--quiet"]).ok()?;
        let code = found.text()?.trim();
        ensure!(["0", "1", "141"].contains(&code), "{}", found.report());
        ensure!(found.stderr.is_empty(), "{}", found.report());
    }
    Ok(())
}
