//! Why there is no database.

use thiserror::Error;

use super::base::MAX_BASE_BYTES;

/// Whose fault it is, and where.
#[derive(Debug, Error)]
pub(crate) enum NixDbError {
    /// Going on would register what Nix inside the image cannot find.
    #[error("`{0}` is not in /nix/store, which is the only store that has its database in /nix/var/nix/db")]
    NotInStore(String),
    /// Going on would lose one of the two.
    #[error("`{0}` is to be registered twice")]
    Duplicate(String),
    /// Going on would write a store that calls itself damaged.
    #[error("`{path}` refers to `{reference}`, which neither this image nor its base image has in its Nix database")]
    DanglingReference {
        /// Who refers.
        path: String,
        /// To what.
        reference: String,
    },
    /// A root that is not registered.
    #[error("`{0}` is to be kept from garbage collection, but is not in the Nix database")]
    UnknownRoot(String),
    /// More than SQLite's integers hold.
    #[error("`{path}` has {bytes} bytes, which is more than a Nix database can tell")]
    TooLarge {
        /// Which.
        path: String,
        /// How much.
        bytes: u64,
    },
    /// It would not fit into memory.
    #[error("the base image's Nix database has {0} bytes; at most {MAX_BASE_BYTES} are read")]
    BaseTooLarge(u64),
    /// Whatever is not as Nix writes it.
    #[error("the base image's Nix database cannot be joined: {0}")]
    BadBase(String),
    /// SQLite, on what the base image brought.
    #[error("the base image's Nix database cannot be read: {0}")]
    UnreadableBase(rusqlite::Error),
    /// SQLite, on our own.
    #[error("writing the Nix database: {0}")]
    Database(#[from] rusqlite::Error),
    /// The disk.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
