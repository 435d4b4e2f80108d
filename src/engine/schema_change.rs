//! Settling a changed schema: find every difference, decide, journal, act, and only then let rows of the new shape come.
//!
//! The order makes it safe to be cut anywhere: the note is in the journal before anything is touched; what is made on the other side is
//! asked for before it is made again; the capture follows before the mapping does, and a capture that is ahead of the mapping is
//! itself a difference. Whoever is cut begins again and ends at the same place.

use crate::engine::core::CoreRef;
use crate::engine::mapping::table_name;
use crate::engine::schema_policy::{Case, Decision};
use crate::model::event::Event;
use crate::model::ids::PipelineId;
use crate::model::pipeline::{PipelineEvent, Traffic};
use crate::model::reason::Reason;
use crate::model::schema::{SchemaPart, SchemaStatement};
use crate::model::schema_change::{
    Difference, PendingColumn, SchemaChange, SchemaChangePolicy, SchemaNote, SchemaOutcome, differences,
};
use crate::model::table::{ColumnMap, TableMap, TableName};
use crate::pipelines::copier::control::{Control, Wish};
use crate::pipelines::copier::fill;
use crate::pipelines::copier::route::CopierRoute;
use crate::stores::error::{ErrorKind, StoreError};
use crate::stores::{CaptureSpec, StoreRef};

/// Whether somebody has seen a reason to stop and lets the pipeline go on all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// Nobody.
    None,
    /// An operator resumed the pipeline.
    Given,
    /// A step is tried again: given for what the journal says that it stopped for.
    ForWhatStopped,
}

/// How a changed schema was settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// There was nothing to settle.
    Unchanged,
    /// The mapping follows; whoever works with the old one begins anew.
    Followed,
    /// The pipeline must stand still.
    Stopped(Reason),
}

/// One pipeline in one direction, as it is now.
struct Scene<'a> {
    core: &'a CoreRef,
    id: &'a PipelineId,
    captured: Traffic,
    route: CopierRoute,
    policy: SchemaChangePolicy,
    /// A capture exists; before the copy there is none.
    has_capture: bool,
}

/// Compares what a pipeline captures with its mapping and carries the declared policy out.
///
/// # Errors
/// [`StoreError`] when a store cannot be asked or refuses; calling again goes on.
pub async fn settle(
    core: &CoreRef,
    id: &PipelineId,
    captured: Traffic,
    consent: Consent,
) -> Result<Settled, StoreError> {
    let Some(scene) = Scene::of(core, id, captured).await? else { return Ok(Settled::Unchanged) };
    let changes = scene.changes().await?;
    if changes.is_empty() {
        return Ok(Settled::Unchanged);
    }
    let decided = scene.decide(changes, consent).await?;
    if let Some(reason) = scene.stops(&decided).await {
        return Ok(Settled::Stopped(reason));
    }
    scene.carry_out(decided).await
}

/// The reason why a pipeline would have to stand still, without doing anything about it: while a copy runs, what can be followed is
/// followed after it.
///
/// # Errors
/// [`StoreError`] when a store cannot be asked.
pub async fn obstacle(core: &CoreRef, id: &PipelineId) -> Result<Option<Reason>, StoreError> {
    let Some(scene) = Scene::of(core, id, Traffic::Source).await? else { return Ok(None) };
    if !scene.has_capture {
        return Ok(None);
    }
    let changes = scene.changes().await?;
    let decided = scene.decide(changes, Consent::ForWhatStopped).await?;
    Ok(scene.stops(&decided).await)
}

impl<'a> Scene<'a> {
    /// `None` before the mapping is fixed.
    async fn of(core: &'a CoreRef, id: &'a PipelineId, captured: Traffic) -> Result<Option<Self>, StoreError> {
        let Some(maps) = core.maps(id) else { return Ok(None) };
        // A pipeline that the profile no longer has runs nowhere.
        let (Ok(declared), Ok(route)) = (core.pipeline(id), core.route(id, captured, &maps)) else { return Ok(None) };
        let has_capture = route.target.target().state(&route.apply).await?.origin.is_some();
        Ok(Some(Self { core, id, captured, route, policy: declared.on_schema_change, has_capture }))
    }

    async fn changes(&self) -> Result<Vec<SchemaChange>, StoreError> {
        if self.has_capture {
            return self.route.source.capture().differences(&self.route.capture).await;
        }
        let notes = self.core.record(self.id).schema;
        let mut found = Vec::new();
        for map in &self.route.apply.tables {
            let Some(table) = existing(&self.route.source, &map.source).await? else {
                found.push(SchemaChange { table: map.source.clone(), difference: Difference::Gone });
                continue;
            };
            let mut left_out = self.excluded(map);
            let known = notes.iter().filter(|n| n.change.table == map.source && n.is_known_difference());
            left_out.extend(known.filter_map(|n| n.change.difference.column().map(str::to_owned)));
            found.extend(differences(map, &left_out, None, &table));
        }
        Ok(found)
    }

    /// Columns that the profile leaves out.
    fn excluded(&self, map: &TableMap) -> Vec<String> {
        if self.captured == Traffic::Target {
            return Vec::new();
        }
        let rules = self.core.pipeline(self.id).map(|p| p.tables.as_slice()).unwrap_or_default();
        let is_of = |from: &str| {
            let name = table_name(from);
            name.name == map.source.name && (name.schema.is_none() || name.schema == map.source.schema)
        };
        rules.iter().find(|rule| is_of(&rule.from)).map(|rule| rule.exclude.clone()).unwrap_or_default()
    }

    fn consents(&self, consent: Consent, change: &SchemaChange) -> bool {
        match consent {
            Consent::None => false,
            Consent::Given => true,
            Consent::ForWhatStopped => self
                .core
                .record(self.id)
                .schema
                .iter()
                .any(|n| n.change == *change && matches!(n.outcome, SchemaOutcome::Stopped { .. })),
        }
    }

    async fn decide(
        &self,
        changes: Vec<SchemaChange>,
        consent: Consent,
    ) -> Result<Vec<(SchemaChange, Decision)>, StoreError> {
        let mut decided = Vec::with_capacity(changes.len());
        for change in changes {
            let Some(map) = self.route.apply.tables.iter().find(|m| m.source == change.table) else { continue };
            let other = existing(&self.route.target, &map.target).await?;
            let case = Case {
                policy: self.policy,
                resumed: self.consents(consent, &change),
                excluded: &self.excluded(map),
                change: &change,
                map,
                other: other.as_ref(),
                other_store: self.route.target.id().as_str(),
                holds: &|wide, narrow| self.route.target.schema().holds(wide, narrow),
            };
            let decision = case.decide();
            decided.push((change, decision));
        }
        Ok(decided)
    }

    /// Journals what the pipeline stops for; the first reason, if there is one.
    async fn stops(&self, decided: &[(SchemaChange, Decision)]) -> Option<Reason> {
        let mut first = None;
        for (change, decision) in decided {
            let Decision::Stop(reason) = decision else { continue };
            self.stop(change, reason).await;
            first.get_or_insert_with(|| reason.clone());
        }
        first
    }

    async fn stop(&self, change: &SchemaChange, reason: &Reason) {
        let note = self.noted(change, SchemaOutcome::Stopped { reason: reason.clone() });
        // Every attempt to go on would find it again.
        if !self.core.record(self.id).schema.iter().any(|n| n.change == note.change && n.outcome == note.outcome) {
            self.core.note(self.id, PipelineEvent::SchemaChange { note }).await;
        }
    }

    fn noted(&self, change: &SchemaChange, outcome: SchemaOutcome) -> SchemaNote {
        SchemaNote { captured: self.captured, change: change.clone(), outcome, made: Vec::new(), then: Vec::new() }
    }

    async fn carry_out(&self, decided: Vec<(SchemaChange, Decision)>) -> Result<Settled, StoreError> {
        let mut tables = self.route.apply.tables.clone();
        let mut left_out = Vec::new();
        let mut notes = Vec::new();
        let mut work: Vec<(SchemaStatement, bool)> = Vec::new();
        for (change, decision) in decided {
            let Some(index) = tables.iter().position(|m| m.source == change.table) else { continue };
            let column = change.difference.column().unwrap_or_default().to_owned();
            let mut note = self.noted(&change, SchemaOutcome::Followed);
            match decision {
                Decision::LeaveOut => {
                    note.outcome = SchemaOutcome::LeftOut;
                    left_out.push((index, column));
                }
                Decision::Unmap => {
                    note.outcome = SchemaOutcome::Unmapped;
                    unmap(&mut tables[index], &column);
                }
                Decision::Map(new) => map_to(&mut tables[index], &column, new),
                Decision::Recapture => {}
                Decision::Add => {
                    note.outcome = SchemaOutcome::Added;
                    let Difference::Added { column: added } = &change.difference else { continue };
                    tables[index].columns.push(ColumnMap {
                        source: column.clone(),
                        target: column.clone(),
                        source_type: added.type_name.clone(),
                        target_type: added.type_name.clone(),
                    });
                    let statements = match self.route.source.schema().add_column(&tables, index, &column).await {
                        Ok(statements) => statements,
                        Err(error) if error.kind == ErrorKind::Unsupported => {
                            let reason = Reason::new(
                                format!(
                                    "the schema of {} changed: {}; {}",
                                    change.table, change.difference, error.message
                                ),
                                "drop the column and resume, or roll back to `build` and go up again: the mapping is read anew",
                            );
                            self.stop(&change, &reason).await;
                            return Ok(Settled::Stopped(reason));
                        }
                        Err(error) => return Err(error),
                    };
                    for statement in statements {
                        if statement.part == SchemaPart::Rest {
                            note.then.push(statement);
                        } else if !self.route.target.schema().exists(&statement).await? {
                            work.push((statement.clone(), true));
                            note.made.push(statement);
                        }
                    }
                }
                Decision::Widen => {
                    note.outcome = SchemaOutcome::Widened;
                    let Difference::Retyped { now, .. } = &change.difference else { continue };
                    let Some(statement) = self.route.target.schema().retype(&tables[index], &column, now) else {
                        let reason = Reason::new(
                            format!("the schema of {} changed: {}", change.table, change.difference),
                            format!(
                                "{} cannot change a column's type: do it by hand there, then resume",
                                self.route.target.id()
                            ),
                        );
                        self.stop(&change, &reason).await;
                        return Ok(Settled::Stopped(reason));
                    };
                    work.push((statement.clone(), false));
                    note.made.push(statement);
                    if let Some(mapped) = tables[index].columns.iter_mut().find(|c| c.source == column) {
                        mapped.source_type.clone_from(now);
                        mapped.target_type.clone_from(now);
                    }
                }
                Decision::Stop(reason) => return Ok(Settled::Stopped(reason)),
            }
            notes.push(PipelineEvent::SchemaChange { note });
        }
        if let Err(reason) = self.journal(notes).await {
            return Ok(Settled::Stopped(reason));
        }
        self.act(work, tables, &left_out).await
    }

    /// Everything is in the journal: the other side, then the capture, then the mapping.
    async fn act(
        &self,
        work: Vec<(SchemaStatement, bool)>,
        tables: Vec<TableMap>,
        left_out: &[(usize, String)],
    ) -> Result<Settled, StoreError> {
        let schema = self.route.target.schema();
        for (statement, is_object) in work {
            // Two added columns may need the same type.
            if !is_object || !schema.exists(&statement).await? {
                schema.execute(&statement.statement).await?;
            }
        }
        if self.has_capture {
            let spec = CaptureSpec { tables: tables.clone(), ..self.route.capture.clone() };
            self.route.source.capture().remap(&spec, left_out).await?;
        }
        let forward = match self.captured {
            Traffic::Source => tables,
            Traffic::Target => tables.iter().map(TableMap::reversed).collect(),
        };
        match self.journal(vec![PipelineEvent::Mapped { tables: forward }]).await {
            Ok(()) => Ok(Settled::Followed),
            Err(reason) => Ok(Settled::Stopped(reason)),
        }
    }

    async fn journal(&self, events: Vec<PipelineEvent>) -> Result<(), Reason> {
        let events = events.into_iter().map(|event| Event::Pipeline { pipeline: self.id.clone(), event }).collect();
        match self.core.dispatcher.append(events).await {
            Ok(_) => Ok(()),
            Err(error) => Err(Reason::new(error.to_string(), "start the engine again: it goes on from the journal")),
        }
    }
}

async fn existing(store: &StoreRef, name: &TableName) -> Result<Option<crate::model::table::Table>, StoreError> {
    match store.inventory().table(name).await {
        Ok(table) => Ok(Some(table)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Takes a column out of a mapping; the places of the key move up.
fn unmap(map: &mut TableMap, column: &str) {
    let Some(at) = map.columns.iter().position(|c| c.source == column) else { return };
    map.columns.remove(at);
    for place in map.key.iter_mut().filter(|place| **place > at) {
        *place -= 1;
    }
}

/// Maps a column, in the place of the one that it follows.
fn map_to(map: &mut TableMap, column: &str, new: ColumnMap) {
    match map.columns.iter_mut().find(|c| c.source == column) {
        Some(mapped) => *mapped = new,
        None => map.columns.push(new),
    }
}

/// Columns whose values are still to be carried over in this direction.
pub fn pending(core: &CoreRef, id: &PipelineId, captured: Traffic) -> Vec<PendingColumn> {
    core.record(id).pending.into_iter().filter(|p| p.captured == captured).collect()
}

/// Carries the values of pending columns over. The pump stands, and every row from before has been applied. False when a stop was
/// wanted before the end.
///
/// # Errors
/// [`StoreError`]; calling again goes on.
pub async fn carry_pending(
    core: &CoreRef,
    route: &CopierRoute,
    captured: Traffic,
    control: &Control,
) -> Result<bool, StoreError> {
    let id = &route.pipeline;
    for column in pending(core, id, captured) {
        let table = route.apply.tables.iter().position(|m| m.source == column.table);
        let place = table.and_then(|t| {
            let map = route.apply.tables.get(t)?;
            Some((t, map.columns.iter().position(|c| c.source == column.column)?))
        });
        // One that was taken out of the mapping since has nothing to carry.
        let mut rows = 0;
        if let Some((table, place)) = place {
            match fill::column(route, table, place, control).await? {
                Some(written) => rows = written,
                None => return Ok(false),
            }
            finish(route, &column).await?;
        }
        core.note(id, PipelineEvent::ColumnCarried { table: column.table, column: column.column, rows }).await;
    }
    Ok(control.wish() != Wish::Stop)
}

/// What had to wait for the values.
async fn finish(route: &CopierRoute, column: &PendingColumn) -> Result<(), StoreError> {
    let schema = route.target.schema();
    for statement in &column.then {
        if schema.exists(statement).await? {
            continue;
        }
        if let Err(mut error) = schema.execute(&statement.statement).await {
            if error.kind == ErrorKind::Rejected {
                // Rows that the source has deleted since are still there, without a value: they go with the log.
                error.kind = ErrorKind::Contention;
            }
            return Err(error);
        }
    }
    Ok(())
}
