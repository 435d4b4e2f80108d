//! Settings, asked by name: never `requirepass`, `masterauth` or a pattern that would match them.

use super::{Read, missing};
use crate::model::access::postgres::Readable;
use crate::stores::redis::watch::{Reader, items, text};
use crate::stores::sanitise::clean;
use std::collections::BTreeMap;

/// Settings that rules judge.
const NAMES: [&str; 14] = [
    "acl-pubsub-default",
    "aclfile",
    "acllog-max-len",
    "bind",
    "enable-debug-command",
    "enable-module-command",
    "enable-protected-configs",
    "masteruser",
    "port",
    "protected-mode",
    "slowlog-max-len",
    "tls-auth-clients",
    "tls-port",
    "tls-replication",
];

/// What the account may read of them.
pub async fn read(reader: &mut Reader) -> Read<Readable<BTreeMap<String, String>>> {
    let lacks = || {
        let price = "none for the server; the right cannot be limited to single settings, so that whoever has the account can read requirepass and masterauth";
        missing("settings", "settings of the server", "config|get", price)
    };
    let mut settings = BTreeMap::new();
    for name in NAMES {
        let Some(answer) = reader.ask_or(&["CONFIG", "GET", name], lacks).await? else {
            return Ok(Readable::Hidden(lacks().why));
        };
        if let [key, value] = pair(&answer).as_slice() {
            settings.insert(clean(key), clean(value));
        }
    }
    Ok(Readable::Read(settings))
}

/// Nothing listens on TCP. Until 6.0 an empty `bind` meant every address, since 6.2 it means none.
pub fn is_socket_only(settings: &Readable<BTreeMap<String, String>>, version: &str) -> bool {
    let Readable::Read(settings) = settings else { return false };
    let is = |name: &str, value: &str| settings.get(name).is_some_and(|set| set == value);
    let mut parts = version.split('.').map_while(|part| part.parse::<u64>().ok());
    let since_6_2 = (parts.next(), parts.next()) >= (Some(6), Some(2));
    let has_no_port = is("port", "0") && settings.get("tls-port").is_none_or(|port| port == "0");
    has_no_port || since_6_2 && is("bind", "")
}

/// An array of name and value, or a map of one.
fn pair(value: &redis::Value) -> Vec<String> {
    match value {
        redis::Value::Map(entries) => {
            entries.iter().take(1).flat_map(|(key, value)| [text(key), text(value)]).collect()
        }
        other => items(other).iter().map(text).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_empty_list_of_addresses_means_depends_on_the_version() {
        let settings = |bind: &str, port: &str, tls_port: &str| {
            let all = [("bind", bind), ("port", port), ("tls-port", tls_port)];
            Readable::Read(all.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
        };
        for (bind, port, tls_port, version, expected) in [
            ("", "6379", "0", "7.0.15", true),
            ("", "6379", "0", "6.2.0", true),
            ("", "6379", "0", "6.0.16", false),
            ("", "6379", "0", "", false),
            ("* -::*", "6379", "0", "7.0.15", false),
            ("* -::*", "0", "0", "6.0.16", true),
            ("* -::*", "0", "6380", "7.0.15", false),
        ] {
            let told = is_socket_only(&settings(bind, port, tls_port), version);
            assert_eq!(told, expected, "bind {bind:?} port {port} tls-port {tls_port} of {version}");
        }
        assert!(!is_socket_only(&Readable::Hidden(String::new()), "7.0.15"));
    }
}
