//! `verify` accepts what is right, and names what is not.

use anyhow::{Result, ensure};
use fs_err as fs;
use serde_json::Value;

use crate::case::{Case, case};
use crate::hand_made::HandMade;
use crate::image::{column, members, skopeo, text};
use crate::invocation::Finished;
use crate::run::{Folder, layerwright};

pub(super) const CASES: &[Case] = &[
    case!(every_form_is_right),
    case!(every_compression_is_right),
    case!(an_archive_that_skopeo_made_is_right, Skopeo),
    case!(a_flipped_byte_in_any_blob_of_a_layout_is_found),
    case!(a_flipped_byte_in_any_blob_of_an_archive_is_found),
    case!(a_flipped_byte_in_any_member_of_a_stream_is_found),
    case!(a_flipped_byte_in_a_header_is_found),
    case!(several_mismatches_are_all_reported),
    case!(a_missing_blob_is_named),
    case!(a_cut_off_archive_is_no_image),
    case!(what_is_no_image_is_an_error),
];

fn build(to: &str, more: &[&str]) -> Result<Value> {
    let store = HandMade::sample()?;
    let arguments = ["build", "--from", &store.source()?, "--root", &store.root(), "--to", to, "--json"];
    layerwright(&arguments).args(more).ok()?.json()
}

fn stream() -> Result<Vec<u8>> {
    let store = HandMade::sample()?;
    let build = ["build", "--from", &store.source()?, "--root", &store.root(), "--to", "-", "--tag", "app:1"];
    Ok(layerwright(&build).ok()?.stdout)
}

fn mismatches(finished: &Finished) -> Result<Vec<Value>> {
    Ok(finished.json()?["mismatches"].as_array().cloned().unwrap_or_default())
}

fn every_form_is_right() -> Result<()> {
    let folder = Folder::new()?;
    for (scheme, name) in [("docker-archive", "docker.tar"), ("oci-archive", "oci.tar"), ("oci", "oci")] {
        let path = folder.path(name);
        build(&format!("{scheme}:{path}:app:1"), &[])?;
        for image in [format!("{scheme}:{path}"), path] {
            let verified = layerwright(&["verify", &image, "--json"]).ok()?.json()?;
            ensure!(verified["images"] == 1 && verified["layers"] == 3, "{image}: {verified}");
            ensure!(verified["mismatches"] == Value::Array(Vec::new()));
            let shown = layerwright(&["verify", &image]).ok()?;
            ensure!(shown.text()?.contains("everything matches"), "{}", shown.report());
        }
    }
    let stream = stream()?;
    for image in ["-", "docker-archive:-"] {
        layerwright(&["verify", image]).stdin(stream.clone()).ok()?;
    }
    layerwright(&["verify", &folder.write("stream.tar", stream)?]).ok()?;
    Ok(())
}

fn every_compression_is_right() -> Result<()> {
    let folder = Folder::new()?;
    for compression in ["none", "gzip", "gzip:1", "gzip:12", "zstd", "zstd:1", "zstd:19"] {
        let dir = folder.path(&compression.replace(':', "-"));
        build(&format!("oci:{dir}"), &["--compression", compression])?;
        layerwright(&["verify", &dir]).ok()?;
    }
    Ok(())
}

fn an_archive_that_skopeo_made_is_right() -> Result<()> {
    let folder = Folder::new()?;
    build(&format!("oci:{}:1", folder.path("oci")), &[])?;
    for (scheme, name) in [("docker-archive", "docker.tar"), ("oci-archive", "oci.tar"), ("oci", "copy")] {
        let copy = format!("{scheme}:{}", folder.path(name));
        skopeo(&["copy", "--quiet", &format!("oci:{}:1", folder.path("oci")), &format!("{copy}:app:1")]).ok()?;
        layerwright(&["verify", &copy]).ok()?;
    }
    Ok(())
}

fn a_flipped_byte_in_any_blob_of_a_layout_is_found() -> Result<()> {
    let folder = Folder::new()?;
    let dir = folder.path("oci");
    let packed = build(&format!("oci:{dir}"), &[])?;
    let mut digests = column(&packed["layers"], "digest")?;
    digests.extend([text(&packed["image_id"])?, text(&packed["manifest"])?]);
    for digest in digests {
        let file = format!("{dir}/blobs/{}", digest.replace(':', "/"));
        let right = fs::read(&file)?;
        for at in [0, right.len() / 2, right.len() - 1] {
            let mut wrong = right.clone();
            wrong[at] ^= 1;
            fs::write(&file, &wrong)?;
            layerwright(&["verify", &dir]).exits(6)?.says(&[digest])?;
            let found = layerwright(&["verify", &dir, "--json"]).exits(6)?;
            ensure!(mismatches(&found)?.iter().any(|mismatch| mismatch.to_string().contains(digest)));
        }
        fs::write(&file, &right)?;
    }
    layerwright(&["verify", &dir]).ok()?;
    Ok(())
}

fn a_flipped_byte_in_any_blob_of_an_archive_is_found() -> Result<()> {
    let folder = Folder::new()?;
    for scheme in ["docker-archive", "oci-archive"] {
        let file = folder.path(scheme);
        build(&format!("{scheme}:{file}:app:1"), &[])?;
        let right = fs::read(&file)?;
        let blobs = members(&right)?.into_iter().filter(|(name, range)| name.contains("sha256/") && !range.is_empty());
        let mut count = 0;
        for (name, range) in blobs {
            let mut wrong = right.clone();
            wrong[range.start + range.len() / 2] ^= 0x20;
            fs::write(&file, &wrong)?;
            let hex = name.rsplit('/').next().unwrap_or_default();
            layerwright(&["verify", &format!("{scheme}:{file}")]).exits(6)?.says(&[hex])?;
            count += 1;
        }
        ensure!(count == 5, "config, manifest and three layers, not {count}");
    }
    Ok(())
}

fn a_flipped_byte_in_any_member_of_a_stream_is_found() -> Result<()> {
    let folder = Folder::new()?;
    let right = stream()?;
    for (name, range) in members(&right)? {
        let mut wrong = right.clone();
        wrong[range.start + range.len() / 2] ^= 1;
        let found = layerwright(&["verify", &folder.write("stream.tar", &wrong)?]).exits(6)?;
        // What names a member is in `manifest.json`, so that its own errors are those of others.
        ensure!(name == "manifest.json" || found.stderr.contains(&name), "{name}: {}", found.report());
    }
    Ok(())
}

/// After it, nothing in the archive can be relied upon.
fn a_flipped_byte_in_a_header_is_found() -> Result<()> {
    let folder = Folder::new()?;
    let right = stream()?;
    for (name, range) in members(&right)? {
        for at in [0, 100, 124, 130, 156, 257] {
            let mut wrong = right.clone();
            wrong[range.start - 512 + at] ^= 1;
            let file = folder.write("stream.tar", &wrong)?;
            let found = layerwright(&["verify", &file]).finish()?;
            ensure!(matches!(found.code, Some(1 | 6)), "{name}, byte {at}: {}", found.report());
        }
    }
    Ok(())
}

fn several_mismatches_are_all_reported() -> Result<()> {
    let folder = Folder::new()?;
    let dir = folder.path("oci");
    let packed = build(&format!("oci:{dir}"), &[])?;
    let digests = column(&packed["layers"], "digest")?;
    for digest in &digests {
        let file = format!("{dir}/blobs/{}", digest.replace(':', "/"));
        let mut bytes = fs::read(&file)?;
        // The operating system in gzip's header: only the blob's own digest is another one.
        bytes[9] ^= 1;
        fs::write(&file, bytes)?;
    }
    let found = layerwright(&["verify", &dir]).exits(6)?;
    found.says(&digests)?;
    ensure!(found.text()?.contains("3 mismatches"), "{}", found.report());
    Ok(())
}

fn a_missing_blob_is_named() -> Result<()> {
    let folder = Folder::new()?;
    let dir = folder.path("oci");
    let packed = build(&format!("oci:{dir}"), &[])?;
    for digest in column(&packed["layers"], "digest")? {
        fs::remove_file(format!("{dir}/blobs/{}", digest.replace(':', "/")))?;
        layerwright(&["verify", &dir]).exits(6)?.says(&[&format!("{digest} is missing")])?;
    }
    Ok(())
}

fn a_cut_off_archive_is_no_image() -> Result<()> {
    let folder = Folder::new()?;
    let file = folder.path("image.tar");
    build(&format!("docker-archive:{file}"), &[])?;
    let right = fs::read(&file)?;
    for length in [right.len() / 2, 1000, 100] {
        fs::write(&file, &right[..length])?;
        let found = layerwright(&["verify", &file]).finish()?;
        ensure!(matches!(found.code, Some(1 | 6)), "{length} bytes: {}", found.report());
        ensure!(!found.stderr.is_empty());
    }
    Ok(())
}

fn what_is_no_image_is_an_error() -> Result<()> {
    let folder = Folder::new()?;
    let text = folder.write("text", "not an image")?;
    layerwright(&["verify", &text]).exits(1)?.says(&[&text])?;
    layerwright(&["verify", &folder.path("missing")]).exits(1)?.says(&["missing"])?;
    layerwright(&["verify", &folder.path(".")]).exits(1)?;
    Ok(())
}
