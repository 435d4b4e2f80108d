//! The change log of one capture: its tables, and the triggers that write it.
//!
//! One log table per capture, its columns without a declared type, so that each value keeps its storage class:
//! `seq | at | op | tbl | k0 .. kN | c0 .. cM`, where `k` is the key before the change and `c` the mapped columns after it.
//! SQLite has one writer at a time and `seq` is given inside the writing transaction, so the order of `seq` is the commit order.
//! `AUTOINCREMENT` keeps a number from being used twice after the log was trimmed.
//!
//! `INSERT OR REPLACE` (and `UPDATE OR REPLACE`, and REPLACE as a table's own conflict clause) removes the rows that stand in its
//! way without firing delete triggers, unless the application has set `recursive_triggers`. So a BEFORE trigger notes the keys of
//! rows that collide on any unique index, and the AFTER trigger looks which of them are gone: those are logged as deletes before
//! the change itself. Rows that `OR IGNORE` or `ON CONFLICT DO UPDATE` left alone are still there and are not logged. An insert
//! that took the place of a row with the same key is logged as an update, so that the target does not take it for somebody
//! else's write. The notes are cleared by the next statement on the table and never outlive a transaction in meaning.
//!
//! Not covered, and said by a pre-flight check: REPLACE that collides on a partial or expression index (the collision cannot be
//! found by columns), and a user's BEFORE trigger that writes to its own table (it would clear the notes of the outer statement).

use super::catalogue::CatalogueTable;
use super::control;
use super::quote::ident;
use crate::model::table::TableMap;
use crate::stores::CaptureSpec;

/// Registry of captures in the file: how far each log was trimmed and what its tables looked like.
pub const CREATE_REGISTRY: &str = "CREATE TABLE IF NOT EXISTS godwit_capture \
    (name TEXT PRIMARY KEY NOT NULL, tables TEXT NOT NULL, trimmed INTEGER NOT NULL)";

/// Names and widths of one capture's log.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Name of the log table, unquoted.
    pub log: String,
    /// Name of the table of displaced keys, unquoted.
    pub displaced: String,
    /// Number of `k` columns: the widest key; at least one, which carries the token of a marker.
    pub keys: usize,
    /// Number of `c` columns: the widest row.
    pub cells: usize,
}

impl Layout {
    /// The layout that follows from a specification, always the same one.
    pub fn of(spec: &CaptureSpec) -> Self {
        Self {
            log: format!("godwit_log_{}", spec.name),
            displaced: format!("godwit_displaced_{}", spec.name),
            keys: spec.tables.iter().map(|map| map.key.len()).max().unwrap_or(0).max(1),
            cells: spec.tables.iter().map(|map| map.columns.len()).max().unwrap_or(0),
        }
    }

    /// The same log with as many `c` columns as the registry says that it has: columns that were mapped on the way are appended.
    pub fn with_cells(mut self, cells: usize) -> Self {
        self.cells = self.cells.max(cells);
        self
    }

    /// The statement that gives the log one more `c` column.
    pub fn widen_statement(&self, cell: usize) -> String {
        format!("ALTER TABLE {} ADD COLUMN c{cell}", ident(&self.log))
    }

    /// `k0, k1, ..` for the first `count` key columns.
    pub fn key_columns(count: usize) -> String {
        (0..count).map(|i| format!("k{i}")).collect::<Vec<_>>().join(", ")
    }

    fn cell_columns(count: usize) -> String {
        (0..count).map(|i| format!("c{i}")).collect::<Vec<_>>().join(", ")
    }

    /// Reads log rows `?1 < seq <= ?2`, at most `?3`.
    pub fn read_statement(&self) -> String {
        let mut columns = vec!["seq".to_owned(), "at".to_owned(), "op".to_owned(), "tbl".to_owned()];
        columns.push(Self::key_columns(self.keys));
        if self.cells > 0 {
            columns.push(Self::cell_columns(self.cells));
        }
        format!(
            "SELECT {} FROM {} WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3",
            columns.join(", "),
            ident(&self.log)
        )
    }

    /// Writes a marker with the token `?1`.
    pub fn marker_statement(&self) -> String {
        format!("INSERT INTO {} (at, op, k0) VALUES (julianday('now'), 'm', ?1)", ident(&self.log))
    }

    /// The tables' statements with their undo.
    pub fn tables(&self) -> Vec<(String, String)> {
        let untyped = |prefix: char, count: usize| (0..count).map(|i| format!(", {prefix}{i}")).collect::<String>();
        vec![
            (
                format!(
                    "CREATE TABLE {} (seq INTEGER PRIMARY KEY AUTOINCREMENT, at REAL, op TEXT NOT NULL, tbl INTEGER{}{})",
                    ident(&self.log),
                    untyped('k', self.keys),
                    untyped('c', self.cells)
                ),
                format!("DROP TABLE {}", ident(&self.log)),
            ),
            (
                format!(
                    "CREATE TABLE {} (op TEXT NOT NULL, tbl INTEGER NOT NULL{})",
                    ident(&self.displaced),
                    untyped('k', self.keys)
                ),
                format!("DROP TABLE {}", ident(&self.displaced)),
            ),
        ]
    }
}

/// Moments at which a trigger fires, as the end of its name.
pub const MOMENTS: [&str; 5] = ["bi", "ai", "bu", "au", "ad"];

/// Name of a trigger, unquoted. The colon cannot occur in a capture's name, so no name is the beginning of another.
pub fn trigger_name(capture: &str, table: usize, moment: &str) -> String {
    format!("godwit_log_{capture}:{table}:{moment}")
}

/// The five triggers of one captured table with their undo. `cells` says which column each `c` column of the log takes; one that is no
/// longer mapped takes nothing.
pub fn triggers(
    spec: &CaptureSpec,
    index: usize,
    map: &TableMap,
    found: &CatalogueTable,
    cells: &[String],
) -> Vec<(String, String)> {
    let body = Body { layout: Layout::of(spec), index, map, found, cells, table: ident(&found.name) };
    let when = control::not_applied_by(&spec.ignore_origin);
    let events = [
        ("bi", "BEFORE INSERT", body.before_insert()),
        ("ai", "AFTER INSERT", body.after_insert()),
        ("bu", "BEFORE UPDATE", body.before_update()),
        ("au", "AFTER UPDATE", body.after_update()),
        ("ad", "AFTER DELETE", body.after_delete()),
    ];
    events
        .into_iter()
        .map(|(moment, event, statements)| {
            let name = ident(&trigger_name(&spec.name, index, moment));
            (
                format!(
                    "CREATE TRIGGER {name} {event} ON {} FOR EACH ROW WHEN {when} BEGIN {} END",
                    body.table,
                    statements.iter().map(|s| format!("{s};")).collect::<Vec<_>>().join(" ")
                ),
                format!("DROP TRIGGER {name}"),
            )
        })
        .collect()
}

/// Writes the statements inside the triggers of one table.
struct Body<'a> {
    layout: Layout,
    index: usize,
    map: &'a TableMap,
    found: &'a CatalogueTable,
    cells: &'a [String],
    table: String,
}

impl Body<'_> {
    fn key_names(&self) -> Vec<&str> {
        self.map.key.iter().filter_map(|&i| self.map.columns.get(i)).map(|c| c.source.as_str()).collect()
    }

    /// `NEW."a", NEW."b"` and the like.
    fn key_of(&self, row: &str) -> String {
        self.key_names().iter().map(|name| format!("{row}.{}", ident(name))).collect::<Vec<_>>().join(", ")
    }

    /// `NEW."a" = d.k0 AND ..`: the left side decides affinity and collation, so it is always the table's own column.
    fn key_equals(&self, row: &str) -> String {
        let names = self.key_names();
        let parts = names.iter().enumerate().map(|(i, name)| format!("{row}.{} = d.k{i}", ident(name)));
        parts.collect::<Vec<_>>().join(" AND ")
    }

    /// Every set of columns on which two rows cannot agree, with collations.
    fn unique_sets(&self) -> Vec<Vec<(String, Option<String>)>> {
        let mut sets = Vec::new();
        if self.found.rowid_alias {
            sets.push(self.found.primary_key.iter().map(|name| (name.clone(), None)).collect());
        }
        for columns in self.found.uniques.iter().filter_map(|index| index.columns.as_ref()) {
            sets.push(columns.iter().map(|(name, collation)| (name.clone(), Some(collation.clone()))).collect());
        }
        sets
    }

    /// `x."u" = NEW."u" COLLATE NOCASE AND ..`.
    fn collides(set: &[(String, Option<String>)]) -> String {
        let parts = set.iter().map(|(name, collation)| {
            let collate = collation.as_ref().map(|c| format!(" COLLATE {}", ident(c))).unwrap_or_default();
            format!("x.{0} = NEW.{0}{collate}", ident(name))
        });
        parts.collect::<Vec<_>>().join(" AND ")
    }

    fn clear_notes(&self, op: &str) -> String {
        format!("DELETE FROM {} WHERE op = '{op}' AND tbl = {}", ident(&self.layout.displaced), self.index)
    }

    /// Notes the rows that match one of the conditions.
    fn note(&self, op: &str, conditions: &[String]) -> String {
        // UNION instead of OR: each branch uses its own index, and a row that collides twice is noted once.
        let branches = conditions.iter().map(|condition| {
            format!("SELECT '{op}', {}, {} FROM {} AS x WHERE {condition}", self.index, self.key_of("x"), self.table)
        });
        format!(
            "INSERT INTO {} (op, tbl, {}) {}",
            ident(&self.layout.displaced),
            Layout::key_columns(self.map.key.len()),
            branches.collect::<Vec<_>>().join(" UNION ")
        )
    }

    /// Logs deletes of the noted rows that are gone.
    fn log_displaced(&self, op: &str, or: &str) -> String {
        let keys = Layout::key_columns(self.map.key.len());
        let noted = (0..self.map.key.len()).map(|i| format!("d.k{i}")).collect::<Vec<_>>().join(", ");
        format!(
            "INSERT INTO {} (at, op, tbl, {keys}) SELECT julianday('now'), 'd', {i}, {noted} FROM {} AS d \
             WHERE d.op = '{op}' AND d.tbl = {i} AND (NOT EXISTS (SELECT 1 FROM {} AS x WHERE {}){or})",
            ident(&self.layout.log),
            ident(&self.layout.displaced),
            self.table,
            self.key_equals("x"),
            i = self.index,
        )
    }

    /// Logs a change with a new row image.
    fn log_row(&self, op: &str, key_row: &str) -> String {
        let is_mapped = |name: &&String| self.map.columns.iter().any(|c| c.source == **name);
        let (places, cells): (Vec<String>, Vec<String>) = self
            .cells
            .iter()
            .enumerate()
            .filter(|(_, name)| is_mapped(name))
            .map(|(at, name)| (format!("c{at}"), format!("NEW.{}", ident(name))))
            .unzip();
        format!(
            "INSERT INTO {} (at, op, tbl, {}, {}) VALUES (julianday('now'), {op}, {}, {}, {})",
            ident(&self.layout.log),
            Layout::key_columns(self.map.key.len()),
            places.join(", "),
            self.index,
            self.key_of(key_row),
            cells.join(", ")
        )
    }

    fn before_insert(&self) -> Vec<String> {
        let conditions: Vec<String> = self.unique_sets().iter().map(|set| Self::collides(set)).collect();
        vec![self.clear_notes("i"), self.note("i", &conditions)]
    }

    fn after_insert(&self) -> Vec<String> {
        // Before the insert, NEW holds -1 for a rowid that SQLite has yet to choose, so the noted key is compared only now.
        let replaced = format!(
            "CASE WHEN EXISTS (SELECT 1 FROM {} AS d WHERE d.op = 'i' AND d.tbl = {} AND {}) THEN 'u' ELSE 'i' END",
            ident(&self.layout.displaced),
            self.index,
            self.key_equals("NEW")
        );
        vec![self.log_displaced("i", ""), self.log_row(&replaced, "NEW"), self.clear_notes("i")]
    }

    fn before_update(&self) -> Vec<String> {
        let same =
            self.key_names().iter().map(|n| format!("x.{0} IS OLD.{0}", ident(n))).collect::<Vec<_>>().join(" AND ");
        let conditions: Vec<String> = self
            .unique_sets()
            .iter()
            .map(|set| {
                let moved = set.iter().map(|(n, _)| format!("OLD.{0} IS NOT NEW.{0}", ident(n))).collect::<Vec<_>>();
                format!("({}) AND {} AND NOT ({same})", moved.join(" OR "), Self::collides(set))
            })
            .collect();
        vec![self.clear_notes("u"), self.note("u", &conditions)]
    }

    fn after_update(&self) -> Vec<String> {
        // A noted row whose key the updated row has now was displaced although a row with its key is there.
        let taken = format!(" OR ({})", self.key_equals("NEW"));
        vec![self.log_displaced("u", &taken), self.log_row("'u'", "OLD"), self.clear_notes("u")]
    }

    fn after_delete(&self) -> Vec<String> {
        // With `recursive_triggers` a REPLACE fires this one, and then the note must not log the delete a second time.
        vec![
            format!(
                "INSERT INTO {} (at, op, tbl, {}) VALUES (julianday('now'), 'd', {}, {})",
                ident(&self.layout.log),
                Layout::key_columns(self.map.key.len()),
                self.index,
                self.key_of("OLD")
            ),
            format!(
                "DELETE FROM {} WHERE tbl = {} AND {}",
                ident(&self.layout.displaced),
                self.index,
                self.key_names()
                    .iter()
                    .enumerate()
                    .map(|(i, name)| format!("OLD.{} = k{i}", ident(name)))
                    .collect::<Vec<_>>()
                    .join(" AND ")
            ),
        ]
    }
}
