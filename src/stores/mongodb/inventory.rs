//! What there is to watch: collections of user databases.

use crate::model::table::{RowIdentity, Table, TableName};
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::mongodb::connect::Connector;
use crate::stores::mongodb::fields::{count, inner, list, text};
use crate::stores::mongodb::store::MongoStore;
use crate::stores::mongodb::watch::{Reader, is_internal};
use crate::stores::{Inventory, Result};
use async_trait::async_trait;
use mongodb::bson::{Document, doc};
use mongodb::error::Error;

/// User databases: the one that the URL names, or all.
///
/// # Errors
/// The driver's.
pub async fn databases(reader: &mut Reader, connector: &Connector) -> std::result::Result<Vec<String>, Error> {
    if let Some(database) = connector.database() {
        return Ok(vec![database.to_owned()]);
    }
    let all = reader.run("admin", doc! { "listDatabases": 1, "nameOnly": true }).await?;
    Ok(list(&all, "databases").map(|database| text(database, "name")).filter(|name| !is_internal(name)).collect())
}

/// Ordinary collections of a database, by name: no views, no system collections.
///
/// # Errors
/// The driver's.
pub async fn collections(reader: &mut Reader, database: &str) -> std::result::Result<Vec<String>, Error> {
    let all = reader.all(database, doc! { "listCollections": 1, "nameOnly": true }).await?;
    let is_ordinary = |c: &&Document| matches!(c.get_str("type"), Ok("collection" | "timeseries") | Err(_));
    // The name goes back to the server, so it is kept as it is; what is shown is cleaned where it is shown.
    let mut names: Vec<String> =
        all.iter().filter(is_ordinary).filter_map(|c| Some(c.get_str("name").ok()?.to_owned())).collect();
    names.retain(|name| !name.starts_with("system."));
    names.sort();
    Ok(names)
}

/// `$collStats` of one collection with one kind of statistics.
pub fn collection_statistics(collection: &str, statistics: Document) -> Document {
    doc! { "aggregate": collection, "pipeline": [{ "$collStats": statistics }], "cursor": {} }
}

async fn table(reader: &mut Reader, database: &str, collection: &str) -> std::result::Result<Table, Error> {
    let command = collection_statistics(collection, doc! { "storageStats": {} });
    let read = reader.all(database, command).await;
    let storage = match &read {
        Ok(read) => read.first().and_then(|first| inner(first, "storageStats")),
        // Without the right the collection is still there.
        Err(_) => None,
    };
    Ok(Table {
        name: TableName::in_schema(
            &crate::stores::sanitise::clean(database),
            &crate::stores::sanitise::clean(collection),
        ),
        columns: Vec::new(),
        identity: RowIdentity::Key(vec!["_id".to_owned()]),
        estimated_rows: storage.and_then(|storage| count(storage, "count")),
        size_bytes: storage.and_then(|storage| count(storage, "storageSize")),
    })
}

#[async_trait]
impl Inventory for MongoStore {
    async fn tables(&self) -> Result<Vec<Table>> {
        let connector = self.connector();
        let read = self.watch().look(async |reader| {
            let mut tables = Vec::new();
            for database in databases(reader, connector).await? {
                for collection in collections(reader, &database).await? {
                    tables.push(table(reader, &database, &collection).await?);
                }
            }
            Ok(tables)
        });
        Ok(read.await?.value)
    }

    async fn table(&self, name: &TableName) -> Result<Table> {
        let found = self.tables().await?.into_iter().find(|table| table.name == *name);
        found.ok_or_else(|| {
            self.connector().error(Operation::Inspect, ErrorKind::NotFound, format!("no collection {name}"))
        })
    }

    async fn has_rows(&self, name: &TableName) -> Result<bool> {
        let table = Inventory::table(self, name).await?;
        table.estimated_rows.map(|rows| rows > 0).ok_or_else(|| {
            let why = format!("the account may not read how many documents {name} has");
            self.connector().error(Operation::Inspect, ErrorKind::Denied, why)
        })
    }

    async fn names(&self) -> Result<Vec<TableName>> {
        Ok(self.tables().await?.into_iter().map(|table| table.name).collect())
    }

    async fn others(&self) -> Result<Vec<String>> {
        let why = "Godwit lists only collections of this engine yet";
        Err(self.connector().error(Operation::Inspect, ErrorKind::Unsupported, why))
    }
}
