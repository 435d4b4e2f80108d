//! What a target remembers about its pipelines: tables in the schema `godwit`, written in the same transaction as the data.

use crate::model::change::Position;
use crate::model::table::TableName;
use crate::stores::postgres::wire::connection::Connection;
use crate::stores::postgres::wire::failure::{Failure, Outcome};
use crate::stores::{CaptureOrigin, ChunkPlan, Loaded, TargetState};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// One row per pipeline is updated at every commit, so its page has room for row versions that need no index entry.
const TABLES: &str = "
    CREATE SCHEMA IF NOT EXISTS godwit;
    CREATE TABLE IF NOT EXISTS godwit.checkpoint (
        name text PRIMARY KEY, origin text NOT NULL, applied text, consistent_from text
    ) WITH (fillfactor = 20);
    CREATE TABLE IF NOT EXISTS godwit.chunk_plan (
        name text, source_schema text, source_table text, generation text NOT NULL, chunks text NOT NULL,
        PRIMARY KEY (name, source_schema, source_table)
    );
    CREATE TABLE IF NOT EXISTS godwit.chunk (
        name text, source_schema text, source_table text, ordinal int8, row_count int8 NOT NULL, byte_count int8 NOT NULL,
        PRIMARY KEY (name, source_schema, source_table, ordinal)
    );
    COMMENT ON TABLE godwit.checkpoint IS 'How far each Godwit pipeline has written this database; positions as JSON.'";

/// Serialises the making of the tables by several pipelines at once: `IF NOT EXISTS` alone is not proof against that.
const MAKING_LOCK: &str = "SELECT pg_advisory_xact_lock(7243361923011)";

/// True when the tables are there.
pub async fn exist(connection: &mut Connection) -> Outcome<bool> {
    let sql = "SELECT to_regclass('godwit.checkpoint') IS NOT NULL AND to_regclass('godwit.chunk_plan') IS NOT NULL
                      AND to_regclass('godwit.chunk') IS NOT NULL AS here";
    Ok(connection.query(sql).await?.value("here") == Some("t"))
}

/// Makes the tables if they are missing. Looks first, because making nothing asks for rights too.
pub async fn make(connection: &mut Connection) -> Outcome<()> {
    if !exist(connection).await? {
        // Several statements in one query are one transaction.
        connection.query(&format!("{MAKING_LOCK}; {TABLES}")).await?;
    }
    Ok(())
}

/// Reads everything that is known of a pipeline.
pub async fn read(connection: &mut Connection, name: &str) -> Outcome<TargetState> {
    let mut state = TargetState::default();
    let sql = "SELECT origin, applied, consistent_from FROM godwit.checkpoint WHERE name = $1";
    let answer = connection.query_with(sql, &[Some(name)]).await?;
    state.origin = answer.value("origin").map(from_json).transpose()?;
    state.applied = answer.value("applied").map(from_json).transpose()?;
    state.consistent_from = answer.value("consistent_from").map(from_json).transpose()?;
    let sql = "SELECT source_schema, source_table, ordinal, row_count, byte_count FROM godwit.chunk WHERE name = $1 ORDER BY 1, 2, 3";
    for row in connection.query_with(sql, &[Some(name)]).await?.rows {
        let number = |at: usize| row.get(at).and_then(Option::as_deref).and_then(|n| n.parse().ok()).unwrap_or(0);
        let loaded = Loaded { rows: number(3), bytes: number(4) };
        state.chunks.push((table_name(&row), number(2), loaded));
    }
    let sql =
        "SELECT source_schema, source_table, generation, chunks FROM godwit.chunk_plan WHERE name = $1 ORDER BY 1, 2";
    for row in connection.query_with(sql, &[Some(name)]).await?.rows {
        let text = |at: usize| row.get(at).and_then(Option::as_deref).unwrap_or_default();
        state.plans.push((table_name(&row), ChunkPlan { generation: text(2).to_owned(), chunks: from_json(text(3))? }));
    }
    Ok(state)
}

/// Replaces all that is known of a pipeline by its origin.
pub async fn begin(connection: &mut Connection, name: &str, origin: &CaptureOrigin) -> Outcome<()> {
    let sql = "WITH chunks AS (DELETE FROM godwit.chunk WHERE name = $1), plans AS (DELETE FROM godwit.chunk_plan WHERE name = $1)
               INSERT INTO godwit.checkpoint (name, origin) VALUES ($1, $2)
               ON CONFLICT (name) DO UPDATE SET origin = excluded.origin, applied = NULL, consistent_from = NULL";
    connection.query_with(sql, &[Some(name), Some(&to_json(origin)?)]).await.map(|_| ())
}

/// Records from where on a resumed copy is consistent.
pub async fn save_consistent_from(connection: &mut Connection, name: &str, position: Position) -> Outcome<()> {
    let sql = "UPDATE godwit.checkpoint SET consistent_from = $2 WHERE name = $1";
    match connection.query_with(sql, &[Some(name), Some(&to_json(&position)?)]).await?.affected {
        1 => Ok(()),
        _ => Err(Failure::Protocol(format!(
            "there is no checkpoint for {name}: the copy was never begun, or somebody removed it"
        ))),
    }
}

/// Stores a table's plan and forgets the chunks of an older one.
pub async fn save_plan(connection: &mut Connection, name: &str, table: &TableName, plan: &ChunkPlan) -> Outcome<()> {
    let sql = "WITH chunks AS (DELETE FROM godwit.chunk WHERE name = $1 AND source_schema = $2 AND source_table = $3)
               INSERT INTO godwit.chunk_plan (name, source_schema, source_table, generation, chunks) VALUES ($1, $2, $3, $4, $5)
               ON CONFLICT (name, source_schema, source_table) DO UPDATE SET generation = excluded.generation, chunks = excluded.chunks";
    let chunks = to_json(&plan.chunks)?;
    let parameters = [name, schema_of(table), &table.name, &plan.generation, &chunks].map(Some);
    connection.query_with(sql, &parameters).await.map(|_| ())
}

/// Forgets the finished chunks of one table.
pub async fn forget_chunks(connection: &mut Connection, name: &str, table: &TableName) -> Outcome<()> {
    let sql = "DELETE FROM godwit.chunk WHERE name = $1 AND source_schema = $2 AND source_table = $3";
    connection.query_with(sql, &[Some(name), Some(schema_of(table)), Some(&table.name)]).await.map(|_| ())
}

/// Records a finished chunk. A chunk that is recorded already violates the primary key: it is never loaded twice.
pub async fn save_chunk(
    connection: &mut Connection,
    name: &str,
    table: &TableName,
    ordinal: u64,
    loaded: Loaded,
) -> Outcome<()> {
    let sql = "INSERT INTO godwit.chunk (name, source_schema, source_table, ordinal, row_count, byte_count)
               VALUES ($1, $2, $3, $4, $5, $6)";
    let numbers = [ordinal, loaded.rows, loaded.bytes].map(|n| n.to_string());
    let parameters = [name, schema_of(table), &table.name, &numbers[0], &numbers[1], &numbers[2]].map(Some);
    connection.query_with(sql, &parameters).await.map(|_| ())
}

/// Forgets a pipeline.
pub async fn forget(connection: &mut Connection, name: &str) -> Outcome<()> {
    let sql = "WITH chunks AS (DELETE FROM godwit.chunk WHERE name = $1), plans AS (DELETE FROM godwit.chunk_plan WHERE name = $1)
               DELETE FROM godwit.checkpoint WHERE name = $1";
    connection.query_with(sql, &[Some(name)]).await.map(|_| ())
}

/// Moves a pipeline's checkpoint, as a statement with text parameters `$1` name and `$2` position. A checkpoint that is gone makes it fail
/// by a division by zero, which stops the COMMIT that follows in the same pipeline.
pub const ADVANCE: &str = "WITH moved AS (UPDATE godwit.checkpoint SET applied = $2 WHERE name = $1 RETURNING 1)
                           SELECT 1 / count(*) FROM moved";

/// A position as it is stored.
pub fn to_json<T: Serialize>(value: &T) -> Outcome<String> {
    serde_json::to_string(value).map_err(|e| Failure::Protocol(format!("a checkpoint cannot be written: {e}")))
}

fn from_json<T: DeserializeOwned>(text: &str) -> Outcome<T> {
    serde_json::from_str(text)
        .map_err(|e| Failure::Protocol(format!("a checkpoint in schema godwit cannot be read: {e}")))
}

/// Tables of engines without schemas are stored under the empty one.
fn schema_of(table: &TableName) -> &str {
    table.schema.as_deref().unwrap_or("")
}

fn table_name(row: &[Option<String>]) -> TableName {
    let text = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
    TableName { schema: Some(text(0)).filter(|schema| !schema.is_empty()), name: text(1) }
}
