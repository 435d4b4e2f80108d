//! From the profile as written to a profile in which every name resolves. One file per noun; what is wrong is noted and
//! the rest is still looked at.

mod access;
mod migration;
mod moves;
mod operation;
mod phase;
mod pipeline;
mod role;
mod route;
mod service;
mod step;
mod store;

use super::names::{self, NameRule};
use super::problem::{Notebook, Place};
use super::profile::{Profile, StoreConfig};
use super::raw::{RawPhase, RawProfile};
use super::source::Surroundings;
use super::table::Placed;
use std::path::Path;

/// What every check needs: where to note problems, and what paths and variables are resolved against.
#[derive(Clone, Copy)]
struct Context<'a> {
    notes: &'a Notebook<'a>,
    around: Surroundings<'a>,
}

impl Context<'_> {
    /// Notes a name with bad characters. `what` is the noun with its article, as a subject.
    fn check_name(self, name: &str, place: &Place, rule: NameRule, what: &str) {
        if let Err(fault) = names::check(name, rule) {
            self.notes.add(place, format!("{what} is not usable: it {fault}."));
        }
    }

    /// True when the name is one of the valid ones; notes a dangling one.
    fn resolves<'n>(self, name: &Placed<String>, what: &str, valid: impl Iterator<Item = &'n str> + Clone) -> bool {
        let found = valid.clone().any(|known| known == name.value);
        if !found {
            let sentence = match valid.clone().next() {
                Some(_) => format!(
                    "There is no {what} `{}`. This profile has {}.",
                    names::shown(&name.value),
                    names::listed(valid.clone())
                ),
                None => format!("There is no {what} `{}`; this profile declares none.", names::shown(&name.value)),
            };
            self.notes.add_near(&name.place, sentence, &name.value, valid);
        }
        found
    }
}

/// Validates the whole profile. `None` when anything was noted.
pub(super) fn profile(
    raw: &RawProfile,
    notes: &Notebook<'_>,
    around: Surroundings<'_>,
    path: &Path,
    digest: String,
) -> Option<Profile> {
    let cx = Context { notes, around };
    let migration = migration::validate(raw, cx);
    let roles = role::validate(raw.roles.as_ref(), cx);
    let stores = store::validate(raw, cx);
    let services = service::validate(raw, cx);
    let access = access::names(raw, cx);
    let waivers = access::waivers(raw, cx);
    let operations = operation::validate(raw, cx);
    let pipelines = pipeline::validate(raw, &stores, cx);
    moves::check(raw, &stores, cx);
    let budget = migration.as_ref().map_or(migration::DOWNTIME_BUDGET, |m| m.downtime_budget);
    let phases = phase::validate(raw, &roles, budget, cx);
    // Cross-checks between phases assume that each of them is sound.
    let phases = phases.filter(|_| notes.is_empty()).unwrap_or_default();
    phase::check_order(raw, &phases, cx);
    match (notes.is_empty(), migration) {
        (true, Some(migration)) => {
            let path = path.to_owned();
            Some(Profile {
                path,
                digest,
                migration,
                roles,
                stores,
                services,
                pipelines,
                access,
                waivers,
                operations,
                phases,
            })
        }
        _ => None,
    }
}

/// The names of all stores, as written.
fn store_names(raw: &RawProfile) -> impl Iterator<Item = &str> + Clone {
    raw.stores.iter().map(|store| store.name.as_str())
}

/// The names of all pipelines, as written.
fn pipeline_names(raw: &RawProfile) -> impl Iterator<Item = &str> + Clone {
    raw.pipelines.iter().map(|pipeline| pipeline.name.as_str())
}

/// The store with this name, if it is sound.
fn store_named<'a>(stores: &'a [StoreConfig], name: Option<&Placed<String>>) -> Option<&'a StoreConfig> {
    let name = name?;
    stores.iter().find(|store| store.id.as_str() == name.value)
}

/// The phase table with this name.
fn phase_named<'a>(raw: &'a RawProfile, name: &str) -> Option<&'a RawPhase> {
    raw.phases.iter().find(|phase| phase.name == name)
}
