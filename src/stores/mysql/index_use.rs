//! How often indexes and tables are used: counters of the Performance Schema, else MariaDB's `userstat`.
//!
//! Both count rows that were fetched through an index, not scans. Godwit never flushes them.

use crate::model::lag::Reading;
use crate::model::observation::Window;
use crate::stores::mysql::capability::{Capability, Flavour};
use crate::stores::mysql::line::Line;
use crate::stores::mysql::missing;
use crate::stores::mysql::watch::{Read, Reader};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Since when a switch was seen on: nothing tells when it was thrown.
#[derive(Debug, Default)]
pub struct Switch(Mutex<Option<DateTime<Utc>>>);

impl Switch {
    /// Takes in that it is on or off now; since when it has been seen on without a gap.
    fn seen(&self, is_on: bool, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *since = if is_on { since.or(Some(now)) } else { None };
        *since
    }
}

/// Where the counters come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UseSource {
    /// `table_io_waits_summary_by_index_usage`.
    PerformanceSchema,
    /// `INDEX_STATISTICS` and `TABLE_STATISTICS`.
    UserStatistics,
    /// Nothing counts.
    Nothing,
}

/// Rows of a table, by what was done with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableCounts {
    /// Fetched without an index.
    pub full_scan_rows: Option<u64>,
    /// Fetched through any index.
    pub index_rows: Option<u64>,
    /// Inserted.
    pub inserted: Option<u64>,
    /// Updated.
    pub updated: Option<u64>,
    /// Deleted.
    pub deleted: Option<u64>,
}

/// What was counted.
#[derive(Clone, Debug)]
pub struct IndexUse {
    /// By whom.
    pub source: UseSource,
    /// Since when.
    pub window: Window,
    /// Changes when the counters began anew.
    pub epoch: String,
    indexes: BTreeMap<(String, String), u64>,
    tables: BTreeMap<String, TableCounts>,
}

/// Why a single counter is not known.
const NOTHING_COUNTS: &str = "nothing counts the use of indexes on this server";

impl IndexUse {
    /// Rows that were fetched through an index.
    pub fn of_index(&self, table: &str, index: &str) -> Reading<u64> {
        match (self.source, self.indexes.get(&(table.to_owned(), index.to_owned()))) {
            (UseSource::Nothing, _) => Reading::Unknown(NOTHING_COUNTS.to_owned()),
            (_, Some(rows)) => Reading::Known(*rows),
            // Both sources list an index from its first use on; MySQL lists all of an opened table.
            (_, None) => Reading::Known(0),
        }
    }

    /// Rows of a table.
    pub fn of_table(&self, table: &str) -> Option<TableCounts> {
        match self.source {
            UseSource::Nothing => None,
            _ => Some(self.tables.get(table).copied().unwrap_or_default()),
        }
    }

    /// A count of a table, or why there is none.
    pub fn count(&self, value: Option<u64>) -> Reading<u64> {
        match (self.source, value) {
            (_, Some(rows)) => Reading::Known(rows),
            (UseSource::Nothing, None) => Reading::Unknown(NOTHING_COUNTS.to_owned()),
            (UseSource::UserStatistics, None) => Reading::Unknown("userstat does not tell these apart".to_owned()),
            (UseSource::PerformanceSchema, None) => Reading::Known(0),
        }
    }

    fn nothing(now: DateTime<Utc>) -> Self {
        Self {
            source: UseSource::Nothing,
            window: Window { since: now, proof: NOTHING_COUNTS.to_owned() },
            epoch: String::new(),
            indexes: BTreeMap::new(),
            tables: BTreeMap::new(),
        }
    }
}

const BY_INDEX: &str =
    "SELECT OBJECT_SCHEMA AS db, OBJECT_NAME AS tbl, INDEX_NAME AS idx, COUNT_STAR AS all_rows, COUNT_FETCH AS fetched,
        COUNT_INSERT AS inserted, COUNT_UPDATE AS updated, COUNT_DELETE AS deleted
   FROM performance_schema.table_io_waits_summary_by_index_usage
  WHERE OBJECT_TYPE = 'TABLE' AND OBJECT_SCHEMA NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema')";

const USERSTAT: &str = "SHOW GLOBAL VARIABLES LIKE 'userstat'";

const INDEX_STATISTICS: &str = "SELECT TABLE_SCHEMA AS db, TABLE_NAME AS tbl, INDEX_NAME AS idx, ROWS_READ AS fetched FROM information_schema.index_statistics";

/// Reads the counters from where they are.
///
/// # Errors
/// The driver's.
pub async fn read(reader: &mut Reader<'_>, switch: &Switch) -> Read<IndexUse> {
    let server: Capability = reader.server().clone();
    let now = Utc::now();
    let started = reader.started_s();
    let start = reader.started_at().unwrap_or(now);
    if server.performance_schema && server.has("performance_schema.table_io_waits_summary_by_index_usage.count_star") {
        let rows = reader.lines(BY_INDEX).await?;
        let window =
            Window { since: start, proof: "the server started then; nothing tells of a TRUNCATE since".to_owned() };
        return Ok(of_performance_schema(&rows, window, format!("{started}")));
    }
    let userstat = match server.flavour {
        Flavour::Mariadb => reader.lines(USERSTAT).await?.first().is_some_and(|line| line.is_set("value")),
        Flavour::Mysql => false,
    };
    let Some(since) = switch.seen(userstat, now) else {
        reader.lacks(missing::index_use(server.flavour, server.performance_schema));
        return Ok(IndexUse::nothing(now));
    };
    let flavour = server.flavour;
    let Some(rows) = reader.lines_or(|| missing::process(flavour), INDEX_STATISTICS).await? else {
        return Ok(IndexUse::nothing(now));
    };
    let window = Window { since: since.max(start), proof: "Godwit has seen userstat on since then".to_owned() };
    Ok(of_user_statistics(&rows, window, format!("{started}/{}", since.timestamp())))
}

/// From `table_io_waits_summary_by_index_usage`. The line without an index has what was fetched without one, and all inserted rows.
pub fn of_performance_schema(rows: &[Line], window: Window, epoch: String) -> IndexUse {
    let (mut indexes, mut tables) = (BTreeMap::new(), BTreeMap::<String, TableCounts>::new());
    for row in rows {
        let table = format!("{}.{}", row.text("db"), row.text("tbl"));
        let counts = tables.entry(table.clone()).or_default();
        let add = |known: &mut Option<u64>, column: &str| {
            *known = Some(known.unwrap_or(0) + row.number(column).unwrap_or(0));
        };
        add(&mut counts.inserted, "inserted");
        add(&mut counts.updated, "updated");
        add(&mut counts.deleted, "deleted");
        match row.some("idx") {
            Some(index) => {
                add(&mut counts.index_rows, "fetched");
                indexes.insert((table, index), row.number("fetched").unwrap_or(0));
            }
            None => add(&mut counts.full_scan_rows, "fetched"),
        }
    }
    IndexUse { source: UseSource::PerformanceSchema, window, epoch, indexes, tables }
}

/// From `INDEX_STATISTICS`.
pub fn of_user_statistics(rows: &[Line], window: Window, epoch: String) -> IndexUse {
    let (mut indexes, mut tables) = (BTreeMap::new(), BTreeMap::<String, TableCounts>::new());
    for row in rows {
        let table = format!("{}.{}", row.text("db"), row.text("tbl"));
        let fetched = row.number("fetched").unwrap_or(0);
        let counts = tables.entry(table.clone()).or_default();
        counts.index_rows = Some(counts.index_rows.unwrap_or(0) + fetched);
        indexes.insert((table, row.text("idx")), fetched);
    }
    IndexUse { source: UseSource::UserStatistics, window, epoch, indexes, tables }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::mysql::line::recorded;

    #[test]
    fn a_switch_that_was_off_in_between_begins_anew() {
        let start = DateTime::<Utc>::UNIX_EPOCH;
        let later = |s| start + chrono::Duration::seconds(s);
        let switch = Switch::default();
        assert_eq!(switch.seen(true, later(1)), Some(later(1)));
        assert_eq!(switch.seen(true, later(2)), Some(later(1)));
        assert_eq!(switch.seen(false, later(3)), None);
        assert_eq!(switch.seen(true, later(4)), Some(later(4)));
    }

    #[test]
    fn mysql_8_counts_rows_by_index_and_without_one() {
        let window = Window { since: DateTime::UNIX_EPOCH, proof: String::new() };
        let rows = recorded::lines("mysql-8.0-indexes", "index_usage");
        let used = of_performance_schema(&rows, window, String::new());
        assert_eq!(used.of_index("shop.orders", "PRIMARY"), Reading::Known(900));
        assert_eq!(used.of_index("shop.orders", "by_note"), Reading::Known(0));
        let table = used.of_table("shop.orders").unwrap();
        assert_eq!((table.full_scan_rows, table.index_rows), (Some(5_000), Some(900)));
        assert_eq!((table.inserted, table.updated, table.deleted), (Some(100), Some(20), Some(3)));
    }
}
