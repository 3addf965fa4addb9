//! Images made to do harm, and such that lie.

use serde_json::{Value, json};

use super::kit::*;
use super::*;
use crate::Unobserved;

/// Opens a docker-archive that was changed, and expects the error.
fn check(case: &str, change: impl FnOnce(&mut Vec<Item>), expected: &str) {
    let mut members = two_layers().docker_members();
    change(&mut members);
    expect(case, &TempPlace::with(&tar(&members)), expected);
}

fn expect(case: &str, place: &TempPlace, expected: &str) {
    let error = place.open("{}").expect_err(case).to_string();
    assert!(error.contains(expected), "{case}: {error}");
    assert_eq!(list(&place.scratch()), [""; 0], "{case}");
}

/// Opens a layout with a changed manifest.
fn check_manifest(case: &str, change: impl Fn(&mut Value), expected: &str) {
    let mut layout = Layout::default();
    let manifest = layout.edited_image(&two_layers(), false, change);
    layout.index(&[named(&manifest, "1", None)]);
    expect(case, &TempPlace::with_layout(&layout), expected);
    expect(case, &TempPlace::with(&tar(&layout.members())), expected);
}

/// Opens an image with a changed config.
fn check_config(case: &str, change: impl Fn(&mut Value), expected: &str) {
    let mut image = two_layers();
    image.edit_config(change);
    expect(case, &TempPlace::with(&tar(&image.docker_members())), expected);
}

/// Opens an image with a layer of these bytes.
fn check_layer(case: &str, layer: &[u8], expected: &str) {
    expect(case, &TempPlace::with(&tar(&Image::new(&[layer]).docker_members())), expected);
}

fn edit_manifest(edit: impl FnOnce(&mut Value)) -> impl FnOnce(&mut Vec<Item>) {
    |members| edit_json(members, "manifest.json", |manifest| edit(&mut manifest[0]))
}

#[test]
fn names_that_lead_out_are_only_names() {
    let outside = tempfile::NamedTempFile::new().unwrap();
    fs_err::write(outside.path(), tar(&[file("secret", "")])).unwrap();
    let path = outside.path().to_str().unwrap();
    for name in [path, &format!("../../../../..{path}"), "/etc/passwd"] {
        check("layer", edit_manifest(|image| image["Layers"][0] = name.into()), "is missing");
        check("config", edit_manifest(|image| image["Config"] = name.into()), "is missing");
        check("link", |members| members[0] = symlink("0/layer.tar", name), "0/layer.tar is missing");
        check("hard link", |members| members[0] = hard_link("0/layer.tar", name), "0/layer.tar is missing");
    }
    check("a circle", |members| members[0] = symlink("0/layer.tar", "layer.tar"), "0/layer.tar is missing");
    check_layer("in a layer", &tar(&[file("a/../../../x", "")]), "holds `a/../../../x`, which leads out of the image");
    for digest in ["sha256:../../../../etc/passwd", "../x", "sha512:00", "md5:0", ""] {
        check_manifest("digest", |manifest| manifest["layers"][0]["digest"] = digest.into(), "only sha256 is known");
    }
}

#[test]
fn lies_are_told() {
    check("config's name", |members| members[2].content.push(b' '), "has the digest");
    check("layer", |members| members[0].content[0] ^= 1, "layer 0/layer.tar of image");
    check("diff ID", |members| members[0].content[3 * 512] ^= 1, "0/layer.tar has the diff ID");
    check("missing", |members| drop(members.remove(1)), "1/layer.tar is missing");
    check(
        "fewer layers",
        edit_manifest(|image| image["Layers"] = json!(["0/layer.tar"])),
        "lists 1 layers, but config",
    );
    check("no layers", edit_manifest(|image| image["Layers"] = json!(null)), "lists 0 layers, but config");
    check(
        "exchanged",
        edit_manifest(|image| image["Layers"] = json!(["1/layer.tar", "0/layer.tar"])),
        "has the diff ID",
    );
    check_config("no diff IDs", |config| drop(config.as_object_mut().unwrap().remove("rootfs")), "lists no diff IDs");
    check_config(
        "odd diff ID",
        |config| config["rootfs"]["diff_ids"][0] = "sha512:0".into(),
        "`sha512:0` cannot be verified",
    );
    check_config("type", |config| config["config"]["Env"] = "A=b".into(), "`config`: `Env`: invalid type");
    check_config("no object", |config| *config = json!([1]), "is malformed");
    check_manifest("size", |manifest| manifest["layers"][0]["size"] = 5.into(), "but its descriptor says 5");
    check_manifest("config's size", |manifest| manifest["config"]["size"] = 5.into(), "but its descriptor says 5");
    check_manifest("version", |manifest| manifest["schemaVersion"] = 1.into(), "`schemaVersion` is not 2");
    check_manifest("both", |manifest| manifest["manifests"] = json!([]), "is both an index and a manifest");
    check_manifest("type", |manifest| manifest["mediaType"] = oci::INDEX.into(), "is something else than");
    check_manifest(
        "gone",
        |manifest| manifest["layers"][1]["digest"] = format!("sha256:{:064}", 0).into(),
        "is missing",
    );
}

#[test]
fn blobs_with_other_digests_are_refused() {
    let mut layout = Layout::default();
    let manifest = layout.image(&two_layers().encoded(Encoding::Gzip), false);
    layout.index(&[named(&manifest, "1", None)]);
    for index in 0..layout.files.len() {
        let before = layout.files[index].clone();
        if !before.0.starts_with(oci::BLOBS) {
            continue;
        }
        for at in [0, before.1.len() / 2, before.1.len() - 1] {
            layout.files[index].1[at] ^= 1;
            let digest = Digest::of(&layout.files[index].1);
            expect(&before.0, &TempPlace::with_layout(&layout), &format!("has the digest {digest}"));
            layout.files[index].1[at] ^= 1;
        }
        layout.files[index].1.push(0);
        expect(&before.0, &TempPlace::with_layout(&layout), "but its descriptor says");
        layout.files[index] = before;
    }
}

#[test]
fn layers_that_are_elsewhere_or_locked_are_refused() {
    let set =
        |field: &'static str, value: Value| move |manifest: &mut Value| manifest["layers"][0][field] = value.clone();
    let foreign = "is a foreign one, which is fetched from elsewhere";
    check_manifest("urls", set("urls", json!(["https://example"])), foreign);
    for media_type in [
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    ] {
        check_manifest("media type", set("mediaType", media_type.into()), foreign);
        let sources = json!({"sha256:0": {"mediaType": media_type}});
        check("LayerSources", edit_manifest(|image| image["LayerSources"] = sources), foreign);
    }
    let sources = json!({"sha256:0": {"mediaType": "", "urls": ["https://example"]}});
    check("LayerSources", edit_manifest(|image| image["LayerSources"] = sources), foreign);
    check_manifest(
        "locked",
        set("mediaType", format!("{}+encrypted", Encoding::Plain.media_type()).into()),
        "is encrypted",
    );
    check_manifest("no layer", set("mediaType", "application/wasm".into()), "has the media type `application/wasm`");
    let mut layout = Layout::default();
    let manifest = layout.edited_image(&two_layers(), false, |manifest| {
        manifest["layers"][0]["urls"] = json!([]);
        manifest["layers"][1].as_object_mut().unwrap().remove("mediaType");
        manifest["config"]["urls"] = json!(null);
    });
    layout.index(&[manifest]);
    assert_eq!(TempPlace::with_layout(&layout).open("{}").unwrap().layers().len(), 2, "these say nothing");
}

#[test]
fn other_compressions_are_named() {
    for (magic, name) in [(&b"\xfd7zXZ\0rest"[..], "xz"), (b"BZh91AY&SY", "bzip2")] {
        check_layer("layer", magic, &format!("is compressed with {name}, which layers of OCI images cannot be"));
        expect("archive", &TempPlace::with(magic), "is damaged: it cannot be decompressed");
    }
}

#[test]
fn broken_layers_are_refused() {
    let good = tar(&[file("x", "content")]);
    check_layer("no tar", b"no tar at all", "is no archive that can be read: it ends within a header");
    check_layer("cut", &good[..515], "is no archive that can be read: it ends within a member");
    for encoding in [Encoding::Gzip, Encoding::Zstd] {
        let blob = encode(&good, encoding);
        let garbage = [blob.as_slice(), b"garbage"].concat();
        for (case, bytes) in [("cut", &blob[..blob.len() - 3]), ("garbage after it", &garbage)] {
            let mut members = Image::new(&[&good]).docker_members();
            members[0].content = bytes.to_vec();
            expect(case, &TempPlace::with(&tar(&members)), "0/layer.tar ");
        }
        let archive = encode(&tar(&two_layers().docker_members()), encoding);
        expect("archive cut", &TempPlace::with(&archive[..archive.len() - 3]), "is damaged");
        expect("garbage", &TempPlace::with(&[archive.as_slice(), b"garbage"].concat()), "is damaged");
    }
    let several = |encoding| [encode(&good[..512], encoding), encode(&good[512..], encoding)].concat();
    for encoding in [Encoding::Gzip, Encoding::Zstd] {
        let mut members = Image::new(&[&good]).docker_members();
        members[0].content = several(encoding);
        let base = TempPlace::with(&tar(&members)).open("{}").unwrap();
        assert_eq!(base.layers()[0].tar_bytes, good.len() as u64, "several members or frames are one layer");
    }
}

/// A gigabyte may be in an image, and a byte more only if that is not all. Zeros are free.
#[test]
fn bombs_do_not_go_off() {
    let bytes = |byte: u8, count: u64| {
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
        // An empty archive, and what belongs to it besides.
        let bytes = io::repeat(0).take(512).chain(io::repeat(byte)).take(count);
        io::copy(&mut { bytes }, &mut encoder).unwrap();
        encoder.finish().unwrap()
    };
    let bomb = bytes(b'x', (1 << 30) + 1);
    assert!(bomb.len() < 1 << 20);
    let excess = "unpacks to more than 1073741824 bytes, which is more than usual for one of";
    expect("archive", &TempPlace::with(&bomb), excess);
    // Half of it in each of three layers, which are several together.
    let layers = |half: &[u8], count: usize| {
        let tars: Vec<Vec<u8>> = (0..count).map(|index| vec![b'0' + u8::try_from(index).unwrap()]).collect();
        let tars: Vec<&[u8]> = tars.iter().map(Vec::as_slice).collect();
        let mut members = Image::new(&tars).docker_members();
        for (index, item) in members.iter_mut().take(count).enumerate() {
            // A frame that is skipped, so that they are no links to each other.
            item.content = [b"\x50\x2a\x4d\x18\x01\0\0\0", &[u8::try_from(index).unwrap()][..], half].concat();
        }
        TempPlace::with(&tar(&members))
    };
    let half = bytes(b'x', 1 << 29);
    expect("layers", &layers(&half, 3), excess);
    let zeros = bytes(0, 1 << 29);
    expect("zeros", &layers(&zeros, 3), "has the diff ID");
    let source = layers(&zeros, 1);
    let platform = Platform { os: "linux".into(), architecture: "amd64".into(), variant: None };
    let open = |bytes| {
        BaseImage::open_within(
            &source.source("{}").parse().unwrap(),
            &platform,
            Some(bytes),
            &source.scratch(),
            &Unobserved,
        )
    };
    let error = open((1 << 29) - 1).unwrap_err().to_string();
    assert!(error.contains("unpacks to more than 536870911 bytes"), "{error}");
    assert!(open(1 << 29).unwrap_err().to_string().contains("has the diff ID"));
}

#[test]
fn what_no_image_needs_is_refused() {
    check("manifest", |members| members[3].content.resize(5 << 20, b' '), "manifest.json is malformed: it is longer");
    check_config("config", |config| config["x"] = "x".repeat(5 << 20).into(), "it is longer than any such document");
    check_config(
        "history",
        |config| config["history"] = vec![json!({}); MAX_HISTORY + 1].into(),
        "a history of more than 5000",
    );
    let many = |count: usize| edit_manifest(move |image| image["Layers"] = vec!["0/layer.tar"; count].into());
    check("layers", many(MAX_BASE_LAYERS + 1), "has more than 500 layers");
    check("as many as one may have", many(MAX_BASE_LAYERS), "lists 500 layers, but config");
    let layer = json!({"digest": format!("sha256:{:064}", 0), "size": 1});
    check_manifest(
        "layers",
        |manifest| manifest["layers"] = vec![layer.clone(); MAX_BASE_LAYERS + 1].into(),
        "500 layers",
    );
    check(
        "images",
        |members| {
            edit_json(members, "manifest.json", |manifest| *manifest = vec![manifest[0].clone(); 1001].into());
        },
        "it lists more than 1000 images",
    );
    check(
        "two lists",
        |members| {
            members.push(members[3].clone());
            members[3].content.push(b' ');
        },
        "the archive holds manifest.json twice, with different content",
    );
    let mut layout = Layout::default();
    let manifest = layout.image(&two_layers(), false);
    let other = with(&manifest, "platform", json!({"os": "linux", "architecture": "arm64"}));
    layout.index(&vec![other; 1001]);
    expect("manifests", &TempPlace::with_layout(&layout), "it lists more than 1000 manifests, or too deep");
    let mut index = manifest;
    for _ in 0..6 {
        index = layout.blob(oci::INDEX, json!({"schemaVersion": 2, "manifests": [index]}).to_string().as_bytes());
    }
    layout.index(&[index]);
    expect("depth", &TempPlace::with_layout(&layout), "it lists more than 1000 manifests, or too deep");
}

#[test]
fn legacy_parents_must_end() {
    let member = |id: usize, parent: usize| {
        [
            file(&format!("{id}/json"), &json!({"parent": parent.to_string()}).to_string()),
            bytes(&format!("{id}/layer.tar"), &tar(&[])),
        ]
    };
    let long = |id: usize| {
        let [json, layer] = member(id, id + 1);
        let comment = json!({"parent": (id + 1).to_string(), "comment": "x".repeat(3 << 20)}).to_string();
        [Item { content: comment.into_bytes(), ..json }, layer]
    };
    let repositories = file("repositories", &json!({"base": {"1": "0"}}).to_string());
    let circle: Vec<Item> = [member(0, 1), member(1, 0)].concat();
    for (case, mut members, expected) in [
        ("circle", circle, "layer `0` is its own ancestor"),
        ("own parent", member(0, 0).to_vec(), "layer `0` is its own ancestor"),
        ("no parent", member(0, 7).to_vec(), "7/json is missing"),
        ("no layer", vec![member(0, 7)[0].clone()], "0/layer.tar is missing"),
        ("too long", (0..3).flat_map(long).collect(), "1/json is malformed: with those above it"),
        ("too many", (0..600).flat_map(|id| member(id, id + 1)).collect(), "has more than 500 layers"),
    ] {
        members.push(repositories.clone());
        expect(case, &TempPlace::with(&tar(&members)), expected);
    }
}

#[test]
fn damaged_archives_are_errors_and_no_panics() {
    let place = TempPlace::new();
    for encoding in ENCODINGS {
        let bytes = encode(&tar(&two_layers().encoded(encoding).docker_members()), encoding);
        // The end of an archive may be missing, and what fills its last block.
        let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        let end = if encoding == Encoding::Plain { last } else { bytes.len() };
        for cut in (0..end).step_by(bytes.len() / 40 + 1) {
            fs_err::write(place.image(), &bytes[..cut]).unwrap();
            assert!(place.open("{}").is_err(), "{cut}");
        }
        for position in (0..bytes.len()).step_by(7) {
            let mut corrupted = bytes.clone();
            corrupted[position] ^= 0x80;
            fs_err::write(place.image(), corrupted).unwrap();
            let _ = place.open("{}").map(|base| base.read_file("nix/store/aaa-lower", 100));
        }
    }
}

#[test]
fn layers_that_change_later_are_not_read() {
    let mut layout = Layout::default();
    let manifest = layout.image(&two_layers(), false);
    layout.index(&[manifest]);
    let in_dir = TempPlace::with_layout(&layout);
    let in_archive = TempPlace::with(&tar(&layout.members()));
    for place in [&in_dir, &in_archive] {
        let base = place.open("{}").unwrap();
        let blob = oci::blob_name(&base.layers()[0].digest);
        let path = if place.image().is_dir() { place.image().join(blob) } else { place.image() };
        let mut bytes = fs_err::read(&path).unwrap();
        let at = bytes.windows(5).position(|window| window == b"lower").unwrap();
        // The name of the path is before its content.
        let at = at + 1 + bytes[at + 1..].windows(5).position(|window| window == b"lower").unwrap();
        bytes[at] = b'L';
        fs_err::write(&path, bytes).unwrap();
        let error = io::copy(&mut base.layers()[0].blob().unwrap(), &mut io::sink()).unwrap_err();
        assert!(error.to_string().ends_with("has changed since it was verified"), "{error}");
        let error = base.read_file("nix/store/aaa-lower", 100).unwrap_err();
        assert!(error.to_string().contains("has changed since it was verified"), "{error}");
    }
}

#[test]
fn what_is_no_file_does_not_make_us_wait() {
    let fifo = |path: &Path| {
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    };
    let place = TempPlace::new();
    fifo(&place.image());
    expect("archive", &place, "there is no index.json, no manifest.json and no `repositories`");
    let place = TempPlace::with_layout(&Layout::default());
    fifo(&place.image().join("index.json"));
    expect("index", &place, "is no regular file");
}
