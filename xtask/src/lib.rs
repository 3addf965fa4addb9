//! How this repository builds its strategies. Shared by `cargo xtask`, the build script of the program that embeds the
//! built-in ones, and the tests that need others.

pub mod guests;
