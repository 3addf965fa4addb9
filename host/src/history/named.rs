//! What a word after `--history` names.
//!
//! A word that begins as one for an image does, `oci:` or another, is one. Anything else is a path, and what it is says
//! what is there: a folder is an image if it is an OCI layout.

use std::path::{Path, PathBuf};

use layerwright_packer::{ImageSource, SourceError};

/// How words for images begin; one in a registry is told that it is not taken.
const IMAGES: [&str; 4] = ["oci:", "oci-archive:", "docker-archive:", "docker://"];

/// The files of which each OCI layout has one.
const LAYOUT_FILES: [&str; 2] = ["oci-layout", "index.json"];

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named {
    Image(ImageSource),
    /// Of plans, histories and images.
    Folder,
    /// Any of these, which its beginning tells.
    File,
}

impl Named {
    pub(super) fn new(word: &Path) -> Result<Self, SourceError> {
        let text = word.to_str().unwrap_or_default();
        if IMAGES.iter().any(|start| text.starts_with(start)) {
            return text.parse().map(Self::Image);
        }
        Ok(match (word.is_dir(), is_layout(word)) {
            (true, true) => Self::Image(ImageSource::Path(PathBuf::from(word))),
            (true, false) => Self::Folder,
            (false, _) => Self::File,
        })
    }
}

pub(super) fn is_layout(dir: &Path) -> bool {
    LAYOUT_FILES.iter().any(|name| dir.join(name).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_images_are_told_from_paths() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Named::new(dir.path()).unwrap(), Named::Folder);
        fs_err::write(dir.path().join("index.json"), "{}").unwrap();
        assert_eq!(Named::new(dir.path()).unwrap(), Named::Image(ImageSource::Path(dir.path().into())));
        for file in ["-", "plan.json", "/missing", "docker:x"] {
            assert_eq!(Named::new(Path::new(file)).unwrap(), Named::File, "{file}");
        }
        let tag = Some("1".to_owned());
        assert_eq!(
            Named::new(Path::new("oci:dir:1")).unwrap(),
            Named::Image(ImageSource::OciLayout { dir: "dir".into(), tag })
        );
        assert!(matches!(Named::new(Path::new("docker://a/b")), Err(SourceError::Registry(_))));
    }
}
