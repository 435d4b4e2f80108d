//! Server facts: version, identity, clock.

use crate::stores::postgres::address::Address;
use crate::stores::postgres::store::PostgresStore;
use crate::stores::postgres::watch::Reader;
use crate::stores::{Probe, Result, ServerFacts};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::Row;
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

/// Version and identity do not change while a session lives, so that they are asked once in each; the clock is asked every time.
async fn read(reader: &mut Reader<'_>, address: &Address) -> std::result::Result<ServerFacts, sqlx::Error> {
    let mut difference_ms = 0;
    // The statement is prepared once before it is timed, so that the round trip has no planning in it.
    let rounds = if reader.server().facts().is_some() { 1 } else { 2 };
    let (version, identity) = match reader.server().facts() {
        Some(known) => known.clone(),
        None => {
            let rows = reader.rows(DATABASE.to_owned()).await?;
            let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
            let (database, may_read): (i64, bool) = (row.try_get("database")?, row.try_get("may_read")?);
            let version = reader.rows("SELECT current_setting('server_version')".to_owned()).await?;
            let version: String = version.first().ok_or(sqlx::Error::RowNotFound)?.try_get(0)?;
            let mut system = None;
            if may_read {
                system = reader.rows(SYSTEM.to_owned()).await?.first().map(|row| row.try_get(0)).transpose()?;
            }
            let known = (version, identity(address, system, &database.to_string()));
            reader.remember(known.clone());
            known
        }
    };
    for _ in 0..rounds {
        let (before, started) = (Utc::now(), Instant::now());
        let rows = reader.rows("SELECT clock_timestamp()".to_owned()).await?;
        let server: DateTime<Utc> = rows.first().ok_or(sqlx::Error::RowNotFound)?.try_get(0)?;
        let halfway = before + started.elapsed() / 2;
        difference_ms = (server - halfway).num_milliseconds();
    }
    Ok(ServerFacts { version, identity, clock_difference_ms: difference_ms })
}

/// Asked every few seconds, so it goes over the connection that looks: a store has one.
#[async_trait]
impl Probe for PostgresStore {
    async fn facts(&self) -> Result<ServerFacts> {
        let address = self.connector().address();
        Ok(self.watch().look(async |reader| read(reader, address).await).await?.value)
    }
}
