//! Earlier images, from wherever: plans, images, folders of both, and what builds keep themselves.

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use serde_json::{Value, json};

use crate::case::{Case, case};
use crate::hand_made::HandMade;
use crate::image::skopeo;
use crate::invocation::Invocation;
use crate::run::{Folder, built_guest, layerwright};
use crate::store::nix_store;

pub(super) const CASES: &[Case] = &[
    case!(images_tell_the_same_as_their_plans),
    case!(what_is_known_survives_transports, Skopeo),
    case!(store_paths_are_found_in_images_that_say_nothing, Nix, Busybox, Skopeo),
    case!(packages_are_told_by_images_too, Debian, Git),
    case!(images_that_tell_nothing_are_refused),
    case!(a_folder_is_read_in_the_order_of_its_names),
    case!(what_does_not_belong_in_a_folder_is_told),
    case!(a_state_keeps_layers_where_they_are),
    case!(a_state_makes_the_same_image_of_the_same_input),
    case!(a_state_that_cannot_be_used_does_not_stop_a_build),
    case!(a_state_stays_as_it_is_where_a_build_fails),
    case!(outputs_spare_what_is_read),
    case!(planners_are_tried_with_earlier_images),
];

/// Twelve libraries and an app on all of them. Of libraries that are named with a version it is this one, else 1.
fn store(versions: &[(usize, usize)]) -> Result<HandMade> {
    let mut store = HandMade::new()?;
    let version = |at: usize| versions.iter().find(|(which, _)| *which == at).map_or(1, |(_, version)| *version);
    let name = |at: usize| format!("h{at}v{0}-lib{at}-{0}", version(at));
    for at in 0..12 {
        store.add(&name(at), &[])?;
        store.file(&format!("{}/file", name(at)), "x".repeat(100 * (at + 1)))?;
    }
    let total: usize = (0..12).map(version).sum();
    let app = format!("h{total}-app-{total}");
    let references: Vec<String> = (0..12).map(name).collect();
    store.add(&app, &references.iter().map(String::as_str).collect::<Vec<_>>())?;
    store.file(&format!("{app}/bin/app"), "app")?;
    Ok(store)
}

/// `build` or `plan` with few layers, by a planner that looks at earlier images.
fn run(store: &HandMade, command: &str) -> Result<Invocation> {
    let arguments = [command, "--from", &store.source()?, "--root", &store.root(), "--max-layers", "5"];
    Ok(layerwright(&arguments).args(["--planner", "foresight"]))
}

fn plan_after(store: &HandMade, history: &[&str]) -> Result<Vec<u8>> {
    let words = if history.is_empty() { &[][..] } else { &["--history"] };
    Ok(run(store, "plan")?.args(words).args(history).ok()?.stdout)
}

/// The history that a planner sees, counted.
fn images_known(flags: &[&str]) -> Result<usize> {
    let planner = built_guest("contract-0-1-0")?;
    let store = HandMade::sample()?;
    let said = layerwright(&["plan", "--from", &store.source()?, "--planner", &planner]).args(flags).ok()?.stderr;
    let count = said.split_once(" layers, after ").and_then(|(_, rest)| rest.split(' ').next());
    Ok(count.with_context(|| said.clone())?.parse()?)
}

fn images_tell_the_same_as_their_plans() -> Result<()> {
    let (first, second, folder) = (store(&[])?, store(&[(3, 2)])?, Folder::new()?);
    let plan = folder.path("plan.json");
    let image = |name: &str| folder.path(name);
    for to in [
        format!("oci:{}:app", image("oci")),
        format!("oci-archive:{}:app", image("oci.tar")),
        format!("docker-archive:{}:app:1", image("docker.tar")),
    ] {
        run(&first, "build")?.args(["--to", &to, "--save-plan", &plan]).ok()?;
    }
    let expected = plan_after(&second, &[&plan])?;
    ensure!(expected != plan_after(&second, &[])?, "the history should make a difference");
    for history in [
        format!("oci:{}", image("oci")),
        format!("oci:{}:app", image("oci")),
        image("oci"),
        format!("oci-archive:{}", image("oci.tar")),
        image("oci.tar"),
        format!("docker-archive:{}:app:1", image("docker.tar")),
        image("docker.tar"),
    ] {
        ensure!(plan_after(&second, &[&history])? == expected, "{history}");
    }
    let missing = format!("oci:{}:other", image("oci"));
    run(&second, "plan")?.args(["--history", &missing]).exits(1)?.says(&[
        "reading the history oci:",
        "`other`",
        "`app`",
    ])?;
    let registry = run(&second, "plan")?.args(["--history", "docker://example.org/app:1"]);
    registry.exits(2)?.says(&["skopeo copy docker://example.org/app:1 oci:DIR"])?;
    // Nothing of the layers is read: they need not be there.
    for blob in fs::read_dir(folder.path("oci/blobs/sha256"))? {
        let path = blob?.path();
        if fs::read(&path)?.starts_with(&[0x1f, 0x8b]) {
            fs::remove_file(&path)?;
        }
    }
    ensure!(plan_after(&second, &[&image("oci")])? == expected);
    let documents = format!("oci:{}", image("oci"));
    layerwright(&["compare", &documents, &plan]).ok()?;
    let to = format!("oci:{}", image("upon"));
    run(&first, "build")?.args(["--from-image", &documents, "--to", &to]).exits(1)?.says(&["missing"])?;
    Ok(())
}

/// Annotations do not come through all of these, and the history does.
fn what_is_known_survives_transports() -> Result<()> {
    let (first, second, folder) = (store(&[])?, store(&[(3, 2)])?, Folder::new()?);
    let (plan, archive) = (folder.path("plan.json"), format!("docker-archive:{}:app:1", folder.path("docker.tar")));
    run(&first, "build")?.args(["--to", &archive, "--save-plan", &plan]).ok()?;
    let stream = run(&first, "build")?.args(["--to", "-", "--tag", "app:1"]).ok()?.stdout;
    let stream = folder.write("stream.tar", stream)?;
    let expected = plan_after(&second, &[&plan])?;
    let copied = |from: &str, to: &str, flags: &[&str]| -> Result<String> {
        skopeo(&["copy", "--quiet", from, to]).args(flags).ok()?;
        Ok(to.trim_end_matches(":app:1").to_owned())
    };
    let place = |scheme: &str, name: &str| format!("{scheme}:{}:app:1", folder.path(name));
    let layout = copied(&archive, &place("oci", "layout"), &[])?;
    let back = copied(&place("oci", "layout"), &place("docker-archive", "back.tar"), &[])?;
    let schema_2 = copied(&archive, &format!("dir:{}", folder.path("v2s2")), &["--format", "v2s2"])?;
    let again = copied(&schema_2, &place("oci", "again"), &[])?;
    for image in [stream, layout, back, again] {
        ensure!(plan_after(&second, &[&image])? == expected, "{image}");
        let compared = layerwright(&["compare", &image, &plan, "--json"]).ok()?.json()?;
        ensure!(compared["new_layers"] == json!([]) && compared["changes"]["changed"] == json!([]), "{compared}");
    }
    Ok(())
}

/// What was made by another tool, or of a plan that knows no sizes.
fn store_paths_are_found_in_images_that_say_nothing() -> Result<()> {
    let (store, folder) = (nix_store()?, Folder::new()?);
    let (plan, lists, archive) = (folder.path("plan.json"), folder.path("lists.json"), folder.path("docker.tar"));
    let from = ["plan", "--from", &store.source(), "--root", &store.root(), "--max-layers", "4"];
    store.layerwright(&from).args(["-o", &plan]).ok()?;
    store.layerwright(&from).args(["--format", "store-layers", "-o", &lists]).ok()?;
    let pack = ["pack", "--plan", &lists, "--root", &store.root(), "--to"];
    let oci = format!("oci:{}:app", folder.path("oci"));
    layerwright(&pack).args([&oci]).ok()?;
    skopeo(&["copy", &oci, &format!("docker-archive:{archive}:app:1")]).ok()?;
    // With what is in no plan.
    let stream = layerwright(&pack).args(["-", "--mkdir", "/tmp:1777"]).ok()?.stdout;
    let stream = folder.write("stream.tar", stream)?;

    let compared = layerwright(&["compare", &plan, &archive]).exits(1)?;
    compared.says(&["does not say what is in its layers"])?;
    let after = |history: &str| -> Result<Value> {
        let plan = ["plan", "--from", &store.source(), "--max-layers", "3", "--planner", "foresight"];
        store.layerwright(&plan).args(["--root", &store.root(), "--history", history]).ok()?.json()
    };
    let expected = after(&plan)?;
    for image in [&archive, &stream] {
        ensure!(after(image)? == expected, "{image}");
    }
    Ok(())
}

fn packages_are_told_by_images_too() -> Result<()> {
    let folder = Folder::new()?;
    let (plan, image) = (folder.path("plan.json"), format!("oci:{}", folder.path("oci")));
    let from = ["--from", "dpkg:git", "--max-layers", "9", "--planner", "foresight"];
    layerwright(&["build", "--to", &image, "--save-plan", &plan]).args(from).ok()?;
    let after = |history: &str, from: &str| -> Result<_> {
        let plan = ["plan", "--from", from, "--max-layers", "7", "--planner", "foresight", "--history", history];
        Ok(layerwright(&plan).ok()?.stdout)
    };
    ensure!(after(&image, "dpkg:git")? == after(&plan, "dpkg:git")?);
    Ok(())
}

fn images_that_tell_nothing_are_refused() -> Result<()> {
    let (store, folder) = (store(&[])?, Folder::new()?);
    let file = folder.write("file", "x")?;
    let image = format!("oci:{}", folder.path("oci"));
    let pack = ["pack", "--plan", "-", "--to", &image, "--add", &format!("{file}:/file")];
    layerwright(&pack).stdin("[]").ok()?;
    let refused = run(&store, "plan")?.args(["--history", &image]).exits(1)?;
    refused.says(&["reading the history oci:", "does not say what is in its layers", "give its plan instead"])?;
    let text = folder.write("index.json", "{")?;
    let dir = folder.path("");
    run(&store, "plan")?.args(["--history", dir.trim_end_matches('/')]).exits(1)?.says(&["index.json"])?;
    fs::remove_file(text)?;
    let tar = folder.write("some.tar", [&[0; 257][..], b"ustar", &[0; 250]].concat())?;
    run(&store, "plan")?.args(["--history", &tar]).exits(1)?.says(&["some.tar"])?;
    let stream = run(&store, "plan")?.args(["--history", "-"]).stdin(fs::read(&tar)?);
    stream.exits(2)?.says(&["standard input", "write it to a file"])?;
    Ok(())
}

fn a_folder_is_read_in_the_order_of_its_names() -> Result<()> {
    let (first, second, third, folder) = (store(&[])?, store(&[(3, 2)])?, store(&[(3, 2), (5, 2)])?, Folder::new()?);
    let dir = folder.path("history");
    fs::create_dir(&dir)?;
    ensure!(images_known(&["--history", &dir])? == 0);
    let (one, two) = (format!("{dir}/2026-01.json"), format!("{dir}/2026-02"));
    run(&first, "plan")?.args(["-o", &one]).ok()?;
    run(&second, "build")?.args(["--history", &one, "--to", &format!("oci:{two}")]).ok()?;
    fs::write(format!("{dir}/.notes"), "ours")?;
    ensure!(images_known(&["--history", &dir])? == 2);
    let expected = plan_after(&third, &[&one, &two])?;
    ensure!(plan_after(&third, &[&dir])? == expected);
    fs::rename(&one, format!("{dir}/2026-03.json"))?;
    let later = plan_after(&third, &[&two, &format!("{dir}/2026-03.json")])?;
    ensure!(plan_after(&third, &[&dir])? == later);
    Ok(())
}

fn what_does_not_belong_in_a_folder_is_told() -> Result<()> {
    let (store, folder) = (store(&[])?, Folder::new()?);
    let dir = folder.path("history");
    fs::create_dir_all(format!("{dir}/inner"))?;
    let refused = run(&store, "plan")?.args(["--history", &dir]).exits(1)?;
    refused.says(&["inner is neither a file nor an OCI layout", "begin its name with a dot"])?;
    fs::remove_dir(format!("{dir}/inner"))?;
    fs::write(format!("{dir}/README"), "What is here?\n")?;
    run(&store, "plan")?.args(["--history", &dir]).exits(1)?.says(&["/history: ", "/README: line 1 is no image"])
}

/// The use of it: of twelve libraries one changes all the time, and soon users pull little else than that and the app.
fn a_state_keeps_layers_where_they_are() -> Result<()> {
    let folder = Folder::new()?;
    let (state, image) = (folder.path("cache/state"), |tag: String| format!("oci:{}:{tag}", folder.path("oci")));
    let sent_again = |kind: &str, flags: &[&str]| -> Result<u64> {
        let mut sum = 0;
        for step in 1..=6 {
            let to = image(format!("{kind}-{step}"));
            run(&store(&[(3, step)])?, "build")?.args(["--to", &to]).args(flags).ok()?;
            if step > 1 {
                let before = image(format!("{kind}-{}", step - 1));
                let compared = layerwright(&["compare", &before, &to, "--json"]).ok()?.json()?;
                ensure!(compared["nodes"]["new"] == 2, "{compared}");
                sum += compared["nodes"]["sent_again"].as_u64().context("images of ours tell their nodes")?;
            }
        }
        Ok(sum)
    };
    let (with, without) = (sent_again("kept", &["--state", &state])?, sent_again("alone", &[])?);
    ensure!(2 * with < without, "{with} nodes are sent again with what was kept, and {without} without");
    ensure!(images_known(&["--history", &state])? == 6);

    // The same again adds nothing, and what is kept is newer than the history.
    let file = format!("{state}/plans.zst");
    let before = fs::read(&file)?;
    ensure!(before.len() < 2000, "{} bytes", before.len());
    let (last, next, older) = (store(&[(3, 6)])?, store(&[(3, 7)])?, folder.path("older.json"));
    run(&last, "build")?.args(["--state", &state, "--to", &image("again".into())]).ok()?;
    ensure!(fs::read(&file)? == before);
    run(&store(&[])?, "plan")?.args(["-o", &older]).ok()?;
    let (expected, saved) = (plan_after(&next, &[&older, &state])?, folder.path("saved.json"));
    let build = run(&next, "build")?.args(["--state", &state, "--history", &older, "--save-plan", &saved]);
    build.args(["--to", &image("next".into())]).ok()?;
    ensure!(fs::read(&saved)? == expected);
    ensure!(images_known(&["--history", &state])? == 7);
    Ok(())
}

fn a_state_makes_the_same_image_of_the_same_input() -> Result<()> {
    let (first, second, folder) = (store(&[])?, store(&[(2, 2), (7, 2)])?, Folder::new()?);
    let mut made: Vec<(Value, Vec<u8>)> = Vec::new();
    for run_number in 0..2 {
        let state = folder.path(&format!("state-{run_number}"));
        let to = format!("oci:{}", folder.path(&format!("oci-{run_number}")));
        run(&first, "build")?.args(["--state", &state, "--to", &to]).ok()?;
        let image = run(&second, "build")?.args(["--state", &state, "--to", &to, "--json"]).ok()?.json()?;
        made.push((image["manifest_digest"].clone(), fs::read(format!("{state}/plans.zst"))?));
        ensure!(image["image_id"].is_string(), "{image}");
    }
    ensure!(made[0] == made[1]);
    Ok(())
}

fn a_state_that_cannot_be_used_does_not_stop_a_build() -> Result<()> {
    let (store, folder) = (store(&[])?, Folder::new()?);
    let (state, to) = (folder.path("state"), format!("oci:{}", folder.path("oci")));
    let file = format!("{state}/plans.zst");
    let build = || -> Result<Invocation> { Ok(run(&store, "build")?.args(["--state", &state, "--to", &to])) };
    let quiet = build()?.ok()?;
    ensure!(!quiet.stderr.contains("warning"), "{}", quiet.report());
    let fine = fs::read(&file)?;
    for damaged in [&fine[..fine.len() / 2], b"nothing of ours", b"\x28\xb5\x2f\xfd"] {
        fs::write(&file, damaged)?;
        build()?.ok()?.says(&["warning: the state ", "plans.zst is damaged", "nothing is known of earlier builds"])?;
        ensure!(fs::read(&file)? == fine);
    }
    let newer = "{\"format\": \"layerwright.plan/9\"}";
    fs::write(&file, newer)?;
    build()?.ok()?.says(&[
        "another version of this program keeps",
        "neither used nor changed",
        "layerwright.plan/9",
    ])?;
    ensure!(fs::read(&file)? == newer.as_bytes());

    let packages =
        json!({"format": "layerwright.plan/1", "nodes": "dpkg-package", "planners": [], "roots": [], "layers": []});
    fs::write(&file, packages.to_string())?;
    build()?.exits(1)?.says(&["is of an image of packages, and this one is of store paths; name another folder"])?;
    let blocked = folder.write("blocked", "a file")?;
    let refused = run(&store, "build")?.args(["--state", &blocked, "--to", &to]).exits(2)?;
    refused.says(&["opening the state ", "/blocked"])?;
    let inside = folder.path("oci/state");
    run(&store, "build")?
        .args(["--state", &inside, "--to", &to])
        .exits(2)?
        .says(&["--state and --to name the same place"])?;
    let twice = run(&store, "build")?.args(["--state", &state, "--history", &state, "--to", &to]);
    twice.exits(2)?.says(&["--history and --state name the same place"])
}

fn outputs_spare_what_is_read() -> Result<()> {
    let (store, folder) = (store(&[])?, Folder::new()?);
    let graph = folder.write("graph.json", store.graph().to_string())?;
    let groups = folder.write("groups.json", json!({"groups": []}).to_string())?;
    let (component, lines) =
        (folder.path("x.wasm"), folder.write("lines.jsonl", "{\"date\": \"x\", \"closure\": []}\n")?);
    fs::copy(built_guest("contract-0-1-0")?, &component)?;
    let (plan, image) = (folder.path("plan.json"), folder.path("image.tar"));
    let from = ["--from", &format!("graph:{graph}"), "--root", &store.root(), "--max-layers", "5"];
    let (as_plan, as_image) = (|| layerwright(&["plan"]).args(from), || layerwright(&["build"]).args(from));
    let to = |file: &str| format!("docker-archive:{file}");
    as_image().args(["--to", &to(&image), "--save-plan", &plan]).ok()?;
    let kept = || [&graph, &groups, &component, &lines, &plan, &image].map(fs::read);
    let before: Vec<Vec<u8>> = kept().into_iter().collect::<Result<_, _>>()?;

    let config = format!("groups,config={groups}");
    let simulate = || layerwright(&["simulate", "--history", &lines]);
    let (same, oci) = ("name the same place", format!("oci:{}", folder.path("oci")));
    for (refused, flags) in [
        (as_plan().args(["-o", &graph]), "--from and --output"),
        (as_plan().args(["--report", &graph]), "--from and --report"),
        (as_image().args(["--to", &to(&graph)]), "--from and --to"),
        (as_image().args(["--to", &oci, "--save-plan", &graph]), "--from and --save-plan"),
        (as_image().args(["--to", &oci, "--state", &graph]), "--from and --state"),
        (as_plan().args(["--planner", &config, "--report", &groups]), "--planner and --report"),
        (as_plan().args(["--planner", &component, "-o", &component]), "--planner and --output"),
        (simulate().args(["--planner", &component, "--report", &component]), "--planner and --report"),
        (simulate().args(["--planner", &config, "--report", &groups]), "--planner and --report"),
        (as_image().args(["--history", &plan, "--to", &to(&plan)]), "--history and --to"),
        (as_plan().args(["--history", &image, "-o", &image]), "--history and --output"),
        (as_plan().args(["--history", &lines, "-o", &lines]), "--history and --output"),
    ] {
        refused.exits(2)?.says(&[flags, same])?;
    }
    let folder_as_report = as_plan().args(["--history", &plan, "--report", &folder.path("")]).exits(2)?;
    folder_as_report.says(&["--report: ", "is a directory, and a file is to be written"])?;
    ensure!(kept().into_iter().collect::<Result<Vec<_>, _>>()? == before);

    // So each build follows the one before it.
    as_plan().args(["--history", &plan, "-o", &plan]).ok()?;
    as_image().args(["--history", &image, &plan, "--to", &to(&image), "--save-plan", &plan]).ok()?;
    Ok(())
}

fn a_state_stays_as_it_is_where_a_build_fails() -> Result<()> {
    let (first, second, folder) = (store(&[])?, store(&[(3, 2)])?, Folder::new()?);
    let (state, to) = (folder.path("state"), format!("oci:{}", folder.path("oci")));
    run(&first, "build")?.args(["--state", &state, "--to", &to]).ok()?;
    let file = format!("{state}/plans.zst");
    let before = fs::read(&file)?;
    fs::remove_dir_all(second.file_path("h3v2-lib3-2"))?;
    run(&second, "build")?.args(["--state", &state, "--to", &to]).exits(1)?.says(&["lib3"])?;
    ensure!(fs::read(&file)? == before);
    let left: Vec<_> =
        fs::read_dir(&state)?.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<_, _>>()?;
    ensure!(left == ["plans.zst"], "{left:?}");
    let new = folder.path("new/state");
    run(&second, "build")?.args(["--state", &new, "--to", &to]).exits(1)?.says(&["lib3"])?;
    ensure!(!fs::exists(folder.path("new"))?, "a build that fails leaves nothing");
    Ok(())
}

fn planners_are_tried_with_earlier_images() -> Result<()> {
    let (store, folder, planner) = (HandMade::sample()?, Folder::new()?, built_guest("contract-0-1-0")?);
    let (plan, image) = (folder.path("plan.json"), format!("oci:{}", folder.path("oci")));
    let from = ["--from", &store.source()?, "--root", &store.root()];
    layerwright(&["build", "--to", &image, "--save-plan", &plan]).args(from).ok()?;
    let history = ["--history", &plan, &image];
    let run = layerwright(&["planner", "run", &planner, "--shape", "diamond"]).args(history).ok()?;
    run.says(&["after 2 images"])?;
    let check = ["planner", "check", "foresight", "--shape", "diamond", "--shape", "chain", "--json"];
    let checked = layerwright(&check).args(history).ok()?.json()?;
    ensure!(checked["failures"] == json!([]), "{checked}");
    let bench = ["planner", "bench", "foresight", "--nodes", "100", "--samples", "1", "--json"];
    let fuel = |flags: &[&str]| -> Result<u64> {
        let measured = layerwright(&bench).args(flags).ok()?.json()?;
        measured["plans"][0]["fuel"].as_u64().context("fuel")
    };
    ensure!(fuel(&history)? > fuel(&[])?, "to look at earlier images takes something");
    // What failed is repeated with the same images.
    let refuses = format!("{planner},refuse=limit");
    let failed = layerwright(&["planner", "check", &refuses, "--shape", "diamond", "--json"]).args(history).finish()?;
    let repeat = &failed.json()?["refusals"][0]["repeat"];
    ensure!(
        repeat.as_str().is_some_and(|line| line.contains(&format!("--history {plan} --history {image}"))),
        "{repeat}"
    );
    for command in ["run", "check", "bench"] {
        let arguments = ["planner", command, "foresight", "--shape", "diamond", "--history", "/missing"];
        layerwright(&arguments).exits(1)?.says(&["reading the history /missing"])?;
    }
    Ok(())
}
