//! RD-12: users that a restart forgets.

use super::whom::{DEFAULT, settings, users};
use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::model::access::redis::RedisFacts;

/// RD-12. Whether redis.conf names the users cannot be seen from here.
pub fn users_file(_: &Case<'_>, facts: &RedisFacts) -> Judgement {
    let (settings, users) = match (settings(facts), users(facts)) {
        (Ok(settings), Ok(users)) => (settings, users),
        (Err(why), _) | (_, Err(why)) => return Judgement::hidden(why),
    };
    let named: Vec<&str> = users.iter().map(|user| user.name.as_str()).filter(|name| *name != DEFAULT).collect();
    if named.is_empty() {
        return Judgement::absent("there is no user but `default`");
    }
    if settings.get("aclfile").is_some_and(|file| !file.is_empty()) {
        return Judgement::default();
    }
    if facts.has_config_file {
        return Judgement::hidden(
            "there is no aclfile; whether redis.conf names the users (CONFIG REWRITE) cannot be seen from here",
        );
    }
    Judgement::of(vec![
        Failure::new(
            "aclfile",
            format!("a restart forgets {} users: there is neither an aclfile nor a redis.conf", named.len()),
        )
        .fact(named.join(", "))
        .but("start the server with `aclfile`, then ACL SAVE"),
    ])
}
