//! What lies below and above the planned layers.

use std::path::Path;

use clap::Args;
use layerwright_packer::ImageSource;

use super::cache::Size;
use super::customisation::CustomisationArguments;

#[derive(Debug, Args)]
pub(crate) struct SurroundingsArguments {
    /// Build on this image: its layers stay as they are, and count; store paths in it are not packed again
    ///
    /// docker-archive:FILE[:NAME:TAG]   as docker and podman save it, or dockerTools make it
    /// oci:DIR[:TAG]                    an OCI layout
    /// oci-archive:FILE[:TAG]           an OCI layout in a tar file
    /// FILE or DIR                      any of these
    ///
    /// A file may be compressed with gzip, zstd, xz or bzip2; as FILE, `-` is standard
    /// input. Of several images without a name, the first is meant; of one for several
    /// platforms, the nearest to --architecture and --variant that runs there.
    ///
    /// What the base has as a directory stays one, and a link to a directory such a link:
    /// files of packages from a machine that has it the other way go to where the base
    /// has that directory, and what cannot be both is refused.
    #[arg(long, value_name = "IMAGE", verbatim_doc_comment, help_heading = "Base image")]
    pub(crate) from_image: Option<ImageSource>,
    /// The most that the base image may unpack to, e.g. 20GiB [default: 200 times its stored size, at least 1GiB; zeros are free up to 64GiB]
    #[arg(long, value_name = "SIZE", help_heading = "Base image")]
    pub(crate) max_base_size: Option<Size>,
    #[command(flatten)]
    pub(crate) customisation: CustomisationArguments,
}

impl SurroundingsArguments {
    /// What is read on this machine as it is named, with the flag that names it.
    pub(crate) fn sources(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let base = self.from_image.as_ref().map(|image| ("--from-image", image.path()));
        base.into_iter().chain(self.customisation.sources())
    }
}
