//! What an image says of its layers without being read, and what is read where it says nothing.

use super::*;
use crate::Unobserved;
use crate::contents::CONTENTS;

fn amd64() -> Platform {
    Platform { os: "linux".into(), architecture: "amd64".into(), variant: None }
}

fn open(place: &TempPlace, pattern: &str, wanted: &WantedPlatform) -> Result<ImageOutline, BaseError> {
    ImageOutline::open(&place.source(pattern).parse().unwrap(), wanted, &place.scratch(), &Unobserved)
}

fn preferred(place: &TempPlace, pattern: &str) -> ImageOutline {
    open(place, pattern, &WantedPlatform::Preferably(amd64())).unwrap()
}

/// Each layer's nodes as text, with `-` for those that are not known.
fn shown(outline: &ImageOutline) -> Vec<String> {
    let node = |node: &HeldNode| format!("{} {}", node.name.trim_start_matches(H), node.size);
    let layer = |nodes: &Vec<HeldNode>| nodes.iter().map(node).collect::<Vec<_>>().join(", ");
    let contents = outline.contents(&Unobserved).unwrap();
    contents.iter().map(|layer_nodes| layer_nodes.as_ref().map_or("-".into(), layer)).collect()
}

/// An image of two layers with an annotation of the first one, whose blobs are not what they say.
fn annotated(annotation: &str) -> TempPlace {
    let mut layout = Layout::default();
    let image = layout.edited_image(&two_layers(), false, |manifest| {
        manifest["layers"][0]["annotations"] = json!({CONTENTS: annotation});
    });
    layout.index(&[named(&image, "base:1", None)]);
    for blob in two_layers().blobs() {
        layout.put(&oci::blob_name(&Digest::of(&blob)), &vec![b'x'; blob.len()]);
    }
    TempPlace::with_layout(&layout)
}

#[test]
fn what_an_image_says_of_its_layers_is_taken_without_reading_them() {
    let outline = preferred(&annotated("7 /nix/store/b\n5 /nix/store/a"), "oci:{}");
    assert_eq!(shown(&outline), ["/nix/store/b 7, /nix/store/a 5", "-"]);
    let digests: Vec<_> = outline.layers().iter().map(|layer| layer.digest.unwrap()).collect();
    assert_eq!(digests, two_layers().blobs().iter().map(|blob| Digest::of(blob)).collect::<Vec<_>>());
    for hostile in ["", "7 /a\u{1b}[2J", "x"] {
        let Err(error) = open(&annotated(hostile), "oci:{}", &WantedPlatform::Preferably(amd64())) else {
            panic!("{hostile}")
        };
        assert!(error.to_string().ends_with("its annotation org.layerwright.layer.contents is no list of nodes"));
    }
}

#[test]
fn our_own_images_say_what_they_hold_wherever_they_lie() {
    let (fixture, place) = (Fixture::store(), TempPlace::new());
    let sized = store_plan().to_json().replace("\"size\": 0", "\"size\": 9");
    let plan = layerwright_planner::Plan::from_json(&sized).unwrap();
    for (to, from) in [
        ("oci:{}/oci:1", "oci:{}/oci"),
        ("oci:{}/oci:1", "{}/oci"),
        ("oci-archive:{}/archive:1", "oci-archive:{}/archive:1"),
        ("docker-archive:{}/docker:a:1", "docker-archive:{}/docker:a:1"),
        ("docker-archive:{}/docker:a:1", "{}/docker"),
    ] {
        fs_err::create_dir_all(place.image()).unwrap();
        fixture.pack(&plan, &place.source(to)).unwrap();
        let outline = preferred(&place, from);
        assert!(outline.tells_contents(), "{from}");
        assert_eq!(shown(&outline), ["-a 9, -b 9", "-d 9", "-c 9"], "{from}");
    }
}

#[test]
fn store_paths_are_read_in_layers_that_nobody_tells_of() {
    let (fixture, place) = (Fixture::store(), TempPlace::new());
    fs_err::create_dir_all(place.image()).unwrap();
    for to in ["oci:{}/oci:1", "docker-archive:{}/docker:a:1"] {
        // A plan that knows no sizes.
        fixture.pack(&store_plan(), &place.source(to)).unwrap();
        let outline = preferred(&place, to);
        assert!(!outline.tells_contents());
        // As `nix-store --dump` writes them.
        let link = 104 + (H.len() as u64 + 2).next_multiple_of(8) + 8;
        assert_eq!(shown(&outline), ["-a 520, -b 120".into(), format!("-d {}", 112 + (9 << 20)), format!("-c {link}")]);
    }
}

#[test]
fn sizes_are_those_that_nix_tells() {
    let mut executable = file("nix/store/aaa/x", "#!/bin/sh\n");
    executable.mode = 0o755;
    let layer = tar(&[
        dir("nix/store/aaa"),
        file("nix/store/aaa/b", "hello\n"),
        symlink("nix/store/aaa/l", "hello"),
        executable,
        file("nix/store/bbb", "hello\n"),
    ]);
    let place = TempPlace::with(&tar(&Image::new(&[&layer]).docker_members()));
    // What `nix-store --dump` made of such files.
    assert_eq!(shown(&preferred(&place, "{}")), ["/nix/store/aaa 712, /nix/store/bbb 120"]);
}

#[test]
fn layers_with_anything_else_are_not_known() {
    let path = [dir("nix/store/aaa-a"), file("nix/store/aaa-a/file", "")];
    let with = |items: &[Item]| tar(&[&path[..], items].concat());
    let layers = [
        with(&[dir("./"), dir("nix")]),
        with(&[dir("bin")]),
        with(&[file("nix/store/.links", "")]),
        with(&[file("nix/store/.wh.aaa-b", "")]),
        with(&[file("nix/store/aaa-a/.wh.file", "")]),
        with(&[file("nix/store/aaa-b/file", "")]),
        with(&[file("nix", "")]),
        tar(&[dir("nix"), dir("nix/store")]),
        tar(&[]),
    ];
    let layers: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
    for encoding in ENCODINGS {
        let place = TempPlace::with(&tar(&Image::new(&layers).encoded(encoding).docker_members()));
        let shown = shown(&preferred(&place, "docker-archive:{}"));
        assert!(shown[0].starts_with("/nix/store/aaa-a "), "{shown:?}");
        assert!(shown[1..].iter().all(|layer| layer == "-"), "{shown:?}");
    }
}

#[test]
fn layers_that_cannot_be_read_are_told() {
    let mut members = two_layers().encoded(Encoding::Gzip).docker_members();
    let half = members[0].content.len() / 2;
    members[0].content.truncate(half);
    members[1].content = b"\xfd7zXZ\0".to_vec();
    let place = TempPlace::with(&tar(&members));
    let error = preferred(&place, "{}").contents(&Unobserved).unwrap_err().to_string();
    assert!(error.starts_with("layer 0/layer.tar of image") && error.contains("cannot be read: "), "{error}");
    // What is wrong with its sum, only its end tells.
    let layer = tar(&[dir("nix/store/aaa-a")]);
    let mut members = Image::new(&[&layer]).encoded(Encoding::Gzip).docker_members();
    let sum = members[0].content.len() - 8;
    members[0].content[sum] ^= 1;
    let place = TempPlace::with(&tar(&members));
    let error = preferred(&place, "{}").contents(&Unobserved).unwrap_err().to_string();
    assert!(error.starts_with("layer 0/layer.tar of image") && error.contains("cannot be read: "), "{error}");
    let mut members = two_layers().docker_members();
    members[1].content = b"\xfd7zXZ\0".to_vec();
    let place = TempPlace::with(&tar(&members));
    let error = preferred(&place, "{}").contents(&Unobserved).unwrap_err().to_string();
    assert!(error.contains("is compressed with xz"), "{error}");
}

#[test]
fn an_image_for_one_platform_needs_no_choice() {
    let image = |architecture: &str| {
        let mut image = two_layers();
        image.edit_config(|config| config["architecture"] = architecture.into());
        image
    };
    let layout = |architectures: &[&str]| {
        let mut layout = Layout::default();
        let images: Vec<_> = architectures.iter().map(|name| layout.image(&image(name), false)).collect();
        layout.index(&images.iter().map(|image| named(image, "1", None)).collect::<Vec<_>>());
        TempPlace::with_layout(&layout)
    };
    let (preferred, exactly) = (WantedPlatform::Preferably(amd64()), WantedPlatform::Exactly(amd64()));
    let is_opened = |architectures: &[&str], wanted| open(&layout(architectures), "oci:{}", wanted).is_ok();
    assert!(is_opened(&["arm64"], &preferred) && is_opened(&["arm64", "amd64"], &exactly));
    assert!(!is_opened(&["arm64"], &exactly));
    let Err(error) = open(&layout(&["arm64", "riscv64"]), "oci:{}", &preferred) else { panic!("there are two") };
    assert!(error.to_string().ends_with("is for `linux/arm64`, `linux/riscv64`, and not for linux/amd64"), "{error}");
    let members = image("arm64").docker_members();
    assert!(open(&TempPlace::with(&tar(&members)), "{}", &preferred).is_ok());
}
