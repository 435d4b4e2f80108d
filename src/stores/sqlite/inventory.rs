//! Tables of the file.

use super::catalogue::{self, CatalogueTable};
use super::connect::Mode;
use super::quote::ident;
use super::row::{self, Args};
use super::session::Session;
use super::store::SqliteStore;
use crate::model::table::{Table, TableName};
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::{Inventory, Result};
use async_trait::async_trait;

/// Largest file whose pages are counted for the sizes of tables: SQLite keeps no sizes, so they are found by walking the pages.
const MEASURED_FILE_BYTES: u64 = 256 << 20;

#[async_trait]
impl Inventory for SqliteStore {
    async fn tables(&self) -> Result<Vec<Table>> {
        let mut session = self.db.open(Mode::Read, Operation::Inspect).await?;
        let mut tables = Vec::new();
        for name in catalogue::table_names(&mut session).await? {
            if let Some(found) = catalogue::find(&mut session, &TableName::bare(&name)).await? {
                tables.push(describe(&mut session, &found).await?);
            }
        }
        Ok(tables)
    }

    async fn table(&self, name: &TableName) -> Result<Table> {
        let mut session = self.db.open(Mode::Read, Operation::Inspect).await?;
        let found = existing(&mut session, name).await?;
        describe(&mut session, &found).await
    }

    async fn has_rows(&self, name: &TableName) -> Result<bool> {
        let mut session = self.db.open(Mode::Read, Operation::Inspect).await?;
        let found = existing(&mut session, name).await?;
        let sql = format!("SELECT 1 FROM {} LIMIT 1", ident(&found.name));
        Ok(session.first(&sql, Args::new()).await?.is_some())
    }

    async fn names(&self) -> Result<Vec<TableName>> {
        if self.db.file_identity().is_none() {
            return Ok(Vec::new());
        }
        let mut session = self.db.open(Mode::Read, Operation::Inspect).await?;
        Ok(catalogue::table_names(&mut session).await?.iter().map(|name| TableName::bare(name)).collect())
    }

    async fn others(&self) -> Result<Vec<String>> {
        if self.db.file_identity().is_none() {
            return Ok(Vec::new());
        }
        let mut session = self.db.open(Mode::Read, Operation::Inspect).await?;
        // Virtual tables are no tables that could be carried; indexes without a statement belong to constraints.
        let rows = session
            .rows(
                "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL \
                 AND name NOT LIKE 'godwit\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
                 AND (type <> 'table' OR sql LIKE 'CREATE VIRTUAL%') ORDER BY type, name",
                Args::new(),
            )
            .await?;
        let named = |r: &crate::model::value::Row| match row::text(r, 0) {
            "trigger" => format!("trigger {} on {}", row::text(r, 1), row::text(r, 2)),
            "table" => format!("virtual table {}", row::text(r, 1)),
            kind => format!("{kind} {}", row::text(r, 1)),
        };
        Ok(rows.iter().map(named).collect())
    }
}

/// A table that must exist.
pub async fn existing(session: &mut Session, name: &TableName) -> Result<CatalogueTable> {
    match catalogue::find(session, name).await? {
        Some(found) => Ok(found),
        None => Err(session.fail(ErrorKind::NotFound, "there is no such table").about(name.to_string())),
    }
}

async fn describe(session: &mut Session, found: &CatalogueTable) -> Result<Table> {
    Ok(Table {
        name: TableName::bare(&found.name),
        columns: found.columns.clone(),
        identity: found.identity(),
        estimated_rows: estimated_rows(session, found).await?,
        size_bytes: size_bytes(session, found).await?,
    })
}

/// Rows by `ANALYZE` if it was ever run, else by the spread of the rowid, which is exact for a table that only grows.
pub async fn estimated_rows(session: &mut Session, found: &CatalogueTable) -> Result<Option<u64>> {
    let analysed = session.first("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1'", Args::new()).await?;
    if analysed.is_some() {
        let stat = session
            .first(
                "SELECT stat FROM sqlite_stat1 WHERE tbl = ?1 COLLATE NOCASE AND stat IS NOT NULL LIMIT 1",
                Args::new().text(found.name.as_str()),
            )
            .await?;
        let rows = stat.and_then(|r| row::text(&r, 0).split(' ').next().and_then(|first| first.parse().ok()));
        if rows.is_some() {
            return Ok(rows);
        }
    }
    if found.without_rowid {
        return Ok(None);
    }
    // A column may be called `rowid`; then the name means that column, and its spread means nothing.
    if !found.rowid_alias && found.column("rowid").is_some() {
        return Ok(None);
    }
    let key = if found.rowid_alias { ident(&found.primary_key[0]) } else { "rowid".to_owned() };
    let table = ident(&found.name);
    // Two subqueries, because SQLite answers min and max from the ends of the tree only one at a time.
    let sql = format!("SELECT (SELECT min({key}) FROM {table}), (SELECT max({key}) FROM {table})");
    let Some(ends) = session.first(&sql, Args::new()).await? else { return Ok(None) };
    if ends.first().is_none_or(crate::model::value::Value::is_null) {
        return Ok(Some(0));
    }
    Ok(u64::try_from(row::int(&ends, 1).saturating_sub(row::int(&ends, 0)).saturating_add(1)).ok())
}

/// Bytes of a table by its pages; `None`: the file is too large to count them.
pub async fn size_bytes(session: &mut Session, found: &CatalogueTable) -> Result<Option<u64>> {
    let file = file_bytes(session).await?;
    if file > MEASURED_FILE_BYTES {
        return Ok(None);
    }
    let pages = session
        .first("SELECT pgsize FROM dbstat WHERE name = ?1 AND aggregate = 1", Args::new().text(found.name.as_str()))
        .await?;
    Ok(pages.map(|r| row::uint(&r, 0)))
}

/// Size of the database by its pages.
pub async fn file_bytes(session: &mut Session) -> Result<u64> {
    let sizes = vec![session.pragma("page_count").await?, session.pragma("page_size").await?];
    Ok(row::uint(&sizes, 0).saturating_mul(row::uint(&sizes, 1)))
}
