//! `[stores.NAME]`.

use super::Context;
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
    raw.stores.iter().filter_map(|store| one(store, cx)).collect()
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
