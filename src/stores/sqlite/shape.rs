//! What a capture remembers of its tables' columns, and how the tables differ from it now.
//!
//! The log has one `c` column for each captured column of the widest table. A column that is mapped on the way gets the next free one,
//! so that rows which were logged before keep their meaning; for how long it has been captured is remembered beside its name.

use super::catalogue::{self, CatalogueTable};
use super::log::{self, Layout};
use super::quote::{folded, ident};
use super::row::{self, Args};
use super::session::Session;
use crate::model::schema_change::{self, Difference, SchemaChange};
use crate::model::table::{Table, TableMap, TableName};
use crate::stores::error::{ErrorKind, StoreError};
use crate::stores::{CaptureSpec, Result};
use serde::{Deserialize, Serialize};

/// One table as the registry has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// By the number of the log's `c` column.
    pub captured: Vec<Captured>,
    /// Columns that are left out on purpose.
    pub left_out: Vec<String>,
}

/// Which column a `c` column of the log takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    /// The column; empty when it is no longer mapped.
    pub column: String,
    /// Log rows up to this one do not have it.
    pub since: u64,
}

impl Recorded {
    /// A table whose mapped columns are captured from the beginning; what it has beside them is left out on purpose.
    pub fn new(map: &TableMap, columns: impl Iterator<Item = String>) -> Self {
        let is_mapped = |name: &String| map.columns.iter().any(|c| c.source == *name);
        Self {
            captured: map.columns.iter().map(|c| Captured { column: c.source.clone(), since: 0 }).collect(),
            left_out: columns.filter(|name| !is_mapped(name)).collect(),
        }
    }

    /// Names of the captured columns by the number of their `c` column.
    pub fn cells(&self) -> Vec<String> {
        self.captured.iter().map(|c| c.column.clone()).collect()
    }

    /// Where the log has a column: its `c` column and the last row without it.
    pub fn place(&self, column: &str) -> Option<(usize, u64)> {
        let at = self.captured.iter().position(|c| c.column == column)?;
        Some((at, self.captured.get(at)?.since))
    }

    /// Follows a changed mapping: what is new in it is captured behind log row `end`. True when the triggers must follow.
    fn follow(&mut self, map: &TableMap, left_out: impl Iterator<Item = String>, end: u64) -> bool {
        let mut changed = false;
        for captured in self.captured.iter_mut().filter(|c| !c.column.is_empty()) {
            if !map.columns.iter().any(|c| c.source == captured.column) {
                captured.column.clear();
                changed = true;
            }
        }
        for column in &map.columns {
            if self.place(&column.source).is_none() {
                self.captured.push(Captured { column: column.source.clone(), since: end });
                changed = true;
            }
        }
        self.left_out.extend(left_out);
        self.left_out.retain(|name| !map.columns.iter().any(|c| c.source == *name));
        self.left_out.sort();
        self.left_out.dedup();
        changed
    }
}

/// The registry's column `tables`: now, and as it was written before columns could be mapped on the way.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Recorded(Vec<Recorded>),
    Shapes(Vec<Vec<(String, String)>>),
}

/// Reads the registry's column `tables`.
///
/// # Errors
/// Why it cannot be read.
pub fn parse(text: &str, spec: &CaptureSpec) -> std::result::Result<Vec<Recorded>, String> {
    let written = serde_json::from_str(text).map_err(|e| format!("godwit_capture is damaged: {e}"))?;
    let recorded: Vec<Recorded> = match written {
        Written::Recorded(recorded) => recorded,
        Written::Shapes(shapes) => spec
            .tables
            .iter()
            .zip(shapes)
            .map(|(map, columns)| Recorded::new(map, columns.into_iter().map(|(name, _)| name)))
            .collect(),
    };
    if recorded.len() == spec.tables.len() {
        Ok(recorded)
    } else {
        Err(format!("godwit_capture knows {} tables and {} are captured", recorded.len(), spec.tables.len()))
    }
}

/// Number of `c` columns of the log.
pub fn width(tables: &[Recorded]) -> usize {
    tables.iter().map(|t| t.captured.len()).max().unwrap_or(0)
}

/// Every difference between the tables and their mapping.
///
/// # Errors
/// [`ErrorKind::LogLost`] when a table that is there has lost a trigger: changes may have passed by.
pub async fn differences(
    session: &mut Session,
    spec: &CaptureSpec,
    recorded: &[Recorded],
) -> Result<Vec<SchemaChange>> {
    let mut all = Vec::new();
    for (index, (map, known)) in spec.tables.iter().zip(recorded).enumerate() {
        let change = |difference| SchemaChange { table: map.source.clone(), difference };
        let Some(found) = catalogue::find(session, &map.source).await? else {
            all.push(change(match captured_table(session, spec, index).await? {
                Some(now) => Difference::TableRenamed { now: TableName::bare(&now) },
                None => Difference::Gone,
            }));
            continue;
        };
        check_triggers(session, spec, index, map).await?;
        let now = table(&found);
        // SQLite refuses to drop a column that a trigger reads, so a captured one that is gone has another name.
        all.extend(schema_change::differences(map, &known.left_out, None, &now));
        // Mapped, and the triggers do not know it yet: an engine ended between the two.
        let unseen = now
            .columns
            .iter()
            .filter(|c| map.columns.iter().any(|m| m.source == c.name) && known.place(&c.name).is_none());
        all.extend(unseen.map(|column| change(Difference::Added { column: column.clone() })));
    }
    Ok(all)
}

/// The table on which a capture's triggers are, whatever its name.
async fn captured_table(session: &mut Session, spec: &CaptureSpec, index: usize) -> Result<Option<String>> {
    let trigger = log::trigger_name(&spec.name, index, log::MOMENTS[0]);
    let found = session
        .first("SELECT tbl_name FROM sqlite_schema WHERE type = 'trigger' AND name = ?1", Args::new().text(trigger))
        .await?;
    Ok(found.map(|r| row::text(&r, 0).to_owned()))
}

/// Fails when a trigger is missing on a table that is there.
pub async fn check_triggers(session: &mut Session, spec: &CaptureSpec, index: usize, map: &TableMap) -> Result<()> {
    let there = session
        .rows("SELECT name, tbl_name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE 'godwit%'", Args::new())
        .await?;
    let on_table = |name: &String| {
        there.iter().any(|r| row::text(r, 0) == name && folded(row::text(r, 1)) == folded(&map.source.name))
    };
    match log::MOMENTS.iter().map(|m| log::trigger_name(&spec.name, index, m)).find(|name| !on_table(name)) {
        None => Ok(()),
        // Rebuilding a table (the usual way of altering one in SQLite) drops its triggers with it.
        Some(name) => {
            Err(lost(session, spec, format!("the trigger {name} on {} is gone: was the table rebuilt?", map.source)))
        }
    }
}

/// The error for a capture of which a part is missing.
pub fn lost(session: &Session, spec: &CaptureSpec, what: String) -> StoreError {
    session.fail(ErrorKind::LogLost, what).about(&spec.name)
}

fn table(found: &CatalogueTable) -> Table {
    Table {
        name: TableName::bare(&found.name),
        columns: found.columns.clone(),
        identity: found.identity(),
        estimated_rows: None,
        size_bytes: None,
    }
}

/// In an open write transaction: brings log, triggers and registry in line with the specification. `end` is the log's last row.
pub async fn follow(
    session: &mut Session,
    spec: &CaptureSpec,
    mut recorded: Vec<Recorded>,
    left_out: &[(usize, String)],
    end: u64,
) -> Result<()> {
    let layout = Layout::of(spec);
    let before = width(&recorded);
    let mut changed = Vec::new();
    for (index, (map, known)) in spec.tables.iter().zip(&mut recorded).enumerate() {
        let own = left_out.iter().filter(|(table, _)| *table == index).map(|(_, column)| column.clone());
        if known.follow(map, own, end) {
            changed.push(index);
        }
    }
    for cell in before..width(&recorded) {
        session.script(&layout.widen_statement(cell)).await?;
    }
    for index in changed {
        let (Some(map), Some(known)) = (spec.tables.get(index), recorded.get(index)) else { continue };
        let Some(found) = catalogue::find(session, &map.source).await? else {
            return Err(session.fail(ErrorKind::NotFound, "there is no such table").about(map.source.to_string()));
        };
        for moment in log::MOMENTS {
            session.script(&format!("DROP TRIGGER {}", ident(&log::trigger_name(&spec.name, index, moment)))).await?;
        }
        for (statement, _) in log::triggers(spec, index, map, &found, &known.cells()) {
            session.script(&statement).await?;
        }
    }
    let text = serde_json::to_string(&recorded).map_err(|e| session.fail(ErrorKind::Protocol, e.to_string()))?;
    session
        .run("UPDATE godwit_capture SET tables = ?2 WHERE name = ?1", Args::new().text(&spec.name).text(text))
        .await
        .map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::table::ColumnMap;

    fn map(columns: &[&str]) -> TableMap {
        let column = |name: &&str| ColumnMap {
            source: (*name).to_owned(),
            target: (*name).to_owned(),
            source_type: String::new(),
            target_type: String::new(),
        };
        TableMap {
            source: TableName::bare("t"),
            target: TableName::bare("t"),
            columns: columns.iter().map(column).collect(),
            key: vec![0],
        }
    }

    #[test]
    fn a_column_that_comes_back_is_captured_anew() {
        let mut known = Recorded::new(&map(&["id", "a"]), ["id", "a", "secret"].map(str::to_owned).into_iter());
        assert_eq!((known.place("a"), known.left_out.as_slice()), (Some((1, 0)), &["secret".to_owned()][..]));
        assert!(known.follow(&map(&["id"]), std::iter::empty(), 5));
        assert_eq!(known.place("a"), None);
        assert!(known.follow(&map(&["id", "a"]), std::iter::once("b".to_owned()), 9));
        assert_eq!(known.place("a"), Some((2, 9)));
        assert_eq!(known.left_out, ["b", "secret"]);
        assert!(!known.follow(&map(&["id", "a"]), std::iter::empty(), 12), "safe to repeat");
        assert_eq!(known.cells(), ["id", "", "a"]);
    }

    #[test]
    fn registries_of_older_captures_are_read() {
        let spec = CaptureSpec { name: "p".into(), ignore_origin: "q".into(), tables: vec![map(&["id", "a"])] };
        let read = parse(r#"[[["id","INTEGER"],["a","TEXT"],["secret","TEXT"]]]"#, &spec).unwrap();
        assert_eq!(read, [Recorded::new(&map(&["id", "a"]), ["secret".to_owned()].into_iter())]);
        assert_eq!(parse(&serde_json::to_string(&read).unwrap(), &spec).unwrap(), read);
        assert!(parse("[]", &spec).unwrap_err().contains("knows 0 tables"));
    }
}
