//! `--report FILE`: one page for a browser, which needs neither network nor other files.
//!
//! | file | what it knows |
//! |---|---|
//! | `data.rs` | what the page is told, in the page's own words |
//! | `nodes.rs`, `popularity.rs`, `changes.rs` | what there is to say of nodes |
//! | `image.rs` | what there is to say of layers |
//! | `page.rs` | the page: its text, with style, script and data in their places |
//! | `page.html`, `style.css`, `*.js` | what is done in the browser |
//!
//! Names, labels, dates and whatever else a page shows may be anybody's. They go into it as one JSON text that no name can
//! end, and a policy in the page keeps the browser from running anything else than the script that is written here, and
//! from fetching anything at all.

mod changes;
mod data;
mod image;
mod nodes;
mod page;
mod popularity;

pub(crate) use self::data::{Data, History, Image, Layer, LayerState, Nodes, Run};
pub(crate) use self::page::page;

/// Most nodes over all images of a page: those of a closure of this size make one of about 15 MB, which a browser still
/// opens.
pub(crate) const MAX_NODES: usize = 100_000;
