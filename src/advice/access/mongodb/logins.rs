//! MG-02, MG-11 and MG-13: who gets in, and how.

use super::whom::{applications, of_services, options};
use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::model::access::mongodb::MongoFacts;
use crate::model::access::postgres::Readable;

/// MG-02.
pub fn none(_: &Case<'_>, facts: &MongoFacts) -> Judgement {
    let users = match &facts.users {
        Readable::Read(users) => users,
        Readable::Hidden(why) => return Judgement::hidden(why),
    };
    if !users.is_empty() {
        return Judgement::default();
    }
    Judgement::of(vec![
        Failure::new("users", "there is no user: whoever reaches the server from its own machine may make the first one")
            .but("db.getSiblingDB(\"admin\").createUser({ user: \"...\", pwd: passwordPrompt(), roles: [\"root\"] }), then enableLocalhostAuthBypass: false"),
    ])
}

/// MG-11.
pub fn old_mechanism(case: &Case<'_>, facts: &MongoFacts) -> Judgement {
    let who = match applications(case, facts) {
        Ok(who) => who,
        Err(why) => return Judgement::hidden(why),
    };
    if let Readable::Read(parameters) = &facts.parameters
        && parameters.get("authenticationMechanisms").is_some_and(|list| !list.split(',').any(|m| m == "SCRAM-SHA-1"))
    {
        return Judgement::default();
    }
    let old = who.into_iter().filter(|user| user.mechanisms.iter().any(|m| m == "SCRAM-SHA-1"));
    old.map(|user| {
        let only = user.mechanisms.len() == 1;
        let name = &user.user;
        let update = |mechanisms: &str| {
            format!("db.getSiblingDB({:?}).updateUser({:?}, {{ mechanisms: [{mechanisms}] }})", name.database, name.name)
        };
        let mut failure = Failure::new(name.to_string(), format!("{name} may log in by SCRAM-SHA-1"));
        if only {
            failure = failure.but("its password has to be set anew, because the other mechanism keeps it in another way: updateUser with pwd and mechanisms");
        } else {
            failure.statement = Some(update("\"SCRAM-SHA-256\""));
            failure = failure.but("drivers older than MongoDB 4.0 know no other; the keys of the old mechanism are not kept");
        }
        failure
    })
    .collect()
}

/// MG-13.
pub fn restrictions(case: &Case<'_>, facts: &MongoFacts) -> Judgement {
    let who = match of_services(case, facts) {
        Ok(who) => who,
        Err(why) => return Judgement::hidden(why),
    };
    if who.is_empty() {
        return Judgement::absent("no declared login exists here");
    }
    if who.iter().any(|user| user.is_restricted.is_none()) {
        return Judgement::hidden("where users may log in from was not told");
    }
    let open = who.into_iter().filter(|user| user.is_restricted == Some(false));
    open.map(|user| {
        let name = &user.user;
        let update = |list: &str| {
            format!(
                "db.getSiblingDB({:?}).updateUser({:?}, {{ authenticationRestrictions: [{list}] }})",
                name.database, name.name
            )
        };
        Failure::new(name.to_string(), format!("{name} may log in from every address"))
            .mended(update("{ clientSource: [\"10.1.2.0/24\"] }"), update(""))
            .but("put the network of the service in the place of 10.1.2.0/24")
    })
    .collect()
}

/// Whether the server asks for a login at all.
pub fn asks(facts: &MongoFacts) -> Result<bool, String> {
    let options = options(facts)?;
    let is_on = options.get("security.authorization").is_some_and(|value| value == "enabled");
    // A key file turns it on, too.
    Ok(is_on || options.contains_key("security.keyFile") || options.contains_key("security.clusterAuthMode"))
}
