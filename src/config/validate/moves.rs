//! What all pipelines together do to tables: who writes what, in circles or not, and into whose store.

use super::pipeline::target_name;
use super::{Context, store_named};
use crate::config::names;
use crate::config::problem::Place;
use crate::config::profile::{Engine, SecretSource, StoreConfig};
use crate::config::raw::{RawPipeline, RawProfile, RawService};
use crate::config::table::Placed;
use crate::config::url;
use std::collections::{BTreeMap, BTreeSet};

/// One table of one database, whatever the store is called and however the table is spelt.
type Spot = (String, String);

/// One table on its way.
struct Move<'a> {
    pipeline: &'a RawPipeline,
    place: &'a Place,
    /// The source table as written.
    from: &'a str,
    /// The target table's name.
    to: String,
    source: Spot,
    target: Spot,
    source_store: &'a str,
    target_store: &'a str,
}

/// Compares all moves with each other and with the services.
pub(super) fn check(raw: &RawProfile, stores: &[StoreConfig], cx: Context<'_>) {
    let moves = moves(raw, stores);
    let writers = check_targets(&moves, cx);
    check_circles(&moves, &writers, cx);
    check_owners(raw, &moves, cx);
}

/// Where a store is, as far as its URL shows it.
pub(super) fn place(store: &StoreConfig) -> String {
    match &store.url {
        SecretSource::Template(template) => url::place_of(template),
        SecretSource::File(path) => format!("file {}", path.display()),
        SecretSource::Command(argv) => format!("command {}", argv.join("\0")),
    }
}

fn moves<'a>(raw: &'a RawProfile, stores: &'a [StoreConfig]) -> Vec<Move<'a>> {
    let mut moves = Vec::new();
    for pipeline in &raw.pipelines {
        let (Some(source), Some(target)) =
            (store_named(stores, pipeline.from.given()), store_named(stores, pipeline.to.given()))
        else {
            continue;
        };
        // A store as its own target is noted with the pipeline.
        if place(source) == place(target) {
            continue;
        }
        for rule in pipeline.tables.given().iter().flat_map(|list| &list.value) {
            let (Some(from), Some(to)) = (&rule.from, target_name(rule, Some(target.engine))) else { continue };
            moves.push(Move {
                pipeline,
                place: &from.place,
                from: &from.value,
                source: (place(source), canonical(&from.value, source.engine)),
                target: (place(target), canonical(&to, target.engine)),
                to,
                source_store: source.id.as_str(),
                target_store: target.id.as_str(),
            });
        }
    }
    moves
}

/// The same table has the same canonical name: PostgreSQL's default schema is `public`, SQLite ignores case.
fn canonical(name: &str, engine: Engine) -> String {
    match engine {
        Engine::Postgres if !name.contains('.') => format!("public.{name}"),
        Engine::Postgres => name.to_owned(),
        Engine::Sqlite => name.to_lowercase(),
        // Nothing moves through these; a pipeline over them is refused where it is read.
        _ => name.to_owned(),
    }
}

/// Notes tables that are written twice. Returns which move writes each table first.
fn check_targets<'m, 'a>(moves: &'m [Move<'a>], cx: Context<'_>) -> BTreeMap<&'m Spot, &'m Move<'a>> {
    let mut writers: BTreeMap<&Spot, &Move<'_>> = BTreeMap::new();
    for this in moves {
        let Some(earlier) = writers.get(&this.target) else {
            writers.insert(&this.target, this);
            continue;
        };
        let (table, store) = (names::shown(&this.to), this.target_store);
        let sentence = match (earlier.pipeline.name == this.pipeline.name, earlier.source == this.source) {
            (true, true) => format!("Table `{}` is listed twice; leave it once.", names::shown(this.from)),
            (true, false) => format!(
                "`{}` and `{}` would both be written to `{table}` in store `{store}`; give one of them another `to`.",
                names::shown(earlier.from),
                names::shown(this.from)
            ),
            (false, _) => format!(
                "Pipelines `{}` and `{}` both write `{table}` in store `{store}`; only one may.",
                earlier.pipeline.name, this.pipeline.name
            ),
        };
        cx.notes.add(this.place, sentence);
    }
    writers
}

/// Notes tables whose changes would come back to them. Every table has at most one writer here, so walking from writer
/// to writer either ends or goes in a circle.
fn check_circles(moves: &[Move<'_>], writers: &BTreeMap<&Spot, &Move<'_>>, cx: Context<'_>) {
    let mut seen: BTreeSet<&Spot> = BTreeSet::new();
    for start in moves {
        let mut walk: Vec<&Move<'_>> = Vec::new();
        let mut on_walk: BTreeSet<&Spot> = BTreeSet::new();
        let mut next = writers.get(&start.target).copied();
        while let Some(this) = next {
            if on_walk.contains(&this.target) {
                note_circle(&walk, this, cx);
                break;
            }
            if !seen.insert(&this.target) {
                break;
            }
            on_walk.insert(&this.target);
            walk.push(this);
            next = writers.get(&this.source).copied();
        }
    }
}

/// `walk` goes against the flow and has come back to `closing`.
fn note_circle(walk: &[&Move<'_>], closing: &Move<'_>, cx: Context<'_>) {
    let first = walk.iter().position(|m| m.target == closing.target).unwrap_or(0);
    let mut circle: Vec<&Move<'_>> = walk[first..].to_vec();
    circle.reverse();
    // Told from the pipeline that comes first in the file, and noted at the one that closes the circle.
    if let Some(start) = (0..circle.len()).min_by_key(|i| circle[*i].place.offset) {
        circle.rotate_left(start);
    }
    let Some(last) = circle.last() else { return };
    let mut stops: Vec<String> =
        circle.iter().map(|m| format!("{}.{}", m.source_store, names::shown(m.from))).collect();
    stops.extend(stops.first().cloned());
    let sentence = format!(
        "Changes would go in a circle: {}. Leave one of these pipelines out; the way back after a cutover is set up \
         by Godwit itself.",
        stops.join(" -> ")
    );
    cx.notes.add(last.place, sentence);
}

/// Notes tables with two owners, tables that go into a store that is not their owner's, and owned tables that nobody
/// moves although one with almost the same name is moved.
fn check_owners(raw: &RawProfile, moves: &[Move<'_>], cx: Context<'_>) {
    let mut owners: BTreeMap<&str, &RawService> = BTreeMap::new();
    for (service, owned) in owned_tables(raw) {
        match owners.get(owned.value.as_str()) {
            None => {
                owners.insert(&owned.value, service);
            }
            // Listed twice by one service is noted where lists are read.
            Some(other) if other.name == service.name => {}
            Some(other) => {
                let table = names::shown(&owned.value);
                cx.notes.add(
                    &owned.place,
                    format!("Table `{table}` is owned by two services, `{}` and `{}`.", other.name, service.name),
                );
            }
        }
    }
    let mut used: BTreeSet<&str> = BTreeSet::new();
    let mut unowned: BTreeSet<&str> = BTreeSet::new();
    for this in moves {
        let spellings = [&this.to, bare(&this.to), this.from, bare(this.from)];
        let Some((name, owner)) = spellings.iter().find_map(|name| owners.get_key_value(*name)) else {
            unowned.insert(bare(&this.to));
            continue;
        };
        used.insert(name);
        if let Some(second) = spellings.iter().filter_map(|name| owners.get(*name)).find(|o| o.name != owner.name)
            && spellings[0] == spellings[2]
        {
            let sentence = format!(
                "Table `{}` is owned by two services, `{}` and `{}`.",
                names::shown(this.from),
                owner.name,
                second.name
            );
            cx.notes.add(this.place, sentence);
        }
        if let Some(store) = owner.store.given().filter(|store| store.value != this.target_store) {
            let sentence = format!(
                "Table `{}` belongs to service `{}`, whose store is `{}`, but this pipeline moves it into `{}`.",
                names::shown(this.from),
                owner.name,
                names::shown(&store.value),
                this.target_store
            );
            cx.notes.add(this.place, sentence);
        }
    }
    for (_, owned) in owned_tables(raw).filter(|(_, owned)| !used.contains(owned.value.as_str())) {
        if names::nearest(bare(&owned.value), unowned.iter().copied()).is_some() {
            let sentence = format!(
                "No pipeline moves `{}`, and nobody owns a table that is almost called so.",
                names::shown(&owned.value)
            );
            cx.notes.add_near(&owned.place, sentence, bare(&owned.value), unowned.iter().copied());
        }
    }
}

fn owned_tables(raw: &RawProfile) -> impl Iterator<Item = (&RawService, &Placed<String>)> {
    raw.services.iter().flat_map(|service| {
        service.owns.given().into_iter().flat_map(move |list| list.value.iter().map(move |t| (service, t)))
    })
}

/// The name without its schema.
fn bare(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, table)| table)
}
