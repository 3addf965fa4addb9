//! Generated closures of every shape that a strategy has to cope with, each with a name.
//!
//! They come out the same on every machine and in every release, so that a failure can be repeated and times be
//! compared: no randomness is involved, only numbers that look like it.
//!
//! ```
//! use layerwright_planner::shapes::Shape;
//!
//! let shape: Shape = "diamond".parse().unwrap();
//! assert_eq!(shape.closure().len(), 4);
//! let shape: Shape = "nix-like:1000".parse().unwrap();
//! assert_eq!(shape.closure().len(), 1000);
//! ```

mod draft;
mod nix_like;

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use thiserror::Error;

use self::draft::{Draft, closure, store_path};
use crate::Closure;

/// Nodes of [`Shape::NixLike`] where nobody says how many.
const NIX_LIKE_NODES: u32 = 10_000;

/// Most nodes of [`Shape::NixLike`]: some ten times the largest package set.
pub const MAX_NIX_LIKE_NODES: u32 = 1_000_000;

/// A generated closure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// No node at all.
    Empty,
    /// One node.
    OneNode,
    /// Twenty nodes that know nothing of each other.
    NoReferences,
    /// Twenty nodes, each of which refers to the next.
    Chain,
    /// One above two above one.
    Diamond,
    /// Seventy diamonds on top of each other: more walks from top to bottom than 64 bits can count.
    StackedDiamonds,
    /// Three nodes in a cycle, with one above and one below.
    Cycle,
    /// Two nodes that refer to each other, so that none is one that no other refers to.
    OnlyACycle,
    /// Thirty nodes that refer to their neighbours in many ways.
    Mesh,
    /// Two roots, of which one needs the other.
    TwoRoots,
    /// Names of 255 bytes that differ at their ends only: longer than a label may be.
    LongNames,
    /// Names with spaces, quotes, patterns, and letters from everywhere; none is a store path.
    OddNames,
    /// Nodes without content.
    NoSizes,
    /// Sizes whose sum is more than 64 bits hold.
    HugeSizes,
    /// As many nodes as said, like a closure from nixpkgs: few popular ones at the bottom, a tree above.
    NixLike(u32),
}

/// A text that names no shape.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ShapeError {
    /// There is no such shape.
    #[error("`{0}` is no shape; there are {names}, and nix-like:N with N nodes", names = names())]
    Unknown(String),
    /// Not a number of nodes that anybody wants to wait for.
    #[error("`{0}` is no number of nodes from 1 to {MAX_NIX_LIKE_NODES}")]
    BadCount(String),
}

impl Shape {
    /// One of each.
    pub const ALL: [Self; 15] = [
        Self::Empty,
        Self::OneNode,
        Self::NoReferences,
        Self::Chain,
        Self::Diamond,
        Self::StackedDiamonds,
        Self::Cycle,
        Self::OnlyACycle,
        Self::Mesh,
        Self::TwoRoots,
        Self::LongNames,
        Self::OddNames,
        Self::NoSizes,
        Self::HugeSizes,
        Self::NixLike(NIX_LIKE_NODES),
    ];

    /// Generates the closure.
    #[must_use]
    pub fn closure(self) -> Closure {
        match self {
            Self::Empty => numbered(0, |_| vec![]),
            Self::OneNode => numbered(1, |_| vec![]),
            Self::NoReferences => numbered(20, |_| vec![]),
            Self::Chain => numbered(20, |at| if at < 19 { vec![at + 1] } else { vec![] }),
            Self::Diamond => numbered(4, |at| [vec![1, 2], vec![3], vec![3], vec![]][at].clone()),
            Self::StackedDiamonds => stacked_diamonds(),
            Self::Cycle => numbered(5, |at| [vec![1], vec![2], vec![3], vec![1, 4], vec![]][at].clone()),
            Self::OnlyACycle => numbered(2, |at| vec![1 - at]),
            Self::Mesh => mesh(),
            Self::TwoRoots => {
                let drafts = drafts(4, |at| [vec![1, 2], vec![2, 3], vec![3], vec![]][at].clone());
                closure(drafts, Some(&[0, 1]))
            }
            Self::LongNames => long_names(),
            Self::OddNames => odd_names(),
            Self::NoSizes => sized(&[0; 8]),
            Self::HugeSizes => sized(&[u64::MAX, u64::MAX - 1, 0, 1, u64::MAX / 2, 1 << 63, 1 << 62, 4096]),
            Self::NixLike(count) => closure(nix_like::drafts(count), None),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "empty",
            Self::OneNode => "one-node",
            Self::NoReferences => "no-references",
            Self::Chain => "chain",
            Self::Diamond => "diamond",
            Self::StackedDiamonds => "stacked-diamonds",
            Self::Cycle => "cycle",
            Self::OnlyACycle => "only-a-cycle",
            Self::Mesh => "mesh",
            Self::TwoRoots => "two-roots",
            Self::LongNames => "long-names",
            Self::OddNames => "odd-names",
            Self::NoSizes => "no-sizes",
            Self::HugeSizes => "huge-sizes",
            Self::NixLike(count) => return write!(f, "nix-like:{count}"),
        })
    }
}

impl FromStr for Shape {
    type Err = ShapeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "nix-like" {
            return Ok(Self::NixLike(NIX_LIKE_NODES));
        }
        if let Some(count) = text.strip_prefix("nix-like:") {
            let count = count.parse().ok().filter(|count| (1..=MAX_NIX_LIKE_NODES).contains(count));
            return count.map(Self::NixLike).ok_or_else(|| ShapeError::BadCount(text.to_owned()));
        }
        let named = Self::ALL.into_iter().find(|shape| shape.to_string() == text);
        named.ok_or_else(|| ShapeError::Unknown(text.to_owned()))
    }
}

/// All fixed shapes, for messages and help.
#[must_use]
pub fn names() -> String {
    let fixed = Shape::ALL.into_iter().filter(|shape| !matches!(shape, Shape::NixLike(_)));
    fixed.map(|shape| shape.to_string()).collect::<Vec<_>>().join(", ")
}

/// Layer limits at which strategies go wrong, ascending: few layers, one too few, just enough, more than enough, and as
/// many as can be asked for. Fewer of them for closures that take long.
#[must_use]
pub fn layer_limits(closure: &Closure) -> Vec<NonZeroU32> {
    let count = u32::try_from(closure.len()).expect("a closure holds no more");
    let limits = match count {
        0..=1000 => [1, 2, 3, count.saturating_sub(1), count, count + 1, 100, u32::MAX],
        _ => [1, 2, 100, 100, count, count, count, u32::MAX],
    };
    limits.into_iter().filter_map(NonZeroU32::new).collect::<BTreeSet<_>>().into_iter().collect()
}

fn drafts(count: usize, references: impl Fn(usize) -> Vec<usize>) -> Vec<Draft> {
    let draft = |at| {
        let size_bytes = 1000 * (at as u64 % 7 + 1);
        Draft { name: store_path(&format!("node{at:02}-1.{at}")), size_bytes, references: references(at) }
    };
    (0..count).map(draft).collect()
}

fn numbered(count: usize, references: impl Fn(usize) -> Vec<usize>) -> Closure {
    closure(drafts(count, references), None)
}

fn stacked_diamonds() -> Closure {
    let bottom = 70 * 3;
    numbered(bottom + 1, |at| match at % 3 {
        _ if at == bottom => vec![],
        0 => vec![at + 1, at + 2],
        1 => vec![at + 2],
        _ => vec![at + 1],
    })
}

fn mesh() -> Closure {
    let last = 29;
    let next = |at: usize| [at + 1, at + 1 + at * 7 % 5, at + 2 + at % 3];
    numbered(last + 1, |at| next(at).into_iter().filter(|next| *next <= last).collect())
}

fn long_names() -> Closure {
    // Nix itself allows no more than 211 bytes after the hash, dpkg and others do.
    let long = |at: usize| {
        let start = store_path("long");
        let filler = "-very".repeat(60);
        format!("{start}{}-{at}", &filler[..253 - start.len()])
    };
    let drafts = (0..5).map(|at| Draft { name: long(at), size_bytes: 1, references: (at + 1..5).collect() });
    closure(drafts.collect(), None)
}

/// What no store path has, but a graph file may.
const ODD_NAMES: [&str; 16] = [
    " ",
    "  two  spaces ",
    "-",
    "--help",
    "2.0",
    "a/b/../c",
    "back\\slash",
    "glob*?[x",
    "it's \"quoted\"",
    "$(id) `id` $HOME %s {}",
    "null",
    "naïve-café-1.0",
    "图层-1.0",
    "слой",
    "שכבה",
    "🦀-1.0",
];

fn odd_names() -> Closure {
    let draft = |(at, name): (usize, &&str)| {
        let references = if at == 0 { (1..ODD_NAMES.len()).collect() } else { vec![] };
        Draft { name: (*name).to_owned(), size_bytes: 1, references }
    };
    closure(ODD_NAMES.iter().enumerate().map(draft).collect(), None)
}

fn sized(sizes: &[u64]) -> Closure {
    let mut drafts = drafts(sizes.len(), |at| (at + 1..sizes.len()).collect());
    for (draft, size) in drafts.iter_mut().zip(sizes) {
        draft.size_bytes = *size;
    }
    closure(drafts, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_shapes() {
        for shape in Shape::ALL {
            assert_eq!(shape.to_string().parse(), Ok(shape));
        }
        assert_eq!("nix-like".parse(), Ok(Shape::NixLike(10_000)));
        for (text, message) in [
            ("nix-like:0", "`nix-like:0` is no number of nodes from 1 to 1000000"),
            ("nix-like:1000001", "`nix-like:1000001` is no number of nodes from 1 to 1000000"),
            ("square", "`square` is no shape; there are empty, one-node,"),
        ] {
            assert!(text.parse::<Shape>().unwrap_err().to_string().starts_with(message), "{text}");
        }
    }

    #[test]
    fn shapes_are_what_they_are_called() {
        let count = |shape: Shape| shape.closure().len();
        assert_eq!([count(Shape::Empty), count(Shape::OneNode), count(Shape::Cycle)], [0, 1, 5]);
        assert!(Shape::OnlyACycle.closure().roots().is_empty());
        assert!(Shape::LongNames.closure().nodes().iter().all(|node| node.name.len() == 255));
        assert_eq!(Shape::HugeSizes.closure().size(), u64::MAX);
        let two = Shape::TwoRoots.closure();
        let [a, b] = *two.roots() else { panic!("two roots") };
        assert!(two.node(a).references.contains(&b) || two.node(b).references.contains(&a));
    }

    /// Who compares times of two releases relies on it.
    #[test]
    fn shapes_stay_as_they_are() {
        assert_eq!(Shape::Chain.closure().nodes()[0].name, "/nix/store/1vahwisxdkzsys3qb1h347w7vhxmy9bx-node04-1.4");
        let large = Shape::NixLike(1000).closure();
        let references: usize = large.nodes().iter().map(|node| node.references.len()).sum();
        assert_eq!((references, large.size()), (6700, 2_377_803_724));
    }

    #[test]
    fn limits_are_the_interesting_ones() {
        let limits = |shape: Shape| layer_limits(&shape.closure()).iter().map(|limit| limit.get()).collect::<Vec<_>>();
        assert_eq!(limits(Shape::Empty), [1, 2, 3, 100, u32::MAX]);
        assert_eq!(limits(Shape::Chain), [1, 2, 3, 19, 20, 21, 100, u32::MAX]);
        assert_eq!(limits(Shape::NixLike(2000)), [1, 2, 100, 2000, u32::MAX]);
    }
}
