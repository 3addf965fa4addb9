//! Plans: shown, saved, and packed later.

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use serde_json::{Value, json};

use crate::case::{Case, case};
use crate::hand_made::HandMade;
use crate::image::column;
use crate::run::{Folder, guest, layerwright};

pub(super) const CASES: &[Case] = &[
    case!(plan_and_pack_equal_build),
    case!(a_plan_for_packages_can_be_packed_later, Debian, Git),
    case!(store_layers_of_packages_can_be_packed_too, Debian, Git),
    case!(a_plan_goes_where_a_link_leads),
    case!(a_plan_is_not_written_over_the_image),
    case!(a_plan_comes_from_standard_input),
    case!(store_layers_list_the_same_layers),
    case!(store_layers_are_packed_bottom_most_first),
    case!(a_table_is_for_people),
    case!(the_layer_limit_holds),
    case!(plans_that_are_wrong_are_refused),
    case!(json_for_scripts_commands_no_terminal, Guest),
    case!(what_a_power_failure_leaves_is_told),
    case!(a_plan_cannot_name_what_is_outside_of_a_store),
];

fn plan_and_pack_equal_build() -> Result<()> {
    let store = HandMade::sample()?;
    let folder = Folder::new()?;
    let plan = folder.path("plan.json");
    layerwright(&["plan", "--from", &store.source()?, "-o", &plan]).ok()?;
    for (scheme, compression) in [("docker-archive", "gzip"), ("oci-archive", "zstd"), ("docker-archive", "none")] {
        let to = |name: &str| format!("{scheme}:{}:app:1", folder.path(name));
        let settings = ["--compression", compression, "--cmd", "/bin/app", "--label", "a=b"];
        let pack = ["pack", "--plan", &plan, "--root", &store.root(), "--to", &to("packed")];
        layerwright(&pack).args(settings).ok()?;
        let saved = folder.path("saved.json");
        let build = ["build", "--from", &store.source()?, "--root", &store.root(), "--to", &to("built")];
        layerwright(&build).args(settings).args(["--save-plan", &saved]).ok()?;
        ensure!(fs::read(folder.path("packed"))? == fs::read(folder.path("built"))?, "{scheme} {compression}");
        ensure!(fs::read(&plan)? == fs::read(saved)?);
    }
    Ok(())
}

fn a_plan_for_packages_can_be_packed_later() -> Result<()> {
    let folder = Folder::new()?;
    let plan = folder.path("plan.json");
    let to = |name: &str| format!("docker-archive:{}:git:1", folder.path(name));
    layerwright(&["plan", "--from", "dpkg:git", "--max-layers", "7", "--output", &plan]).ok()?;
    layerwright(&["pack", "--plan", &plan, "--to", &to("packed")]).ok()?;
    layerwright(&["build", "--from", "dpkg:git", "--max-layers", "7", "--to", &to("built")]).ok()?;
    ensure!(fs::read(folder.path("packed"))? == fs::read(folder.path("built"))?);
    Ok(())
}

fn store_layers_of_packages_can_be_packed_too() -> Result<()> {
    let folder = Folder::new()?;
    let lists = folder.path("lists.json");
    let plan = ["plan", "--from", "dpkg:git", "--max-layers", "7", "--format", "store-layers", "-o", &lists];
    layerwright(&plan).ok()?;
    let to = format!("oci:{}", folder.path("packed"));
    let packed = layerwright(&["pack", "--plan", &lists, "--to", &to, "--json"]).ok()?.json()?;
    ensure!(packed["layers"].as_array().context("there are layers")?.len() == 7);
    Ok(())
}

fn a_plan_goes_where_a_link_leads() -> Result<()> {
    let store = HandMade::sample()?;
    let folder = Folder::new()?;
    let (link, file) = (folder.path("link"), folder.write("file", "old")?);
    std::os::unix::fs::symlink("file", &link)?;
    layerwright(&["plan", "--from", &store.source()?, "-o", &link]).ok()?;
    ensure!(fs::symlink_metadata(&link)?.is_symlink());
    ensure!(fs::read_to_string(file)?.starts_with('{'));
    // What is no regular file is written into, and stays what it is.
    layerwright(&["plan", "--from", &store.source()?, "-o", "/dev/stdout"]).ok()?.says(&[])?;
    Ok(())
}

fn a_plan_is_not_written_over_the_image() -> Result<()> {
    let store = HandMade::sample()?;
    let folder = Folder::new()?;
    fs::create_dir(folder.path("real"))?;
    std::os::unix::fs::symlink("real", folder.path("link"))?;
    let (image, plan) = (folder.path("real/x"), folder.path("link/x"));
    for (to, plan) in
        [(format!("docker-archive:{image}"), plan.clone()), (format!("oci:{image}"), plan + "/index.json")]
    {
        let build = ["build", "--from", &store.source()?, "--root", &store.root(), "--to", &to, "--save-plan", &plan];
        layerwright(&build).exits(2)?.says(&["the same place"])?;
    }
    ensure!(fs::read_dir(folder.path("real"))?.next().is_none());
    Ok(())
}

fn a_plan_comes_from_standard_input() -> Result<()> {
    let store = HandMade::sample()?;
    let plan = layerwright(&["plan", "--from", &store.source()?]).ok()?.stdout;
    let pack =
        |plan: Vec<u8>| layerwright(&["pack", "--plan", "-", "--root", &store.root(), "--to", "-"]).stdin(plan).ok();
    let build = ["build", "--from", &store.source()?, "--root", &store.root(), "--to", "-"];
    ensure!(pack(plan)?.stdout == layerwright(&build).ok()?.stdout);
    Ok(())
}

fn store_layers_list_the_same_layers() -> Result<()> {
    let store = HandMade::sample()?;
    let plan = layerwright(&["plan", "--from", &store.source()?]).ok()?.json()?;
    let layers = layerwright(&["plan", "--from", &store.source()?, "--format", "store-layers"]).ok()?.json()?;
    let names = |layer: &Value| Ok(column(&layer["nodes"], "name")?.into_iter().map(str::to_owned).collect());
    let planned: Vec<Vec<String>> =
        plan["layers"].as_array().context("layers")?.iter().map(names).collect::<Result<_>>()?;
    ensure!(layers == json!(planned), "{layers}");
    ensure!(layers[0] == json!(["/nix/store/d1-data-1.0"]), "what most is built upon lies lowest: {layers}");
    Ok(())
}

fn store_layers_are_packed_bottom_most_first() -> Result<()> {
    let store = HandMade::sample()?;
    let folder = Folder::new()?;
    let layers = json!([["/nix/store/a3-app-3.0", "/nix/store/d1-data-1.0"], ["/nix/store/l2-lib-2.0"]]);
    let list = folder.write("layers.json", layers.to_string())?;
    let pack = |list: &str, to: &str| {
        layerwright(&["pack", "--plan", list, "--root", &store.root(), "--to", to, "--json"]).ok()?.json()
    };
    let packed = pack(&list, &format!("oci:{}", folder.path("oci")))?;
    let counts: Vec<u64> =
        packed["layers"].as_array().context("layers")?.iter().filter_map(|layer| layer["nodes"].as_u64()).collect();
    ensure!(counts == [2, 1], "{packed}");
    layerwright(&["verify", &folder.path("oci")]).ok()?;
    Ok(())
}

fn a_table_is_for_people() -> Result<()> {
    let store = HandMade::sample()?;
    let shown = layerwright(&["plan", "--from", &store.source()?, "--format", "table"]).ok()?;
    let text = shown.text()?;
    for part in ["LAYER", "SIZE", "foresight", "data", "lib", "app"] {
        ensure!(text.contains(part), "{part} is not in\n{text}");
    }
    ensure!(!text.contains('\u{1b}'), "{text:?}");
    Ok(())
}

fn the_layer_limit_holds() -> Result<()> {
    let store = HandMade::sample()?;
    for (max_layers, expected) in [("1", 1), ("2", 2), ("3", 3), ("100", 3)] {
        let plan = layerwright(&["plan", "--from", &store.source()?, "--max-layers", max_layers]).ok()?.json()?;
        ensure!(plan["layers"].as_array().map(Vec::len) == Some(expected), "{max_layers}: {plan}");
    }
    layerwright(&["plan", "--from", &store.source()?, "--max-layers", "0"]).exits(2)?;
    Ok(())
}

/// A file of no bytes is not taken for one that says that there is nothing.
fn what_a_power_failure_leaves_is_told() -> Result<()> {
    let folder = Folder::new()?;
    let nothing = folder.write("nothing", "")?;
    let from = format!("graph:{nothing}");
    let fine = folder.write("graph.json", HandMade::sample()?.graph().to_string())?;
    let fine = format!("graph:{fine}");
    let plan = folder.path("plan.json");
    layerwright(&["plan", "--from", &fine, "-o", &plan]).ok()?;
    for (arguments, reason) in [
        (&["plan", "--from", &from][..], "it is empty, as a file is that was being written when the power failed"),
        (&["plan", "--from", &fine, "--history", &nothing], "it tells of no image"),
        (&["plan", "--from", &fine, "--planner", &format!("groups,config={nothing}")], "EOF while parsing"),
        (&["pack", "--plan", &nothing, "--to", "oci:out"], "it is empty, "),
        (&["pack", "--plan", &plan, "--image-config", &nothing, "--to", "oci:out"], "it is empty, "),
        (&["explain", "--plan", &nothing, "x"], "it is empty, "),
        (&["simulate", "--history", &nothing], "it tells of no image"),
        (&["verify", &nothing], "is no image"),
    ] {
        layerwright(arguments).dir(&folder.path(".")).exits(1)?.says(&[&nothing, reason])?;
    }
    ensure!(!folder.names()?.contains(&"out".to_owned()));
    Ok(())
}

/// Whatever is in names, which may be anybody's, scripts get the same value, and terminals nothing to obey.
fn json_for_scripts_commands_no_terminal() -> Result<()> {
    let hostile = "\u{9b}31m\u{85}\u{7f}\u{202e}\u{200b}\u{2800}\u{e0041}é🦀";
    let outer = Folder::new()?;
    let dir = outer.path(hostile);
    fs::create_dir(&dir)?;
    let write = |name: &str, content: &[u8]| -> Result<String> {
        fs::write(format!("{dir}/{name}"), content)?;
        Ok(format!("{dir}/{name}"))
    };
    let name = format!("/nix/store/h0-{hostile}");
    let node = json!({"name": name, "lineage": hostile, "size": 7, "references": []});
    let plan = |nodes: Value| {
        let layers = json!([{"label": "", "planner": null, "nodes": nodes}]);
        json!({"format": "layerwright.plan/1", "nodes": "store-path", "planners": [], "roots": [], "layers": layers})
    };
    let other = json!({"name": "/nix/store/h1-x", "lineage": "x", "size": 1, "references": []});
    let (one, two) = (plan(json!([node])), plan(json!([other])));
    let [one, two] = [write("1.json", one.to_string().as_bytes())?, write("2.json", two.to_string().as_bytes())?];
    let component = write("mine.wasm", &fs::read(guest("popularity"))?)?;
    let store = HandMade::sample()?;
    let history = format!("{{\"date\": \"x\", \"closure\": {}}}\n", store.graph()).repeat(2);
    let history = write("history", history.as_bytes())?;
    for arguments in [
        &["explain", "--plan", &one, &name, "--json"][..],
        &["compare", &one, &two, "--json"],
        &["planner", "digest", &component, "--json"],
        &["planner", "check", &component, "--shape", "chain", "--history", &one, "--json"],
        &["simulate", "--history", &history, "--planner", &component, "--json"],
    ] {
        let printed = layerwright(arguments).ok()?;
        let obeyed =
            |c: &char| c.is_control() && *c != '\n' || hostile.contains(*c) && !c.is_ascii() && !"é🦀".contains(*c);
        ensure!(printed.text()?.chars().find(obeyed).is_none(), "{}", printed.report());
        let names_it = printed.json()?.to_string().contains(hostile);
        ensure!(names_it || !printed.text()?.contains("\\u009b"), "{}", printed.report());
        ensure!(
            names_it == ["explain", "compare", "planner", "simulate"].contains(&arguments[0]),
            "{}",
            printed.report()
        );
    }
    Ok(())
}

fn plans_that_are_wrong_are_refused() -> Result<()> {
    let store = HandMade::sample()?;
    let folder = Folder::new()?;
    let plan = layerwright(&["plan", "--from", &store.source()?]).ok()?.json()?;
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut plan = plan.clone();
        change(&mut plan);
        plan.to_string()
    };
    for (text, part) in [
        ("{}".to_owned(), "format"),
        ("not JSON".to_owned(), "not a plan"),
        (changed(&|plan| plan["format"] = json!("layerwright.plan/9")), "layerwright.plan/9"),
        (changed(&|plan| plan["layers"][0]["nodes"] = json!([])), "layer 0"),
        (changed(&|plan| plan["layers"][1] = plan["layers"][0].clone()), "is there twice"),
        (changed(&|plan| drop(plan["layers"].as_array_mut().map(|layers| layers.remove(0)))), "/nix/store/d1-data-1.0"),
        (changed(&|plan| plan["layers"][0]["planner"] = json!(7)), "planner 7"),
        (r#"[["/nix/store/a"], ["/nix/store/a"]]"#.to_owned(), "/nix/store/a"),
        (r#"[["/nix/store/a"], []]"#.to_owned(), "layer 1"),
        (r#"[["relative"]]"#.to_owned(), "relative"),
    ] {
        let file = folder.write("plan.json", &text)?;
        let to = format!("oci:{}", folder.path("oci"));
        let pack = layerwright(&["pack", "--plan", &file, "--root", &store.root(), "--to", &to]).exits(1)?;
        pack.says(&[part, "plan.json"])?;
    }
    ensure!(folder.names()? == ["plan.json"]);
    Ok(())
}

fn a_plan_cannot_name_what_is_outside_of_a_store() -> Result<()> {
    let folder = Folder::new()?;
    for name in ["/etc", "/root/.ssh", "/nix/store", "/nix/store/../../etc", "/nix/store/a/b", "/"] {
        let list = folder.write("layers.json", json!([[name]]).to_string())?;
        let to = format!("oci:{}", folder.path("oci"));
        layerwright(&["pack", "--plan", &list, "--to", &to]).exits(1)?.says(&[name])?;
    }
    ensure!(folder.names()? == ["layers.json"]);
    Ok(())
}
