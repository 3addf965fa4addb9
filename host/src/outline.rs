//! Images that are asked what is in their layers, for `compare` and `--history`.

use anyhow::{Context, Result};
use layerwright_packer::{ImageOutline, ImageSettings, ImageSource, Platform, WantedPlatform};

use crate::console::Console;
use crate::interrupt::TemporaryFolder;
use crate::progress::Progress;

/// Opens an image: of several, the one for `architecture`, or where nobody names one, that of this machine or the only
/// one.
pub(crate) fn open_outline(
    source: &ImageSource,
    architecture: Option<&str>,
    console: &Console,
) -> Result<ImageOutline> {
    let ImageSettings { os, architecture: own, .. } = ImageSettings::default();
    let platform = |architecture: String| Platform { os, architecture, variant: None };
    let wanted = match architecture {
        Some(architecture) => WantedPlatform::Exactly(platform(architecture.to_owned())),
        None => WantedPlatform::Preferably(platform(own)),
    };
    let scratch = TemporaryFolder::new().context("making a temporary folder")?;
    let progress = Progress::new(console, "layers");
    Ok(ImageOutline::open(source, &wanted, scratch.path(), &progress)?)
}
