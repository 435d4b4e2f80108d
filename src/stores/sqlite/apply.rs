//! Applying changes: by key, in order, in target transactions that carry their checkpoint.
//!
//! The log of a SQLite source is exact (see [`super::log`]): replayed in order on a consistent copy it never meets a unique
//! index that is in the way. Two things can be different. After a copy that was resumed with a second snapshot the log repeats
//! changes that the copy holds already; until [`TargetState::consistent_from`](crate::stores::TargetState) a row in the way is
//! one that the log will bring up to date later, so it gives way. After that it is somebody else's write, and an error.

use super::checkpoint;
use super::connect::{Database, Mode};
use super::control;
use super::error::is_unique_violation;
use super::insert::Insert;
use super::keys::KeyedTable;
use super::quote::ident;
use super::row::Args;
use super::session::Session;
use crate::model::change::{Cell, Position, RowChange};
use crate::model::table::TableMap;
use crate::model::value::{Key, Row, Value};
use crate::stores::error::{ErrorKind, Operation, StoreError};
use crate::stores::{Applied, ApplySpec, ChangeApplier, MapSide, Result};
use async_trait::async_trait;

/// Statements of one table, written once.
struct TableSql {
    map: TableMap,
    insert: Insert,
    /// Inserts a row unless its key is there.
    insert_or_leave: String,
    /// Inserts a row and removes whatever stands in its way on any unique index.
    insert_or_replace: String,
    key_list: String,
    key_equals: String,
    update: String,
    delete: String,
    clear: String,
}

impl TableSql {
    fn of(map: &TableMap) -> Self {
        let keyed = KeyedTable::of(map, MapSide::Target);
        let table = ident(&map.target.name);
        let insert = Insert::new("INSERT", map);
        let set = map.columns.iter().map(|c| format!("{} = ?", ident(&c.target))).collect::<Vec<_>>().join(", ");
        Self {
            insert_or_leave: format!("{} ON CONFLICT ({}) DO NOTHING", insert.sql(1), keyed.key_list()),
            key_list: keyed.key_list(),
            insert_or_replace: Insert::new("INSERT OR REPLACE", map).sql(1),
            update: format!("UPDATE {table} SET {set} WHERE {}", keyed.key_equals()),
            delete: format!("DELETE FROM {table} WHERE {}", keyed.key_equals()),
            clear: format!("DELETE FROM {table}"),
            key_equals: keyed.key_equals(),
            map: map.clone(),
            insert,
        }
    }

    /// An UPDATE of the columns whose new values the log carries.
    fn partial_update(&self, cells: &[Cell]) -> String {
        let known = self.map.columns.iter().zip(cells).filter(|(_, cell)| matches!(cell, Cell::Value(_)));
        let set = known.map(|(column, _)| format!("{} = ?", ident(&column.target))).collect::<Vec<_>>().join(", ");
        format!("UPDATE {} SET {set} WHERE {}", ident(&self.map.target.name), self.key_equals)
    }

    /// An INSERT of the columns whose values the log carries; the others get their defaults.
    fn partial_insert(&self, verb: &str, cells: &[Cell]) -> String {
        let known = self.map.columns.iter().zip(cells).filter(|(_, cell)| matches!(cell, Cell::Value(_)));
        let names: Vec<String> = known.map(|(column, _)| ident(&column.target)).collect();
        let marks = vec!["?"; names.len()].join(", ");
        format!("{verb} INTO {} ({}) VALUES ({marks})", ident(&self.map.target.name), names.join(", "))
    }
}

/// A failed statement; SQLite has undone it alone and the transaction is still open.
enum Refusal {
    /// A row is in the way on the primary key or a unique index.
    InTheWay(StoreError),
    /// Anything else.
    Failed(StoreError),
}

impl From<Refusal> for StoreError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::InTheWay(e) | Refusal::Failed(e) => e,
        }
    }
}

/// The one session that applies a pipeline's changes.
pub struct SqliteApplier {
    session: Session,
    name: String,
    tables: Vec<TableSql>,
    in_transaction: bool,
    /// Read in the first transaction.
    progress: Option<Progress>,
}

/// How far a pipeline is.
struct Progress {
    applied: Position,
    /// Until here changes may repeat what the copy holds already.
    consistent_from: Option<Position>,
}

impl Progress {
    fn repeats(&self) -> bool {
        self.consistent_from.is_some_and(|from| self.applied < from)
    }
}

impl SqliteApplier {
    /// Opens the session. How far the pipeline is, is read in its first transaction: an applier may be opened during a freeze of
    /// its target, when the checkpoint is not committed yet.
    pub async fn open(db: &Database, spec: &ApplySpec) -> Result<Self> {
        Ok(Self {
            session: db.open(Mode::Create, Operation::Apply).await?,
            name: spec.name.clone(),
            tables: spec.tables.iter().map(TableSql::of).collect(),
            in_transaction: false,
            progress: None,
        })
    }

    async fn ensure_transaction(&mut self) -> Result<()> {
        if self.in_transaction {
            return Ok(());
        }
        self.session.begin_immediate(self.session.patience()).await?;
        self.in_transaction = true;
        if self.progress.is_none() {
            let state = checkpoint::read_in(&mut self.session, &self.name).await?;
            let Some(applied) = state.applied.or(state.origin.map(|origin| origin.position)) else {
                return Err(self.session.fail(ErrorKind::NotFound, "the pipeline has no checkpoint").about(&self.name));
            };
            self.progress = Some(Progress { applied, consistent_from: state.consistent_from });
        }
        control::enter(&mut self.session, &self.name).await
    }

    async fn give_up(&mut self) {
        if self.in_transaction {
            self.session.roll_back().await;
            self.in_transaction = false;
        }
    }

    async fn apply_all(&mut self, changes: Vec<RowChange>) -> Result<Applied> {
        self.ensure_transaction().await?;
        let repeats = self.progress.as_ref().is_some_and(Progress::repeats);
        let mut work = Work { session: &mut self.session, repeats, done: Applied::default() };
        let mut inserts = Run::default();
        for change in changes {
            // SQLite takes a value that is not bound for NULL, so a short row would be written as one with NULLs.
            check_lengths(&self.tables, &change).map_err(|what| work.protocol(&what))?;
            match change {
                RowChange::Insert { table, row }
                    if (inserts.rows.is_empty() || inserts.table == table) && !is_partial(&row) =>
                {
                    inserts.table = table;
                    inserts.rows.push(whole(row).unwrap_or_default());
                }
                other => {
                    work.insert_all(&self.tables, std::mem::take(&mut inserts)).await?;
                    work.change(&self.tables, other).await?;
                }
            }
        }
        work.insert_all(&self.tables, inserts).await?;
        Ok(work.done)
    }

    async fn checkpoint(&mut self, position: Position) -> Result<()> {
        self.ensure_transaction().await?;
        checkpoint::store_applied(&mut self.session, &self.name, position).await?;
        control::leave(&mut self.session).await?;
        self.session.commit().await
    }
}

fn check_lengths(tables: &[TableSql], change: &RowChange) -> std::result::Result<(), String> {
    let (index, cells, key) = match change {
        RowChange::Insert { table, row } => (*table, Some(row.len()), None),
        RowChange::Update { table, old_key, row } => (*table, Some(row.len()), Some(old_key.len())),
        RowChange::Delete { table, old_key } => (*table, None, Some(old_key.len())),
        RowChange::Truncate { .. } => return Ok(()),
    };
    let map = &tables.get(index).ok_or_else(|| format!("there is no table number {index}"))?.map;
    if cells.is_some_and(|n| n != map.columns.len()) || key.is_some_and(|n| n != map.key.len()) {
        return Err(format!("a change of {} has another number of values than its mapping", map.target));
    }
    Ok(())
}

fn is_partial(cells: &[Cell]) -> bool {
    cells.iter().any(|cell| matches!(cell, Cell::Unchanged))
}

fn whole(cells: Vec<Cell>) -> Option<Row> {
    cells
        .into_iter()
        .map(|cell| match cell {
            Cell::Value(value) => Some(value),
            Cell::Unchanged => None,
        })
        .collect()
}

/// Inserts into one table that follow each other in the log.
#[derive(Default)]
struct Run {
    table: usize,
    rows: Vec<Row>,
}

/// One push: statements on the open transaction, and what they did.
struct Work<'a> {
    session: &'a mut Session,
    repeats: bool,
    done: Applied,
}

impl Work<'_> {
    fn protocol(&self, what: &str) -> StoreError {
        self.session.fail(ErrorKind::Protocol, what)
    }

    fn table<'t>(&self, tables: &'t [TableSql], index: usize) -> Result<&'t TableSql> {
        tables.get(index).ok_or_else(|| self.protocol(&format!("there is no table number {index}")))
    }

    async fn run(&mut self, table: &TableSql, sql: &str, values: Vec<Value>) -> std::result::Result<u64, Refusal> {
        let name = || table.map.target.to_string();
        let args = Args::new()
            .values(values)
            .map_err(|why| Refusal::Failed(self.session.fail(ErrorKind::Rejected, why).about(name())))?;
        self.session.try_run(sql, args).await.map_err(|e| {
            let explained = self.session.explain(&e).about(name());
            if is_unique_violation(&e) { Refusal::InTheWay(explained) } else { Refusal::Failed(explained) }
        })
    }

    async fn change(&mut self, tables: &[TableSql], change: RowChange) -> Result<()> {
        match change {
            RowChange::Insert { table, row } if is_partial(&row) => {
                self.insert_partly(self.table(tables, table)?, row).await
            }
            RowChange::Insert { table, row } => {
                let row = whole(row).unwrap_or_default();
                self.insert_one(self.table(tables, table)?, row).await
            }
            RowChange::Update { table, old_key, row } => {
                let table = self.table(tables, table)?;
                self.done.changes += 1;
                if is_partial(&row) {
                    return self.update_partly(table, old_key, row).await;
                }
                let row = whole(row).unwrap_or_default();
                self.update(table, old_key, row).await
            }
            RowChange::Delete { table, old_key } => {
                let table = self.table(tables, table)?;
                self.done.changes += 1;
                if self.run(table, &table.delete, old_key).await? == 0 {
                    self.done.anomalies += 1;
                }
                Ok(())
            }
            RowChange::Truncate { tables: emptied } => {
                for index in emptied {
                    let table = self.table(tables, index)?;
                    self.run(table, &table.clear, Vec::new()).await?;
                }
                self.done.changes += 1;
                Ok(())
            }
        }
    }

    async fn insert_all(&mut self, tables: &[TableSql], run: Run) -> Result<()> {
        let mut rows = run.rows;
        if rows.is_empty() {
            return Ok(());
        }
        let table = self.table(tables, run.table)?;
        while !rows.is_empty() {
            let size = table.insert.next_size(rows.len());
            let some: Vec<Row> = rows.drain(..size).collect();
            if size > 1 {
                match self.run(table, &table.insert.sql(size), some.iter().flatten().cloned().collect()).await {
                    Ok(_) => {
                        self.done.changes += size as u64;
                        continue;
                    }
                    Err(Refusal::InTheWay(_)) => {}
                    Err(e) => return Err(e.into()),
                }
            }
            for row in some {
                self.insert_one(table, row).await?;
            }
        }
        Ok(())
    }

    async fn insert_one(&mut self, table: &TableSql, row: Row) -> Result<()> {
        self.done.changes += 1;
        if !self.insert_or_update(table, row).await? {
            self.done.anomalies += 1;
        }
        Ok(())
    }

    /// Inserts a row, or updates the one that has its key; true when it was new.
    async fn insert_or_update(&mut self, table: &TableSql, row: Row) -> Result<bool> {
        match self.run(table, &table.insert_or_leave, row.clone()).await {
            Ok(1) => Ok(true),
            Ok(_) => {
                let key = table.map.key_of(&row);
                let mut values = row.clone();
                values.extend(key.iter().cloned());
                match self.run(table, &table.update, values).await {
                    Ok(_) => Ok(false),
                    Err(refusal) => self.give_way(table, key, row, refusal).await.map(|()| false),
                }
            }
            Err(refusal) => {
                let key = table.map.key_of(&row);
                self.give_way(table, key, row, refusal).await.map(|()| true)
            }
        }
    }

    async fn update(&mut self, table: &TableSql, old_key: Key, row: Row) -> Result<()> {
        let mut values = row.clone();
        values.extend(old_key.iter().cloned());
        match self.run(table, &table.update, values).await {
            Ok(0) => {
                self.done.anomalies += 1;
                self.insert_or_update(table, row).await.map(|_| ())
            }
            Ok(_) => Ok(()),
            Err(refusal) => self.give_way(table, old_key, row, refusal).await,
        }
    }

    async fn update_partly(&mut self, table: &TableSql, old_key: Key, cells: Vec<Cell>) -> Result<()> {
        let sql = table.partial_update(&cells);
        let known = cells.into_iter().filter_map(|cell| match cell {
            Cell::Value(value) => Some(value),
            Cell::Unchanged => None,
        });
        let values = known.chain(old_key).collect();
        // Without its whole image a missing row cannot be made again: counted, and found by verification.
        if self.run(table, &sql, values).await? == 0 {
            self.done.anomalies += 1;
        }
        Ok(())
    }

    /// A row that was logged before all of its columns were captured.
    async fn insert_partly(&mut self, table: &TableSql, cells: Vec<Cell>) -> Result<()> {
        self.done.changes += 1;
        let value = |cell: &Cell| match cell {
            Cell::Value(value) => Some(value.clone()),
            Cell::Unchanged => None,
        };
        let values: Row = cells.iter().filter_map(value).collect();
        let key: Key = table.map.key.iter().filter_map(|&at| cells.get(at).and_then(value)).collect();
        let plain = table.partial_insert("INSERT", &cells);
        match self.run(table, &format!("{plain} ON CONFLICT ({}) DO NOTHING", table.key_list), values.clone()).await {
            Ok(1) => Ok(()),
            Ok(_) => {
                self.done.anomalies += 1;
                self.update_partly(table, key, cells).await
            }
            Err(Refusal::InTheWay(_)) if self.repeats => {
                let sql = table.partial_insert("INSERT OR REPLACE", &cells);
                self.run(table, &sql, values).await?;
                Ok(())
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// A row was in the way. While the log repeats itself that row will be brought up to date by a later change, so the new
    /// row takes its place; otherwise the refusal stands.
    async fn give_way(&mut self, table: &TableSql, old_key: Key, row: Row, refusal: Refusal) -> Result<()> {
        match refusal {
            Refusal::InTheWay(_) if self.repeats => {
                self.run(table, &table.delete, old_key).await?;
                self.run(table, &table.insert_or_replace, row).await?;
                Ok(())
            }
            refusal => Err(refusal.into()),
        }
    }
}

#[async_trait]
impl ChangeApplier for SqliteApplier {
    async fn push(&mut self, changes: Vec<RowChange>) -> Result<Applied> {
        let applied = self.apply_all(changes).await;
        if applied.is_err() {
            self.give_up().await;
        }
        applied
    }

    async fn commit(&mut self, position: Position) -> Result<()> {
        let committed = self.checkpoint(position).await;
        match &committed {
            Ok(()) => {
                self.in_transaction = false;
                if let Some(progress) = &mut self.progress {
                    progress.applied = position;
                }
            }
            Err(_) => self.give_up().await,
        }
        committed
    }

    async fn rollback(&mut self) -> Result<()> {
        self.give_up().await;
        Ok(())
    }
}
