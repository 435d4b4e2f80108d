//! Whom the rules are about.

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

/// It listens on this machine only.
pub fn is_local(settings: &BTreeMap<String, String>) -> bool {
    let bind = settings.get("bind").map_or("", String::as_str);
    let is_loopback = |address: &str| matches!(address.trim_start_matches('-'), "127.0.0.1" | "::1" | "localhost");
    !bind.is_empty() && bind.split_whitespace().all(is_loopback)
}
