use std::io::Write;

use super::*;
use crate::Unobserved;
use crate::fixture::{Fixture, assert_verified, store_plan};
use crate::oci;

fn at(dir: &tempfile::TempDir, name: &str) -> String {
    dir.path().join(name).display().to_string()
}

fn mismatches(image: &str) -> Vec<String> {
    let report = verify(&image.parse().unwrap(), &Unobserved).unwrap();
    report.mismatches.iter().map(ToString::to_string).collect()
}

/// A layout with one image.
fn layout() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = at(&dir, "layout");
    Fixture::store().pack(&store_plan(), &format!("oci:{path}:1")).unwrap();
    (dir, path)
}

/// Replaces a blob, and whoever refers to it up to the index, so that only what it says is wrong.
fn rewrite(layout: &str, change: impl Fn(&mut serde_json::Value, &mut serde_json::Value)) {
    let read = |path: &str| -> serde_json::Value {
        serde_json::from_slice(&fs_err::read(format!("{layout}/{path}")).unwrap()).unwrap()
    };
    let blob = |digest: &serde_json::Value| digest.as_str().unwrap().replace("sha256:", "blobs/sha256/");
    let mut index = read("index.json");
    let mut manifest = read(&blob(&index["manifests"][0]["digest"]));
    let mut config = read(&blob(&manifest["config"]["digest"]));
    let write = |document: &serde_json::Value, descriptor: &mut serde_json::Value| {
        let text = oci::canonical_json(document);
        let digest = crate::Digest::of(text.as_bytes());
        descriptor["digest"] = digest.to_string().into();
        descriptor["size"] = text.len().into();
        fs_err::write(format!("{layout}/{}", oci::blob_name(&digest)), text).unwrap();
    };
    change(&mut config, &mut serde_json::Value::Null);
    write(&config, &mut manifest["config"]);
    change(&mut serde_json::Value::Null, &mut manifest);
    write(&manifest, &mut index["manifests"][0]);
    fs_err::write(format!("{layout}/index.json"), index.to_string()).unwrap();
}

#[test]
fn every_corrupted_byte_of_a_blob_is_found() {
    let (_dir, layout) = layout();
    assert_verified(&layout);
    let blobs = fs_err::read_dir(format!("{layout}/blobs/sha256")).unwrap();
    for blob in blobs.map(|blob| blob.unwrap().path()) {
        let bytes = fs_err::read(&blob).unwrap();
        let step = (bytes.len() / 10).max(1);
        for position in (0..bytes.len()).step_by(step) {
            let mut corrupted = bytes.clone();
            corrupted[position] ^= 1;
            fs_err::write(&blob, corrupted).unwrap();
            assert!(!mismatches(&layout).is_empty(), "{} at {position}", blob.display());
        }
        fs_err::write(&blob, &bytes[1..]).unwrap();
        assert!(!mismatches(&layout).is_empty());
        fs_err::write(&blob, bytes).unwrap();
    }
    assert_verified(&layout);
}

#[test]
fn all_mismatches_are_reported_at_once() {
    let (_dir, layout) = layout();
    rewrite(&layout, |config, manifest| {
        if config.is_object() {
            config["history"].as_array_mut().unwrap().pop();
            config["rootfs"]["diff_ids"].as_array_mut().unwrap().rotate_left(1);
            config["rootfs"]["diff_ids"].as_array_mut().unwrap().pop();
            config["architecture"] = "mips".into();
        } else {
            manifest["layers"][0]["mediaType"] = oci::INDEX.replace("index.v1+json", "layer.v1.tar").into();
            manifest["layers"][1]["size"] = 5.into();
            let missing = format!("sha256:{}", "0".repeat(64));
            manifest["layers"].as_array_mut().unwrap().push(serde_json::json!({"digest": missing, "size": 1}));
        }
    });
    let found = mismatches(&layout).join("\n");
    for part in [
        "lists 4 layers, but config",
        "lists 2 diff IDs",
        "is listed for `linux/amd64`, but its config is for `linux/mips`",
        "is gzip, but its media type is `application/vnd.oci.image.layer.v1.tar`",
        "bytes, but its descriptor says 5",
        "has the diff ID",
        "0000 is missing",
    ] {
        assert!(found.contains(part), "no `{part}` in:\n{found}");
    }
}

#[test]
fn garbage_after_a_layer_is_reported() {
    let (_dir, layout) = layout();
    rewrite(&layout, |_, manifest| {
        let Some(layer) = manifest.get_mut("layers").map(|layers| &mut layers[0]) else { return };
        let name = layer["digest"].as_str().unwrap().replace("sha256:", "blobs/sha256/");
        let mut bytes = fs_err::read(format!("{layout}/{name}")).unwrap();
        bytes.extend_from_slice(b"garbage");
        let digest = crate::Digest::of(&bytes);
        layer["digest"] = digest.to_string().into();
        layer["size"] = bytes.len().into();
        fs_err::write(format!("{layout}/{}", oci::blob_name(&digest)), bytes).unwrap();
    });
    let found = mismatches(&layout);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].ends_with("is followed by 7 bytes that belong to nothing"), "{found:?}");
}

#[test]
fn layers_of_several_members_are_counted() {
    let (_dir, layout) = layout();
    let report = assert_verified(&format!("oci:{layout}:1"));
    assert_eq!((report.images, report.layers, report.multi_member_layers), (1, 3, 1));
}

#[test]
fn unknown_names_are_errors() {
    let (dir, layout) = layout();
    let unknown = verify(&format!("oci:{layout}:2").parse().unwrap(), &Unobserved).unwrap_err();
    assert_eq!(unknown.to_string(), "there is no image `2`");
    let empty = verify(&at(&dir, "").parse().unwrap(), &Unobserved).unwrap_err();
    assert!(empty.to_string().ends_with("there is neither an index.json nor a manifest.json"), "{empty}");
    assert!(matches!(verify(&at(&dir, "nothing").parse().unwrap(), &Unobserved), Err(VerifyError::Read(_))));
}

type ArchiveMembers = Vec<(String, Vec<u8>)>;

/// As `docker save` before version 25 and nixpkgs write it: no index, free names, perhaps compressed as a whole.
fn plain_archive(compress: bool, change: impl Fn(&mut ArchiveMembers)) -> (tempfile::TempDir, String) {
    let mut members = Vec::new();
    let mut layers = Vec::new();
    let mut diff_ids = Vec::new();
    for content in ["lower", "upper"] {
        diff_ids.push(crate::DiffId::of(content.as_bytes()));
        layers.push(format!("{content}/layer.tar"));
        members.push((format!("{content}/layer.tar"), content.as_bytes().to_vec()));
    }
    let config = serde_json::json!({"rootfs": {"type": "layers", "diff_ids": diff_ids}}).to_string();
    let name = format!("{}.json", crate::Digest::of(config.as_bytes()).hex());
    let manifest = serde_json::json!([{"Config": name, "RepoTags": ["a:1"], "Layers": layers}]).to_string();
    members.push((name, config.into_bytes()));
    members.push(("manifest.json".into(), manifest.into_bytes()));
    change(&mut members);

    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in &members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, name, content.as_slice()).unwrap();
    }
    let mut bytes = archive.into_inner().unwrap();
    if compress {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&bytes).unwrap();
        bytes = encoder.finish().unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let path = at(&dir, "image.tar");
    fs_err::write(&path, bytes).unwrap();
    (dir, path)
}

#[test]
fn archives_of_other_tools_are_verified() {
    for compress in [false, true] {
        let (_dir, path) = plain_archive(compress, |_| {});
        let report = assert_verified(&format!("docker-archive:{path}:a:1"));
        assert_eq!((report.images, report.layers), (1, 2));
        assert_verified(&path);
    }
    let (_dir, path) = plain_archive(false, |_| {});
    assert!(verify(&format!("docker-archive:{path}:a:2").parse().unwrap(), &Unobserved).is_err());
    assert!(verify(&format!("oci-archive:{path}:1").parse().unwrap(), &Unobserved).is_err());
}

#[test]
fn broken_archives_of_other_tools_are_reported() {
    let check = |change: &dyn Fn(&mut ArchiveMembers), expected: &str| {
        let (_dir, path) = plain_archive(false, change);
        let found = mismatches(&path);
        assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
    };
    check(&|members| members[0].1[0] ^= 1, "lower/layer.tar has the diff ID");
    check(&|members| drop(members.remove(1)), "upper/layer.tar is missing");
    check(&|members| members[2].1.push(b' '), ".json has the digest");
    check(
        &|members| {
            members.extend(vec![members[1].clone(); 3]);
            members[1].1[0] ^= 1;
        },
        "the archive holds upper/layer.tar twice, with different content",
    );
    check(&|members| members[3].1[0] = b'x', "manifest.json is malformed");
    check(&|members| members[3].1 = vec![b' '; 5 << 20], "manifest.json is malformed: it is longer");
}

#[test]
fn archives_made_to_keep_us_busy_are_refused() {
    let check = |change: &dyn Fn(&mut ArchiveMembers), expected: &str| {
        let (_dir, path) = plain_archive(false, change);
        let error = verify(&path.parse().unwrap(), &Unobserved).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    let long = |name: usize| (vec!["n"; name].join("/"), Vec::new());
    check(&|members| members.push(long(2049)), "has a name longer than 4096 bytes");
    check(&|members| members.extend(vec![long(2048); 8200]), "it has more members, or longer names, than any image");
    let (_dir, path) = plain_archive(false, |members| members.push(long(2048)));
    assert_verified(&path);
    for (name, type_flag) in [("a", b'5'), ("a", b'0')] {
        let mut header = Vec::new();
        crate::tar::Header { type_flag, ..crate::tar::Header::file(name.as_bytes(), 0) }.append_to(&mut header);
        let mut bytes = header.repeat(100_001);
        bytes.extend_from_slice(&fs_err::read(&path).unwrap());
        let dir = tempfile::tempdir().unwrap();
        fs_err::write(at(&dir, "many"), bytes).unwrap();
        let error = verify(&at(&dir, "many").parse().unwrap(), &Unobserved).unwrap_err().to_string();
        assert!(error.contains("it has more members, or longer names, than any image"), "{error}");
    }
}

/// A few bytes that say a petabyte of zeros, each in one of the ways to say it.
#[test]
fn sparse_members_are_refused() {
    let (_dir, path) = plain_archive(false, |_| {});
    let image = fs_err::read(&path).unwrap();
    let record = |(key, value): (&str, &str)| {
        let rest = key.len() + value.len() + 3;
        let length = (rest + 1..).find(|length| rest + length.to_string().len() == *length).unwrap();
        format!("{length} {key}={value}\n")
    };
    let member = |name: &str, type_flag, content: &[u8]| {
        let mut member = Vec::new();
        let header = crate::tar::Header::file(name.as_bytes(), content.len() as u64);
        crate::tar::Header { type_flag, ..header }.append_to(&mut member);
        member.extend_from_slice(content);
        member.resize(member.len().next_multiple_of(512), 0);
        member
    };
    let size = (1_u64 << 50).to_string();
    let in_content = [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", &size)];
    let in_headers = [("GNU.sparse.size", size.as_str()), ("GNU.sparse.map", "0,0")];
    for records in [&in_content[..], &in_headers] {
        let records: String = records.iter().copied().map(record).collect();
        let bomb = [member("pax", b'x', records.as_bytes()), member("bomb", b'0', b"0\n")].concat();
        fs_err::write(&path, [bomb.as_slice(), &image].concat()).unwrap();
        for error in [
            verify(&path.parse().unwrap(), &Unobserved).unwrap_err().to_string(),
            open_base(&path).unwrap_err().to_string(),
        ] {
            assert!(error.contains("it holds `bomb` as a sparse file"), "{error}");
        }
    }
}

/// As whoever builds upon the image.
fn open_base(path: &str) -> Result<crate::BaseImage, crate::BaseError> {
    let platform = crate::Platform { os: "linux".into(), architecture: "amd64".into(), variant: None };
    crate::BaseImage::open(&path.parse().unwrap(), &platform, &std::env::temp_dir(), &Unobserved)
}

#[test]
fn many_images_with_one_config_are_checked_up_to_a_limit() {
    for (count, expected) in [(1000, 0), (1001, 1)] {
        let (_dir, path) = plain_archive(false, |members| {
            let images: Vec<serde_json::Value> = serde_json::from_slice(&members[3].1).unwrap();
            members[3].1 = serde_json::to_vec(&vec![images[0].clone(); count]).unwrap();
        });
        let found = mismatches(&path);
        assert_eq!(found.len(), expected, "{found:?}");
        assert!(found.iter().all(|one| one.contains("manifest.json is malformed: it lists more than 1000 images")));
    }
}

#[test]
fn damaged_archives_are_errors_and_no_panics() {
    let (_dir, path) = plain_archive(false, |_| {});
    let bytes = fs_err::read(&path).unwrap();
    for cut in (0..bytes.len()).step_by(997) {
        fs_err::write(&path, &bytes[..cut]).unwrap();
        let _ = verify(&path.parse().unwrap(), &Unobserved);
    }
    for position in (0..bytes.len()).step_by(3) {
        let mut corrupted = bytes.clone();
        corrupted[position] ^= 0x80;
        fs_err::write(&path, corrupted).unwrap();
        let _ = verify(&path.parse().unwrap(), &Unobserved);
    }
}

#[test]
fn lists_of_images_must_agree() {
    let dir = tempfile::tempdir().unwrap();
    let path = at(&dir, "image.tar");
    Fixture::store().pack(&store_plan(), &format!("docker-archive:{path}:a:1")).unwrap();
    assert_verified(&format!("docker-archive:{path}:a:1"));
    assert_verified(&format!("oci-archive:{path}:1"));
    let mut bytes = fs_err::read(&path).unwrap();
    // Two layers change places in `manifest.json`, which is the third member.
    let list = bytes.windows(10).position(|window| window == b"\"Layers\":[").unwrap() + 10;
    let layer = "\"blobs/sha256/\"".len() + 64;
    let (first, second) = bytes[list..].split_at_mut(layer + 1);
    first[..layer].swap_with_slice(&mut second[..layer]);
    fs_err::write(&path, bytes).unwrap();
    let found = mismatches(&path).join("\n");
    assert!(found.contains("manifest.json lists an image with config sha256:"), "{found}");
    assert!(found.contains("index.json lists an image with config sha256:"), "{found}");
    assert!(found.contains("has the diff ID"), "{found}");
}

/// A docker-archive by us, in which one byte in the middle of each blob of these digests is another.
fn damaged_archive(damaged: impl Fn(&crate::PackedImage) -> Vec<crate::Digest>) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let path = at(&dir, "image.tar");
    let packed = Fixture::store().pack(&store_plan(), &format!("docker-archive:{path}:a:1")).unwrap();
    let mut bytes = fs_err::read(&path).unwrap();
    for digest in damaged(&packed) {
        let name = oci::blob_name(&digest);
        let header = bytes.chunks(512).position(|block| block.starts_with(name.as_bytes())).unwrap() * 512;
        let size = std::str::from_utf8(&bytes[header + 124..header + 135]).unwrap();
        let middle = header + 512 + usize::from_str_radix(size, 8).unwrap() / 2;
        bytes[middle] ^= 1;
    }
    fs_err::write(&path, bytes).unwrap();
    mismatches(&path)
}

#[test]
fn damaged_layer_of_two_documents_is_reported_once() {
    let found = damaged_archive(|packed| vec![packed.layers[0].digest, packed.layers[1].digest]);
    let wrong_digests = found.iter().filter(|mismatch| mismatch.contains(" has the digest ")).count();
    let wrong_contents = |text: &&String| text.contains("has the diff ID") || text.contains("cannot be decompressed");
    assert_eq!((wrong_digests, found.iter().filter(wrong_contents).count(), found.len()), (2, 2, 4), "{found:#?}");
    assert!(found.iter().all(|mismatch| !mismatch.contains("blobs/sha256/")), "{found:#?}");
}

#[test]
fn damaged_document_is_no_disagreement() {
    for of_manifest in [false, true] {
        let digest = |packed: &crate::PackedImage| if of_manifest { packed.manifest.unwrap() } else { packed.image_id };
        let found = damaged_archive(|packed| vec![digest(packed)]);
        let wrong_digests = found.iter().filter(|mismatch| mismatch.contains("the content of sha256:")).count();
        assert_eq!(wrong_digests, 1, "{found:#?}");
        assert!(found.iter().all(|mismatch| !mismatch.contains("does not list")), "{found:#?}");
    }
}

#[test]
fn missing_layer_of_two_documents_is_reported_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = at(&dir, "image.tar");
    let packed = Fixture::store().pack(&store_plan(), &format!("docker-archive:{path}:a:1")).unwrap();
    let missing = packed.layers[2].digest;
    let mut bytes = fs_err::read(&path).unwrap();
    let name = oci::blob_name(&missing);
    let header = bytes.chunks(512).position(|block| block.starts_with(name.as_bytes())).unwrap() * 512;
    // The layer is the last one, so the archive can end before it.
    bytes.truncate(header);
    bytes.resize(header + 1024, 0);
    fs_err::write(&path, bytes).unwrap();
    assert_eq!(mismatches(&path), [format!("{missing} is missing")]);
}
