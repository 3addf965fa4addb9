//! Few figures that stand for many.

/// The middle of some numbers, the mean of the two middle ones where there are two; `None` of none.
pub(crate) fn median(numbers: &[f64]) -> Option<f64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        count if count % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// In which order subjects run in a round. Each round starts elsewhere, and every second goes backwards, so that none
/// always follows the same one.
pub(crate) fn order(count: usize, round: usize, rounds: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.rotate_left(count * round / rounds.max(1) % count.max(1));
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn every_round_has_every_subject() {
        assert_eq!(order(4, 0, 2), [0, 1, 2, 3]);
        assert_eq!(order(4, 1, 2), [1, 0, 3, 2]);
        assert!(order(0, 1, 5).is_empty());
    }
}
