//! The demo's last line: the ledger against the databases, and the old side against the new one. Not the engine's opinion.

use crate::cli::demo::audit::{Serving, audit};
use crate::cli::demo::layout::Files;
use crate::cli::demo::ledger::{self, Record};
use crate::cli::demo::routing::{Routing, Serves};
use crate::cli::demo::shop::{self, ShopSize};
use crate::cli::demo::{drift, shop::TABLES};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use std::fmt;

/// Whether both sides are expected to be equal at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sides {
    /// A pipeline kept both sides equal up to the last write.
    Compared,
    /// The demo ended before that (somebody left the cockpit early): only the side that serves is looked at.
    NotCompared,
}

/// The counts behind the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Acknowledged writes.
    pub acknowledged: u64,
    /// Acknowledged writes that are not there.
    pub lost: u64,
    /// Writes that are there more than once.
    pub duplicated: u64,
    /// Rows that differ between the old and the new side; `None` when that was not compared.
    pub drift: Option<u64>,
    /// Longest time that a write waited for its acknowledgement, in milliseconds.
    pub longest_wait_ms: u64,
    /// Switches to the new side.
    pub cutovers: u64,
    /// Switches back.
    pub rollbacks: u64,
    /// Writes that were given up.
    pub given_up: u64,
    /// Acknowledged orders that a reader did not find.
    pub stale_reads: u64,
    /// Cutovers and roll backs that the script made; `None` when a person made them.
    pub expected_switches: Option<(u64, u64)>,
    /// Findings, one sentence each.
    pub notes: Vec<String>,
}

impl Verdict {
    /// Says how many switches the applications must have seen.
    #[must_use]
    pub fn after_switches(mut self, cutovers: u64, rollbacks: u64) -> Self {
        if (self.cutovers, self.rollbacks) != (cutovers, rollbacks) {
            self.notes.push(format!(
                "the applications saw {} cutovers and {} roll backs, and there were {cutovers} and {rollbacks}",
                self.cutovers, self.rollbacks
            ));
        }
        self.expected_switches = Some((cutovers, rollbacks));
        self
    }

    /// True only if nothing was lost, doubled, given up or differs, the applications followed every switch, and something was
    /// written at all.
    pub fn is_ok(&self) -> bool {
        self.acknowledged > 0
            && self.lost == 0
            && self.duplicated == 0
            && self.drift.unwrap_or(0) == 0
            && self.given_up == 0
            && self.stale_reads == 0
            && self.expected_switches.is_none_or(|switches| switches == (self.cutovers, self.rollbacks))
    }

    /// The exit code that follows.
    pub fn exit(&self) -> Exit {
        if self.is_ok() { Exit::Ok } else { Exit::Finding }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let drift = self.drift.map_or_else(|| "not compared".to_owned(), |rows| rows.to_string());
        write!(
            f,
            "demo: acknowledged {}, lost {}, duplicated {}, drift {drift}, longest write wait {} ms, cutovers {}, rollbacks {}, verdict {}",
            self.acknowledged,
            self.lost,
            self.duplicated,
            self.longest_wait_ms,
            self.cutovers,
            self.rollbacks,
            if self.is_ok() { "OK" } else { "FAILED" }
        )
    }
}

/// Reaches the verdict. The applications must have stopped, and a pipeline must have drained if the sides are compared.
///
/// # Errors
/// When a file or a database cannot be read: then there is no verdict.
pub async fn reach(files: &Files, size: ShopSize, sides: Sides) -> Result<Verdict, Failure> {
    let records = ledger::read(&files.ledger()).map_err(|e| Failure::file("read the ledger", &files.ledger(), &e))?;
    let routing =
        Routing::read(&files.routing()).map_err(|e| Failure::file("read the routing file", &files.routing(), &e))?;
    let path =
        |service: &str| routing.of(service).map_err(|e| Failure::file("follow the routing file", &files.routing(), &e));
    let serving = Serving { customers: path("customers")?, orders: path("orders")?, payments: path("payments")? };
    let reference = files.reference();
    remove_if_there(&reference)?;
    shop::make(&reference, size).await.map_err(|e| unreadable("make the reference data", &e))?;
    let found = audit(&records, serving, &reference).await.map_err(|e| unreadable("compare the ledger", &e))?;
    remove_if_there(&reference)?;
    let (cutovers, rollbacks) = switches(&records);
    let mut notes = found.notes;
    let drift = match sides {
        Sides::Compared => {
            Some(compare_sides(files, &mut notes).await.map_err(|e| unreadable("compare the sides", &e))?)
        }
        Sides::NotCompared => None,
    };
    Ok(Verdict {
        acknowledged: found.acknowledged,
        lost: found.lost,
        duplicated: found.duplicated,
        drift,
        longest_wait_ms: found.longest_wait_ms,
        cutovers,
        rollbacks,
        given_up: found.given_up,
        stale_reads: found.stale_reads,
        expected_switches: None,
        notes,
    })
}

fn unreadable(what: &str, error: &sqlx::Error) -> Failure {
    Failure::new(Exit::Io, format!("the demo cannot {what}: {error}; there is no verdict"))
}

fn remove_if_there(path: &std::path::Path) -> Result<(), Failure> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::file("remove", path, &error)),
        _ => Ok(()),
    }
}

/// All rows of all tables of the monolith against those of the services.
async fn compare_sides(files: &Files, notes: &mut Vec<String>) -> Result<u64, sqlx::Error> {
    let mut total = 0;
    for table in &TABLES {
        let drift = drift::compare(&files.monolith(), &files.service(table.service), table).await?;
        total += drift.total();
        if drift.total() > 0 {
            notes.push(format!(
                "{}: of {} rows, {} missing, {} extra, {} changed on the new side: {}",
                table.name,
                drift.rows,
                drift.missing,
                drift.extra,
                drift.changed,
                drift.sample.join("; ")
            ));
        }
    }
    Ok(total)
}

/// Switches as the applications saw them: to the new side, and back.
fn switches(records: &[Record]) -> (u64, u64) {
    let (mut cutovers, mut rollbacks) = (0, 0);
    let mut side = Serves::Source;
    for record in records {
        if let Record::Route { serves, .. } = record {
            match (side, serves) {
                (Serves::Source, Serves::Target) => cutovers += 1,
                (Serves::Target, Serves::Source) => rollbacks += 1,
                (Serves::Source, Serves::Source) | (Serves::Target, Serves::Target) => {}
            }
            side = *serves;
        }
    }
    (cutovers, rollbacks)
}

#[cfg(test)]
mod tests;
