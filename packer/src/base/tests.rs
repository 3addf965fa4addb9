//! Base images in all their forms. What archives are made of is below; who means harm is in `hostile`, what one
//! sees of several layers in `merged`, what others write in `others`, and what is known without reading any in `outline`.

mod hostile;
mod kit;
mod merged;
mod others;
mod outline;

use serde_json::json;

use super::*;
use crate::contents::HeldNode;
use crate::fixture::{Fixture, H, list, store_plan};
use crate::oci;
use kit::*;

/// A lower layer with a store path and an upper one with another.
fn two_layers() -> Image {
    let lower = tar(&[dir("nix/"), dir("nix/store/"), file("nix/store/aaa-lower", "lower")]);
    let upper = tar(&[dir("nix/store/bbb-upper/"), file("nix/store/bbb-upper/file", "upper")]);
    Image::new(&[&lower, &upper])
}

/// Expects that it is [`two_layers`], and that what can be read of it are the very bytes.
fn check_two_layers(base: &BaseImage, image: &Image) {
    assert_eq!(base.layers().len(), 2);
    for (layer, (tar, blob)) in base.layers().iter().zip(image.tars().iter().zip(image.blobs())) {
        assert_eq!((layer.diff_id, layer.tar_bytes), (DiffId::of(tar), tar.len() as u64));
        assert_eq!((layer.digest, layer.blob_bytes), (Digest::of(&blob), blob.len() as u64));
        assert_eq!((layer.encoding, read(layer.blob()), &read(layer.tar())), (image.encoding(), blob, tar));
    }
    assert_eq!(base.config().env, Some(vec!["A=base".into()]));
    assert_eq!(store_paths(base), ["aaa-lower", "bbb-upper"]);
    assert_eq!(base.read_file("/nix/store/aaa-lower", 5).unwrap().unwrap(), b"lower");
    assert_eq!((base.os(), base.architecture()), ("linux", "amd64"));
}

fn read(bytes: io::Result<impl Read>) -> Vec<u8> {
    let mut all = Vec::new();
    bytes.unwrap().read_to_end(&mut all).unwrap();
    all
}

#[test]
fn docker_archives_are_opened_however_they_are_compressed() {
    for outer in ENCODINGS {
        for inner in ENCODINGS {
            let image = two_layers().encoded(inner);
            let place = TempPlace::with(&encode(&tar(&image.docker_members()), outer));
            for source in ["docker-archive:{}", "docker-archive:{}:base:1", "{}"] {
                check_two_layers(&place.open(source).unwrap(), &image);
                // The unpacked archive is gone with the image, and nobody else ever saw it.
                assert_eq!(list(&place.scratch()), [""; 0]);
            }
        }
    }
}

#[test]
fn names_of_members_may_begin_with_dots() {
    let image = two_layers();
    let dotted: Vec<Item> =
        image.docker_members().into_iter().map(|item| item.named(|name| format!("./{name}"))).collect();
    check_two_layers(&TempPlace::with(&tar(&dotted)).open("docker-archive:{}").unwrap(), &image);
    let image = two_layers();
    let mut members = image.docker_members();
    edit_json(&mut members, "manifest.json", |manifest| {
        for layer in manifest[0]["Layers"].as_array_mut().unwrap() {
            *layer = format!("./{}", layer.as_str().unwrap()).into();
        }
    });
    check_two_layers(&TempPlace::with(&tar(&members)).open("{}").unwrap(), &image);
}

#[test]
fn legacy_archives_are_lists_of_parents() {
    let image = two_layers();
    // Their names sort against the order of the layers.
    let mut members = vec![
        file(
            "1/json",
            &json!({"id": "1", "parent": "2", "architecture": "amd64", "os": "linux", "created": "x",
            "container_config": {"Cmd": ["/bin/sh", "-c", "make"]}, "config": {"Env": ["A=base"], "Ours": 1}})
            .to_string(),
        ),
        bytes("1/layer.tar", &image.tars()[1]),
        file("1/VERSION", "1.0"),
        file("2/json", &json!({"id": "2", "config": {"Env": ["A=not this one"]}}).to_string()),
        bytes("2/layer.tar", &image.tars()[0]),
        file("repositories", &json!({"base": {"1": "1", "0": "2"}, "zzz": {"1": "2"}}).to_string()),
    ];
    let place = TempPlace::with(&tar(&members));
    let base = place.open("docker-archive:{}:base:1").unwrap();
    check_two_layers(&base, &image);
    assert_eq!(base.history().len(), 2);
    assert_eq!(base.history()[1].created_by.as_deref(), Some("/bin/sh -c make"));
    assert_eq!(place.open("docker-archive:{}").unwrap().layers().len(), 1, "the first name has one layer");
    let error = place.open("docker-archive:{}:base:2").unwrap_err().to_string();
    assert!(error.ends_with("holds no image `base:2`, but `base:0`, `base:1`, `zzz:1`"), "{error}");
    members[4] = symlink("2/layer.tar", "../1/layer.tar");
    let base = TempPlace::with(&encode(&tar(&members), Encoding::Gzip)).open("{}:base:1").err();
    assert!(base.is_some(), "a bare path has no name after it");
    let base = TempPlace::with(&encode(&tar(&members), Encoding::Gzip)).open("docker-archive:{}:base:1").unwrap();
    assert_eq!(base.layers()[0].diff_id, base.layers()[1].diff_id);
    assert_eq!(store_paths(&base), ["bbb-upper"]);
}

#[test]
fn layers_that_are_there_twice_stay_twice() {
    let image = two_layers();
    let [lower, upper] = [0, 1].map(|index| DiffId::of(&image.tars()[index]));
    let twice = Image::new(&[&image.tars()[0], &image.tars()[1], &image.tars()[0]]);
    let diff_ids = |members: &[Item]| -> Vec<DiffId> {
        let base = TempPlace::with(&tar(members)).open("{}").unwrap();
        base.layers().iter().map(|layer| layer.diff_id).collect()
    };
    let members = twice.docker_members();
    assert_eq!(diff_ids(&members), [lower, upper, lower], "three members");
    let name = |index: usize| format!("{index}/layer.tar");
    for link in [symlink(&name(2), "../0/layer.tar"), hard_link(&name(2), "./0/layer.tar")] {
        let mut linked = twice.docker_members();
        *linked.iter_mut().find(|item| item.name == name(2).as_bytes()).unwrap() = link;
        assert_eq!(diff_ids(&linked), [lower, upper, lower], "one is a link");
    }
    let mut named_twice = twice.docker_members();
    edit_json(&mut named_twice, "manifest.json", |manifest| manifest[0]["Layers"][2] = name(0).into());
    assert_eq!(diff_ids(&named_twice), [lower, upper, lower], "one is named twice");
    named_twice.push(bytes(&name(0), &image.tars()[0]));
    assert_eq!(diff_ids(&named_twice), [lower, upper, lower], "one is there twice");
}

#[test]
fn images_of_docker_are_found_by_name() {
    let (first, second) = (two_layers(), Image::new(&[&tar(&[file("only", "one")])]));
    let mut members = first.docker_members();
    edit_json(&mut members, "manifest.json", |manifest| {
        let config = format!("{}.json", Digest::of(second.config().as_bytes()).hex());
        let image = json!({"Config": config, "RepoTags": ["docker.io/library/other:2"], "Layers": ["0/other.tar"]});
        manifest.as_array_mut().unwrap().push(image);
        manifest.as_array_mut().unwrap().push(json!({"Config": "gone.json", "RepoTags": null, "Layers": null}));
    });
    members.push(bytes("0/other.tar", &second.tars()[0]));
    members.push(file(&format!("{}.json", Digest::of(second.config().as_bytes()).hex()), second.config()));
    let place = TempPlace::with(&tar(&members));
    let layers = |source: &str| place.open(source).unwrap().layers().len();
    assert_eq!((layers("docker-archive:{}"), layers("{}"), layers("docker-archive:{}:base:1")), (2, 2, 2));
    assert_eq!((layers("docker-archive:{}:other:2"), layers("docker-archive:{}:docker.io/library/other:2")), (1, 1));
    let error = place.open("docker-archive:{}:other").unwrap_err().to_string();
    let known = "holds no image `other:latest`, but `base:1`, `docker.io/library/other:2`";
    assert!(error.ends_with(known), "{error}");
}

#[test]
fn own_images_can_be_built_upon() {
    let place = TempPlace::new();
    let packed = Fixture::store().pack(&store_plan(), &place.source("docker-archive:{}:a:1")).unwrap();
    for source in ["docker-archive:{}", "docker-archive:{}:a:1", "oci-archive:{}", "oci-archive:{}:1", "{}"] {
        let base = place.open(source).unwrap();
        let expected: Vec<_> =
            packed.layers.iter().map(|layer| (layer.digest, layer.diff_id, layer.tar_bytes)).collect();
        let layers = base.layers().iter().map(|layer| (layer.digest, layer.diff_id, layer.tar_bytes));
        assert_eq!(layers.collect::<Vec<_>>(), expected, "{source}");
        let paths: Vec<&String> = base.store_paths().iter().collect();
        assert_eq!(paths, ["a", "b", "c", "d"].map(|name| format!("{H}-{name}")).iter().collect::<Vec<_>>());
        assert_eq!(base.history().len(), 3);
        assert_eq!(base.read_file(&format!("{H}-c/link"), 100).unwrap().unwrap(), b"#!/bin/sh\n");
    }
}

#[test]
fn layouts_are_opened_in_directories_and_archives() {
    for encoding in ENCODINGS {
        let image = two_layers().encoded(encoding);
        for is_docker in [false, true] {
            let mut layout = Layout::default();
            let manifest = layout.image(&image, is_docker);
            layout.index(&[named(&manifest, "1", None)]);
            let place = TempPlace::with_layout(&layout);
            for source in ["oci:{}", "oci:{}:1", "{}"] {
                check_two_layers(&place.open(source).unwrap(), &image);
            }
            for outer in ENCODINGS {
                let place = TempPlace::with(&encode(&tar(&layout.members()), outer));
                for source in ["oci-archive:{}", "oci-archive:{}:1", "{}"] {
                    check_two_layers(&place.open(source).unwrap(), &image);
                }
            }
        }
    }
}

#[test]
fn images_of_layouts_are_found_by_name() {
    let mut layout = Layout::default();
    let first = layout.image(&two_layers(), false);
    let second = layout.image(&Image::new(&[&tar(&[file("only", "one")])]), false);
    layout.index(&[
        named(&first, "1", Some("docker.io/library/base:1")),
        named(&second, "docker.io/library/other:2", None),
    ]);
    let place = TempPlace::with_layout(&layout);
    let layers = |source: &str| place.open(source).unwrap().layers().len();
    for source in ["oci:{}", "oci:{}:1", "oci:{}:base:1", "oci:{}:docker.io/library/base:1"] {
        assert_eq!(layers(source), 2, "{source}");
    }
    assert_eq!((layers("oci:{}:docker.io/library/other:2"), layers("oci:{}:other:2")), (1, 1));
    let error = place.open("oci:{}:2").unwrap_err().to_string();
    let known = "holds no image `2`, but `1`, `docker.io/library/base:1`, `docker.io/library/other:2`";
    assert!(error.ends_with(known), "{error}");
}

#[test]
fn first_image_for_the_platform_is_taken() {
    let on = |architecture: &str, content: &str| {
        let mut image = Image::new(&[&tar(&[file("who", content)])]);
        image.edit_config(|config| config["architecture"] = architecture.into());
        image
    };
    let who = |layout: &Layout| {
        let place = TempPlace::with_layout(layout);
        let base = place.open("oci:{}:1")?;
        base.read_file("who", 9).map(|content| String::from_utf8(content.unwrap()).unwrap())
    };
    let (arm, amd) = (on("arm64", "arm"), on("amd64", "amd"));
    let mut layout = Layout::default();
    let [arm, amd, other] = [arm, amd, on("amd64", "other")].map(|image| layout.image(&image, false));
    let about = json!({"vnd.docker.reference.type": "attestation-manifest"});
    let attestation = with(&other, "annotations", about);
    let signature = with(&other, "artifactType", "application/vnd.example".into());
    // In one index, with and without platforms.
    layout.index(&[named(&arm, "1", None), named(&amd, "1", None), named(&other, "1", None)]);
    assert_eq!(who(&layout).unwrap(), "amd");
    let [arm, amd] = [(arm, "arm64"), (amd, "amd64")]
        .map(|(image, architecture)| with(&image, "platform", json!({"os": "linux", "architecture": architecture})));
    layout.index(&[named(&arm, "1", None), named(&amd, "1", None)]);
    assert_eq!(who(&layout).unwrap(), "amd");
    // In an index within, and in one within that.
    for media_type in [oci::INDEX, crate::image_files::DOCKER_INDEX] {
        let inner =
            json!({"schemaVersion": 2, "mediaType": media_type, "manifests": [attestation, signature, arm, amd]});
        let inner = layout.blob(media_type, inner.to_string().as_bytes());
        layout.index(&[named(&inner, "1", None), named(&other, "2", None)]);
        assert_eq!(who(&layout).unwrap(), "amd");
        let outer = json!({"schemaVersion": 2, "manifests": [inner]}).to_string();
        let outer = layout.blob(oci::INDEX, outer.as_bytes());
        layout.index(&[named(&outer, "1", None)]);
        assert_eq!(who(&layout).unwrap(), "amd");
    }
    let odd = with(&arm, "platform", json!({"os": "x", "architecture": "y"}));
    let inner = json!({"schemaVersion": 2, "manifests": [arm, arm, odd]});
    let inner = layout.blob(oci::INDEX, inner.to_string().as_bytes());
    layout.index(&[named(&inner, "1", None)]);
    let error = who(&layout).unwrap_err().to_string();
    assert!(
        error.ends_with("is for `linux/arm64`, `x/y`, and an image for linux/amd64 is to be built upon it"),
        "{error}"
    );
    layout.index(&[attestation]);
    let error = who(&layout).unwrap_err().to_string();
    assert!(error.ends_with("is no image: its index.json lists no image"), "{error}");
}

#[test]
fn images_for_another_platform_are_refused() {
    for (field, value) in [("architecture", "arm64"), ("os", "windows")] {
        let mut image = two_layers();
        image.edit_config(|config| config[field] = value.into());
        let error = TempPlace::with(&tar(&image.docker_members())).open("{}").unwrap_err();
        assert!(matches!(&error, BaseError::Platform { wanted, .. } if wanted == "linux/amd64"), "{error}");
        assert!(error.to_string().contains(value), "{error}");
    }
    let mut image = two_layers();
    image.edit_config(|config| {
        config["variant"] = "v2".into();
        config.as_object_mut().unwrap().remove("architecture");
    });
    let base = TempPlace::with(&tar(&image.docker_members())).open("{}").unwrap();
    assert_eq!((base.architecture(), base.variant()), ("amd64", Some("v2")), "not said, so what was asked for");
}

#[test]
fn histories_need_not_be_as_long_as_layers() {
    for entries in [json!(null), json!([]), json!([{"empty_layer": true}, {"created_by": "x", "more": 1}, {}, {}])] {
        let mut image = two_layers();
        image.edit_config(|config| config["history"] = entries.clone());
        let base = TempPlace::with(&tar(&image.docker_members())).open("{}").unwrap();
        assert_eq!(base.history().len(), entries.as_array().map_or(0, Vec::len));
        if let [first, second, ..] = base.history() {
            assert_eq!((first.empty_layer, second.created_by.as_deref()), (true, Some("x")));
        }
    }
}

#[test]
fn sources_of_the_wrong_kind_say_what_to_write() {
    let image = two_layers();
    let docker = TempPlace::with(&tar(&image.docker_members()));
    let mut layout = Layout::default();
    let manifest = layout.image(&image, false);
    layout.index(&[named(&manifest, "1", None)]);
    let (archive, directory) = (TempPlace::with(&tar(&layout.members())), TempPlace::with_layout(&layout));
    let nothing = TempPlace::with(&tar(&[file("some", "file")]));
    let program = "it is a program, as a stream is, which writes an image when it is run; take a file, as buildLayeredImage \
                   makes, or pipe what the program writes, and name it `-`";
    let (script, binary) = (TempPlace::with(b"#!/bin/sh\nexec x\n"), TempPlace::with(b"\x7fELF\x02\x01"));
    for (place, source, expected) in [
        (&docker, "oci-archive:{}", "there is a manifest.json, but no index.json; write docker-archive:FILE"),
        (&docker, "oci:{}", "it is no directory; write oci-archive:FILE or docker-archive:FILE"),
        (&archive, "docker-archive:{}", "there is an index.json, but no manifest.json; write oci-archive:FILE"),
        (&directory, "docker-archive:{}", "it is a directory; write oci:DIR"),
        (&directory, "oci-archive:{}", "it is a directory; write oci:DIR"),
        (&script, "{}", program),
        (&script, "docker-archive:{}", program),
        (&script, "oci-archive:{}", program),
        (&binary, "{}", program),
        (&nothing, "{}", "there is no index.json, no manifest.json and no `repositories`"),
        (&nothing, "docker-archive:{}", "there is neither a manifest.json nor a `repositories`"),
        (&nothing, "oci-archive:{}", "there is no index.json"),
    ] {
        let error = place.open(source).unwrap_err().to_string();
        assert!(error.ends_with(&format!("is no image: {expected}")), "{source}: {error}");
    }
    assert!(matches!(TempPlace::new().open("{}"), Err(BaseError::Read(_))));
}

#[test]
fn what_is_read_is_observed_and_can_be_stopped() {
    #[derive(Default)]
    struct Counter {
        planned: AtomicU64,
        read: AtomicU64,
        stop: bool,
    }
    use std::sync::atomic::Ordering::Relaxed;
    impl Observer for Counter {
        fn planned(&self, _: usize, bytes: u64) {
            self.planned.store(bytes, Relaxed);
        }
        fn packed(&self, bytes: u64) {
            self.read.fetch_add(bytes, Relaxed);
        }
        fn cancelled(&self) -> bool {
            self.stop
        }
    }
    let place = TempPlace::with(&tar(&two_layers().docker_members()));
    let counter = Counter::default();
    place.open_observed("{}", &counter).unwrap();
    assert_eq!(counter.read.load(Relaxed), counter.planned.load(Relaxed));
    assert!(counter.read.load(Relaxed) > 0);
    let stopped = place.open_observed("{}", &Counter { stop: true, ..Counter::default() });
    assert!(matches!(stopped, Err(BaseError::Cancelled)));
}
