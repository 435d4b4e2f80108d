//! What the planner would do with indexes that do not exist, through HypoPG. They live in the session only; nothing is written.

use crate::model::what_if::{Parameters, Sample, SamplePlan, WhatIf};
use crate::stores::postgres::parameter_types::with_types;
use crate::stores::postgres::quote::literal;
use crate::stores::postgres::what_if_samples;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor, Row};

/// Asks the planner; `None`: HypoPG is not in this database. The transaction is rolled back.
///
/// # Errors
/// The driver's: a statement that the planner refuses, or a candidate that is no index.
pub async fn ask(
    connection: &mut PgConnection,
    statement: &str,
    parameters: &Parameters,
    candidates: &[String],
) -> Result<Option<WhatIf>, sqlx::Error> {
    let found = sqlx::query("SELECT quote_ident(n.nspname) AS home, current_setting('server_version_num')::int4 AS version FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'hypopg'")
        .fetch_optional(&mut *connection)
        .await?;
    let Some(found) = found else { return Ok(None) };
    let (home, version): (String, i32) = (found.try_get("home")?, found.try_get("version")?);
    let asked = Asked { parameters, candidates, home: &home, version };
    let refused = match plans(connection, statement, &asked).await {
        Err(sqlx::Error::Database(refused)) if lacks_a_type(refused.code().as_deref()) => refused,
        asked => return asked.map(Some),
    };
    // A constant that became a parameter has lost its type.
    match with_types(statement) {
        Some(typed) => plans(connection, &typed, &asked).await.map(Some),
        None => Err(sqlx::Error::Database(refused)),
    }
}

/// Whether the server refused a statement for what it cannot know of a parameter: the type, or the operator that follows from it.
fn lacks_a_type(code: Option<&str>) -> bool {
    matches!(code, Some("42601" | "42725" | "42P18" | "42883" | "42804"))
}

/// A question beside its statement.
struct Asked<'a> {
    parameters: &'a Parameters,
    candidates: &'a [String],
    /// Where HypoPG is.
    home: &'a str,
    /// `server_version_num`.
    version: i32,
}

/// Plans without and with the candidates, for values that are not known and for samples.
async fn plans(connection: &mut PgConnection, statement: &str, asked: &Asked<'_>) -> Result<WhatIf, sqlx::Error> {
    let Asked { parameters, candidates, home, version } = *asked;
    let mut transaction = connection.begin().await?;
    transaction
        .execute("SET LOCAL default_transaction_read_only = on; SET LOCAL search_path = public, pg_catalog")
        .await?;
    transaction.execute("SET LOCAL plan_cache_mode = force_generic_plan").await?;
    let before = plan(&mut transaction, statement, version).await?;
    let samples_before = what_if_samples::ask(&mut transaction, statement, parameters).await?;
    let mut names = Vec::new();
    for candidate in candidates {
        let sql = format!("SELECT indexname::text FROM {home}.hypopg_create_index({})", literal(candidate));
        names.push(sqlx::query_scalar::<_, String>(AssertSqlSafe(sql)).fetch_one(&mut *transaction).await?);
    }
    let after = plan(&mut transaction, statement, version).await?;
    let samples_after = what_if_samples::ask(&mut transaction, statement, parameters).await?;
    transaction.execute(AssertSqlSafe(format!("SELECT {home}.hypopg_reset()"))).await?;
    transaction.rollback().await?;
    let used = names.iter().enumerate().filter(|(_, name)| uses(&after, name)).map(|(at, _)| at).collect();
    let pairs = samples_before.into_iter().zip(samples_after).zip(Sample::ALL);
    let samples = pairs.filter_map(|((before, after), sample)| {
        let (before, after) = (before?, after?);
        let used = (0..names.len()).filter(|at| after.used.contains(&names[*at])).collect();
        Some(SamplePlan { sample, share: after.share, before: before.cost, after: after.cost, used })
    });
    Ok(WhatIf { before: cost(&before), after: cost(&after), used, samples: samples.collect() })
}

/// The generic plan of a normalised statement, as JSON. From 16 on EXPLAIN takes parameters; before, a prepared statement is explained with NULLs
/// under `force_generic_plan`, so that the NULLs are not folded into the plan.
async fn plan(connection: &mut PgConnection, statement: &str, version: i32) -> Result<serde_json::Value, sqlx::Error> {
    if version >= 160_000 {
        let sql = format!("EXPLAIN (GENERIC_PLAN, FORMAT JSON) {statement}");
        return explained(connection, sql).await;
    }
    connection.execute(AssertSqlSafe(format!("PREPARE godwit_what_if AS {statement}"))).await?;
    let count: i32 = sqlx::query_scalar("SELECT coalesce(array_length(parameter_types, 1), 0)::int4 FROM pg_prepared_statements WHERE name = 'godwit_what_if'")
        .fetch_one(&mut *connection)
        .await?;
    let nulls = vec!["NULL"; usize::try_from(count).unwrap_or(0)].join(", ");
    let arguments = if nulls.is_empty() { String::new() } else { format!("({nulls})") };
    let sql = format!("EXPLAIN (FORMAT JSON) EXECUTE godwit_what_if{arguments}");
    let plan = explained(connection, sql).await;
    connection.execute("DEALLOCATE godwit_what_if").await?;
    plan
}

/// Runs an EXPLAIN. Its column is of type json, whose binary form is its text.
async fn explained(connection: &mut PgConnection, sql: String) -> Result<serde_json::Value, sqlx::Error> {
    let row = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_one(connection).await?;
    let text: String = row.try_get_unchecked(0)?;
    serde_json::from_str(&text).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

fn cost(plan: &serde_json::Value) -> f64 {
    plan.pointer("/0/Plan/Total Cost").and_then(serde_json::Value::as_f64).unwrap_or(f64::NAN)
}

/// Whether a plan uses an index for a condition, or for order, and not merely as a smaller copy of the table.
fn uses(plan: &serde_json::Value, index: &str) -> bool {
    match plan {
        serde_json::Value::Object(node) => {
            let named = node.get("Index Name").and_then(serde_json::Value::as_str) == Some(index);
            let purposeful = node.contains_key("Index Cond")
                || node.get("Node Type").and_then(serde_json::Value::as_str) == Some("Index Scan");
            (named && purposeful) || node.values().any(|inner| uses(inner, index))
        }
        serde_json::Value::Array(list) => list.iter().any(|inner| uses(inner, index)),
        _ => false,
    }
}
