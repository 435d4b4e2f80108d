//! What was made on the new side since the cutover entered it, and how a roll back takes it along (R04).
//!
//! The cutover journals what it found on the side that it entered. A roll back asks that side again: a table in the pipelines' schemas
//! that was not there then and that no pipeline maps was made meanwhile, and the writes it took were acknowledged. It is carried; what
//! cannot be carried stops the plan with its name and a way out. Nothing is left behind without being named.

use crate::engine::core::Core;
use crate::engine::mapping::{self, table_name};
use crate::engine::steps::step::StepError;
use crate::model::fold::PhaseRecord;
use crate::model::ids::{PipelineId, StoreId};
use crate::model::pipeline::{Carried, Found};
use crate::model::schema::{SchemaScript, SchemaStatement};
use crate::model::table::{Column, Table, TableMap, TableName};
use crate::stores::StoreRef;
use crate::stores::error::ErrorKind;
use std::collections::{BTreeMap, BTreeSet};

/// What a roll back takes along, by pipeline.
pub type CarriedBy = BTreeMap<PipelineId, Carried>;

/// What a roll back found on the side that it leaves.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// What it takes along.
    pub carried: CarriedBy,
    /// What comes along and what stays behind, one sentence each.
    pub notes: Vec<String>,
    /// How large it is.
    pub sizes: Vec<String>,
}

/// One new side and those who move tables into it.
struct Place {
    store: StoreRef,
    /// Pipelines of the phase that end here.
    pipelines: Vec<PipelineId>,
    /// What the cutover found; `None` when its journal does not tell.
    found: Option<Found>,
    /// Tables that some pipeline of the profile maps, of this phase or not.
    mapped: BTreeSet<TableName>,
    /// Schemas of the phase's tables, each with the pipelines that it holds tables of.
    schemas: BTreeMap<Option<String>, Vec<PipelineId>>,
    /// Tables that the profile leaves behind.
    left_behind: BTreeSet<TableName>,
}

impl Place {
    /// Tables of a list that were made since the cutover and that no pipeline maps; those the profile leaves behind included.
    fn fresh<'a>(&self, tables: impl IntoIterator<Item = &'a TableName>) -> Vec<&'a TableName> {
        let Some(found) = &self.found else { return Vec::new() };
        tables.into_iter().filter(|t| !names(&self.mapped, t) && !found.tables.contains(t)).collect()
    }
}

/// True when a profile's names mean this table. One without a schema means every schema's.
fn names(set: &BTreeSet<TableName>, table: &TableName) -> bool {
    set.contains(table) || set.contains(&TableName::bare(&table.name))
}

/// The new sides of a phase's pipelines, each once, in a fixed order.
fn places(core: &Core, pipelines: &[PipelineId]) -> Result<Vec<Place>, StepError> {
    let mut places: BTreeMap<StoreId, Place> = BTreeMap::new();
    for id in pipelines {
        let pipeline = core.pipeline(id)?;
        let record = core.record(id);
        let place = match places.entry(pipeline.to.clone()) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(new) => new.insert(Place {
                store: core.store(&pipeline.to)?.clone(),
                pipelines: Vec::new(),
                found: None,
                mapped: mapped(core, &pipeline.to),
                schemas: BTreeMap::new(),
                left_behind: BTreeSet::new(),
            }),
        };
        place.pipelines.push(id.clone());
        place.found = place.found.take().or(record.found);
        for map in record.tables.iter().flatten() {
            let owners = place.schemas.entry(map.target.schema.clone()).or_default();
            if !owners.contains(id) {
                owners.push(id.clone());
            }
        }
        place.left_behind.extend(pipeline.leave_behind.iter().map(|name| table_name(name)));
    }
    Ok(places.into_values().collect())
}

/// Everything that pipelines of the profile move into a store.
fn mapped(core: &Core, store: &StoreId) -> BTreeSet<TableName> {
    let mut names = BTreeSet::new();
    for pipeline in core.profile.pipelines.iter().filter(|p| p.to == *store) {
        names.extend(core.maps(&pipeline.id).into_iter().flatten().map(|map| map.target));
        names.extend(pipeline.tables.iter().map(|rule| table_name(&rule.to)));
    }
    names
}

/// Looks at every new side of a cutover that is to be taken back.
///
/// # Errors
/// [`StepError`] when a store cannot be read, or with everything that could not be taken back without losing rows.
pub async fn take(core: &Core, phase: &PhaseRecord) -> Result<Survey, StepError> {
    let mut survey = Survey::default();
    let mut obstacles = Vec::new();
    for place in places(core, &phase.pipelines)? {
        let tables = place.store.inventory().tables().await?;
        let all: Vec<TableName> = tables.iter().map(|t| t.name.clone()).collect();
        let gone = missing(core, &place, &tables);
        if !gone.is_empty() {
            // What else is there cannot be told while tables go by other names.
            obstacles.extend(gone);
            continue;
        }
        if place.found.is_none() {
            let unknown: Vec<String> =
                all.iter().filter(|t| !names(&place.mapped, t)).map(ToString::to_string).collect();
            if !unknown.is_empty() {
                survey.notes.push(format!(
                    "{}: this journal does not tell what was there before the cutover, so these tables are not taken along: {}",
                    place.store.id(),
                    unknown.join(", ")
                ));
            }
            continue;
        }
        let mut taken: BTreeMap<PipelineId, Vec<&Table>> = BTreeMap::new();
        for name in place.fresh(&all) {
            let Some(table) = tables.iter().find(|t| t.name == *name) else { continue };
            match owner(core, &place, table) {
                Owner::LeftBehind => survey.notes.push(format!(
                    "{name} stays on {}: the profile leaves it behind, and its rows will not be on the old side",
                    place.store.id()
                )),
                Owner::Foreign => survey.notes.push(format!(
                    "{name} was made on {} since the cutover in a schema that holds none of the pipelines' tables: it is not taken along",
                    place.store.id()
                )),
                Owner::Pipeline(id) => taken.entry(id).or_default().push(table),
                Owner::Several(stores) => obstacles.push(format!(
                    "{name} was made on {} since the cutover, and it may belong to {}: move it into a schema of one service, or name it in `leave_behind`",
                    place.store.id(),
                    stores.join(" or to ")
                )),
            }
        }
        let mut built = Vec::new();
        let mut left_out = Vec::new();
        for (id, tables) in taken {
            match carry(core, &id, &place, &tables, &mut survey).await? {
                Ok((carried, script_left_out)) => {
                    built.extend(carried.statements.iter().map(|s| s.object.clone()));
                    left_out.extend(script_left_out);
                    survey.carried.insert(id, carried);
                }
                Err(why) => obstacles.extend(why),
            }
        }
        survey.notes.extend(not_carried(&place, &built, left_out).await?);
    }
    if obstacles.is_empty() {
        return Ok(survey);
    }
    Err(StepError::mend(
        format!("a roll back would lose acknowledged writes: {}", obstacles.join("; ")),
        "mend that on the new side, then ask for the roll back plan again",
    ))
}

/// Tables that were made since the cutover and that a switch back does not take along: the last look, under the freeze.
///
/// # Errors
/// [`StepError`] when a store cannot be read.
pub async fn unseen(core: &Core, pipelines: &[PipelineId], carried: &[&TableMap]) -> Result<Vec<String>, StepError> {
    let mut unseen = Vec::new();
    for place in places(core, pipelines)? {
        let all = place.store.inventory().names().await?;
        for name in place.fresh(&all) {
            let known = carried.iter().any(|map| map.target == *name) || names(&place.left_behind, name);
            if !known && place.schemas.contains_key(&name.schema) {
                unseen.push(format!("{name} on {}", place.store.id()));
            }
        }
    }
    Ok(unseen)
}

/// Whose a new table is.
enum Owner {
    LeftBehind,
    Foreign,
    Pipeline(PipelineId),
    Several(Vec<String>),
}

fn owner(core: &Core, place: &Place, table: &Table) -> Owner {
    if names(&place.left_behind, &table.name) {
        return Owner::LeftBehind;
    }
    let Some(pipelines) = place.schemas.get(&table.name.schema) else { return Owner::Foreign };
    let sources: BTreeSet<String> =
        pipelines.iter().filter_map(|id| core.pipeline(id).ok()).map(|p| p.from.to_string()).collect();
    match (pipelines.first(), sources.len()) {
        (Some(first), 0 | 1) => Owner::Pipeline(first.clone()),
        _ => Owner::Several(sources.into_iter().collect()),
    }
}

/// Mapped tables that are no longer there: their later writes have no place from which they could be brought back.
fn missing(core: &Core, place: &Place, tables: &[Table]) -> Vec<String> {
    let mut sentences = Vec::new();
    for id in &place.pipelines {
        for map in core.maps(id).unwrap_or_default() {
            if tables.iter().any(|t| t.name == map.target) {
                continue;
            }
            let columns: Vec<&str> = map.columns.iter().map(|c| c.target.as_str()).collect();
            let alike = place.fresh(tables.iter().map(|t| &t.name)).into_iter().find(|name| {
                let table = tables.iter().find(|t| t.name == **name);
                table.is_some_and(|t| columns.iter().all(|c| t.columns.iter().any(|own| own.name == *c)))
            });
            sentences.push(match alike {
                Some(name) => format!(
                    "{} is gone from {}, and {name} has its columns: if it was renamed, rename it back",
                    map.target,
                    place.store.id()
                ),
                None => format!(
                    "{} is gone from {}: it was dropped or renamed, so what the old side's {} holds is older than the drop; bring it back under its name (renamed, or restored from a backup)",
                    map.target,
                    place.store.id(),
                    map.source
                ),
            });
        }
    }
    sentences
}

/// How the new tables of one pipeline are taken along, with what the script leaves out; or why they cannot be.
async fn carry(
    core: &Core,
    id: &PipelineId,
    place: &Place,
    tables: &[&Table],
    survey: &mut Survey,
) -> Result<Result<(Carried, Vec<String>), Vec<String>>, StepError> {
    let pipeline = core.pipeline(id)?;
    let old = core.store(&pipeline.from)?;
    let maps = core.maps(id).unwrap_or_default();
    let mut obstacles = Vec::new();
    let (mut standing, mut to_build) = (Vec::new(), Vec::new());
    for table in tables {
        let refuse = |why: String| {
            format!(
                "{} was made on {} since the cutover and cannot be taken along: {why}, or name it in `leave_behind` of pipeline {id}",
                table.name,
                place.store.id()
            )
        };
        let map = match mapping::same(old_name(&maps, &table.name), table) {
            Ok(map) => map,
            Err(why) => {
                obstacles.push(refuse(why));
                continue;
            }
        };
        match old.inventory().table(&map.source).await {
            Err(error) if error.kind == ErrorKind::NotFound => {
                survey.notes.push(format!(
                    "{} was made on {} since the cutover and is taken along to {}, copied before writers are held; rights on it are not carried",
                    table.name,
                    place.store.id(),
                    old.id()
                ));
                survey.sizes.push(size_words(table));
                to_build.push(map);
            }
            Err(error) => return Err(error.into()),
            Ok(twin) if !alike(&twin.columns, &table.columns) => obstacles.push(refuse(format!(
                "{} on {} is a table of that name with other columns; rename one of them",
                twin.name,
                old.id()
            ))),
            Ok(twin) if old.inventory().has_rows(&twin.name).await? => obstacles.push(refuse(format!(
                "{} on {} is a table of that name with rows that Godwit did not copy; rename one of them",
                twin.name,
                old.id()
            ))),
            Ok(twin) => {
                survey.notes.push(format!(
                    "{} was made on {} since the cutover and is taken along into the empty table {} that is on {} already, copied before writers are held",
                    table.name,
                    place.store.id(),
                    twin.name,
                    old.id()
                ));
                survey.sizes.push(size_words(table));
                standing.push(map);
            }
        }
    }
    if !obstacles.is_empty() {
        return Ok(Err(obstacles));
    }
    let (statements, left_out) = match statements(&place.store, &maps, &standing, &to_build).await {
        Ok(script) => script,
        Err(error) if matches!(error.kind, ErrorKind::Unsupported | ErrorKind::Rejected) => {
            return Ok(Err(vec![format!(
                "a table made since the cutover cannot be built on {}: {error}; change it, or name it in `leave_behind` of pipeline {id}",
                old.id()
            )]));
        }
        Err(error) => return Err(error.into()),
    };
    standing.extend(to_build);
    standing.sort_by(|a, b| a.target.cmp(&b.target));
    Ok(Ok((Carried { tables: standing, statements }, left_out)))
}

/// What the new tables need beyond what the old side has: the script of all tables without the script of those that are there.
async fn statements(
    new_side: &StoreRef,
    maps: &[TableMap],
    standing: &[TableMap],
    to_build: &[TableMap],
) -> Result<(Vec<SchemaStatement>, Vec<String>), crate::stores::error::StoreError> {
    if to_build.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let there: Vec<TableMap> = maps.iter().chain(standing).map(TableMap::reversed).collect();
    let all: Vec<TableMap> = there.iter().cloned().chain(to_build.iter().map(TableMap::reversed)).collect();
    let base: SchemaScript = new_side.schema().script(&there).await?;
    let mut script = new_side.schema().script(&all).await?;
    script.statements.retain(|s| !base.statements.iter().any(|known| known.object == s.object));
    script.left_out.retain(|line| !base.left_out.contains(line));
    Ok((script.statements, script.left_out))
}

/// What else was made since the cutover and stays where it is.
async fn not_carried(place: &Place, built: &[String], left_out: Vec<String>) -> Result<Vec<String>, StepError> {
    let Some(found) = &place.found else { return Ok(Vec::new()) };
    let others = place.store.inventory().others().await?;
    let fresh: Vec<&String> = others.iter().filter(|o| !found.others.contains(o) && !built.contains(o)).collect();
    let mut notes: Vec<String> = fresh
        .iter()
        .filter(|o| !left_out.iter().any(|line| line.starts_with(o.as_str())))
        .map(|o| format!("{o} was made on {} since the cutover: it is not taken along", place.store.id()))
        .collect();
    notes.extend(left_out.into_iter().map(|line| format!("not taken along: {line}")));
    Ok(notes)
}

/// The name that a new table gets on the old side: its own, in the schema that its neighbours come from.
fn old_name(maps: &[TableMap], name: &TableName) -> TableName {
    let neighbour = maps.iter().find(|m| m.target.schema == name.schema);
    let schema = neighbour.map_or_else(|| name.schema.clone(), |m| m.source.schema.clone());
    TableName { schema, name: name.name.clone() }
}

fn alike(a: &[Column], b: &[Column]) -> bool {
    a.len() == b.len() && a.iter().all(|c| b.iter().any(|d| d.name == c.name && d.type_name == c.type_name))
}

/// How large a table is, as its server estimates it.
fn size_words(table: &Table) -> String {
    let rows = table.estimated_rows.map(|n| format!("about {n} rows"));
    let bytes = table.size_bytes.map(|n| format!("{} KiB", n.div_ceil(1024)));
    let known: Vec<String> = rows.into_iter().chain(bytes).collect();
    if known.is_empty() {
        return format!("{}: the server's statistics do not tell", table.name);
    }
    format!("{}: {} by the server's statistics", table.name, known.join(", "))
}
