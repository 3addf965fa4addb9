//! What a strategy is asked.

use std::num::NonZeroU32;

use serde::de::DeserializeOwned;

use crate::{Closure, Failure};

/// One question to a strategy.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is to be placed.
    pub closure: Closure,
    /// At most this many layers: those returned, and one more where nodes are left unplaced.
    pub max_layers: NonZeroU32,
    /// The user's settings: a JSON object that fits [`crate::Description::config_schema`].
    pub config: String,
}

impl Request {
    /// The settings, as the strategy's own type.
    ///
    /// # Errors
    ///
    /// [`Failure::InvalidConfig`] with what is wrong and where, where they do not fit.
    pub fn settings<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        // By way of a value: the host has put the settings together, so positions in its text would tell nobody anything.
        let config: serde_json::Value =
            serde_json::from_str(&self.config).map_err(|error| Failure::InvalidConfig(error.to_string()))?;
        serde_path_to_error::deserialize(config).map_err(|error| {
            let place = error.path().to_string();
            let place = if place == "." { String::new() } else { format!("{place}: ") };
            Failure::InvalidConfig(format!("{place}{}", error.into_inner()))
        })
    }
}
