//! What lies below and above the planned layers.

use clap::Args;
use layerwright_packer::ImageSource;

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
    /// A file may be compressed with gzip or zstd. Of several images without a name, the
    /// first is meant.
    #[arg(long, value_name = "IMAGE", verbatim_doc_comment, help_heading = "Base image")]
    pub(crate) from_image: Option<ImageSource>,
    #[command(flatten)]
    pub(crate) customisation: CustomisationArguments,
}
