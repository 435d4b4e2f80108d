//! The ledger: what the applications were told is safe. One JSON record a line, appended after the commit.

use crate::cli::demo::operation::Operation;
use crate::cli::demo::routing::Serves;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// A write was acknowledged: it must be there exactly once, for ever.
    Acknowledged(Acknowledged),
    /// A write was given up; nobody was told that it is safe. It may or may not be there.
    GivenUp {
        /// Its id.
        op: String,
        /// What.
        operation: Operation,
        /// The last error.
        why: String,
    },
    /// The routing file was seen to say something new.
    Route {
        /// Its epoch.
        epoch: u64,
        /// Which side serves.
        serves: Serves,
        /// Unix time in milliseconds.
        at_ms: i64,
    },
    /// An acknowledged order was not found where the routing file said.
    StaleRead {
        /// The order's id in the ledger.
        op: String,
        /// The routing file's epoch.
        epoch: u64,
        /// Unix time in milliseconds.
        at_ms: i64,
    },
    /// The applications stopped in an orderly way. Without this record each writer may have had one more write in flight.
    Ended {
        /// Reads carried out.
        reads: u64,
    },
}

/// An acknowledged write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// Its id, stored in the row.
    pub op: String,
    /// Service.
    pub service: String,
    /// Table that carries the id.
    pub table: String,
    /// The row's key.
    pub key: i64,
    /// What was written.
    pub operation: Operation,
    /// First attempt, Unix time in milliseconds.
    pub started_ms: i64,
    /// Acknowledgement, Unix time in milliseconds.
    pub acked_ms: i64,
    /// From the first attempt to the acknowledgement by a monotonic clock, in milliseconds.
    pub wait_ms: u64,
    /// Attempts.
    pub attempts: u32,
    /// Epoch of the routing file that led to the database that acknowledged.
    pub epoch: u64,
}

/// The file, open for appending.
#[derive(Debug)]
pub struct Ledger(File);

impl Ledger {
    /// Opens or makes the file.
    ///
    /// # Errors
    /// When that fails.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(File::options().create(true).append(true).open(path)?))
    }

    /// Appends one record in one write, so that a kill leaves at most one torn line at the end.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn append(&mut self, record: &Record) -> io::Result<()> {
        let mut line = serde_json::to_vec(record).map_err(io::Error::other)?;
        line.push(b'\n');
        self.0.write_all(&line)
    }

    /// Makes all of it durable.
    ///
    /// # Errors
    /// When that fails.
    pub fn sync(&self) -> io::Result<()> {
        self.0.sync_all()
    }
}

/// Reads a ledger. A last line without its end was torn by a kill: its write was not yet told to anybody, so it is left out.
///
/// # Errors
/// When the file cannot be read, or any other line is not a record.
pub fn read(path: &Path) -> io::Result<Vec<Record>> {
    let text = std::fs::read_to_string(path)?;
    let whole = text.rfind('\n').map_or(0, |at| at + 1);
    text.get(..whole)
        .unwrap_or_default()
        .lines()
        .enumerate()
        .map(|(number, line)| {
            serde_json::from_str(line).map_err(|error| {
                io::Error::other(format!("{}, line {}: not a ledger record: {error}", path.display(), number + 1))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acknowledged(op: &str) -> Record {
        Record::Acknowledged(Acknowledged {
            op: op.to_owned(),
            service: "orders".to_owned(),
            table: "orders".to_owned(),
            key: 7,
            operation: Operation::MarkPaid { order_id: 7 },
            started_ms: 1,
            acked_ms: 2,
            wait_ms: 1,
            attempts: 1,
            epoch: 0,
        })
    }

    #[test]
    fn what_is_appended_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.jsonl");
        let records = vec![
            acknowledged("o1-1"),
            Record::Route { epoch: 1, serves: Serves::Target, at_ms: 5 },
            Record::GivenUp {
                op: "c1-2".to_owned(),
                operation: Operation::ChangeCustomer { customer_id: 3, city: "Köln".to_owned() },
                why: "line\nbreak".to_owned(),
            },
            Record::Ended { reads: 9 },
        ];
        let mut ledger = Ledger::open(&path).unwrap();
        for record in &records {
            ledger.append(record).unwrap();
        }
        ledger.sync().unwrap();
        assert_eq!(read(&path).unwrap(), records);
    }

    #[test]
    fn a_torn_last_line_is_left_out_and_a_broken_one_before_it_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.jsonl");
        Ledger::open(&path).unwrap().append(&acknowledged("o1-1")).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let torn: Vec<u8> = whole.iter().chain(&whole[..whole.len() / 2]).copied().collect();
        std::fs::write(&path, &torn).unwrap();
        assert_eq!(read(&path).unwrap(), [acknowledged("o1-1")]);
        std::fs::write(&path, b"{\"record\":\n{}\n").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("line 1"));
    }
}
