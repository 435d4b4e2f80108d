//! The profile as written: every key with its type and its place, before any name is looked up.
//!
//! Invariant: these structs and `docs/operator/profile.md` have the same keys; a test compares them.

mod access;
mod operation;
mod phase;

pub(super) use access::{RawAccess, RawWaiver};
pub(super) use operation::{RawOperation, RawStatement};
pub(super) use phase::{RawAction, RawGates, RawPgBouncer, RawPhase, RawRoute, RawStep};

use super::problem::{Notebook, Place};
use super::profile::SchemaChangePolicy;
use super::table::{Field, Item, Placed, Table};
use chrono::NaiveDate;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

type Texts = Field<Vec<Placed<String>>>;

/// The whole file.
pub(super) struct RawProfile {
    pub migration: Option<RawMigration>,
    pub roles: Option<RawRoles>,
    pub stores: Vec<RawStore>,
    pub services: Vec<RawService>,
    pub pipelines: Vec<RawPipeline>,
    pub phases: Vec<RawPhase>,
    pub ladder: Option<RawLadder>,
    pub access: Option<RawAccess>,
    pub waivers: Vec<RawWaiver>,
    pub operations: Vec<RawOperation>,
}

impl RawProfile {
    pub fn read(root: Table<'_>, notes: &Notebook<'_>) -> Self {
        let named = |key, what| root.named_tables(key, what);
        let raw = Self {
            migration: root.table("migration", "[migration]").map(RawMigration::read),
            roles: root.table("roles", "[roles]").map(RawRoles::read),
            stores: named("stores", "a store").into_iter().map(|(name, t)| RawStore::read(name, t)).collect(),
            services: named("services", "a service").into_iter().map(|(name, t)| RawService::read(name, t)).collect(),
            pipelines: named("pipelines", "a pipeline")
                .into_iter()
                .map(|(name, t)| RawPipeline::read(name, t, notes))
                .collect(),
            phases: named("phases", "a phase").into_iter().map(|(name, t)| RawPhase::read(name, t)).collect(),
            ladder: root.table("ladder", "[ladder]").map(RawLadder::read),
            access: root.table("access", "[access]").map(RawAccess::read),
            waivers: root.one_or_more_tables("waivers", "a waiver").into_iter().map(RawWaiver::read).collect(),
            operations: root
                .one_or_more_tables("operations", "an operation")
                .into_iter()
                .map(RawOperation::read)
                .collect(),
        };
        root.finish();
        raw
    }
}

pub(super) struct RawMigration {
    pub place: Place,
    pub name: Field<String>,
    pub env: Field<String>,
    pub downtime_budget: Field<Duration>,
    pub socket_group: Field<String>,
}

impl RawMigration {
    fn read(t: Table<'_>) -> Self {
        Self {
            name: t.text("name"),
            env: t.text("env"),
            downtime_budget: t.duration("downtime_budget", 100 * MS, HOUR),
            socket_group: t.text("socket_group"),
            place: t.finish(),
        }
    }
}

pub(super) struct RawRoles {
    pub place: Place,
    pub viewer: Texts,
    pub operator: Texts,
    pub approver: Texts,
}

impl RawRoles {
    fn read(t: Table<'_>) -> Self {
        Self {
            viewer: t.texts("viewer"),
            operator: t.texts("operator"),
            approver: t.texts("approver"),
            place: t.finish(),
        }
    }
}

pub(super) struct RawStore {
    pub name: String,
    pub place: Place,
    pub engine: Field<String>,
    pub url: Field<String>,
    pub statement_timeout: Field<Duration>,
    pub connect_timeout: Field<Duration>,
    pub replica_of: Field<String>,
}

impl RawStore {
    fn read(name: String, t: Table<'_>) -> Self {
        Self {
            name,
            engine: t.text("engine"),
            url: t.text("url"),
            statement_timeout: t.duration("statement_timeout", 100 * MS, DAY),
            connect_timeout: t.duration("connect_timeout", 100 * MS, 10 * MINUTE),
            replica_of: t.text("replica_of"),
            place: t.finish(),
        }
    }
}

pub(super) struct RawService {
    pub name: String,
    pub place: Place,
    pub store: Field<String>,
    pub owns: Texts,
    pub accounts: Texts,
    pub allowed_reads: Texts,
    pub until: Field<NaiveDate>,
}

impl RawService {
    fn read(name: String, t: Table<'_>) -> Self {
        Self {
            name,
            store: t.text("store"),
            owns: t.texts("owns"),
            accounts: t.texts("accounts"),
            allowed_reads: t.texts("allowed_reads"),
            until: access::until(&t),
            place: t.finish(),
        }
    }
}

pub(super) struct RawPipeline {
    pub name: String,
    pub place: Place,
    pub kind: Field<String>,
    pub from: Field<String>,
    pub to: Field<String>,
    pub tables: Field<Vec<RawRule>>,
    pub on_schema_change: Field<SchemaChangePolicy>,
    pub leave_behind: Texts,
    pub throttle: RawThrottle,
    pub chunk_size: Field<u64>,
}

impl RawPipeline {
    fn read(name: String, t: Table<'_>, notes: &Notebook<'_>) -> Self {
        let tables = match t.texts_or_tables("tables", "a table rule") {
            Field::Absent => Field::Absent,
            Field::Refused => Field::Refused,
            Field::Given(items) => Field::Given(Placed {
                value: items.value.into_iter().map(|item| RawRule::read(item, notes)).collect(),
                place: items.place,
            }),
        };
        Self {
            name,
            kind: t.text("kind"),
            from: t.text("from"),
            to: t.text("to"),
            tables,
            on_schema_change: t.parsed("on_schema_change", "text in quotes", |word| match word {
                "stop" => Ok(SchemaChangePolicy::Stop),
                "ignore" => Ok(SchemaChangePolicy::Ignore),
                "apply" => Ok(SchemaChangePolicy::Apply),
                _ => Err("This must be \"stop\", \"ignore\" or \"apply\".".to_owned()),
            }),
            leave_behind: t.texts("leave_behind"),
            throttle: t.table("throttle", "`throttle`").map(RawThrottle::read).unwrap_or_default(),
            chunk_size: t.size("chunk_size", 64 << 10, 1 << 30),
            place: t.finish(),
        }
    }
}

/// One item of `tables`; plain text is a rule with only `from`.
pub(super) struct RawRule {
    pub from: Option<Placed<String>>,
    pub to: Option<Placed<String>>,
    pub columns: Vec<(Placed<String>, Placed<String>)>,
    pub exclude: Texts,
}

impl RawRule {
    fn read(item: Item<'_>, notes: &Notebook<'_>) -> Self {
        match item {
            Item::Text(from) => Self { from: Some(from), to: None, columns: Vec::new(), exclude: Field::Absent },
            Item::Table(t) => {
                let missing = "A table rule needs `from`: the table's name on the source.";
                let rule = Self {
                    from: t.text("from").required("from", notes, &t.place, missing).cloned(),
                    to: t.text("to").given().cloned(),
                    columns: t.pairs("columns"),
                    exclude: t.texts("exclude"),
                };
                t.finish();
                rule
            }
        }
    }
}

#[derive(Default)]
pub(super) struct RawThrottle {
    pub target_lag: Field<Duration>,
    pub source_load: Field<f64>,
    pub rows_per_second: Field<u64>,
    pub workers: Field<u64>,
}

impl RawThrottle {
    fn read(t: Table<'_>) -> Self {
        let raw = Self {
            target_lag: t.duration("target_lag", 10 * MS, DAY),
            source_load: t.number("source_load", 0.0, 16.0, "the load per core, 0.7 for 70 %"),
            rows_per_second: t.integer("rows_per_second", 1, 1_000_000_000),
            workers: t.integer("workers", 1, 64),
        };
        t.finish();
        raw
    }
}

/// `[ladder]`.
pub(super) struct RawLadder {
    pub place: Place,
    pub order: Texts,
}

impl RawLadder {
    fn read(t: Table<'_>) -> Self {
        Self { order: t.texts("order"), place: t.finish() }
    }
}
