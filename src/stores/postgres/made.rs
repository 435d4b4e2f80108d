//! Who made an object: notes in `godwit.made`, written in the transaction that makes the object, so that a crash between the making
//! and the journal's row leaves no object behind that nobody knows.

use crate::stores::postgres::quote;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

/// True when there are notes at all. Looked at first, because making nothing asks for rights too.
async fn is_known(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let (known,): (bool,) =
        sqlx::query_as("SELECT to_regclass('godwit.made') IS NOT NULL").fetch_one(connection).await?;
    Ok(known)
}

/// Makes the table of notes if it is missing.
pub async fn prepare(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    if is_known(connection).await? {
        return Ok(());
    }
    let (has_schema,): (bool,) =
        sqlx::query_as("SELECT to_regnamespace('godwit') IS NOT NULL").fetch_one(&mut *connection).await?;
    let schema = if has_schema { "" } else { "CREATE SCHEMA IF NOT EXISTS godwit;" };
    // `IF NOT EXISTS` alone is not proof against two that make it at once.
    let sql = format!(
        "SELECT pg_advisory_xact_lock(7243361923011); {schema}
         CREATE TABLE IF NOT EXISTS godwit.made (object text PRIMARY KEY, maker text NOT NULL);
         COMMENT ON TABLE godwit.made IS 'Objects of this database that Godwit made, until a migration is retired or taken back.'"
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(|_| ())
}

/// The statement that notes an object's maker.
pub fn note(object: &str, maker: &str) -> String {
    format!(
        "INSERT INTO godwit.made (object, maker) VALUES ({}, {}) ON CONFLICT (object) DO UPDATE SET maker = excluded.maker",
        quote::literal(object),
        quote::literal(maker)
    )
}

/// The statement that forgets it.
pub fn forget(object: &str) -> String {
    format!("DELETE FROM godwit.made WHERE object = {}", quote::literal(object))
}

/// The noted maker of an object.
pub async fn maker(connection: &mut PgConnection, object: &str) -> Result<Option<String>, sqlx::Error> {
    if !is_known(connection).await? {
        return Ok(None);
    }
    let found: Option<(String,)> = sqlx::query_as("SELECT maker FROM godwit.made WHERE object = $1")
        .bind(object)
        .fetch_optional(connection)
        .await?;
    Ok(found.map(|(maker,)| maker))
}

/// Takes away the notes of all makers whose name begins with `prefix`.
pub async fn disown(connection: &mut PgConnection, prefix: &str) -> Result<(), sqlx::Error> {
    if !is_known(connection).await? {
        return Ok(());
    }
    sqlx::query("DELETE FROM godwit.made WHERE starts_with(maker, $1)")
        .bind(prefix)
        .execute(connection)
        .await
        .map(|_| ())
}
