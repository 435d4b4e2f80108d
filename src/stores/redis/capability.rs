//! Server facts: version, identity, clock.

use crate::stores::redis::store::RedisStore;
use crate::stores::{Probe, Result, ServerFacts};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use std::time::Instant;

#[async_trait]
impl Probe for RedisStore {
    async fn facts(&self) -> Result<ServerFacts> {
        let connector = self.connector();
        let address = connector.address();
        let read = self
            .watch()
            .look(async |reader| {
                let (before, started) = (Utc::now(), Instant::now());
                let info = reader.info(&["server"]).await?;
                let halfway = before + started.elapsed() / 2;
                let server = info.signed("server_time_usec").and_then(DateTime::from_timestamp_micros);
                Ok((info.version(), server.map_or(0, |server| (server - halfway).num_milliseconds())))
            })
            .await?;
        let (version, clock_difference_ms) = read.value;
        // Not proof against two names for one server, and it says so; the same address always gives the same text.
        let identity = format!("address {address} (the server has no identity that survives a restart)");
        Ok(ServerFacts { version, identity, clock_difference_ms })
    }
}
