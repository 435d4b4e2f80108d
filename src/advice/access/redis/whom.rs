//! Whom the rules are about.

use crate::advice::access::address::is_loopback;
use crate::advice::access::case::Case;
use crate::model::access::postgres::Readable;
use crate::model::access::redis::{RedisFacts, RedisUser};
use std::collections::BTreeMap;

/// The user that everybody is who does not say who they are.
pub const DEFAULT: &str = "default";

/// Users that somebody can log in as. `Err`: they were not read, and why.
pub fn users(facts: &RedisFacts) -> Result<Vec<&RedisUser>, String> {
    match &facts.users {
        Readable::Read(users) => Ok(users.iter().filter(|user| user.is_on).collect()),
        Readable::Hidden(why) => Err(why.clone()),
    }
}

/// Those of services, and those nobody declared. `default` has rules of its own, and who is set apart is no application.
pub fn applications<'a>(case: &Case<'_>, facts: &'a RedisFacts) -> Result<Vec<&'a RedisUser>, String> {
    let mut users = users(facts)?;
    users.retain(|user| user.name != DEFAULT && !case.is_set_apart(&user.name));
    Ok(users)
}

/// Settings. `Err`: they were not read, and why.
pub fn settings(facts: &RedisFacts) -> Result<&BTreeMap<String, String>, String> {
    match &facts.settings {
        Readable::Read(settings) => Ok(settings),
        Readable::Hidden(why) => Err(why.clone()),
    }
}

/// It listens on this machine only, or on no address at all. A `-` says that the server starts without the address, too.
pub fn is_local(facts: &RedisFacts, settings: &BTreeMap<String, String>) -> bool {
    let bind = settings.get("bind").map_or("", String::as_str);
    let is_here = |address: &str| is_loopback(address.trim_start_matches('-'));
    facts.is_socket_only || !bind.is_empty() && bind.split_whitespace().all(is_here)
}
