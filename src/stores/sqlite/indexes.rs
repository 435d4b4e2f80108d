//! Indexes, tables and foreign keys from the file's catalogue. SQLite counts no scans: what is used and how often is not known.

use super::catalogue::{self, CatalogueTable};
use super::connect::Mode;
use super::ddl::index::{IndexText, index_text};
use super::inventory::{estimated_rows, size_bytes};
use super::quote::folded;
use super::row::{self, Args};
use super::session::Session;
use super::store::SqliteStore;
use crate::model::index::{ColumnUse, ForeignKey, Index, IndexDuty, IndexPart, Indexes, TableUse};
use crate::model::lag::Reading;
use crate::model::observation::{Cost, Missing, Observation, Window};
use crate::model::table::TableName;
use crate::model::value::Row;
use crate::model::what_if::{Parameters, WhatIf};
use crate::stores::Result;
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::observe::IndexStats;
use crate::stores::sanitise::clean;
use async_trait::async_trait;
use chrono::Utc;
use std::time::Instant;

/// Why no counter is known.
const UNCOUNTED: &str = "SQLite counts no use of tables and indexes";

#[async_trait]
impl IndexStats for SqliteStore {
    async fn indexes(&self) -> Result<Observation<Indexes>> {
        let begun = Instant::now();
        let at = Utc::now();
        let mut indexes = Indexes {
            window: Window { since: at, proof: UNCOUNTED.to_owned() },
            epoch: String::new(),
            replicas_unread: Vec::new(),
            follows_as: None,
            tables: Vec::new(),
            indexes: Vec::new(),
            foreign_keys: Vec::new(),
        };
        if self.db.file_identity().is_some() {
            let mut session = self.db.open(Mode::Read, Operation::Inspect).await?;
            for name in catalogue::table_names(&mut session).await? {
                if let Some(table) = catalogue::find(&mut session, &TableName::bare(&name)).await? {
                    indexes.tables.push(table_use(&mut session, &table).await?);
                    indexes.indexes.extend(of_table(&mut session, &table).await?);
                    indexes.foreign_keys.extend(foreign_keys(&mut session, &table).await?);
                }
            }
            session.close().await?;
        }
        let elapsed_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mut read = Observation::whole(indexes, at);
        read.cost = Cost { server_us: None, elapsed_us, statements: 0 };
        read.missing.push(Missing {
            id: "sqlite.indexes.use".to_owned(),
            what: "how often tables and indexes are used".to_owned(),
            why: format!("{UNCOUNTED}; advice stands on the catalogue alone"),
            enable: None,
            price: String::new(),
        });
        Ok(read)
    }

    async fn what_if(&self, _statement: &str, _: &Parameters, _candidates: &[String]) -> Result<WhatIf> {
        Err(self.db.error(
            Operation::Inspect,
            ErrorKind::Unsupported,
            "SQLite has no hypothetical indexes: build the index on a copy of the file and look at EXPLAIN QUERY PLAN",
        ))
    }
}

fn uncounted() -> Reading<u64> {
    Reading::Unknown(UNCOUNTED.to_owned())
}

fn told(number: Option<u64>, why: &str) -> Reading<u64> {
    number.map_or_else(|| Reading::Unknown(why.to_owned()), Reading::Known)
}

async fn table_use(session: &mut Session, table: &CatalogueTable) -> Result<TableUse> {
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
        table: clean(&table.name),
        rows: told(estimated_rows(session, table).await?, "ANALYZE was never run"),
        bytes: told(
            size_bytes(session, table).await?,
            "SQLite keeps no sizes, and this file is too large to count its pages",
        ),
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

/// The indexes of a table; the key of the rowid is one, although the catalogue does not list it.
async fn of_table(session: &mut Session, table: &CatalogueTable) -> Result<Vec<Index>> {
    let mut indexes = Vec::new();
    if table.rowid_alias {
        let parts = table.primary_key.iter().map(|name| part(clean(name))).collect();
        let name = format!("rowid of {}", clean(&table.name));
        let duty = IndexDuty { unique: true, primary: true, clustered: true, ..IndexDuty::default() };
        indexes.push(index(table, name, parts, duty));
    }
    let listed = session
        .rows(
            "SELECT l.name, l.\"unique\", l.origin, l.partial, s.sql FROM pragma_index_list(?1) AS l \
             LEFT JOIN sqlite_schema AS s ON s.type = 'index' AND s.name = l.name ORDER BY l.name",
            Args::new().text(table.name.as_str()),
        )
        .await?;
    for line in listed {
        let name = row::text(&line, 0);
        let text = row::opt_text(&line, 4).map(index_text).unwrap_or_default();
        let keys = session
            .rows(
                "SELECT seqno, name, \"desc\", coll FROM pragma_index_xinfo(?1) WHERE \"key\" = 1 ORDER BY seqno",
                Args::new().text(name),
            )
            .await?;
        let is_key = row::text(&line, 2) != "c";
        let duty = IndexDuty {
            unique: row::int(&line, 1) != 0,
            primary: row::text(&line, 2) == "pk",
            constraint: is_key.then(|| clean(name)),
            clustered: row::text(&line, 2) == "pk" && table.without_rowid,
            ..IndexDuty::default()
        };
        let mut found = index(table, clean(name), key_parts(table, &keys, &text), duty);
        found.predicate = clean(&text.predicate);
        found.definition = clean(row::opt_text(&line, 4).unwrap_or_default());
        indexes.push(found);
    }
    Ok(indexes)
}

fn index(table: &CatalogueTable, name: String, parts: Vec<IndexPart>, duty: IndexDuty) -> Index {
    Index {
        table: clean(&table.name),
        name,
        method: "btree".to_owned(),
        parts,
        include: Vec::new(),
        predicate: String::new(),
        nulls_not_distinct: false,
        duty,
        valid: true,
        being_built: false,
        hidden: false,
        bytes: Reading::Unknown("SQLite keeps no sizes of indexes".to_owned()),
        scans: uncounted(),
        last_scan: None,
        definition: String::new(),
    }
}

/// A column ascending, with its own collation. SQLite takes NULL for less than everything else.
fn part(term: String) -> IndexPart {
    IndexPart {
        term,
        is_expression: false,
        operator_class: String::new(),
        collation: String::new(),
        descending: false,
        nulls_first: true,
        prefix: None,
    }
}

/// Key parts from `pragma_index_xinfo`; it has no text for an expression, which is taken from the statement.
fn key_parts(table: &CatalogueTable, keys: &[Row], text: &IndexText) -> Vec<IndexPart> {
    keys.iter()
        .enumerate()
        .map(|(at, key)| {
            let column = row::opt_text(key, 1);
            let expression = || text.parts.get(at).cloned().unwrap_or_else(|| format!("expression {}", at + 1));
            let descending = row::int(key, 2) != 0;
            // The catalogue does not say which collation a column has: only what is not the common one is told apart.
            let collation = row::opt_text(key, 3).filter(|name| !name.eq_ignore_ascii_case("BINARY"));
            IndexPart {
                is_expression: column.is_none_or(|name| table.column(name).is_none()),
                collation: clean(collation.unwrap_or_default()),
                descending,
                nulls_first: !descending,
                ..part(clean(&column.map_or_else(expression, str::to_owned)))
            }
        })
        .collect()
}

/// The foreign keys of a table. They have no names in SQLite's catalogue: they are called by their columns.
async fn foreign_keys(session: &mut Session, table: &CatalogueTable) -> Result<Vec<ForeignKey>> {
    let lines = session
        .rows(
            "SELECT id, \"from\", \"table\", on_update, on_delete FROM pragma_foreign_key_list(?1) ORDER BY id, seq",
            Args::new().text(table.name.as_str()),
        )
        .await?;
    let mut keys: Vec<(i64, ForeignKey)> = Vec::new();
    for line in lines {
        let (id, column, parent) = (row::int(&line, 0), clean(row::text(&line, 1)), clean(row::text(&line, 2)));
        if let Some((_, key)) = keys.iter_mut().find(|(known, _)| *known == id) {
            key.columns.push(column);
            continue;
        }
        let acts = |rule: usize| !["no action", "restrict"].contains(&folded(row::text(&line, rule)).as_str());
        let key = ForeignKey {
            name: String::new(),
            table: clean(&table.name),
            columns: vec![column],
            parent,
            cascades: acts(3) || acts(4),
        };
        keys.push((id, key));
    }
    for (_, key) in &mut keys {
        key.name = format!("({})", key.columns.join(", "));
    }
    Ok(keys.into_iter().map(|(_, key)| key).collect())
}
