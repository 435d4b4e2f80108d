//! Waiting for a state, instead of sleeping and hoping.

use std::panic::Location;
use std::time::{Duration, Instant};

/// Asks until the condition holds. Panics, naming the caller, when it still does not after `deadline`.
#[track_caller]
pub fn wait_until<C, F>(deadline: Duration, mut condition: C) -> impl Future<Output = ()>
where
    C: FnMut() -> F,
    F: Future<Output = bool>,
{
    let caller = Location::caller();
    async move {
        let end = Instant::now() + deadline;
        let mut pause = Duration::from_millis(5);
        while !condition().await {
            assert!(Instant::now() < end, "the condition at {caller} did not hold within {deadline:?}");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::wait_until;
    use std::cell::Cell;
    use std::time::Duration;

    #[tokio::test]
    async fn asks_until_it_holds() {
        let asked = Cell::new(0);
        wait_until(Duration::from_secs(10), || async {
            asked.set(asked.get() + 1);
            asked.get() == 3
        })
        .await;
        assert_eq!(asked.get(), 3);
    }

    #[tokio::test]
    #[should_panic(expected = "wait.rs")]
    async fn names_the_place_of_a_condition_that_never_holds() {
        wait_until(Duration::ZERO, || async { false }).await;
    }
}
