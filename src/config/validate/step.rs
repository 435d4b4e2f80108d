//! `steps` of a phase: the profile's own statements, commands and calls.

use super::route::{argv_of, http_url, method_of};
use super::{Context, store_names};
use crate::config::names::{self, NameRule};
use crate::config::profile::{CustomStep, Engine};
use crate::config::raw::{RawAction, RawPhase, RawProfile, RawStep};
use crate::config::table::{Field, Placed};
use crate::model::ids::StoreId;
use std::collections::BTreeSet;
use std::time::Duration;

const COMMAND_TIMEOUT: Duration = Duration::from_secs(300);
const HTTP_TIMEOUT: Duration = Duration::from_secs(10);

/// The sound steps, in order.
pub(super) fn validate(phase: &RawPhase, raw: &RawProfile, cx: Context<'_>) -> Vec<CustomStep> {
    let mut seen = BTreeSet::new();
    let mut steps = Vec::new();
    for step in &phase.steps {
        let name =
            step.name.required("name", cx.notes, &step.place, "A step needs `name`, for the plan and the journal.");
        if let Some(name) = name {
            // Godwit's own steps have a `/` in their names, so these never meet.
            cx.check_name(&name.value, &name.place, NameRule::Word, "The name of the step");
            if !seen.insert(name.value.as_str()) {
                cx.notes
                    .add(&name.place, format!("Two steps of this phase are named `{}`.", names::shown(&name.value)));
            }
        }
        steps.extend(one(step, name, raw, cx));
    }
    steps
}

/// The engine of a store that is only watched.
fn watched_only(raw: &RawProfile, name: &str) -> Option<Engine> {
    let store = raw.stores.iter().find(|store| store.name == name)?;
    Engine::from_word(&store.engine.given()?.value).filter(|engine| !engine.moves_data())
}

fn one(step: &RawStep, name: Option<&Placed<String>>, raw: &RawProfile, cx: Context<'_>) -> Option<CustomStep> {
    let name_text = || name.map(|name| name.value.clone());
    match &step.action {
        RawAction::Sql { statement, store, undo, check } => {
            let store =
                store.required("store", cx.notes, &step.place, "An SQL step needs `store`: where the statement runs.");
            let store = store.filter(|store| cx.resolves(store, "store", store_names(raw)));
            let watched = store.and_then(|name| watched_only(raw, &name.value).map(|engine| (name, engine)));
            if let Some((name, engine)) = watched {
                let sentence = format!(
                    "Godwit cannot run statements on {} yet: store `{}` is watched only. Let a command do it: \
                     {{ name = \"...\", command = [\"...\"] }}.",
                    engine.product(),
                    names::shown(&name.value)
                );
                cx.notes.add(&name.place, sentence);
            }
            for text in [statement, undo, check].into_iter().filter_map(Field::given) {
                if text.value.trim().is_empty() {
                    cx.notes.add(&text.place, "The statement is empty; leave the key out if there is nothing to run.");
                }
            }
            Some(CustomStep::Sql {
                name: name_text()?,
                store: StoreId::from(store?.value.as_str()),
                statement: statement.value()?,
                undo: undo.or(String::new()),
                check: check.or(String::new()),
            })
        }
        RawAction::Command { argv, undo, timeout } => {
            let (argv, undo_argv) = (argv_of(argv, cx), argv_of(undo, cx));
            Some(CustomStep::Command {
                name: name_text()?,
                argv: argv?,
                undo: undo_argv.unwrap_or_default(),
                timeout: timeout.or(COMMAND_TIMEOUT),
            })
        }
        RawAction::Http { url, method, undo, timeout } => {
            let url = url.given().and_then(|url| http_url(url, cx));
            let undo_url = undo.given().and_then(|undo| http_url(undo, cx));
            Some(CustomStep::Http {
                name: name_text()?,
                url: url?,
                method: method_of(method, cx),
                undo_url,
                timeout: timeout.or(HTTP_TIMEOUT),
            })
        }
    }
}
