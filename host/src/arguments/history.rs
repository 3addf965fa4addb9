//! What planners may know of earlier images.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Default, Args)]
pub(crate) struct HistoryArguments {
    /// What planners may know of earlier images, oldest first: plans, images, histories, or a folder of these
    ///
    /// A plan, as `plan` or --save-plan wrote it, tells the layers of one image; a file may
    /// hold several. An image, written as for `verify`, tells them itself if this program
    /// made it; in others, store paths are looked for in the layers. A history has a line
    /// {"date": ..., "closure": [...]} for each image, oldest first, and tells no layers:
    /// planners see each node in a layer of its own. Of a folder, all files but hidden
    /// ones are read in the order of their names, so begin these with a date. Files may be
    /// packed with gzip or zstd; - is standard input.
    #[arg(long, value_name = "FILE|DIR|IMAGE", num_args = 1.., verbatim_doc_comment, help_heading = "Planning")]
    pub(crate) history: Vec<PathBuf>,
}

impl HistoryArguments {
    /// As they are written on a command line.
    pub(crate) fn flags(&self) -> Vec<String> {
        let flag = |word: &PathBuf| ["--history".to_owned(), word.display().to_string()];
        self.history.iter().flat_map(flag).collect()
    }
}
