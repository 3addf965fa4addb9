//! Layers for a store are byte for byte what CPython's `tarfile` writes, as nixpkgs uses it: so they have the digests
//! that registries know already.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::case::{Case, case};
use crate::hand_made::{HandMade, noise};
use crate::image::column;
use crate::invocation::{Invocation, tool};
use crate::run::{Folder, layerwright};
use crate::store::nix_store;

pub(super) const CASES: &[Case] = &[
    case!(a_layer_for_each_store_path, Nix, Busybox, Python),
    case!(many_store_paths_in_one_layer, Nix, Busybox, Python),
    case!(layers_that_were_listed_by_hand, Nix, Busybox, Python),
    case!(names_at_the_limits_of_the_format, Python),
    case!(sparse_files_and_hard_links, Python),
    case!(other_times_and_owners, Nix, Busybox, Python),
];

fn a_layer_for_each_store_path() -> Result<()> {
    let store = nix_store()?;
    expect_same_layers(&["--from", &store.source(), "--root", &store.root()], |arguments| store.layerwright(arguments))
}

fn many_store_paths_in_one_layer() -> Result<()> {
    let store = nix_store()?;
    // nixpkgs orders the store paths of a layer by name, and then by hash.
    let mut paths = store.closure()?;
    paths.sort_by_key(|path| path.split_once('-').map(|(hash, name)| (name.to_owned(), hash.to_owned())));
    ensure!(!paths.is_sorted(), "the order of hashes would be the same: {paths:?}");
    let folder = Folder::new()?;
    let to = format!("oci:{}", folder.path("oci"));
    let build =
        ["build", "--from", &store.source(), "--root", &store.root(), "--max-layers", "1", "--to", &to, "--json"];
    expect_diff_ids(&json!([paths]), &store.root(), &store.layerwright(&build).ok()?.json()?)?;
    let arguments = ["--from", &store.source(), "--root", &store.root(), "--max-layers", "2"];
    expect_same_layers(&arguments, |arguments| store.layerwright(arguments))
}

fn layers_that_were_listed_by_hand() -> Result<()> {
    let store = nix_store()?;
    let mut paths = store.closure()?;
    // Not the order of a strategy's plan: a list is taken as it is.
    paths.sort_by(|a, b| b.cmp(a));
    let (lower, upper) = paths.split_at(3);
    let layers = json!([upper, lower]);
    let folder = Folder::new()?;
    let list = folder.write("layers.json", layers.to_string())?;
    let to = format!("oci:{}", folder.path("oci"));
    let pack = ["pack", "--plan", &list, "--root", &store.root(), "--to", &to, "--json"];
    expect_diff_ids(&layers, &store.root(), &layerwright(&pack).ok()?.json()?)
}

fn names_at_the_limits_of_the_format() -> Result<()> {
    let mut store = HandMade::new()?;
    store.add("names-1", &[])?;
    // `/nix/store/names-1/` has 19 bytes: the ustar field ends within this range.
    for length in 75..90 {
        store.file(&format!("names-1/{}", "n".repeat(length)), "x")?;
        store.file(&format!("names-1/{}/x", "d".repeat(length)), "x")?;
        store.symlink(&format!("names-1/{}", "l".repeat(length)), &"t".repeat(length + 20))?;
    }
    for name in ["é", "e\u{301}", "☃", "a b", "a-b", "a", "A", "tab\there", "new\nline", "back\\slash", "=", "\"", "🦀"]
    {
        store.file(&format!("names-1/odd/{name}"), name)?;
    }
    store.file(&format!("names-1/{}/{}", "é".repeat(120), "é".repeat(127)), "")?;
    expect_same_layers(&["--from", &store.source()?, "--root", &store.root()], layerwright)
}

fn sparse_files_and_hard_links() -> Result<()> {
    let mut store = HandMade::new()?;
    store.add("files-1", &[])?;
    store.file("files-1/sparse", "start")?;
    let sparse = fs_err::OpenOptions::new().write(true).open(store.file_path("files-1/sparse"))?;
    sparse.set_len(10 << 20)?;
    store.file("files-1/noise", noise(700_001))?;
    fs_err::hard_link(store.file_path("files-1/noise"), store.file_path("files-1/again"))?;
    store.file("files-1/block", noise(512))?;
    expect_same_layers(&["--from", &store.source()?, "--root", &store.root()], layerwright)
}

fn other_times_and_owners() -> Result<()> {
    let store = nix_store()?;
    let plan = ["plan", "--format", "store-layers", "--from", &store.source(), "--root", &store.root()];
    let layers = store.layerwright(&plan).ok()?.json()?;
    let folder = Folder::new()?;
    let plan = folder.write("layers.json", layers.to_string())?;
    let to = format!("oci:{}", folder.path("oci"));
    let long = "n".repeat(33);
    for [modified, uid, gid, uname, gname] in [
        ["315532800", "1000", "100", "user", "users"],
        ["0", "0", "0", "", "wheel"],
        ["8589934592", "2097152", "4294967294", "é", &long],
    ] {
        let mtime = format!("@{modified}");
        let stamp = ["--mtime", &mtime, "--uid", uid, "--gid", gid, "--uname", uname, "--gname", gname];
        let pack = layerwright(&["pack", "--plan", &plan, "--root", &store.root(), "--to", &to, "--json"]);
        let packed = pack.args(stamp).ok()?.json()?;
        expect_stamped_diff_ids(&layers, &store.root(), &[modified, uid, gid, uname, gname], &packed)?;
    }
    Ok(())
}

/// Plans, packs, and expects what Python makes of the same plan.
fn expect_same_layers(source: &[&str], run: impl Fn(&[&str]) -> Invocation) -> Result<()> {
    let layers = run(&["plan", "--format", "store-layers"]).args(source).ok()?.json()?;
    let folder = Folder::new()?;
    let to = format!("oci:{}", folder.path("oci"));
    let packed = run(&["build", "--to", &to, "--json"]).args(source).ok()?.json()?;
    expect_diff_ids(&layers, source[3], &packed)
}

fn expect_diff_ids(layers: &Value, root: &str, packed: &Value) -> Result<()> {
    expect_stamped_diff_ids(layers, root, &[], packed)
}

fn expect_stamped_diff_ids(layers: &Value, root: &str, stamp: &[&str], packed: &Value) -> Result<()> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/fixtures/store_layer.py");
    let written = tool("python3", &[script, root]).args(stamp).stdin(layers.to_string()).ok()?;
    let expected: Vec<&str> = written.text()?.lines().collect();
    let found = column(&packed["layers"], "diff_id")?;
    ensure!(!expected.is_empty() && found == expected, "expected {expected:#?}, found {found:#?}");
    Ok(())
}
