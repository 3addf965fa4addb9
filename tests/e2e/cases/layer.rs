//! Layers that are packed one by one, and joined later.

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use serde_json::{Value, json};

use crate::case::{Case, case};
use crate::hand_made::HandMade;
use crate::run::{Folder, layerwright};

pub(super) const CASES: &[Case] = &[
    case!(joined_layers_make_the_same_image),
    case!(layers_packed_in_another_way_are_packed_again),
    case!(a_damaged_layer_is_refused),
    case!(a_folder_is_not_written_over),
    case!(what_is_no_layer_is_refused),
];

/// A plan, and a folder for each of four layers, of which the plan has three.
struct Setting {
    store: HandMade,
    folder: Folder,
    plan: String,
    layers: Vec<String>,
}

impl Setting {
    fn new(flags: &[&str]) -> Result<Self> {
        let (store, folder) = (HandMade::sample()?, Folder::new()?);
        let plan = folder.path("plan.json");
        layerwright(&["plan", "--from", &store.source()?, "-o", &plan]).ok()?;
        let layers = (0..4).map(|index| folder.path(&format!("layer-{index}"))).collect();
        let setting = Self { store, folder, plan, layers };
        for index in 0..4 {
            setting.layer(index, flags)?;
        }
        Ok(setting)
    }

    fn layer(&self, index: usize, flags: &[&str]) -> Result<Value> {
        let (number, root) = (index.to_string(), self.store.root());
        let layer = ["layer", "--plan", &self.plan, "--root", &root, "--index", &number, "--json"];
        layerwright(&layer).args(["--output", &self.layers[index]]).args(flags).ok()?.json()
    }

    /// Packs the plan below `root`. Returns what the program says of each layer.
    fn pack(&self, to: &str, root: &str, flags: &[&str]) -> Result<Value> {
        let to = format!("oci-archive:{}", self.folder.path(to));
        let pack = ["pack", "--plan", &self.plan, "--root", root, "--to", &to, "--json"];
        Ok(layerwright(&pack).args(flags).ok()?.json()?["layers"].take())
    }

    fn joined(&self) -> Vec<&str> {
        [vec!["--layers"], self.layers.iter().map(String::as_str).collect()].concat()
    }
}

fn joined_layers_make_the_same_image() -> Result<()> {
    let setting = Setting::new(&[])?;
    ensure!(fs::read_dir(&setting.layers[3])?.next().is_none(), "the plan has three layers");
    let packed = setting.pack("packed", &setting.store.root(), &[])?;
    // The files are not needed any more.
    let joined = setting.pack("joined", "/nonexistent", &setting.joined())?;
    ensure!(fs::read(setting.folder.path("packed"))? == fs::read(setting.folder.path("joined"))?);
    let all = |layers: &Value, reused: bool| {
        layers.as_array().is_some_and(|layers| layers.iter().all(|layer| layer["reused"] == reused))
    };
    ensure!(all(&packed, false) && all(&joined, true), "{joined}");
    Ok(())
}

fn layers_packed_in_another_way_are_packed_again() -> Result<()> {
    let setting = Setting::new(&["--compression", "zstd:3"])?;
    let root = setting.store.root();
    for flags in [&["--compression", "zstd:4"][..], &["--compression", "zstd:3", "--uid", "5"]] {
        let packed = setting.pack("packed", &root, flags)?;
        let joined = setting.pack("joined", &root, &[&setting.joined(), flags].concat())?;
        ensure!(packed == joined, "{joined}");
    }
    let joined = setting.pack("joined", &root, &[&setting.joined()[..], &["--compression", "zstd:3"]].concat())?;
    ensure!(joined[0]["reused"] == json!(true), "{joined}");
    Ok(())
}

fn a_damaged_layer_is_refused() -> Result<()> {
    let setting = Setting::new(&[])?;
    let blob = format!("{}/blob", setting.layers[1]);
    let mut bytes = fs::read(&blob)?;
    *bytes.last_mut().context("a blob is not empty")? ^= 1;
    fs::write(&blob, bytes)?;
    let to = format!("oci:{}", setting.folder.path("oci"));
    let root = setting.store.root();
    let pack = layerwright(&["pack", "--plan", &setting.plan, "--root", &root, "--to", &to]).args(setting.joined());
    pack.exits(1)?.says(&[&blob, "is not the blob sha256:", "pack the layer again"])?;
    ensure!(!fs::exists(setting.folder.path("oci"))?);
    Ok(())
}

fn a_folder_is_not_written_over() -> Result<()> {
    let setting = Setting::new(&[])?;
    let layer = ["layer", "--plan", &setting.plan, "--root", &setting.store.root(), "--index", "0"].map(str::to_owned);
    let before = fs::read(format!("{}/layer.json", setting.layers[1]))?;
    let again = layerwright(&layer.each_ref().map(String::as_str)).args(["--output", &setting.layers[1]]);
    again.exits(2)?.says(&["exists, and is no empty directory"])?;
    ensure!(fs::read(format!("{}/layer.json", setting.layers[1]))? == before);
    Ok(())
}

fn what_is_no_layer_is_refused() -> Result<()> {
    let setting = Setting::new(&[])?;
    let record = format!("{}/layer.json", setting.layers[0]);
    let to = format!("oci:{}", setting.folder.path("oci"));
    for (text, reason) in [("{", "EOF while parsing"), (r#"{"format": 1}"#, "invalid type")] {
        fs::write(&record, text)?;
        let pack = layerwright(&["pack", "--plan", &setting.plan, "--to", &to]).args(setting.joined());
        pack.exits(1)?.says(&[&record, "is no layer that `layerwright layer` wrote", reason])?;
    }
    Ok(())
}
