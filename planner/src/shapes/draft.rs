//! How generated closures are written down before their nodes are in order.

use crate::{Closure, NamedNode, lineage_of, lineage_of_store_path};

/// A node whose references are positions in the list that it is in.
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) size_bytes: u64,
    pub(super) references: Vec<usize>,
}

/// `roots` are positions; without them, the roots are what no other node refers to.
pub(super) fn closure(drafts: Vec<Draft>, roots: Option<&[usize]>) -> Closure {
    let names: Vec<String> = drafts.iter().map(|draft| draft.name.clone()).collect();
    let name = |at: &usize| names[*at].clone();
    let nodes = drafts.iter().map(|Draft { name: own, size_bytes, references }| NamedNode {
        name: own.clone(),
        lineage: if own.starts_with(STORE) { lineage_of_store_path(own) } else { lineage_of(own) },
        size: *size_bytes,
        references: references.iter().map(name).collect(),
    });
    let roots: Option<Vec<String>> = roots.map(|roots| roots.iter().map(name).collect());
    Closure::new(nodes.collect(), roots.as_deref()).expect("names are distinct and positions in the list")
}

const STORE: &str = "/nix/store/";

/// A store path whose hash follows from the name: positions in the closure have nothing to do with those in the list.
pub(super) fn store_path(name: &str) -> String {
    let mut numbers =
        Numbers::new(name.bytes().fold(0, |seed: u64, byte| seed.wrapping_mul(257).wrapping_add(byte.into())));
    let alphabet = b"0123456789abcdfghijklmnpqrsvwxyz";
    let hash: String = (0..32).map(|_| char::from(alphabet[numbers.below(32)])).collect();
    format!("{STORE}{hash}-{name}")
}

/// Numbers without pattern, by the method called SplitMix64.
pub(super) struct Numbers(u64);

impl Numbers {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// At least 0 and less than `end`, which is not 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("it is less than a usize")
    }
}
