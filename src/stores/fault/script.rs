//! Which calls fail, wait or are slow.

use crate::model::ids::StoreId;
use crate::stores::Result;
use crate::stores::error::{ErrorKind, Operation, StoreError};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// On which side of the real call a fault lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The real call is not made.
    Before,
    /// The real call takes effect, and then its answer is lost.
    After,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Fail(ErrorKind),
    Hold,
}

/// How far a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Armed,
    Hit,
    Released,
}

#[derive(Debug)]
struct Rule {
    operation: String,
    /// Calls that still pass before it hits.
    remaining: u64,
    when: When,
    fault: Fault,
    stage: watch::Sender<Stage>,
}

#[derive(Debug, Default)]
struct State {
    rules: Vec<Rule>,
    slow: HashMap<String, Duration>,
    calls: HashMap<String, u64>,
}

/// The script of one or more stores; clones share it.
#[derive(Clone, Debug, Default)]
pub struct FaultScript {
    state: Arc<Mutex<State>>,
}

/// One armed fault.
#[derive(Clone, Debug)]
pub struct Armed {
    stage: watch::Sender<Stage>,
}

impl Armed {
    /// Completes when the call was met.
    pub async fn await_hit(&self) {
        let mut stage = self.stage.subscribe();
        // The sender lives in `self`, so the channel cannot close while this waits.
        let _open = stage.wait_for(|stage| *stage != Stage::Armed).await;
    }

    /// True when the call was met.
    pub fn was_hit(&self) -> bool {
        *self.stage.borrow() != Stage::Armed
    }

    /// Lets a held call go on.
    pub fn release(&self) {
        self.stage.send_replace(Stage::Released);
    }
}

impl FaultScript {
    /// A script without faults.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn arm(&self, operation: &str, nth: u64, when: When, fault: Fault) -> Armed {
        let stage = watch::Sender::new(Stage::Armed);
        let remaining = nth.saturating_sub(1);
        let rule = Rule { operation: operation.to_owned(), remaining, when, fault, stage: stage.clone() };
        self.state().rules.push(rule);
        Armed { stage }
    }

    /// The `nth` call from now on (the next is 1) of `operation` fails with `kind`, once.
    pub fn fail(&self, operation: &str, nth: u64, when: When, kind: ErrorKind) -> Armed {
        self.arm(operation, nth, when, Fault::Fail(kind))
    }

    /// The `nth` call from now on waits until it is released.
    pub fn hold(&self, operation: &str, nth: u64, when: When) -> Armed {
        self.arm(operation, nth, when, Fault::Hold)
    }

    /// Every call from now on takes this much longer; zero ends it.
    pub fn slow(&self, operation: &str, delay: Duration) {
        self.state().slow.insert(operation.to_owned(), delay);
    }

    /// Calls of an operation so far.
    pub fn calls(&self, operation: &str) -> u64 {
        self.state().calls.get(operation).copied().unwrap_or(0)
    }

    /// Forgets all faults that have not been met; held calls go on.
    pub fn clear(&self) {
        let mut state = self.state();
        state.slow.clear();
        for rule in state.rules.drain(..) {
            rule.stage.send_replace(Stage::Released);
        }
    }

    /// Makes one call under the script.
    pub(super) async fn pass<T>(
        &self,
        store: &StoreId,
        operation: &str,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let (delay, before, after) = self.enter(operation);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        meet(store, operation, before).await?;
        let answer = call.await?;
        meet(store, operation, after).await?;
        Ok(answer)
    }

    /// Counts the call and takes out the rules that it meets.
    fn enter(&self, operation: &str) -> (Duration, Vec<Rule>, Vec<Rule>) {
        let mut state = self.state();
        *state.calls.entry(operation.to_owned()).or_default() += 1;
        let delay = state.slow.get(operation).copied().unwrap_or_default();
        let (met, rest): (Vec<Rule>, Vec<Rule>) =
            state.rules.drain(..).partition(|rule| rule.operation == operation && rule.remaining == 0);
        state.rules = rest;
        for rule in state.rules.iter_mut().filter(|rule| rule.operation == operation) {
            rule.remaining -= 1;
        }
        let (before, after) = met.into_iter().partition(|rule| rule.when == When::Before);
        (delay, before, after)
    }
}

async fn meet(store: &StoreId, operation: &str, rules: Vec<Rule>) -> Result<()> {
    for rule in rules {
        rule.stage.send_if_modified(|stage| {
            let is_new = *stage == Stage::Armed;
            if is_new {
                *stage = Stage::Hit;
            }
            is_new
        });
        match rule.fault {
            Fault::Fail(kind) => {
                let message = format!("scripted failure of {operation}");
                return Err(StoreError::new(store, operation_of(operation), kind, message));
            }
            Fault::Hold => {
                let mut stage = rule.stage.subscribe();
                // The sender lives in `rule`, so the channel cannot close while this waits.
                let _open = stage.wait_for(|stage| *stage == Stage::Released).await;
            }
        }
    }
    Ok(())
}

/// The operation that the real store would name.
fn operation_of(operation: &str) -> Operation {
    match operation.split_once('.').unwrap_or((operation, "")) {
        ("schema", "script") | ("probe" | "inventory" | "preflight" | "activity" | "access", _) => Operation::Inspect,
        ("schema", _) => Operation::Build,
        ("capture", "stream" | "retention" | "probe_marker") | ("stream", _) => Operation::Capture,
        ("capture", _) => Operation::Prepare,
        ("snapshot" | "reader", _) => Operation::ReadChunk,
        ("target", "loader" | "clear_table" | "remove_duplicates") | ("loader", _) => Operation::LoadChunk,
        ("target", "applier") | ("applier", _) => Operation::Apply,
        ("target", _) => Operation::Checkpoint,
        ("checksum", _) => Operation::Compare,
        ("freeze", "hold") | ("guard", "marker" | "still_held" | "release") => Operation::Freeze,
        ("freeze" | "guard", _) => Operation::Fence,
        ("sequences", _) => Operation::Sequence,
        _ => Operation::Connect,
    }
}
