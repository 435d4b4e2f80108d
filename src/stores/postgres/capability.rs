//! Server facts: version, identity, clock.

use crate::stores::error::Operation;
use crate::stores::postgres::store::PostgresStore;
use crate::stores::{Probe, Result, ServerFacts};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use std::time::Instant;

#[async_trait]
impl Probe for PostgresStore {
    async fn facts(&self) -> Result<ServerFacts> {
        let connector = self.connector();
        let mut connection = connector.acquire(Operation::Inspect).await?;
        let (version, database, may_read): (String, i64, bool) = sqlx::query_as(
            "SELECT current_setting('server_version'),
                    (SELECT oid::int8 FROM pg_database WHERE datname = current_database()),
                    has_function_privilege('pg_control_system()', 'EXECUTE')",
        )
        .fetch_one(&mut *connection)
        .await
        .map_err(connector.failed(Operation::Inspect))?;
        let identity = if may_read {
            let (system,): (i64,) = sqlx::query_as("SELECT system_identifier FROM pg_control_system()")
                .fetch_one(&mut *connection)
                .await
                .map_err(connector.failed(Operation::Inspect))?;
            // The identifier is an unsigned number that SQL shows as a signed one.
            format!("system {} database {database}", system.cast_unsigned())
        } else {
            // Not proof against two names for one server, and it says so; the same address always gives the same text.
            let address = connector.address();
            format!(
                "address {}:{} database {database} (system identifier not readable: no EXECUTE on pg_control_system())",
                address.host, address.port
            )
        };
        // The statement is prepared once before it is timed, so that the round trip has no planning in it.
        let mut difference_ms = 0;
        for _ in 0..2 {
            let (before, started) = (Utc::now(), Instant::now());
            let (server,): (DateTime<Utc>,) = sqlx::query_as("SELECT clock_timestamp()")
                .fetch_one(&mut *connection)
                .await
                .map_err(connector.failed(Operation::Inspect))?;
            let halfway = before + started.elapsed() / 2;
            difference_ms = (server - halfway).num_milliseconds();
        }
        Ok(ServerFacts { version, identity, clock_difference_ms: difference_ms })
    }
}
