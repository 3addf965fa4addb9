//! What a derivation makes, from the beginning of its file.
//!
//! ```text
//! Derive([("dev","/nix/store/...-dev","",""),("out","/nix/store/...","","")],[...
//! DrvWithVersion("xp-dyn-drv",[("out",...
//! ```
//!
//! Nix registers these with the derivation, so that it finds what was built from what. An output without a path is one
//! that is known only after it is built.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail};
use fs_err as fs;

use crate::nix_db::is_store_path;

/// How much of a file is read. Thousands of outputs fit.
const MAX_BYTES: u64 = 1 << 20;

/// Reads the outputs of the derivation `path` in the store below `root`.
pub(super) fn outputs_of(path: &str, root: &Path) -> Result<BTreeMap<String, String>> {
    let file = root.join(path.trim_start_matches('/'));
    if !fs::symlink_metadata(&file)?.is_file() {
        bail!("{} is no file", file.display());
    }
    let mut start = Vec::new();
    fs::File::open(&file)?.take(MAX_BYTES).read_to_end(&mut start)?;
    let outputs = outputs(&start).with_context(|| format!("{} does not begin as a derivation does", file.display()))?;
    match outputs.values().find(|output| !is_store_path(output)) {
        Some(output) => bail!("{} makes `{output}`, which is no path in /nix/store", file.display()),
        None => Ok(outputs),
    }
}

fn outputs(text: &[u8]) -> Option<BTreeMap<String, String>> {
    let mut rest = Rest(text);
    if rest.skip(b"DrvWithVersion(").is_some() {
        rest.text()?;
        rest.skip(b",[")?;
    } else {
        rest.skip(b"Derive([")?;
    }
    let mut outputs = BTreeMap::new();
    while rest.skip(b"]").is_none() {
        if !outputs.is_empty() {
            rest.skip(b",")?;
        }
        rest.skip(b"(")?;
        let name = rest.text()?;
        rest.skip(b",")?;
        let path = rest.text()?;
        for _ in 0..2 {
            rest.skip(b",")?;
            rest.text()?;
        }
        rest.skip(b")")?;
        outputs.insert(name, path);
    }
    outputs.retain(|_, path| !path.is_empty());
    Some(outputs)
}

/// What is left to read.
struct Rest<'t>(&'t [u8]);

impl Rest<'_> {
    fn skip(&mut self, expected: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    /// A text in quotes, without them.
    fn text(&mut self) -> Option<String> {
        self.skip(b"\"")?;
        let mut text = Vec::new();
        loop {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            match byte {
                b'"' => return String::from_utf8(text).ok(),
                b'\\' => {
                    let (&escaped, rest) = self.0.split_first()?;
                    self.0 = rest;
                    text.push(match escaped {
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        other => other,
                    });
                }
                byte => text.push(byte),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<String> {
        let outputs = outputs(text.as_bytes())?;
        Some(outputs.iter().map(|(name, path)| format!("{name}={path}")).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn outputs_come_first() {
        let two =
            r#"[("dev","/nix/store/a-dev","",""),("out","/nix/store/a","r:sha256","00ff")],[("/nix/store/x.drv",["#;
        let expected = Some("dev=/nix/store/a-dev out=/nix/store/a".to_owned());
        assert_eq!(shown(&format!("Derive({two}")), expected);
        assert_eq!(shown(&format!(r#"DrvWithVersion("xp-dyn-drv",{two}"#)), expected);
        assert_eq!(shown(r#"Derive([("o\"\\\n","/nix/store/a","","")]"#).as_deref(), Some("o\"\\\n=/nix/store/a"));
        assert_eq!(shown(r#"Derive([("out","","r:sha256","")],"#).as_deref(), Some(""));
        assert_eq!(shown("Derive([],").as_deref(), Some(""));
    }

    #[test]
    fn what_is_cut_or_something_else_is_none() {
        let whole = r#"Derive([("dev","/nix/store/a-dev","",""),("out","/nix/store/a","","")]"#;
        for end in 0..whole.len() {
            assert_eq!(shown(&whole[..end]), None, "{end}");
        }
        for text in ["Derive((", r#"Derive([("a","b")]"#, r#"Derive([("a","b","","",)]"#, "[]"] {
            assert_eq!(shown(text), None, "{text}");
        }
    }

    #[test]
    fn only_files_of_the_store_are_told() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("nix/store/dir.drv")).unwrap();
        fs::write(root.path().join("nix/store/a.drv"), r#"Derive([("out","/etc/passwd","","")],"#).unwrap();
        fs::os::unix::fs::symlink("/dev/zero", root.path().join("nix/store/link.drv")).unwrap();
        for (name, said) in [("a.drv", "makes `/etc/passwd`"), ("dir.drv", "is no file"), ("link.drv", "is no file")] {
            let error = outputs_of(&format!("/nix/store/{name}"), root.path()).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}
