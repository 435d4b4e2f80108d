//! An operator that needs no keyboard: looks where a phase stands, decides, and waits for what comes of it. Every wait is bounded, and
//! one that expires says where things stand.

use crate::cli::demo::stage::Reviver;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::history;
use crate::cli::output::Output;
use crate::cli::session::{Session, Update};
use crate::model::command::{Action, Answer, Command};
use crate::model::event::Entry;
use crate::model::fold::PhaseRecord;
use crate::model::ids::{PhaseId, PipelineId, Seq};
use crate::model::lag::Reading;
use crate::model::phase::PhaseStatus;
use crate::model::plan::Direction;
use crate::model::reason::FailurePolicy;
use crate::report;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// Longest time during which the engine may go on refusing a command (gates may be red for a moment).
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause before a refused command is asked again.
const REFUSED_PAUSE: Duration = Duration::from_millis(300);
/// Longest time between an accepted command and the row that it causes; then it is asked again.
const ECHO_TIMEOUT: Duration = Duration::from_secs(5);
/// The same by the clock of the journal.
const ECHO_AGE: TimeDelta = TimeDelta::seconds(5);

/// The driver.
pub struct Driver {
    /// The engine as it is seen.
    pub session: Session,
    out: Output,
    began: DateTime<Utc>,
    /// Starts the engine again when it was killed; `None`: an engine that goes away is the end of the demo.
    reviver: Option<Reviver>,
}

/// What to do about a phase, seeing where it stands.
enum Decision {
    /// It is where it is meant to be.
    Done,
    /// Something is on its way.
    Wait,
    /// Ask for this.
    Ask(Action),
    /// Fetch the plan of the way back, and ask for that.
    TakeBack,
    /// It will not get there.
    Fail(Failure),
}

/// A command that was accepted and whose effect has not been seen yet.
struct Asked {
    seen: Seq,
    until: Instant,
}

impl Driver {
    /// Takes a session over; rows that were read already are not printed.
    pub fn new(session: Session, out: Output, began: DateTime<Utc>, reviver: Option<Reviver>) -> Self {
        Self { session, out, began, reviver }
    }

    /// Receives one thing and prints what happened, one line an event. False when the deadline came first.
    async fn advance(&mut self, deadline: Instant) -> Result<bool, Failure> {
        match tokio::time::timeout_at(deadline, self.session.next()).await {
            Err(_) => return Ok(false),
            Ok(Ok(Update::Entries(entries))) => self.print(&entries)?,
            Ok(Ok(Update::Samples | Update::View(_))) => {}
            Ok(Err(failure)) => self.recover(failure).await?,
        }
        Ok(true)
    }

    fn print(&self, entries: &[Entry]) -> Result<(), Failure> {
        for entry in entries {
            let seconds = (entry.at - self.began).num_milliseconds() as f64 / 1000.0;
            let (subject, sentence) = (report::event::subject(entry), report::event::sentence(entry));
            self.out.text(&format!("{seconds:>7.2} s  {subject:<10}  {sentence}"))?;
        }
        Ok(())
    }

    /// Starts a killed engine again and catches up; any other failure is the end.
    async fn recover(&mut self, failure: Failure) -> Result<(), Failure> {
        let lost = matches!(failure.exit, Exit::ConnectionLost | Exit::NoEngine);
        let Some(reviver) = self.reviver.as_ref().filter(|_| lost) else { return Err(failure) };
        self.out.text("demo: the engine is gone; starting it again")?;
        let seen = self.session.migration.head;
        self.session = reviver.revive().await?;
        let missed = history::entries(&reviver.chosen, seen).await?;
        let head = self.session.migration.head;
        let missed: Vec<Entry> = missed.into_iter().filter(|entry| entry.seq <= head).collect();
        self.print(&missed)
    }

    /// Lets time pass while the applications work.
    ///
    /// # Errors
    /// A lost connection.
    pub async fn dwell(&mut self, time: Duration) -> Result<(), Failure> {
        let deadline = Instant::now() + time;
        while self.advance(deadline).await? {}
        Ok(())
    }

    /// Sends a command on what is seen now. `None` when the engine went away meanwhile: what came of it shows in the journal.
    async fn ask(&mut self, action: Action) -> Result<Option<Answer>, Failure> {
        let command = Command {
            expected_seq: Some(self.session.migration.head),
            confirm: action.phase().map(ToString::to_string),
            action,
        };
        match self.session.ask(command).await {
            Ok(answer) => Ok(Some(answer)),
            Err(failure) => {
                self.recover(failure).await?;
                Ok(None)
            }
        }
    }

    /// Carries a decision out; the engine's refusal if it refuses.
    async fn carry_out(&mut self, id: &PhaseId, decision: Decision) -> Result<Option<String>, Failure> {
        let action = match decision {
            Decision::Ask(action) => action,
            Decision::TakeBack => {
                let question = Action::Plan { phase: id.clone(), direction: Direction::Rollback };
                match self.ask(question).await? {
                    Some(Answer::Planned { plan, .. }) => Action::Rollback { phase: id.clone(), plan: plan.hash },
                    Some(Answer::Rejected { why }) => return Ok(Some(why)),
                    Some(Answer::Accepted { .. } | Answer::Checked { .. } | Answer::Ending { .. }) | None => {
                        return Ok(None);
                    }
                }
            }
            Decision::Done | Decision::Wait | Decision::Fail(_) => return Ok(None),
        };
        match self.ask(action).await? {
            Some(Answer::Rejected { why }) => Ok(Some(why)),
            Some(Answer::Accepted { .. } | Answer::Planned { .. } | Answer::Checked { .. } | Answer::Ending { .. })
            | None => Ok(None),
        }
    }

    /// Brings a phase to where `decide` says that it is done.
    async fn drive(
        &mut self,
        id: &PhaseId,
        limit: Duration,
        decide: impl Fn(&PhaseRecord) -> Decision,
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + limit;
        let mut asked: Option<Asked> = None;
        let mut refused_since: Option<Instant> = None;
        loop {
            let Some(record) = self.session.migration.phase(id) else {
                return Err(Failure::new(Exit::Profile, format!("the ladder has no phase {id}")));
            };
            let seen = record.changed_seq;
            if asked.as_ref().is_some_and(|a| a.seen == seen && Instant::now() < a.until) {
                let until = asked.as_ref().map_or(deadline, |a| a.until.min(deadline));
                self.advance(until).await?;
                continue;
            }
            asked = None;
            match decide(record) {
                Decision::Done => return Ok(()),
                Decision::Fail(failure) => return Err(failure),
                Decision::Wait => {
                    if !self.advance(deadline).await? {
                        return Err(self.expired(&format!("the phase {id}"), limit));
                    }
                }
                decision @ (Decision::Ask(_) | Decision::TakeBack) => match self.carry_out(id, decision).await? {
                    None => {
                        refused_since = None;
                        asked = Some(Asked { seen, until: Instant::now() + ECHO_TIMEOUT });
                    }
                    Some(why) => {
                        let since = *refused_since.get_or_insert_with(Instant::now);
                        if since.elapsed() > REFUSAL_TIMEOUT {
                            return Err(Failure::new(Exit::Rejected, format!("the engine refuses {id}: {why}")));
                        }
                        self.dwell(REFUSED_PAUSE).await?;
                    }
                },
            }
            if Instant::now() >= deadline {
                return Err(self.expired(&format!("the phase {id}"), limit));
            }
        }
    }

    /// Asks for a phase, approves its plan, and waits until it is finished.
    ///
    /// # Errors
    /// When it fails, is refused, or does not end in time.
    pub async fn carry_through(&mut self, id: &PhaseId, limit: Duration) -> Result<(), Failure> {
        let revives = self.reviver.is_some();
        // A phase that stands as rolled back before it was asked for may be asked for; afterwards it was taken back.
        let before = self.session.migration.phase(id).map_or(Seq(0), |record| record.changed_seq);
        self.drive(id, limit, |record| match &record.status {
            PhaseStatus::Succeeded | PhaseStatus::Skipped { .. } => Decision::Done,
            PhaseStatus::RolledBack if record.changed_seq > before && !revives => {
                Decision::Fail(ended(record, "was taken back"))
            }
            PhaseStatus::Ready | PhaseStatus::Blocked { .. } | PhaseStatus::RolledBack => {
                Decision::Ask(Action::Run { phase: id.clone() })
            }
            // An approval that was given starts the phase; one that does not (its engine was killed) is given again.
            PhaseStatus::AwaitingApproval { approvals, .. }
                if !approvals.is_empty() && Utc::now() - record.changed_at < ECHO_AGE =>
            {
                Decision::Wait
            }
            PhaseStatus::AwaitingApproval { plan, .. } => {
                Decision::Ask(Action::Approve { phase: id.clone(), plan: plan.clone() })
            }
            // What a killed engine left half-done is tried again, as an operator would.
            PhaseStatus::Failed { policy: FailurePolicy::RollBack, .. } if revives => Decision::TakeBack,
            PhaseStatus::Failed { .. } if revives => Decision::Ask(Action::Retry { phase: id.clone() }),
            PhaseStatus::Failed { reason, .. } => Decision::Fail(ended(record, &format!("failed: {reason}"))),
            PhaseStatus::Stuck { .. } if revives => Decision::TakeBack,
            PhaseStatus::Stuck { reason } => Decision::Fail(ended(record, &format!("is stuck: {reason}"))),
            PhaseStatus::Pending
            | PhaseStatus::Running
            | PhaseStatus::Pausing
            | PhaseStatus::Paused
            | PhaseStatus::Resuming
            | PhaseStatus::RollingBack => Decision::Wait,
        })
        .await
    }

    /// Takes a phase back by its printed plan.
    ///
    /// # Errors
    /// When that fails, is refused, or does not end in time.
    pub async fn roll_back(&mut self, id: &PhaseId, limit: Duration) -> Result<(), Failure> {
        let revives = self.reviver.is_some();
        self.drive(id, limit, |record| match &record.status {
            PhaseStatus::RolledBack => Decision::Done,
            PhaseStatus::Succeeded => Decision::TakeBack,
            PhaseStatus::Failed { .. } | PhaseStatus::Stuck { .. } if revives => Decision::TakeBack,
            PhaseStatus::Failed { reason, .. } => Decision::Fail(ended(record, &format!("failed: {reason}"))),
            PhaseStatus::Stuck { reason } => Decision::Fail(ended(record, &format!("is stuck: {reason}"))),
            _ => Decision::Wait,
        })
        .await
    }

    /// Waits until every pipeline has carried over all that was written before `since`: nothing writes any more.
    ///
    /// # Errors
    /// When one does not drain in time.
    pub async fn drain(&mut self, since: DateTime<Utc>, limit: Duration) -> Result<(), Failure> {
        let deadline = Instant::now() + limit;
        let mut waiting: BTreeSet<PipelineId> =
            self.session.migration.declared.iter().map(|pipeline| pipeline.id.clone()).collect();
        loop {
            if let Some(samples) = &self.session.samples {
                // A distance of nothing, read after the last write, stays nothing.
                waiting.retain(|id| {
                    samples
                        .pipelines
                        .get(id)
                        .is_none_or(|sample| sample.lag.at <= since || sample.lag.distance != Reading::Known(0))
                });
            }
            if waiting.is_empty() {
                return Ok(());
            }
            if !self.advance(deadline).await? {
                return Err(self.expired("the pipelines to drain", limit));
            }
        }
    }

    fn expired(&self, what: &str, limit: Duration) -> Failure {
        let stands = report::status::status(&self.session.migration, self.session.samples.as_ref(), true);
        Failure::new(
            Exit::TimedOut,
            format!("waited {} s for {what} in vain; things stand so:\n{}", limit.as_secs(), stands.text()),
        )
    }
}

fn ended(record: &PhaseRecord, how: &str) -> Failure {
    Failure::new(Exit::PhaseFailed, format!("the phase {} {how}", record.id))
}
