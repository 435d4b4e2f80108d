//! What there is to watch: the numbered databases that hold keys.

use crate::model::table::{RowIdentity, Table, TableName};
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::redis::info::{Info, parts};
use crate::stores::redis::store::RedisStore;
use crate::stores::{Inventory, Result};
use async_trait::async_trait;

fn tables_of(keyspace: &Info) -> Vec<Table> {
    let databases = keyspace.with_prefix("db").filter(|(number, _)| number.parse::<u32>().is_ok());
    let table = |(number, counts): (&str, &str)| Table {
        name: TableName::bare(&format!("db{number}")),
        columns: Vec::new(),
        identity: RowIdentity::Key(vec!["key".to_owned()]),
        estimated_rows: parts(counts).get("keys").and_then(|keys| keys.parse().ok()),
        size_bytes: None,
    };
    databases.map(table).collect()
}

#[async_trait]
impl Inventory for RedisStore {
    async fn tables(&self) -> Result<Vec<Table>> {
        let keyspace = self.watch().look(async |reader| reader.info(&["keyspace"]).await).await?;
        Ok(tables_of(&keyspace.value))
    }

    async fn table(&self, name: &TableName) -> Result<Table> {
        let found = self.tables().await?.into_iter().find(|table| table.name == *name);
        found.ok_or_else(|| {
            self.connector().error(Operation::Inspect, ErrorKind::NotFound, format!("no keys in {name}"))
        })
    }

    async fn has_rows(&self, name: &TableName) -> Result<bool> {
        Ok(self.tables().await?.iter().any(|table| table.name == *name && table.estimated_rows != Some(0)))
    }

    async fn names(&self) -> Result<Vec<TableName>> {
        Ok(self.tables().await?.into_iter().map(|table| table.name).collect())
    }

    async fn others(&self) -> Result<Vec<String>> {
        let why = "Godwit lists only databases of this engine yet";
        Err(self.connector().error(Operation::Inspect, ErrorKind::Unsupported, why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_database_with_keys_is_a_table() {
        let info = Info::parse("# Keyspace\r\ndb0:keys=2,expires=0,avg_ttl=0\r\ndb12:keys=7,expires=1,avg_ttl=9\r\n");
        let tables = tables_of(&info);
        let seen: Vec<_> = tables.iter().map(|table| (table.name.to_string(), table.estimated_rows)).collect();
        assert_eq!(seen, [("db0".to_owned(), Some(2)), ("db12".to_owned(), Some(7))]);
    }
}
