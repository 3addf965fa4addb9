//! How popular nodes are among each other. The score that says so may have thousands of digits.

use layerwright_planner::Closure;
use layerwright_planner::graph::popularity;

/// What the most popular nodes get.
const MOST: usize = 1000;

/// Returns each node's rank: 1000 for the highest score, 0 for the lowest of several, and equal steps from each score to
/// the next. Equal scores share a rank.
pub(super) fn ranks(closure: &Closure) -> Vec<u32> {
    let scores = popularity(closure);
    let mut distinct: Vec<_> = scores.iter().collect();
    distinct.sort_unstable();
    distinct.dedup();
    let highest = distinct.len().saturating_sub(1);
    let rank = |score| {
        let at = distinct.binary_search(&score).unwrap_or_else(|before| before);
        let rank = (at * MOST).checked_div(highest).unwrap_or(MOST);
        u32::try_from(rank).expect("ranks end at 1000")
    };
    scores.iter().map(rank).collect()
}

#[cfg(test)]
mod tests {
    use layerwright_planner::testing::closure;

    use super::*;

    #[test]
    fn equal_scores_share_a_rank() {
        // Scores are 1 for the app, 2 for l and r, 5 for libc.
        assert_eq!(ranks(&closure("app -> l r\nl -> libc\nr -> libc")), [0, 500, 1000, 500]);
        assert_eq!(ranks(&closure("a\nb\nc")), [1000; 3]);
        assert_eq!(ranks(&closure("")), [0; 0]);
    }

    #[test]
    fn scores_of_many_digits_have_a_rank() {
        let diamond =
            |n: u32| format!("{n:03}a -> {n:03}b {n:03}c\n{n:03}b -> {:03}a\n{n:03}c -> {:03}a\n", n + 1, n + 1);
        let ranks = ranks(&closure(&(0..99).map(diamond).collect::<String>()));
        assert_eq!((ranks[0], ranks[297]), (0, 1000));
        assert!(ranks.windows(2).all(|pair| pair[0] <= pair[1]));
    }
}
