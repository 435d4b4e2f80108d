//! Schemas: from the source's own CREATE statements to those of a target.

use super::catalogue::CatalogueTable;
use super::connect::Mode;
use super::ddl::{self, Renames};
use super::inventory::existing;
use super::made;
use super::quote::{folded, ident};
use super::row::{self, Args};
use super::session::Session;
use super::store::SqliteStore;
use crate::model::schema::{SchemaPart, SchemaScript, SchemaStatement};
use crate::model::table::{Generation, TableMap};
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::{Result, Schema};
use async_trait::async_trait;
use std::collections::HashMap;

#[async_trait]
impl Schema for SqliteStore {
    async fn script(&self, maps: &[TableMap]) -> Result<SchemaScript> {
        let mut session = self.db.open(Mode::Read, Operation::Build).await?;
        let mut found = Vec::with_capacity(maps.len());
        for map in maps {
            found.push(existing(&mut session, &map.source).await?);
        }
        let parents: HashMap<String, Renames> =
            maps.iter().zip(&found).map(|(map, table)| (folded(&table.name), renames(map, table))).collect();
        let mut script = SchemaScript::default();
        let mut rest = Vec::new();
        for (map, table) in maps.iter().zip(&found) {
            let odd = |why: String| session.fail(ErrorKind::Unsupported, why).about(map.source.to_string());
            let own = renames(map, table);
            let rewritten = ddl::create_table(&table.sql, &own, &parents).map_err(odd)?;
            script.left_out.extend(rewritten.left_out);
            script.statements.push(SchemaStatement {
                part: SchemaPart::Tables,
                object: format!("table {}", map.target.name),
                statement: rewritten.sql,
                undo: format!("DROP TABLE {}", ident(&map.target.name)),
            });
            let objects = session
                .rows(
                    "SELECT type, name, sql FROM sqlite_schema WHERE tbl_name = ?1 AND type IN ('index', 'trigger') \
                     AND sql IS NOT NULL AND name NOT LIKE 'godwit\\_%' ESCAPE '\\' ORDER BY type, name",
                    Args::new().text(&table.name),
                )
                .await?;
            for object in &objects {
                let (kind, name, sql) = (row::text(object, 0), row::text(object, 1), row::text(object, 2));
                if kind == "trigger" {
                    script.left_out.push(format!("trigger {name} on {}: its effects are copied as rows", table.name));
                    continue;
                }
                let odd = |why: String| session.fail(ErrorKind::Unsupported, why).about(name.to_owned());
                match ddl::create_index(sql, &own).map_err(odd)? {
                    Some(statement) => rest.push(SchemaStatement {
                        part: SchemaPart::Rest,
                        object: format!("index {name}"),
                        statement,
                        undo: format!("DROP INDEX {}", ident(name)),
                    }),
                    None => script.left_out.push(format!("index {name}: it needs a column that is not carried")),
                }
            }
        }
        let views =
            session.rows("SELECT name, sql FROM sqlite_schema WHERE type = 'view' ORDER BY name", Args::new()).await?;
        let reads_one = |sql: &str| found.iter().any(|table| ddl::mentions(sql, &table.name));
        for view in views.iter().filter(|view| reads_one(row::text(view, 1))) {
            script.left_out.push(format!("view {}: views are not built on the target", row::text(view, 0)));
        }
        script.statements.extend(rest);
        Ok(script)
    }

    async fn exists(&self, statement: &SchemaStatement) -> Result<bool> {
        let mut session = self.db.open(Mode::Read, Operation::Build).await?;
        let (kind, name) = statement.object.split_once(' ').unwrap_or(("", &statement.object));
        if kind == "column" {
            let there = session
                .first(
                    "SELECT 1 FROM pragma_table_list AS l JOIN pragma_table_xinfo(l.name) AS c \
                     WHERE l.schema = 'main' AND l.name || '.' || c.name = ?1 COLLATE NOCASE",
                    Args::new().text(name),
                )
                .await?;
            return Ok(there.is_some());
        }
        let there = session
            .first(
                "SELECT 1 FROM sqlite_schema WHERE type = ?1 AND name = ?2 COLLATE NOCASE",
                Args::new().text(kind).text(name),
            )
            .await?;
        Ok(there.is_some())
    }

    async fn add_column(&self, maps: &[TableMap], table: usize, column: &str) -> Result<Vec<SchemaStatement>> {
        let mut session = self.db.open(Mode::Read, Operation::Build).await?;
        let mut parents = HashMap::new();
        let mut own = None;
        for (index, map) in maps.iter().enumerate() {
            let found = existing(&mut session, &map.source).await?;
            let names = renames(map, &found);
            if index == table {
                own = Some((map, found.sql, names.clone()));
            }
            parents.insert(folded(&found.name), names);
        }
        let odd = |why: String| session.fail(ErrorKind::Unsupported, why).about(column.to_owned());
        let (map, sql, names) = own.ok_or_else(|| odd(format!("there is no table number {table}")))?;
        let mapped = map.columns.iter().find(|c| c.source == column);
        let mapped = mapped.ok_or_else(|| odd("the column is not mapped".to_owned()))?;
        let definition = ddl::column(&sql, &names, &parents, column).map_err(odd)?;
        let definition = definition.ok_or_else(|| odd(format!("{} does not define it", map.source)))?;
        let target = ident(&map.target.name);
        Ok(vec![SchemaStatement {
            part: SchemaPart::Tables,
            object: format!("column {}.{}", map.target.name, mapped.target),
            statement: format!("ALTER TABLE {target} ADD COLUMN {}", definition.sql),
            undo: format!("ALTER TABLE {target} DROP COLUMN {}", ident(&mapped.target)),
        }])
    }

    /// SQLite changes a column's type only by building the table anew.
    fn retype(&self, _map: &TableMap, _column: &str, _to: &str) -> Option<SchemaStatement> {
        None
    }

    /// A declared type is only an affinity, and what it makes of a value is not the same for two of them.
    fn holds(&self, wide: &str, narrow: &str) -> bool {
        wide.eq_ignore_ascii_case(narrow)
    }

    async fn execute(&self, sql: &str) -> Result<()> {
        let mut session = self.building().await?;
        let outcome = session.script(sql).await;
        settle(session, outcome).await
    }

    async fn make(&self, statement: &SchemaStatement, maker: &str) -> Result<()> {
        let mut session = self.building().await?;
        let outcome = async {
            session.script(&statement.statement).await?;
            made::note(&mut session, statement, maker).await
        }
        .await;
        settle(session, outcome).await
    }

    async fn maker(&self, statement: &SchemaStatement) -> Result<Option<String>> {
        if self.db.file_identity().is_none() {
            return Ok(None);
        }
        let mut session = self.db.open(Mode::Read, Operation::Build).await?;
        made::maker(&mut session, statement).await
    }

    async fn unmake(&self, statement: &SchemaStatement, undo: &str) -> Result<()> {
        let mut session = self.building().await?;
        let outcome = async {
            session.script(undo).await?;
            made::forget(&mut session, statement).await
        }
        .await;
        settle(session, outcome).await
    }

    async fn disown(&self, prefix: &str) -> Result<()> {
        if self.db.file_identity().is_none() {
            return Ok(());
        }
        let mut session = self.building().await?;
        let outcome = made::disown(&mut session, prefix).await;
        settle(session, outcome).await
    }
}

impl SqliteStore {
    /// A session in a write transaction without a time limit.
    async fn building(&self) -> Result<Session> {
        let mut session = self.db.open(Mode::Create, Operation::Build).await?;
        session.begin_immediate(session.patience()).await?;
        session.without_deadline();
        Ok(session)
    }
}

/// Commits what went well and takes back what did not.
async fn settle(mut session: Session, outcome: Result<()>) -> Result<()> {
    match outcome {
        Ok(()) => session.commit().await,
        Err(e) => {
            session.roll_back().await;
            Err(e)
        }
    }
}

/// What becomes of a table's names. Computed columns are not in the mapping, since their values are not copied, but they are carried.
fn renames(map: &TableMap, table: &CatalogueTable) -> Renames {
    let mut renames = Renames { table: (table.name.clone(), map.target.name.clone()), ..Renames::default() };
    for column in &table.columns {
        let mapped = map.columns.iter().find(|c| folded(&c.source) == folded(&column.name));
        match mapped {
            Some(mapped) => {
                renames.columns.insert(folded(&column.name), mapped.target.clone());
            }
            None if column.generation == Generation::Computed => {
                renames.columns.insert(folded(&column.name), column.name.clone());
            }
            None => renames.dropped.push(folded(&column.name)),
        }
    }
    renames
}
