//! OWN-19: one password for two logins. Only engines whose hashes have no salt can tell.

use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::model::access::postgres::Readable;
use crate::model::access::reading::EngineFacts;

/// Why a login's finding has no statement.
const ROTATE: &str = "give each its own: whoever knows one of them knows both";

/// OWN-19.
pub fn shared(case: &Case<'_>) -> Judgement {
    match &case.reading.engine {
        EngineFacts::Mysql(facts) => {
            if !facts.is_mariadb {
                return Judgement::hidden(
                    "MySQL's hashes are not read: most are salted, and reading them would show them",
                );
            }
            let Readable::Read(accounts) = &facts.accounts else { return Judgement::default() };
            let open = accounts.iter().filter(|account| !account.is_locked && !account.is_role);
            let same = open.filter_map(|a| Some((a, a.same_password_as.as_ref()?)));
            same.filter(|(account, other)| {
                let other_user = other.rsplit_once('@').map_or(other.as_str(), |(user, _)| user);
                other_user != account.user
            })
            .map(|(account, other)| {
                Failure::new(account.name(), format!("{} has the same password as {other}", account.name())).but(ROTATE)
            })
            .collect()
        }
        EngineFacts::Redis(facts) => facts
            .users()
            .iter()
            .filter(|user| user.is_on && !user.same_password_as.is_empty())
            .filter(|user| user.same_password_as.iter().any(|other| *other < user.name))
            .map(|user| {
                let others = user.same_password_as.join(", ");
                Failure::new(&user.name, format!("{} has a password that {others} has too", user.name)).but(ROTATE)
            })
            .collect(),
        EngineFacts::Postgres(_) | EngineFacts::Mongo(_) | EngineFacts::Other => Judgement::default(),
    }
}
