//! What the command line says about an image arrives in its config.

use std::sync::LazyLock;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::case::{Case, case};
use crate::hand_made::HandMade;
use crate::image::{Layout, skopeo};
use crate::invocation::Invocation;
use crate::run::{Folder, layerwright};

pub(super) const CASES: &[Case] = &[
    case!(every_flag_arrives),
    case!(words_may_come_as_a_list),
    case!(a_config_file_is_added_to_and_replaced),
    case!(fields_in_another_case_are_taken_with_a_warning),
    case!(creation_time_has_a_fixed_default),
    case!(tags_name_the_image_everywhere, Skopeo),
    case!(skopeo_reads_the_same_config, Skopeo),
    case!(what_is_wrong_is_refused),
    case!(changed_settings_change_no_layer),
];

/// One store for all, with what `--from` takes: none of these cases looks at the files.
static STORE: LazyLock<(HandMade, String)> = LazyLock::new(|| {
    let store = HandMade::sample().expect("the temporary folder can be written");
    let source = store.source().expect("the temporary folder can be written");
    (store, source)
});

fn build(to: &str) -> Invocation {
    let (store, source) = &*STORE;
    layerwright(&["build", "--from", source, "--root", &store.root(), "--to", to])
}

fn config(change: impl Fn(Invocation) -> Invocation) -> Result<Value> {
    let folder = Folder::new()?;
    change(build(&format!("oci:{}:t", folder.path("oci")))).ok()?;
    Ok(Layout::open(&folder.path("oci"), "t")?.config)
}

fn every_flag_arrives() -> Result<()> {
    let config = config(|build| {
        build
            .args(["--entrypoint", "/bin/app", "--entrypoint", "--flag", "--cmd", "-x", "--cmd", "a b"])
            .args(["--env", "A=1", "--env", "B=x=y", "--env", "A=2", "--label", "org.example=yes", "--label", "empty="])
            .args(["--user", "1000:100", "--workdir", "/data", "--expose", "80", "--expose", "53/udp"])
            .args(["--architecture", "arm64", "--os", "linux", "--created", "2020-02-03T04:05:06+01:00"])
    })?;
    let expected = json!({
        "Entrypoint": ["/bin/app", "--flag"], "Cmd": ["-x", "a b"], "Env": ["A=2", "B=x=y"],
        "Labels": {"org.example": "yes", "empty": ""}, "User": "1000:100", "WorkingDir": "/data",
        "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
    });
    ensure!(config["config"] == expected, "{config}");
    ensure!(config["architecture"] == "arm64" && config["os"] == "linux", "{config}");
    ensure!(config["created"] == "2020-02-03T03:05:06Z", "{config}");
    Ok(())
}

fn words_may_come_as_a_list() -> Result<()> {
    let config = config(|build| build.args(["--cmd", r#"["sh", "-c", "echo a b"]"#]))?;
    ensure!(config["config"]["Cmd"] == json!(["sh", "-c", "echo a b"]), "{config}");
    Ok(())
}

fn a_config_file_is_added_to_and_replaced() -> Result<()> {
    let folder = Folder::new()?;
    let inner = json!({
        "Cmd": ["from", "file"], "Env": ["A=file", "B=file"], "Labels": {"a": "file", "b": "file"},
        "StopSignal": "SIGINT", "Volumes": {"/data": {}}, "WorkingDir": "/file",
    });
    for text in [inner.clone(), json!({"architecture": "riscv64", "config": inner})] {
        let file = folder.write("config.json", text.to_string())?;
        let config = config(|build| {
            let build = build.args(["--image-config", &file, "--cmd", "flag", "--env", "A=flag"]);
            build.args(["--label", "b=flag", "--user", "flag"])
        })?;
        let expected = json!({
            "Cmd": ["flag"], "Env": ["A=flag", "B=file"], "Labels": {"a": "file", "b": "flag"}, "User": "flag",
            "StopSignal": "SIGINT", "Volumes": {"/data": {}}, "WorkingDir": "/file",
        });
        ensure!(config["config"] == expected, "{config}");
    }
    Ok(())
}

fn creation_time_has_a_fixed_default() -> Result<()> {
    let created = |change: &dyn Fn(Invocation) -> Invocation| -> Result<String> {
        Ok(config(change)?["created"].as_str().context("a time")?.to_owned())
    };
    ensure!(created(&|build| build)? == "1970-01-01T00:00:01Z");
    ensure!(created(&|build| build.env("SOURCE_DATE_EPOCH", "1600000000"))? == "2020-09-13T12:26:40Z");
    let both = |build: Invocation| build.env("SOURCE_DATE_EPOCH", "1600000000").args(["--created", "@0"]);
    ensure!(created(&both)? == "1970-01-01T00:00:00Z");
    let now = created(&|build| build.args(["--created", "now"]))?;
    ensure!(now.starts_with("20"), "{now}");
    Ok(())
}

fn tags_name_the_image_everywhere() -> Result<()> {
    let folder = Folder::new()?;
    let archive = folder.path("image.tar");
    let build_archive = build(&format!("docker-archive:{archive}:app:1"));
    build_archive.args(["--tag", "app:latest", "--tag", "registry.example:5000/team/app:2"]).ok()?;
    let tags = skopeo(&["list-tags", &format!("docker-archive:{archive}")]).ok()?.json()?;
    let tags = tags["Tags"].to_string();
    for tag in ["app:1", "app:latest", "registry.example:5000/team/app:2"] {
        ensure!(tags.contains(tag), "{tags}");
    }
    let dir = folder.path("oci");
    build(&format!("oci:{dir}")).ok()?;
    Layout::open(&dir, "latest")?;
    Ok(())
}

fn skopeo_reads_the_same_config() -> Result<()> {
    let folder = Folder::new()?;
    let to = format!("docker-archive:{}:app:1", folder.path("image.tar"));
    build(&to).args(["--cmd", "/bin/app", "--env", "A=1", "--label", "a=b", "--expose", "80"]).ok()?;
    let config = skopeo(&["inspect", "--config", &to]).ok()?.json()?;
    let expected = json!({"Cmd": ["/bin/app"], "Env": ["A=1"], "Labels": {"a": "b"}, "ExposedPorts": {"80/tcp": {}}});
    ensure!(config["config"] == expected, "{config}");
    ensure!(config["history"].as_array().map(Vec::len) == Some(3), "{config}");
    Ok(())
}

fn fields_in_another_case_are_taken_with_a_warning() -> Result<()> {
    let folder = Folder::new()?;
    let file = folder.write("config.json", r#"{"cmd": ["sh"], "Labels": {"a": "b"}}"#)?;
    let built = build(&format!("oci:{}", folder.path("oci"))).args(["--image-config", &file]).ok()?;
    built.says(&["warning", "config.json: `cmd` is read as `Cmd`"])?;
    let config = Layout::open(&folder.path("oci"), "latest")?.config;
    ensure!(config["config"] == json!({"Cmd": ["sh"], "Labels": {"a": "b"}}), "{config}");
    Ok(())
}

fn what_is_wrong_is_refused() -> Result<()> {
    let folder = Folder::new()?;
    let misspelt = folder.write("config.json", r#"{"Entry": []}"#)?;
    for (flag, value, code, part) in [
        ("--env", "A", 2, "NAME=VALUE"),
        ("--label", "=x", 2, "NAME=VALUE"),
        ("--expose", "http", 2, "65535"),
        ("--created", "yesterday", 2, "yesterday"),
        ("--created", "@-99999999999", 2, "before the year 0"),
        ("--cmd", "[1]", 2, "JSON list"),
        ("--architecture", "arm/v7", 2, "arm/v7"),
        ("--workdir", "relative", 2, "absolute"),
        ("--threads", "40000", 2, "1024"),
        ("--image-config", &misspelt, 1, "unknown field `Entry`"),
        ("--uid", "4294967295", 2, "4294967294"),
        ("--image-config", "/missing.json", 1, "/missing.json"),
    ] {
        let build = build(&format!("oci:{}", folder.path("oci"))).args([flag, value]);
        build.exits(code)?.says(&[part])?;
    }
    build("-").args(["--tag", "UPPER"]).exits(2)?.says(&["UPPER"])?;
    build("-").env("SOURCE_DATE_EPOCH", "soon").exits(2)?.says(&["SOURCE_DATE_EPOCH", "soon"])?;
    ensure!(folder.names()? == ["config.json"]);
    Ok(())
}

fn changed_settings_change_no_layer() -> Result<()> {
    let diff_ids = |build: &dyn Fn(Invocation) -> Invocation| Ok::<_, anyhow::Error>(config(build)?["rootfs"].clone());
    let changed = |build: Invocation| build.args(["--cmd", "x", "--created", "now", "--label", "a=b"]);
    ensure!(diff_ids(&|build| build)? == diff_ids(&changed)?);
    Ok(())
}
