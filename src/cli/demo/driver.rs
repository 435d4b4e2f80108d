//! An operator that needs no keyboard: asks for phases, approves their plans, waits for their ends. Every wait is bounded, and one that
//! expires says where things stand.

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::session::{Session, Update};
use crate::model::command::{Action, Answer, Command};
use crate::model::fold::PhaseRecord;
use crate::model::ids::{PhaseId, PipelineId};
use crate::model::lag::Reading;
use crate::model::phase::PhaseStatus;
use crate::model::plan::{Direction, Plan};
use crate::report;
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// Longest wait for the engine to accept a command (gates may be red for a moment).
const ACCEPT_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause before a refused command is asked again.
const REFUSED_PAUSE: Duration = Duration::from_millis(300);

/// The driver.
pub struct Driver {
    /// The engine as it is seen.
    pub session: Session,
    out: Output,
    began: DateTime<Utc>,
}

/// Whether a wait is over.
type Judgement<T> = Option<Result<T, Failure>>;

impl Driver {
    /// Takes a session over; rows that were read already are not printed.
    pub fn new(session: Session, out: Output, began: DateTime<Utc>) -> Self {
        Self { session, out, began }
    }

    /// Receives one thing and prints what happened, one line an event.
    async fn advance(&mut self) -> Result<(), Failure> {
        if let Update::Entries(entries) = self.session.next().await? {
            for entry in &entries {
                let seconds = (entry.at - self.began).num_milliseconds() as f64 / 1000.0;
                let (subject, sentence) = (report::event::subject(entry), report::event::sentence(entry));
                self.out.text(&format!("{seconds:>7.2} s  {subject:<10}  {sentence}"))?;
            }
        }
        Ok(())
    }

    /// Waits until `judge` says that it is over.
    ///
    /// # Errors
    /// What `judge` says, a lost connection, or [`Exit::TimedOut`] with where things stand.
    pub async fn wait<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut judge: impl FnMut(&Session) -> Judgement<T>,
    ) -> Result<T, Failure> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(outcome) = judge(&self.session) {
                return outcome;
            }
            match tokio::time::timeout_at(deadline, self.advance()).await {
                Ok(advanced) => advanced?,
                Err(_) => {
                    let stands = report::status::status(&self.session.migration, self.session.samples.as_ref(), true);
                    return Err(Failure::new(
                        Exit::TimedOut,
                        format!("waited {} s for {what} in vain; things stand so:\n{}", limit.as_secs(), stands.text()),
                    ));
                }
            }
        }
    }

    /// Lets time pass while the applications work.
    ///
    /// # Errors
    /// A lost connection.
    pub async fn dwell(&mut self, time: Duration) -> Result<(), Failure> {
        let deadline = Instant::now() + time;
        while let Ok(advanced) = tokio::time::timeout_at(deadline, self.advance()).await {
            advanced?;
        }
        Ok(())
    }

    /// Sends a command until it is accepted: between what was seen and what is, rows may have been written, and gates may be red for a moment.
    async fn insist(&mut self, action: Action) -> Result<Answer, Failure> {
        let typed = action.as_typed();
        let deadline = Instant::now() + ACCEPT_TIMEOUT;
        loop {
            let command = Command {
                expected_seq: Some(self.session.migration.head),
                confirm: action.phase().map(ToString::to_string),
                action: action.clone(),
            };
            match self.session.ask(command).await? {
                Answer::Rejected { why } if Instant::now() >= deadline => {
                    return Err(Failure::new(Exit::Rejected, format!("the engine refuses `{typed}`: {why}")));
                }
                Answer::Rejected { .. } => self.dwell(REFUSED_PAUSE).await?,
                answer => return Ok(answer),
            }
        }
    }

    async fn plan(&mut self, action: Action) -> Result<Plan, Failure> {
        let typed = action.as_typed();
        match self.insist(action).await? {
            Answer::Planned { plan, .. } => Ok(plan),
            Answer::Accepted { .. } | Answer::Checked { .. } | Answer::Rejected { .. } => {
                Err(Failure::new(Exit::Rejected, format!("the engine answered `{typed}` without a plan")))
            }
        }
    }

    /// Asks for a phase, approves its plan, and waits until it is finished.
    ///
    /// # Errors
    /// When it fails, is refused, or does not end in time.
    pub async fn carry_through(&mut self, id: &PhaseId, limit: Duration) -> Result<(), Failure> {
        let phase = id.clone();
        self.wait(&format!("{id} to be ready"), limit, |session| {
            let status = &session.migration.phase(&phase)?.status;
            matches!(status, PhaseStatus::Ready | PhaseStatus::Blocked { .. } | PhaseStatus::RolledBack)
                .then_some(Ok(()))
        })
        .await?;
        let plan = self.plan(Action::Run { phase: id.clone() }).await?;
        // Consent is given on what was seen: the rows that the request caused come first.
        self.wait(&format!("the request for {id} to be journaled"), ACCEPT_TIMEOUT, |session| {
            let status = &session.migration.phase(&phase)?.status;
            matches!(status, PhaseStatus::AwaitingApproval { plan: asked, .. } if *asked == plan.hash).then_some(Ok(()))
        })
        .await?;
        self.insist(Action::Approve { phase: id.clone(), plan: plan.hash }).await?;
        self.wait(&format!("{id} to succeed"), limit, |session| {
            let record = session.migration.phase(&phase)?;
            match &record.status {
                PhaseStatus::Succeeded => Some(Ok(())),
                PhaseStatus::RolledBack => Some(Err(ended(record, "was taken back"))),
                _ => bad_end(record).map(Err),
            }
        })
        .await
    }

    /// Takes a phase back by its printed plan.
    ///
    /// # Errors
    /// When that fails, is refused, or does not end in time.
    pub async fn roll_back(&mut self, id: &PhaseId, limit: Duration) -> Result<(), Failure> {
        let plan = self.plan(Action::Plan { phase: id.clone(), direction: Direction::Rollback }).await?;
        self.insist(Action::Rollback { phase: id.clone(), plan: plan.hash }).await?;
        let phase = id.clone();
        self.wait(&format!("{id} to be rolled back"), limit, |session| {
            let record = session.migration.phase(&phase)?;
            match &record.status {
                PhaseStatus::RolledBack => Some(Ok(())),
                _ => bad_end(record).map(Err),
            }
        })
        .await
    }

    /// Waits until every pipeline has carried over all that was written before `since`: nothing writes any more.
    ///
    /// # Errors
    /// When one does not drain in time.
    pub async fn drain(&mut self, since: DateTime<Utc>, limit: Duration) -> Result<(), Failure> {
        let pipelines: BTreeSet<PipelineId> = self.session.migration.declared.iter().map(|p| p.id.clone()).collect();
        let mut drained = BTreeSet::new();
        self.wait("the pipelines to drain", limit, move |session| {
            let samples = session.samples.as_ref()?;
            for (id, sample) in &samples.pipelines {
                // A distance of nothing, read after the last write, stays nothing.
                if sample.lag.at > since && sample.lag.distance == Reading::Known(0) {
                    drained.insert(id.clone());
                }
            }
            pipelines.is_subset(&drained).then_some(Ok(()))
        })
        .await
    }
}

/// The ends from which a phase does not come back by itself.
fn bad_end(record: &PhaseRecord) -> Option<Failure> {
    match &record.status {
        PhaseStatus::Failed { reason, .. } => Some(ended(record, &format!("failed: {reason}"))),
        PhaseStatus::Stuck { reason } => Some(ended(record, &format!("is stuck: {reason}"))),
        _ => None,
    }
}

fn ended(record: &PhaseRecord, how: &str) -> Failure {
    Failure::new(Exit::PhaseFailed, format!("the phase {} {how}", record.id))
}
