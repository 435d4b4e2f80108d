//! `[phases.NAME]` as written: gates, routes and steps.

use super::{DAY, HOUR, MINUTE, MS, SECOND, Texts};
use crate::config::problem::Place;
use crate::config::profile::Window;
use crate::config::table::{Field, Table};
use crate::model::finding::Severity;
use std::time::Duration;

pub(in crate::config) struct RawPhase {
    pub name: String,
    pub place: Place,
    pub kind: Field<String>,
    pub enabled: Field<bool>,
    pub pipelines: Texts,
    pub approvals: Field<u64>,
    pub approval_ttl: Field<Duration>,
    pub window: Field<Window>,
    pub gates: RawGates,
    pub indexes: Texts,
    pub routes: Vec<RawRoute>,
    /// Where `route` stands, when it is written.
    pub route_place: Option<Place>,
    pub steps: Vec<RawStep>,
    pub soak: Field<Duration>,
}

impl RawPhase {
    pub(super) fn read(name: String, t: Table<'_>) -> Self {
        Self {
            name,
            kind: t.text("kind"),
            enabled: t.boolean("enabled"),
            pipelines: t.texts("pipelines"),
            approvals: t.integer("approvals", 1, 9),
            approval_ttl: t.duration("approval_ttl", MINUTE, 30 * DAY),
            window: t.parsed("window", "text in quotes", Window::parse),
            gates: t.table("gates", "`gates`").map(RawGates::read).unwrap_or_default(),
            indexes: t.texts("indexes"),
            routes: t.one_or_more_tables("route", "a route").into_iter().filter_map(RawRoute::read).collect(),
            route_place: t.written_at("route"),
            steps: t.one_or_more_tables("steps", "a step").into_iter().filter_map(RawStep::read).collect(),
            soak: t.duration("soak", Duration::ZERO, 90 * DAY),
            place: t.finish(),
        }
    }
}

#[derive(Default)]
pub(in crate::config) struct RawGates {
    pub lag: Field<Duration>,
    pub verified_within: Field<Duration>,
    pub drift: Field<u64>,
    pub open_transactions: Field<Duration>,
    pub runway: Field<Duration>,
    pub access: Field<Severity>,
    pub no_foreign_writer: Field<Duration>,
    pub indexes: Field<()>,
    pub hotspot_regression: Field<f64>,
}

impl RawGates {
    fn read(t: Table<'_>) -> Self {
        let raw = Self {
            lag: t.duration("lag", 10 * MS, DAY),
            verified_within: t.duration("verified_within", SECOND, 30 * DAY),
            drift: t.integer("drift", 0, u64::from(u32::MAX)),
            open_transactions: t.duration("open_transactions", 10 * MS, DAY),
            runway: t.duration("runway", SECOND, 30 * DAY),
            access: t.parsed("access", "text in quotes, such as \"no critical\"", severity),
            no_foreign_writer: t.duration("no_foreign_writer", MINUTE, 90 * DAY),
            indexes: t.parsed("indexes", "text in quotes: \"none missing\"", |text| match text {
                "none missing" => Ok(()),
                _ => Err("This must be \"none missing\".".to_owned()),
            }),
            hotspot_regression: t.number(
                "hotspot_regression",
                1.0,
                100.0,
                "how many times as long a statement may take on the target as on the source",
            ),
        };
        t.finish();
        raw
    }
}

/// `no critical`: the least severity of a finding that blocks.
fn severity(text: &str) -> Result<Severity, String> {
    let blocking = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low];
    let word = text.strip_prefix("no ");
    blocking.into_iter().find(|severity| word == Some(severity.word())).ok_or_else(|| {
        "This must be \"no critical\", \"no high\", \"no medium\" or \"no low\": that severity and worse ones block.".to_owned()
    })
}

/// One `route`; which kind it is follows from which of the four keys it has.
pub(in crate::config) enum RawRoute {
    File { path: Field<String> },
    Command { argv: Texts, timeout: Field<Duration> },
    Http { url: Field<String>, method: Field<String>, timeout: Field<Duration> },
    PgBouncer(Box<RawPgBouncer>),
}

/// A route through a PgBouncer.
pub(in crate::config) struct RawPgBouncer {
    pub place: Place,
    pub admin: Field<String>,
    pub database: Field<String>,
    pub file: Field<String>,
    pub source: Field<String>,
    pub target: Field<String>,
    pub timeout: Field<Duration>,
}

impl RawRoute {
    /// `None` when it cannot be told which kind of route is meant, which is then noted. PgBouncer comes first, because its routes have a `file` too.
    fn read(mut t: Table<'_>) -> Option<Self> {
        let route = match t.choose(&["pgbouncer", "command", "http", "file"])? {
            "pgbouncer" => {
                t.call_it("a PgBouncer route");
                return Some(Self::PgBouncer(Box::new(RawPgBouncer {
                    admin: t.text("pgbouncer"),
                    database: t.text("database"),
                    file: t.text("file"),
                    source: t.text("source"),
                    target: t.text("target"),
                    timeout: t.duration("timeout", 100 * MS, HOUR),
                    place: t.finish(),
                })));
            }
            "command" => {
                t.call_it("a command route");
                Self::Command { argv: t.arguments("command"), timeout: t.duration("timeout", 100 * MS, HOUR) }
            }
            "http" => {
                t.call_it("an HTTP route");
                Self::Http {
                    url: t.text("http"),
                    method: t.text("method"),
                    timeout: t.duration("timeout", 100 * MS, HOUR),
                }
            }
            _ => {
                t.call_it("a file route");
                Self::File { path: t.text("file") }
            }
        };
        t.finish();
        Some(route)
    }
}

/// One of `steps`.
pub(in crate::config) struct RawStep {
    pub place: Place,
    pub name: Field<String>,
    pub action: RawAction,
}

/// What a step does; which kind it is follows from which of the three keys it has.
pub(in crate::config) enum RawAction {
    Sql { statement: Field<String>, store: Field<String>, undo: Field<String>, check: Field<String> },
    Command { argv: Texts, undo: Texts, timeout: Field<Duration> },
    Http { url: Field<String>, method: Field<String>, undo: Field<String>, timeout: Field<Duration> },
}

impl RawStep {
    fn read(mut t: Table<'_>) -> Option<Self> {
        let kind = t.choose(&["sql", "command", "http"])?;
        let name = t.text("name");
        let action = match kind {
            "sql" => {
                t.call_it("an SQL step");
                RawAction::Sql {
                    statement: t.text("sql"),
                    store: t.text("store"),
                    undo: t.text("undo"),
                    check: t.text("check"),
                }
            }
            "command" => {
                t.call_it("a command step");
                RawAction::Command {
                    argv: t.arguments("command"),
                    undo: t.arguments("undo"),
                    timeout: t.duration("timeout", 100 * MS, DAY),
                }
            }
            _ => {
                t.call_it("an HTTP step");
                RawAction::Http {
                    url: t.text("http"),
                    method: t.text("method"),
                    undo: t.text("undo"),
                    timeout: t.duration("timeout", 100 * MS, HOUR),
                }
            }
        };
        Some(Self { name, action, place: t.finish() })
    }
}
