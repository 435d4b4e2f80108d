//! PG-23 and PG-24: encryption on the way.

use crate::advice::access::address::is_loopback;
use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::advice::access::wording::literal;
use crate::model::access::postgres::PostgresFacts;
use std::collections::BTreeMap;

fn is_local(client: &str) -> bool {
    client == "local" || is_loopback(client)
}

/// PG-23.
pub fn sessions(case: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    if !facts.sees_sessions {
        return Judgement::hidden("the monitoring account may not see other logins' sessions");
    }
    let mut open: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for live in case.reading.live.iter().filter(|l| l.encrypted == Some(false) && !is_local(&l.client)) {
        open.entry(&live.login)
            .or_default()
            .push(format!("{} sessions of {} from {}", live.sessions, live.application, live.client));
    }
    open.into_iter()
        .map(|(login, evidence)| {
            let mut failure = Failure::new(login, format!("{login} is connected over the network without encryption"))
                .but("make its lines in pg_hba.conf hostssl, and have the client ask for sslmode=verify-full");
            failure.evidence = evidence;
            failure
        })
        .collect()
}

/// PG-24. A server that only this host can reach needs none.
pub fn settings(_: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    let setting = |name: &str| facts.settings.get(name).map(String::as_str);
    let addresses = setting("listen_addresses").unwrap_or("*");
    if addresses.split(',').map(str::trim).all(|a| a.is_empty() || is_loopback(a)) {
        return Judgement::absent("the server listens on this host only");
    }
    let mut failures = Vec::new();
    match setting("ssl") {
        None => return Judgement::hidden("the setting ssl is not shown"),
        Some("on") => {}
        Some(_) => failures.push(
            Failure::new("ssl", "the server takes connections from the network and offers no encryption")
                .mended("ALTER SYSTEM SET ssl = on", "ALTER SYSTEM SET ssl = off")
                .but("it needs a certificate and a key first, and a reload"),
        ),
    }
    if let Some(least @ ("TLSv1" | "TLSv1.1" | "")) = setting("ssl_min_protocol_version") {
        failures.push(Failure::new("ssl_min_protocol_version", "the server accepts outdated versions of TLS").mended(
            "ALTER SYSTEM SET ssl_min_protocol_version = 'TLSv1.2'",
            format!("ALTER SYSTEM SET ssl_min_protocol_version = {}", literal(least)),
        ));
    }
    Judgement::of(failures)
}
