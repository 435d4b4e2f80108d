//! Indexes, the tables under them, foreign keys, and their counters.
//!
//! Definitions cost most (`pg_get_indexdef` opens every index), so they are read again only when the catalogue has changed.

use crate::model::index::{ColumnUse, ForeignKey, Index, IndexDuty, IndexPart, Indexes, TableUse, WhatIf};
use crate::model::lag::Reading;
use crate::model::observation::{Missing, Observation, Window};
use crate::stores::Result;
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::observe::IndexStats;
use crate::stores::postgres::store::PostgresStore;
use crate::stores::postgres::told::Told;
use crate::stores::postgres::watch::{Look, Reader};
use crate::stores::postgres::what_if;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::postgres::PgRow;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Schemas whose tables are nobody's.
const NOT_OURS: &str = "n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'godwit') AND n.nspname NOT LIKE 'pg\\_temp\\_%'";

/// Definitions by index, with the state of the catalogue that they were read from.
#[derive(Debug, Default)]
pub struct Definitions(Mutex<(String, BTreeMap<i64, Definition>)>);

#[derive(Clone, Debug)]
struct Definition {
    parts: Vec<IndexPart>,
    include: Vec<String>,
    predicate: String,
    statement: String,
}

impl Definitions {
    fn of(&self, state: &str) -> Option<BTreeMap<i64, Definition>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (known.0 == state).then(|| known.1.clone())
    }

    fn keep(&self, state: String, definitions: BTreeMap<i64, Definition>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (state, definitions);
    }
}

/// Changes whenever an index is made, dropped or altered.
fn state_sql() -> String {
    format!(
        "SELECT coalesce(md5(string_agg(x.indexrelid::text || ':' || x.xmin::text, ',' ORDER BY x.indexrelid)), '') AS state
           FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {NOT_OURS}"
    )
}

/// One row for each part of each index, in order.
fn definitions_sql() -> String {
    format!(
        "SELECT x.indexrelid::int8 AS id, k.at AS at, k.at <= x.indnkeyatts AS is_key, x.indkey[k.at - 1] = 0 AS is_expression,
                pg_get_indexdef(x.indexrelid, k.at, true) AS term,
                coalesce((x.indoption[k.at - 1] & 1) <> 0, false) AS descending, coalesce((x.indoption[k.at - 1] & 2) <> 0, false) AS nulls_first,
                CASE WHEN o.opcdefault THEN '' ELSE coalesce(o.opcname::text, '') END AS operator_class,
                CASE WHEN x.indcollation[k.at - 1] IN (0, a.attcollation) THEN '' ELSE coalesce(l.collname::text, '') END AS collation,
                CASE WHEN k.at = 1 THEN coalesce(pg_get_expr(x.indpred, x.indrelid), '') END AS predicate,
                CASE WHEN k.at = 1 THEN pg_get_indexdef(x.indexrelid) END AS statement
           FROM pg_index x
           JOIN pg_class c ON c.oid = x.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
           CROSS JOIN LATERAL generate_series(1, x.indnatts::int4) AS k(at)
           LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[k.at - 1]
           LEFT JOIN pg_opclass o ON o.oid = x.indclass[k.at - 1]
           LEFT JOIN pg_collation l ON l.oid = x.indcollation[k.at - 1]
          WHERE {NOT_OURS} ORDER BY 1, 2"
    )
}

/// What is looked up for every index is joined and not asked for each: `pg_constraint` has no index on `conindid`, so that 6,000 such
/// questions read it 6,000 times (1 s; 0.06 s in this way).
fn indexes_sql(server: &Look) -> String {
    let nulls = server.or("pg_index", "indnullsnotdistinct", "false");
    let last = server.or("pg_stat_all_indexes", "last_idx_scan", "NULL::timestamptz");
    format!(
        "SELECT x.indexrelid::int8 AS id, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS table_name,
                quote_ident(n.nspname) || '.' || quote_ident(i.relname) AS index_name, m.amname::text AS method,
                x.indisunique, x.indisprimary, x.indisexclusion, x.indisvalid, x.indisready, x.indisreplident, x.indisclustered, {nulls} AS nulls_not_distinct,
                k.name AS constraint_name, h.parent AS part_of,
                i.relkind = 'I' AS is_root, i.relpages::int8 * current_setting('block_size')::int8 AS bytes, s.idx_scan, s.{last} AS last_scan,
                b.index_relid IS NOT NULL AS being_built
           FROM pg_index x
           JOIN pg_class c ON c.oid = x.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
           JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_am m ON m.oid = i.relam
           LEFT JOIN (SELECT conindid, min(conname::text) AS name FROM pg_constraint WHERE contype IN ('p', 'u', 'x') GROUP BY 1) k ON k.conindid = x.indexrelid
           LEFT JOIN (SELECT e.inhrelid, min(quote_ident(pn.nspname) || '.' || quote_ident(p.relname)) AS parent
                        FROM pg_inherits e JOIN pg_class p ON p.oid = e.inhparent AND p.relkind = 'I' JOIN pg_namespace pn ON pn.oid = p.relnamespace
                       GROUP BY 1) h ON h.inhrelid = x.indexrelid
           LEFT JOIN (SELECT DISTINCT index_relid FROM pg_stat_progress_create_index) b ON b.index_relid = x.indexrelid
           LEFT JOIN pg_stat_all_indexes s ON s.indexrelid = x.indexrelid
          WHERE {NOT_OURS} ORDER BY 2, 3"
    )
    .replace("s.NULL::timestamptz", "NULL::timestamptz")
}

fn tables_sql() -> String {
    format!(
        "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS table_name, c.reltuples::float8 AS rows,
                c.relpages::int8 * current_setting('block_size')::int8 AS bytes, c.relkind = 'p' AS is_root,
                s.seq_scan, s.seq_tup_read, s.idx_scan, s.n_tup_ins, s.n_tup_upd, s.n_tup_hot_upd, s.n_tup_del
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
          WHERE c.relkind IN ('r', 'p', 'm') AND {NOT_OURS} ORDER BY 1"
    )
}

fn columns_sql() -> String {
    format!(
        "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS table_name, a.attname::text AS column_name, format_type(a.atttypid, a.atttypmod) AS kind,
                NOT a.attnotnull AS nullable, s.avg_width::float8 AS width, s.null_frac::float8 AS nulls,
                CASE WHEN s.n_distinct < 0 THEN -s.n_distinct * greatest(c.reltuples, 0) ELSE s.n_distinct END::float8 AS distinct_values,
                (s.most_common_freqs)[1:10]::float8[] AS common
           FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
           LEFT JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname AND NOT s.inherited
          WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'm') AND {NOT_OURS} ORDER BY 1, a.attnum"
    )
}

fn foreign_keys_sql() -> String {
    format!(
        "SELECT k.conname::text AS name, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS table_name,
                ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(num, at) JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num ORDER BY u.at) AS columns,
                quote_ident(pn.nspname) || '.' || quote_ident(p.relname) AS parent,
                k.confdeltype NOT IN ('a', 'r') OR k.confupdtype NOT IN ('a', 'r') AS cascades
           FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
           JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
          WHERE k.contype = 'f' AND k.conparentid = 0 AND {NOT_OURS} ORDER BY 2, 1"
    )
}

const WINDOW: &str = "SELECT stats_reset, pg_postmaster_start_time() AS started_at,
        (SELECT coalesce(array_agg(DISTINCT application_name::text), '{}') FROM pg_stat_replication WHERE application_name NOT LIKE 'godwit%') AS followers
   FROM pg_stat_database WHERE datname = current_database()";

async fn read(reader: &mut Reader<'_>, kept: &Definitions) -> std::result::Result<Indexes, sqlx::Error> {
    let (mut reset, mut started, mut followers) = (None, None, Vec::new());
    if let Some(row) = reader.rows(WINDOW.to_owned()).await?.first() {
        reset = row.try_get::<Option<DateTime<Utc>>, _>("stats_reset")?;
        started = row.try_get::<Option<DateTime<Utc>>, _>("started_at")?;
        followers = row.told_list("followers")?;
    }
    let definitions = definitions(reader, kept).await?;
    let sql = indexes_sql(reader.server());
    let mut indexes = Vec::new();
    for row in reader.rows(sql).await? {
        let id: i64 = row.try_get("id")?;
        // One that was made between the two queries is seen at the next look.
        if let Some(definition) = definitions.get(&id) {
            indexes.push(index(&row, definition)?);
        }
    }
    let mut tables = Vec::new();
    for row in reader.rows(tables_sql()).await? {
        tables.push(table(&row)?);
    }
    columns(reader, &mut tables).await?;
    let mut foreign_keys = Vec::new();
    for row in reader.rows(foreign_keys_sql()).await? {
        foreign_keys.push(ForeignKey {
            name: row.told("name")?,
            table: row.told("table_name")?,
            columns: row.told_list("columns")?,
            parent: row.told("parent")?,
            cascades: row.try_get("cascades")?,
        });
    }
    // A crash zeroes the counters and leaves stats_reset as it was: only the time since the start is proved.
    let (since, proof) = match (reset, started) {
        (Some(reset), Some(started)) if reset > started => (reset, "statistics were reset then"),
        (_, Some(started)) => (started, "the server started then; a crash before it would have zeroed the counters"),
        (reset, None) => (reset.unwrap_or_else(Utc::now), "statistics were reset then"),
    };
    Ok(Indexes {
        window: Window { since, proof: proof.to_owned() },
        epoch: format!("{reset:?}/{started:?}"),
        replicas_unread: followers,
        tables,
        indexes,
        foreign_keys,
    })
}

async fn definitions(
    reader: &mut Reader<'_>,
    kept: &Definitions,
) -> std::result::Result<BTreeMap<i64, Definition>, sqlx::Error> {
    let state: String = match reader.rows(state_sql()).await?.first() {
        Some(row) => row.try_get("state")?,
        None => String::new(),
    };
    if let Some(known) = kept.of(&state) {
        return Ok(known);
    }
    let mut read: BTreeMap<i64, Definition> = BTreeMap::new();
    for row in reader.rows(definitions_sql()).await? {
        let empty = || Definition {
            parts: Vec::new(),
            include: Vec::new(),
            predicate: String::new(),
            statement: String::new(),
        };
        let definition = read.entry(row.try_get("id")?).or_insert_with(empty);
        if let Some(predicate) = row.told_or_null("predicate")? {
            definition.predicate = predicate;
        }
        if let Some(statement) = row.told_or_null("statement")? {
            definition.statement = statement;
        }
        let term = row.told("term")?;
        if row.try_get("is_key")? {
            definition.parts.push(IndexPart {
                term,
                is_expression: row.try_get("is_expression")?,
                operator_class: row.try_get("operator_class")?,
                collation: row.try_get("collation")?,
                descending: row.try_get("descending")?,
                nulls_first: row.try_get("nulls_first")?,
                prefix: None,
            });
        } else {
            definition.include.push(term);
        }
    }
    kept.keep(state, read.clone());
    Ok(read)
}

/// A counter of the statistics views. A partitioned root has none of its own.
fn count(row: &PgRow, column: &str) -> std::result::Result<Reading<u64>, sqlx::Error> {
    Ok(match row.try_get::<Option<i64>, _>(column)? {
        Some(n) => Reading::Known(u64::try_from(n).unwrap_or(0)),
        None => Reading::Unknown("the server keeps no counter for it; its partitions have theirs".to_owned()),
    })
}

fn index(row: &PgRow, definition: &Definition) -> std::result::Result<Index, sqlx::Error> {
    let is_root: bool = row.try_get("is_root")?;
    Ok(Index {
        table: row.told("table_name")?,
        name: row.told("index_name")?,
        method: row.try_get("method")?,
        parts: definition.parts.clone(),
        include: definition.include.clone(),
        predicate: definition.predicate.clone(),
        nulls_not_distinct: row.try_get("nulls_not_distinct")?,
        duty: IndexDuty {
            unique: row.try_get("indisunique")?,
            primary: row.try_get("indisprimary")?,
            constraint: row.told_or_null("constraint_name")?,
            exclusion: row.try_get("indisexclusion")?,
            replica_identity: row.try_get("indisreplident")?,
            clustered: row.try_get("indisclustered")?,
            part_of: row.told_or_null("part_of")?,
            expires: false,
            shard_key: false,
        },
        valid: row.try_get::<bool, _>("indisvalid")? && row.try_get::<bool, _>("indisready")?,
        being_built: row.try_get("being_built")?,
        hidden: false,
        bytes: if is_root {
            Reading::Unknown("the index of a partitioned table has no pages of its own".to_owned())
        } else {
            Reading::Known(u64::try_from(row.try_get::<i64, _>("bytes")?).unwrap_or(0))
        },
        scans: count(row, "idx_scan")?,
        last_scan: row.try_get("last_scan")?,
        definition: definition.statement.clone(),
    })
}

fn table(row: &PgRow) -> std::result::Result<TableUse, sqlx::Error> {
    let rows: f64 = row.try_get("rows")?;
    let is_root: bool = row.try_get("is_root")?;
    Ok(TableUse {
        table: row.told("table_name")?,
        rows: if rows < 0.0 {
            Reading::Unknown("the table was never analysed".to_owned())
        } else {
            Reading::Known(rows as u64)
        },
        bytes: if is_root {
            Reading::Unknown("a partitioned table has no pages of its own".to_owned())
        } else {
            Reading::Known(u64::try_from(row.try_get::<i64, _>("bytes")?).unwrap_or(0))
        },
        full_scans: count(row, "seq_scan")?,
        full_scan_rows: count(row, "seq_tup_read")?,
        index_scans: count(row, "idx_scan")?,
        inserted: count(row, "n_tup_ins")?,
        updated: count(row, "n_tup_upd")?,
        updated_in_place: count(row, "n_tup_hot_upd")?,
        deleted: count(row, "n_tup_del")?,
        columns: Vec::new(),
    })
}

async fn columns(reader: &mut Reader<'_>, tables: &mut [TableUse]) -> std::result::Result<(), sqlx::Error> {
    let mut by_table: BTreeMap<String, Vec<ColumnUse>> = BTreeMap::new();
    let (mut seen, mut all) = (0usize, 0usize);
    for row in reader.rows(columns_sql()).await? {
        let width: Option<f64> = row.try_get("width")?;
        all += 1;
        seen += usize::from(width.is_some());
        by_table.entry(row.told("table_name")?).or_default().push(ColumnUse {
            name: row.told("column_name")?,
            kind: row.told("kind")?,
            width,
            distinct: row.try_get("distinct_values")?,
            nulls: row.try_get("nulls")?,
            common: row.try_get::<Option<Vec<f64>>, _>("common")?.unwrap_or_default(),
            nullable: row.try_get("nullable")?,
        });
    }
    for table in tables {
        table.columns = by_table.remove(&table.table).unwrap_or_default();
    }
    if all > 0 && seen == 0 {
        reader.lacks(Missing {
            id: "postgres.indexes.statistics".to_owned(),
            what: "column statistics".to_owned(),
            why: "the monitoring account may not read pg_stats of these tables, or they were never analysed".to_owned(),
            enable: Some("GRANT SELECT ON ALL TABLES IN SCHEMA public TO godwit_watch".to_owned()),
            price: "the account can then read the tables' rows; without it gains are estimated without selectivity"
                .to_owned(),
        });
    }
    Ok(())
}

#[async_trait]
impl IndexStats for PostgresStore {
    async fn indexes(&self) -> Result<Observation<Indexes>> {
        let kept = self.definitions();
        self.watch().look(async |reader| read(reader, kept).await).await
    }

    async fn what_if(&self, statement: &str, candidates: &[String]) -> Result<WhatIf> {
        let mut connection = self.connector().dedicated(Operation::Inspect, "what-if").await?;
        let answer = what_if::ask(&mut connection, statement, candidates).await;
        self.connector().close(connection).await;
        match answer.map_err(self.connector().failed(Operation::Inspect))? {
            Some(answer) => Ok(answer),
            None => Err(self.connector().error(
                Operation::Inspect,
                ErrorKind::Unsupported,
                "the extension hypopg is not created in this database; CREATE EXTENSION hypopg (it writes nothing and needs no restart)",
            )),
        }
    }
}
