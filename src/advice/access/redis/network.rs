//! RD-03, RD-10 and RD-11: the way to the server, and doors that settings open.

use super::whom::{DEFAULT, is_local, settings, users};
use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::model::access::redis::RedisFacts;

/// RD-03. Each of the three is harmless while one of the others holds.
pub fn unprotected(_: &Case<'_>, facts: &RedisFacts) -> Judgement {
    let (settings, users) = match (settings(facts), users(facts)) {
        (Ok(settings), Ok(users)) => (settings, users),
        (Err(why), _) | (_, Err(why)) => return Judgement::hidden(why),
    };
    let asks_nobody = users.iter().any(|user| user.name == DEFAULT && user.is_open);
    let is_off = settings.get("protected-mode").is_some_and(|mode| mode == "no");
    if !(asks_nobody && is_off && !is_local(facts, settings)) {
        return Judgement::default();
    }
    let bind = settings.get("bind").map_or("", String::as_str);
    let told = if bind.is_empty() { "every address".to_owned() } else { bind.to_owned() };
    Judgement::of(vec![
        Failure::new("protected-mode", format!("the server listens on {told} and asks nobody for a password"))
            .mended("CONFIG SET protected-mode yes", "CONFIG SET protected-mode no")
            .but("clients from other machines are refused from then on: a password for `default` (RD-01) lets those in that know it"),
    ])
}

/// RD-10. They can only be set in the configuration file, or in `enable-protected-configs local` not at all.
pub fn doors(_: &Case<'_>, facts: &RedisFacts) -> Judgement {
    let settings = match settings(facts) {
        Ok(settings) => settings,
        Err(why) => return Judgement::hidden(why),
    };
    let names = ["enable-debug-command", "enable-module-command", "enable-protected-configs"];
    if names.iter().all(|name| !settings.contains_key(*name)) {
        return Judgement::absent("this version has no such settings");
    }
    let open = names.into_iter().filter_map(|name| Some((name, settings.get(name).filter(|value| *value != "no")?)));
    open.map(|(name, value)| {
        Failure::new(name, format!("{name} is {value}: its commands are open to whoever may run them"))
            .but(format!("write `{name} no` into the configuration file, then restart the server"))
    })
    .collect()
}

/// RD-11.
pub fn tls(_: &Case<'_>, facts: &RedisFacts) -> Judgement {
    let settings = match settings(facts) {
        Ok(settings) => settings,
        Err(why) => return Judgement::hidden(why),
    };
    if is_local(facts, settings) {
        return Judgement::absent("the server listens on this machine only");
    }
    let port = |name: &str| settings.get(name).map_or("0", String::as_str);
    if port("port") == "0" {
        return Judgement::default();
    }
    let what = match port("tls-port") {
        "0" => "the server has no encrypted port, and its plain one is open to the network",
        _ => "the plain port is open to the network beside the encrypted one",
    };
    Judgement::of(vec![
        Failure::new("port", what)
            .fact(format!("port {}, tls-port {}", port("port"), port("tls-port")))
            .but("set tls-port with a certificate, move the clients, then CONFIG SET port 0"),
    ])
}
