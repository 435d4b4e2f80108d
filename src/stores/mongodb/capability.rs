//! Server facts: version, identity, clock.

use crate::stores::mongodb::fields::{inner, text, time};
use crate::stores::mongodb::store::MongoStore;
use crate::stores::{Probe, Result, ServerFacts};
use async_trait::async_trait;
use chrono::Utc;
use mongodb::bson::doc;
use std::time::Instant;

#[async_trait]
impl Probe for MongoStore {
    async fn facts(&self) -> Result<ServerFacts> {
        let connector = self.connector();
        let address = connector.address();
        let read = self
            .watch()
            .look(async |reader| {
                let build = reader.run("admin", doc! { "buildInfo": 1 }).await?;
                let (before, started) = (Utc::now(), Instant::now());
                let (hello, _) = reader.hello().await?;
                let halfway = before + started.elapsed() / 2;
                let difference = time(&hello, "localTime").map_or(0, |server| (server - halfway).num_milliseconds());
                // The set's number survives restarts and elections; it is not there without a set, or without the right.
                let set = reader.run("admin", doc! { "replSetGetConfig": 1 }).await.ok();
                let set = set.as_ref().and_then(|read| inner(inner(read, "config")?, "settings"));
                let set = set.and_then(|settings| settings.get_object_id("replicaSetId").ok()).map(|id| id.to_hex());
                Ok((text(&build, "version"), text(&hello, "setName"), text(&hello, "me"), set, difference))
            })
            .await?;
        let (version, name, me, set, clock_difference_ms) = read.value;
        let database = connector.database().unwrap_or("*");
        let identity = match set {
            Some(set) => format!("replica set {name} {set} database {database}"),
            None if !me.is_empty() => {
                format!("replica set {name} member {me} database {database} (the set's number is not readable)")
            }
            // Not proof against two names for one server, and it says so; the same address always gives the same text.
            None => format!("address {address} database {database} (a server without replica set has no identity)"),
        };
        Ok(ServerFacts { version, identity, clock_difference_ms })
    }
}
