//! `layerwright stage`

use std::path::PathBuf;

use clap::Args;

use super::SurroundingsArguments;
use crate::source::Source;

#[derive(Debug, Args)]
#[command(after_help = "\
Example, of a script that works as root of the image would:
  layerwright stage --copy-to-root \"$(readlink -f result)\" --output root --attributes root.sh
  fakeroot sh -c 'cd root; . ../root.sh; chown 1000 etc/app; tar --create --file ../root.tar .'
  layerwright build --from nix:./result --copy-to-root \"$(readlink -f result)\" \\
      --staged root.tar --staged-attributes all --to oci:out

All directories are real ones, and contents lie where they were put: what a
package has in bin/ is in bin/, and goes where a link of the base image leads when
it is taken back. The folder does not tell owners, nor set-id bits; a script for
fakeroot does, with --attributes.")]
pub(crate) struct StageArguments {
    /// Folder to make
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// File to make: a shell script that gives the files in the folder, under fakeroot, the owners and modes that they are to have
    #[arg(long, value_name = "FILE")]
    pub(crate) attributes: Option<PathBuf>,
    /// Read files below this folder instead of /
    #[arg(long, value_name = "DIR", default_value = "/", hide_default_value = true)]
    pub(crate) root: PathBuf,
    #[command(flatten)]
    pub(crate) surroundings: SurroundingsArguments,
    /// Processor architecture of the image, as Go names it: that of the base image [default: of this machine]
    #[arg(long, value_name = "GOARCH", help_heading = "Base image")]
    pub(crate) architecture: Option<String>,
    /// Variant of the architecture of the image, as Go names it; a base image for this one or a lower one is taken
    #[arg(long, value_name = "GOVARIANT", help_heading = "Base image")]
    pub(crate) variant: Option<String>,
    /// Add the database of a Nix store that has this closure, for scripts to see; written as --from of `build`
    #[arg(long, value_name = "SOURCE", help_heading = "Image")]
    pub(crate) nix_db: Option<Source>,
}
