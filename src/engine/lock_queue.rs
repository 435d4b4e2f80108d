//! The lock-queue forecast of a table, by one look at its store's sessions.

use crate::advice::dialect::Dialect;
use crate::advice::indexes::lock_queue::{forecast, unknown};
use crate::model::lock_queue::LockQueue;
use crate::stores::StoreRef;
use std::time::Duration;

/// Longest wait for the sessions: a forecast is no reason to hold anything up.
const LONGEST: Duration = Duration::from_secs(8);

/// Reads and forecasts. Never fails: what cannot be read is said in it.
pub async fn read(store: &StoreRef, table: &str) -> LockQueue {
    // Every engine that makes indexes has a language of its own; the others get the bounds of one that blocks writers.
    let dialect = Dialect::of_engine(store.engine()).unwrap_or(Dialect::Sqlite);
    let no = |why: String| unknown(dialect, store.id(), table, why);
    let Some(sessions) = store.sessions() else {
        return no(format!("{} shows no sessions", store.engine()));
    };
    match tokio::time::timeout(LONGEST, sessions.activity()).await {
        Ok(Ok(read)) => {
            let mut queue = forecast(dialect, store.id(), table, &read.value, read.at);
            // What could not be seen may hold the table all the same.
            queue
                .warnings
                .extend(read.missing.iter().map(|missing| format!("not seen: {}: {}", missing.what, missing.why)));
            queue
        }
        Ok(Err(error)) => no(error.to_string()),
        Err(_) => no(format!("no answer within {} s", LONGEST.as_secs())),
    }
}
