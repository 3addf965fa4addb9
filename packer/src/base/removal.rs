//! How a layer says that something of the layers below is gone.
//!
//! `.wh.NAME` removes NAME, and `.wh..wh..opq` all that a directory has, both of the layers below only. Overlay's own
//! notes mean the same to engines that unpack them into the directories of an overlay. So from here on there is one
//! spelling, see [`spelled`].

use crate::image_files::{Attributes, Member, MemberKind, OverlayNote};

/// What removes a name from the layers below begins like this.
pub(super) const WHITEOUT: &[u8] = b".wh.";

/// What removes all that a directory has in the layers below.
pub(super) const OPAQUE: &[u8] = b".wh..wh..opq";

/// Notes of a layer's engine for itself.
pub(super) const META: &[u8] = b".wh..wh.";

/// Returns a member without overlay's spelling of removals, and the removal that goes with it, if there is one.
pub(super) fn spelled(member: Member, attributes: Option<&Attributes>) -> (Member, Option<Member>) {
    let removal = |name| Member { name, kind: MemberKind::File, size: 0, is_sparse: false };
    match attributes.and_then(|attributes| attributes.overlay) {
        Some(OverlayNote::Whiteout) if !member.name.is_empty() => {
            let at = member.name.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
            (removal([&member.name[..at], WHITEOUT, &member.name[at..]].concat()), None)
        }
        Some(OverlayNote::Opaque) if member.kind == MemberKind::Directory => {
            let slash: &[u8] = if member.name.is_empty() { b"" } else { b"/" };
            let opaque = removal([&member.name, slash, OPAQUE].concat());
            (member, Some(opaque))
        }
        _ => (member, None),
    }
}
