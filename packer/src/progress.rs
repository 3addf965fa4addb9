//! What one can watch while an image is packed or verified.

use crate::PackedLayer;

/// Is told what happens, and can stop it. Called from several threads at once.
///
/// Nothing it does changes a byte of the image.
pub trait Observer: Sync {
    /// The work is known: so many layers, and so many bytes of tar that [`Observer::packed`] will count.
    ///
    /// When verifying, bytes are counted as they are stored. Of an archive that is the size of the file, and the number
    /// of layers is not known yet: 0. Of a layout, it is said for image after image, each time with all so far.
    fn planned(&self, layers: usize, bytes: u64) {
        let _ = (layers, bytes);
    }

    /// This many bytes more are done.
    fn packed(&self, bytes: u64) {
        let _ = bytes;
    }

    /// A layer is done; `index` counts from the bottom, from 0. Layers finish in any order.
    fn layer_done(&self, index: usize, layer: &PackedLayer) {
        let _ = (index, layer);
    }

    /// Something is probably not as the user meant it. One line, without a full stop.
    fn warn(&self, message: &str) {
        let _ = message;
    }

    /// Whether to stop. Asked at least once for every few MiB.
    fn cancelled(&self) -> bool {
        false
    }
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {}
