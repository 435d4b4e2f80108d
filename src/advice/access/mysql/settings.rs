//! MY-15 to MY-17, MY-23, MY-25 and MY-27: settings of the server.

use crate::advice::access::address::is_loopback;
use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::model::access::mysql::MysqlFacts;

/// One setting that is not as it should be. `None`: this version has none of that name.
fn set(facts: &MysqlFacts, name: &str, is_bad: impl Fn(&str) -> bool, sentence: &str) -> Option<Failure> {
    let value = facts.settings.get(name)?;
    is_bad(value).then(|| Failure::new(name, sentence).fact(format!("{name} = {value}")))
}

fn of(failure: Option<Failure>) -> Judgement {
    failure.into_iter().collect()
}

fn is_off(value: &str) -> bool {
    matches!(value, "OFF" | "0")
}

/// Where the server listens. The last two are MySQL's, each with a port of its own and not led by the first: the X protocol listens on every
/// address unless it is told otherwise.
const ADDRESSES: [&str; 3] = ["bind_address", "admin_address", "mysqlx_bind_address"];

/// MY-15. A server that listens on this machine only needs no encryption.
pub fn transport(_: &Case<'_>, facts: &MysqlFacts) -> Judgement {
    let setting = |name: &str| facts.settings.get(name).filter(|value| !value.is_empty());
    let open: Vec<String> = ADDRESSES
        .into_iter()
        .filter_map(|name| Some((name, setting(name)?)))
        .filter(|(_, addresses)| !addresses.split(',').all(is_loopback))
        .map(|(name, addresses)| format!("{name} = {addresses}"))
        .collect();
    let is_local = open.is_empty() && setting("bind_address").is_some();
    if is_local || setting("skip_networking").is_some_and(|value| value == "ON") {
        return Judgement::absent("the server listens on this machine only");
    }
    let name = "require_secure_transport";
    of(set(facts, name, is_off, "clients may connect without encryption").map(|mut failure| {
        failure.evidence.extend(open);
        failure
            .mended(format!("SET GLOBAL {name} = ON"), format!("SET GLOBAL {name} = OFF"))
            .but("clients that connect without encryption are refused from then on; write it into the configuration file too")
    }))
}

/// MY-16.
pub fn local_infile(_: &Case<'_>, facts: &MysqlFacts) -> Judgement {
    let name = "local_infile";
    of(set(facts, name, |value| !is_off(value), "a server that was taken over can ask its clients for their files")
        .map(|failure| {
            failure
                .mended(format!("SET GLOBAL {name} = OFF"), format!("SET GLOBAL {name} = ON"))
                .but("LOAD DATA LOCAL stops working")
        }))
}

/// MY-17. `NULL` means that no file may be read or written at all.
pub fn file_place(_: &Case<'_>, facts: &MysqlFacts) -> Judgement {
    of(set(facts, "secure_file_priv", str::is_empty, "whoever has FILE reads and writes everywhere the server may")
        .map(|failure| failure.but("set secure_file_priv in the configuration file, then restart the server")))
}

/// MY-23.
pub fn passwords(_: &Case<'_>, facts: &MysqlFacts) -> Judgement {
    let mut failures = Vec::new();
    let forever = "passwords never expire unless an account says so";
    failures.extend(set(facts, "default_password_lifetime", |value| value == "0", forever).map(|failure| {
        failure
            .mended("SET GLOBAL default_password_lifetime = 365", "SET GLOBAL default_password_lifetime = 0")
            .but("accounts whose password is older are refused at once until it is changed")
    }));
    let unlimited = |value: &str| value.parse::<u64>().is_ok_and(|n| n >= 1_000);
    failures.extend(set(facts, "max_password_errors", unlimited, "passwords can be guessed without end").map(
        |failure| {
            let before = facts.settings.get("max_password_errors").cloned().unwrap_or_default();
            failure.mended("SET GLOBAL max_password_errors = 20", format!("SET GLOBAL max_password_errors = {before}"))
        },
    ));
    let lax = "hashes may be set whose passwords nobody could judge";
    failures.extend(set(facts, "strict_password_validation", is_off, lax).map(|failure| {
        failure.mended("SET GLOBAL strict_password_validation = ON", "SET GLOBAL strict_password_validation = OFF")
    }));
    Judgement::of(failures)
}

/// MY-25.
pub fn audit_plugin(_: &Case<'_>, facts: &MysqlFacts) -> Judgement {
    if facts.plugins.iter().any(|name| name.contains("audit")) {
        return Judgement::default();
    }
    let mut failure = Failure::new("audit plugin", "no plugin writes down who did what");
    if facts.is_mariadb {
        failure = failure
            .mended("INSTALL SONAME 'server_audit'", "UNINSTALL SONAME 'server_audit'")
            .but("set server_audit_events and server_audit_incl_users to what you need: writing down every query costs a lot");
    } else {
        failure = failure
            .but("Oracle's audit_log is part of the commercial server; Percona Server has one of its own")
            .but("only plugins were looked at: a component that audits, as Percona Server has since 8.4, is not seen");
    }
    Judgement::of(vec![failure])
}

/// MY-27. What runs by itself should be known to somebody.
pub fn unattended(_: &Case<'_>, facts: &MysqlFacts) -> Judgement {
    let mut failures = Vec::new();
    let every = "every session of an ordinary account runs a statement that the server's settings hold";
    failures.extend(set(facts, "init_connect", |value| !value.is_empty(), every).map(|failure| {
        failure.but("look what it does; SET GLOBAL init_connect = '' takes it away, and nothing brings its text back")
    }));
    failures.extend(
        set(
            facts,
            "init_file",
            |value| !value.is_empty(),
            "statements of a file run with all rights when the server starts",
        )
        .map(|failure| failure.but("look who may write the file")),
    );
    if facts.settings.get("event_scheduler").is_some_and(|value| value == "ON")
        && let crate::model::access::postgres::Readable::Read(code) = &facts.code
    {
        for event in code.iter().filter(|c| c.kind == "EVENT" && c.is_enabled) {
            let name = event.quoted();
            failures.push(
                Failure::new(
                    event.qualified(),
                    format!("the event {} runs by itself as {}", event.qualified(), event.definer),
                )
                .mended(format!("ALTER EVENT {name} DISABLE"), format!("ALTER EVENT {name} ENABLE"))
                .but("if it is meant, waive it with the name of whoever answers for it"),
            );
        }
    }
    Judgement::of(failures)
}
