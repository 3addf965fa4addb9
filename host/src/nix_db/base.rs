//! The Nix database of a base image: a file of a program that trusts it, from somebody who need not be trusted.
//!
//! SQLite runs what a database's schema says: views, virtual tables, generated columns, triggers. So:
//!
//! 1. The bytes are copied to a folder of our own, with the write-ahead log if there is one, and opened for reading only.
//! 2. SQLite is told to trust nothing, to run no triggers and no views, and how long a value and how much work may be.
//! 3. Each table must be an ordinary one, by the text that made it, with columns that are stored. Only `select`s of such
//!    columns are run, without an index, whose content could be another.
//! 4. What comes out is counted: identifiers ascend, and there is no more text, and there are no more rows, than a file of
//!    that size can hold. Pages that several others point to can tell the same rows without end otherwise.
//! 5. Every value is checked as if someone had typed it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fs_err as fs;
use layerwright_planner::is_printable;
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};

use super::{NixDbError, ValidPath, is_store_path};
use crate::nar_hash::NarHash;

/// Largest database that is read. That of a NixOS machine with 100,000 paths has 60 MB.
pub(crate) const MAX_BASE_BYTES: u64 = 512 << 20;

/// Longest value, in bytes: more signatures than anybody has.
const MAX_VALUE_BYTES: i32 = 64 << 10;

/// Fewest bytes that a row takes: its length, its identifier, its header and a value.
const MIN_ROW_BYTES: u64 = 4;

/// Instructions of SQLite's between two looks at how much it has worked.
const OPERATIONS: i32 = 100_000;

/// What SQLite may work for each byte of the database, and besides. A row takes some twenty instructions.
const OPERATIONS_PER_BYTE: u64 = 10;
const OPERATIONS_BESIDES: u64 = 10_000_000;

/// The bytes of a database.
#[derive(Clone, Copy)]
pub(crate) struct BaseDatabase<'a> {
    /// `db.sqlite`
    pub(crate) database: &'a [u8],
    /// `db.sqlite-wal`, which has what was written last, if it is there.
    pub(crate) log: Option<&'a [u8]>,
}

impl BaseDatabase<'_> {
    /// Returns all rows. The copy is made below `dir`, and gone afterwards.
    pub(super) fn read(self, dir: &Path) -> Result<Vec<ValidPath>, NixDbError> {
        let bytes = self.database.len() as u64 + self.log.map_or(0, <[u8]>::len) as u64;
        if bytes > MAX_BASE_BYTES {
            return Err(NixDbError::BaseTooLarge(bytes));
        }
        let dir = tempfile::tempdir_in(dir)?;
        let file = dir.path().join("db.sqlite");
        fs::write(&file, self.database)?;
        if let Some(log) = self.log {
            fs::write(dir.path().join("db.sqlite-wal"), log)?;
        }
        Reader { database: open(&file, bytes).map_err(NixDbError::UnreadableBase)?, bytes, text_left: bytes }.read()
    }
}

fn open(file: &Path, bytes: u64) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let mut database = Connection::open_with_flags(file, flags)?;
    for (setting, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
    ] {
        database.set_db_config(setting, on)?;
    }
    for (limit, most) in [
        (Limit::SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, MAX_VALUE_BYTES),
        (Limit::SQLITE_LIMIT_COLUMN, 100),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 20),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 2),
        (Limit::SQLITE_LIMIT_VDBE_OP, 10_000),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 1),
    ] {
        database.set_limit(limit, most)?;
    }
    let mut left = bytes.saturating_mul(OPERATIONS_PER_BYTE).saturating_add(OPERATIONS_BESIDES);
    let take = move || {
        left = left.saturating_sub(u64::from(OPERATIONS.unsigned_abs()));
        left == 0
    };
    database.progress_handler(OPERATIONS, Some(take))?;
    database.execute_batch("pragma cell_size_check = on; pragma mmap_size = 0; pragma query_only = on")?;
    Ok(database)
}

struct Reader {
    database: Connection,
    bytes: u64,
    /// How many bytes of text there may still be.
    text_left: u64,
}

impl Reader {
    fn read(mut self) -> Result<Vec<ValidPath>, NixDbError> {
        let columns = ["id", "path", "hash", "deriver", "narSize", "ultimate", "sigs", "ca"];
        let mut paths: BTreeMap<i64, ValidPath> = BTreeMap::new();
        let mut names = BTreeSet::new();
        self.each("ValidPaths", &columns, |row, texts| {
            let (id, path) = valid_path(row, texts)?;
            if paths.last_key_value().is_some_and(|(last, _)| id <= *last) || !names.insert(path.path.clone()) {
                return Err(bad(format!("row {id} of ValidPaths, `{}`, is there twice", path.path)));
            }
            paths.insert(id, path);
            Ok(())
        })?;
        let mut references: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
        self.each("Refs", &["referrer", "reference"], |row, _| {
            let (from, to) = (integer(row, 0)?, integer(row, 1)?);
            if let Some(gone) = [from, to].into_iter().find(|id| !paths.contains_key(id)) {
                return Err(bad(format!(
                    "the reference from row {from} to {to}: there is no row {gone} in ValidPaths"
                )));
            }
            references.entry(from).or_default().insert(to);
            Ok(())
        })?;
        let mut outputs: BTreeMap<i64, BTreeMap<String, String>> = BTreeMap::new();
        self.each("DerivationOutputs", &["drv", "id", "path"], |row, texts| {
            let drv = integer(row, 0)?;
            let (name, path) = (texts.required(row, 1)?, store_path(texts.required(row, 2)?)?);
            if !paths.contains_key(&drv) {
                return Err(bad(format!("output `{name}`: there is no row {drv} in ValidPaths")));
            }
            outputs.entry(drv).or_default().insert(name, path);
            Ok(())
        })?;
        for (from, to) in references {
            let names = to.iter().map(|id| paths[id].path.clone()).collect();
            paths.get_mut(&from).expect("looked up above").references = names;
        }
        for (drv, outputs) in outputs {
            paths.get_mut(&drv).expect("looked up above").outputs = outputs;
        }
        Ok(paths.into_values().collect())
    }

    /// Calls `take` for each row of a table.
    fn each(
        &mut self,
        table: &str,
        columns: &[&str],
        mut take: impl FnMut(&Row<'_>, &mut Texts) -> Result<(), NixDbError>,
    ) -> Result<(), NixDbError> {
        self.check_table(table, columns)?;
        let select = format!("select {} from main.{table} not indexed", columns.join(", "));
        let mut texts = Texts { left: self.text_left };
        let mut statement = self.database.prepare(&select).map_err(NixDbError::UnreadableBase)?;
        let mut rows = statement.query([]).map_err(NixDbError::UnreadableBase)?;
        let mut count = 0;
        while let Some(row) = rows.next().map_err(NixDbError::UnreadableBase)? {
            count += 1;
            if count > self.bytes / MIN_ROW_BYTES {
                return Err(bad(format!("{table} has more rows than its file has room for, so it is damaged")));
            }
            take(row, &mut texts)?;
        }
        self.text_left = texts.left;
        Ok(())
    }

    /// Refuses what only looks like a table, and columns that are computed.
    fn check_table(&self, table: &str, columns: &[&str]) -> Result<(), NixDbError> {
        let texts =
            self.texts("select sql from main.sqlite_schema where name = ?1 collate nocase and type <> 'index'", table)?;
        // What SQLite keeps always begins like this, however it was written.
        let [Some(text)] = texts.as_slice() else {
            return Err(bad(format!("it has {} tables `{table}`", texts.len())));
        };
        if !text.starts_with("CREATE TABLE ") {
            return Err(bad(format!("`{table}` is no ordinary table")));
        }
        let stored = self.texts("select name from pragma_table_xinfo(?1) where hidden = 0", table)?;
        match columns.iter().find(|column| !stored.iter().flatten().any(|name| name == *column)) {
            Some(column) => Err(bad(format!(
                "its table `{table}` has no column `{column}`; Nix 2.0 and newer write one, so let such a Nix open it once"
            ))),
            None => Ok(()),
        }
    }

    fn texts(&self, select: &str, table: &str) -> Result<Vec<Option<String>>, NixDbError> {
        let texts = || -> rusqlite::Result<_> {
            let mut statement = self.database.prepare(select)?;
            let rows = statement.query_map([table], |row| row.get(0))?;
            // One more than anything has that is as it should be.
            rows.take(100).collect()
        };
        texts().map_err(NixDbError::UnreadableBase)
    }
}

/// How much text may still come.
struct Texts {
    left: u64,
}

impl Texts {
    fn required(&mut self, row: &Row<'_>, column: usize) -> Result<String, NixDbError> {
        let missing = || bad(format!("a value of column {} is missing", name_of(row, column)));
        self.optional(row, column)?.ok_or_else(missing)
    }

    fn optional(&mut self, row: &Row<'_>, column: usize) -> Result<Option<String>, NixDbError> {
        let no_text = || bad(format!("a value of column {} is no text", name_of(row, column)));
        let text = match row.get_ref(column).map_err(NixDbError::UnreadableBase)? {
            ValueRef::Null => return Ok(None),
            ValueRef::Text(text) => std::str::from_utf8(text).map_err(|_| no_text())?,
            _ => return Err(no_text()),
        };
        self.left = self
            .left
            .checked_sub(text.len() as u64)
            .ok_or_else(|| bad("it has more text than its file has room for, so it is damaged".into()))?;
        if !text.chars().all(is_printable) {
            return Err(bad(format!("{} {text:?} is not printable", name_of(row, column))));
        }
        Ok(Some(text.to_owned()))
    }
}

/// Everything but references and outputs. Columns as in [`Reader::read`].
fn valid_path(row: &Row<'_>, texts: &mut Texts) -> Result<(i64, ValidPath), NixDbError> {
    let id = integer(row, 0)?;
    let path = store_path(texts.required(row, 1)?)?;
    let hash = texts.required(row, 2)?;
    let nar_hash: NarHash =
        hash.parse().map_err(|_| bad(format!("`{path}` has the hash `{hash}`, which is no sha256")))?;
    let size = number(row, 4)?.unwrap_or(0);
    let nar_size = u64::try_from(size).map_err(|_| bad(format!("`{path}` has {size} bytes")))?;
    let mut valid = ValidPath::new(path, nar_hash, nar_size, Vec::new());
    // Empty texts and nothing are one to Nix.
    let mut text = |column| texts.optional(row, column).map(|text| text.filter(|text| !text.is_empty()));
    valid.deriver = text(3)?;
    valid.signatures = text(6)?;
    valid.content_address = text(7)?;
    valid.is_ultimate = number(row, 5)?.is_some_and(|ultimate| ultimate != 0);
    Ok((id, valid))
}

fn store_path(text: String) -> Result<String, NixDbError> {
    if is_store_path(&text) { Ok(text) } else { Err(bad(format!("`{text}` is no path in /nix/store"))) }
}

fn integer(row: &Row<'_>, column: usize) -> Result<i64, NixDbError> {
    number(row, column)?.ok_or_else(|| bad(format!("a value of column {} is missing", name_of(row, column))))
}

fn number(row: &Row<'_>, column: usize) -> Result<Option<i64>, NixDbError> {
    match row.get_ref(column).map_err(NixDbError::UnreadableBase)? {
        ValueRef::Null => Ok(None),
        ValueRef::Integer(number) => Ok(Some(number)),
        _ => Err(bad(format!("a value of column {} is no integer", name_of(row, column)))),
    }
}

fn name_of(row: &Row<'_>, column: usize) -> String {
    row.as_ref().column_name(column).unwrap_or("?").to_owned()
}

fn bad(what: String) -> NixDbError {
    NixDbError::BadBase(what)
}
