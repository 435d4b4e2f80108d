//! MG-01, MG-09, MG-10, MG-12 and MG-14 to MG-16: options of the server.

use super::logins::asks;
use super::whom::{is_local, options};
use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::model::access::mongodb::MongoFacts;
use crate::model::access::postgres::Readable;

const RESTART: &str = "write it into mongod.conf, then restart the server";

/// MG-01.
pub fn authorization(_: &Case<'_>, facts: &MongoFacts) -> Judgement {
    match asks(facts) {
        Err(why) => Judgement::hidden(why),
        Ok(true) => Judgement::default(),
        Ok(false) => Judgement::of(vec![
            Failure::new("security.authorization", "the server asks nobody who they are: everybody may do everything")
                .but(format!("security.authorization: enabled; {RESTART}"))
                .but("make the users first (MG-02)"),
        ]),
    }
}

/// The mode of TLS, under both of its names.
fn mode(options: &std::collections::BTreeMap<String, String>) -> &str {
    options.get("net.tls.mode").or_else(|| options.get("net.ssl.mode")).map_or("disabled", String::as_str)
}

/// MG-09.
pub fn tls(_: &Case<'_>, facts: &MongoFacts) -> Judgement {
    let options = match options(facts) {
        Ok(options) => options,
        Err(why) => return Judgement::hidden(why),
    };
    if is_local(options) {
        return Judgement::absent("the server listens on this machine only");
    }
    let mode = mode(options);
    if mode.starts_with("require") {
        return Judgement::default();
    }
    Judgement::of(vec![
        Failure::new("net.tls.mode", "the server listens on the network, and clients may connect without encryption")
            .fact(format!("net.tls.mode is {mode}"))
            .but(format!("net.tls.mode: requireTLS with a certificate; {RESTART}")),
    ])
}

/// What servers since 4.0 disable by themselves where nothing is said and the system has a newer one; 1.1 stays.
const DISABLED: &str = "TLS1_0";

/// MG-10.
pub fn old_tls(_: &Case<'_>, facts: &MongoFacts) -> Judgement {
    let options = match options(facts) {
        Ok(options) => options,
        Err(why) => return Judgement::hidden(why),
    };
    if mode(options) == "disabled" {
        return Judgement::absent("the server does not encrypt at all");
    }
    let disabled = options.get("net.tls.disabledProtocols").map_or(DISABLED, String::as_str);
    let open: Vec<&str> =
        ["TLS1_0", "TLS1_1"].into_iter().filter(|name| !disabled.split(',').any(|d| d == *name)).collect();
    if open.is_empty() {
        return Judgement::default();
    }
    Judgement::of(vec![
        Failure::new("net.tls.disabledProtocols", format!("outdated protocols are allowed: {}", open.join(", ")))
            .but(format!("net.tls.disabledProtocols: TLS1_0,TLS1_1; {RESTART}")),
    ])
}

/// MG-12.
pub fn javascript(_: &Case<'_>, facts: &MongoFacts) -> Judgement {
    let options = match options(facts) {
        Ok(options) => options,
        Err(why) => return Judgement::hidden(why),
    };
    if options.get("security.javascriptEnabled").is_some_and(|value| value == "false") {
        return Judgement::default();
    }
    Judgement::of(vec![
        Failure::new("security.javascriptEnabled", "queries may carry programs ($where, $function, mapReduce)")
            .but(format!("security.javascriptEnabled: false; {RESTART}"))
            .but("queries that use them fail from then on: look for $where among the hot spots first"),
    ])
}

/// MG-14.
pub fn auditing(_: &Case<'_>, facts: &MongoFacts) -> Judgement {
    let options = match options(facts) {
        Ok(options) => options,
        Err(why) => return Judgement::hidden(why),
    };
    if !facts.can_audit {
        return Judgement::absent("this build cannot audit: MongoDB Enterprise and Percona Server can");
    }
    if options.contains_key("auditLog.destination") {
        return Judgement::default();
    }
    Judgement::of(vec![
        Failure::new("auditLog.destination", "nothing writes down who did what")
            .but(format!("auditLog.destination with a filter: writing down every operation costs a lot; {RESTART}")),
    ])
}

/// MG-15. Level 2 records every operation with its values.
pub fn profiler(_: &Case<'_>, facts: &MongoFacts) -> Judgement {
    let levels = match &facts.profiling {
        Readable::Read(levels) => levels,
        Readable::Hidden(why) => return Judgement::hidden(why),
    };
    let all = levels.iter().filter(|(_, level)| **level >= 2);
    all.map(|(database, level)| {
        let set = |level: u64| format!("db.getSiblingDB({database:?}).setProfilingLevel({level})");
        Failure::new(database, format!("the profiler of {database} records every operation with its values"))
            .mended(set(0), set(*level))
            .but("system.profile keeps what was recorded: db.system.profile.drop() takes it away")
    })
    .collect()
}

/// MG-16.
pub fn members(_: &Case<'_>, facts: &MongoFacts) -> Judgement {
    let options = match options(facts) {
        Ok(options) => options,
        Err(why) => return Judgement::hidden(why),
    };
    let mut failures = Vec::new();
    if options.get("net.port").is_none_or(|port| port == "27017") {
        failures.push(
            Failure::new("net.port", "the server listens on the port that everybody tries first")
                .but(format!("net.port; {RESTART}")),
        );
    }
    let is_x509 = options.get("security.clusterAuthMode").is_some_and(|mode| mode.to_lowercase().contains("x509"));
    if facts.is_in_set && !is_x509 && options.contains_key("security.keyFile") {
        failures.push(
            Failure::new("security.clusterAuthMode", "members of the set know each other by a shared key file only")
                .but("x.509 certificates tell members apart; security.clusterAuthMode is changed by a rolling restart"),
        );
    }
    Judgement::of(failures)
}
