//! The ledger against the databases that serve: every acknowledged write is there exactly once, with its last acknowledged values,
//! and nothing is there that nobody wrote.

mod customers;
mod orders;
mod payments;
mod returns;
mod stock;

use crate::cli::demo::drift;
use crate::cli::demo::ledger::{Acknowledged, Record};
use crate::cli::demo::operation::Operation;
use crate::cli::demo::workload::WRITERS;
use sqlx::Connection;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

/// What was found. `notes` tells each finding in a sentence (the first fifty).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Acknowledged writes.
    pub acknowledged: u64,
    /// Acknowledged writes that are not there, or whose values are gone.
    pub lost: u64,
    /// Writes that are there more than once, or although nobody made them.
    pub duplicated: u64,
    /// Writes that were given up.
    pub given_up: u64,
    /// Acknowledged orders that a reader did not find.
    pub stale_reads: u64,
    /// Longest time from the first attempt of a write to its acknowledgement, in milliseconds.
    pub longest_wait_ms: u64,
    /// Findings.
    pub notes: Vec<String>,
}

/// Findings that are told one by one.
const NOTES: usize = 50;

impl Audit {
    fn lost(&mut self, note: String) {
        self.lost += 1;
        self.note(note);
    }

    fn duplicated(&mut self, note: String) {
        self.duplicated += 1;
        self.note(note);
    }

    fn note(&mut self, note: String) {
        if self.notes.len() < NOTES {
            self.notes.push(note);
        }
    }
}

/// The databases that serve now.
#[derive(Clone, Copy, Debug)]
pub struct Serving<'a> {
    /// Of the customers service.
    pub customers: &'a Path,
    /// Of the orders service.
    pub orders: &'a Path,
    /// Of the payments service.
    pub payments: &'a Path,
}

/// The ledger sorted by what it is compared with.
#[derive(Debug, Default)]
struct Claims<'a> {
    orders: BTreeMap<&'a str, &'a Acknowledged>,
    payments: BTreeMap<&'a str, &'a Acknowledged>,
    registrations: BTreeMap<&'a str, &'a Acknowledged>,
    returns: BTreeMap<&'a str, &'a Acknowledged>,
    /// By customer, in order of acknowledgement. One task makes all changes, so their order in the ledger is the order of the commits.
    changes: BTreeMap<i64, Vec<&'a Acknowledged>>,
    /// By order.
    paid: BTreeMap<i64, &'a str>,
    /// Ids of writes whose outcome nobody was told: each may be there, once.
    in_doubt: BTreeSet<String>,
}

impl<'a> Claims<'a> {
    fn new(records: &'a [Record]) -> Self {
        let mut claims = Self::default();
        let mut last: BTreeMap<&str, u64> = BTreeMap::new();
        let mut ended = false;
        for record in records {
            match record {
                Record::Acknowledged(write) => {
                    claims.add(write);
                    count(&mut last, &write.op);
                }
                Record::GivenUp { op, .. } => {
                    claims.in_doubt.insert(op.clone());
                    count(&mut last, op);
                }
                Record::Ended { .. } => ended = true,
                Record::Route { .. } | Record::StaleRead { .. } => {}
            }
        }
        if !ended {
            // Killed: each writer may have committed one more write than it could enter, and one may be a writer's first.
            for name in WRITERS {
                let next = last.get(name).copied().unwrap_or(0) + 1;
                claims.in_doubt.insert(format!("{name}-{next:06}"));
            }
        }
        claims
    }

    fn add(&mut self, write: &'a Acknowledged) {
        match &write.operation {
            Operation::PlaceOrder { .. } => {
                self.orders.insert(&write.op, write);
            }
            Operation::Pay { .. } => {
                self.payments.insert(&write.op, write);
            }
            Operation::RegisterCustomer { .. } => {
                self.registrations.insert(&write.op, write);
            }
            Operation::ChangeCustomer { customer_id, .. } => self.changes.entry(*customer_id).or_default().push(write),
            Operation::Return { .. } => {
                self.returns.insert(&write.op, write);
            }
            Operation::MarkPaid { order_id } => {
                self.paid.insert(*order_id, &write.op);
            }
        }
    }
}

/// Remembers the highest number of each writer.
fn count<'a>(last: &mut BTreeMap<&'a str, u64>, op: &'a str) {
    if let Some((name, number)) = op.rsplit_once('-')
        && let Ok(number) = number.parse::<u64>()
    {
        let highest = last.entry(name).or_default();
        *highest = number.max(*highest);
    }
}

/// Compares. `reference` is a fresh copy of the data that the shop began with.
///
/// # Errors
/// When a database cannot be read.
pub async fn audit(records: &[Record], serving: Serving<'_>, reference: &Path) -> Result<Audit, sqlx::Error> {
    let mut audit = Audit::default();
    for record in records {
        match record {
            Record::Acknowledged(write) => {
                audit.acknowledged += 1;
                audit.longest_wait_ms = audit.longest_wait_ms.max(write.wait_ms);
            }
            Record::GivenUp { op, why, .. } => {
                audit.given_up += 1;
                audit.note(format!("write {op} was given up: {why}"));
            }
            Record::StaleRead { op, epoch, .. } => {
                audit.stale_reads += 1;
                audit.note(format!("a reader did not find the acknowledged order {op} (routing epoch {epoch})"));
            }
            Record::Route { .. } | Record::Ended { .. } => {}
        }
    }
    let claims = Claims::new(records);
    let mut first = drift::open(reference).await?;
    let mut connection = drift::open(serving.orders).await?;
    let taken = orders::audit(&mut audit, &claims, &mut connection, &mut first).await?;
    stock::audit(&mut audit, &taken, &mut connection, &mut first).await?;
    returns::audit(&mut audit, &claims, &mut connection).await?;
    connection.close().await?;
    let mut connection = drift::open(serving.payments).await?;
    payments::audit(&mut audit, &claims, &mut connection, &mut first).await?;
    connection.close().await?;
    let mut connection = drift::open(serving.customers).await?;
    customers::audit(&mut audit, &claims, &mut connection, &mut first).await?;
    connection.close().await?;
    first.close().await?;
    Ok(audit)
}

/// Rows that carry a workload id, grouped by it: what must be there once.
fn by_op<T>(rows: Vec<(String, T)>) -> HashMap<String, Vec<T>> {
    let mut groups: HashMap<String, Vec<T>> = HashMap::new();
    for (op, row) in rows {
        groups.entry(op).or_default().push(row);
    }
    groups
}

/// Compares the rows of one kind with the ledger. `expected` gives the row that an acknowledged write must have left.
fn match_rows<T: PartialEq + std::fmt::Debug>(
    audit: &mut Audit,
    what: &str,
    claims: &BTreeMap<&str, &Acknowledged>,
    in_doubt: &BTreeSet<String>,
    found: &HashMap<String, Vec<T>>,
    expected: impl Fn(&Acknowledged) -> Option<T>,
) {
    for (op, write) in claims {
        let rows = found.get(*op).map_or(&[][..], Vec::as_slice);
        for _ in rows.iter().skip(1) {
            audit.duplicated(format!("{what} {op} is there {} times", rows.len()));
        }
        match (rows.first(), expected(write)) {
            (None, _) => audit.lost(format!("{what} {op} is not there")),
            (Some(row), Some(expected)) if *row != expected => {
                audit.lost(format!("{what} {op} is {row:?} and was acknowledged as {expected:?}"));
            }
            _ => {}
        }
    }
    for (op, rows) in found {
        if claims.contains_key(op.as_str()) {
            continue;
        }
        let allowed = usize::from(in_doubt.contains(op));
        for _ in rows.iter().skip(allowed) {
            audit.duplicated(format!("{what} {op} is there and was never acknowledged"));
        }
    }
}

/// What was taken from the stock: pieces and moves by product.
type Taken = BTreeMap<i64, (i64, i64)>;

/// A row of the first data must be there once, as it was.
fn first_row<T: PartialEq + std::fmt::Debug>(audit: &mut Audit, what: &str, op: &str, row: &T, found: Option<Vec<T>>) {
    let found = found.unwrap_or_default();
    match found.first() {
        None => audit.lost(format!("{what} {op} of the first data is not there")),
        Some(other) if other != row => {
            audit.lost(format!("{what} {op} of the first data is {other:?} and was {row:?}"))
        }
        Some(_) => {}
    }
    for _ in found.iter().skip(1) {
        audit.duplicated(format!("{what} {op} of the first data is there {} times", found.len()));
    }
}

#[cfg(test)]
mod tests;
