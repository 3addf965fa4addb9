//! Rows become a database, always the same one.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, Transaction, params};

use super::{NixDbError, ValidPath};

/// Also a part of what decides the bytes, as SQLite's version is, which its header names.
const PAGE_BYTES: u32 = 4096;

/// When every path was registered, in seconds: as all times in an image, but not 0, which Nix takes for unknown.
const REGISTERED: i64 = 1;

/// Writes a new database. Identifiers ascend with the paths.
pub(super) fn write(paths: &BTreeMap<String, ValidPath>, file: &Path) -> Result<(), NixDbError> {
    match fs_err::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let mut database = Connection::open(file)?;
    // Nobody needs a journal of a file that is thrown away if it is not finished.
    database.execute_batch(&format!(
        "pragma page_size = {PAGE_BYTES}; pragma encoding = 'UTF-8'; pragma auto_vacuum = none;
         pragma journal_mode = off; pragma synchronous = off; pragma foreign_keys = on;"
    ))?;
    let transaction = database.transaction()?;
    transaction.execute_batch(include_str!("schema.sql"))?;
    insert(&transaction, paths)?;
    transaction.commit()?;
    // Packs the pages of the indices, which were not filled in their order.
    database.execute_batch("vacuum")?;
    database.close().map_err(|(_, error)| error)?;
    Ok(())
}

fn insert(transaction: &Transaction<'_>, paths: &BTreeMap<String, ValidPath>) -> Result<(), NixDbError> {
    let ids: BTreeMap<&str, i64> = paths.keys().map(String::as_str).zip(1..).collect();
    let mut valid_path = transaction.prepare(
        "insert into ValidPaths (id, path, hash, registrationTime, deriver, narSize, ultimate, sigs, ca)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let mut reference = transaction.prepare("insert into Refs (referrer, reference) values (?, ?)")?;
    let mut output = transaction.prepare("insert into DerivationOutputs (drv, id, path) values (?, ?, ?)")?;
    for path in paths.values() {
        let size = i64::try_from(path.nar_size)
            .map_err(|_| NixDbError::TooLarge { path: path.path.clone(), bytes: path.nar_size })?;
        valid_path.execute(params![
            ids[path.path.as_str()],
            path.path,
            path.nar_hash.to_string(),
            REGISTERED,
            path.deriver,
            size,
            // As Nix writes it: what is not so is not said.
            path.is_ultimate.then_some(1),
            path.signatures,
            path.content_address,
        ])?;
    }
    for path in paths.values() {
        let id = ids[path.path.as_str()];
        let mut references: Vec<i64> = path.references.iter().map(|reference| ids[reference.as_str()]).collect();
        references.sort_unstable();
        references.dedup();
        for target in references {
            reference.execute([id, target])?;
        }
        for (name, target) in &path.outputs {
            output.execute(params![id, name, target])?;
        }
    }
    Ok(())
}
