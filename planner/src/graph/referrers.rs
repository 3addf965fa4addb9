//! References, turned round.

use crate::{Closure, NodeId};

/// Returns for each node the nodes that refer to it directly, ascending.
#[must_use]
pub fn referrers(closure: &Closure) -> Vec<Vec<NodeId>> {
    let mut referrers = vec![Vec::new(); closure.len()];
    for id in closure.ids() {
        for reference in &closure.node(id).references {
            referrers[reference.index()].push(id);
        }
    }
    referrers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::closure;

    #[test]
    fn references_are_turned_round() {
        let closure = closure("a -> c\nb -> c");
        assert_eq!(referrers(&closure), [vec![], vec![], vec![NodeId(0), NodeId(1)]]);
    }
}
