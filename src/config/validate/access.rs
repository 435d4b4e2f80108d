//! `[access]` and `[[waivers]]`.

use super::{Context, store_names};
use crate::config::names;
use crate::config::profile::AccessNames;
use crate::config::raw::{RawProfile, RawWaiver};
use crate::config::table::{Field, Placed};
use crate::model::access::declared::{Waiver, rule_ids};

/// The sound names.
pub(super) fn names(raw: &RawProfile, cx: Context<'_>) -> AccessNames {
    let Some(access) = &raw.access else { return AccessNames::default() };
    let words = |field: &Field<Vec<Placed<String>>>| -> Vec<String> {
        let list = field.given().map_or(&[][..], |list| list.value.as_slice());
        for name in list {
            if name.value.trim().is_empty() || name.value.chars().any(char::is_control) {
                cx.notes.add(&name.place, format!("`{}` cannot be a name.", names::shown(&name.value)));
            }
        }
        list.iter().map(|name| name.value.clone()).collect()
    };
    for pattern in access.ignore.given().into_iter().flat_map(|list| &list.value) {
        let body = pattern.value.strip_suffix('*').unwrap_or(&pattern.value);
        if body.is_empty() || body.contains('*') {
            cx.notes.add(
                &pattern.place,
                format!(
                    "`{}` is no name and no beginning of one: write \"rdsadmin\" or \"rds*\".",
                    names::shown(&pattern.value)
                ),
            );
        }
    }
    AccessNames {
        break_glass: words(&access.break_glass),
        migration: words(&access.migration),
        ignore: words(&access.ignore),
        until: access.until.value(),
    }
}

/// The sound waivers, in file order.
pub(super) fn waivers(raw: &RawProfile, cx: Context<'_>) -> Vec<Waiver> {
    let rules = rule_ids();
    let mut waivers: Vec<Waiver> = Vec::new();
    for raw_waiver in &raw.waivers {
        let Some(waiver) = one(raw_waiver, raw, &rules, cx) else { continue };
        let same = |w: &Waiver| (&w.rule, &w.store, &w.subject) == (&waiver.rule, &waiver.store, &waiver.subject);
        if waivers.iter().any(same) {
            cx.notes.add(&raw_waiver.place, "This finding is waived twice; leave it once.");
        }
        waivers.push(waiver);
    }
    waivers
}

fn one(waiver: &RawWaiver, raw: &RawProfile, rules: &[String], cx: Context<'_>) -> Option<Waiver> {
    let needed = |field: &Field<String>, key: &str, sentence: &str| -> Option<Placed<String>> {
        let text = field.required(key, cx.notes, &waiver.place, sentence)?;
        if text.value.trim().is_empty() || text.value.chars().any(char::is_control) {
            cx.notes.add(&text.place, format!("`{key}` is empty or holds control characters."));
        }
        Some(Placed { value: text.value.clone(), place: text.place.clone() })
    };
    let rule = needed(&waiver.rule, "rule", "A waiver needs `rule`: the id of a rule, such as \"PG-08\".");
    let store = needed(&waiver.store, "store", "A waiver needs `store`: where the finding is.");
    let subject = needed(
        &waiver.subject,
        "subject",
        "A waiver needs `subject`: what the finding is about, as the audit prints it.",
    );
    let who = needed(&waiver.who, "who", "A waiver needs `who`: who answers for it.");
    let why = needed(&waiver.why, "why", "A waiver needs `why`.");
    let until = waiver.until.required(
        "until",
        cx.notes,
        &waiver.place,
        "A waiver needs `until`: its last day, such as \"2026-12-31\".",
    );
    let rule = rule.filter(|rule| {
        let known = rules.contains(&rule.value);
        if !known {
            let sentence = format!(
                "There is no rule `{}`. docs/operator/access.md and docs/operator/indexes.md list them.",
                names::shown(&rule.value)
            );
            cx.notes.add_near(&rule.place, sentence, &rule.value, rules.iter().map(String::as_str));
        }
        known
    });
    let store = store.filter(|store| cx.resolves(store, "store", store_names(raw)));
    Some(Waiver {
        rule: rule?.value,
        store: store?.value.as_str().into(),
        subject: subject?.value,
        who: who?.value,
        until: until?.value,
        why: why?.value,
    })
}
