//! Files of packages that may be missing.

use anyhow::{Result, bail};
use clap::Args;
use layerwright_planner::NodeKind;

use crate::source::PathGlob;

#[derive(Debug, Args)]
pub(crate) struct MissingArguments {
    /// Pack packages without those of their files that are gone and match; repeatable
    ///
    /// An absolute path as packages list it, in which * stands for anything, slashes too:
    /// '/opt/app/plugins/*'. Documentation, manuals and translations, and what the root's
    /// dpkg.cfg excludes, are left out without it; configuration files and caches, too.
    #[arg(long, value_name = "GLOB", verbatim_doc_comment)]
    pub(crate) allow_missing: Vec<PathGlob>,
}

impl MissingArguments {
    /// Refuses to leave out what is never looked for.
    pub(crate) fn check(&self, kind: NodeKind) -> Result<()> {
        if kind == NodeKind::StorePath && !self.allow_missing.is_empty() {
            bail!("--allow-missing is about files of Debian packages, and these are store paths");
        }
        Ok(())
    }
}
