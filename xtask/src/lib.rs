//! How this repository builds its strategies. Shared by `cargo xtask` and by the build script of the program, which
//! embeds the built-in ones.

#[cfg(feature = "guests")]
pub mod guests;
pub mod toolchain;
