//! Whom the rules are about.

use crate::advice::access::case::Case;
use crate::model::access::mysql::{MyAccount, MysqlFacts};
use crate::model::access::postgres::Readable;

/// Accounts that somebody can log in as and that nobody sets apart: those of services, and those nobody declared. The server's own and the
/// administrator's on this machine are no applications. `Err`: they were not read, and why.
pub fn applications<'a>(case: &Case<'_>, facts: &'a MysqlFacts) -> Result<Vec<&'a MyAccount>, String> {
    if let Readable::Hidden(why) = &facts.accounts {
        return Err(why.clone());
    }
    let is_one = |account: &&MyAccount| {
        let full = format!("{}@{}", account.user, account.host);
        !account.is_locked && !account.is_built_in() && !case.is_set_apart(&account.user) && !case.is_set_apart(&full)
    };
    Ok(facts.logins().filter(is_one).collect())
}

/// The accounts of services.
pub fn of_services<'a>(case: &Case<'_>, facts: &'a MysqlFacts) -> Result<Vec<&'a MyAccount>, String> {
    let all = applications(case, facts)?;
    Ok(all.into_iter().filter(|account| case.map.service_of(&account.user).is_some()).collect())
}
