//! RD-01, RD-02, RD-13 and RD-14: who gets in, and with what.

use super::whom::{DEFAULT, users};
use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::model::access::redis::RedisFacts;

/// RD-01.
pub fn default_user(_: &Case<'_>, facts: &RedisFacts) -> Judgement {
    let users = match users(facts) {
        Ok(users) => users,
        Err(why) => return Judgement::hidden(why),
    };
    let open = users.into_iter().filter(|user| user.name == DEFAULT && user.is_open && user.is_unlimited());
    open.map(|_| {
        Failure::new(DEFAULT, "everybody who reaches the server may do everything, without a password")
            .mended("ACL SETUSER default off", "ACL SETUSER default on")
            .but("clients without a login are refused from then on: give each service one first")
    })
    .collect()
}

/// RD-02.
pub fn open(_: &Case<'_>, facts: &RedisFacts) -> Judgement {
    let users = match users(facts) {
        Ok(users) => users,
        Err(why) => return Judgement::hidden(why),
    };
    let open = users.into_iter().filter(|user| user.is_open && !(user.name == DEFAULT && user.is_unlimited()));
    open.map(|user| {
        let name = &user.name;
        Failure::new(name, format!("{name} needs no password"))
            .mended(format!("ACL SETUSER {name} resetpass >PASSWORD"), format!("ACL SETUSER {name} nopass"))
            .but("clients that give no password are refused from then on")
    })
    .collect()
}

/// RD-13. The server keeps sums without salt: two alike are one password. Of each group the first one is not accused.
pub fn shared(_: &Case<'_>, facts: &RedisFacts) -> Judgement {
    let users = match users(facts) {
        Ok(users) => users,
        Err(why) => return Judgement::hidden(why),
    };
    let same = users.into_iter().filter(|user| user.same_password_as.iter().any(|other| *other < user.name));
    same.map(|user| {
        let name = &user.name;
        Failure::new(name, format!("{name} has a password that {} has too", user.same_password_as.join(", ")))
            .but(format!("ACL SETUSER {name} resetpass >PASSWORD gives it another one; its clients need it first"))
    })
    .collect()
}

/// RD-14.
pub fn old(_: &Case<'_>, facts: &RedisFacts) -> Judgement {
    let users = match users(facts) {
        Ok(users) => users,
        Err(why) => return Judgement::hidden(why),
    };
    let several = users.into_iter().filter(|user| user.passwords > 1 && !user.is_open);
    several
        .map(|user| {
            let name = &user.name;
            Failure::new(name, format!("{name} has {} passwords: an old one still works", user.passwords)).but(format!(
                "once all clients have the new one: ACL SETUSER {name} <OLD-PASSWORD, with the old one in its place"
            ))
        })
        .collect()
}
