//! What the file's own catalogue says about a table: the facts that the other parts of this engine build on.

use super::ddl;
use super::quote::folded;
use super::row::{self, Args};
use super::session::Session;
use crate::model::table::{Column, Generation, RowIdentity, TableName};
use crate::stores::Result;

/// A table as the catalogue has it. Names are spelled as in the schema, whatever case they were asked for in.
#[derive(Clone, Debug)]
pub struct CatalogueTable {
    /// Its name.
    pub name: String,
    /// The CREATE TABLE statement.
    pub sql: String,
    /// All columns, computed ones included.
    pub columns: Vec<Column>,
    /// Primary key columns in key order; empty without one.
    pub primary_key: Vec<String>,
    /// True when the one primary key column is an alias of the rowid.
    pub rowid_alias: bool,
    /// True for WITHOUT ROWID.
    pub without_rowid: bool,
    /// Unique indexes, primary key included unless it is the rowid.
    pub uniques: Vec<UniqueIndex>,
}

/// A unique index.
#[derive(Clone, Debug)]
pub struct UniqueIndex {
    /// Its name.
    pub name: String,
    /// True for the index of the primary key.
    pub is_primary_key: bool,
    /// Columns with their collations; `None` when the index is partial or has an expression, and so is not a key.
    pub columns: Option<Vec<(String, String)>>,
}

impl CatalogueTable {
    /// A column by name, in SQLite's way of comparing names.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| folded(&column.name) == folded(name))
    }

    /// What identifies a row: the primary key, else a unique index over columns that are all NOT NULL.
    ///
    /// The rowid of a table without INTEGER PRIMARY KEY is no identity: VACUUM may renumber it.
    pub fn identity(&self) -> RowIdentity {
        if !self.primary_key.is_empty() {
            return RowIdentity::Key(self.primary_key.clone());
        }
        let not_null = |name: &String| self.column(name).is_some_and(|column| !column.nullable);
        self.uniques
            .iter()
            .filter_map(|index| index.columns.as_ref())
            .map(|columns| columns.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>())
            .find(|names| !names.is_empty() && names.iter().all(not_null))
            .map_or(RowIdentity::Missing, RowIdentity::Key)
    }

    /// Key columns that may be NULL: SQLite lets NULL into a primary key that is not declared NOT NULL.
    pub fn nullable_key_columns(&self) -> Vec<&str> {
        self.primary_key
            .iter()
            .filter(|name| self.column(name).is_some_and(|c| c.nullable))
            .map(String::as_str)
            .collect()
    }

    /// Collations of the unique index over exactly these columns; `None` if there is no such index (the rowid has none).
    pub fn collations_of(&self, key: &[&str]) -> Option<Vec<String>> {
        let is_key = |columns: &&Vec<(String, String)>| {
            columns.len() == key.len()
                && columns.iter().zip(key).all(|((name, _), wanted)| folded(name) == folded(wanted))
        };
        let columns = self.uniques.iter().filter_map(|index| index.columns.as_ref()).find(is_key)?;
        Some(columns.iter().map(|(_, collation)| collation.clone()).collect())
    }

    /// True when the table has an AUTOINCREMENT counter.
    pub fn has_autoincrement(&self) -> bool {
        ddl::has_keyword(&self.sql, "AUTOINCREMENT")
    }
}

/// Names of all ordinary user tables: no views, no virtual tables or their shadows, nothing of SQLite's or Godwit's own.
pub async fn table_names(session: &mut Session) -> Result<Vec<String>> {
    let rows = session
        .rows("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' ORDER BY name", Args::new())
        .await?;
    Ok(rows.iter().map(|r| row::text(r, 0).to_owned()).filter(|name| !is_internal(name)).collect())
}

/// True for tables of SQLite and of Godwit.
pub fn is_internal(name: &str) -> bool {
    let name = folded(name);
    name.starts_with("sqlite_") || name.starts_with("godwit_")
}

/// One table; `None` if it is not there.
pub async fn find(session: &mut Session, name: &TableName) -> Result<Option<CatalogueTable>> {
    let found = session
        .first(
            "SELECT l.name, s.sql, l.wr FROM pragma_table_list AS l JOIN sqlite_schema AS s ON s.name = l.name \
             WHERE l.schema = 'main' AND l.type = 'table' AND s.type = 'table' AND l.name = ?1 COLLATE NOCASE",
            Args::new().text(name.name.as_str()),
        )
        .await?;
    let Some(found) = found else { return Ok(None) };
    let (name, sql) = (row::text(&found, 0).to_owned(), row::text(&found, 1).to_owned());
    let without_rowid = row::int(&found, 2) != 0;
    let uniques = unique_indexes(session, &name).await?;
    let listed = session
        .rows(
            "SELECT name, type, \"notnull\", pk, hidden, dflt_value IS NOT NULL FROM pragma_table_xinfo(?1) ORDER BY cid",
            Args::new().text(name.as_str()),
        )
        .await?;
    let mut keyed: Vec<(i64, String)> =
        listed.iter().filter(|r| row::int(r, 3) > 0).map(|r| (row::int(r, 3), row::text(r, 0).to_owned())).collect();
    keyed.sort();
    let primary_key: Vec<String> = keyed.into_iter().map(|(_, name)| name).collect();
    // `INTEGER PRIMARY KEY` has no index of its own; `INTEGER PRIMARY KEY DESC` has one and is not the rowid.
    let rowid_alias = !without_rowid && primary_key.len() == 1 && !uniques.iter().any(|index| index.is_primary_key);
    let autoincrement = ddl::has_keyword(&sql, "AUTOINCREMENT");
    let columns = listed
        .iter()
        .map(|r| {
            let is_key = row::int(r, 3) > 0;
            Column {
                name: row::text(r, 0).to_owned(),
                type_name: row::text(r, 1).to_owned(),
                nullable: row::int(r, 2) == 0 && !(rowid_alias && is_key),
                generation: match row::int(r, 4) {
                    0 if autoincrement && is_key => Generation::Sequence,
                    0 => Generation::Plain,
                    _ => Generation::Computed,
                },
                has_default: row::int(r, 5) != 0 || (rowid_alias && is_key),
            }
        })
        .collect();
    Ok(Some(CatalogueTable { name, sql, columns, primary_key, rowid_alias, without_rowid, uniques }))
}

async fn unique_indexes(session: &mut Session, table: &str) -> Result<Vec<UniqueIndex>> {
    let listed = session
        .rows(
            "SELECT name, origin, partial FROM pragma_index_list(?1) WHERE \"unique\" = 1 ORDER BY seq DESC",
            Args::new().text(table),
        )
        .await?;
    let mut indexes = Vec::with_capacity(listed.len());
    for entry in &listed {
        let name = row::text(entry, 0).to_owned();
        let parts = session
            .rows(
                "SELECT cid, name, coll FROM pragma_index_xinfo(?1) WHERE key = 1 ORDER BY seqno",
                Args::new().text(name.as_str()),
            )
            .await?;
        let plain = row::int(entry, 2) == 0 && parts.iter().all(|part| row::int(part, 0) >= 0);
        let columns = plain.then(|| {
            parts.iter().map(|p| (row::text(p, 1).to_owned(), row::text(p, 2).to_owned())).collect::<Vec<_>>()
        });
        indexes.push(UniqueIndex { name, is_primary_key: row::text(entry, 1) == "pk", columns });
    }
    Ok(indexes)
}
