//! PG-05 and PG-34: memberships that let a login give itself or others more.

use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::advice::access::wording::role;
use crate::model::access::login::chain;
use crate::model::access::postgres::PostgresFacts;
use std::collections::BTreeSet;

/// PG-05.
pub fn admin(case: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    let applications: BTreeSet<&str> = case.applications(facts).map(|r| r.name.as_str()).collect();
    let with = case.reading.memberships.iter().filter(|m| m.admin && applications.contains(m.member.as_str()));
    with.map(|m| {
        let (group, member) = (role(&m.group), role(&m.member));
        Failure::new(
            format!("{} in {}", m.member, m.group),
            format!("{} makes others members of {}", m.member, m.group),
        )
        .mended(
            format!("REVOKE ADMIN OPTION FOR {group} FROM {member}"),
            format!("GRANT {group} TO {member} WITH ADMIN OPTION"),
        )
    })
    .collect()
}

/// PG-34. From 16 on a membership can be without SET; before that every member may.
pub fn set_role(case: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    let owners: BTreeSet<&str> = facts.relations.iter().map(|r| r.owner.as_str()).collect();
    let mut failures = Vec::new();
    for login in case.applications(facts) {
        let is_owner = |group: &str| group != login.name && owners.contains(group);
        let Some(through) = chain(&case.reading.memberships, &login.name, |m| m.set, is_owner) else { continue };
        let Some(owner) = through.last() else { continue };
        let holder = through.len().checked_sub(2).and_then(|at| through.get(at)).unwrap_or(&login.name);
        let (group, member) = (role(owner), role(holder));
        let failure = Failure::new(
            format!("{} to {owner}", login.name),
            format!("{} becomes {owner}, which owns tables: {}", login.name, through.join(" -> ")),
        );
        failures.push(match facts.version >= 160_000 {
            true => failure.mended(format!("GRANT {group} TO {member} WITH SET FALSE"), format!("GRANT {group} TO {member} WITH SET TRUE")),
            false => failure
                .mended(format!("REVOKE {group} FROM {member}"), format!("GRANT {group} TO {member}"))
                .but("before PostgreSQL 16 a membership without SET ROLE does not exist: the rights that come with it go too"),
        });
    }
    Judgement::of(failures)
}
