//! The server around the database: settings, pg_hba.conf, extensions and languages, and what the account may see of them.

use super::{Read, hidden, text, texts};
use crate::model::access::postgres::{HbaLine, Readable};
use crate::model::observation::Missing;
use crate::stores::postgres::watch::Reader;
use sqlx::Row;
use std::collections::BTreeMap;

/// The server as this account sees it.
pub struct Server {
    pub public_connects: bool,
    pub public_makes_temporary: bool,
    pub sees_sessions: bool,
    pub reads_hba: bool,
    /// The view that gives password kinds without hashes is there and may be read.
    pub reads_password_kinds: bool,
    /// `pg_authid` itself may be read: a superuser.
    pub reads_authid: bool,
    pub settings: BTreeMap<String, String>,
    pub extensions: Vec<String>,
    pub untrusted_languages: Vec<String>,
}

const SERVER: &str = "SELECT has_database_privilege('public', d.oid, 'CONNECT') AS public_connects, has_database_privilege('public', d.oid, 'TEMPORARY') AS public_temporary,
        pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees_sessions,
        has_function_privilege('pg_catalog.pg_hba_file_rules()', 'EXECUTE') AND has_table_privilege('pg_catalog.pg_hba_file_rules', 'SELECT') AS reads_hba,
        coalesce(has_table_privilege(to_regclass('public.godwit_password_kinds')::oid, 'SELECT'), false) AS reads_kinds,
        has_table_privilege('pg_catalog.pg_authid', 'SELECT') AS reads_authid,
        ARRAY(SELECT extname::text FROM pg_extension ORDER BY 1) AS extensions,
        ARRAY(SELECT quote_ident(lanname) FROM pg_language WHERE NOT lanpltrusted AND lanname NOT IN ('internal', 'c') ORDER BY 1) AS languages
   FROM pg_database d WHERE d.datname = current_database()";

/// Only settings that a rule judges: others can hold anything.
const SETTINGS: &str = "SELECT name, setting FROM pg_settings
  WHERE name IN ('ssl', 'ssl_min_protocol_version', 'log_connections', 'log_disconnections', 'log_line_prefix', 'shared_preload_libraries',
                 'pgaudit.role', 'pgaudit.log', 'password_encryption', 'listen_addresses', 'row_security', 'session_replication_role')";

const HBA: &str = "SELECT line_number, type, database, user_name, address, netmask, auth_method
   FROM pg_hba_file_rules WHERE error IS NULL AND line_number IS NOT NULL ORDER BY line_number";

/// The server itself.
pub async fn read(reader: &mut Reader<'_>) -> Read<Server> {
    let rows = reader.rows(SERVER.to_owned()).await?;
    let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let mut settings = BTreeMap::new();
    for setting in reader.rows(SETTINGS.to_owned()).await? {
        settings.insert(text(&setting, "name")?, text(&setting, "setting")?);
    }
    Ok(Server {
        public_connects: row.try_get("public_connects")?,
        public_makes_temporary: row.try_get("public_temporary")?,
        sees_sessions: row.try_get("sees_sessions")?,
        reads_hba: row.try_get("reads_hba")?,
        reads_password_kinds: row.try_get("reads_kinds")?,
        reads_authid: row.try_get("reads_authid")?,
        settings,
        extensions: texts(row, "extensions")?,
        untrusted_languages: texts(row, "languages")?,
    })
}

/// pg_hba.conf as the server read it. Its options are not asked for: some hold passwords.
pub async fn hba(reader: &mut Reader<'_>, server: &Server) -> Read<Readable<Vec<HbaLine>>> {
    if !server.reads_hba {
        return Ok(hidden(
            reader,
            Missing {
                id: "postgres.access.hba".to_owned(),
                what: "the rules of pg_hba.conf".to_owned(),
                why: "the monitoring account may not read pg_hba_file_rules".to_owned(),
                enable: Some(
                    "GRANT SELECT ON pg_hba_file_rules TO godwit_audit; GRANT EXECUTE ON FUNCTION pg_hba_file_rules() TO godwit_audit"
                        .to_owned(),
                ),
                price: "the account can then read pg_hba.conf, where LDAP and RADIUS lines may hold passwords; Godwit does not ask for them"
                    .to_owned(),
            },
        ));
    }
    let mut lines = Vec::new();
    for row in reader.rows(HBA.to_owned()).await? {
        lines.push(HbaLine {
            line: row.try_get("line_number")?,
            kind: text(&row, "type")?,
            databases: texts(&row, "database")?,
            users: texts(&row, "user_name")?,
            address: text(&row, "address")?,
            mask: text(&row, "netmask")?,
            method: text(&row, "auth_method")?,
        });
    }
    Ok(Readable::Read(lines))
}
