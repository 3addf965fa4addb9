//! What base images are made of.

use std::io::Write;
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::base::{BaseError, BaseImage, Platform};
use crate::image_files::{DOCKER_CONFIG, Encoding};
use crate::{DiffId, Digest, Observer, Unobserved, oci};

pub(super) const ENCODINGS: [Encoding; 3] = [Encoding::Plain, Encoding::Gzip, Encoding::Zstd];

/// A member of an archive, with any name.
#[derive(Clone)]
pub(super) struct Item {
    pub(super) name: Vec<u8>,
    pub(super) kind: tar::EntryType,
    pub(super) link: Vec<u8>,
    pub(super) content: Vec<u8>,
    pub(super) mode: u32,
}

impl Item {
    fn new(name: &str, kind: tar::EntryType, link: &str, content: &[u8]) -> Self {
        Self { name: name.into(), kind, link: link.into(), content: content.to_vec(), mode: 0 }
    }

    /// A pax header with one record, for the member after it.
    pub(super) fn new_pax(key: &str, value: &str) -> Self {
        let rest = format!(" {key}={value}\n");
        let length = (rest.len()..).find(|length| length.to_string().len() + rest.len() == *length).unwrap();
        Self::new("pax", tar::EntryType::XHeader, "", format!("{length}{rest}").as_bytes())
    }

    pub(super) fn named(mut self, name: impl Fn(&str) -> String) -> Self {
        self.name = name(std::str::from_utf8(&self.name).unwrap()).into();
        self
    }
}

pub(super) fn bytes(name: &str, content: &[u8]) -> Item {
    Item::new(name, tar::EntryType::Regular, "", content)
}

pub(super) fn file(name: &str, content: &str) -> Item {
    bytes(name, content.as_bytes())
}

pub(super) fn dir(name: &str) -> Item {
    Item::new(name, tar::EntryType::Directory, "", b"")
}

pub(super) fn symlink(name: &str, target: &str) -> Item {
    Item::new(name, tar::EntryType::Symlink, target, b"")
}

pub(super) fn hard_link(name: &str, target: &str) -> Item {
    Item::new(name, tar::EntryType::Link, target, b"")
}

/// The crate checks names where it takes paths, so these go into the header as they are.
pub(super) fn tar(items: &[Item]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for item in items {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(item.kind);
        header.set_size(item.content.len() as u64);
        if item.mode != 0 {
            header.set_mode(item.mode);
        }
        let old = header.as_old_mut();
        old.name[..item.name.len()].copy_from_slice(&item.name);
        old.linkname[..item.link.len()].copy_from_slice(&item.link);
        header.set_cksum();
        archive.append(&header, item.content.as_slice()).unwrap();
    }
    archive.into_inner().unwrap()
}

pub(super) fn encode(bytes: &[u8], encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Plain => bytes.to_vec(),
        Encoding::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Encoding::Zstd => zstd::encode_all(bytes, 1).unwrap(),
    }
}

/// An image that can be written in several forms.
pub(super) struct Image {
    tars: Vec<Vec<u8>>,
    encoding: Encoding,
    config: String,
}

impl Image {
    pub(super) fn new(tars: &[&[u8]]) -> Self {
        let diff_ids: Vec<DiffId> = tars.iter().map(|tar| DiffId::of(tar)).collect();
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": {"Env": ["A=base"], "Unknown": [1]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": [{"created_by": "one"}, {"comment": "two"}],
        });
        let tars = tars.iter().map(|tar| tar.to_vec()).collect();
        Self { tars, encoding: Encoding::Plain, config: config.to_string() }
    }

    pub(super) fn encoded(self, encoding: Encoding) -> Self {
        Self { encoding, ..self }
    }

    pub(super) fn edit_config(&mut self, edit: impl Fn(&mut Value)) {
        let mut config = serde_json::from_str(&self.config).unwrap();
        edit(&mut config);
        self.config = config.to_string();
    }

    pub(super) fn config(&self) -> &str {
        &self.config
    }

    pub(super) fn tars(&self) -> &[Vec<u8>] {
        &self.tars
    }

    pub(super) fn encoding(&self) -> Encoding {
        self.encoding
    }

    pub(super) fn blobs(&self) -> Vec<Vec<u8>> {
        self.tars.iter().map(|tar| encode(tar, self.encoding)).collect()
    }

    /// As `docker save` wrote it after version 1.10, called `base:1`.
    pub(super) fn docker_members(&self) -> Vec<Item> {
        let config = format!("{}.json", Digest::of(self.config.as_bytes()).hex());
        let names: Vec<String> = (0..self.tars.len()).map(|index| format!("{index}/layer.tar")).collect();
        let manifest = json!([{"Config": config, "RepoTags": ["base:1"], "Layers": names}]).to_string();
        let layers = names.iter().zip(self.blobs()).map(|(name, blob)| bytes(name, &blob));
        let documents = [file(&config, &self.config), file("manifest.json", &manifest)];
        layers.chain(documents).collect()
    }
}

/// Blobs by name, and documents.
#[derive(Default)]
pub(super) struct Layout {
    pub(super) files: Vec<(String, Vec<u8>)>,
}

impl Layout {
    /// Adds a blob. Returns its descriptor.
    pub(super) fn blob(&mut self, media_type: &str, content: &[u8]) -> Value {
        let digest = Digest::of(content);
        self.put(&oci::blob_name(&digest), content);
        json!({"mediaType": media_type, "digest": digest, "size": content.len()})
    }

    /// Adds an image. Returns the descriptor of its manifest.
    pub(super) fn image(&mut self, image: &Image, is_docker: bool) -> Value {
        self.edited_image(image, is_docker, |_| {})
    }

    pub(super) fn edited_image(&mut self, image: &Image, is_docker: bool, edit: impl Fn(&mut Value)) -> Value {
        let (layer, config, manifest) = match is_docker {
            false => (image.encoding.media_type(), oci::CONFIG, oci::MANIFEST),
            true => (
                "application/vnd.docker.image.rootfs.diff.tar.gzip",
                DOCKER_CONFIG,
                "application/vnd.docker.distribution.manifest.v2+json",
            ),
        };
        let layers: Vec<Value> = image.blobs().iter().map(|blob| self.blob(layer, blob)).collect();
        let config = self.blob(config, image.config.as_bytes());
        let mut document = json!({"schemaVersion": 2, "mediaType": manifest, "config": config, "layers": layers});
        edit(&mut document);
        self.blob(manifest, document.to_string().as_bytes())
    }

    pub(super) fn index(&mut self, manifests: &[Value]) {
        self.put("oci-layout", oci::LAYOUT);
        self.put("index.json", json!({"schemaVersion": 2, "manifests": manifests}).to_string().as_bytes());
    }

    pub(super) fn put(&mut self, name: &str, content: &[u8]) {
        self.files.retain(|(known, _)| known != name);
        self.files.push((name.into(), content.to_vec()));
    }

    pub(super) fn members(&self) -> Vec<Item> {
        self.files.iter().map(|(name, content)| bytes(name, content)).collect()
    }
}

/// A descriptor with names.
pub(super) fn named(descriptor: &Value, ref_name: &str, whole: Option<&str>) -> Value {
    let mut annotations = json!({oci::REF_NAME: ref_name});
    if let Some(whole) = whole {
        annotations[oci::CONTAINERD_NAME] = whole.into();
    }
    with(descriptor, "annotations", annotations)
}

pub(super) fn with(descriptor: &Value, field: &str, value: Value) -> Value {
    let mut descriptor = descriptor.clone();
    descriptor[field] = value;
    descriptor
}

/// Changes a document among members.
pub(super) fn edit_json(members: &mut [Item], name: &str, edit: impl FnOnce(&mut Value)) {
    let item = members.iter_mut().find(|item| item.name == name.as_bytes()).unwrap();
    let mut document = serde_json::from_slice(&item.content).unwrap();
    edit(&mut document);
    item.content = document.to_string().into_bytes();
}

/// A place for an image, and one for temporary files.
pub(super) struct TempPlace {
    dir: TempDir,
}

impl TempPlace {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs_err::create_dir(dir.path().join("scratch")).unwrap();
        Self { dir }
    }

    pub(super) fn with(archive: &[u8]) -> Self {
        let place = Self::new();
        fs_err::write(place.image(), archive).unwrap();
        place
    }

    pub(super) fn with_layout(layout: &Layout) -> Self {
        let place = Self::new();
        fs_err::create_dir_all(place.image().join(oci::BLOBS)).unwrap();
        for (name, content) in &layout.files {
            fs_err::write(place.image().join(name), content).unwrap();
        }
        place
    }

    pub(super) fn image(&self) -> PathBuf {
        self.dir.path().join("image")
    }

    pub(super) fn scratch(&self) -> PathBuf {
        self.dir.path().join("scratch")
    }

    /// With the path of the image for `{}`.
    pub(super) fn source(&self, pattern: &str) -> String {
        pattern.replace("{}", &self.image().display().to_string())
    }

    pub(super) fn open(&self, pattern: &str) -> Result<BaseImage, BaseError> {
        self.open_observed(pattern, &Unobserved)
    }

    pub(super) fn open_observed(&self, pattern: &str, observer: &dyn Observer) -> Result<BaseImage, BaseError> {
        let platform = Platform { os: "linux".into(), architecture: "amd64".into(), variant: None };
        BaseImage::open(&self.source(pattern).parse().unwrap(), &platform, &self.scratch(), observer)
    }
}

/// The store paths of an image, without what they begin with.
pub(super) fn store_paths(base: &BaseImage) -> Vec<&str> {
    base.store_paths().iter().map(|path| path.strip_prefix("/nix/store/").unwrap()).collect()
}
