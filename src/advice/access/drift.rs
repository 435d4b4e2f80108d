//! What changed between two readings of one store: logins, memberships and rights that appeared or went.
//!
//! Only objects that both readings show are compared: a new table with the rights of its database is no change of rights.

use crate::advice::wording::listed;
use crate::model::access::drift::GrantChange;
use crate::model::access::object::Object;
use crate::model::access::reading::AccessReading;
use crate::model::access::right::Right;
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// Rights that are compared at most; beyond, only whether logins and memberships changed is told.
const MOST_RIGHTS: usize = 200_000;

/// The changes, sorted. None when one of the two could not read rights: what was not read did not go.
pub fn changes(before: (&AccessReading, DateTime<Utc>), after: (&AccessReading, DateTime<Utc>)) -> Vec<GrantChange> {
    let ((old, since), (new, at)) = (before, after);
    if old.unread.rights.is_some() || new.unread.rights.is_some() {
        return Vec::new();
    }
    let mut changes = Vec::new();
    let mut note = |appeared, login: &str, sentence: String| {
        changes.push(GrantChange { at, since, appeared, login: login.to_owned(), sentence });
    };
    let logins = |reading: &AccessReading| -> BTreeMap<String, (bool, bool)> {
        reading.logins.iter().map(|login| (login.name.clone(), (login.can_log_in, login.is_unlimited))).collect()
    };
    let (old_logins, new_logins) = (logins(old), logins(new));
    for (login, (_, is_unlimited)) in new_logins.iter().filter(|(login, _)| !old_logins.contains_key(*login)) {
        note(
            true,
            login,
            if *is_unlimited { "is a new login that may do everything" } else { "is a new login" }.to_owned(),
        );
    }
    for login in old_logins.keys().filter(|login| !new_logins.contains_key(*login)) {
        note(false, login, "is gone".to_owned());
    }
    for (login, (can_log_in, is_unlimited)) in &new_logins {
        let Some((could, was_unlimited)) = old_logins.get(login) else { continue };
        match (was_unlimited, is_unlimited) {
            (false, true) => note(true, login, "may now do everything".to_owned()),
            (true, false) => note(false, login, "may not do everything any more".to_owned()),
            _ => {}
        }
        match (could, can_log_in) {
            (false, true) => note(true, login, "may now log in".to_owned()),
            (true, false) => note(false, login, "may not log in any more".to_owned()),
            _ => {}
        }
    }
    let members = |reading: &AccessReading| -> BTreeSet<(String, String, bool)> {
        reading.memberships.iter().map(|m| (m.member.clone(), m.group.clone(), m.admin)).collect()
    };
    let (old_members, new_members) = (members(old), members(new));
    let told = |group: &str, admin: bool| format!("{group}{}", if admin { ", and may give it to others" } else { "" });
    for (member, group, admin) in new_members.difference(&old_members) {
        note(true, member, format!("is now in {}", told(group, *admin)));
    }
    for (member, group, admin) in old_members.difference(&new_members) {
        note(false, member, format!("is not in {} any more", told(group, *admin)));
    }
    if old.rights != new.rights || old.objects != new.objects {
        let in_both: BTreeSet<&str> = {
            let names: BTreeSet<&str> = old.objects.iter().map(|object| object.name.as_str()).collect();
            new.objects.iter().map(|object| object.name.as_str()).filter(|name| names.contains(name)).collect()
        };
        // Of a login that may do everything no right is listed: that change is told above.
        let is_told = |login: &str| {
            let unlimited =
                |all: &BTreeMap<String, (bool, bool)>| all.get(login).is_none_or(|(_, unlimited)| *unlimited);
            unlimited(&old_logins) || unlimited(&new_logins)
        };
        if let (Some(had), Some(has)) = (held(old, &in_both), held(new, &in_both)) {
            for (appeared, one, other) in [(true, &has, &had), (false, &had, &has)] {
                let mut by_rights: BTreeMap<(&str, String), Vec<&str>> = BTreeMap::new();
                for ((login, object), rights) in one {
                    let different: Vec<&str> = rights
                        .iter()
                        .filter(|right| !other.get(&(*login, *object)).is_some_and(|others| others.contains(right)))
                        .map(|right| right.word())
                        .collect();
                    if !different.is_empty() && !is_told(login) {
                        by_rights.entry((login, different.join(", "))).or_default().push(object);
                    }
                }
                for ((login, rights), objects) in by_rights {
                    let verb = if appeared { "has now" } else { "has not any more" };
                    note(appeared, login, format!("{verb} {rights} on {}", listed(&objects)));
                }
            }
        }
    }
    changes.sort();
    changes
}

/// Rights by login and object; `None`: too many to compare.
fn held<'a>(
    reading: &'a AccessReading,
    objects: &BTreeSet<&str>,
) -> Option<BTreeMap<(&'a str, &'a str), BTreeSet<Right>>> {
    let mut by_group: BTreeMap<u64, Vec<&Object>> = BTreeMap::new();
    for object in reading.objects.iter().filter(|object| objects.contains(object.name.as_str())) {
        by_group.entry(object.group).or_default().push(object);
    }
    let mut held: BTreeMap<(&str, &str), BTreeSet<Right>> = BTreeMap::new();
    let mut count = 0;
    for right in &reading.rights {
        for object in by_group.get(&right.group).into_iter().flatten() {
            count += 1;
            if count > MOST_RIGHTS {
                return None;
            }
            held.entry((&right.login, &object.name)).or_default().insert(right.right);
        }
    }
    Some(held)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::access::login::{Login, Membership};
    use crate::model::access::object::ObjectKind;
    use crate::model::access::reading::{EngineFacts, Unread};
    use crate::model::access::right::{EffectiveRight, RightPath};
    use chrono::Duration;

    fn reading(tables: &[(&str, u64)], rights: &[(&str, u64, Right)], unlimited: &[&str]) -> AccessReading {
        let mut logins: BTreeSet<&str> = rights.iter().map(|(login, ..)| *login).collect();
        logins.extend(unlimited);
        let object = |(name, group): &(&str, u64)| Object {
            kind: ObjectKind::Table,
            name: (*name).to_owned(),
            owner: String::new(),
            group: *group,
        };
        let right = |(login, group, right): &(&str, u64, Right)| EffectiveRight {
            login: (*login).to_owned(),
            group: *group,
            right: *right,
            becomes: None,
            path: RightPath::Public,
            columns: Vec::new(),
        };
        AccessReading {
            logins: logins
                .iter()
                .map(|name| Login {
                    name: (*name).to_owned(),
                    can_log_in: true,
                    is_unlimited: unlimited.contains(name),
                })
                .collect(),
            memberships: Vec::new(),
            objects: tables.iter().map(object).collect(),
            rights: rights.iter().map(right).collect(),
            links: Vec::new(),
            live: Vec::new(),
            unread: Unread::default(),
            home: None,
            engine: EngineFacts::Other,
        }
    }

    fn told(old: &AccessReading, new: &AccessReading) -> Vec<String> {
        let at = DateTime::<Utc>::UNIX_EPOCH;
        let changes = changes((old, at), (new, at + Duration::minutes(15)));
        changes.iter().map(|c| format!("{} {} {}", if c.appeared { "+" } else { "-" }, c.login, c.sentence)).collect()
    }

    #[test]
    fn what_came_and_went_is_told_and_new_tables_are_no_change() {
        let old = reading(&[("a.x", 1), ("a.y", 1)], &[("app", 1, Right::Read), ("other", 1, Right::Read)], &[]);
        // The groups' numbers differ from look to look; a table came with the rights of its database.
        let same =
            reading(&[("a.x", 7), ("a.y", 7), ("a.z", 7)], &[("app", 7, Right::Read), ("other", 7, Right::Read)], &[]);
        assert_eq!(told(&old, &same), Vec::<String>::new());
        let mut new = reading(
            &[("a.x", 1), ("a.y", 2)],
            &[("app", 1, Right::Read), ("app", 2, Right::Read), ("app", 2, Right::Insert)],
            &["boss"],
        );
        new.memberships.push(Membership {
            member: "app".to_owned(),
            group: "writers".to_owned(),
            admin: false,
            inherit: true,
            set: true,
        });
        assert_eq!(
            told(&old, &new),
            [
                "- other is gone",
                "+ app has now INSERT on a.y",
                "+ app is now in writers",
                "+ boss is a new login that may do everything",
            ]
        );
        let mut unread = new.clone();
        unread.unread.rights = Some("refused".to_owned());
        assert!(told(&old, &unread).is_empty(), "what was not read did not go");
    }
}
