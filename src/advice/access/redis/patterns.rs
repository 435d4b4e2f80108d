//! RD-05, RD-06 and RD-09: keys and channels of everybody.

use super::remedy::own_keys;
use super::whom::{applications, settings};
use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::model::access::redis::RedisFacts;

/// RD-05.
pub fn keys(case: &Case<'_>, facts: &RedisFacts) -> Judgement {
    let who = match applications(case, facts) {
        Ok(who) => who,
        Err(why) => return Judgement::hidden(why),
    };
    let all =
        who.into_iter().filter(|user| user.rights.iter().any(|block| block.keys.iter().any(|key| key.pattern == "*")));
    all.map(|user| {
        let failure = Failure::new(&user.name, format!("{} may use the keys of every service", user.name));
        let (statement, undo) = own_keys(case, user);
        failure
            .mended(statement, undo)
            .but("keys outside its own prefix are refused from then on: see OWN-18 for those in use")
    })
    .collect()
}

/// RD-06.
pub fn channels(case: &Case<'_>, facts: &RedisFacts) -> Judgement {
    let who = match applications(case, facts) {
        Ok(who) => who,
        Err(why) => return Judgement::hidden(why),
    };
    let all =
        who.into_iter().filter(|user| user.rights.first().is_some_and(|own| own.channels.iter().any(|c| c == "*")));
    all.map(|user| {
        let name = &user.name;
        Failure::new(name, format!("{name} hears and speaks on every channel"))
            .mended(format!("ACL SETUSER {name} resetchannels"), format!("ACL SETUSER {name} allchannels"))
            .but("give it its own channels in the same command: &PREFIX:*")
    })
    .collect()
}

/// RD-09.
pub fn new_users(_: &Case<'_>, facts: &RedisFacts) -> Judgement {
    let settings = match settings(facts) {
        Ok(settings) => settings,
        Err(why) => return Judgement::hidden(why),
    };
    match settings.get("acl-pubsub-default").map(String::as_str) {
        None => Judgement::absent("this version has no such setting"),
        Some("allchannels") => Judgement::of(vec![
            Failure::new("acl-pubsub-default", "new users hear and speak on every channel")
                .mended("CONFIG SET acl-pubsub-default resetchannels", "CONFIG SET acl-pubsub-default allchannels"),
        ]),
        Some(_) => Judgement::default(),
    }
}
