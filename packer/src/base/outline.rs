//! An image by its documents: which layers it has, and what is in them as far as it says so.
//!
//! Layers are not read for that, and nothing that an image says about them is checked: `verify` does. So they need not be
//! there. Only an archive that is compressed as a whole has to be unpacked.
//!
//! What is in the layers is known from annotations and the history, see [`mod@crate::contents`]. Where none tells of any
//! layer, the image was made by another program, or is too large to say it, and [`ImageOutline::contents`] reads the
//! layers; those of packages cannot be told by their files.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::choose::{self, Chosen, Listed};
use super::error::Problem;
use super::place::{Allowance, Place, encoding_of};
use super::scan::other_encoding;
use super::store_contents::store_contents;
use super::{BaseError, MAX_STORE_PATHS, Platform};
use crate::contents::{CONTENTS, HeldNode, parse};
use crate::image_files::{Watched, decompressed};
use crate::progress::Observer;
use crate::{DiffId, Digest, ImageSource};

/// Which platform's image is meant, where there may be several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WantedPlatform {
    /// This one's or none.
    Exactly(Platform),
    /// This one's; but where there is an image for one other platform only, that.
    Preferably(Platform),
}

/// An image by its documents.
pub struct ImageOutline {
    path: PathBuf,
    listed: Vec<Listed>,
    layers: Vec<OutlineLayer>,
}

/// A layer by what the documents say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlineLayer {
    /// Of the blob. Unknown in some archives of Docker's.
    pub digest: Option<Digest>,
    /// Of the plain tar. Unknown in archives of Docker's before 1.10.
    pub diff_id: Option<DiffId>,
    /// Size of the blob.
    pub blob_bytes: u64,
    /// The nodes in it, at least one, in their order. `None` where the image does not say.
    pub contents: Option<Vec<HeldNode>>,
}

impl ImageOutline {
    /// Opens an image. Where there are several and the source names none, it is the first one.
    ///
    /// `scratch` is a directory in which an archive that is compressed as a whole is unpacked; nothing is left there.
    ///
    /// # Errors
    ///
    /// Anything in [`BaseError`]: where there is no image, none for the platform, or documents that are not what they say.
    pub fn open(
        source: &ImageSource,
        wanted: &WantedPlatform,
        scratch: &Path,
        observer: &dyn Observer,
    ) -> Result<Self, BaseError> {
        let path = source.path().to_owned();
        let place = Place::open(&path, None, scratch, observer)?;
        let Chosen { layers: listed, .. } = choose_wanted(source, &place, wanted)?;
        let layers = listed.iter().map(outline).collect::<Result<_, _>>();
        let layers = layers.map_err(|problem: Problem| problem.of(&path))?;
        Ok(Self { path, listed, layers })
    }

    /// Bottom-most first.
    #[must_use]
    pub fn layers(&self) -> &[OutlineLayer] {
        &self.layers
    }

    /// Whether the image says of any layer what is in it.
    #[must_use]
    pub fn tells_contents(&self) -> bool {
        self.layers.iter().any(|layer| layer.contents.is_some())
    }

    /// Returns what is in each layer, bottom-most first: as the image says; where it says nothing, the store paths of
    /// layers that hold nothing else, after reading all of them. `None` for a layer of which it is not known.
    ///
    /// # Errors
    ///
    /// A layer that cannot be read, or more store paths or bytes than an image has.
    pub fn contents(&self, observer: &dyn Observer) -> Result<Vec<Option<Vec<HeldNode>>>, BaseError> {
        if self.tells_contents() {
            return Ok(self.layers.iter().map(|layer| layer.contents.clone()).collect());
        }
        if let Some(missing) = self.listed.iter().find(|layer| layer.blob.is_missing()) {
            return Err(Problem::missing(missing.label.clone()).of(&self.path));
        }
        let stored = self.listed.iter().map(|layer| layer.blob.size()).fold(0, u64::saturating_add);
        observer.planned(self.listed.len(), stored);
        let (bytes, room) = (Allowance::new(stored, None, observer), AtomicU64::new(MAX_STORE_PATHS as u64));
        let read: Vec<_> = self.listed.par_iter().map(|layer| read(layer, &bytes, &room, observer)).collect();
        read.into_iter().collect::<Result<_, _>>().map_err(|problem| match observer.cancelled() {
            true => BaseError::Cancelled,
            false => problem.of(&self.path),
        })
    }
}

/// Of an image for one platform only, it does not matter for which.
fn choose_wanted(source: &ImageSource, place: &Place, wanted: &WantedPlatform) -> Result<Chosen, BaseError> {
    let choose = |platform: &Platform| choose::choose_annotated(source, place, platform);
    let (WantedPlatform::Exactly(platform) | WantedPlatform::Preferably(platform)) = wanted;
    let (path, text, known) = match choose(platform) {
        Err(BaseError::Platform { path, wanted, known }) => (path, wanted, known),
        chosen => return chosen,
    };
    // Whether it would run here, nobody asks.
    let is_near = |known: &Platform| (&known.os, &known.architecture) == (&platform.os, &platform.architecture);
    let parsed: Vec<Platform> = known.iter().filter_map(|known| known.parse().ok()).collect();
    let other = match (wanted, parsed.as_slice()) {
        (WantedPlatform::Preferably(_), [only]) => Some(only),
        (_, several) => several.iter().find(|known| is_near(known)),
    };
    match other {
        Some(other) => choose(other),
        None => Err(BaseError::OtherPlatform { path, wanted: text, known }),
    }
}

fn outline(listed: &Listed) -> Result<OutlineLayer, Problem> {
    let malformed = || Problem::malformed(&listed.label, &format!("its annotation {CONTENTS} is no list of nodes"));
    let contents = listed.contents.as_deref().map(|text| parse(text).ok_or_else(malformed)).transpose()?;
    Ok(OutlineLayer { digest: listed.digest, diff_id: listed.diff_id, blob_bytes: listed.blob.size(), contents })
}

fn read(
    layer: &Listed,
    bytes: &Allowance<'_>,
    room: &AtomicU64,
    observer: &dyn Observer,
) -> Result<Option<Vec<HeldNode>>, Problem> {
    if let (_, Some(other)) = encoding_of(layer.blob.open()?)? {
        let reason = other_encoding(other);
        return Err(Problem::UnusableLayer { layer: layer.label.clone(), reason });
    }
    let count = AtomicU64::new(0);
    let blob = Watched::new(layer.blob.open()?, &count, observer);
    let tar = decompressed(blob).map_err(|error| unreadable(layer, error))?;
    store_contents(bytes.meter(tar), room).map_err(|problem| match problem {
        Problem::Read(error) => unreadable(layer, error),
        Problem::Damaged(reason) => {
            Problem::UnusableLayer { layer: layer.label.clone(), reason: format!("cannot be read: {reason}") }
        }
        problem => problem,
    })
}

fn unreadable(layer: &Listed, error: io::Error) -> Problem {
    match Problem::from(error) {
        Problem::Read(error) if !super::place::is_of_machine(&error) => {
            let reason = format!("cannot be read: {}", crate::image_files::shown(error.to_string().as_bytes()));
            Problem::UnusableLayer { layer: layer.label.clone(), reason }
        }
        problem => problem,
    }
}
