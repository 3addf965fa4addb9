//! Writes a plan as an image.
