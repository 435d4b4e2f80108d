//! Who may do what on PostgreSQL, in one look.
//!
//! Rights are the server's own answers (`has_table_privilege` and its kin). Tables with the same owner, schema and grants have the same
//! answers, so that one of each group is asked: 2,000 tables cost as much as the few kinds of grants that they have. Why a login has
//! a right is then found in the grants and memberships ([`paths`]).

mod code;
mod containers;
mod effective;
mod logins;
mod mentions;
mod paths;
mod relations;
mod streams;
mod surroundings;

pub use logins::kinds_view;

use crate::model::access::postgres::{PostgresFacts, Readable};
use crate::model::access::reading::{AccessReading, EngineFacts, Unread};
use crate::model::observation::{Missing, Observation};
use crate::stores::Result;
use crate::stores::observe::AccessFacts;
use crate::stores::postgres::store::PostgresStore;
use crate::stores::postgres::told::Told;
use crate::stores::postgres::watch::Reader;
use async_trait::async_trait;
use sqlx::postgres::PgRow;

/// What every reading here returns.
type Read<T> = std::result::Result<T, sqlx::Error>;

/// Schemas that are the server's or Godwit's own; `n` is the namespace.
const NOT_OURS: &str =
    "n.nspname NOT IN ('pg_catalog', 'information_schema', 'godwit') AND n.nspname !~ '^pg_(toast|temp)'";

/// A text column, made safe for a terminal.
fn text(row: &PgRow, column: &str) -> Read<String> {
    row.told(column)
}

/// A list of texts, made safe for a terminal.
fn texts(row: &PgRow, column: &str) -> Read<Vec<String>> {
    row.told_list(column)
}

async fn read(reader: &mut Reader<'_>, asked: &[String]) -> Read<AccessReading> {
    let server = surroundings::read(reader).await?;
    let roles = logins::roles(reader).await?;
    let memberships = logins::memberships(reader).await?;
    let (passwords, hba) = (logins::passwords(reader, &server).await?, surroundings::hba(reader, &server).await?);
    let live = logins::live(reader).await?;
    let containers = containers::read(reader).await?;
    let relations = relations::read(reader).await?;
    let column_grants = relations::column_grants(reader).await?;
    let grants = relations::grants(reader, &relations).await?;
    let streams = streams::read(reader).await?;
    let mut code = code::read(reader, &relations).await?;
    let roles_asked = effective::whom(reader, &roles, asked, &relations, &containers);
    let rights = effective::read(
        reader,
        &effective::Known {
            roles: &roles,
            memberships: &memberships,
            containers: &containers,
            relations: &relations,
            grants: &grants,
            columns: &column_grants,
        },
        &roles_asked,
    )
    .await?;
    code::callers(reader, &mut code.functions, &roles_asked).await?;
    if !server.sees_sessions {
        reader.lacks(Missing {
            id: "postgres.access.sessions".to_owned(),
            what: "whether other logins' sessions are encrypted, and where they come from".to_owned(),
            why: "the monitoring account may not see other logins' sessions".to_owned(),
            enable: Some("GRANT pg_monitor TO godwit_audit".to_owned()),
            price: "none for the server; the account can then read every statement's text".to_owned(),
        });
    }
    let mut objects = relations.objects();
    objects.extend(containers.objects());
    objects.extend(code.objects());
    objects.sort();
    let facts = PostgresFacts {
        version: reader.server().version(),
        database: containers.database.1.clone(),
        public_connects: server.public_connects,
        public_makes_temporary: server.public_makes_temporary,
        passwords,
        schemas: containers.schemas.into_iter().map(|(_, schema)| schema).collect(),
        relations: relations.listed,
        grants,
        column_grants,
        default_grants: containers.defaults,
        functions: code.functions,
        settings: server.settings,
        hba,
        extensions: server.extensions,
        untrusted_languages: server.untrusted_languages,
        servers: containers.servers,
        publications: streams.publications,
        streams: streams.streams,
        event_triggers: code.event_triggers,
        triggers: code.triggers,
        parameter_grants: containers.parameters,
        sees_sessions: server.sees_sessions,
        roles,
    };
    Ok(AccessReading {
        logins: facts.roles.iter().map(logins::login).collect(),
        memberships,
        objects,
        rights,
        links: code.links,
        live,
        unread: Unread {
            sessions: (!facts.sees_sessions)
                .then(|| "the monitoring account may not see other logins' sessions".to_owned()),
            ..Unread::default()
        },
        home: None,
        engine: EngineFacts::Postgres(Box::new(facts)),
    })
}

/// Notes what could not be read, and says so in the facts as well.
fn hidden<T>(reader: &mut Reader<'_>, missing: Missing) -> Readable<T> {
    let why = missing.why.clone();
    reader.lacks(missing);
    Readable::Hidden(why)
}

#[async_trait]
impl AccessFacts for PostgresStore {
    async fn access_facts(&self, logins: &[String], _tables: &[String]) -> Result<Observation<AccessReading>> {
        self.watch().look(async |reader| read(reader, logins).await).await
    }
}
