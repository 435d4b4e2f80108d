//! Server facts: version, identity, clock.

use crate::stores::error::Operation;
use crate::stores::postgres::address::Address;
use crate::stores::postgres::store::PostgresStore;
use crate::stores::{Probe, Result, ServerFacts};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use std::time::Instant;

/// The database's oid, and whether this login may read the server's identifier. Two statements, because the right to a function is asked when
/// a statement begins, also for a branch that is not taken.
pub const DATABASE: &str =
    "SELECT oid::int8 AS database, has_function_privilege('pg_control_system()', 'EXECUTE') AS may_read
       FROM pg_database WHERE datname = current_database()";
/// The server's identifier.
pub const SYSTEM: &str = "SELECT system_identifier AS system FROM pg_control_system()";

/// What [`DATABASE`] and [`SYSTEM`] found as one text, the form of [`ServerFacts::identity`].
pub fn identity(address: &Address, system: Option<i64>, database: &str) -> String {
    match system {
        // The identifier is an unsigned number that SQL shows as a signed one.
        Some(system) => format!("system {} database {database}", system.cast_unsigned()),
        // Not proof against two names for one server, and it says so; the same address always gives the same text.
        None => format!(
            "address {}:{} database {database} (system identifier not readable: no EXECUTE on pg_control_system())",
            address.host, address.port
        ),
    }
}

#[async_trait]
impl Probe for PostgresStore {
    async fn facts(&self) -> Result<ServerFacts> {
        let connector = self.connector();
        let mut connection = connector.acquire(Operation::Inspect).await?;
        let (version,): (String,) = sqlx::query_as("SELECT current_setting('server_version')")
            .fetch_one(&mut *connection)
            .await
            .map_err(connector.failed(Operation::Inspect))?;
        let (database, may_read): (i64, bool) =
            sqlx::query_as(DATABASE).fetch_one(&mut *connection).await.map_err(connector.failed(Operation::Inspect))?;
        let mut system = None;
        if may_read {
            let (found,): (i64,) = sqlx::query_as(SYSTEM)
                .fetch_one(&mut *connection)
                .await
                .map_err(connector.failed(Operation::Inspect))?;
            system = Some(found);
        }
        let identity = identity(connector.address(), system, &database.to_string());
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
