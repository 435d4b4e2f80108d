//! Server facts: version, identity, clock.

use crate::stores::redis::store::RedisStore;
use crate::stores::{Probe, Result, ServerFacts};
use async_trait::async_trait;
use chrono::DateTime;

#[async_trait]
impl Probe for RedisStore {
    async fn facts(&self) -> Result<ServerFacts> {
        let connector = self.connector();
        let address = connector.address();
        let read = self
            .watch()
            .look(async |reader| {
                let info = reader.info(&["server"]).await?;
                reader.hear().await?;
                // Both clocks as they were when the server told its own: clocks drift by less than that in the minute that it is kept.
                let server = info.signed("server_time_usec").and_then(DateTime::from_timestamp_micros);
                let difference = server.zip(reader.given_at("server")).map(|(server, ours)| server - ours);
                Ok((info.version(), difference.map_or(0, |difference| difference.num_milliseconds())))
            })
            .await?;
        let (version, clock_difference_ms) = read.value;
        // Not proof against two names for one server, and it says so; the same address always gives the same text.
        let identity = format!("address {address} (the server has no identity that survives a restart)");
        Ok(ServerFacts { version, identity, clock_difference_ms })
    }
}
