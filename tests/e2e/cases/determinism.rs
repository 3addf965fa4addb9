//! The same input gives the same bytes, wherever and however.

use anyhow::{Result, ensure};
use fs_err as fs;

use crate::case::{Case, case};
use crate::hand_made::HandMade;
use crate::invocation::{Invocation, tool};
use crate::run::{Folder, layerwright, program};

pub(super) const CASES: &[Case] = &[
    case!(folder_umask_locale_time_zone_and_threads_change_nothing),
    case!(processors_change_nothing, Qemu),
    case!(hard_links_change_nothing),
    case!(times_of_the_files_change_nothing),
    case!(every_destination_is_the_same_twice),
    case!(order_of_the_graph_changes_nothing),
];

/// The bytes of an archive and of its plan.
type Built = (Vec<u8>, Vec<u8>);

fn build(store: &HandMade, run: impl Fn(&[&str]) -> Invocation) -> Result<Built> {
    let folder = Folder::new()?;
    let to = format!("docker-archive:{}:app:1", folder.path("app.tar"));
    let plan = folder.path("plan.json");
    let arguments = ["build", "--from", &store.source()?, "--root", &store.root(), "--to", &to, "--save-plan", &plan];
    run(&arguments).dir(&folder.path(".")).ok()?;
    Ok((fs::read(folder.path("app.tar"))?, fs::read(plan)?))
}

fn folder_umask_locale_time_zone_and_threads_change_nothing() -> Result<()> {
    let store = HandMade::sample()?;
    let expected = build(&store, layerwright)?;
    for umask in ["022", "077"] {
        let script = format!("umask {umask}; exec {} \"$@\"", program());
        let run = |arguments: &[&str]| tool("sh", &["-c", &script, "sh"]).args(arguments);
        ensure!(build(&store, run)? == expected, "umask {umask}");
    }
    for (name, value) in [("LANG", "C"), ("LC_ALL", "C.UTF-8"), ("LC_ALL", "tr_TR.UTF-8"), ("TZ", "Asia/Kathmandu")] {
        ensure!(build(&store, |arguments| layerwright(arguments).env(name, value))? == expected, "{name}={value}");
    }
    for threads in ["1", "2", "7"] {
        let run = |arguments: &[&str]| layerwright(arguments).args(["--threads", threads]);
        ensure!(build(&store, run)? == expected, "{threads} threads");
    }
    Ok(())
}

/// Encoders look at what the processor can do. The sandbox is left out: it needs what an emulator is slow at.
fn processors_change_nothing() -> Result<()> {
    let (mut store, folder) = (HandMade::sample()?, Folder::new()?);
    store.add("d4-mixed-4.0", &[])?;
    store.file("d4-mixed-4.0/file", include_bytes!("../../../Cargo.lock").repeat(40))?;
    let plan = folder.path("plan.json");
    layerwright(&["plan", "--from", &store.source()?, "-o", &plan]).ok()?;
    let pack = |compression: &str, run: &dyn Fn() -> Invocation| -> Result<Vec<u8>> {
        let (image, root) = (folder.path("image"), store.root());
        let to = format!("oci-archive:{image}");
        let arguments = ["pack", "--plan", &plan, "--root", &root, "--to", &to, "--compression", compression];
        run().args(arguments).ok()?;
        Ok(fs::read(image)?)
    };
    for compression in ["gzip:6", "gzip:1", "gzip:9", "zstd:3", "zstd:1", "zstd:9"] {
        let expected = pack(compression, &|| layerwright(&[]))?;
        for model in ["qemu64", "Nehalem", "Haswell"] {
            let found = pack(compression, &|| tool("qemu-x86_64", &["-cpu", model, program()]))?;
            ensure!(found == expected, "{compression} on {model}");
        }
    }
    Ok(())
}

fn hard_links_change_nothing() -> Result<()> {
    let store = HandMade::sample()?;
    let before = build(&store, layerwright)?;
    let (kept, linked) = (store.file_path("d1-data-1.0/same"), store.file_path("l2-lib-2.0/lib/same"));
    fs::remove_file(&linked)?;
    fs::hard_link(kept, linked)?;
    ensure!(build(&store, layerwright)? == before);
    Ok(())
}

fn times_of_the_files_change_nothing() -> Result<()> {
    let store = HandMade::sample()?;
    let before = build(&store, layerwright)?;
    let file = fs::OpenOptions::new().write(true).open(store.file_path("d1-data-1.0/text"))?;
    file.file().set_modified(std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000))?;
    ensure!(build(&store, layerwright)? == before);
    Ok(())
}

fn every_destination_is_the_same_twice() -> Result<()> {
    let store = HandMade::sample()?;
    let folder = Folder::new()?;
    for (scheme, compression) in
        [("docker-archive", "gzip:9"), ("docker-archive", "none"), ("oci-archive", "zstd"), ("oci-archive", "gzip:1")]
    {
        let build = |threads: &str| -> Result<Vec<u8>> {
            let to = format!("{scheme}:{}", folder.path("image.tar"));
            let arguments = ["build", "--from", &store.source()?, "--root", &store.root(), "--to", &to];
            layerwright(&arguments).args(["--compression", compression, "--threads", threads]).ok()?;
            Ok(fs::read(folder.path("image.tar"))?)
        };
        ensure!(build("1")? == build("3")?, "{scheme} {compression}");
    }
    let stream = |threads: &str| -> Result<Vec<u8>> {
        let arguments = ["build", "--from", &store.source()?, "--root", &store.root(), "--to", "-"];
        Ok(layerwright(&arguments).args(["--threads", threads]).ok()?.stdout)
    };
    ensure!(stream("1")? == stream("3")?);
    Ok(())
}

fn order_of_the_graph_changes_nothing() -> Result<()> {
    let store = HandMade::sample()?;
    let folder = Folder::new()?;
    let mut graph = store.graph();
    let forwards = folder.write("forwards.json", graph.to_string())?;
    if let Some(list) = graph.as_array_mut() {
        list.reverse();
    }
    let backwards = folder.write("backwards.json", serde_json::to_string_pretty(&graph)?)?;
    let plan =
        |file: &str| -> Result<Vec<u8>> { Ok(layerwright(&["plan", "--from", &format!("graph:{file}")]).ok()?.stdout) };
    ensure!(plan(&forwards)? == plan(&backwards)?);
    Ok(())
}
