//! `--report`

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    /// Also write a page for a browser to this file: layers and what is in them by size, and what an update would re-send
    ///
    /// One HTML file, which needs nothing else and fetches nothing. It draws up to 100000
    /// nodes in all; of several plans that are more together, the first ones.
    #[arg(long = "report", value_name = "FILE.html", verbatim_doc_comment, help_heading = None)]
    pub(crate) file: Option<PathBuf>,
}
