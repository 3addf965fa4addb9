//! Images as others write them: what engines read is a base, and `verify` finds nothing wrong with it.

use serde_json::{Value, json};

use super::kit::*;
use super::*;
use crate::{Note, Unobserved, verify};

/// What `verify` notes of an image, of which everything else is right.
fn notes(place: &TempPlace) -> Vec<Note> {
    let report = verify(&place.source("{}").parse().unwrap(), &Unobserved).unwrap();
    assert!(report.mismatches.is_empty(), "{:?}", report.mismatches);
    report.notes
}

fn of_config(edit: impl Fn(&mut Value)) -> TempPlace {
    let mut image = two_layers();
    image.edit_config(edit);
    TempPlace::with(&tar(&image.docker_members()))
}

/// An image for a variant of arm, which says so in its config or only in the index.
fn arm(layout: &mut Layout, variant: &str, says_in_config: bool) -> Value {
    let mut image = Image::new(&[&tar(&[file("who", variant)])]);
    image.edit_config(|config| {
        config["architecture"] = "arm".into();
        if says_in_config {
            config["variant"] = variant.into();
        }
    });
    let platform = json!({"os": "linux", "architecture": "arm", "variant": variant});
    with(&layout.image(&image, false), "platform", platform)
}

fn open_for(place: &TempPlace, platform: &str) -> Result<BaseImage, BaseError> {
    let platform = platform.parse().unwrap();
    BaseImage::open(&place.source("{}").parse().unwrap(), &platform, &place.scratch(), &Unobserved)
}

#[test]
fn the_nearest_variant_is_taken() {
    for says_in_config in [true, false] {
        let mut layout = Layout::default();
        let images = ["v5", "v7", "v6"].map(|variant| arm(&mut layout, variant, says_in_config));
        let nested = json!({"schemaVersion": 2, "manifests": images}).to_string();
        let nested = layout.blob(oci::INDEX, nested.as_bytes());
        for listed in [&images[..], &[nested]] {
            layout.index(listed);
            let place = TempPlace::with_layout(&layout);
            for (wanted, expected) in
                [("arm", "v7"), ("arm/v7", "v7"), ("arm/v6", "v6"), ("arm/v5", "v5"), ("arm/v8", "v7")]
            {
                let base = open_for(&place, &format!("linux/{wanted}")).unwrap();
                assert_eq!(base.variant(), Some(expected), "{wanted}");
                assert_eq!(base.read_file("who", 9).unwrap().unwrap(), expected.as_bytes());
            }
            let error = open_for(&place, "linux/arm/v4").unwrap_err().to_string();
            assert!(error.contains("is for `linux/arm/v5`, `linux/arm/v7`, `linux/arm/v6`"), "{error}");
            assert!(error.ends_with("is had by --variant"), "{error}");
        }
    }
    let single = of_config(|config| config["variant"] = "v3".into());
    assert!(
        open_for(&single, "linux/amd64")
            .unwrap_err()
            .to_string()
            .contains("is for `linux/amd64/v3`, and an image for linux/amd64 is")
    );
    assert_eq!(open_for(&single, "linux/amd64/v4").unwrap().variant(), Some("v3"));
}

/// As `docker save` writes an image of which only one platform was ever pulled.
#[test]
fn what_is_listed_for_other_platforms_need_not_be_there() {
    let mut layout = Layout::default();
    let here = layout.image(&two_layers(), false);
    let platform = |architecture: &str| json!({"os": "linux", "architecture": architecture});
    let here = with(&here, "platform", platform("amd64"));
    let gone = |architecture: &str| {
        let digest = Digest::of(architecture.as_bytes());
        json!({"mediaType": oci::MANIFEST, "digest": digest, "size": 9, "platform": platform(architecture)})
    };
    let nested = json!({"schemaVersion": 2, "manifests": [gone("386"), here, gone("arm64")]}).to_string();
    let nested = layout.blob(oci::INDEX, nested.as_bytes());
    layout.index(&[named(&nested, "1", Some("docker.io/library/x:1"))]);
    for place in [TempPlace::with_layout(&layout), TempPlace::with(&tar(&layout.members()))] {
        check_two_layers(&place.open("{}").unwrap(), &two_layers());
        let noted: Vec<String> = notes(&place).iter().map(ToString::to_string).collect();
        assert_eq!(noted.len(), 2, "{noted:?}");
        assert!(noted[0].contains("listed for `linux/386`, is not here"), "{noted:?}");
        assert_eq!(open_for(&place, "linux/amd64").unwrap().name(), Some("docker.io/library/x:1"));
        let error = open_for(&place, "linux/arm64").unwrap_err().to_string();
        assert!(error.contains("is for `linux/amd64`") || error.contains("is missing"), "{error}");
    }
    // Of an index none of whose images is there, something is missing.
    let nested = json!({"schemaVersion": 2, "manifests": [gone("386")]}).to_string();
    let nested = layout.blob(oci::INDEX, nested.as_bytes());
    layout.index(&[nested]);
    let place = TempPlace::with_layout(&layout);
    let report = verify(&place.source("{}").parse().unwrap(), &Unobserved).unwrap();
    assert_eq!((report.mismatches.len(), report.notes.len()), (1, 0));
}

#[test]
fn what_is_beside_an_image_is_no_image() {
    let mut layout = Layout::default();
    let image = layout.image(&two_layers(), false);
    let payload = layout.blob("application/vnd.dev.cosign.simplesigning.v1+json", b"payload");
    let digest = Digest::of(b"payload");
    let config =
        json!({"architecture": "", "os": "", "config": {}, "rootfs": {"type": "layers", "diff_ids": [digest]}});
    let config = layout.blob(oci::CONFIG, config.to_string().as_bytes());
    let manifest = |edit: &dyn Fn(&mut Value)| {
        let mut manifest = json!({"schemaVersion": 2, "config": config, "layers": [payload]});
        edit(&mut manifest);
        manifest.to_string()
    };
    let signature = layout.blob(oci::MANIFEST, manifest(&|_| {}).as_bytes());
    let typed =
        layout.blob(oci::MANIFEST, manifest(&|it| it["artifactType"] = "application/spdx+json".into()).as_bytes());
    let chart = layout.blob("application/vnd.cncf.helm.config.v1+json", b"{}");
    let chart = layout.blob(oci::MANIFEST, manifest(&|it| it["config"] = chart.clone()).as_bytes());
    let attestation = with(&signature, "platform", json!({"os": "unknown", "architecture": "unknown"}));
    for beside in [named(&signature, "sha256-0.sig", None), typed, chart, attestation] {
        layout.index(&[beside.clone(), named(&image, "app", None)]);
        let place = TempPlace::with_layout(&layout);
        check_two_layers(&place.open("oci:{}").unwrap(), &two_layers());
        check_two_layers(&place.open("oci:{}:app").unwrap(), &two_layers());
        let report = verify(&place.source("{}").parse().unwrap(), &Unobserved).unwrap();
        assert_eq!((report.images, report.layers, report.mismatches.len()), (1, 2, 0), "{beside}: {report:?}");
        assert!(matches!(report.notes.as_slice(), [Note::NoImage { .. }]), "{beside}: {report:?}");
    }
    layout.index(&[signature]);
    let error = TempPlace::with_layout(&layout).open("oci:{}").unwrap_err().to_string();
    assert!(error.ends_with("what its index.json lists are no images"), "{error}");
}

#[test]
fn platforms_may_say_little() {
    for platform in [
        json!({"os": "linux"}),
        json!({"os": "", "architecture": ""}),
        json!({}),
        json!(null),
        json!({"architecture": null}),
    ] {
        let mut layout = Layout::default();
        let image = layout.image(&two_layers(), false);
        layout.index(&[with(&image, "platform", platform)]);
        let place = TempPlace::with_layout(&layout);
        check_two_layers(&place.open("{}").unwrap(), &two_layers());
        assert!(notes(&place).is_empty());
    }
}

#[test]
fn histories_of_any_length_are_noted() {
    for (history, is_noted) in [
        (json!(null), false),
        (json!([]), true),
        (json!([{}]), true),
        (json!([{}, {}, {}]), true),
        (json!([{}, {}]), false),
    ] {
        let place = of_config(|config| config["history"] = history.clone());
        place.open("{}").unwrap();
        assert_eq!(notes(&place).len(), usize::from(is_noted), "{history}");
    }
}

#[test]
fn fields_have_no_case() {
    let place = of_config(|config| {
        let rootfs = config.as_object_mut().unwrap().remove("rootfs").unwrap();
        config["rootfS"] = rootfs;
        config["config"] = json!({"env": ["A=base"], "Labels": {"a": null}});
    });
    let base = place.open("{}").unwrap();
    assert_eq!(base.config().env.as_deref(), Some(&["A=base".to_owned()][..]));
    assert_eq!(notes(&place).len(), 1, "what verify reads of it");
}

#[test]
fn documents_may_be_there_twice() {
    let mut members = two_layers().docker_members();
    members.extend(members[2..4].to_vec());
    let place = TempPlace::with(&tar(&members));
    check_two_layers(&place.open("{}").unwrap(), &two_layers());
    assert_eq!(notes(&place).len(), 2);
}

#[test]
fn layers_that_are_only_copied_need_not_be_understood() {
    let record = |key: &str, value: &str| {
        let rest = key.len() + value.len() + 3;
        let length = (rest + 1..).find(|length| rest + length.to_string().len() == *length).unwrap();
        format!("{length} {key}={value}\n")
    };
    let records = [
        record("GNU.sparse.major", "1"),
        record("GNU.sparse.minor", "0"),
        record("uid", "-1"),
        record("GNU.sparse.realsize", "9"),
        record("GNU.sparse.name", "holes"),
    ]
    .concat();
    let pax = Item { kind: tar::EntryType::XHeader, ..file("pax", &records) };
    let map = [b"1\n3\n1\n".as_slice(), &[0; 506], b"x"].concat();
    let layer = tar(&[pax, bytes("GNUSparseFile.0/holes", &map), file("a/../next", "next"), file("last", "last")]);
    let base = TempPlace::with(&tar(&Image::new(&[&layer]).docker_members())).open("{}").unwrap();
    assert_eq!(base.read_file("holes", 20).unwrap().unwrap(), b"\0\0\0x\0\0\0\0\0");
    assert_eq!(base.read_file("last", 20).unwrap().unwrap(), b"last");
    // Some archives end with the last byte of their last content.
    let end = layer.windows(4).rposition(|window| window == b"last").unwrap() + 4;
    let base = TempPlace::with(&tar(&Image::new(&[&layer[..end]]).docker_members())).open("{}").unwrap();
    assert_eq!(base.layers()[0].tar_bytes, end as u64);
}

#[test]
fn annotations_of_layers_are_kept_and_the_base_is_named() {
    let mut layout = Layout::default();
    let image = layout.edited_image(&two_layers(), false, |manifest| {
        manifest["layers"][1]["annotations"] = json!({"containerd.io/snapshot/stargz/toc.digest": "sha256:0"});
        manifest["annotations"] = json!({"of.the.base": "not of ours"});
    });
    layout.index(&[named(&image, "1", Some("docker.io/library/base:1"))]);
    let place = TempPlace::with_layout(&layout);
    let base = place.open("{}").unwrap();
    let (store, to) = (Fixture::store(), tempfile::tempdir().unwrap());
    let destination = format!("oci:{}", to.path().join("out").display());
    let packed = store
        .pack_with(&store_plan(), &destination, |request, observer| {
            crate::pack(&crate::PackRequest { base: Some(&base), ..request }, observer)
        })
        .unwrap();
    let manifest = fs_err::read(to.path().join("out").join(oci::blob_name(&packed.manifest.unwrap()))).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["layers"][1]["annotations"], json!({"containerd.io/snapshot/stargz/toc.digest": "sha256:0"}));
    let annotations = &manifest["annotations"];
    assert_eq!(annotations["org.opencontainers.image.base.name"], "docker.io/library/base:1");
    assert_eq!(annotations["org.opencontainers.image.base.digest"], image["digest"]);
    assert!(annotations.get("of.the.base").is_none());
}

#[test]
fn histories_are_repaired() {
    for (history, expected) in [
        (json!(null), vec![(None, false), (None, false)]),
        (json!([{"created_by": "a"}]), vec![(Some("a"), false), (None, false)]),
        (
            json!([{"created_by": "a"}, {"created_by": "e", "empty_layer": true}, {"created_by": "b"}, {"created_by": "c"}]),
            vec![(Some("a"), false), (Some("e"), true), (Some("b"), false), (Some("c"), true)],
        ),
    ] {
        let base = of_config(|config| config["history"] = history.clone()).open("{}").unwrap();
        let (store, to) = (Fixture::store(), tempfile::tempdir().unwrap());
        let out = to.path().join("out");
        let packed = store
            .pack_with(&store_plan(), &format!("oci:{}", out.display()), |request, observer| {
                crate::pack(&crate::PackRequest { base: Some(&base), ..request }, observer)
            })
            .unwrap();
        let config = fs_err::read(out.join(oci::blob_name(&packed.image_id))).unwrap();
        let config: Value = serde_json::from_slice(&config).unwrap();
        let told = config["history"].as_array().unwrap();
        assert_eq!(told.iter().filter(|entry| entry["empty_layer"] != true).count(), packed.layers.len());
        for (entry, (command, is_empty)) in told.iter().zip(expected) {
            assert_eq!(entry["created_by"], command.unwrap_or("layerwright"), "{history}");
            assert_eq!(entry["empty_layer"] == true, is_empty, "{history}");
        }
    }
}
