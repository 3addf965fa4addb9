//! Strategies that call themselves without end.

use super::component::{Component, times, with_instances};
use super::*;

#[test]
fn recurses_on_the_native_stack() {
    let component = Component {
        items: "(func $deep (call $deep) (call $deep))",
        plan: "(call $deep) (unreachable)",
        ..Component::default()
    };
    let error = "its stack overflowed: it may have 1024 KiB; --planner-stack raises the limit";
    assert_misbehaves(&component, with_fuel(), error, &["it was in deep"]);
}

#[test]
fn recurses_as_deep_as_the_user_allows() {
    let component = Component {
        items: "(func $deep (param i32)
            (if (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1))) (global.set $top (i32.const 4096)))))",
        plan: &times(1, "(call $deep (i32.const 5000))"),
        ..Component::default()
    };
    let error = "its stack overflowed: it may have 64 KiB; --planner-stack raises the limit";
    let frames = ["it was in deep"];
    assert_misbehaves(&component, Limits { stack_bytes: 64 << 10, ..tight() }, error, &frames);
    assert_eq!(told(&component.build(), Limits { stack_bytes: 64 << 20, ..tight() }).code, REFUSED);
}

#[test]
fn recurses_until_its_own_stack_is_below_zero() {
    // As compilers do it: a pointer that goes down by what the function needs.
    let deep = "
        (global $stack (mut i32) (i32.const 512))
        (func $deep
            (global.set $stack (i32.sub (global.get $stack) (i32.const 64)))
            (i32.store offset=12 (global.get $stack) (i32.const 1))
            (call $deep))";
    let component = Component { items: deep, plan: "(call $deep) (unreachable)", ..Component::default() };
    let error = "it went below address zero of its memory: most likely the stack that it keeps there overflowed, whose \
                 size was set when it was linked";
    assert_misbehaves(&component, tight(), error, &["it was in deep", "called by plan"]);
}

#[test]
fn loses_its_way_in_memory() {
    let component = Component { plan: "(i32.load (i32.const 0x7fffffff))", ..Component::default() };
    let error = "it crashed: wasm trap: out of bounds memory access";
    assert_misbehaves(&component, tight(), error, &["it was in plan"]);
    let far = "(module (memory i64 1) (func $far (drop (i64.load (i64.const 0x7fff00000000)))) (start $far))";
    let component = with_instances(&Component::default().build(), far, 1);
    assert_fails_to_start(&component, tight(), error, &["it was in far"]);
}

#[test]
fn gives_up() {
    let component =
        Component { items: "(func $inner (unreachable))", plan: "(call $inner) (unreachable)", ..Component::default() };
    let error = "it gave up (`unreachable`); its last messages may say why";
    assert_misbehaves(&component, tight(), error, &["it was in inner", "called by plan"]);
}
