//! Each server in turn stops answering, as a machine that swaps does: the connection stays, and nothing comes.

use super::scene::{STORES, Scene, Watcher};
use crate::lab::Lab;
use chrono::Utc;
use std::collections::BTreeMap;

/// Readings of each other store that must come while one is frozen: more than what was already under way.
const GOES_ON: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, MariaDB, MySQL, MongoDB, Redis, Valkey: run tests/run"]
async fn a_frozen_server_delays_no_store_of_any_engine() {
    let lab = Lab::private(&STORES.map(|(_, server)| server));
    let urls = STORES.map(|(store, server)| (store, lab.url(server)));
    let scene = Scene::new(lab, &urls).await;
    let mut engine = scene.engine();
    let mut watcher = Watcher::new(&scene).await;
    watcher.until("all are read", |seen| STORES.iter().all(|(store, _)| seen.read_at(store).is_some())).await;
    for (sick, server) in STORES {
        scene.lab.server("pause", server);
        let frozen_at = Utc::now();
        watcher.until(&format!("{sick} is told to be silent"), |seen| !seen.problem(sick).is_empty()).await;
        let last = watcher.read_at(sick).unwrap();
        let told = watcher.problem(sick).to_owned();
        assert!(
            ["no answer", "timed out", "did not answer", "within"].iter().any(|word| told.contains(word)),
            "{told}"
        );
        // The others are read on, at their own pace, while the sick one keeps what was last read with its time.
        let mut readings: BTreeMap<&str, Vec<chrono::DateTime<Utc>>> = BTreeMap::new();
        watcher
            .until("the others are read on", |seen| {
                let others = STORES.iter().map(|(store, _)| *store).filter(|store| *store != sick);
                for store in others.clone() {
                    assert_eq!(seen.problem(store), "", "{sick} is frozen");
                    let times = readings.entry(store).or_default();
                    let at = seen.read_at(store).unwrap();
                    if !times.contains(&at) {
                        times.push(at);
                    }
                }
                others.clone().all(|store| readings.get(store).is_some_and(|times| times.len() > GOES_ON))
            })
            .await;
        assert_eq!(watcher.read_at(sick), Some(last), "{sick}");
        assert!(last <= frozen_at + chrono::Duration::milliseconds(500), "{sick} was read after it froze");
        // Back-off: it is asked again, not more often than its pause, and the pause has an end.
        let line = watcher.cost.get(&(sick.to_owned(), "activity".to_owned())).unwrap();
        assert!(line.failures >= 1, "{line:?}");
        scene.lab.server("continue", server);
        watcher.until(&format!("{sick} is read again"), |seen| seen.problem(sick).is_empty()).await;
        assert!(watcher.read_at(sick) > Some(last), "{sick}");
    }
    let down = scene.godwit(&["down", "--yes"]).await;
    assert!(down.status.success(), "{down:?}");
    assert!(engine.wait().await.unwrap().success());
}
