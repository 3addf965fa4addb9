//! The functions of the Nix library: names, formats, settings, planners, errors.

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use serde_json::json;

use crate::case::{Case, case};
use crate::image::{Layout, members, sha256, skopeo, text};
use crate::library::{DockerArchive, Library, expect, library};
use crate::podman::Podman;
use crate::run::{Folder, guest, layerwright, program};

pub(super) const CASES: &[Case] = &[
    case!(an_image_holds_the_closure_of_its_config_and_runs, Nix, Busybox, Podman, Root),
    case!(a_stream_is_the_same_image, Nix, Busybox, Podman, Root),
    case!(a_stream_takes_another_name, Nix, Busybox, Root),
    case!(an_image_without_a_tag_is_named_by_a_hash, Nix, Busybox),
    case!(the_hash_changes_with_the_settings_alone, Nix, Busybox),
    case!(a_registry_can_be_part_of_the_name, Nix, Busybox, Podman, Root),
    case!(arguments_are_overridden, Nix, Busybox),
    case!(functions_and_results_are_what_users_of_dockertools_ask, Nix, Busybox),
    case!(the_parts_of_results_work_by_themselves, Nix, Busybox, Root),
    case!(dockertools_can_build_upon_an_image, Nix, Busybox),
    case!(a_nix_shell_image_has_the_environment_of_its_derivation, Nix, Busybox, Podman, Fakeroot, Root),
    case!(passthru_lies_below_what_the_function_tells, Nix, Busybox),
    case!(every_format_runs, Nix, Busybox, Podman, Skopeo, Root),
    case!(every_compressor_is_what_it_says, Nix, Busybox),
    case!(every_setting_arrives, Nix, Busybox),
    case!(an_image_can_be_empty, Nix, Busybox),
    case!(the_date_is_stable_unless_it_is_to_be_now, Nix, Busybox),
    case!(the_architecture_is_told_or_that_of_the_host, Nix, Busybox),
    case!(text_without_context_is_no_reference, Nix, Busybox),
    case!(two_layers_miss_no_store_path, Nix, Busybox, Podman, Root),
    case!(layers_are_counted_as_dockertools_does, Nix, Busybox),
    case!(an_image_by_build_image_has_one_layer_of_store_paths, Nix, Busybox),
    case!(images_share_layers, Nix, Busybox),
    case!(a_planner_is_a_name_a_component_or_a_chain, Nix, Busybox, Guest),
    case!(layers_of_earlier_images_are_kept, Nix, Busybox),
    case!(a_layering_pipeline_is_run, Nix, Busybox),
    case!(a_pinned_component_is_checked, Nix, Busybox, Guest),
    case!(planners_are_heard_when_asked, Nix, Busybox),
    case!(the_program_comes_in_many_ways, Nix, Busybox),
    case!(a_second_build_is_the_same_to_the_byte, Nix, Busybox),
    case!(what_is_wrong_is_told_before_anything_is_built, Nix, Busybox),
    case!(a_config_that_no_tool_knows_is_refused, Nix, Busybox),
    case!(a_config_that_engines_read_otherwise_is_warned_about, Nix, Busybox),
    case!(a_stream_below_an_image_is_told, Nix, Busybox),
    case!(the_overlay_works_with_what_nixpkgs_has, Nix, Busybox, Root),
    case!(the_flake_has_library_overlay_and_package, Nix, Busybox),
];

/// What the app prints.
const SAYS: &str = "app says:\ntext from data\ntext from single\ntext from data\n";

fn an_image_holds_the_closure_of_its_config_and_runs() -> Result<()> {
    let library = library()?;
    let image = library.build_image("untaggedLayered")?;
    let podman = Podman::empty()?;
    let name = podman.load(Some(&image), Vec::new())?;
    let tag = library.evaluate("untaggedLayered.imageTag")?;
    ensure!(name.ends_with(&format!("/app:{}", text(&tag)?)), "{name} has another tag than {tag}");
    expect(&podman.run(&name, &[])?, &SAYS)
}

fn a_stream_is_the_same_image() -> Result<()> {
    let library = library()?;
    let stream = library.build_path("untaggedStream", &[])?;
    let written = library.run(&stream, &[])?;
    ensure!(written.code == Some(0), "{}", written.report());
    let streamed = DockerArchive::read(written.stdout.clone())?;
    let built = DockerArchive::open(library.build_image("untaggedLayered")?)?;
    expect(&streamed.image_id()?, &built.image_id()?)?;
    expect(&streamed.name()?, &built.name()?)?;
    expect(&library.evaluate("untaggedStream.isExe")?, &true)?;
    expect(&library.evaluate("untaggedLayered.isExe")?, &false)?;
    expect(&library.build_path("untaggedLayered.stream", &[])?, &stream)?;

    let podman = Podman::empty()?;
    let name = podman.load(None, written.stdout)?;
    expect(&podman.run(&name, &[])?, &SAYS)?;
    // As what dockerTools makes.
    expect(&name, &format!("localhost/{}", built.name()?))?;
    expect(&podman.load(Some(&library.build_image("untaggedLayered")?), Vec::new())?, &name)
}

fn a_stream_takes_another_name() -> Result<()> {
    let library = library()?;
    let stream = library.build_path("untaggedStream", &[])?;
    for arguments in [&["-t", "other:2"] as &[&str], &["--repo_tag", "other:2"], &["--repo_tag=other:2"]] {
        expect(&DockerArchive::read(library.run(&stream, arguments)?.stdout)?.name()?, &"other:2")?;
    }
    for wrong in ["--tag", "-t"] {
        let refused = library.run(&stream, &[wrong])?;
        ensure!(refused.code == Some(2) && refused.stdout.is_empty(), "{}", refused.report());
    }
    Ok(())
}

fn an_image_without_a_tag_is_named_by_a_hash() -> Result<()> {
    let library = library()?;
    for attribute in ["untaggedLayered", "untaggedImage"] {
        let archive = DockerArchive::open(library.build_image(attribute)?)?;
        let tag = library.evaluate(&format!("{attribute}.imageTag"))?;
        ensure!(text(&tag)?.len() == 32, "{tag}");
        expect(&archive.name()?, &format!("app:{}", text(&tag)?).as_str())?;
        expect(&library.evaluate(&format!("{attribute}.imageName"))?, &"app")?;
    }
    expect(&library.evaluate("untaggedStream.imageTag")?, &library.evaluate("untaggedLayered.imageTag")?)
}

/// They are no part of the plan itself.
fn the_hash_changes_with_the_settings_alone() -> Result<()> {
    let library = library()?;
    let tag = |attribute: &str| library.evaluate(&format!("{attribute}.imageTag"));
    ensure!(tag("untaggedLayered")? != tag("untaggedWithSettings")?);
    Ok(())
}

fn a_registry_can_be_part_of_the_name() -> Result<()> {
    let library = library()?;
    let expected = "registry.example:5000/team/app:1";
    let podman = Podman::empty()?;
    for attribute in ["registryLayered", "registryImage"] {
        expect(&podman.load(Some(&library.build_image(attribute)?), Vec::new())?, &expected)?;
    }
    expect(&library.evaluate("registryLayered.imageName")?, &"registry.example:5000/team/app")?;
    let streamed = library.run(&library.build_path("registryStream", &[])?, &[])?;
    expect(&DockerArchive::read(streamed.stdout)?.name()?, &expected)
}

fn arguments_are_overridden() -> Result<()> {
    let library = library()?;
    expect(&library.evaluate("overridden.imageTag")?, &"2")?;
    expect(&DockerArchive::open(library.build_image("overridden")?)?.name()?, &"app:2")
}

/// One evaluation for all, as each takes a while.
fn functions_and_results_are_what_users_of_dockertools_ask() -> Result<()> {
    expect(&library()?.evaluate("unlike")?, &json!([]))
}

fn the_parts_of_results_work_by_themselves() -> Result<()> {
    let library = library()?;
    let built = DockerArchive::open(library.build_image("untaggedLayered")?)?.image_id()?;
    let conf = library.build_path("conf", &[])?;
    let streamed = library.run(&library.build_path("streamScript", &[])?, &[&conf])?;
    expect(&DockerArchive::read(streamed.stdout)?.image_id()?, &built)?;
    let program = format!("{}/bin/stream-app", library.build_path("mainProgram", &[])?);
    expect(&DockerArchive::read(library.run(&program, &[])?.stdout)?.image_id()?, &built)?;

    let layer = library.build_with_tools("layerOfFiles")?;
    let tar = fs::read(library.physical(&fs::read_link(format!("{layer}/layer.tar"))?.display().to_string()))?;
    let names: Vec<String> = members(&tar)?.into_iter().map(|(name, _)| name).collect();
    ensure!(names.iter().any(|name| name.ends_with("bin/app")), "{names:?}");
    ensure!(fs::read_to_string(format!("{layer}/json"))?.contains("\"os\":\"linux\""));
    expect(&fs::read_to_string(format!("{layer}/VERSION"))?, &"1.0")
}

/// It takes the hash of a layer's file for its diff ID, and looks for ID/layer.tar.
fn dockertools_can_build_upon_an_image() -> Result<()> {
    let library = library()?;
    let diff_ids = |archive: &DockerArchive| anyhow::Ok(archive.config()?["rootfs"]["diff_ids"].clone());
    let expected = diff_ids(&DockerArchive::open(library.build_image("untaggedLayered")?)?)?;
    let other = diff_ids(&DockerArchive::open(library.build_image("layeredOther")?)?)?;
    // Streams number their layers.
    let merged = [&expected, &expected, &other];
    for (attribute, images) in [("plainForDockerTools", &merged[..1]), ("mergedForDockerTools", &merged)] {
        let archive = DockerArchive::open(library.build_with_tools(attribute)?)?;
        for (image, diff_ids) in images.iter().enumerate() {
            let image = &archive.manifest[image];
            let layers = image["Layers"].as_array().context("a list")?;
            ensure!(layers.iter().all(|layer| layer.to_string().ends_with("/layer.tar\"")), "{layers:?}");
            let hashes: Vec<String> =
                layers.iter().map(|layer| Ok(sha256(archive.member(text(layer)?)?))).collect::<Result<_>>()?;
            expect(&json!(hashes), *diff_ids).context(attribute)?;
            ensure!(text(&image["Config"])?.ends_with(".json"), "{image}");
        }
        ensure!(archive.member("index.json").is_err(), "tools would read that, and not what dockerTools writes");
    }
    Ok(())
}

fn a_nix_shell_image_has_the_environment_of_its_derivation() -> Result<()> {
    let library = library()?;
    let streamed = library.run(&library.build_with_tools_path("nixShell")?, &[])?;
    let podman = Podman::empty()?;
    let name = podman.load(None, streamed.stdout)?;
    // The text of a file has no end of line of its own.
    let built = podman.run(&name, &["buildDerivation"])?;
    ensure!(built.starts_with("in a filea 'quoted' word of /nix/store/"), "{built}");
    expect(&podman.run(&name, &["sh", "-c", "echo $word; id -u; cat $textPath"])?, &"a 'quoted' word\n1000\nin a file")
}

fn passthru_lies_below_what_the_function_tells() -> Result<()> {
    let library = library()?;
    expect(&library.evaluate("passedThrough.note")?, &"kept")?;
    expect(&library.evaluate("passedThrough.passthru.note")?, &"kept")?;
    expect(&library.evaluate("passedThrough.imageTag")?, &"1")?;
    expect(&library.evaluate("passedThrough.meta.description")?, &"an app")
}

fn every_format_runs() -> Result<()> {
    let library = library()?;
    let podman = Podman::empty()?;
    for attribute in ["dockerArchive", "plain", "ociArchive"] {
        let name = podman.load(Some(&library.build_image(attribute)?), Vec::new())?;
        expect(&podman.run(&name, &[])?, &SAYS).context(attribute)?;
        podman.client(&["rmi", "--all", "--force"]).ok()?;
    }
    // Podman takes no folder with capital letters in its name.
    let folder = Folder::new()?;
    let copied = folder.path("copied.tar");
    let to = format!("docker-archive:{copied}:app:1");
    skopeo(&["copy", &format!("oci:{}:1", library.build_image("oci")?), &to]).ok()?;
    expect(&podman.run(&podman.load(Some(&copied), Vec::new())?, &[])?, &SAYS)
}

fn every_compressor_is_what_it_says() -> Result<()> {
    let library = library()?;
    let media_types = |attribute: &str| -> Result<Vec<String>> {
        let layers = layout(library, attribute)?.manifest["layers"].clone();
        let layers = layers.as_array().context("layers are a list")?;
        layers.iter().map(|layer| Ok(text(&layer["mediaType"])?.to_owned())).collect()
    };
    for (attribute, ending) in [("oci", "+gzip"), ("ociLevel", "+gzip"), ("ociZstd", "+zstd")] {
        let types = media_types(attribute)?;
        ensure!(types.iter().all(|media_type| media_type.ends_with(ending)), "{attribute}: {types:?}");
    }
    let sizes = |attribute: &str| -> Result<u64> {
        let sizes = layout(library, attribute)?.manifest["layers"].clone();
        Ok(sizes.as_array().context("a list")?.iter().filter_map(|layer| layer["size"].as_u64()).sum())
    };
    ensure!(sizes("ociLevel")? > sizes("oci")?, "level 1 is not larger than level 6");
    let plain = DockerArchive::open(library.build_image("plain")?)?;
    let name = text(&plain.manifest[0]["Layers"][0])?.to_owned();
    ensure!(plain.member(&name)?.starts_with(b"/nix/"), "{name} is no plain tar");
    Ok(())
}

fn every_setting_arrives() -> Result<()> {
    let library = library()?;
    let config = layout(library, "everySetting")?.config;
    let app = format!("{}/bin/app", text(&library.evaluate("app.outPath")?)?);
    let expected = json!({
        "Cmd": [app], "Env": ["A=1"], "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/data": {}}, "WorkingDir": "/nix",
        "User": "1000:1000", "StopSignal": "SIGINT", "Healthcheck": {"Test": ["CMD", app]},
        "Labels": config["config"]["Labels"],
    });
    expect(&config["config"], &expected)?;
    expect(&config["created"], &"1970-01-01T00:00:01Z")
}

fn an_image_can_be_empty() -> Result<()> {
    let layout = layout(library()?, "withoutConfig")?;
    expect(&layout.manifest["layers"], &json!([]))
}

fn the_date_is_stable_unless_it_is_to_be_now() -> Result<()> {
    let library = library()?;
    expect(&DockerArchive::open(library.build_image("untaggedImage")?)?.config()?["created"], &"1970-01-01T00:00:01Z")?;
    for attribute in ["createdNow", "createdNowImage"] {
        let created = layout(library, attribute)?.config["created"].clone();
        ensure!(text(&created)? > "2020", "{attribute} was created {created}");
    }
    Ok(())
}

fn the_architecture_is_told_or_that_of_the_host() -> Result<()> {
    let library = library()?;
    for attribute in ["arm", "armImage", "crossed"] {
        expect(&layout(library, attribute)?.config["architecture"], &"arm64").context(attribute)?;
    }
    let native = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    expect(&layout(library, "oci")?.config["architecture"], &native)
}

/// The label names a derivation that need not be there.
fn text_without_context_is_no_reference() -> Result<()> {
    let library = library()?;
    let layout = layout(library, "referencesWithoutContext")?;
    let label = layout.config["config"]["Labels"]["built-from"].clone();
    ensure!(text(&label)?.ends_with("-app-3.0.drv"), "{label}");
    let data = library.evaluate("data.outPath")?;
    let packed = store_paths(&layout)?;
    ensure!(packed == [text(&data)?], "{packed:?}");
    Ok(())
}

fn two_layers_miss_no_store_path() -> Result<()> {
    let library = library()?;
    let image = library.build_image("twoLayers")?;
    expect(&DockerArchive::open(&image)?.layer_count()?, &1)?;
    let podman = Podman::empty()?;
    let name = podman.load(Some(&image), Vec::new())?;
    expect(&podman.run(&name, &[])?, &SAYS)?;
    let chain = DockerArchive::open(&image)?.config()?["config"]["Labels"]["chain"].clone();
    let below = format!("{}{}/number", text(&chain)?, "/below".repeat(10));
    let busybox = library.evaluate("busybox")?;
    expect(&podman.run(&name, &[&format!("{}/bin/cat", text(&busybox)?), &below])?, &"0\n")
}

/// `maxLayers` counts a layer for `contents`, also where there are none.
fn layers_are_counted_as_dockertools_does() -> Result<()> {
    let layout = layout(library()?, "fiveLayers")?;
    let packed: Vec<usize> = layer_paths(&layout)?.iter().map(Vec::len).collect();
    expect(&(packed.len(), packed.iter().sum()), &(4, 12))
}

fn an_image_by_build_image_has_one_layer_of_store_paths() -> Result<()> {
    let library = library()?;
    let layout = layout(library, "imageOfOneLayer")?;
    let mut expected = library.store.closure()?;
    expected.sort();
    expect(&layer_paths(&layout)?, &[expected])
}

fn images_share_layers() -> Result<()> {
    let library = library()?;
    let [one, other] = [layout(library, "sharing")?, layout(library, "sharingToo")?];
    let digests = |layout: &Layout| layout.manifest["layers"].as_array().cloned().unwrap_or_default();
    ensure!(digests(&one).iter().any(|layer| digests(&other).contains(layer)), "no layer is shared");
    Ok(())
}

fn a_planner_is_a_name_a_component_or_a_chain() -> Result<()> {
    let library = library()?;
    let planners = |layout: &Layout| layout.manifest["annotations"]["org.layerwright.planners"].to_string();
    ensure!(planners(&layout(library, "byName")?).contains("popularity"));

    let groups = layout(library, "byGroups")?;
    ensure!(planners(&groups).contains("groups") && planners(&groups).contains("popularity"));
    let lowest = &layer_paths(&groups)?[0];
    ensure!(lowest.len() == 1 && lowest[0].ends_with("-chain-10"), "{lowest:?}");
    expect(&layer_paths(&layout(library, "byConfiguredGroups")?)?.len(), &1)?;

    let component = guest("popularity").display().to_string();
    let built = library.nix_build("byComponent").args(["--arg", "component", &component]).ok()?;
    let built = Layout::open(&library.physical(built.text()?.trim()), "1")?;
    expect(&built.manifest["layers"], &layout(library, "byName")?.manifest["layers"])
}

fn layers_of_earlier_images_are_kept() -> Result<()> {
    let library = library()?;
    let paths = |attribute: &str| {
        let mut layers = layer_paths(&layout(library, attribute)?)?;
        layers.sort();
        anyhow::Ok(layers)
    };
    let earlier = paths("earlier")?;
    ensure!(paths("forgetful")? != earlier, "any planner would have made these: {earlier:?}");
    expect(&paths("remembering")?, &earlier)?;
    expect(&paths("rememberingImage")?, &earlier)
}

fn a_layering_pipeline_is_run() -> Result<()> {
    let library = library()?;
    let packed = |attribute: &str| -> Result<Vec<usize>> {
        Ok(layer_paths(&layout(library, attribute)?)?.iter().map(Vec::len).collect())
    };
    expect(&packed("pipeline")?, &[1, 1, 10])?;
    expect(&packed("pipelineInAFile")?, &[1, 1, 10])
}

fn a_pinned_component_is_checked() -> Result<()> {
    let library = library()?;
    let component = guest("popularity").display().to_string();
    let digest = layerwright(&["planner", "digest", &component]).ok()?;
    let digest = digest.text()?.trim().trim_start_matches("sha256:")[..64].to_owned();
    let build = |digest: &str| {
        let arguments = ["--arg", "component", &component, "--argstr", "sha256", digest];
        library.nix_build("byPinnedComponent").args(arguments)
    };
    build(&digest).ok()?;
    build(&"0".repeat(64)).exits(100)?.says(&["is not the one that is pinned", &digest])
}

fn planners_are_heard_when_asked() -> Result<()> {
    library()?.nix_build("talkative.plan").ok()?.says(&["foresight"])
}

/// A file, a folder, a package: always the same image.
fn the_program_comes_in_many_ways() -> Result<()> {
    let library = library()?;
    let folder = Folder::new()?;
    fs::create_dir(folder.path("bin"))?;
    fs::copy(program(), folder.path("bin/layerwright"))?;
    let arguments = ["--arg", "file", program(), "--arg", "folder", &folder.path(".")];
    let built = library.nix_build("programs").args(arguments).ok()?;
    let ids: Vec<String> = built
        .text()?
        .lines()
        .map(|path| DockerArchive::open(library.physical(path))?.image_id())
        .collect::<Result<_>>()?;
    ensure!(ids.len() == 3 && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    Ok(())
}

fn a_second_build_is_the_same_to_the_byte() -> Result<()> {
    let library = library()?;
    for attribute in ["dockerArchive", "plain", "ociArchive", "oci", "ociZstd", "untaggedStream", "imageOfOneLayer"] {
        library.build_path(attribute, &[])?;
        library.nix_build(attribute).args(["--check"]).ok().context(attribute)?;
    }
    Ok(())
}

fn what_is_wrong_is_told_before_anything_is_built() -> Result<()> {
    let library = library()?;
    for (attribute, says) in [
        ("name", &["buildLayeredImage", "`no spaces` is no image name"] as &[&str]),
        ("maxLayers", &["image `app`", "maxLayers is 1, and has to be 2 at least"]),
        ("compressor", &["compressor `bz2` is none of gz, none, zstd"]),
        ("format", &["format `docker` is none of docker-archive, oci, oci-archive"]),
        ("argument", &["called with unexpected argument 'contnts'"]),
        ("content", &["`/etc` is not in the store"]),
        ("twoContents", &["`contents` is an old name of `copyToRoot`"]),
        ("runAsRoot", &["`runAsRoot` needs a virtual machine", "enableFakechroot"]),
        ("fromStream", &["`fromImage` is a stream"]),
        ("created", &["image `app`", "`created` is `yesterday`", "\"20240131\"", "\"@1706695872\""]),
        ("createdDigits", &["`created` is `1706695872`"]),
        ("noSuchDay", &["`created` is `2023-02-29`", "that month has 28 days"]),
        ("mtime", &["`mtime` is `1969-12-31`", "before 1970"]),
        ("hashes", &["`hash`, `sha256` and `outputHash` are the same"]),
        ("bareHash", &["`abc` does not say which hash it is"]),
        ("shellOfMachine", &["`command` and `run` are both"]),
        ("structured", &["x has `__structuredAttrs`"]),
        ("streamAsRoot", &["`fromImage` is a stream"]),
        ("plannerAsRoot", &["dockerTools builds this image", "`planner`"]),
        ("rustc", &["this nixpkgs has rustc 1.83.0", "nixpkgs has since 26.05"]),
        ("settings", &["`plannerConfig` is for a single planner"]),
        ("pipelineAndPlanner", &["`layeringPipeline` is a planner itself"]),
        ("digest", &["`imageDigest` is `latest`, which is no digest"]),
        ("hash", &["without `hash` nobody could tell", "hash = \"\""]),
        ("merged", &["the list of images is empty"]),
        ("program", &["/nowhere is neither the program nor a folder with bin/layerwright", "cargo build --release"]),
    ] {
        library.is_refused(&format!("wrong.{attribute}"), says)?;
    }
    Ok(())
}

fn a_config_that_no_tool_knows_is_refused() -> Result<()> {
    library()?.nix_build("wrong.config").exits(100)?.says(&["unknown field `command`"])
}

/// At evaluation, where one sees it also if nothing is to be built. The library has a list of its own.
fn a_config_that_engines_read_otherwise_is_warned_about() -> Result<()> {
    let warned = ["`cmd` is read as `Cmd`", "`LABELS` is read as `Labels`", "`test` is read as `Test`"];
    library()?.nix_build("respelt").args(["--dry-run"]).ok()?.says(&warned)?;

    let listed = fs::read_to_string(format!("{}/spelled.nix", crate::library::folder()))?;
    let names = |list: &str| -> Vec<String> {
        list.lines().filter_map(|line| Some(line.trim().strip_prefix('"')?.strip_suffix('"')?.to_owned())).collect()
    };
    let (fields, of_health) = listed.split_once("healthFields").context("two lists")?;
    let lowered = |names: Vec<String>| -> serde_json::Map<_, _> {
        names.into_iter().map(|name| (name.to_lowercase(), serde_json::Value::Null)).collect()
    };
    let mut config = lowered(names(fields));
    config.insert("healthcheck".into(), lowered(names(of_health)).into());
    expect(&config.len(), &28)?;
    let folder = Folder::new()?;
    folder.write("config.json", serde_json::Value::Object(config).to_string())?;
    folder.write("empty.json", "[]")?;
    let (from, to) = (format!("graph:{}", folder.path("empty.json")), format!("oci:{}", folder.path("out")));
    let arguments = ["build", "--from", &from, "--to", &to, "--image-config", &folder.path("config.json")];
    let told = layerwright(&arguments).ok()?;
    for name in names(fields).iter().chain(&names(of_health)) {
        told.says(&[&format!("is read as `{name}`")])?;
    }
    Ok(())
}

/// By the program, where its name does not tell.
fn a_stream_below_an_image_is_told() -> Result<()> {
    library()?.nix_build("uponNamelessStream").exits(100)?.says(&["is no image: it is a program, as a stream is"])
}

/// With a set in the place of nixpkgs that has what the overlay asks for.
fn the_overlay_works_with_what_nixpkgs_has() -> Result<()> {
    let library = library()?;
    let image = DockerArchive::open(library.build_image("overlaid.image")?)?;
    expect(&image.image_id()?, &DockerArchive::open(library.build_image("dockerArchive")?)?.image_id()?)?;
    let stream = library.run(&library.build_path("overlaid.stream", &[])?, &[])?;
    expect(&DockerArchive::read(stream.stdout)?.image_id()?, &image.image_id()?)?;
    let shell = fs::read_link(format!("{}/bin/sh", library.build_image("overlaid.binSh")?))?;
    ensure!(shell.starts_with("/nix/store") && shell.ends_with("bin/bash"), "{}", shell.display());
    expect(&library.evaluate("overlaid.asRoot")?, &json!([true, true, true, true, true, true, true]))
}

/// With a flake in the place of nixpkgs that has what ours asks for.
fn the_flake_has_library_overlay_and_package() -> Result<()> {
    let library = library()?;
    let folder = Folder::new()?;
    fs::create_dir_all(folder.path("nixpkgs"))?;
    fs::create_dir_all(folder.path("ours/nix"))?;
    folder.write("nixpkgs/flake.nix", include_str!("../fixtures/nixpkgs/flake.nix"))?;
    // The repository itself may hold gigabytes of what was built.
    for file in ["flake.nix", "Cargo.toml", "Cargo.lock"] {
        fs::copy(format!("{}/../{file}", crate::library::folder()), folder.path("ours/") + file)?;
    }
    for file in fs::read_dir(crate::library::folder())? {
        let file = file?;
        fs::copy(file.path(), folder.path("ours/nix/") + &file.file_name().display().to_string())?;
    }
    let ask = |attribute: &str, apply: &str| {
        let flake = format!("path:{}#{attribute}", folder.path("ours"));
        let nixpkgs = format!("path:{}", folder.path("nixpkgs"));
        let arguments = ["eval", "--store", &library.store.root(), &flake, "--apply", apply, "--json"];
        let no_lock = ["--override-input", "nixpkgs", &nixpkgs, "--no-write-lock-file"];
        library.store.nix("nix", &arguments).args(no_lock)
    };
    let evaluate = |attribute: &str, apply: &str| ask(attribute, apply).ok()?.json();
    let refused = |attribute: &str, apply: &str| ask(attribute, apply).exits(1);
    let functions = evaluate("legacyPackages.x86_64-linux", "builtins.attrNames")?;
    for function in ["buildImage", "buildLayeredImage", "mergeImages", "pullImage", "streamLayeredImage"] {
        ensure!(functions.as_array().is_some_and(|names| names.contains(&json!(function))), "{functions}");
    }
    let package = "package: builtins.seq package.drvPath [ package.pname package.meta.mainProgram package.system ]";
    let package = evaluate("packages.aarch64-linux.default", package)?;
    expect(&package, &json!(["layerwright", "layerwright", "aarch64-linux"]))?;
    let names = "[ \"fakeNss\" \"binSh\" \"usrBinEnv\" \"caCertificates\" ]";
    let scripted = "tools.buildLayeredImage { name = \"a\"; extraCommands = \"true\"; }";
    let made = format!("tools: map (one: one.outPath) (map (name: tools.${{name}}) {names} ++ [ ({scripted}) ])");
    let made = evaluate("legacyPackages.x86_64-linux", &made)?;
    ensure!(made.as_array().is_some_and(|paths| paths.len() == 5), "{made}");
    expect(
        &evaluate("overlays.default", "overlay: builtins.attrNames (overlay { } { })")?,
        &json!(["layerwright", "layerwrightTools"]),
    )?;
    // A flake does not know the machine.
    let program =
        "library: (library { layerwright = { outPath = \"/x\"; system = \"x86_64-linux\"; }; }).fakeNss.system";
    expect(&evaluate("lib", program)?, &"x86_64-linux")?;
    let nothing = "library: (library { layerwright = ./x; }).fakeNss.system";
    refused("lib", nothing)?.says(&["name the `system`"])?;
    let tag = "library: (library { layerwright = ./nix/default.nix; system = \"x86_64-linux\"; }).fakeNss.name";
    let tag = tag.replace("./nix/default.nix", &folder.path("ours/flake.nix"));
    expect(&evaluate("lib", &tag)?, &"fake-nss")
}

fn layout(library: &Library, attribute: &str) -> Result<Layout> {
    Layout::open(&library.build_image(attribute)?, "1")
}

/// The store paths in each layer.
fn layer_paths(layout: &Layout) -> Result<Vec<Vec<String>>> {
    layout.tars()?.iter().map(|tar| paths_in(tar)).collect()
}

fn store_paths(layout: &Layout) -> Result<Vec<String>> {
    Ok(layer_paths(layout)?.concat())
}

fn paths_in(tar: &[u8]) -> Result<Vec<String>> {
    let names = members(tar)?.into_iter().map(|(name, _)| name);
    let mut paths: Vec<String> = names
        .filter_map(|name| {
            let path = name.strip_prefix("/nix/store/")?.split('/').next()?;
            (!path.is_empty()).then(|| format!("/nix/store/{path}"))
        })
        .collect();
    paths.sort();
    paths.dedup();
    Ok(paths)
}
