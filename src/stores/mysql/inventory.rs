//! What tables there are, with columns, identity and estimates.

use crate::model::table::{Column, Generation, RowIdentity, Table, TableName};
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::mysql::connect::lines;
use crate::stores::mysql::indexes::ours;
use crate::stores::mysql::line::Line;
use crate::stores::mysql::store::MysqlStore;
use crate::stores::mysql::watch::literal;
use crate::stores::{Inventory, Result};
use async_trait::async_trait;
use std::collections::BTreeMap;

/// Base tables; one more condition.
fn tables_sql(condition: &str) -> String {
    format!(
        "SELECT TABLE_SCHEMA AS db, TABLE_NAME AS tbl, TABLE_ROWS AS row_estimate, DATA_LENGTH AS bytes
           FROM information_schema.tables WHERE TABLE_TYPE = 'BASE TABLE' AND {condition} ORDER BY 1, 2"
    )
}

fn columns_sql(condition: &str) -> String {
    format!(
        "SELECT TABLE_SCHEMA AS db, TABLE_NAME AS tbl, COLUMN_NAME AS name, COLUMN_TYPE AS kind, IS_NULLABLE AS nullable, COLUMN_DEFAULT IS NOT NULL AS has_default, EXTRA AS extra
           FROM information_schema.columns WHERE {condition} ORDER BY 1, 2, ORDINAL_POSITION"
    )
}

/// Unique indexes without a nullable column and without a prefix; the primary key first.
fn keys_sql(condition: &str) -> String {
    format!(
        "SELECT TABLE_SCHEMA AS db, TABLE_NAME AS tbl, INDEX_NAME AS idx, GROUP_CONCAT(COLUMN_NAME ORDER BY SEQ_IN_INDEX SEPARATOR '\\n') AS names
           FROM information_schema.statistics WHERE NON_UNIQUE = 0 AND {condition}
          GROUP BY 1, 2, 3 HAVING SUM(NULLABLE = 'YES') = 0 AND COUNT(SUB_PART) = 0 AND COUNT(COLUMN_NAME) = COUNT(*)
          ORDER BY 1, 2, INDEX_NAME <> 'PRIMARY', 3"
    )
}

impl MysqlStore {
    async fn describe(&self, condition: &str) -> Result<Vec<Table>> {
        let connector = self.connector();
        let failed = connector.failed(Operation::Inspect);
        let mut connection = connector.dedicated(Operation::Inspect).await?;
        let limit = connector.limit();
        let tables = lines(&mut connection, limit, tables_sql(condition)).await.map_err(&failed)?;
        let columns = lines(&mut connection, limit, columns_sql(condition)).await.map_err(&failed)?;
        let keys = lines(&mut connection, limit, keys_sql(condition)).await.map_err(&failed)?;
        connector.close(connection).await;
        Ok(assemble(&tables, &columns, &keys))
    }

    /// The database of a name: its own, or the store's.
    fn database_of(&self, name: &TableName) -> Result<String> {
        name.schema.clone().or_else(|| self.connector().address().database.clone()).ok_or_else(|| {
            self.connector()
                .error(
                    Operation::Inspect,
                    ErrorKind::NotFound,
                    "the store's URL names no database, so a table is named with its own: DATABASE.TABLE",
                )
                .about(name.to_string())
        })
    }
}

fn assemble(tables: &[Line], columns: &[Line], keys: &[Line]) -> Vec<Table> {
    let of = |row: &Line| (row.text("db"), row.text("tbl"));
    let mut by_table: BTreeMap<(String, String), Vec<Column>> = BTreeMap::new();
    for row in columns {
        let extra = row.text("extra").to_uppercase();
        by_table.entry(of(row)).or_default().push(Column {
            name: row.text("name"),
            type_name: row.text("kind"),
            nullable: row.is_set("nullable"),
            has_default: row.is_set("has_default"),
            // DEFAULT_GENERATED marks an expression as a default, not a computed column.
            generation: match () {
                () if extra.contains("VIRTUAL")
                    || extra.contains("STORED GENERATED")
                    || extra.contains("PERSISTENT") =>
                {
                    Generation::Computed
                }
                () if extra.contains("AUTO_INCREMENT") => Generation::Sequence,
                () => Generation::Plain,
            },
        });
    }
    tables
        .iter()
        .map(|row| {
            let (database, name) = of(row);
            let key = keys.iter().find(|key| of(key) == (database.clone(), name.clone()));
            Table {
                columns: by_table.remove(&(database.clone(), name.clone())).unwrap_or_default(),
                identity: key.map_or(RowIdentity::FullRow, |key| {
                    let names = key.raw("names").unwrap_or_default();
                    RowIdentity::Key(names.split('\n').map(crate::stores::sanitise::clean).collect())
                }),
                estimated_rows: row.number("row_estimate"),
                size_bytes: row.number("bytes"),
                name: TableName::in_schema(&database, &name),
            }
        })
        .collect()
}

#[async_trait]
impl Inventory for MysqlStore {
    async fn tables(&self) -> Result<Vec<Table>> {
        let condition = ours("TABLE_SCHEMA", self.connector().address().database.as_deref());
        self.describe(&condition).await
    }

    async fn table(&self, name: &TableName) -> Result<Table> {
        let database = self.database_of(name)?;
        let condition = format!("TABLE_SCHEMA = {} AND TABLE_NAME = {}", literal(&database), literal(&name.name));
        self.describe(&condition).await?.pop().ok_or_else(|| {
            self.connector()
                .error(
                    Operation::Inspect,
                    ErrorKind::NotFound,
                    "there is no such table, or the account has no privilege on it",
                )
                .about(name.to_string())
        })
    }

    async fn has_rows(&self, name: &TableName) -> Result<bool> {
        let connector = self.connector();
        let quote = |part: &str| format!("`{}`", part.replace('`', "``"));
        let sql = format!(
            "SELECT EXISTS (SELECT 1 FROM {}.{} LIMIT 1) AS found",
            quote(&self.database_of(name)?),
            quote(&name.name)
        );
        let mut connection = connector.dedicated(Operation::Inspect).await?;
        let found = lines(&mut connection, connector.limit(), sql).await;
        connector.close(connection).await;
        let found = found.map_err(|error| connector.failed(Operation::Inspect)(error).about(name.to_string()))?;
        Ok(found.first().is_some_and(|row| row.is_set("found")))
    }

    async fn names(&self) -> Result<Vec<TableName>> {
        Ok(self.tables().await?.into_iter().map(|table| table.name).collect())
    }

    async fn others(&self) -> Result<Vec<String>> {
        let why = "Godwit lists only tables of this engine yet";
        Err(self.connector().error(Operation::Inspect, ErrorKind::Unsupported, why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::mysql::line::recorded::line;
    use serde_json::json;

    #[test]
    fn a_table_is_put_together() {
        let table = line(&json!({ "db": "shop", "tbl": "orders", "row_estimate": 12, "bytes": 16384 }));
        let column = |name: &str, extra: &str| {
            line(
                &json!({ "db": "shop", "tbl": "orders", "name": name, "kind": "int(11)", "nullable": "NO", "extra": extra }),
            )
        };
        let columns =
            [column("id", "auto_increment"), column("twice", "VIRTUAL GENERATED"), column("at", "DEFAULT_GENERATED")];
        let key = line(&json!({ "db": "shop", "tbl": "orders", "idx": "PRIMARY", "names": "id\nat" }));
        let [table] = &assemble(&[table], &columns, &[key])[..] else { panic!() };
        assert_eq!(table.name.to_string(), "shop.orders");
        assert_eq!(table.identity, RowIdentity::Key(vec!["id".to_owned(), "at".to_owned()]));
        let generations: Vec<_> = table.columns.iter().map(|column| column.generation).collect();
        assert_eq!(generations, [Generation::Sequence, Generation::Computed, Generation::Plain]);
    }
}
