//! Holding writers, and fencing the tables in the transaction that holds them.
//!
//! EXCLUSIVE lets readers go on, makes writers wait, and is granted only when no transaction that wrote is still open: its lock falls
//! after its commit record is in the log. So a marker that is written once the lock is held lies behind every finished transaction (C02).

use crate::model::table::TableName;
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::postgres::hold::{Hold, is_busy};
use crate::stores::postgres::relation::{self, Relation};
use crate::stores::postgres::store::PostgresStore;
use crate::stores::postgres::{fence, holds, quote};
use crate::stores::{FenceState, Freeze, FreezeGuard, FreezeSpec, Result};
use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Executor};
use std::fmt::Write;

#[async_trait]
impl Freeze for PostgresStore {
    fn statements(&self, spec: &FreezeSpec) -> Vec<(String, String)> {
        let mut tables = spec.tables.clone();
        tables.sort();
        let names: Vec<String> = tables.iter().map(quote::table).collect();
        let lock = format!(
            "SET idle_in_transaction_session_timeout = {}; BEGIN; LOCK TABLE {} IN EXCLUSIVE MODE",
            spec.hold_limit.as_millis(),
            names.join(", ")
        );
        let mut statements =
            vec![(lock, "ROLLBACK".to_owned()), fence::schema_statement(), fence::function_statement()];
        statements.extend(tables.iter().map(|t| fence::trigger_statement(t, "TOKEN", &spec.moved_message)));
        statements
    }

    async fn hold(&self, spec: &FreezeSpec) -> Result<Box<dyn FreezeGuard>> {
        let connector = self.connector();
        let relations = self.fenced_relations(Operation::Freeze, &spec.tables).await?;
        // A hold that was lost earlier would be in our own way.
        holds::settle(connector, self.holds(), &relations).await?;
        let held = Hold::begin(connector, self.holds(), spec, relations).await?;
        Ok(Box::new(held))
    }

    async fn fence_state(&self, tables: &[TableName]) -> Result<FenceState> {
        let connector = self.connector();
        let relations = self.fenced_relations(Operation::Fence, tables).await?;
        holds::settle(connector, self.holds(), &relations).await?;
        let mut connection = connector.acquire(Operation::Fence).await?;
        let fences = fence::read(&mut connection, &relations).await.map_err(connector.failed(Operation::Fence))?;
        Ok(fence::state(&fences))
    }

    async fn close(&self, tables: &[TableName], token: &str, moved_message: &str) -> Result<()> {
        let connector = self.connector();
        let relations = self.fenced_relations(Operation::Fence, tables).await?;
        let mut connection = connector.acquire(Operation::Fence).await?;
        let failed = connector.failed(Operation::Fence);
        let fences = fence::read(&mut connection, &relations).await.map_err(&failed)?;
        let mut statements = fence::missing_support(&mut connection).await.map_err(&failed)?;
        let unfenced = fences.iter().filter(|f| !f.fires);
        statements.extend(unfenced.map(|f| fence::trigger_statement(&f.table, token, moved_message).0));
        if statements.is_empty() {
            return Ok(());
        }
        // One message is one implicit transaction: all tables or none.
        let sql = format!("{}; {}", fence::DURABLE, statements.join("; "));
        connection.execute(AssertSqlSafe(sql)).await.map_err(failed)?;
        Ok(())
    }

    /// Dropping a trigger needs ACCESS EXCLUSIVE, which readers delay and which delays readers. Where that is not free at once the fence is
    /// disabled instead, which readers do not notice; the trigger that stays does nothing and goes with the next `open`.
    async fn open(&self, tables: &[TableName]) -> Result<()> {
        let connector = self.connector();
        let relations = self.fenced_relations(Operation::Fence, tables).await?;
        let mut connection = connector.acquire(Operation::Fence).await?;
        let failed = connector.failed(Operation::Fence);
        let mut fences = fence::read(&mut connection, &relations).await.map_err(&failed)?;
        fences.retain(|f| f.token.is_some());
        if fences.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = fences.iter().map(|f| quote::table(&f.table)).collect();
        let mut drop =
            format!("{}; LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE NOWAIT", fence::DURABLE, names.join(", ONLY "));
        let mut disable = fence::DURABLE.to_owned();
        for name in &names {
            // Writing to a String cannot fail.
            let _ = write!(drop, "; DROP TRIGGER {} ON {name}", fence::TRIGGER);
            let _ = write!(disable, "; ALTER TABLE {name} DISABLE TRIGGER {}", fence::TRIGGER);
        }
        match connection.execute(AssertSqlSafe(drop)).await {
            Ok(_) => return Ok(()),
            Err(error) if is_busy(&error) => {}
            Err(error) => return Err(failed(error)),
        }
        connection.execute(AssertSqlSafe(disable)).await.map_err(failed)?;
        Ok(())
    }
}

impl PostgresStore {
    /// The tables and all their partitions; an error when one is missing, because a freeze that leaves one out is none.
    async fn fenced_relations(&self, operation: Operation, tables: &[TableName]) -> Result<Vec<Relation>> {
        let connector = self.connector();
        let mut connection = connector.acquire(operation).await?;
        let found = relation::find(&mut connection, tables).await.map_err(connector.failed(operation))?;
        if let Some((table, _)) = tables.iter().zip(&found).find(|(_, f)| f.is_none()) {
            return Err(connector
                .error(operation, ErrorKind::NotFound, "there is no such table")
                .about(table.to_string()));
        }
        relation::with_partitions(&mut connection, tables).await.map_err(connector.failed(operation))
    }
}
