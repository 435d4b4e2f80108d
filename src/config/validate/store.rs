//! `[stores.NAME]`.

use super::{Context, store_names};
use crate::config::names::{self, NameRule};
use crate::config::problem::Place;
use crate::config::profile::{Engine, StoreConfig};
use crate::config::raw::{RawProfile, RawStore};
use crate::config::source;
use crate::model::ids::StoreId;
use std::time::Duration;

const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The sound stores, in file order.
pub(super) fn validate(raw: &RawProfile, cx: Context<'_>) -> Vec<StoreConfig> {
    if raw.stores.is_empty() {
        cx.notes.add(
            &Place::file(),
            "The profile has no stores. Declare the source and the targets: [stores.NAME] with engine and url.",
        );
    }
    raw.stores.iter().for_each(|store| check_replica(store, raw, cx));
    raw.stores.iter().filter_map(|store| one(store, cx)).collect()
}

/// A replica is one of a store that is none itself; both are PostgreSQL. No pipeline and no service is over it: what is in it is its primary's.
fn check_replica(store: &RawStore, raw: &RawProfile, cx: Context<'_>) {
    let Some(of) = store.replica_of.given().filter(|of| cx.resolves(of, "store", store_names(raw))) else { return };
    let name = names::shown(&store.name);
    let engine = |store: &RawStore| store.engine.given().map(|engine| engine.value.clone());
    let primary = raw.stores.iter().find(|other| other.name == of.value);
    if of.value == store.name {
        cx.notes.add(&of.place, format!("Store `{name}` cannot be its own replica."));
    } else if primary.is_some_and(|primary| primary.replica_of.is_written()) {
        cx.notes.add(&of.place, "Name the primary: one replica of another is a replica of the same store.".to_owned());
    } else if engine(store).as_deref() != Some("postgres") || primary.and_then(engine).as_deref() != Some("postgres") {
        cx.notes.add(
            &of.place,
            "Only replicas of PostgreSQL are asked so far: both stores need `engine = \"postgres\"`.".to_owned(),
        );
    }
    let pipelines = raw.pipelines.iter().flat_map(|pipeline| [&pipeline.from, &pipeline.to]);
    let services = raw.services.iter().map(|service| &service.store);
    for used in pipelines.chain(services).filter_map(|used| used.given()).filter(|used| used.value == store.name) {
        let sentence = format!("Store `{name}` is a replica: name `{}`, which it follows.", names::shown(&of.value));
        cx.notes.add(&used.place, sentence);
    }
}

fn one(raw: &RawStore, cx: Context<'_>) -> Option<StoreConfig> {
    cx.check_name(&raw.name, &raw.place, NameRule::Word, "The name of the store");
    let engine = engine(raw, cx);
    let missing = "A store needs `url`: \"${NAME}\" from the environment, \"file:/path\" or \"command:prog args\".";
    let url = raw.url.required("url", cx.notes, &raw.place, missing)?;
    // A secret is refused even where the engine is not known.
    let source = match engine {
        Some(engine) => source::store_url(&url.value, engine, cx.around),
        None => source::parse(&url.value, cx.around),
    };
    let source = source.map_err(|sentence| cx.notes.add(&url.place, sentence)).ok()?;
    Some(StoreConfig {
        id: StoreId::from(raw.name.as_str()),
        engine: engine?,
        url: source,
        statement_timeout: raw.statement_timeout.or(STATEMENT_TIMEOUT),
        connect_timeout: raw.connect_timeout.or(CONNECT_TIMEOUT),
        replica_of: raw.replica_of.given().map(|of| StoreId::from(of.value.as_str())),
    })
}

fn engine(raw: &RawStore, cx: Context<'_>) -> Option<Engine> {
    let words = || Engine::ALL.into_iter().map(Engine::as_str);
    let choice = names::listed(words());
    let written = raw.engine.required(
        "engine",
        cx.notes,
        &raw.place,
        &format!("A store needs `engine`. This build has {choice}."),
    )?;
    let engine = Engine::from_word(&written.value);
    if engine.is_none() {
        let sentence = format!("This build has no engine `{}`; it has {choice}.", names::shown(&written.value));
        cx.notes.add_near(&written.place, sentence, &written.value, words());
    }
    engine
}
