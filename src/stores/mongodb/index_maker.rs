//! `createIndexes`, which goes on when its client is gone, and which the server itself takes up again after a restart.
//!
//! An index has no place for a note, so who made it is told by the journal: the name was free when the step was about to begin.

use crate::model::index::IndexPart;
use crate::model::index_order::IndexBuild;
use crate::stores::Result;
use crate::stores::error::Operation;
use crate::stores::index_maker::{IndexMaker, Maker, Standing};
use crate::stores::mongodb::fields::inner;
use crate::stores::mongodb::store::MongoStore;
use crate::stores::mongodb::watch::Reader;
use crate::stores::sanitise::clean;
use async_trait::async_trait;
use mongodb::Client;
use mongodb::bson::{Document, doc};
use mongodb::error::Error;
use std::time::Duration;

/// Index of the server's list that is not there: it was dropped meanwhile.
const INDEX_NOT_FOUND: i32 = 27;

/// Database and collection of a namespace.
fn place(table: &str) -> (&str, &str) {
    table.split_once('.').unwrap_or(("test", table))
}

fn keys(parts: &[IndexPart]) -> Document {
    parts.iter().map(|part| (part.term.clone(), (if part.descending { -1 } else { 1 }).into())).collect()
}

fn command(build: &IndexBuild) -> Document {
    let mut index = doc! { "key": keys(&build.parts), "name": &build.name };
    if build.unique {
        index.insert("unique", true);
    }
    doc! { "createIndexes": place(&build.table).1, "indexes": [index] }
}

/// An entry of `listIndexes`: one that is being built is wrapped.
fn standing(entry: &Document, build: &IndexBuild) -> Option<Standing> {
    let spec = inner(entry, "spec").unwrap_or(entry);
    if spec.get_str("name").ok()? != build.name {
        return None;
    }
    let being_built = inner(entry, "spec").is_some();
    let columns =
        inner(spec, "key").map(|keys| keys.keys().map(|name| Some(clean(name))).collect()).unwrap_or_default();
    Some(Standing { on_table: true, valid: !being_built, being_built, columns, maker: Maker::Untold })
}

impl MongoStore {
    async fn standing_of(&self, client: &Client, build: &IndexBuild) -> std::result::Result<Option<Standing>, Error> {
        let (database, collection) = place(&build.table);
        let mut reader = Reader::acting(client.clone(), self.connector().command_limit());
        let listed = reader.all(database, doc! { "listIndexes": collection, "includeBuildUUIDs": true }).await?;
        Ok(listed.iter().find_map(|entry| standing(entry, build)))
    }
}

#[async_trait]
impl IndexMaker for MongoStore {
    fn index_statements(&self, build: &IndexBuild, _maker: &str) -> (Vec<String>, Vec<String>) {
        (vec![build.statement.clone()], vec![build.undo.clone()])
    }

    async fn index_standing(&self, build: &IndexBuild, _maker: &str) -> Result<Option<Standing>> {
        let client = self.connector().acting().await?;
        let standing = self.standing_of(&client, build).await;
        client.shutdown().immediate(true).await;
        standing.map_err(self.connector().failed(Operation::Inspect))
    }

    async fn make_index(&self, build: &IndexBuild, _maker: &str, _patience: Option<Duration>) -> Result<()> {
        let client = self.connector().acting().await?;
        // No time-out: `maxTimeMS` would take a build back that is nearly done.
        let built = client.database(place(&build.table).0).run_command(command(build)).await;
        client.shutdown().immediate(true).await;
        built.map(|_| ()).map_err(self.connector().failed(Operation::Build))
    }

    async fn unmake_index(&self, build: &IndexBuild, _maker: &str, _patience: Option<Duration>) -> Result<()> {
        let client = self.connector().acting().await?;
        let (database, collection) = place(&build.table);
        let outcome = async {
            if self.standing_of(&client, build).await?.is_none() {
                return Ok(());
            }
            // Ends a build that is under way, too.
            let drop = doc! { "dropIndexes": collection, "index": &build.name };
            match client.database(database).run_command(drop).await {
                Err(error) if super::error::code_of(&error) == Some(INDEX_NOT_FOUND) => Ok(()),
                outcome => outcome.map(|_| ()),
            }
        };
        let outcome = outcome.await;
        client.shutdown().immediate(true).await;
        outcome.map_err(self.connector().failed(Operation::Build))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build() -> IndexBuild {
        let part = |term: &str, descending| IndexPart {
            term: term.to_owned(),
            is_expression: false,
            operator_class: String::new(),
            collation: String::new(),
            descending,
            nulls_first: false,
            prefix: None,
        };
        IndexBuild {
            table: "shop.orders.old".to_owned(),
            name: "orders_idx".to_owned(),
            parts: vec![part("customer.id", false), part("placed", true)],
            unique: false,
            statement: String::new(),
            undo: String::new(),
        }
    }

    #[test]
    fn the_command_has_the_keys_in_their_order() {
        assert_eq!(
            command(&build()),
            doc! { "createIndexes": "orders.old", "indexes": [{ "key": { "customer.id": 1, "placed": -1 }, "name": "orders_idx" }] }
        );
    }

    #[test]
    fn a_build_under_way_is_told_from_a_finished_one() {
        let spec = doc! { "v": 2, "key": { "customer.id": 1, "placed": -1 }, "name": "orders_idx" };
        let done = standing(&spec, &build()).unwrap();
        assert!(done.valid && !done.being_built && done.fits(&build()));
        let going = standing(&doc! { "spec": spec, "buildUUID": "x" }, &build()).unwrap();
        assert!(!going.valid && going.being_built && going.fits(&build()));
        assert_eq!(standing(&doc! { "name": "_id_", "key": { "_id": 1 } }, &build()), None);
    }
}
