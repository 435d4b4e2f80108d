//! OWN-14: rights on another service's future tables.

use crate::advice::access::case::Case;
use crate::advice::access::judgement::Judgement;
use crate::advice::access::postgres::defaults::failure;
use crate::model::access::login::reached;
use crate::model::access::postgres::RelationKind;
use crate::model::ids::ServiceId;
use std::collections::BTreeSet;

/// OWN-14. Whose tables a role makes is told by those that it has made, in that schema if one is named.
pub fn future(case: &Case<'_>) -> Judgement {
    let Some(facts) = case.reading.postgres() else {
        return Judgement::absent("this engine has no default privileges");
    };
    if case.map.tables.is_empty() {
        return Judgement::absent("no declared table is here");
    }
    let mut failures = Vec::new();
    for entry in &facts.default_grants {
        let Some(grantee) = entry.grant.grantee.as_deref() else { continue };
        let made = facts
            .of_kind(RelationKind::Table)
            .filter(|r| r.owner == entry.owner && entry.schema.as_ref().is_none_or(|schema| *schema == r.schema));
        let makers: BTreeSet<&ServiceId> = made.filter_map(|r| case.map.owner_of(&r.name)).collect();
        if makers.is_empty() {
            continue;
        }
        let gains = case.accounts().find(|(account, service)| {
            let gets = *account == grantee
                || reached(&case.reading.memberships, account, |m| m.inherit).iter().any(|g| g == grantee);
            gets && !makers.contains(&service.id)
        });
        let Some((account, service)) = gains else { continue };
        let owners: Vec<&str> = makers.iter().map(|s| s.as_str()).collect();
        failures.push(failure(entry).fact(format!(
            "{account} of service {} gets what {} makes",
            service.id,
            owners.join(" and ")
        )));
    }
    Judgement::of(failures)
}
