use super::super::PAGE;
use super::super::timing::Planning;
use super::*;

fn figures(history: &str, strategy: &str, limit: u64, pulled_bytes: u64) -> Figures {
    Figures {
        history: history.into(),
        strategy: strategy.into(),
        max_layers: limit,
        updates: 2,
        pulled_bytes,
        single_layer_bytes: 40_000_000,
        floor_bytes: 10_000_000,
        p95_bytes: pulled_bytes / 2,
        layers_used: limit - 1,
        largest_layer_permille: 125,
        planning_us: 3000,
        slowest_plan_us: 2000,
        pulled_bytes_by_update: vec![pulled_bytes; 3],
    }
}

/// Two strategies over two histories. `mine` pulls more than `auto-layer` of one of them, with 20 layers only.
fn results() -> Results {
    let all = |mine: u64| {
        let of = |limit: u64| {
            let more = if limit == 20 { 30_000_000 } else { 10_000_000 };
            [
                figures("a", "auto-layer", limit, 20_000_000),
                figures("a", "mine", limit, mine),
                figures("b", "auto-layer", limit, 15_000_000),
                figures("b", "mine", limit, more),
            ]
        };
        LIMITS.into_iter().flat_map(of).collect()
    };
    let planning = |strategy: &str| Planning {
        strategy: strategy.into(),
        closure: "large".into(),
        nodes: 7,
        plan_us: 1500,
        memory_bytes: 5 << 20,
    };
    Results {
        machine: vec![("cores".into(), "2".into())],
        histories: vec!["a".into(), "b".into()],
        strategies: vec!["mine".into(), "auto-layer".into()],
        known: all(12_500_000),
        withheld: all(25_000_000),
        planning: vec![planning("mine")],
    }
}

/// The first row of a strategy, cell by cell.
fn row(table: &str, strategy: &str) -> Vec<String> {
    let rows = table.lines().map(|line| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>());
    let mut rows = rows.map(|row| row[1..row.len().max(2) - 1].to_vec());
    rows.find(|row| row.iter().take(2).any(|cell| cell == strategy)).unwrap()
}

#[test]
fn what_is_pulled_is_told_as_a_multiple_of_the_floor() {
    let results = results();
    let shown = pulled(&results, &results.known);
    assert!(shown.starts_with("### 20 layers\n\n| planner "), "{shown}");
    assert_eq!(row(&shown, "mine"), ["mine", "1.25", "3.00"]);
    assert_eq!(row(&shown, "(one single layer)"), ["(one single layer)", "4.00", "4.00"]);
    assert_eq!(row(&pulled_withheld(&results), "mine"), ["mine", "2.50", "3.00"]);
}

#[test]
fn excess_is_summed_and_compared() {
    let results = results();
    let shown = excess(&results, &results.known);
    assert_eq!(row(&shown, "mine"), ["mine", "22.5", "150.0 %", "2.5", "16.7 %", "2.5", "16.7 %"]);
    assert_eq!(row(&shown, "auto-layer"), ["auto-layer", "15.0", "100.0 %", "15.0", "100.0 %", "15.0", "100.0 %"]);
}

#[test]
fn the_first_updates_are_compared_with_the_yardstick() {
    // It pulls 12.5 of 20 three times, 10 of 15 twice, and 30 of 15.
    assert_eq!(row(&start(&results()), "mine"), ["mine", "1", "83.3 %", "1 of 6", "100.0 %"]);
}

#[test]
fn whoever_does_not_look_at_the_history_is_told_of_once() {
    let mut results = results();
    assert_eq!(with_memory(&results), ["mine", "auto-layer"]);
    results.withheld = results.known.clone();
    assert_eq!(with_memory(&results), ["auto-layer"]);
}

#[test]
fn losses_are_named() {
    let results = results();
    let shown = worst(&results, &results.known);
    assert_eq!(row(&shown, "mine"), ["mine", "b, 20 layers", "3.00", "auto-layer", "1.50", "1 of 6"]);
    assert_eq!(row(&shown, "auto-layer"), ["auto-layer", "a, 20 layers", "2.00", "mine", "1.25", "0 of 6"]);
    let shown = worst(&results, &results.withheld);
    assert_eq!(row(&shown, "mine")[5..], ["4 of 6"]);
}

#[test]
fn times_are_beside_what_they_are_of() {
    let shown = planning(&results());
    assert!(shown.contains("large (7 nodes), ms"), "{shown}");
    assert_eq!(row(&shown, "mine"), ["mine", "2.0", "2.0", "1.5", "5"]);
    assert_eq!(row(&shown, "auto-layer"), ["auto-layer", "2.0", "2.0", "-", "-"]);
}

#[test]
fn what_was_not_measured_is_a_dash() {
    let mut results = results();
    results.known.retain(|one| one.strategy == "mine" && one.history == "a");
    assert_eq!(row(&pulled(&results, &results.known), "auto-layer"), ["auto-layer", "-", "-"]);
    assert_eq!(row(&excess(&results, &results.known), "mine")[..3], ["mine", "-", "-"]);
    results.histories = vec!["a".into()];
    assert_eq!(row(&excess(&results, &results.known), "mine")[..3], ["mine", "2.5", "-"]);
    assert!(!tables(&results).is_empty());
}

#[test]
fn the_page_has_each_table_once_and_all_of_the_text() {
    let names: Vec<&str> = TEXT.lines().filter_map(name_in_braces).collect();
    let mut expected: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
    expected.sort_unstable();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    assert!(page(&results()).unwrap().lines().all(|line| name_in_braces(line).is_none()));
}

/// The figures are in the hands of a test from outside.
#[test]
fn the_page_of_this_repository_was_written_with_this_text() {
    let workspace = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = fs_err::read_to_string(workspace.join(PAGE)).unwrap();
    let missing = TEXT.lines().find(|line| name_in_braces(line).is_none() && !page.lines().any(|other| other == *line));
    assert_eq!(missing, None, "run `cargo xtask planners --write`");
}
