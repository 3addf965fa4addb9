//! Strategies of which there is little in the file, and very much once it is multiplied.

use super::component::{Component, with_instances};
use super::*;

/// Asserts that it is refused before anything of it is linked or run.
fn assert_too_much(component: &[u8], what: &str) {
    let error = format!("planner `{PLANNER}` cannot be used: it {what}; the limit is fixed");
    assert_ends(component, tight(), NOT_A_PLANNER, &error, &[]);
}

fn text(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("this is WebAssembly text")
}

/// An interface with so many functions.
fn interface(functions: u32) -> String {
    let functions: String = (0..functions).map(|at| format!("(export \"f{at}\" (func))")).collect();
    format!("(instance {functions})")
}

/// A component that imports each of these.
fn imports(names: impl IntoIterator<Item = String>, what: &str) -> Vec<u8> {
    let imports: String = names.into_iter().map(|name| format!("(import \"{name}\" {what})")).collect();
    text(&format!("(component {imports})"))
}

const TOO_MANY_NAMES: &str = "imports and exports more than 10000 names, or 1024 KiB of them";

#[test]
fn imports_an_interface_without_end() {
    let environment = || ["wasi:cli/environment@0.2.6".to_owned()];
    assert_too_much(&imports(environment(), &interface(50_000)), TOO_MANY_NAMES);
    // With a name as long as the format allows, in a package that exists: no name is made for each of its functions.
    let long = format!("wasi:cli/{}@0.2.6", "a".repeat(90_000));
    assert_too_much(&imports([long.clone()], &interface(50_000)), TOO_MANY_NAMES);
    let unknown = told(&imports([long], &interface(5_000)), tight());
    assert!(unknown.error.contains("it imports what no planner gets: wasi:cli/aaa"), "{}", unknown.error);
    assert!(unknown.error.len() < 1_000, "{}", unknown.error.len());
}

#[test]
fn imports_interfaces_without_number() {
    let versions = |count: u32| (0..count).map(|at| format!("wasi:cli/environment@0.2.{at}"));
    let once = interface(90);
    // The same type, written once and meant each time.
    let imports: String = versions(200).map(|name| format!("(import \"{name}\" (instance (type $t)))")).collect();
    assert_too_much(&text(&format!("(component (type $t {once}) {imports})")), TOO_MANY_NAMES);
    // And written each time. The format allows a thousand.
    assert_too_much(&self::imports(versions(900), &interface(12)), TOO_MANY_NAMES);
}

#[test]
fn has_names_that_are_long_together() {
    let names = (0..20).map(|at| format!("wasi:cli/{}@0.2.{at}", "a".repeat(80_000)));
    let component = imports(names, "(instance)");
    assert_too_much(&component, TOO_MANY_NAMES);
}

/// Types of interfaces, each of which holds the one before it twice.
#[test]
fn doubles_a_type() {
    let levels: String = (1..=30)
        .map(|at| {
            let before = at - 1;
            format!(
                "(type $t{at} (instance (alias outer 1 $t{before} (type $b))
                    (export \"a\" (instance (type $b))) (export \"b\" (instance (type $b)))))"
            )
        })
        .collect();
    let component = format!(
        "(component (type $t0 (instance)) {levels} (import \"wasi:cli/environment@0.2.6\" (instance (type $t30))))"
    );
    let report = told(&text(&component), tight());
    assert_eq!(report.code, NOT_A_PLANNER, "{}", report.error);
}

#[test]
fn exports_one_interface_under_many_names() {
    let functions: String = (0..90).map(|at| format!("(export \"f{at}\" (func $f))")).collect();
    let exports: String = (0..200).map(|at| format!("(export \"e{at}\" (instance $i))")).collect();
    let component = format!(
        "(component
            (core module $m (func (export \"f\")))
            (core instance $m (instantiate $m))
            (func $f (canon lift (core func $m \"f\")))
            (instance $i {functions})
            {exports})"
    );
    assert_too_much(&text(&component), TOO_MANY_NAMES);
}

#[test]
fn instantiates_a_module_of_globals() {
    let globals = |count: usize| format!("(module {})", "(global i64 (i64.const 0))".repeat(count));
    // A million of them, and sixty instances: a GiB. Each alone would do.
    let component = with_instances(&Component::default().build(), &globals(1_000_000), 60);
    assert_too_much(
        &component,
        "has instances with globals and functions that take 916 MiB, but at most 16 MiB are allowed",
    );
    let component = with_instances(&Component::default().build(), &globals(20_000), 60);
    assert_too_much(
        &component,
        "has instances with globals and functions that take 19 MiB, but at most 16 MiB are allowed",
    );
    let component = with_instances(&Component::default().build(), &globals(10_000), 60);
    assert_eq!(told(&component, tight()).code, REFUSED);
}

#[test]
fn instantiates_a_module_of_references_to_functions() {
    let functions: String = (0..20_000).map(|at| format!("(func (export \"f{at}\"))")).collect();
    let component = with_instances(&Component::default().build(), &format!("(module {functions})"), 60);
    let report = told(&component, tight());
    assert!(report.error.contains("it has instances with globals and functions that take "), "{}", report.error);
    assert_eq!(report.code, NOT_A_PLANNER);
}

/// Components in components, each of which has two instances of the one before it.
fn doubling(innermost: &str, levels: u32) -> Vec<u8> {
    let levels_text: String = (1..=levels)
        .map(|at| {
            let before = at - 1;
            format!(
                "(component $c{at} (alias outer 1 $c{before} (component $b))
                    (instance (instantiate $b)) (instance (instantiate $b)))"
            )
        })
        .collect();
    text(&format!("(component (component $c0 {innermost}) {levels_text} (instance (instantiate $c{levels})))"))
}

#[test]
fn doubles_components() {
    for (innermost, levels, found) in
        [("", 10, 2048), ("", 13, 16384), ("(core module $m) (core instance (instantiate $m))", 10, 2048)]
    {
        let what = format!("has {found} instances of components, but at most 1000 are allowed");
        assert_too_much(&doubling(innermost, levels), &what);
    }
    // What is left has no more than that: it is no planner, and no more than that.
    let report = told(&doubling("", 8), tight());
    assert!(report.error.contains("it does not export the interface"), "{}", report.error);
}

/// A component that is handed on is instantiated by whoever gets it.
#[test]
fn doubles_components_that_are_handed_on() {
    let levels: String = (1..=12)
        .map(|at| {
            let before = at - 1;
            let argument = if before == 0 { String::new() } else { " (with \"c\" (component $x))".into() };
            format!(
                "(component $c{at} (import \"c\" (component $x))
                    (alias outer 1 $c{before} (component $b))
                    (instance (instantiate $b{argument})) (instance (instantiate $b{argument})) (instance (instantiate $x)))"
            )
        })
        .collect();
    let component = format!(
        "(component (component $e) (component $c0) {levels} (instance (instantiate $c12 (with \"c\" (component $e)))))"
    );
    let report = told(&text(&component), tight());
    assert!(report.error.contains("instances of components, but at most 1000 are allowed"), "{}", report.error);
    assert_eq!(report.code, NOT_A_PLANNER);
}
