//! What is reached from where, for up to 64 starting points at a time: each has one bit, users hand their bits down to
//! what they refer to, and whoever ends up with a bit is reached from there.

use super::{ComponentId, Condensation};

/// How many starting points are followed together.
pub const REACH_BLOCK: usize = u64::BITS as usize;

/// Returns for each component which of the starting points reach it, itself included: bit `b` for those that come with
/// the number `b`, which is less than [`REACH_BLOCK`]. Several may share a number.
///
/// # Panics
///
/// If a number is too large, or a component belongs to another condensation.
#[must_use]
pub fn reach(condensation: &Condensation, starts: impl IntoIterator<Item = (ComponentId, u32)>) -> Vec<u64> {
    let mut bits = vec![0u64; condensation.len()];
    let mut first = bits.len();
    for (start, number) in starts {
        bits[start.index()] |= 1u64.checked_shl(number).expect("numbers are less than the block");
        first = first.min(start.index());
    }
    // What comes before the first of them is not reached.
    for id in condensation.ids().skip(first) {
        let set = bits[id.index()];
        if set != 0 {
            for reference in condensation.references(id) {
                bits[reference.index()] |= set;
            }
        }
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::closure;

    #[test]
    fn bits_go_down_from_all_that_share_them() {
        let closure = closure("a -> c\nb -> c\nc -> d\ne -> d\nf");
        let condensation = Condensation::new(&closure);
        let component = |name: &str| condensation.component_of(closure.find(name).unwrap());
        let bits = reach(&condensation, [(component("a"), 0), (component("f"), 0), (component("e"), 63)]);
        let of = |name: &str| bits[component(name).index()];
        assert_eq!(["a", "b", "c", "d", "e", "f"].map(of), [1, 0, 1, 1 | 1 << 63, 1 << 63, 1]);
    }
}
