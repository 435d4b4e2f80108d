//! Pacing: named reasons for going slower, with knobs that an operator can turn while it runs.

use crate::pipelines::copier::status::CopierStatus;
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

/// The knobs. `None`: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Knobs {
    /// Rows a second over all readers.
    pub rows_per_second: Option<u64>,
    /// Parallel readers.
    pub workers: Option<usize>,
    /// Reading waits while the load average per core of this machine is above this. Only meaningful for a source on this machine; the profile's validation says so.
    pub source_load: Option<f64>,
    /// Verification waits while the pipeline's lag is above this.
    pub target_lag: Option<Duration>,
}

/// Slows readers down.
#[derive(Debug)]
pub struct Pacer {
    knobs: watch::Receiver<Knobs>,
    status: CopierStatus,
    next_free: Mutex<Instant>,
}

/// How long a paced reader waits before it looks at the reason again.
const RECHECK: Duration = Duration::from_millis(200);

impl Pacer {
    /// A pacer that follows the knobs.
    pub fn new(knobs: watch::Receiver<Knobs>, status: CopierStatus) -> Self {
        Self { knobs, status, next_free: Mutex::new(Instant::now()) }
    }

    /// The knobs now.
    pub fn knobs(&self) -> Knobs {
        *self.knobs.borrow()
    }

    /// Waits until reading may go on; shows why it waits.
    pub async fn admit(&self) {
        let mut shown = false;
        while let Some(reason) = self.load_reason() {
            shown = true;
            self.status.update(|s| s.throttled_by = vec![reason]);
            tokio::time::sleep(RECHECK).await;
        }
        if shown {
            self.status.update(|s| s.throttled_by.clear());
        }
    }

    /// Accounts for rows that were read; waits as long as the rate asks. Slots are handed out in order, so that the
    /// limit holds over all readers together.
    pub async fn spend(&self, rows: u64) {
        let Some(rate) = self.knobs().rows_per_second.filter(|&r| r > 0) else { return };
        let cost = Duration::from_secs_f64(rows as f64 / rate as f64);
        let until = {
            let mut next_free = self.next_free.lock().await;
            let start = (*next_free).max(Instant::now());
            *next_free = start + cost;
            *next_free
        };
        self.status.update(|s| s.throttled_by = vec![format!("rate limit: {rate} rows/s (knob rows_per_second)")]);
        // A knob that is turned while we wait must not find us asleep for the old limit's time.
        let mut knobs = self.knobs.clone();
        let turned = tokio::select! {
            () = tokio::time::sleep_until(until) => false,
            turned = knobs.wait_for(|k| k.rows_per_second != Some(rate)) => turned.is_ok(),
        };
        if turned {
            *self.next_free.lock().await = Instant::now();
        }
        self.status.update(|s| s.throttled_by.clear());
    }

    fn load_reason(&self) -> Option<String> {
        let limit = self.knobs().source_load?;
        let load = load_per_core()?;
        (load > limit).then(|| format!("source load: {load:.2} per core is above {limit:.2} (knob source_load)"))
    }
}

/// One-minute load average per core of this machine; `None` where it cannot be read.
fn load_per_core() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    let load: f64 = text.split_whitespace().next()?.parse().ok()?;
    let cores = std::thread::available_parallelism().ok()?.get();
    Some(load / cores as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_rate_holds_over_all_readers_and_follows_the_knob() {
        let (turn, knobs) = watch::channel(Knobs { rows_per_second: Some(100), ..Knobs::default() });
        let pacer = Pacer::new(knobs, CopierStatus::default());
        let begin = Instant::now();
        tokio::join!(pacer.spend(100), pacer.spend(100));
        assert_eq!(begin.elapsed().as_secs(), 2);
        let slow = pacer.spend(100_000);
        tokio::pin!(slow);
        tokio::select! { () = &mut slow => panic!("not limited"), () = tokio::time::sleep(Duration::from_secs(5)) => {} }
        turn.send_replace(Knobs::default());
        slow.await;
        assert!(begin.elapsed() < Duration::from_secs(10), "the old limit's time must not be slept out");
    }
}
