//! The script of a set of tables, and running it on a target.

use crate::model::schema::{SchemaPart, SchemaScript, SchemaStatement};
use crate::model::table::TableMap;
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::postgres::made;
use crate::stores::postgres::quote;
use crate::stores::postgres::relation::schema_of;
use crate::stores::postgres::schema::object::Object;
use crate::stores::postgres::schema::{column, constraints, extras, indexes, relations, sequences, tables, types};
use crate::stores::postgres::store::PostgresStore;
use crate::stores::{Result, Schema};
use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Executor};
use std::collections::HashSet;

/// Collects statements; what several tables need is made once.
#[derive(Default)]
pub struct Builder {
    script: SchemaScript,
    seen: HashSet<Object>,
}

impl Builder {
    /// Adds a statement unless its object is there already.
    pub fn add(&mut self, part: SchemaPart, object: Object, statement: String, undo: String) {
        if self.seen.insert(object.clone()) {
            self.script.statements.push(SchemaStatement { part, object: object.to_string(), statement, undo });
        }
    }

    /// Names something that will not be on the target.
    pub fn leave_out(&mut self, sentence: String) {
        if !self.script.left_out.contains(&sentence) {
            self.script.left_out.push(sentence);
        }
    }

    /// A schema that something lies in. `public` too: a database may have been stripped of it.
    pub fn schema(&mut self, name: &str) {
        let quoted = quote::ident(name);
        self.add(
            SchemaPart::Tables,
            Object::Schema(name.to_owned()),
            format!("CREATE SCHEMA {quoted}"),
            format!("DROP SCHEMA {quoted}"),
        );
    }

    /// An extension in the schema that it has on the source.
    pub fn extension(&mut self, name: &str, schema: &str) {
        if schema == "pg_catalog" {
            // Its control file fixes the schema.
            let quoted = quote::ident(name);
            self.add(
                SchemaPart::Tables,
                Object::Extension(name.to_owned()),
                format!("CREATE EXTENSION {quoted}"),
                format!("DROP EXTENSION {quoted}"),
            );
            return;
        }
        self.schema(schema);
        let quoted = quote::ident(name);
        self.add(
            SchemaPart::Tables,
            Object::Extension(name.to_owned()),
            format!("CREATE EXTENSION {quoted} WITH SCHEMA {}", quote::ident(schema)),
            format!("DROP EXTENSION {quoted}"),
        );
    }

    /// The script with its parts in execution order; within a part the order stays.
    fn finish(mut self) -> SchemaScript {
        self.script.statements.sort_by_key(|s| s.part);
        self.script
    }
}

#[async_trait]
impl Schema for PostgresStore {
    async fn script(&self, maps: &[TableMap]) -> Result<SchemaScript> {
        let connector = self.connector();
        let mut connection = connector.acquire(Operation::Inspect).await?;
        let failed = connector.failed(Operation::Inspect);
        let relations = relations::read(&mut connection, maps).await.map_err(&failed)?;
        for (n, map) in maps.iter().enumerate() {
            let refuse = |kind, reason: &str| {
                Err(connector.error(Operation::Inspect, kind, reason.to_owned()).about(map.source.to_string()))
            };
            let mut parts = relations.iter().filter(|r| r.map == n).peekable();
            if parts.peek().is_none() {
                return refuse(ErrorKind::NotFound, "there is no such table");
            }
            if let Some(part) = parts.find(|r| r.refusal.is_some()) {
                let reason = part.refusal.as_deref().unwrap_or_default();
                return refuse(ErrorKind::Unsupported, &format!("{} cannot be built: {reason}", part.source));
            }
        }
        let mut builder = Builder::default();
        let uses = sequences::read(&mut connection, maps, &relations).await.map_err(&failed)?;
        let mut schemas: Vec<&str> = relations.iter().map(|r| schema_of(&r.target)).collect();
        schemas.extend(uses.iter().map(|u| schema_of(&u.target)));
        schemas.iter().for_each(|schema| builder.schema(schema));
        types::add(&mut connection, &mut builder, &relations).await.map_err(&failed)?;
        sequences::add(&mut builder, &uses);
        let problems = tables::add(&mut connection, &mut builder, &relations, &uses).await.map_err(&failed)?;
        if let Some((table, reason)) = problems.into_iter().next() {
            return Err(connector.error(Operation::Inspect, ErrorKind::Unsupported, reason).about(table.to_string()));
        }
        sequences::add_owners(&mut builder, &uses);
        constraints::add(&mut connection, &mut builder, &relations).await.map_err(&failed)?;
        indexes::add(&mut connection, &mut builder, &relations).await.map_err(&failed)?;
        extras::add(&mut connection, &mut builder, &relations).await.map_err(&failed)?;
        Ok(builder.finish())
    }

    async fn add_column(&self, maps: &[TableMap], table: usize, column: &str) -> Result<Vec<SchemaStatement>> {
        let connector = self.connector();
        let mut connection = connector.acquire(Operation::Inspect).await?;
        let failed = connector.failed(Operation::Inspect);
        let refuse = |reason: String| {
            connector.error(Operation::Inspect, ErrorKind::Unsupported, reason).about(column.to_owned())
        };
        let relations = relations::read(&mut connection, maps).await.map_err(&failed)?;
        let uses = sequences::read(&mut connection, maps, &relations).await.map_err(&failed)?;
        let root = relations.iter().find(|r| r.map == table && r.parent.is_none());
        let root = root.ok_or_else(|| refuse("there is no such table".to_owned()))?;
        let mut builder = Builder::default();
        column::add(&mut connection, &mut builder, root, &uses, column).await.map_err(&failed)?.map_err(refuse)?;
        let script = builder.finish();
        for sentence in &script.left_out {
            tracing::warn!(table = %root.source, column, sentence, "part of an added column is not carried");
        }
        Ok(script.statements)
    }

    fn retype(&self, map: &TableMap, column: &str, to: &str) -> Option<SchemaStatement> {
        column::retype(map, column, to)
    }

    fn holds(&self, wide: &str, narrow: &str) -> bool {
        column::holds(wide, narrow)
    }

    async fn exists(&self, statement: &SchemaStatement) -> Result<bool> {
        let connector = self.connector();
        let object = Object::parse(&statement.object).ok_or_else(|| {
            connector
                .error(Operation::Inspect, ErrorKind::Unsupported, "this is no name of an object that Godwit makes")
                .about(statement.object.clone())
        })?;
        let mut connection = connector.acquire(Operation::Inspect).await?;
        let (exists,): (bool,) = sqlx::query_as(AssertSqlSafe(object.exists_query()))
            .fetch_one(&mut *connection)
            .await
            .map_err(|e| connector.failed(Operation::Inspect)(e).about(statement.object.clone()))?;
        Ok(exists)
    }

    async fn execute(&self, sql: &str) -> Result<()> {
        let connector = self.connector();
        let mut connection = connector.dedicated(Operation::Build, "build").await?;
        let failed = |e| connector.failed(Operation::Build)(e).about(sql.chars().take(120).collect::<String>());
        // Locks are still waited for with a limit: a build that queues behind a reader would stop everybody behind it.
        connection.execute("SET statement_timeout = 0").await.map_err(failed)?;
        connection.execute(AssertSqlSafe(sql.to_owned())).await.map_err(failed)?;
        connector.close(connection).await;
        Ok(())
    }

    async fn make(&self, statement: &SchemaStatement, maker: &str) -> Result<()> {
        let note = made::note(&statement.object, maker);
        self.together(&statement.object, &format!("{}; {note}", statement.statement)).await
    }

    async fn maker(&self, statement: &SchemaStatement) -> Result<Option<String>> {
        let connector = self.connector();
        let mut connection = connector.acquire(Operation::Inspect).await?;
        made::maker(&mut connection, &statement.object)
            .await
            .map_err(|e| connector.failed(Operation::Inspect)(e).about(statement.object.clone()))
    }

    async fn unmake(&self, statement: &SchemaStatement, undo: &str) -> Result<()> {
        let forget = made::forget(&statement.object);
        self.together(&statement.object, &format!("{undo}; {forget}")).await
    }

    async fn disown(&self, prefix: &str) -> Result<()> {
        let connector = self.connector();
        let mut connection = connector.acquire(Operation::Build).await?;
        made::disown(&mut connection, prefix).await.map_err(connector.failed(Operation::Build))
    }
}

impl PostgresStore {
    /// Runs statements without parameters as one query, which is one transaction, in a session of its own without a time-out.
    async fn together(&self, object: &str, sql: &str) -> Result<()> {
        let connector = self.connector();
        let mut connection = connector.dedicated(Operation::Build, "build").await?;
        let failed = |e| connector.failed(Operation::Build)(e).about(object.to_owned());
        // Locks are still waited for with a limit: a build that queues behind a reader would stop everybody behind it.
        connection.execute("SET statement_timeout = 0").await.map_err(failed)?;
        made::prepare(&mut connection).await.map_err(failed)?;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.map_err(failed)?;
        connector.close(connection).await;
        Ok(())
    }
}
