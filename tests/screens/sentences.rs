//! What the journal says of each kind of event.

use crate::fixture::*;
use crate::stores;
use chrono::TimeDelta;
use godwit::model::change::Position;
use godwit::model::comparison::ComparisonEvent;
use godwit::model::ending::SessionEvent;
use godwit::model::event::{Entry, Event};
use godwit::model::ids::Seq;
use godwit::model::phase::{Approval, PhaseEvent};
use godwit::model::pipeline::{PipelineEvent, PipelineState, Stage, Traffic};
use godwit::model::plan::Direction;
use godwit::model::reason::{FailurePolicy, Reason};
use godwit::model::schema_change::{Difference, SchemaChange, SchemaNote, SchemaOutcome};
use godwit::model::session::Ending;
use godwit::model::step::StepEvent;
use godwit::model::table::{TableMap, TableName};
use godwit::model::verification::DriftCounts;
use godwit::report::event::{sentence, subject};

fn reason() -> Reason {
    Reason::new("the target refused a row", "remove it, then retry")
}

fn returns() -> TableMap {
    let name = TableName::in_schema("public", "returns");
    TableMap { source: name.clone(), target: name, columns: Vec::new(), key: Vec::new() }
}

#[test]
fn every_event_has_a_sentence() {
    let by = || "mina".into();
    let plan = || PLAN.to_owned();
    let approval = |days| Approval { by: "mina".into(), expires_at: now() + TimeDelta::days(days) };
    let phase_events = [
        PhaseEvent::Unlocked,
        PhaseEvent::Locked,
        PhaseEvent::Blocked { reasons: vec!["lag is 4 s".into(), "2 rows differ".into()] },
        PhaseEvent::PlanRequested { by: by(), plan: plan() },
        PhaseEvent::Approved { approval: approval(0), plan: plan() },
        PhaseEvent::Approved { approval: approval(1), plan: plan() },
        PhaseEvent::ApprovalVoid { why: "the plan changed".into() },
        PhaseEvent::Started,
        PhaseEvent::PauseRequested { by: by() },
        PhaseEvent::Paused,
        PhaseEvent::ResumeRequested { by: by() },
        PhaseEvent::Resumed,
        PhaseEvent::Succeeded,
        PhaseEvent::Failed { reason: reason(), policy: FailurePolicy::Mend },
        PhaseEvent::RetryRequested { by: by() },
        PhaseEvent::RollbackStarted { by: by(), plan: plan() },
        PhaseEvent::RolledBack,
        PhaseEvent::Stuck { reason: reason() },
        PhaseEvent::Skipped { by: by(), why: "nobody watches".into() },
    ];
    let step_events = [
        StepEvent::Intended { attempt: 1 },
        StepEvent::Intended { attempt: 3 },
        StepEvent::Done { evidence: "812,334 rows".into(), made: vec!["table orders".into()] },
        StepEvent::Failed { reason: reason() },
        StepEvent::UndoIntended,
        StepEvent::Undone { evidence: String::new() },
        StepEvent::UndoFailed { reason: reason() },
    ];
    let pipeline_events = [
        PipelineEvent::State { state: PipelineState::Running },
        PipelineEvent::State { state: PipelineState::Retrying { reason: reason(), attempt: 4 } },
        PipelineEvent::State { state: PipelineState::Failed { reason: reason() } },
        PipelineEvent::Stage { stage: Stage::CatchUp },
        PipelineEvent::Origin { position: Position::Lsn(0x16_B374_D848), captured: Traffic::Source },
        PipelineEvent::CopyComplete { rows: 812_334, chunks: 1 },
        PipelineEvent::Traffic { serves: Traffic::Target },
        PipelineEvent::Writable { writable: true },
        PipelineEvent::Writable { writable: false },
        PipelineEvent::SchemaChange {
            note: SchemaNote {
                captured: Traffic::Source,
                change: SchemaChange {
                    table: TableName::bare("orders"),
                    difference: Difference::Removed { column: "note".into() },
                },
                outcome: SchemaOutcome::Unmapped,
                made: Vec::new(),
                then: Vec::new(),
            },
        },
        PipelineEvent::ColumnCarried { table: TableName::bare("orders"), column: "note".into(), rows: 12 },
        PipelineEvent::Throttle { knob: "workers".into(), value: "4".into(), by: by() },
        PipelineEvent::Throttle { knob: "workers".into(), value: "off".into(), by: by() },
        PipelineEvent::Inventoried { tables: vec![returns().target], others: Vec::new() },
        PipelineEvent::Carrying { tables: Vec::new(), statements: Vec::new() },
        PipelineEvent::Carrying { tables: vec![returns()], statements: Vec::new() },
        PipelineEvent::Adopted { tables: vec![returns()] },
        PipelineEvent::Removed,
    ];
    let step =
        |event, direction| Event::Step { phase: "backfill".into(), step: "orders/copy".into(), direction, event };
    let mut events: Vec<Event> =
        Story::begin(Some("production")).entries().into_iter().take(2).map(|e| e.event).collect();
    events.push(Event::EngineStopped { why: "godwit down".into() });
    events.push(Event::CommandRejected { by: by(), command: "approve cutover".into(), why: "it changed".into() });
    events.extend(phase_events.map(|event| Event::Phase { phase: "cutover".into(), event }));
    events.extend(step_events.map(|event| step(event, Direction::Forward)));
    events.push(step(StepEvent::Intended { attempt: 1 }, Direction::Rollback));
    events.extend(pipeline_events.map(|event| Event::Pipeline { pipeline: "orders".into(), event }));
    events.push(Event::Verified { pipeline: "orders".into(), tables: vec![verified("orders"), verified("payments")] });
    events.push(Event::Verified { pipeline: "orders".into(), tables: vec![differing("orders")] });
    events.push(Event::Repaired {
        pipeline: "orders".into(),
        table: "public.orders".into(),
        keys: vec![vec!["4711".into()]],
        rows: 1,
        by: by(),
    });
    let comparison = |event| Event::Comparison { pipeline: "orders".into(), event };
    events.push(comparison(ComparisonEvent::Started { tables: Vec::new(), repair: false, by: by() }));
    events.push(comparison(ComparisonEvent::Started { tables: vec!["orders".into()], repair: true, by: by() }));
    let drift = DriftCounts { missing: 1, ..DriftCounts::default() };
    events.push(comparison(ComparisonEvent::Ended { tables: 2, rows: 812_334, drift }));
    events.push(comparison(ComparisonEvent::Failed { reason: reason() }));
    let session = |event| Event::Session { store: "legacy".into(), session: stores::key(18_231), event };
    events.push(session(SessionEvent::EndIntended {
        by: by(),
        how: Ending::Kill,
        login: "app_rw".into(),
        application: "shop-api".into(),
        client: "10.0.4.7".into(),
        doing: "UPDATE orders SET total = ?".into(),
        statement: "SELECT pg_terminate_backend(18231)".into(),
    }));
    events.push(session(SessionEvent::Ended { intent: Seq(50) }));
    events.push(session(SessionEvent::EndFailed { intent: Seq(50), reason: reason() }));
    events.push(Event::Unknown);
    let lines: Vec<String> = events
        .into_iter()
        .enumerate()
        .map(|(at, event)| {
            let entry = Entry { seq: Seq(at as u64 + 1), at: now(), event };
            format!("{:<9} {}", subject(&entry), sentence(&entry))
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}
