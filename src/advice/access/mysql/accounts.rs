//! MY-10 to MY-14 and MY-24: who gets in, from where, and how.

use super::whom::{applications, of_services};
use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::model::access::mysql::{MyAccount, MysqlFacts, account, has_wildcard};
use crate::model::access::postgres::Readable;

/// Connections that are proposed where an account has no limit: enough for a pool, and far from all of a server's.
const PROPOSED_CONNECTIONS: u32 = 50;

/// Accounts that can be logged in as, the server's own and the administrator's among them.
fn open(facts: &MysqlFacts) -> Result<Vec<&MyAccount>, String> {
    match &facts.accounts {
        Readable::Read(accounts) => Ok(accounts.iter().filter(|a| !a.is_role && !a.is_locked).collect()),
        Readable::Hidden(why) => Err(why.clone()),
    }
}

/// MY-10.
pub fn anonymous(_: &Case<'_>, facts: &MysqlFacts) -> Judgement {
    let accounts = match open(facts) {
        Ok(accounts) => accounts,
        Err(why) => return Judgement::hidden(why),
    };
    let nobodys = accounts.into_iter().filter(|account| account.user.is_empty());
    nobodys
        .map(|account| {
            let name = account.name();
            Failure::new(&name, format!("anybody gets in from {} whatever user they name", account.host))
                .mended(format!("DROP USER {name}"), format!("CREATE USER {name}"))
        })
        .collect()
}

/// MY-11. A network is narrow enough; every address is not.
pub fn hosts(case: &Case<'_>, facts: &MysqlFacts) -> Judgement {
    let who = match applications(case, facts) {
        Ok(who) => who,
        Err(why) => return Judgement::hidden(why),
    };
    let wide = who.into_iter().filter(|account| is_wide(&account.host));
    wide.map(|wide| {
        let (from, to) = (wide.name(), account(&wide.user, "10.1.2.%"));
        let mut failure = Failure::new(&from, format!("{from} gets in from {}", described(&wide.host)));
        let mut seen: Vec<&str> =
            case.reading.live.iter().filter(|live| live.login == wide.user).map(|live| live.client.as_str()).collect();
        seen.sort_unstable();
        seen.dedup();
        if !seen.is_empty() {
            failure = failure.fact(format!("connected now from {}", seen.join(", ")));
        }
        failure
            .mended(format!("RENAME USER {from} TO {to}"), format!("RENAME USER {to} TO {from}"))
            .but("put the network of the service in the place of 10.1.2.%")
    })
    .collect()
}

/// No host is named, or a pattern without a network or a domain.
fn is_wide(host: &str) -> bool {
    let fixed: String = host.chars().filter(|c| !matches!(c, '%' | '_' | '.')).collect();
    has_wildcard(host) && (fixed.is_empty() || host.starts_with('%') && !host.contains('.'))
        || host == "0.0.0.0/0.0.0.0"
}

fn described(host: &str) -> String {
    if host == "%" { "every address".to_owned() } else { format!("{host}, which is every address or nearly so") }
}

/// MY-12.
pub fn empty_passwords(_: &Case<'_>, facts: &MysqlFacts) -> Judgement {
    let accounts = match open(facts) {
        Ok(accounts) => accounts,
        Err(why) => return Judgement::hidden(why),
    };
    if accounts.iter().all(|account| account.lacks_password.is_none()) && !accounts.is_empty() {
        return Judgement::hidden(
            "the view godwit_audit.accounts is not there: without it only reading the hashes would tell",
        );
    }
    let without = accounts.into_iter().filter(|account| account.lacks_password == Some(true));
    without
        .map(|account| {
            let name = account.name();
            Failure::new(&name, format!("{name} gets in without a password"))
                .mended(format!("ALTER USER {name} ACCOUNT LOCK"), format!("ALTER USER {name} ACCOUNT UNLOCK"))
                .but("where it is in use, set a password instead of locking it")
        })
        .collect()
}

/// MY-13. Where an account has another way in as well, its password may be impossible: then nothing is kept badly.
pub fn plugins(case: &Case<'_>, facts: &MysqlFacts) -> Judgement {
    let who = match applications(case, facts) {
        Ok(who) => who,
        Err(why) => return Judgement::hidden(why),
    };
    let better = if facts.is_mariadb { "ed25519" } else { "caching_sha2_password" };
    let is_old = |plugin: &str| matches!(plugin, "mysql_native_password" | "mysql_old_password");
    let old = who.into_iter().filter(|account| {
        let is_default = facts.is_mariadb && account.plugin.is_empty() && account.alternatives.is_empty();
        is_default || (is_old(&account.plugin) && account.alternatives.is_empty())
    });
    old.map(|account| {
        let name = account.name();
        let kept = if account.plugin.is_empty() { "mysql_native_password" } else { account.plugin.as_str() };
        let mut failure = Failure::new(&name, format!("the password of {name} is kept by {kept}, without salt"))
            .but("the client's driver must know the new plugin; the password has to be set anew");
        failure.statement = Some(match facts.is_mariadb {
            true => format!("ALTER USER {name} IDENTIFIED VIA {better} USING PASSWORD('PASSWORD')"),
            false => format!("ALTER USER {name} IDENTIFIED WITH {better} BY 'PASSWORD'"),
        });
        failure
    })
    .collect()
}

/// MY-14. Whoever connects from this machine only needs no encryption.
pub fn tls(case: &Case<'_>, facts: &MysqlFacts) -> Judgement {
    let who = match applications(case, facts) {
        Ok(who) => who,
        Err(why) => return Judgement::hidden(why),
    };
    if facts.settings.get("require_secure_transport").is_some_and(|value| value == "ON") {
        return Judgement::default();
    }
    let plain = who.into_iter().filter(|account| !account.requires_tls && !account.is_local());
    plain
        .map(|account| {
            let name = account.name();
            Failure::new(&name, format!("{name} may connect from elsewhere without encryption"))
                .mended(format!("ALTER USER {name} REQUIRE SSL"), format!("ALTER USER {name} REQUIRE NONE"))
                .but("clients that connect without encryption are refused from then on")
        })
        .collect()
}

/// MY-24.
pub fn limits(case: &Case<'_>, facts: &MysqlFacts) -> Judgement {
    let who = match of_services(case, facts) {
        Ok(who) => who,
        Err(why) => return Judgement::hidden(why),
    };
    if who.is_empty() {
        return Judgement::absent("no declared login exists here");
    }
    if facts.settings.get("max_user_connections").is_some_and(|value| value != "0") {
        return Judgement::default();
    }
    let open = who.into_iter().filter(|account| account.max_connections == Some(0));
    open.map(|account| {
        let name = account.name();
        Failure::new(&name, format!("{name} may take every connection of the server"))
            .mended(
                format!("ALTER USER {name} WITH MAX_USER_CONNECTIONS {PROPOSED_CONNECTIONS}"),
                format!("ALTER USER {name} WITH MAX_USER_CONNECTIONS 0"),
            )
            .but("set the number to what the service's pools need")
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::is_wide;

    #[test]
    fn a_network_or_a_domain_is_not_wide() {
        for (host, wide) in [
            ("%", true),
            ("10.1.%", false),
            ("%.shop.example", false),
            ("localhost", false),
            ("_%", true),
            ("::1", false),
        ] {
            assert_eq!(is_wide(host), wide, "{host}");
        }
    }
}
