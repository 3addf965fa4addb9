//! `layerwright clean`

use clap::Args;
use layerwright_packer::Destination;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  layerwright clean oci:out
  layerwright clean --dry-run --json oci:out | jq .blobs
  layerwright clean docker-archive:app.tar

A build that was killed leaves a folder `.layerwright-new-XXXXXX` beside what it
was writing, or in the layout. The next build there removes it; this does so
without a build. No build that is still running loses anything. Where everybody
may rename files, as in a folder of mode 777, such folders stay.

Blobs stay in a layout when their tag is given to another image. Those that no
tag names any more are removed. Let no other program write to the layout
meanwhile: only layerwright waits for itself.")]
pub(crate) struct CleanArguments {
    /// Where images were written: oci:DIR, docker-archive:FILE or oci-archive:FILE
    #[arg(value_name = "DESTINATION")]
    pub(crate) destination: Destination,
    /// Tell what would be removed, and remove nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}
