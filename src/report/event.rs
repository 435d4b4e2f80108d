//! One sentence for each event: the journal screen and the command line print the same words.
//!
//! Sentences hold strings that came from servers as they are; whoever prints them to a terminal strips control bytes first.

use crate::model::comparison::ComparisonEvent;
use crate::model::ending::SessionEvent;
use crate::model::event::{Entry, Event};
use crate::model::index_order::{self, IndexEvent};
use crate::model::phase::PhaseEvent;
use crate::model::pipeline::{PipelineEvent, PipelineState};
use crate::model::plan::Direction;
use crate::model::step::StepEvent;
use crate::model::table::TableMap;
use crate::model::verification::{DriftCounts, TableVerification};
use chrono::{DateTime, Utc};

/// What an entry is about: a phase, a pipeline, or `engine`.
pub fn subject(entry: &Entry) -> &str {
    match &entry.event {
        Event::Phase { phase, .. } | Event::Step { phase, .. } => phase.as_str(),
        Event::Pipeline { pipeline, .. }
        | Event::Verified { pipeline, .. }
        | Event::Comparison { pipeline, .. }
        | Event::Repaired { pipeline, .. } => pipeline.as_str(),
        Event::Session { store, .. } => store.as_str(),
        Event::Index { phase, .. } => phase.as_str(),
        Event::CommandRejected { by, .. } => by.as_str(),
        Event::Planned { plan } => plan.phase.as_str(),
        Event::ProfileLoaded { .. } => "profile",
        Event::EngineStarted { .. } | Event::EngineStopped { .. } => "engine",
        Event::Unknown => "?",
    }
}

/// What happened, in one sentence without a full stop at its end.
pub fn sentence(entry: &Entry) -> String {
    match &entry.event {
        Event::ProfileLoaded { name, env, phases, pipelines, .. } => {
            let env = env.as_deref().unwrap_or("no env");
            let (phases, pipelines) = (counted(phases.len(), "phase"), counted(pipelines.len(), "pipeline"));
            format!("profile {name} ({env}) loaded: {phases}, {pipelines}")
        }
        Event::Planned { plan } => {
            let way = match plan.direction {
                Direction::Forward => "plan",
                Direction::Rollback => "roll back plan",
            };
            format!("{way} {} of {} printed: {}", plan.short_hash(), plan.phase, counted(plan.steps.len(), "step"))
        }
        Event::EngineStarted { pid, version, host, user } => {
            format!("engine {version} started by {user} on {host}, process {pid}")
        }
        Event::EngineStopped { why } => format!("engine stopped: {why}"),
        Event::CommandRejected { by, command, why } => format!("refused \"{command}\" from {by}: {why}"),
        Event::Phase { phase, event } => of_phase(phase.as_str(), event, entry.at),
        Event::Step { step, direction, event, .. } => of_step(step.as_str(), *direction, event),
        Event::Pipeline { pipeline, event } => of_pipeline(pipeline.as_str(), event),
        Event::Verified { pipeline, tables } => of_verification(pipeline.as_str(), tables),
        Event::Comparison { pipeline, event } => of_comparison(pipeline.as_str(), event),
        Event::Repaired { pipeline, table, rows, by, .. } => {
            format!("{by} repaired {} of {table} in {pipeline}", counted(usize_of(*rows), "row"))
        }
        Event::Session { session, event, .. } => of_session(&session.id, event),
        Event::Index { phase, event } => of_index(phase.as_str(), event),
        Event::Unknown => "an event that this version of godwit does not know; a newer one wrote it".to_owned(),
    }
}

fn of_index(phase: &str, event: &IndexEvent) -> String {
    match event {
        IndexEvent::Taken { order, by } => {
            format!("{by} took {} into {phase}: {}", order.typed(), order.build.statement)
        }
        IndexEvent::Left { rule, store, subject, by } => {
            format!("{by} took {} out of {phase}", index_order::typed(rule, store, subject))
        }
    }
}

fn of_phase(phase: &str, event: &PhaseEvent, at: DateTime<Utc>) -> String {
    match event {
        PhaseEvent::Unlocked => format!("{phase} may be asked for: every earlier phase is finished"),
        PhaseEvent::Locked => format!("{phase} is pending again: an earlier phase was rolled back"),
        PhaseEvent::Blocked { reasons } => format!("{phase} is blocked: {}", reasons.join("; ")),
        PhaseEvent::PlanRequested { by, plan } => format!("{by} asked for {phase}, plan {}", short(plan)),
        PhaseEvent::Approved { approval, plan } => {
            let same_day = approval.expires_at.date_naive() == at.date_naive();
            let until = approval.expires_at.format(if same_day { "%H:%M UTC" } else { "%Y-%m-%d %H:%M UTC" });
            format!("{} approved {phase} until {until}, plan {}", approval.by, short(plan))
        }
        PhaseEvent::ApprovalVoid { why } => format!("the request for {phase} is void: {why}"),
        PhaseEvent::Started => format!("{phase} started"),
        PhaseEvent::PauseRequested { by } => format!("{by} asked {phase} to pause"),
        PhaseEvent::Paused => format!("{phase} is paused: nothing of it is running"),
        PhaseEvent::ResumeRequested { by } => format!("{by} asked {phase} to resume"),
        PhaseEvent::Resumed => format!("{phase} resumed"),
        PhaseEvent::Succeeded => format!("{phase} succeeded"),
        PhaseEvent::Failed { reason, .. } => format!("{phase} failed: {reason}"),
        PhaseEvent::RetryRequested { by } => format!("{by} retried {phase}"),
        PhaseEvent::RollbackStarted { by, plan } => format!("{by} began to roll {phase} back, plan {}", short(plan)),
        PhaseEvent::RolledBack => format!("{phase} is rolled back: everything that it made is gone"),
        PhaseEvent::Stuck { reason } => format!("the roll back of {phase} is stuck: {reason}"),
        PhaseEvent::Skipped { by, why } => format!("{by} skipped {phase}: {why}"),
    }
}

fn of_step(step: &str, direction: Direction, event: &StepEvent) -> String {
    let way = match direction {
        Direction::Forward => "",
        Direction::Rollback => " (roll back)",
    };
    match event {
        StepEvent::Intended { attempt: 0 | 1 } => format!("{step}{way} begins"),
        StepEvent::Intended { attempt } => format!("{step}{way} begins, attempt {attempt}"),
        StepEvent::Done { evidence, .. } if evidence.is_empty() => format!("{step}{way} done"),
        StepEvent::Done { evidence, .. } => format!("{step}{way} done: {evidence}"),
        StepEvent::Failed { reason } => format!("{step}{way} failed: {reason}"),
        StepEvent::UndoIntended => format!("{step} is being taken back"),
        StepEvent::Undone { evidence } if evidence.is_empty() => format!("{step} taken back"),
        StepEvent::Undone { evidence } => format!("{step} taken back: {evidence}"),
        StepEvent::UndoFailed { reason } => format!("{step} could not be taken back: {reason}"),
    }
}

fn of_pipeline(pipeline: &str, event: &PipelineEvent) -> String {
    match event {
        PipelineEvent::State { state: PipelineState::Retrying { reason, attempt } } => {
            format!("{pipeline} is retrying, attempt {attempt}: {reason}")
        }
        PipelineEvent::State { state: PipelineState::Failed { reason } } => format!("{pipeline} failed: {reason}"),
        PipelineEvent::State { state } => format!("{pipeline} is {}", state.word()),
        PipelineEvent::Stage { stage } => format!("{pipeline} entered the stage {}", stage.word()),
        PipelineEvent::Mapped { tables } => format!("{pipeline} maps {}", counted(tables.len(), "table")),
        PipelineEvent::Inventoried { tables, others } => {
            let (tables, others) = (counted(tables.len(), "table"), counted(others.len(), "other object"));
            format!("{pipeline}: the target has {tables} and {others} before the cutover enters it")
        }
        PipelineEvent::Carrying { tables, .. } if tables.is_empty() => {
            format!("{pipeline}: no table was made on the target since the cutover")
        }
        PipelineEvent::Carrying { tables, .. } => {
            format!("{pipeline}: the roll back takes {} along to the source", named(tables))
        }
        PipelineEvent::Adopted { tables } => format!("{pipeline} maps {} from now on, too", named(tables)),
        PipelineEvent::Origin { position, captured } => {
            format!("{pipeline} captures its {} from {position}", captured.word())
        }
        PipelineEvent::CopyComplete { rows, chunks } => {
            let (rows, chunks) = (counted(usize_of(*rows), "row"), counted(usize_of(*chunks), "chunk"));
            format!("{pipeline} copied every planned chunk: {rows}, {chunks}")
        }
        PipelineEvent::Traffic { serves } => format!("{pipeline}: traffic belongs to the {} now", serves.word()),
        PipelineEvent::Writable { writable: true } => format!("{pipeline}: the target may be written"),
        PipelineEvent::Writable { writable: false } => format!("{pipeline}: the target may no longer be written"),
        PipelineEvent::SchemaChange { note } => {
            format!(
                "{pipeline}: the schema of {} changed: {}; {}",
                note.change.table, note.change.difference, note.outcome
            )
        }
        PipelineEvent::ColumnCarried { table, column, rows } => {
            let rows = counted(usize_of(*rows), "row");
            format!("{pipeline}: the values of {table}.{column} are on the other side, {rows} had to be written")
        }
        PipelineEvent::Throttle { knob, value, by } if value == "off" => {
            format!("{by} took the limit {knob} off {pipeline}")
        }
        PipelineEvent::Throttle { knob, value, by } if value == "default" => {
            format!("{by} set {knob} of {pipeline} back to what the profile says")
        }
        PipelineEvent::Throttle { knob, value, by } => format!("{by} set {knob} of {pipeline} to {value}"),
        PipelineEvent::Removed => format!("{pipeline} and its captures were removed"),
    }
}

fn of_session(id: &str, event: &SessionEvent) -> String {
    match event {
        SessionEvent::EndIntended { by, how, login, application, client, doing, .. } => {
            let who: Vec<&str> =
                [login, application, client].into_iter().map(String::as_str).filter(|word| !word.is_empty()).collect();
            let doing = if doing.is_empty() { String::new() } else { format!(": {doing}") };
            format!("{by} is about to {} session {id} ({}){doing}", how.word(), who.join(", "))
        }
        SessionEvent::Ended { intent } => format!("session {id}: the server took it, as asked in row {intent}"),
        SessionEvent::EndFailed { intent, reason } => {
            format!("session {id}: what was asked in row {intent} failed: {reason}")
        }
    }
}

fn named(tables: &[TableMap]) -> String {
    tables.iter().map(|map| map.target.to_string()).collect::<Vec<_>>().join(", ")
}

fn of_comparison(pipeline: &str, event: &ComparisonEvent) -> String {
    match event {
        ComparisonEvent::Started { tables, repair, by } => {
            let scope = if tables.is_empty() { "every table".to_owned() } else { tables.join(", ") };
            let repair = if *repair { " and repair what differs" } else { "" };
            format!("{by} asked to compare {scope} of {pipeline}{repair}")
        }
        ComparisonEvent::Reached { pass } => {
            let found = &pass.found;
            let total = found.chunks_total.map_or_else(|| "?".to_owned(), grouped);
            let rows = counted(usize_of(found.rows_compared), "row");
            format!(
                "{pipeline}: comparing {}, {} of {total} chunks, {rows} so far",
                found.table,
                grouped(found.chunks_done)
            )
        }
        ComparisonEvent::Ended { tables, rows, drift } => {
            let (tables, rows) = (counted(usize_of(*tables), "table"), counted(usize_of(*rows), "row"));
            format!("{pipeline}: the comparison ended, {rows} in {tables}: {}", drift_words(*drift))
        }
        ComparisonEvent::Failed { reason } => format!("{pipeline}: the comparison failed: {reason}"),
    }
}

fn of_verification(pipeline: &str, tables: &[TableVerification]) -> String {
    let rows: u64 = tables.iter().map(|t| t.rows_compared).sum();
    let mut drift = DriftCounts::default();
    for table in tables {
        drift.merge(table.drift);
    }
    let compared = format!(
        "{pipeline}: compared {} in {}",
        counted(usize_of(rows), "row"),
        match tables {
            [one] => one.table.to_string(),
            many => counted(many.len(), "table"),
        }
    );
    let unproved = tables.iter().filter(|t| !t.is_verified() && t.drift.total() == 0).count();
    if drift.total() > 0 {
        format!("{compared}: {}", drift_words(drift))
    } else if unproved > 0 {
        format!("{compared}: {} without a full pass", counted(unproved, "table"))
    } else {
        format!("{compared}: all equal")
    }
}

/// Differing rows by kind, such as `2 missing, 1 changed`; kinds without rows are left out.
pub fn drift_words(drift: DriftCounts) -> String {
    let kinds = [
        (drift.missing, "missing"),
        (drift.extra, "extra"),
        (drift.changed, "changed"),
        (drift.unresolved, "unresolved"),
    ];
    let named: Vec<String> =
        kinds.iter().filter(|(n, _)| *n > 0).map(|(n, kind)| format!("{} {kind}", grouped(*n))).collect();
    if named.is_empty() { "no difference".to_owned() } else { named.join(", ") }
}

/// A number with thousands separated by commas.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 row`, `2 rows`.
fn counted(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number as u64))
}

fn usize_of(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The first twelve characters of a plan's hash.
fn short(plan: &str) -> &str {
    plan.get(..12).unwrap_or(plan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::Seq;
    use crate::model::table::TableName;

    fn said(event: Event) -> String {
        sentence(&Entry { seq: Seq(1), at: DateTime::UNIX_EPOCH, event })
    }

    #[test]
    fn numbers_are_grouped_and_counted() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(counted(1, "row"), "1 row");
        assert_eq!(counted(2_000, "row"), "2,000 rows");
    }

    #[test]
    fn a_table_that_was_never_fully_compared_is_not_called_equal() {
        let table = TableVerification {
            table: TableName::bare("orders"),
            chunks_done: 0,
            chunks_total: None,
            rows_compared: 0,
            drift: DriftCounts::default(),
            sample: Vec::new(),
            full_pass_at: None,
            changed_since: None,
            began_at: None,
            resumed: false,
        };
        let said = said(Event::Verified { pipeline: "shop".into(), tables: vec![table] });
        assert_eq!(said, "shop: compared 0 rows in orders: 1 table without a full pass");
    }

    #[test]
    fn kinds_of_drift_are_never_one_number() {
        let drift = DriftCounts { missing: 2, extra: 0, changed: 1, unresolved: 1_000 };
        assert_eq!(drift_words(drift), "2 missing, 1 changed, 1,000 unresolved");
    }
}
