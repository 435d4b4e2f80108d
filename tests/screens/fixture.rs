//! Builds cockpits by folding journal entries, as the real ones are built.

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use godwit::model::change::Position;
use godwit::model::event::{Entry, Event, PhaseDeclared, PipelineDeclared};
use godwit::model::gate::{GateReading, GateState};
use godwit::model::ids::Seq;
use godwit::model::lag::{Lag, LagMethod, Reading, Runway};
use godwit::model::phase::{Approval, PhaseEvent, PhaseKind};
use godwit::model::pipeline::{PipelineEvent, PipelineState, Stage};
use godwit::model::plan::{Direction, Plan, PlannedStep};
use godwit::model::progress::{CopyProgress, TableProgress};
use godwit::model::reason::{FailurePolicy, Reason};
use godwit::model::role::Role;
use godwit::model::sample::{PipelineSample, Presence, Samples, StoreSample, VerifyProgress};
use godwit::model::step::StepEvent;
use godwit::model::table::TableName;
use godwit::model::verification::{DriftCounts, DriftKind, DriftRow, TableVerification};
use godwit::tui::CockpitOptions;
use godwit::tui::effect::Effect;
use godwit::tui::input::Key;
use godwit::tui::screens::frame;
use godwit::tui::state::cockpit::Cockpit;
use godwit::tui::theme::Theme;
use godwit::wire::client::LinkEvent;
use godwit::wire::frame::{PROTOCOL, Welcome};
use ratatui::backend::TestBackend;
use ratatui::{Terminal, buffer::Buffer, layout::Rect};

pub const PLAN: &str = "3f2a9c014d77b1e08a64c0f2d9e35b7718c4aa90d6f1e2b3c4d5e6f708192a3b";

/// The time at which the pictures are looked at.
pub fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 7, 22, 0, 0).unwrap()
}

pub fn ago(seconds: i64) -> DateTime<Utc> {
    now() - TimeDelta::seconds(seconds)
}

/// A journal in the making.
pub struct Story {
    entries: Vec<Entry>,
    at: DateTime<Utc>,
}

impl Story {
    /// A migration with the default ladder and two pipelines, begun two hours ago.
    pub fn begin(env: Option<&str>) -> Self {
        Self::with(env, 2, &["orders", "billing"])
    }

    pub fn with(env: Option<&str>, approvals: u32, pipelines: &[&str]) -> Self {
        let mut story = Self { entries: Vec::new(), at: ago(7_200) };
        let phases = PhaseKind::LADDER
            .iter()
            .map(|kind| PhaseDeclared {
                id: kind.as_str().into(),
                kind: *kind,
                pipelines: Vec::new(),
                approvals: if *kind == PhaseKind::Cutover { approvals } else { 1 },
            })
            .collect();
        let pipelines = pipelines
            .iter()
            .map(|id| PipelineDeclared { id: (*id).into(), from: "legacy".into(), to: format!("{id}-db") })
            .collect();
        story.tell(Event::EngineStarted {
            pid: 4312,
            version: "0.1.0".into(),
            host: "db-admin-1".into(),
            user: "godwit".into(),
        });
        story.tell(Event::ProfileLoaded {
            name: "shop".into(),
            env: env.map(str::to_owned),
            digest: "d1".into(),
            phases,
            pipelines,
        });
        story.phase("assess", PhaseEvent::Unlocked);
        story
    }

    /// The next entries happen so long ago.
    pub fn at(&mut self, seconds_ago: i64) -> &mut Self {
        self.at = ago(seconds_ago);
        self
    }

    pub fn tell(&mut self, event: Event) -> &mut Self {
        let seq = Seq(self.entries.len() as u64 + 1);
        self.entries.push(Entry { seq, at: self.at, event });
        self
    }

    pub fn phase(&mut self, id: &str, event: PhaseEvent) -> &mut Self {
        self.tell(Event::Phase { phase: id.into(), event })
    }

    pub fn step(&mut self, phase: &str, step: &str, event: StepEvent) -> &mut Self {
        let direction = Direction::Forward;
        self.tell(Event::Step { phase: phase.into(), step: step.into(), direction, event })
    }

    pub fn pipeline(&mut self, id: &str, event: PipelineEvent) -> &mut Self {
        self.tell(Event::Pipeline { pipeline: id.into(), event })
    }

    pub fn request(&mut self, id: &str, by: &str) -> &mut Self {
        self.phase(id, PhaseEvent::PlanRequested { by: by.into(), plan: PLAN.into() })
    }

    pub fn approve(&mut self, id: &str, by: &str) -> &mut Self {
        let approval = Approval { by: by.into(), expires_at: now() + TimeDelta::minutes(58) };
        self.phase(id, PhaseEvent::Approved { approval, plan: PLAN.into() })
    }

    /// Carries phases out from the first that is ready up to, but not including, `end`.
    pub fn up_to(&mut self, end: &str) -> &mut Self {
        let ladder: Vec<&str> = PhaseKind::LADDER.iter().map(|k| k.as_str()).collect();
        for (at, id) in ladder.iter().enumerate() {
            if *id == end {
                break;
            }
            self.request(id, "ben").approve(id, "mina").phase(id, PhaseEvent::Started);
            let step = format!("{id}/work");
            self.step(id, &step, StepEvent::Intended { attempt: 1 });
            self.step(id, &step, StepEvent::Done { evidence: "12 tables".into(), made: Vec::new() });
            self.phase(id, PhaseEvent::Succeeded);
            if let Some(next) = ladder.get(at + 1) {
                self.phase(next, PhaseEvent::Unlocked);
            }
        }
        self
    }

    pub fn fail(&mut self, id: &str, policy: FailurePolicy) -> &mut Self {
        let reason = Reason::new(
            "orders/copy: the target refused a row: duplicate key value violates unique constraint \"orders_pkey\" (id 4711)",
            "remove the row that somebody wrote to orders-db.public.orders, then retry",
        );
        let step = if id == "backfill" { "orders/copy".to_owned() } else { format!("{id}/work") };
        self.step(id, &step, StepEvent::Failed { reason: Reason::new("the target refused a row", "") });
        self.phase(id, PhaseEvent::Failed { reason, policy })
    }

    pub fn running(&mut self, id: &str, stage: Stage) -> &mut Self {
        self.pipeline(id, PipelineEvent::State { state: PipelineState::Running });
        self.pipeline(id, PipelineEvent::Stage { stage })
    }

    pub fn entries(&self) -> Vec<Entry> {
        self.entries.clone()
    }

    pub fn head(&self) -> Seq {
        Seq(self.entries.len() as u64)
    }
}

pub fn welcome(head: Seq, operator: &str, role: Role) -> Welcome {
    Welcome {
        protocol: PROTOCOL,
        version: "0.1.0".into(),
        migration: "shop".into(),
        operator: operator.into(),
        role,
        head,
        pid: 4312,
    }
}

/// A cockpit that has read a story as the approver mina.
pub fn cockpit(story: &Story, samples: Samples) -> Cockpit {
    cockpit_of(story, samples, "mina", Role::Approver, CockpitOptions::default())
}

pub fn cockpit_of(story: &Story, samples: Samples, me: &str, role: Role, options: CockpitOptions) -> Cockpit {
    let mut cockpit = Cockpit::new(options, now());
    cockpit.on_link(LinkEvent::Up(welcome(story.head(), me, role)));
    cockpit.on_link(LinkEvent::Entries(story.entries()));
    if samples.at.is_some() {
        cockpit.on_link(LinkEvent::Samples(Box::new(samples)));
    }
    cockpit
}

/// What the cockpit shows on a terminal of this size.
pub fn shown(cockpit: &mut Cockpit, width: u16, height: u16) -> String {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    let last = frame::draw(cockpit, Theme::new(true), &mut buffer);
    cockpit.on_drawn(last);
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| frame.buffer_mut().clone_from(&buffer)).unwrap();
    let rows = terminal.backend().to_string();
    // Quotes around rows keep trailing spaces visible; they are of no use here and make lines wider than the terminal.
    rows.lines().map(|row| row.trim_matches('"').trim_end()).collect::<Vec<_>>().join("\n")
}

/// Presses keys: single characters, or names such as `Enter`, `Esc`, `PgDn`, `^Z`.
pub fn press(cockpit: &mut Cockpit, keys: &str) -> Vec<Effect> {
    keys.split(' ').filter_map(|name| cockpit.on_key(key(name))).collect()
}

/// Types text, one key a character.
pub fn type_in(cockpit: &mut Cockpit, text: &str) {
    for c in text.chars() {
        cockpit.on_key(Key::from_event(&KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)).unwrap());
    }
}

pub fn key(name: &str) -> Key {
    let code = match name {
        "Enter" => KeyCode::Enter,
        "Esc" => KeyCode::Esc,
        "Tab" => KeyCode::Tab,
        "S-Tab" => KeyCode::BackTab,
        "Backspace" => KeyCode::Backspace,
        "PgDn" => KeyCode::PageDown,
        "PgUp" => KeyCode::PageUp,
        "Home" => KeyCode::Home,
        "End" => KeyCode::End,
        "up" => KeyCode::Up,
        "down" => KeyCode::Down,
        "F1" => KeyCode::F(1),
        _ => {
            let mut chars = name.chars();
            let first = chars.next().unwrap();
            if first == '^' {
                let c = chars.next().unwrap().to_ascii_lowercase();
                return Key::from_event(&KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL)).unwrap();
            }
            assert!(chars.next().is_none(), "no key is called {name}");
            KeyCode::Char(first)
        }
    };
    Key::from_event(&KeyEvent::new(code, KeyModifiers::NONE)).unwrap()
}

pub fn store(engine: &str, version: &str, address: &str) -> StoreSample {
    StoreSample {
        engine: engine.into(),
        address: address.into(),
        version: Reading::Known(version.into()),
        clock_difference_ms: Reading::Known(3),
        answered_at: Some(ago(1)),
        at: ago(1),
    }
}

pub fn pipeline_sample() -> PipelineSample {
    PipelineSample {
        lag: Lag {
            lag_ms: Reading::Known(120),
            distance: Reading::Known(1_234),
            source_position: Some(Position::Lsn(0x16_B374_D848)),
            applied_position: Some(Position::Lsn(0x16_B374_D376)),
            method: LagMethod::Marker,
            at: ago(1),
        },
        runway: Runway {
            retained: Reading::Known(1_200_000_000),
            room: Reading::Known(Some(40_000_000_000)),
            seconds: Reading::Known(Some(6 * 3600 + 120)),
            written_per_second: Reading::Known(2_048),
            disk_free: Reading::Unknown("the server does not tell".into()),
            at: ago(1),
        },
        copy: CopyProgress::default(),
        throttled_by: Vec::new(),
        applied_changes: 1_482_113,
        applied_per_second: Reading::Known(312),
        copied_per_second: Reading::Unknown("no copy is running".into()),
        copy_eta_seconds: Reading::Unknown("no copy is running".into()),
        changed_since_pass: ["customers", "orders", "order_lines", "invoices", "payments", "refunds"]
            .map(|table| (format!("public.{table}"), 120))
            .into(),
        anomalies: 0,
        moved_at: Some(ago(2)),
        stalled: false,
    }
}

pub fn copying() -> PipelineSample {
    let table = |name: &str, done, total, rows, estimate| TableProgress {
        table: TableName::in_schema("public", name),
        chunks_done: done,
        chunks_total: total,
        rows_done: rows,
        bytes_done: rows * 96,
        estimated_rows: estimate,
    };
    PipelineSample {
        lag: Lag {
            lag_ms: Reading::Unknown("no marker can come out before the copy is complete".into()),
            ..pipeline_sample().lag
        },
        copy: CopyProgress {
            tables: vec![
                table("orders", 40, Some(40), 812_334, Some(800_000)),
                table("order_lines", 24, Some(90), 1_204_991, Some(4_400_000)),
                table("payments", 0, Some(12), 0, Some(610_000)),
            ],
        },
        throttled_by: vec!["source_load 0.74 over 0.70".into()],
        copied_per_second: Reading::Known(48_200),
        copy_eta_seconds: Reading::Known(190),
        ..pipeline_sample()
    }
}

/// Two pipelines and three stores, all well.
pub fn healthy() -> Samples {
    let mut samples = Samples { at: Some(ago(1)), ..Samples::default() };
    samples.stores.insert("legacy".into(), store("postgres", "15.6", "10.0.4.11:5432/shop"));
    samples.stores.insert("orders-db".into(), store("postgres", "16.2", "10.0.4.21:5432/orders"));
    samples.stores.insert("billing-db".into(), store("sqlite", "3.45.1", "/srv/billing/billing.db"));
    samples.pipelines.insert("orders".into(), pipeline_sample());
    samples
        .pipelines
        .insert("billing".into(), PipelineSample { applied_per_second: Reading::Known(4), ..pipeline_sample() });
    samples.present = vec![presence("mina", Role::Approver, "cockpit"), presence("ben", Role::Operator, "cockpit")];
    samples
}

pub fn presence(operator: &str, role: Role, client: &str) -> Presence {
    Presence { operator: operator.into(), role, client: client.into(), since: ago(600) }
}

pub fn gate(id: &str, state: GateState, evidence: &str) -> GateReading {
    GateReading { id: id.into(), state, evidence: evidence.into(), at: ago(3) }
}

pub fn cutover_gates() -> Vec<GateReading> {
    vec![
        gate("order", GateState::Green, "every earlier phase is finished"),
        gate("lag", GateState::Green, "120 ms by marker, at most 1 s"),
        gate("verified", GateState::Green, "last full pass 4 min ago, at most 10 min"),
        gate("drift", GateState::Green, "0 rows differ, at most 0"),
        gate("window", GateState::Green, "Sat 22:00-02:00 Asia/Seoul is open for 3 h"),
        gate("way_back", GateState::Green, "log retention, rights and types allow the reverse pipeline"),
    ]
}

pub fn verified(table: &str) -> TableVerification {
    TableVerification {
        table: TableName::in_schema("public", table),
        chunks_done: 40,
        chunks_total: Some(40),
        rows_compared: 812_334,
        drift: DriftCounts::default(),
        sample: Vec::new(),
        full_pass_at: Some(ago(240)),
        changed_since: Some(120),
        began_at: None,
        resumed: false,
    }
}

pub fn differing(table: &str) -> TableVerification {
    let row = |key: &str, kind| DriftRow { table: TableName::in_schema("public", table), key: vec![key.into()], kind };
    TableVerification {
        drift: DriftCounts { missing: 2, extra: 1, changed: 1_204, unresolved: 3 },
        sample: vec![
            row("4711", DriftKind::Missing),
            row("4712", DriftKind::Missing),
            row("9001", DriftKind::Extra),
            row("17", DriftKind::Changed),
            row("18", DriftKind::Unresolved),
        ],
        ..verified(table)
    }
}

/// A migration in sync, waiting for the approval of its cutover.
pub fn awaiting(env: Option<&str>) -> (Story, Samples) {
    let mut story = Story::begin(env);
    story.up_to("cutover");
    story.running("orders", Stage::Live).running("billing", Stage::Live);
    story.tell(Event::Verified {
        pipeline: "orders".into(),
        tables: vec![verified("orders"), verified("order_lines"), verified("payments")],
    });
    story.tell(Event::Verified { pipeline: "billing".into(), tables: vec![verified("invoices")] });
    story.at(720).request("cutover", "ben");
    let mut samples = healthy();
    samples.gates.insert("cutover".into(), cutover_gates());
    (story, samples)
}

/// A backfill in work, with a second pipeline that has trouble and a store that is gone.
pub fn troubled(env: Option<&str>) -> (Story, Samples) {
    let mut story = Story::begin(env);
    story.up_to("backfill").request("backfill", "ben").approve("backfill", "mina");
    story.at(1_500).phase("backfill", PhaseEvent::Started);
    story.step("backfill", "orders/capture", StepEvent::Intended { attempt: 1 });
    let evidence = "slot godwit_orders at 16/B374D848".to_owned();
    story.step("backfill", "orders/capture", StepEvent::Done { evidence, made: vec!["slot godwit_orders".into()] });
    story.step("backfill", "orders/copy", StepEvent::Intended { attempt: 2 });
    story.running("orders", Stage::Copy);
    story.at(200).pipeline("billing", PipelineEvent::Stage { stage: Stage::CatchUp });
    let reason = Reason::new("connection to billing-db was reset by the peer", "it tries again by itself");
    story.pipeline("billing", PipelineEvent::State { state: PipelineState::Retrying { reason, attempt: 4 } });
    let mut samples = healthy();
    samples.pipelines.insert("orders".into(), copying());
    let billing = samples.pipelines.get_mut(&"billing".into()).unwrap();
    billing.stalled = true;
    billing.moved_at = Some(ago(200));
    billing.lag.lag_ms = Reading::Unknown("the target cannot be reached".into());
    billing.lag.at = ago(200);
    billing.runway.seconds = Reading::Known(Some(2_400));
    let gone = samples.stores.get_mut(&"billing-db".into()).unwrap();
    gone.version = Reading::Unknown("connection refused".into());
    gone.answered_at = Some(ago(200));
    (story, samples)
}

pub fn verifying(mut samples: Samples) -> Samples {
    let pass = VerifyProgress { table: "public.order_lines".into(), chunks_done: 51, chunks_total: 142, rechecking: 7 };
    samples.verifying.insert("orders".into(), pass);
    samples
}

pub fn plan(phase: &str, direction: Direction) -> Plan {
    let step = |id: &str, title: &str, does: &[&str], undo: &[&str], point| PlannedStep {
        id: id.into(),
        title: title.into(),
        does: does.iter().map(|s| (*s).to_owned()).collect(),
        undo: undo.iter().map(|s| (*s).to_owned()).collect(),
        point_of_no_return: point,
    };
    let steps = match direction {
        Direction::Forward => vec![
            step(
                "orders/freeze",
                "hold writers on the source",
                &[
                    "-- writers wait, they do not fail",
                    "BEGIN",
                    "LOCK TABLE public.orders, public.order_lines IN EXCLUSIVE MODE",
                ],
                &["ROLLBACK"],
                false,
            ),
            step(
                "orders/drain",
                "wait for the marker",
                &["SELECT pg_logical_emit_message(true, 'godwit', $1)"],
                &[],
                false,
            ),
            step("orders/verify", "compare what changed last", &["-- 120 rows"], &[], false),
            step(
                "orders/sequences",
                "move sequences past the maximum",
                &["SELECT setval('public.orders_id_seq', 812334 + 1000)"],
                &["SELECT setval('public.orders_id_seq', 1)"],
                false,
            ),
            step(
                "orders/reverse",
                "set the reverse pipeline up",
                &["CREATE PUBLICATION godwit_rev_orders FOR TABLE public.orders"],
                &["DROP PUBLICATION godwit_rev_orders"],
                false,
            ),
            step(
                "orders/fence",
                "fence the old tables",
                &[
                    "CREATE TRIGGER godwit_fence BEFORE INSERT OR UPDATE OR DELETE ON public.orders FOR EACH STATEMENT EXECUTE FUNCTION godwit.refuse()",
                    "COMMIT",
                ],
                &[],
                true,
            ),
            step(
                "orders/route",
                "switch the route",
                &["write /etc/shop/routes.json: orders -> orders-db"],
                &["write /etc/shop/routes.json: orders -> legacy"],
                false,
            ),
        ],
        Direction::Rollback => vec![
            step(
                "orders/route",
                "switch the route back",
                &["write /etc/shop/routes.json: orders -> legacy"],
                &[],
                false,
            ),
            step("orders/fence", "lift the fence", &["DROP TRIGGER godwit_fence ON public.orders"], &[], false),
        ],
    };
    Plan {
        phase: phase.into(),
        direction,
        steps,
        notes: vec!["the view public.order_report stays on legacy: no service owns it".into()],
        sizes: Vec::new(),
        queues: Vec::new(),
        way_back: "roll back switches the route back and replays orders-db's writes; it loses no acknowledged write"
            .into(),
        hash: PLAN.into(),
    }
}
