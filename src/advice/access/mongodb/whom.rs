//! Whom the rules are about.

use crate::advice::access::address::is_loopback;
use crate::advice::access::case::Case;
use crate::model::access::mongodb::{MongoFacts, MongoUser};
use crate::model::access::postgres::Readable;
use std::collections::BTreeMap;

/// Users that are no named administrators: those of services, and those nobody declared. `Err`: they were not read, and why.
pub fn applications<'a>(case: &Case<'_>, facts: &'a MongoFacts) -> Result<Vec<&'a MongoUser>, String> {
    match (&facts.users, &facts.roles) {
        (Readable::Hidden(why), _) | (_, Readable::Hidden(why)) => Err(why.clone()),
        (Readable::Read(users), Readable::Read(_)) => {
            Ok(users.iter().filter(|user| !case.is_set_apart(&user.user.name)).collect())
        }
    }
}

/// Those of services.
pub fn of_services<'a>(case: &Case<'_>, facts: &'a MongoFacts) -> Result<Vec<&'a MongoUser>, String> {
    let mut users = applications(case, facts)?;
    users.retain(|user| case.map.service_of(&user.user.name).is_some());
    Ok(users)
}

/// Options. `Err`: they were not read, and why.
pub fn options(facts: &MongoFacts) -> Result<&BTreeMap<String, String>, String> {
    match &facts.options {
        Readable::Read(options) => Ok(options),
        Readable::Hidden(why) => Err(why.clone()),
    }
}

/// It listens on this machine only, which is also its default.
pub fn is_local(options: &BTreeMap<String, String>) -> bool {
    let is_here = |address: &str| is_loopback(address) || address.trim().starts_with('/');
    let all = options.get("net.bindIpAll").is_some_and(|all| all == "true");
    !all && options.get("net.bindIp").is_none_or(|list| list.split(',').all(is_here))
}
