//! Who may do what on Redis and Valkey, in one look.
//!
//! Rights are worked out from the users' rules, and asked of the server (`ACL DRYRUN`) where the account may: then its answer counts.
//! Hashes of passwords are compared as they are read and go no further.

mod commands;
mod keys;
mod settings;
mod users;

use crate::model::access::login::Login;
use crate::model::access::object::{Object, ObjectKind};
use crate::model::access::postgres::Readable;
use crate::model::access::reading::{AccessReading, EngineFacts, LiveLogin, Unread};
use crate::model::access::redis::RedisFacts;
use crate::model::observation::{Missing, Observation};
use crate::model::session::SessionKind;
use crate::stores::Result;
use crate::stores::observe::AccessFacts;
use crate::stores::redis::sessions::{no_right, sessions_of};
use crate::stores::redis::store::RedisStore;
use crate::stores::redis::watch::{Reader, text};
use async_trait::async_trait;
use chrono::Utc;
use redis::RedisError;
use std::collections::BTreeMap;

/// What every reading here returns.
type Read<T> = std::result::Result<T, RedisError>;

/// Why nobody is ever said not to use a key.
const NO_KEYS: &str = "Redis does not tell which keys a client uses; only what it refused is known, from the ACL log";

/// Something of the audit that cannot be seen, and the grant that shows it.
fn missing(id: &str, what: &str, right: &str, price: &str) -> Missing {
    Missing {
        id: format!("redis.access.{id}"),
        what: what.to_owned(),
        why: format!("the monitoring account may not run {}", right.replace('|', " ").to_uppercase()),
        enable: Some(format!("ACL SETUSER godwit_audit +{right}")),
        price: price.to_owned(),
    }
}

async fn read(reader: &mut Reader, tables: &[String]) -> Read<AccessReading> {
    let info = reader.info(&["server", "replication"]).await?;
    let users = users::read(reader).await?;
    let settings = settings::read(reader).await?;
    let facts = RedisFacts {
        is_socket_only: settings::is_socket_only(&settings, info.text("redis_version").unwrap_or_default()),
        settings,
        has_config_file: info.text("config_file").is_some_and(|file| !file.is_empty()),
        is_replica: info.text("role") == Some("slave"),
        has_replicas: info.number("connected_slaves").is_some_and(|n| n > 0),
        denials: keys::denials(reader, tables).await?,
        keys: keys::sample(reader, tables).await?,
        asked_server: false,
        users,
    };
    let (rights, asked_server) = keys::rights(reader, &facts, tables).await?;
    let (live, sees_sessions) = live(reader).await?;
    let object = |(group, name): (usize, &String)| Object {
        kind: ObjectKind::Table,
        name: name.clone(),
        owner: String::new(),
        group: group as u64,
    };
    let mut objects: Vec<Object> = tables.iter().enumerate().map(object).collect();
    objects.sort();
    let login = |user: &crate::model::access::redis::RedisUser| Login {
        name: user.name.clone(),
        can_log_in: user.is_on,
        is_unlimited: user.is_unlimited(),
    };
    Ok(AccessReading {
        logins: facts.users().iter().map(login).collect(),
        memberships: Vec::new(),
        objects,
        rights,
        links: Vec::new(),
        live,
        unread: Unread {
            rights: match &facts.users {
                Readable::Read(_) => None,
                Readable::Hidden(why) => Some(why.clone()),
            },
            uses: Some(NO_KEYS.to_owned()),
            code: None,
            sessions: (!sees_sessions).then(|| no_right().why),
        },
        home: None,
        engine: EngineFacts::Redis(Box::new(RedisFacts { asked_server, ..facts })),
    })
}

/// Who is connected, and whether that was shown.
async fn live(reader: &mut Reader) -> Read<(Vec<LiveLogin>, bool)> {
    let Some(list) = reader.ask_or(&["CLIENT", "LIST"], no_right).await? else { return Ok((Vec::new(), false)) };
    let mut alike: BTreeMap<(String, String, String, bool), u64> = BTreeMap::new();
    for session in sessions_of(&text(&list), Utc::now()) {
        if session.kind != SessionKind::Own {
            let client = session.client.rsplit_once(':').map_or(session.client.as_str(), |(address, _)| address);
            let replicates = session.kind == SessionKind::Replication;
            *alike.entry((session.login, session.application, client.to_owned(), replicates)).or_default() += 1;
        }
    }
    let live = alike.into_iter().map(|((login, application, client, replicates), sessions)| LiveLogin {
        login,
        application,
        client,
        encrypted: None,
        replicates,
        sessions,
    });
    Ok((live.collect(), true))
}

#[async_trait]
impl AccessFacts for RedisStore {
    async fn access_facts(&self, _logins: &[String], tables: &[String]) -> Result<Observation<AccessReading>> {
        self.watch().look(async |reader| read(reader, tables).await).await
    }
}
