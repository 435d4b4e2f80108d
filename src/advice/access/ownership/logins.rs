//! OWN-03, OWN-23 and OWN-24: logins and roles that are nobody's or everybody's.

use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::model::access::object::ObjectKind;
use crate::model::access::right::RightPath;
use crate::model::ids::ServiceId;
use std::collections::{BTreeMap, BTreeSet};

/// OWN-03.
pub fn shared(case: &Case<'_>) -> Judgement {
    if case.accounts().next().is_none() {
        return Judgement::absent("no declared login exists here");
    }
    let mut failures = Vec::new();
    for (account, _) in case.accounts() {
        let services: Vec<&str> = case.map.services_of(account).map(|s| s.id.as_str()).collect();
        if services.len() < 2 {
            continue;
        }
        let mut failure = Failure::new(
            account,
            format!("{account} is the login of {}: who did what cannot be told", services.join(" and ")),
        )
        .but("make a login for each service, move the clients over, then drop the shared one");
        let live = case.reading.live.iter().filter(|live| live.login == account);
        failure.evidence =
            live.map(|l| format!("{} sessions of {} from {}", l.sessions, l.application, l.client)).collect();
        failures.push(failure);
    }
    Judgement::of(failures)
}

/// OWN-23. Only roles that give rights on tables: a role without any is a label.
pub fn shared_roles(case: &Case<'_>) -> Judgement {
    let tables: BTreeSet<u64> = case.reading.of_kind(ObjectKind::Table).map(|table| table.group).collect();
    let mut members: BTreeMap<&str, BTreeMap<&ServiceId, BTreeSet<&str>>> = BTreeMap::new();
    for right in case.reading.rights.iter().filter(|right| tables.contains(&right.group)) {
        let (RightPath::Granted { through } | RightPath::Owner { through } | RightPath::Entry { through, .. }) =
            &right.path
        else {
            continue;
        };
        let Some(service) = case.map.service_of(&right.login) else { continue };
        // After SET ROLE the role itself is one more step of the way.
        for group in through.iter().chain(&right.becomes) {
            members.entry(group).or_default().entry(&service.id).or_default().insert(&right.login);
        }
    }
    let shared = members.into_iter().filter(|(_, services)| services.len() > 1);
    shared
        .map(|(group, services)| {
            let names: Vec<&str> = services.keys().map(|service| service.as_str()).collect();
            let mut failure = Failure::new(
                group,
                format!("services {} have rights on tables through the same role {group}", names.join(" and ")),
            )
            .but(format!("make a role for each service with what it needs, then take {group} from the logins"));
            failure.evidence = services
                .iter()
                .map(|(service, logins)| {
                    format!("{service}: {}", logins.iter().copied().collect::<Vec<_>>().join(", "))
                })
                .collect();
            failure
        })
        .collect()
}

/// OWN-24.
pub fn unlimited(case: &Case<'_>) -> Judgement {
    if !case.is_declared() {
        return Judgement::absent("no service has anything in this database");
    }
    let mut by_login: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for live in &case.reading.live {
        let is_unlimited = case.reading.login(&live.login).is_some_and(|login| login.is_unlimited);
        if is_unlimited && !live.replicates && !case.is_set_apart(&live.login) {
            by_login
                .entry(&live.login)
                .or_default()
                .push(format!("{} sessions of {} from {}", live.sessions, live.application, live.client));
        }
    }
    by_login
        .into_iter()
        .map(|(login, evidence)| {
            let mut failure =
                Failure::new(login, format!("{login}, for whom no right is asked, works in this database"));
            failure.evidence = evidence;
            failure.but(
                "find out who it is; name it in [access] break_glass or migration, or stop it and change its password",
            )
        })
        .collect()
}
