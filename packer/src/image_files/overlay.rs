//! How overlayfs notes on its own disk that something of the layers below is gone.
//!
//! In the archive of a layer, `.wh.NAME` says so. Who packs the upper directory of an overlay as it lies there packs
//! overlay's own notes instead: character devices 0/0, and extended attributes. Engines that unpack layers into the
//! directories of an overlay make such devices and attributes as they find them, and so the notes remove files again.

/// The namespaces that overlay keeps its attributes in: of root, and of mounts in a user namespace.
const NAMESPACES: [&[u8]; 2] = [b"trusted.overlay.", b"user.overlay."];

/// What overlay notes of a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OverlayNote {
    /// What the layers below have of that name is gone.
    Whiteout,
    /// What the layers below have in that directory is gone.
    Opaque,
    /// What is in it lies elsewhere.
    Elsewhere,
}

impl OverlayNote {
    /// What a character device stands for.
    pub(crate) fn of_device(major: u32, minor: u32) -> Option<Self> {
        (major == 0 && minor == 0).then_some(Self::Whiteout)
    }

    /// What an extended attribute says.
    pub(crate) fn of_attribute(name: &[u8], value: &[u8]) -> Option<Self> {
        match NAMESPACES.iter().find_map(|namespace| name.strip_prefix(*namespace))? {
            b"opaque" if value == b"y" => Some(Self::Opaque),
            b"whiteout" => Some(Self::Whiteout),
            b"redirect" | b"metacopy" => Some(Self::Elsewhere),
            _ => None,
        }
    }

    /// What a record of a pax header says: in the spelling of most, and in libarchive's, whose values are in base 64.
    pub(crate) fn of_record(key: &[u8], value: &[u8]) -> Option<Self> {
        if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
            return Self::of_attribute(name, value);
        }
        let name = key.strip_prefix(b"LIBARCHIVE.xattr.")?;
        let value = if matches!(value, b"eQ" | b"eQ==") { &b"y"[..] } else { value };
        Self::of_attribute(name, value)
    }

    /// Why no layer of ours takes it, as what follows a name.
    pub(crate) fn refusal(self) -> &'static str {
        match self {
            Self::Whiteout => {
                "is a whiteout of overlayfs, which removes a file of the layers below instead of making one; leave it out"
            }
            Self::Opaque => {
                "is an opaque directory of overlayfs, which removes what the layers below have in it; take its attribute \
                 `overlay.opaque` away"
            }
            Self::Elsewhere => {
                "has its content elsewhere, says overlayfs in an attribute `overlay.redirect` or `overlay.metacopy`; copy \
                 it from the mounted overlay, and not from its upper directory"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_known_in_both_namespaces_and_spellings() {
        for (key, value, note) in [
            ("SCHILY.xattr.trusted.overlay.opaque", "y", Some(OverlayNote::Opaque)),
            ("SCHILY.xattr.user.overlay.opaque", "y", Some(OverlayNote::Opaque)),
            ("LIBARCHIVE.xattr.trusted.overlay.opaque", "eQ==", Some(OverlayNote::Opaque)),
            ("SCHILY.xattr.trusted.overlay.opaque", "x", None),
            ("SCHILY.xattr.user.overlay.whiteout", "", Some(OverlayNote::Whiteout)),
            ("SCHILY.xattr.trusted.overlay.redirect", "/a", Some(OverlayNote::Elsewhere)),
            ("SCHILY.xattr.trusted.overlay.metacopy", "", Some(OverlayNote::Elsewhere)),
            ("SCHILY.xattr.trusted.overlay.origin", "x", None),
            ("SCHILY.xattr.security.overlay.opaque", "y", None),
            ("trusted.overlay.opaque", "y", None),
        ] {
            assert_eq!(OverlayNote::of_record(key.as_bytes(), value.as_bytes()), note, "{key}");
        }
        assert_eq!(OverlayNote::of_device(0, 0), Some(OverlayNote::Whiteout));
        assert_eq!((OverlayNote::of_device(0, 1), OverlayNote::of_device(1, 0)), (None, None));
    }
}
