use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

use super::*;

fn entry(name: &str, size: u64, references: &[&str]) -> String {
    let references: Vec<String> = references.iter().map(|name| format!("\"/nix/store/{name}\"")).collect();
    format!(r#"{{"path": "/nix/store/{name}", "narSize": {size}, "references": [{}]}}"#, references.join(","))
}

fn line(date: &str, entries: &[String]) -> String {
    format!("{{\"date\": \"{date}\", \"closure\": [{}]}}\n", entries.join(","))
}

fn two_images() -> String {
    let lib = entry("h1-lib-1", 5, &[]);
    let first = line("monday", &[entry("h1-app-1", 7, &["h1-lib-1"]), lib.clone()]);
    first + "\n  \n" + &line("tuesday", &[lib, entry("h2-app-2", 8, &["h1-lib-1"])])
}

/// Each generation's layers as texts, newest first.
fn shown(files: &[PathBuf]) -> Vec<Vec<String>> {
    let node = |PastNode { name, lineage, size }: &PastNode| format!("{name} {lineage} {size}");
    let layer = |nodes: &Vec<PastNode>| nodes.iter().map(node).collect::<Vec<_>>().join(" + ");
    let generations = read_generations(files, &Console::new(0, true)).unwrap();
    generations.iter().map(|generation| generation.layers.iter().map(layer).collect()).collect()
}

const PLAN: &str = r#"[["/nix/store/h0-lib-0", "/nix/store/h0-app-0"], ["/nix/store/h0-data-0"]]"#;

#[test]
fn plans_and_histories_are_generations_newest_first() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        fs_err::write(dir.path().join(name), bytes).unwrap();
        dir.path().join(name)
    };
    let plan = Plan::from_store_layers(PLAN).unwrap().to_json();
    let compact = serde_json::from_str::<serde_json::Value>(&plan).unwrap().to_string();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(two_images().as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(compact.as_bytes(), 3).unwrap();
    let files = [write("plan.json", plan.as_bytes()), write("h.gz", &gzip), write("plan.zst", &zstd)];

    let layers = ["/nix/store/h0-lib-0 lib 0 + /nix/store/h0-app-0 app 0", "/nix/store/h0-data-0 data 0"];
    let monday = ["/nix/store/h1-app-1 app 7", "/nix/store/h1-lib-1 lib 5"];
    let tuesday = ["/nix/store/h1-lib-1 lib 5", "/nix/store/h2-app-2 app 8"];
    assert_eq!(shown(&files), [layers, tuesday, monday, layers]);
    assert_eq!(shown(&[]), [[""; 0]; 0]);
}

#[test]
fn plans_one_after_another_are_as_many_images() {
    let dir = tempfile::tempdir().unwrap();
    let plan = |name: &str| Plan::from_store_layers(&format!("[[\"{name}\"]]")).unwrap();
    let lines = plan("/a-a").to_history_line() + &plan("/b-b").to_json() + &plan("/c-c").to_history_line();
    let file = dir.path().join("plans.json");
    fs_err::write(&file, &lines).unwrap();
    assert_eq!(shown(std::slice::from_ref(&file)), [["/c-c c 0"], ["/b-b b 0"], ["/a-a a 0"]]);
    fs_err::write(&file, plan("/a-a").to_json() + "{}").unwrap();
    let error = format!("{:#}", read_generations(&[file], &Console::new(0, true)).unwrap_err());
    assert!(error.contains("plans.json: plan 2 in it: not a plan: missing field `format`"), "{error}");
}

#[test]
fn a_folder_is_all_that_is_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs_err::write(dir.path().join(name), text).unwrap();
    assert_eq!(shown(&[dir.path().into()]), [[""; 0]; 0]);
    write("2026-01.json", PLAN);
    let error = format!("{:#}", read_generations(&[dir.path().into()], &Console::new(0, true)).unwrap_err());
    assert!(error.contains("2026-01.json: it is a list of layers, which tells no sizes; give the plan"), "{error}");
    write("2026-01.json", &Plan::from_store_layers(r#"[["/a-a"]]"#).unwrap().to_json());
    write("2026-02.jsonl", &two_images());
    write(".notes", "nothing of ours");
    let tuesday = vec!["/nix/store/h1-lib-1 lib 5", "/nix/store/h2-app-2 app 8"];
    let monday = vec!["/nix/store/h1-app-1 app 7", "/nix/store/h1-lib-1 lib 5"];
    assert_eq!(shown(&[dir.path().into()]), [tuesday, monday, vec!["/a-a a 0"]]);
}

#[test]
fn hashes_are_those_of_their_nodes() {
    let hash = "0".repeat(64);
    let with_hash = entry("a", 1, &[]).replace("\"narSize\"", &format!("\"narHash\": \"sha256:{hash}\", \"narSize\""));
    let with_other = entry("c", 1, &[]).replace("\"narSize\"", "\"narHash\": \"sha256:x\", \"narSize\"");
    let text = line("today", &[with_other, entry("b", 1, &[]), with_hash]);
    let images = images_in(text.as_bytes(), &mut Budget::default(), |image| image).unwrap();
    assert_eq!(images[0].date, "today");
    let hash = SaidHash::NarHash(format!("sha256:{hash}").parse().unwrap());
    assert_eq!(images[0].hashes, [hash, SaidHash::Nothing, SaidHash::Other("\"sha256:x\"".into())]);
}

fn read_text_of(text: impl Read, budget: &mut Budget) -> Result<Vec<Generation>> {
    let (start, open) = with_start(text)?;
    match Form::of(&start) {
        Form::Plans => generations_of_plans(open, budget),
        _ => generations_of_lines(open, budget),
    }
}

fn error(text: &[u8]) -> String {
    format!("{:#}", read_text_of(text, &mut Budget::default()).unwrap_err())
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let fine = two_images();
    let second = |text: &str| error((line("monday", &[]) + text).as_bytes());
    for (text, message) in [
        (line("x", &[entry("a", 1, &["b"])]), "line 2, the image of x: node `/nix/store/a` refers to `/nix/store/b`"),
        (
            line("x", &[entry("a", 1, &[]), entry("a", 1, &[])]),
            "line 2, the image of x: node `/nix/store/a` is there twice",
        ),
        (line("x", &["{}".into()]), "line 2, the image of x: entry 0 (counting from 0): it has no `path`"),
        (line("x", &["7".into()]), "line 2, the image of x: entry 0"),
        (line("\\u001b[2J", &[]), "line 2 has a date that is longer than 64 bytes, or not printable"),
        (line(&"x".repeat(65), &[]), "line 2 has a date"),
        ("{\"date\": \"x\"}".into(), "line 2 is no image"),
        ("{\"date\": \"x\", \"closure\": [".into(), "line 2 is no image"),
        ("{\"date\": \"x\", \"date\": \"y\", \"closure\": []}".into(), "line 2 is no image"),
        (fine.trim().replace('\n', ""), "line 2 is no image"),
        ("[".repeat(100_000), "line 2 is no image"),
        (line("x", &["[".repeat(100_000)]), "line 2 is no image"),
    ] {
        assert!(second(&text).starts_with(message), "{}", second(&text));
    }
    assert_eq!(error(b"{\"date\": \"\xff\", \"closure\": []}"), "line 1 is not UTF-8");
    for nothing in ["", "\n \n"] {
        assert_eq!(
            error(nothing.as_bytes()),
            "it tells of no image: write a line {\"date\": ..., \"closure\": [...]} for each, oldest first"
        );
    }
    for plan in ["{\n", "{\"format\": 7}", " { \n \"layers\": []}"] {
        assert!(error(plan.as_bytes()).starts_with("not a plan: "), "{plan}");
    }
    let message = second("{\"date\": 7}");
    assert!(message.ends_with("invalid type: integer `7`, expected a string at column 10"), "{message}");
}

#[test]
fn a_simulation_takes_histories_only() {
    let dir = tempfile::tempdir().unwrap();
    let error =
        |place: &Path| format!("{:#}", read_images(place, &mut Budget::default(), &Console::new(0, true)).unwrap_err());
    let file = dir.path().join("file");
    let tar = [&[0; 257][..], b"ustar"].concat();
    let plan = Plan::from_store_layers(PLAN).unwrap().to_json();
    for (content, what) in [(plan.as_bytes(), "a plan"), (PLAN.as_bytes(), "a list of layers"), (&tar, "an image")] {
        fs_err::write(&file, content).unwrap();
        assert!(error(&file).contains(&format!("file: it is {what}, and a simulation takes a file with a line")));
    }
    assert!(error(dir.path()).contains("it is a folder, and a simulation"), "{}", error(dir.path()));
    assert!(error(Path::new("oci:x")).contains("oci:x: it is an image, and a simulation"));
}

#[test]
fn who_may_write_to_a_place_depends_on_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let (file, tar) = (dir.path().join("file"), [&[0; 257][..], b"ustar"].concat());
    let plan = zstd::encode_all(Plan::from_store_layers(PLAN).unwrap().to_json().as_bytes(), 3).unwrap();
    for (content, holds) in [
        (plan.as_slice(), Holds::Plans),
        (&tar, Holds::Image),
        (two_images().as_bytes(), Holds::Other),
        (PLAN.as_bytes(), Holds::Other),
    ] {
        fs_err::write(&file, content).unwrap();
        assert_eq!(place_of(&file).unwrap(), (file.clone(), holds));
    }
    assert_eq!(place_of(dir.path()).unwrap().1, Holds::Folder);
    assert_eq!(place_of(Path::new("oci:x:tag")).unwrap(), ("x".into(), Holds::Image));
    assert_eq!(place_of(&dir.path().join("missing")).unwrap().1, Holds::Other);
}

#[test]
fn what_files_may_hold_together_is_bounded() {
    let text = two_images();
    let bytes = text.len() as u64;
    let read = |budget: &mut Budget| read_text_of(text.as_bytes(), budget).map(|read| read.len());
    let error = |mut budget: Budget| read(&mut budget).unwrap_err().to_string();
    assert!(error(Budget::of(bytes - 1, 2, 4, 999)).starts_with("it has more than 4 GiB"));
    assert!(error(Budget::of(bytes, 1, 4, 999)).starts_with("it tells of more than 10000 images"));
    assert!(error(Budget::of(bytes, 2, 3, 999)).starts_with("it tells of more than 2000000 nodes"));
    // Four names of 19 bytes with their lineages of 3, and two references.
    assert!(error(Budget::of(bytes, 2, 4, 95)).starts_with("its names and references take more than 512 MiB"));
    assert_eq!(read(&mut Budget::of(bytes, 2, 4, 96)).unwrap(), 2);
    let repeated = line("monday", &[entry("a", 1, &["a"; 1000])]);
    let read_repeated = |kept_bytes| read_text_of(repeated.as_bytes(), &mut Budget::of(1 << 20, 1, 1, kept_bytes));
    assert!(read_repeated(4000).is_err() && read_repeated(5000).is_ok());
    let mut budget = Budget::of(2 * bytes, 3, 100, 999);
    assert_eq!(read(&mut budget).unwrap(), 2);
    assert!(read(&mut budget).unwrap_err().to_string().starts_with("it tells of more than 10000 images"));
    let blank = "\n".repeat(5) + &text;
    let error = read_text_of(blank.as_bytes(), &mut Budget::of(1 << 20, 9, 99, 9999)).unwrap_err().to_string();
    assert_eq!(error, "line 5 is blank, as are 100000 before it, with all files before this one");
    let plan = Plan::from_store_layers(PLAN).unwrap().to_json();
    let read_plan = |bytes| read_text_of(plan.as_bytes(), &mut Budget::of(bytes, 1, 9, 999));
    assert!(read_plan(plan.len() as u64).is_ok());
    assert!(read_plan(plan.len() as u64 - 1).unwrap_err().to_string().starts_with("it has more than 4 GiB"));
    // Packed without end, on one line.
    let packed = zstd::encode_all(std::io::repeat(b'x').take(64 << 20), 3).unwrap();
    let unpacked = zstd::Decoder::new(packed.as_slice()).unwrap();
    let error = read_text_of(unpacked, &mut Budget::of(1 << 20, 9, 9, 99)).unwrap_err().to_string();
    assert!(error.starts_with("it has more than 4 GiB"), "{error}");
}
