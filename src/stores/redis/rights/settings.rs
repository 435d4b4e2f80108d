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

/// An array of name and value, or a map of one.
fn pair(value: &redis::Value) -> Vec<String> {
    match value {
        redis::Value::Map(entries) => {
            entries.iter().take(1).flat_map(|(key, value)| [text(key), text(value)]).collect()
        }
        other => items(other).iter().map(text).collect(),
    }
}
