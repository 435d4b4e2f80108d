//! Golden texts of the plain output: what scripts grep and operators read over a slow line. `now` is a parameter, so nothing here
//! depends on a clock.

use crate::model::check::{Check, Verdict};
use crate::model::event::{Entry, Event, PhaseDeclared, PipelineDeclared};
use crate::model::fold::Migration;
use crate::model::gate::{GateReading, GateState};
use crate::model::ids::{Operator, PhaseId, PipelineId, Seq, StepId, StoreId};
use crate::model::lag::{Lag, LagMethod, Reading, Runway};
use crate::model::phase::{PhaseEvent, PhaseKind};
use crate::model::pipeline::{PipelineEvent, PipelineState, Stage};
use crate::model::plan::{Direction, Plan, PlannedStep};
use crate::model::progress::{CopyProgress, TableProgress};
use crate::model::reason::{FailurePolicy, Reason};
use crate::model::sample::{PipelineSample, Samples, VerifyProgress};
use crate::model::step::StepEvent;
use crate::model::table::TableName;
use crate::model::verification::{DriftCounts, TableVerification};
use crate::report::migration::JournalHead;
use crate::report::{checks, gates, html, lag, migration, plan, progress, status};
use chrono::{DateTime, TimeDelta, Utc};

/// Noon of a day.
fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_435_200, 0).unwrap()
}

fn name(table: &str) -> TableName {
    TableName::in_schema("public", table)
}

/// A migration of two pipelines: built, one copy failed, the other one live.
fn state() -> Migration {
    let phase = |id: &str, kind| PhaseDeclared { id: id.into(), kind, pipelines: Vec::new(), approvals: 2 };
    let pipeline = |id: &str| PipelineDeclared { id: id.into(), from: "legacy".to_owned(), to: format!("{id}-db") };
    let of_phase = |phase: &str, event| Event::Phase { phase: phase.into(), event };
    let of_step = |event| Event::Step {
        phase: PhaseId::from("backfill"),
        step: StepId::from("orders/copy"),
        direction: Direction::Forward,
        event,
    };
    let by = Operator::from("mina");
    let reason = Reason::new("orders-db: cannot load a chunk (public.orders): disk full", "free disk on the server");
    let verified = TableVerification {
        table: name("customers"),
        chunks_done: 4,
        chunks_total: Some(4),
        rows_compared: 20_000,
        drift: DriftCounts::default(),
        sample: Vec::new(),
        full_pass_at: Some(noon()),
        changed_since: Some(120),
        began_at: None,
        resumed: false,
    };
    let differing = TableVerification {
        table: name("cities"),
        drift: DriftCounts { missing: 1, extra: 2, changed: 3, unresolved: 4 },
        ..verified.clone()
    };
    let unscanned = TableVerification {
        table: name("empty"),
        chunks_done: 0,
        chunks_total: None,
        rows_compared: 0,
        full_pass_at: None,
        changed_since: None,
        ..verified.clone()
    };
    let events = vec![
        Event::ProfileLoaded {
            name: "shop".to_owned(),
            env: Some("production".to_owned()),
            digest: "d1".to_owned(),
            phases: vec![
                phase("build", PhaseKind::Build),
                phase("backfill", PhaseKind::Backfill),
                phase("sync", PhaseKind::Sync),
            ],
            pipelines: vec![pipeline("customers"), pipeline("orders")],
        },
        Event::EngineStarted { pid: 4242, version: "0.1.0".to_owned(), host: "db1".to_owned(), user: by.clone() },
        of_phase("build", PhaseEvent::Skipped { by: by.clone(), why: "built by hand".to_owned() }),
        of_phase("backfill", PhaseEvent::Unlocked),
        of_phase("backfill", PhaseEvent::PlanRequested { by: by.clone(), plan: "0123456789abcdef".to_owned() }),
        of_phase("backfill", PhaseEvent::Started),
        of_step(StepEvent::Intended { attempt: 1 }),
        of_step(StepEvent::Failed { reason: reason.clone() }),
        of_phase("backfill", PhaseEvent::Failed { reason, policy: FailurePolicy::Mend }),
        Event::Pipeline { pipeline: "customers".into(), event: PipelineEvent::Stage { stage: Stage::Live } },
        Event::Pipeline { pipeline: "customers".into(), event: PipelineEvent::State { state: PipelineState::Running } },
        Event::Verified { pipeline: "customers".into(), tables: vec![verified, differing, unscanned] },
    ];
    let mut state = Migration::default();
    for (seq, event) in (1..).zip(events) {
        state.apply(&Entry { seq: Seq(seq), at: noon(), event }).unwrap();
    }
    state
}

fn sample(lag_ms: Reading<u64>) -> PipelineSample {
    let at = noon();
    PipelineSample {
        lag: Lag {
            lag_ms,
            distance: Reading::Known(4096),
            source_position: None,
            applied_position: None,
            method: LagMethod::Marker,
            at,
        },
        runway: Runway {
            retained: Reading::Known(16_777_216),
            room: Reading::Known(None),
            seconds: Reading::Known(Some(7_260)),
            written_per_second: Reading::Known(2_048),
            disk_free: Reading::Unknown("the server does not tell".into()),
            at,
        },
        copy: CopyProgress {
            tables: vec![TableProgress {
                table: name("orders"),
                chunks_done: 3,
                chunks_total: Some(8),
                rows_done: 300_000,
                bytes_done: 31_000_000,
                estimated_rows: Some(812_000),
            }],
        },
        throttled_by: Vec::new(),
        applied_changes: 9,
        changed_since_pass: std::collections::BTreeMap::new(),
        applied_per_second: Reading::Known(120),
        copied_per_second: Reading::Known(50_000),
        copy_eta_seconds: Reading::Unknown("the rate is not steady yet".to_owned()),
        anomalies: 0,
        moved_at: Some(at),
        stalled: false,
    }
}

fn samples() -> Samples {
    let mut stalled = sample(Reading::Unknown("no marker has come out yet".to_owned()));
    stalled.stalled = true;
    stalled.moved_at = Some(noon() - TimeDelta::seconds(95));
    stalled.throttled_by = vec!["target_lag".to_owned()];
    stalled.anomalies = 2;
    stalled.runway.seconds = Reading::Known(None);
    let gate = |id: &str, state, evidence: &str| GateReading {
        id: id.to_owned(),
        state,
        evidence: evidence.to_owned(),
        at: noon(),
    };
    Samples {
        pipelines: [(PipelineId::from("customers"), sample(Reading::Known(340))), ("orders".into(), stalled)].into(),
        gates: [(
            PhaseId::from("cutover"),
            vec![
                gate("lag", GateState::Green, "340 ms, at most 1 s"),
                gate("drift", GateState::Red, "10 rows differ, at most 0"),
                gate("runway", GateState::Unknown, "the source does not answer"),
            ],
        )]
        .into(),
        verifying: [(
            PipelineId::from("customers"),
            VerifyProgress { table: "public.cities".to_owned(), chunks_done: 1, chunks_total: 4, rechecking: 7 },
        )]
        .into(),
        at: Some(noon()),
        ..Samples::default()
    }
}

#[test]
fn the_status_tells_why_a_phase_stands_still_and_that_a_lag_is_unknown() {
    insta::assert_snapshot!(status::status(&state(), Some(&samples()), true).text());
}

#[test]
fn the_status_without_an_engine_says_that_nobody_answers() {
    insta::assert_snapshot!(status::status(&state(), None, false).text());
}

#[test]
fn the_status_as_json_keeps_its_keys() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&status::status(&state(), Some(&samples()), true)).unwrap());
}

#[test]
fn a_lag_stands_beside_how_it_was_measured() {
    insta::assert_snapshot!(lag::lag(&samples()).text(noon() + TimeDelta::milliseconds(1_500)));
}

#[test]
fn progress_counts_committed_chunks_and_marks_estimates() {
    insta::assert_snapshot!(progress::progress(&samples()).text());
}

#[test]
fn the_gate_board_shows_evidence_and_age() {
    insta::assert_snapshot!(gates::gates(&samples()).text(noon() + TimeDelta::seconds(3)));
}

#[test]
fn checks_come_with_their_fix() {
    let check = |id: &str, verdict, evidence: &str, fix: &str| Check {
        id: id.to_owned(),
        store: Some(StoreId::from("legacy")),
        subject: String::new(),
        verdict,
        evidence: evidence.to_owned(),
        fix: fix.to_owned(),
    };
    let board = checks::checks(vec![
        check("pg.version", Verdict::Pass, "15.20", ""),
        check(
            "pg.wal_level",
            Verdict::Fail,
            "wal_level is replica",
            "ALTER SYSTEM SET wal_level = logical, then restart",
        ),
        check("pg.disk", Verdict::NotCheckable, "the role may not read it", "grant pg_monitor"),
    ]);
    insta::assert_snapshot!(board.text());
}

#[test]
fn a_plan_prints_every_statement_with_its_undo_and_the_point_of_no_return() {
    let step = |id: &str, does: &str, undo: &str, point_of_no_return| PlannedStep {
        id: id.into(),
        title: "what it does".to_owned(),
        does: vec![does.to_owned()],
        undo: (!undo.is_empty()).then(|| undo.to_owned()).into_iter().collect(),
        point_of_no_return,
    };
    let plan = Plan {
        phase: "cutover".into(),
        direction: Direction::Forward,
        steps: vec![
            step("freeze", "BEGIN;\nLOCK TABLE orders", "ROLLBACK", false),
            step("fence", "CREATE TRIGGER ...", "", true),
        ],
        notes: vec!["the foreign key orders_customer is not carried over".to_owned()],
        sizes: vec!["orders: about 812,334 rows".to_owned()],
        queues: Vec::new(),
        way_back: "the same in the other direction; no write would be lost".to_owned(),
        hash: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef".to_owned(),
    };
    insta::assert_snapshot!(plan::text(&plan));
}

#[test]
fn the_report_tells_steps_and_verification() {
    let head = JournalHead { rows: 12, head_hash: "ff00".to_owned() };
    let report = migration::report(&state(), Reading::Known(head), noon());
    insta::assert_snapshot!(report.text());
}

#[test]
fn the_page_is_whole() {
    let report = migration::report(&state(), Reading::Unknown("the file cannot be read".to_owned()), noon());
    insta::assert_snapshot!(html::page(&report));
}
