//! `cargo xtask`

use anyhow::Result;

fn main() -> Result<()> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace");
    for component in xtask::guests::build(root, &root.join("target"), &xtask::guests::BUILT_IN)? {
        println!("{}", component.display());
    }
    Ok(())
}
