//! `CREATE INDEX CONCURRENTLY`. It cannot run in a transaction, so the note of its maker is committed before it: what stands under a noted name
//! is ours, and what stood before the note was seen by the step, which then did not begin.
//!
//! The server goes on building when its client is gone; an interrupted build leaves an INVALID index that costs writes and serves no one.

use crate::model::index_order::IndexBuild;
use crate::stores::Result;
use crate::stores::error::{ErrorKind, Operation, StoreError};
use crate::stores::index_maker::{IndexMaker, Maker, Standing};
use crate::stores::postgres::connect::APPLICATION;
use crate::stores::postgres::made;
use crate::stores::postgres::store::PostgresStore;
use async_trait::async_trait;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor, Row};
use std::time::Duration;

/// The purpose that the acting session shows.
const PURPOSE: &str = "act";

/// How long a cancelled build may take to end.
const CANCELLED_WITHIN: Duration = Duration::from_secs(10);

/// Time between two looks at a cancelled build.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What bears the name in the table's schema: an index with its state, or anything else.
const STANDING: &str = "SELECT coalesce(x.indrelid = t.oid, false) AS on_table, coalesce(x.indisvalid AND x.indisready, false) AS valid,
        EXISTS (SELECT 1 FROM pg_stat_progress_create_index b WHERE b.index_relid = i.oid) AS being_built,
        ARRAY(SELECT a.attname::text FROM generate_series(1, x.indnkeyatts::int4) k(at)
                LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[k.at - 1] AND a.attnum > 0 ORDER BY k.at) AS columns
   FROM pg_class t JOIN pg_class i ON i.relnamespace = t.relnamespace AND i.relname = $2 LEFT JOIN pg_index x ON x.indexrelid = i.oid
  WHERE t.oid = to_regclass($1)";

/// Ends builds of an index by sessions of ours.
const CANCEL: &str = "SELECT count(*) FILTER (WHERE pg_cancel_backend(b.pid)) FROM pg_stat_progress_create_index b
   JOIN pg_stat_activity a ON a.pid = b.pid AND a.application_name = $3
   JOIN pg_class i ON i.oid = b.index_relid JOIN pg_class t ON t.relnamespace = i.relnamespace
  WHERE t.oid = to_regclass($1) AND i.relname = $2";

/// The name under which the store notes who made it.
fn object(build: &IndexBuild) -> String {
    format!("index {} of {}", build.name, build.table)
}

impl PostgresStore {
    fn build_failed<'a>(&'a self, build: &'a IndexBuild) -> impl Fn(sqlx::Error) -> StoreError + 'a {
        move |error| self.connector().failed(Operation::Build)(error).about(object(build))
    }

    /// A session without a time-out for its statements, which waits for locks only so long.
    async fn acting(&self, build: &IndexBuild, patience: Option<Duration>) -> Result<PgConnection> {
        let mut connection = self.connector().dedicated(Operation::Build, PURPOSE).await?;
        let lock = patience.map_or(0, |patience| patience.as_millis());
        let pin = format!("SET statement_timeout = 0; SET lock_timeout = {lock}");
        connection.execute(AssertSqlSafe(pin)).await.map_err(self.build_failed(build))?;
        Ok(connection)
    }

    async fn standing_of(&self, connection: &mut PgConnection, build: &IndexBuild) -> Result<Option<Standing>> {
        let failed = self.build_failed(build);
        let row = sqlx::query(STANDING)
            .bind(&build.table)
            .bind(&build.name)
            .fetch_optional(&mut *connection)
            .await
            .map_err(&failed)?;
        let Some(row) = row else { return Ok(None) };
        let noted = made::maker(connection, &object(build)).await.map_err(&failed)?;
        let read = || {
            Ok(Standing {
                on_table: row.try_get("on_table")?,
                valid: row.try_get("valid")?,
                being_built: row.try_get("being_built")?,
                columns: row.try_get("columns")?,
                maker: noted.map_or(Maker::Nobody, Maker::Noted),
            })
        };
        read().map(Some).map_err(failed)
    }

    /// Cancels our own builds of it and waits until none is under way.
    async fn end_builds(&self, connection: &mut PgConnection, build: &IndexBuild) -> Result<()> {
        let failed = self.build_failed(build);
        let ours = format!("{APPLICATION} {PURPOSE}");
        let ended = async {
            loop {
                let cancelled: i64 = sqlx::query_scalar(CANCEL)
                    .bind(&build.table)
                    .bind(&build.name)
                    .bind(&ours)
                    .fetch_one(&mut *connection)
                    .await?;
                if cancelled == 0 {
                    return Ok(());
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        match tokio::time::timeout(CANCELLED_WITHIN, ended).await {
            Ok(outcome) => outcome.map_err(failed),
            Err(_) => {
                let why = format!(
                    "a build of {} does not end {} s after it was cancelled",
                    build.name,
                    CANCELLED_WITHIN.as_secs()
                );
                Err(self.connector().error(Operation::Build, ErrorKind::TimedOut, why))
            }
        }
    }
}

#[async_trait]
impl IndexMaker for PostgresStore {
    fn index_statements(&self, build: &IndexBuild, _maker: &str) -> (Vec<String>, Vec<String>) {
        (vec![build.statement.clone()], vec![build.undo.clone()])
    }

    async fn index_standing(&self, build: &IndexBuild, _maker: &str) -> Result<Option<Standing>> {
        let mut connection = self.connector().acquire(Operation::Inspect).await?;
        self.standing_of(&mut connection, build).await
    }

    async fn make_index(&self, build: &IndexBuild, maker: &str, patience: Option<Duration>) -> Result<()> {
        let failed = self.build_failed(build);
        let mut connection = self.acting(build, patience).await?;
        made::prepare(&mut connection).await.map_err(&failed)?;
        connection.execute(AssertSqlSafe(made::note(&object(build), maker))).await.map_err(&failed)?;
        let built = connection.execute(AssertSqlSafe(build.statement.clone())).await.map_err(&failed);
        if built.as_ref().is_err_and(|error| error.kind == ErrorKind::Exists) {
            // The name was taken in between: what stands there is not ours, and the note must not say so.
            connection.execute(AssertSqlSafe(made::forget(&object(build)))).await.map_err(&failed)?;
        }
        self.connector().close(connection).await;
        built.map(|_| ())
    }

    async fn unmake_index(&self, build: &IndexBuild, _maker: &str, patience: Option<Duration>) -> Result<()> {
        let failed = self.build_failed(build);
        let mut connection = self.acting(build, patience).await?;
        self.end_builds(&mut connection, build).await?;
        if self.standing_of(&mut connection, build).await?.is_some_and(|standing| standing.on_table) {
            connection.execute(AssertSqlSafe(build.undo.clone())).await.map_err(&failed)?;
        }
        made::prepare(&mut connection).await.map_err(&failed)?;
        connection.execute(AssertSqlSafe(made::forget(&object(build)))).await.map_err(&failed)?;
        self.connector().close(connection).await;
        Ok(())
    }
}
