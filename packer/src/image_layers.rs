//! The layers of an image, bottom-most first: those of a base image, those of the plan, and the customisation layer.

use layerwright_planner::Layer;
use serde::Serialize;

use crate::base::BaseLayer;
use crate::customisation::Customisation;
use crate::{Compression, PackRequest};

/// Where a layer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerKind {
    /// The image that this one is built on. Its bytes are what they were.
    Base,
    /// The plan.
    Planned,
    /// Files that belong to no node.
    Customisation,
}

/// A layer of an image.
#[derive(Clone, Copy)]
pub(crate) enum ImageLayer<'a> {
    Base(&'a BaseLayer),
    /// With its place in the plan.
    Planned(usize, &'a Layer),
    Customisation(&'a Customisation),
}

impl<'a> ImageLayer<'a> {
    pub(crate) fn of(request: &PackRequest<'a>) -> Vec<Self> {
        let PackRequest { base, plan, customisation, .. } = *request;
        let base = base.into_iter().flat_map(|base| base.layers().iter().map(Self::Base));
        let planned = plan.layers().iter().enumerate().map(|(index, layer)| Self::Planned(index, layer));
        base.chain(planned).chain(customisation.map(Self::Customisation)).collect()
    }

    pub(crate) fn kind(&self) -> LayerKind {
        match self {
            Self::Base(_) => LayerKind::Base,
            Self::Planned(..) => LayerKind::Planned,
            Self::Customisation(_) => LayerKind::Customisation,
        }
    }

    /// Which layer of the plan it is, counting from 0.
    pub(crate) fn place_in_plan(&self) -> Option<usize> {
        match self {
            Self::Planned(place, _) => Some(*place),
            Self::Base(_) | Self::Customisation(_) => None,
        }
    }

    pub(crate) fn label(&self) -> &str {
        match self {
            Self::Planned(_, layer) => &layer.label,
            Self::Base(_) | Self::Customisation(_) => "",
        }
    }

    /// How many nodes it holds, as far as we know.
    pub(crate) fn nodes(&self) -> usize {
        match self {
            Self::Planned(_, layer) => layer.nodes.len(),
            Self::Base(_) | Self::Customisation(_) => 0,
        }
    }

    /// Of its blob, where ours are compressed in this way.
    pub(crate) fn media_type(&self, compression: Compression) -> &'static str {
        match self {
            Self::Base(layer) => layer.encoding.media_type(),
            Self::Planned(..) | Self::Customisation(_) => compression.media_type(),
        }
    }
}
