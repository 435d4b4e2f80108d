//! Indexes, the tables under them and foreign keys, as the file's catalogue has them. SQLite counts no use of an index: that is unknown, not zero.

use super::catalogue::{self, CatalogueTable};
use super::connect::Mode;
use super::quote::printed;
use super::row::{self, Args};
use super::session::Session;
use super::store::SqliteStore;
use crate::model::index::{ColumnUse, ForeignKey, Index, IndexDuty, IndexPart, Indexes, TableUse, WhatIf};
use crate::model::lag::Reading;
use crate::model::observation::{Cost, Observation, Window};
use crate::model::table::TableName;
use crate::stores::Result;
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::observe::IndexStats;
use crate::stores::sanitise::clean;
use async_trait::async_trait;
use chrono::Utc;
use std::time::Instant;

/// Why a counter is not known.
const UNCOUNTED: &str = "SQLite does not count it";

fn uncounted() -> Reading<u64> {
    Reading::Unknown(UNCOUNTED.to_owned())
}

#[async_trait]
impl IndexStats for SqliteStore {
    async fn indexes(&self) -> Result<Observation<Indexes>> {
        let began = Instant::now();
        let mut read = Indexes {
            window: Window { since: Utc::now(), proof: "SQLite counts nothing, so nothing is proved".to_owned() },
            epoch: String::new(),
            replicas_unread: Vec::new(),
            tables: Vec::new(),
            indexes: Vec::new(),
            foreign_keys: Vec::new(),
        };
        // A target that nobody has built yet has no file.
        if self.db.file_identity().is_some() {
            let mut session = self.db.open(Mode::Read, Operation::Inspect).await?;
            for name in catalogue::table_names(&mut session).await? {
                if let Some(table) = catalogue::find(&mut session, &TableName::bare(&name)).await? {
                    read.indexes.extend(indexes_of(&mut session, &table).await?);
                    read.foreign_keys.extend(foreign_keys_of(&mut session, &table).await?);
                    read.tables.push(used(&mut session, &table).await?);
                }
            }
        }
        let elapsed_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mut observation = Observation::whole(read, Utc::now());
        observation.cost = Cost { server_us: None, elapsed_us, statements: 0 };
        Ok(observation)
    }

    async fn what_if(&self, _statement: &str, _candidates: &[String]) -> Result<WhatIf> {
        Err(self.db.error(Operation::Inspect, ErrorKind::Unsupported, "SQLite plans no index that is not there"))
    }
}

/// Rows as the last ANALYZE counted them; nothing is counted for this.
async fn used(session: &mut Session, table: &CatalogueTable) -> Result<TableUse> {
    let is_analysed = session.first("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1'", Args::new()).await?;
    let mut rows = Reading::Unknown("ANALYZE was never run".to_owned());
    if is_analysed.is_some() {
        let sql = "SELECT CAST(stat AS INTEGER) FROM sqlite_stat1 WHERE tbl = ?1 ORDER BY 1 DESC LIMIT 1";
        if let Some(found) = session.first(sql, Args::new().text(table.name.as_str())).await? {
            rows = Reading::Known(row::uint(&found, 0));
        }
    }
    let column = |column: &crate::model::table::Column| ColumnUse {
        name: clean(&column.name),
        kind: clean(&column.type_name),
        width: None,
        distinct: None,
        nulls: None,
        common: Vec::new(),
        nullable: column.nullable,
    };
    Ok(TableUse {
        table: clean(&printed(&table.name)),
        rows,
        bytes: uncounted(),
        full_scans: uncounted(),
        full_scan_rows: uncounted(),
        index_scans: uncounted(),
        inserted: uncounted(),
        updated: uncounted(),
        updated_in_place: uncounted(),
        deleted: uncounted(),
        columns: table.columns.iter().map(column).collect(),
    })
}

async fn indexes_of(session: &mut Session, table: &CatalogueTable) -> Result<Vec<Index>> {
    let mut indexes = Vec::new();
    if table.rowid_alias {
        // The table itself is ordered by this column: for every rule it is an index that cannot be dropped.
        let parts = table.primary_key.iter().map(|name| part(name, false, "BINARY")).collect();
        indexes.push(index(
            table,
            "rowid",
            parts,
            String::new(),
            IndexDuty { unique: true, primary: true, ..IndexDuty::default() },
            String::new(),
        ));
    }
    let listed = session
        .rows(
            "SELECT l.name, l.\"unique\", l.origin, l.partial, s.sql FROM pragma_index_list(?1) AS l \
             LEFT JOIN sqlite_schema AS s ON s.type = 'index' AND s.name = l.name ORDER BY l.seq DESC",
            Args::new().text(table.name.as_str()),
        )
        .await?;
    for entry in &listed {
        let name = row::text(entry, 0);
        let sql = row::opt_text(entry, 4).unwrap_or_default().to_owned();
        let listed = session
            .rows(
                "SELECT cid, name, \"desc\", coll FROM pragma_index_xinfo(?1) WHERE key = 1 ORDER BY seqno",
                Args::new().text(name),
            )
            .await?;
        let mut expressions = 0;
        let parts = listed
            .iter()
            .map(|r| match row::opt_text(r, 1) {
                Some(column) => part(column, row::int(r, 2) != 0, row::text(r, 3)),
                None => {
                    expressions += 1;
                    let term = format!("expression {expressions} of {}", clean(name));
                    IndexPart { term, is_expression: true, ..part("", row::int(r, 2) != 0, row::text(r, 3)) }
                }
            })
            .collect();
        let origin = row::text(entry, 2);
        let duty = IndexDuty {
            unique: row::int(entry, 1) != 0,
            primary: origin == "pk",
            constraint: (origin == "u").then(|| clean(name)),
            ..IndexDuty::default()
        };
        let predicate = if row::int(entry, 3) != 0 { clean(predicate(&sql)) } else { String::new() };
        indexes.push(index(table, name, parts, predicate, duty, clean(&sql)));
    }
    Ok(indexes)
}

fn part(column: &str, descending: bool, collation: &str) -> IndexPart {
    IndexPart {
        term: clean(column),
        is_expression: false,
        operator_class: String::new(),
        collation: if collation.eq_ignore_ascii_case("BINARY") { String::new() } else { clean(collation) },
        descending,
        nulls_first: false,
        prefix: None,
    }
}

fn index(
    table: &CatalogueTable,
    name: &str,
    parts: Vec<IndexPart>,
    predicate: String,
    duty: IndexDuty,
    definition: String,
) -> Index {
    Index {
        table: clean(&printed(&table.name)),
        name: clean(&printed(name)),
        method: "btree".to_owned(),
        parts,
        include: Vec::new(),
        predicate,
        nulls_not_distinct: false,
        duty,
        valid: true,
        being_built: false,
        hidden: false,
        bytes: uncounted(),
        scans: uncounted(),
        last_scan: None,
        definition,
    }
}

/// What stands behind the last WHERE of a partial index's statement.
fn predicate(sql: &str) -> &str {
    sql.to_ascii_uppercase().rfind("WHERE").and_then(|at| sql.get(at + 5..)).map_or("", str::trim)
}

async fn foreign_keys_of(session: &mut Session, table: &CatalogueTable) -> Result<Vec<ForeignKey>> {
    let listed = session
        .rows(
            "SELECT id, \"table\", \"from\", on_update, on_delete FROM pragma_foreign_key_list(?1) ORDER BY id, seq",
            Args::new().text(table.name.as_str()),
        )
        .await?;
    let mut keys: Vec<(i64, ForeignKey)> = Vec::new();
    for entry in &listed {
        let (id, column) = (row::int(entry, 0), clean(row::text(entry, 2)));
        if let Some((_, key)) = keys.iter_mut().find(|(known, _)| *known == id) {
            key.columns.push(column);
            continue;
        }
        let acts = |at| !matches!(row::text(entry, at), "NO ACTION" | "RESTRICT" | "");
        keys.push((
            id,
            ForeignKey {
                // SQLite's foreign keys have no names; they are numbered by table.
                name: format!("foreign key {}", id + 1),
                table: clean(&printed(&table.name)),
                columns: vec![column],
                parent: clean(&printed(row::text(entry, 1))),
                cascades: acts(3) || acts(4),
            },
        ));
    }
    Ok(keys.into_iter().map(|(_, key)| key).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_predicate_stands_behind_the_last_where() {
        assert_eq!(predicate("CREATE INDEX i ON t (a) where b IS NULL"), "b IS NULL");
        assert_eq!(predicate("CREATE INDEX i ON t (a)"), "");
    }
}
