//! Small packed files that tell more than anybody has: refused with a reason, in little memory, whoever reads them.

use std::io::Write;

use anyhow::{Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use fs_err as fs;

use crate::case::{Case, case};
use crate::hand_made::HandMade;
use crate::invocation::{Invocation, tool};
use crate::run::{Folder, program};

pub(super) const CASES: &[Case] = &[
    case!(plans_that_list_without_end_are_refused),
    case!(store_layers_without_end_are_refused),
    case!(blanks_without_end_are_refused),
    case!(a_state_without_end_is_told_and_forgotten),
];

/// A plan, and where in it something is repeated.
const PLAN: [(&str, &str); 6] = [
    (
        r#"{"format":"layerwright.plan/1","nodes":"store-path","planners":[{"name":"x","version":"1","source":"file","digest":"","settings":{"x":["#,
        "]}}",
    ),
    ("", r#"],"roots":["#),
    ("", r#"],"layers":["#),
    (r#"{"label":"","planner":null,"nodes":["#, r#"{"name":"/a","lineage":"a","size":1,"references":["#),
    ("", "]}"),
    ("", "]}]}\n"),
];

/// At which of these places, what, and at least so many bytes of it.
fn plan_with(place: usize, repeated: &str, bytes: usize) -> Vec<u8> {
    let mut text = Vec::new();
    for (at, (before, after)) in PLAN.iter().enumerate() {
        text.extend(before.as_bytes());
        if at == place {
            text.extend(repeated.repeat(bytes / repeated.len()).trim_end_matches(',').as_bytes());
        }
        text.extend(after.as_bytes());
    }
    text
}

/// Packs it to less than a hundredth of it.
fn packed(folder: &Folder, text: &[u8]) -> Result<String> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(text)?;
    let packed = gzip.finish()?;
    ensure!(packed.len() < text.len() / 100);
    folder.write("small.gz", packed)
}

/// The program with so much memory that a text fits in, and what could be made of it does not.
fn in_little_memory(arguments: &[&str]) -> Invocation {
    let script = "ulimit -d 900000 && exec \"$0\" \"$@\"";
    tool("bash", &["-c", script, program()]).args(arguments)
}

/// All that read a plan, or a history.
fn readers<'a>(file: &'a str, from: &'a str, fine: &'a str) -> Vec<Vec<&'a str>> {
    vec![
        vec!["plan", "--from", from, "--history", file],
        vec!["planner", "run", "foresight", "--shape", "chain", "--history", file],
        vec!["compare", file, fine],
        vec!["explain", "--plan", file, "x"],
        vec!["pack", "--plan", file, "--to", "oci:out"],
    ]
}

/// Runs all, and expects each to say one of these of the file.
fn refused_by_all(text: &[u8], reasons: &[&str]) -> Result<()> {
    let (folder, store) = (Folder::new()?, HandMade::sample()?);
    let graph = folder.write("graph.json", store.graph().to_string())?;
    let fine = folder.write("fine.json", "[[\"/a\"]]")?;
    let file = packed(&folder, text)?;
    for arguments in readers(&file, &format!("graph:{graph}"), &fine) {
        let refused = in_little_memory(&arguments).dir(&folder.path(".")).finish()?;
        ensure!(refused.code == Some(1), "{}", refused.report());
        ensure!(reasons.iter().any(|reason| refused.stderr.contains(reason)), "{reasons:?}\n{}", refused.report());
        refused.says(&["small.gz"])?;
    }
    ensure!(!folder.names()?.contains(&"out".to_owned()));
    Ok(())
}

fn plans_that_list_without_end_are_refused() -> Result<()> {
    for (place, repeated) in [(0, "0,"), (0, "[],"), (0, "\"\","), (1, ",{}"), (1, ",[]"), (2, "\"\","), (4, "\"/a\",")]
    {
        refused_by_all(&plan_with(place, repeated, 48 << 20), &["it has more than 8000000 values"])?;
    }
    Ok(())
}

fn store_layers_without_end_are_refused() -> Result<()> {
    for repeated in ["[],", "[\"\"],", "[[]],"] {
        let text = format!("[{}[]]", repeated.repeat((48 << 20) / repeated.len()));
        let of_lists = ["it has more than 8000000 values", "it is a list of layers"];
        refused_by_all(text.as_bytes(), &of_lists)?;
    }
    Ok(())
}

fn blanks_without_end_are_refused() -> Result<()> {
    let blanks = [" ", "\n", " \n\t\r"];
    for (place, blank) in (0..PLAN.len()).flat_map(|place| blanks.map(|blank| (place, blank))) {
        refused_by_all(&plan_with(place, blank, 3 << 20), &["it has more than 1 MiB of blanks"])?;
    }
    let (folder, store) = (Folder::new()?, HandMade::sample()?);
    let image = format!("{{\"date\": \"x\", \"closure\": {}}}\n", store.graph());
    let lines = image.clone() + &"\n".repeat(200_000) + &image;
    let spaces = image.clone() + &" ".repeat(2 << 20) + &image;
    let tail = image.clone() + &image + &" \n".repeat(1 << 20);
    for (text, reason) in [
        (lines, "line 100002 is blank, as are 100000 before it"),
        (spaces, "it has more than 1 MiB of blanks"),
        (tail, "line 100003 is blank"),
    ] {
        let file = packed(&folder, text.as_bytes())?;
        let simulate = ["simulate", "--history", &file, "--planner", "popularity"];
        in_little_memory(&simulate).exits(1)?.says(&[reason, "small.gz"])?;
    }
    Ok(())
}

fn a_state_without_end_is_told_and_forgotten() -> Result<()> {
    let (folder, store) = (Folder::new()?, HandMade::sample()?);
    let (state, to) = (folder.path("state"), format!("oci:{}", folder.path("oci")));
    let lines = "x\n".repeat(24 << 20).into_bytes();
    for (text, reason) in [
        (plan_with(0, "0,", 48 << 20), "line 1: it has more than 8000000 values"),
        (lines, "line 1: "),
        (vec![b'\n'; 3 << 20], "1 MiB of blanks"),
        (Vec::new(), "it is empty, as a file is"),
    ] {
        let from = ["build", "--from", &store.source()?, "--root", &store.root(), "--to", &to, "--state", &state];
        in_little_memory(&from).ok()?;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&text)?;
        let packed = if text.is_empty() { text } else { gzip.finish()? };
        fs::write(format!("{state}/plans.zst"), packed)?;
        in_little_memory(&from).ok()?.says(&["is damaged, so that nothing is known of earlier builds", reason])?;
        let again = in_little_memory(&from).ok()?;
        ensure!(!again.stderr.contains("damaged"), "{}", again.report());
    }
    Ok(())
}
