//! `[migration]`.

use super::Context;
use crate::config::names::{self, NameRule};
use crate::config::problem::Place;
use crate::config::profile::Migration;
use crate::config::raw::RawProfile;
use std::time::Duration;

/// `downtime_budget` when the profile says nothing.
pub(super) const DOWNTIME_BUDGET: Duration = Duration::from_secs(3);

/// `None` when the name is missing, which is noted.
pub(super) fn validate(raw: &RawProfile, cx: Context<'_>) -> Option<Migration> {
    let Some(migration) = &raw.migration else {
        cx.notes.add(&Place::file(), "The profile has no [migration]. Begin it with [migration] and name = \"...\".");
        return None;
    };
    let missing = "A migration needs `name`: it names the journal's directory, the socket and the replication slots.";
    let name = migration.name.required("name", cx.notes, &migration.place, missing);
    if let Some(name) = name {
        cx.check_name(&name.value, &name.place, NameRule::Slot, "The name of the migration");
    }
    if let Some(env) = migration.env.given() {
        // A misspelt "production" would switch the typed confirmations off without a word.
        let like_production = ["prod", "prd", "live"].contains(&env.value.to_lowercase().as_str())
            || names::nearest(&env.value, ["production"]).is_some();
        if env.value.trim().is_empty() {
            cx.notes.add(&env.place, "`env` is empty; name the environment or leave the key out.");
        } else if like_production {
            cx.notes.add(
                &env.place,
                "Typed confirmations are asked for only when this is exactly \"production\". Write that, or a word that \
                 cannot be taken for it.",
            );
        }
    }
    if let Some(group) = migration.socket_group.given() {
        let word = group.value.strip_prefix('@').unwrap_or(&group.value);
        if word.len() < group.value.len() {
            cx.notes.add(&group.place, "The group is written without `@` here.");
        }
        cx.check_name(word, &group.place, NameRule::Account, "The name of the group");
    }
    Some(Migration {
        name: name?.value.clone(),
        env: migration.env.value(),
        downtime_budget: migration.downtime_budget.or(DOWNTIME_BUDGET),
        socket_group: migration.socket_group.value(),
    })
}
