//! All checks of one side.

use crate::model::check::Check;
use crate::model::table::TableName;
use crate::stores::error::Operation;
use crate::stores::postgres::preflight::findings::Findings;
use crate::stores::postgres::preflight::{rights, room, server, settings, tables};
use crate::stores::postgres::store::PostgresStore;
use crate::stores::{Environment, Preflight, Probe, Result, Side};
use async_trait::async_trait;

/// Clocks that differ by more make lags and times in reports misleading, in milliseconds.
const CLOCK_TOLERANCE_MS: u64 = 1_000;

#[async_trait]
impl Preflight for PostgresStore {
    async fn environment(&self) -> Result<Environment> {
        let failed = || self.connector().failed(Operation::Inspect);
        let mut connection = self.connector().acquire(Operation::Inspect).await?;
        let (encoding, collation): (String, String) = sqlx::query_as(
            "SELECT current_setting('server_encoding'), datcollate || ' / ' || datctype FROM pg_database WHERE datname = current_database()",
        )
        .fetch_one(&mut *connection)
        .await
        .map_err(failed())?;
        let extensions: Vec<(String, String)> = sqlx::query_as("SELECT extname::text, extversion FROM pg_extension")
            .fetch_all(&mut *connection)
            .await
            .map_err(failed())?;
        Ok(Environment { encoding, collation, extensions: extensions.into_iter().collect() })
    }

    async fn checks(&self, side: Side, names: &[TableName]) -> Vec<Check> {
        let mut findings = Findings::of(self.connector().id());
        let facts = match self.facts().await {
            Ok(facts) => facts,
            Err(error) => {
                findings.fail("pg.connection", "", error.message.clone(), error.kind.advice().1);
                return findings.into_checks();
            }
        };
        findings.pass("pg.connection", "", format!("connected to {}", self.connector().address().redacted()));
        if facts.identity.starts_with("system ") {
            findings.pass("pg.identity", "", facts.identity.clone());
        } else {
            findings.warn(
                "pg.identity",
                "",
                "the system identifier is not readable, so Godwit cannot tell whether another URL leads to this same server",
                format!("GRANT EXECUTE ON FUNCTION pg_control_system() TO {}", rights::me(self)),
            );
        }
        let clock = format!("the server's clock is {} ms from Godwit's", facts.clock_difference_ms);
        if facts.clock_difference_ms.unsigned_abs() <= CLOCK_TOLERANCE_MS {
            findings.pass("pg.clock", "", clock);
        } else {
            findings.warn(
                "pg.clock",
                "",
                clock,
                "synchronise the clocks (NTP): times in reports and logs do not match otherwise",
            );
        }
        // Each group has a connection of its own turn: one that fails leaves the others their answer.
        let groups = [Group::Server, Group::Settings, Group::Room, Group::Rights, Group::Tables];
        for group in groups {
            if let Err(reason) = self.examine(group, side, names, &mut findings).await {
                findings.unknown(
                    group.id(),
                    "",
                    reason,
                    "grant the right to read the catalogues, or look at it by hand",
                );
            }
        }
        findings.into_checks()
    }
}

#[derive(Clone, Copy)]
enum Group {
    Server,
    Settings,
    Room,
    Rights,
    Tables,
}

impl Group {
    fn id(self) -> &'static str {
        match self {
            Self::Server => "pg.server",
            Self::Settings => "pg.settings",
            Self::Room => "pg.room",
            Self::Rights => "pg.rights",
            Self::Tables => "pg.tables",
        }
    }
}

impl PostgresStore {
    /// Runs one group; the error is why it could not be finished.
    async fn examine(
        &self,
        group: Group,
        side: Side,
        names: &[TableName],
        findings: &mut Findings,
    ) -> std::result::Result<(), String> {
        let mut connection = self.connector().acquire(Operation::Inspect).await.map_err(|e| e.to_string())?;
        let outcome = match group {
            Group::Server => server::examine(&mut connection, side, findings).await,
            Group::Settings => settings::examine(&mut connection, findings).await,
            Group::Room => room::examine(&mut connection, self.connector().address(), findings).await,
            Group::Rights => rights::examine(&mut connection, side, names, findings).await,
            Group::Tables => tables::examine(&mut connection, side, names, findings).await,
        };
        outcome.map_err(|e| self.connector().failed(Operation::Inspect)(e).to_string())
    }
}
