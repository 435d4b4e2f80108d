//! Who may do what on MongoDB, in one look.
//!
//! The server works out what each role gives (`rolesInfo` with `showPrivileges`), roles of roles included; which collections that means
//! is worked out here. `showCredentials` is never sent: it would return SCRAM keys.

mod effective;
mod options;
mod users;

use crate::model::access::mongodb::MongoFacts;
use crate::model::access::postgres::Readable;
use crate::model::access::reading::{AccessReading, EngineFacts, LiveLogin, Unread};
use crate::model::observation::{Missing, Observation};
use crate::stores::Result;
use crate::stores::mongodb::connect::{APPLICATION, Connector};
use crate::stores::mongodb::fields::{inner, is_set, list, text};
use crate::stores::mongodb::inventory::databases;
use crate::stores::mongodb::sessions::{client, current_op, is_member, login, no_right};
use crate::stores::mongodb::store::MongoStore;
use crate::stores::mongodb::watch::Reader;
use crate::stores::observe::AccessFacts;
use async_trait::async_trait;
use mongodb::bson::{Document, doc};
use mongodb::error::Error;
use std::collections::BTreeMap;

/// What every reading here returns.
type Read<T> = std::result::Result<T, Error>;

/// Something of the audit that cannot be seen, and the action that shows it.
fn missing(id: &str, what: &str, action: &str, on_cluster: bool) -> Missing {
    let resource = if on_cluster { "{ cluster: true }" } else { "{ db: \"\", collection: \"\" }" };
    Missing {
        id: format!("mongodb.access.{id}"),
        what: what.to_owned(),
        why: format!("the monitoring account may not {action}"),
        enable: Some(format!(
            "db.getSiblingDB(\"admin\").grantPrivilegesToRole(\"godwit_audit\", [{{ resource: {resource}, actions: [\"{action}\"] }}])"
        )),
        price:
            "none for the server; viewUser could return SCRAM keys to one who asks for them, which Godwit never does"
                .to_owned(),
    }
}

async fn read(reader: &mut Reader, connector: &Connector) -> Read<AccessReading> {
    let (hello, _) = reader.hello().await?;
    let users = users::users(reader).await?;
    let roles = users::roles(reader, &users).await?;
    let names = databases(reader, connector).await?;
    let (options, can_audit) = options::options(reader).await?;
    let facts = MongoFacts {
        profiling: options::profiling(reader, &names).await?,
        parameters: options::parameters(reader).await?,
        is_in_set: hello.contains_key("setName"),
        options,
        can_audit,
        users,
        roles,
    };
    let collections = effective::collections(reader, &names).await?;
    let effective = effective::work_out(&facts, &collections);
    let (live, sees_sessions) = live(reader).await?;
    let rights = match (&facts.users, &facts.roles) {
        (Readable::Hidden(why), _) | (_, Readable::Hidden(why)) => Some(why.clone()),
        _ => None,
    };
    Ok(AccessReading {
        logins: effective.logins,
        memberships: effective.memberships,
        objects: effective.objects,
        rights: effective.rights,
        links: effective::links(&collections),
        live,
        unread: Unread { rights, uses: None, code: None, sessions: (!sees_sessions).then(|| no_right().why) },
        home: connector.database().map(str::to_owned),
        engine: EngineFacts::Mongo(Box::new(facts)),
    })
}

/// Who is connected, and whether everybody is shown.
async fn live(reader: &mut Reader) -> Read<(Vec<LiveLogin>, bool)> {
    let Some(operations) = reader.all_or("admin", current_op(true), no_right).await? else {
        return Ok((Vec::new(), false));
    };
    let mut alike: BTreeMap<(String, String, String, bool), u64> = BTreeMap::new();
    for entry in &operations {
        let application = text(entry, "appName");
        let Some(login) = login(entry).filter(|_| !application.starts_with(APPLICATION) && !is_member(entry)) else {
            continue;
        };
        let client = client(entry);
        let client = client.rsplit_once(':').map_or(client.as_str(), |(address, _)| address).to_owned();
        *alike.entry((login, application, client, reads_the_log(entry))).or_default() += 1;
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

/// A change stream, or somebody who follows the oplog itself.
fn reads_the_log(entry: &Document) -> bool {
    if text(entry, "ns") == "local.oplog.rs" {
        return true;
    }
    let command = inner(entry, "cursor")
        .and_then(|cursor| inner(cursor, "originatingCommand"))
        .or_else(|| inner(entry, "command"));
    let first = command.and_then(|command| list(command, "pipeline").next());
    first.is_some_and(|stage| stage.contains_key("$changeStream")) || is_set(entry, "changeStream")
}

#[async_trait]
impl AccessFacts for MongoStore {
    async fn access_facts(&self, _logins: &[String], _tables: &[String]) -> Result<Observation<AccessReading>> {
        let connector = self.connector();
        self.watch().look(async |reader| read(reader, connector).await).await
    }
}

/// An empty document where the server has none.
fn or_empty(document: Option<&Document>) -> Document {
    document.cloned().unwrap_or_else(|| doc! {})
}
