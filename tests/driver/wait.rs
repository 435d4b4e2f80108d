//! Waiting for a state, and saying why it does not come.

use std::time::Duration;

/// Longest wait for anything; only a hang reaches it.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// Asks again until it holds; the last sentence is the failure's.
pub async fn poll(what: &str, mut holds: impl AsyncFnMut() -> Result<(), String>) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    while let Err(why) = holds().await {
        assert!(tokio::time::Instant::now() < deadline, "{what}: {why}");
        pace.tick().await;
    }
}
