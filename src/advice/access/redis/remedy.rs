//! What narrows a user to its own keys. Patterns cannot be taken away one by one: all are given anew.

use crate::advice::access::case::Case;
use crate::model::access::redis::{KeyRule, RedisUser};

/// The statement that leaves a user the keys of its own service and those that it may read, and what takes that back. Selectors are left
/// out, because a right in one of them is held whatever stands outside.
pub fn own_keys(case: &Case<'_>, user: &RedisUser) -> (String, String) {
    let services: Vec<_> = case.map.services_of(&user.name).collect();
    let mut keys: Vec<String> = Vec::new();
    for table in &case.map.tables {
        if services.iter().any(|service| service.id == table.service) {
            keys.push(format!("~{}", table.name));
        } else if services.iter().any(|service| case.map.may_read(service, table, case.today)) {
            keys.push(format!("%R~{}", table.name));
        }
    }
    keys.sort();
    keys.dedup();
    let has_selectors = user.rights.len() > 1;
    let mut statement = vec!["ACL SETUSER".to_owned(), user.name.clone(), "resetkeys".to_owned()];
    if has_selectors {
        statement.push("clearselectors".to_owned());
    }
    statement.extend(keys);
    let mut undo = vec!["ACL SETUSER".to_owned(), user.name.clone(), "resetkeys".to_owned()];
    for (at, block) in user.rights.iter().enumerate() {
        let keys = block.keys.iter().map(word);
        if at == 0 {
            undo.extend(keys);
            continue;
        }
        let mut words: Vec<String> = block.rules.clone();
        words.extend(keys);
        words.extend(block.channels.iter().map(|channel| format!("&{channel}")));
        undo.push(format!("({})", words.join(" ")));
    }
    (statement.join(" "), undo.join(" "))
}

fn word(key: &KeyRule) -> String {
    let sign = match (key.reads, key.writes) {
        (true, true) => "~",
        (true, false) => "%R~",
        _ => "%W~",
    };
    format!("{sign}{}", key.pattern)
}
