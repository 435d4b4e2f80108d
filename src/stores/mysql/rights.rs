//! Who may do what on MariaDB and MySQL, in one look.
//!
//! The server has no question "what may this account do", so that effective rights are worked out from the tables that `GRANT` writes
//! ([`effective`]), by the server's rules. Hashes never leave the server: of a password only whether it is empty, and whether another
//! account's hash is the same.

pub mod accounts;
pub mod code;
mod effective;
mod grants;
pub mod surroundings;

use crate::model::access::mysql::MysqlFacts;
use crate::model::access::postgres::Readable;
use crate::model::access::reading::{AccessReading, EngineFacts, Unread};
use crate::model::observation::{Missing, Observation};
use crate::stores::Result;
use crate::stores::mysql::capability::{Flavour, MetadataSource};
use crate::stores::mysql::missing;
use crate::stores::mysql::store::MysqlStore;
use crate::stores::mysql::watch::{Read, Reader, literal};
use crate::stores::observe::AccessFacts;
use async_trait::async_trait;

/// Databases that are the server's or Godwit's own.
const NOT_OURS: [&str; 5] = ["mysql", "sys", "performance_schema", "information_schema", "godwit_audit"];

/// The condition on a column with a database's name: not the server's own, and the store's if its URL names one.
fn ours(reader: &Reader<'_>, column: &str) -> String {
    let others = format!("{column} NOT IN ('{}')", NOT_OURS.join("', '"));
    match reader.scope() {
        Some(database) => format!("{others} AND {column} = {}", literal(&database)),
        None => others,
    }
}

/// The same of a name that was read.
fn is_ours(database: &str, scope: Option<&str>) -> bool {
    !NOT_OURS.contains(&database) && scope.is_none_or(|scope| scope == database)
}

/// Notes what could not be read, and says so in the facts as well.
fn hidden<T>(reader: &mut Reader<'_>, missing: Missing) -> Readable<T> {
    let why = missing.why.clone();
    reader.lacks(missing);
    Readable::Hidden(why)
}

fn why<T>(part: &Readable<T>) -> Option<String> {
    match part {
        Readable::Read(_) => None,
        Readable::Hidden(why) => Some(why.clone()),
    }
}

async fn read(reader: &mut Reader<'_>) -> Read<AccessReading> {
    let flavour = reader.server().flavour;
    let accounts = accounts::read(reader).await?;
    let (grants, members) = grants::read(reader).await?;
    let proxies = grants::proxies(reader).await?;
    let databases = surroundings::databases(reader).await?;
    let tables = surroundings::tables(reader).await?;
    let code = code::read(reader, &tables).await?;
    let (live, sees_sessions) = surroundings::live(reader).await?;
    let facts = MysqlFacts {
        is_mariadb: flavour == Flavour::Mariadb,
        accounts,
        grants,
        members,
        proxies,
        databases,
        settings: surroundings::settings(reader).await?,
        plugins: surroundings::plugins(reader).await?,
        servers: surroundings::servers(reader).await?,
        code: code.listed,
    };
    let uses = (reader.server().metadata == MetadataSource::Nowhere)
        .then(|| missing::metadata_locks(flavour, reader.server().performance_schema).why);
    let effective = effective::work_out(&facts, &tables);
    let mut objects = effective.objects;
    objects.extend(surroundings::objects(&facts));
    objects.sort();
    let mut links = surroundings::foreign_keys(reader).await?;
    links.extend(surroundings::sequences(reader).await?);
    links.extend(code::links(&facts));
    links.sort();
    Ok(AccessReading {
        logins: effective.logins,
        memberships: effective.memberships,
        objects,
        rights: effective.rights,
        links,
        live,
        unread: Unread {
            rights: why(&facts.accounts).or_else(|| why(&facts.grants)),
            uses,
            code: why(&facts.code).or(code.without_text),
            sessions: (!sees_sessions).then(|| missing::process(flavour).why),
        },
        home: reader.scope(),
        engine: EngineFacts::Mysql(Box::new(facts)),
    })
}

#[async_trait]
impl AccessFacts for MysqlStore {
    async fn access_facts(&self, _logins: &[String], _tables: &[String]) -> Result<Observation<AccessReading>> {
        self.watch().look(async |reader| read(reader).await).await
    }
}
