//! Writes a plan as a container image.
//!
//! The same plan, files and settings give the same bytes: on any machine, in any directory, for any number of threads.
//! A layer of store paths is byte for byte the one that nixpkgs' dockerTools makes of them.
//!
//! It does not decide what goes where: that is the plan's. It knows no store and no package manager: the caller says
//! where a node's files are. It does not push to registries, run anything, or read an image that it did not verify.
//!
//! The types in the order in which one meets them:
//!
//! 1. [`PackRequest`] is all that an image is made of: a plan, the [`NodeFiles`] of each node, [`ImageSettings`], a
//!    [`Compression`] and a [`Destination`].
//!    Files that belong to no node are a [`Customisation`], which is made by [`Operation`]s.
//! 2. [`pack()`] makes the image, and tells an [`Observer`] how far it is. [`PackedImage`] says what became of it, with
//!    the [`Digest`] and the [`DiffId`] of each layer.
//! 3. [`verify()`] recomputes from the bytes of an image, ours or anybody's, what the image says about them.
//!
//! [`BaseImage`] is an image, ours or anybody's, that was verified to be built upon, and [`inherit()`] says what
//! becomes of its config. [`ImageOutline`] is one by its documents alone, for those who ask what is in its layers.
//!
//! Start at [`pack()`]. [`locate()`] finds files below a root as packing does, for those who list them. [`CacheDir`] is
//! the user's folder for what can be made again, and [`LayerCache`] what is kept of packed layers there.
//!
//! ```
//! use layerwright_packer::{Destination, Durability, ImageSettings, NodeFiles, PackRequest, Unobserved, pack, verify};
//! use layerwright_planner::Plan;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let root = tempfile::tempdir()?;
//! fs_err::create_dir_all(root.path().join("nix/store/eeee-hello/bin"))?;
//!
//! let destination: Destination = format!("oci:{}/image:1.0", root.path().display()).parse()?;
//! let image = pack(
//!     &PackRequest {
//!         plan: &Plan::from_store_layers(r#"[["/nix/store/eeee-hello"]]"#)?,
//!         files: &|node| NodeFiles::Tree(node.into()),
//!         root: root.path(),
//!         settings: &ImageSettings::default(),
//!         compression: None,
//!         destination: &destination,
//!         tags: &[],
//!         threads: None,
//!         base: None,
//!         customisation: None,
//!         ready: &[],
//!         legacy_parents: false,
//!         reuse: None,
//!         durability: Durability::Synced,
//!     },
//!     &Unobserved,
//! )?;
//! assert_eq!(image.layers[0].nodes, 1);
//!
//! let report = verify(&destination.to_string().parse()?, &Unobserved)?;
//! assert!(report.mismatches.is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! How it works is told at the head of the file that does it: `pack` for the whole, `walk` for which files are in a
//! layer, `tar` for its bytes, `compress` for those of the blob, `belt` for who does what, `destination` for what is
//! written where.

mod ahead;
mod base;
mod base_blobs;
mod belt;
mod blob;
mod cache;
mod cache_dir;
mod compress;
mod contents;
mod customisation;
mod destination;
mod digest;
mod durability;
mod entry;
mod error;
mod files;
#[cfg(test)]
mod fixture;
mod image;
mod image_files;
mod image_layers;
mod lane;
mod layer;
mod layer_tar;
mod lock;
mod lower;
mod nar;
mod oci;
mod pack;
mod progress;
mod read;
mod ready;
mod reuse;
mod settings;
mod staging;
mod tar;
mod verify;
mod walk;
mod work;

pub use base::{
    BaseError, BaseImage, BaseLayer, Excess, ImageOutline, Inherit, InheritError, MAX_BASE_LAYERS, OutlineLayer,
    Platform, WantedPlatform, inherit,
};
pub use cache::{CacheInfo, CacheReport, LayerCache, Pruned};
pub use cache_dir::{CacheDir, CacheDirError, CacheEntry};
pub use compress::{Compression, CompressionError, EncoderError};
pub use contents::HeldNode;
pub use customisation::{
    CopyMode, Customisation, CustomisationError, CustomisationProblem, ModeChange, ModeChangeError, Operation,
    StagedAttributes,
};
pub use destination::{
    CleanError, Cleaned, Cleaning, Destination, DestinationError, FileInPlace, ImageReference, MAX_DOCKER_LAYERS,
    ReferenceError, check_new_dir, clean,
};
pub use digest::{DiffId, Digest, DigestError};
pub use durability::Durability;
pub use error::{DirectoryProblem, FileChange, MissingFile, PackError};
pub use files::{ListedFile, NodeFiles};
pub use image_files::{Encoding, Respelling};
pub use image_layers::LayerKind;
pub use lock::{Lock, are_there_locks};
pub use lower::{LowerFile, LowerFiles};
pub use nar::nar_bytes;
pub use oci::HistoryEntry;
pub use pack::{LayerRequest, PackRequest, PackedImage, PackedLayer, pack, pack_layer, pack_stream};
pub use progress::{Observer, Unobserved};
pub use ready::{ReadyLayer, ReadyLayerError};
pub use reuse::LayerReuse;
pub use settings::{Empty, Healthcheck, ImageConfig, ImageSettings, NameSet, SettingsError, Stamp};
pub use staging::{Abandoned, StagingFolder, abandoned_in, remove_abandoned};
pub use verify::{ImageSource, Mismatch, Note, SourceError, VerifyError, VerifyReport, verify};
pub use walk::{LastLink, locate, with_packages};
