//! `[pipelines.NAME]`: each by itself. What several do to the same table is compared in `moves`.

use super::{Context, pipeline_names, store_named, store_names};
use crate::config::names::{self, NameRule};
use crate::config::problem::Place;
use crate::config::profile::{Engine, Pipeline, SchemaChangePolicy, StoreConfig, TableRule, Throttle};
use crate::config::raw::{RawPipeline, RawProfile, RawRule};
use crate::config::table::Placed;
use crate::model::ids::{PipelineId, StoreId};
use std::collections::{BTreeMap, BTreeSet};

const CHUNK_BYTES: u64 = 16 << 20;

/// Longest name of a table or column in bytes: PostgreSQL cuts longer ones.
const LONGEST_IDENTIFIER: usize = 63;

/// The sound pipelines, in file order.
pub(super) fn validate(raw: &RawProfile, stores: &[StoreConfig], cx: Context<'_>) -> Vec<Pipeline> {
    if raw.pipelines.is_empty() {
        let sentence = "The profile has no pipelines, so nothing would be moved. \
                        Declare [pipelines.NAME] with from, to and tables.";
        cx.notes.add(&Place::file(), sentence);
    }
    let mut folded: BTreeMap<String, &str> = BTreeMap::new();
    for name in pipeline_names(raw) {
        if let Some(earlier) = folded.insert(name.replace('-', "_"), name) {
            let place = raw.pipelines.iter().find(|p| p.name == name).map_or_else(Place::file, |p| p.place.clone());
            cx.notes.add(
                &place,
                format!(
                    "`{name}` and `{earlier}` would share a replication slot, whose name has `_` for `-`; rename one."
                ),
            );
        }
    }
    raw.pipelines.iter().filter_map(|pipeline| one(pipeline, raw, stores, cx)).collect()
}

fn one(pipeline: &RawPipeline, raw: &RawProfile, stores: &[StoreConfig], cx: Context<'_>) -> Option<Pipeline> {
    let notes = cx.notes;
    cx.check_name(&pipeline.name, &pipeline.place, NameRule::Slot, "The name of the pipeline");
    if let Some(kind) = pipeline.kind.given().filter(|kind| kind.value != "copier") {
        let sentence = format!("This build has no pipelines of kind `{}`; it has copier.", names::shown(&kind.value));
        notes.add_near(&kind.place, sentence, &kind.value, ["copier"]);
    }
    let from = pipeline.from.required("from", notes, &pipeline.place, "A pipeline needs `from`: the source store.");
    let to = pipeline.to.required("to", notes, &pipeline.place, "A pipeline needs `to`: the target store.");
    let tables =
        pipeline.tables.required("tables", notes, &pipeline.place, "A pipeline needs `tables`: what it moves.");
    let known = |name: &&Placed<String>| cx.resolves(name, "store", store_names(raw));
    let (from, to) = (from.filter(known), to.filter(known));
    let (source, target) = (store_named(stores, from), store_named(stores, to));
    if let (Some(from), Some(to)) = (from, to) {
        let same_place = source.zip(target).is_some_and(|(s, t)| super::moves::place(s) == super::moves::place(t));
        if from.value == to.value {
            notes.add(
                &to.place,
                format!("Store `{}` is its own target: `from` and `to` must differ.", names::shown(&to.value)),
            );
        } else if same_place {
            notes.add(
                &to.place,
                format!(
                    "Stores `{}` and `{}` are the same database by their URLs, which would be its own target.",
                    from.value, to.value
                ),
            );
        }
    }
    for (name, store, way) in [(from, source, "out of"), (to, target, "into")] {
        if let (Some(name), Some(store)) = (name, store.filter(|store| !store.engine.moves_data())) {
            let sentence = format!(
                "Godwit cannot move data {way} {} yet: store `{}` is watched only. Name a store whose engine is {}.",
                store.engine.product(),
                names::shown(&name.value),
                names::listed(Engine::ALL.into_iter().filter(|e| e.moves_data()).map(Engine::as_str))
                    .replace(" and ", " or ")
            );
            notes.add(&name.place, sentence);
        }
    }
    let engines = (source.map(|s| s.engine), target.map(|s| s.engine));
    let rules: Vec<TableRule> = tables
        .map(|list| list.value.iter().filter_map(|rule| table_rule(rule, engines, cx)).collect())
        .unwrap_or_default();
    let mut leave_behind = Vec::new();
    for table in pipeline.leave_behind.given().iter().flat_map(|list| &list.value) {
        check_table(table, engines.1, cx);
        leave_behind.push(table.value.clone());
    }
    Some(Pipeline {
        id: PipelineId::from(pipeline.name.as_str()),
        from: StoreId::from(from?.value.as_str()),
        to: StoreId::from(to?.value.as_str()),
        tables: rules,
        on_schema_change: pipeline.on_schema_change.or(SchemaChangePolicy::Stop),
        leave_behind,
        throttle: Throttle {
            target_lag: pipeline.throttle.target_lag.value(),
            source_load: pipeline.throttle.source_load.value(),
            rows_per_second: pipeline.throttle.rows_per_second.value(),
            workers: pipeline.throttle.workers.value().and_then(|n| usize::try_from(n).ok()),
        },
        chunk_bytes: pipeline.chunk_size.or(CHUNK_BYTES),
    })
}

fn table_rule(raw: &RawRule, engines: (Option<Engine>, Option<Engine>), cx: Context<'_>) -> Option<TableRule> {
    let from = raw.from.as_ref()?;
    check_table(from, engines.0, cx);
    if let Some(to) = &raw.to {
        check_table(to, engines.1, cx);
    }
    let mut targets = BTreeSet::new();
    for (old, new) in &raw.columns {
        check_column(old, cx);
        check_column(new, cx);
        if !targets.insert(new.value.as_str()) {
            cx.notes.add(&new.place, format!("Two columns would become `{}`.", names::shown(&new.value)));
        }
    }
    let mut exclude = Vec::new();
    for column in raw.exclude.given().iter().flat_map(|list| &list.value) {
        check_column(column, cx);
        if raw.columns.iter().any(|(old, _)| old.value == column.value) {
            cx.notes.add(
                &column.place,
                format!("Column `{}` is renamed and left out at once.", names::shown(&column.value)),
            );
        }
        exclude.push(column.value.clone());
    }
    Some(TableRule {
        from: from.value.clone(),
        to: target_name(raw, engines.1)?,
        rename: raw.columns.iter().map(|(old, new)| (old.value.clone(), new.value.clone())).collect(),
        exclude,
    })
}

/// The target table of a rule. Without `to` it has the source's name, less the schema where the target has none.
pub(super) fn target_name(rule: &RawRule, engine: Option<Engine>) -> Option<String> {
    if let Some(to) = &rule.to {
        return Some(to.value.clone());
    }
    let from = &rule.from.as_ref()?.value;
    Some(match (engine, from.split_once('.')) {
        (Some(Engine::Sqlite), Some((_, table))) => table.to_owned(),
        _ => from.clone(),
    })
}

fn check_table(name: &Placed<String>, engine: Option<Engine>, cx: Context<'_>) {
    let shown = names::shown(&name.value);
    let parts: Vec<&str> = name.value.split('.').collect();
    let sentence = if name.value.contains('*') || name.value.contains('%') {
        format!("`{shown}` looks like a pattern; name each table.")
    } else if name.value.contains(['"', '`', '[', ']']) {
        format!("`{shown}` holds quotes; write the name itself, Godwit quotes it.")
    } else if engine == Some(Engine::Sqlite) && parts.len() > 1 {
        format!("SQLite has no schemas: write `{}`.", names::shown(parts.last().unwrap_or(&"")))
    } else if parts.len() > 2 {
        format!("`{shown}` has too many dots: write `schema.table` or `table`; the store says which database it is.")
    } else if parts.iter().any(|part| !is_identifier(part)) {
        format!(
            "`{shown}` cannot be the name of a table: each part has 1 to {LONGEST_IDENTIFIER} bytes, and no blanks \
             around it."
        )
    } else {
        return;
    };
    cx.notes.add(&name.place, sentence);
}

fn check_column(name: &Placed<String>, cx: Context<'_>) {
    if !is_identifier(&name.value) {
        let shown = names::shown(&name.value);
        cx.notes.add(
            &name.place,
            format!(
                "`{shown}` cannot be the name of a column: 1 to {LONGEST_IDENTIFIER} bytes, and no blanks around it."
            ),
        );
    }
}

fn is_identifier(part: &str) -> bool {
    !part.is_empty() && part.len() <= LONGEST_IDENTIFIER && part.trim() == part && !part.chars().any(char::is_control)
}
