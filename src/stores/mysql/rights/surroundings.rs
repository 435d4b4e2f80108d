//! The server around the grants: databases, tables, settings, plugins, servers elsewhere, ties between tables, and who is connected.

use super::{Read, hidden, ours};
use crate::model::access::mysql::{MyServer, MysqlFacts, ident};
use crate::model::access::object::{Link, LinkKind, Object, ObjectKind};
use crate::model::access::postgres::Readable;
use crate::model::access::reading::LiveLogin;
use crate::stores::mysql::capability::Flavour;
use crate::stores::mysql::line::Line;
use crate::stores::mysql::missing;
use crate::stores::mysql::sessions::{OWN_LOGINS, client};
use crate::stores::mysql::watch::Reader;
use std::collections::BTreeMap;

/// What is read of `mysql.servers`, by the audit's view or directly.
pub const SERVERS: &str = "SELECT Server_name AS name, Wrapper AS wrapper, Host AS host, Db AS db, Password <> '' AS has_password FROM mysql.servers";

/// Settings that rules judge. What can hold a statement, a path or a password is reduced below.
const SETTINGS: [&str; 22] = [
    "admin_address",
    "bind_address",
    "default_password_lifetime",
    "event_scheduler",
    "have_ssl",
    "init_connect",
    "init_file",
    "local_infile",
    "log_bin",
    "mandatory_roles",
    "max_password_errors",
    "max_user_connections",
    "mysqlx_bind_address",
    "old_passwords",
    "partial_revokes",
    "require_secure_transport",
    "secure_file_priv",
    "skip_grant_tables",
    "skip_networking",
    "sql_mode",
    "strict_password_validation",
    "version_comment",
];

/// A table or view.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Table {
    /// Database.
    pub database: String,
    /// Name.
    pub name: String,
    /// It has no rows of its own.
    pub is_view: bool,
}

impl Table {
    /// `database.name`.
    pub fn qualified(&self) -> String {
        format!("{}.{}", self.database, self.name)
    }
}

/// Databases that are not the server's own.
pub async fn databases(reader: &mut Reader<'_>) -> Read<Vec<String>> {
    let sql = format!(
        "SELECT SCHEMA_NAME AS name FROM information_schema.schemata WHERE {} ORDER BY BINARY SCHEMA_NAME",
        ours(reader, "SCHEMA_NAME")
    );
    Ok(reader.lines(sql).await?.iter().map(|row| row.text("name")).collect())
}

/// Tables and views, sorted. Sequences are neither.
pub async fn tables(reader: &mut Reader<'_>) -> Read<Vec<Table>> {
    let sql = format!(
        "SELECT TABLE_SCHEMA AS db, TABLE_NAME AS name, TABLE_TYPE AS kind FROM information_schema.tables WHERE {} AND TABLE_TYPE <> 'SEQUENCE'",
        ours(reader, "TABLE_SCHEMA")
    );
    let rows = reader.lines(sql).await?;
    let table = |row: &Line| Table {
        database: row.text("db"),
        name: row.text("name"),
        is_view: row.raw("kind") == Some("VIEW"),
    };
    let mut tables: Vec<Table> = rows.iter().map(table).collect();
    tables.sort();
    Ok(tables)
}

/// Settings by name. Of a statement that every session runs only whether there is one.
pub async fn settings(reader: &mut Reader<'_>) -> Read<BTreeMap<String, String>> {
    let sql = format!("SHOW GLOBAL VARIABLES WHERE Variable_name IN ('{}')", SETTINGS.join("', '"));
    let mut settings = BTreeMap::new();
    for row in reader.lines(sql).await? {
        let (name, value) = (row.text("variable_name").to_lowercase(), row.text("value"));
        let value = if name == "init_connect" && !value.is_empty() { "(set)".to_owned() } else { value };
        settings.insert(name, value);
    }
    Ok(settings)
}

/// Active plugins for auditing and for judging passwords, sorted.
pub async fn plugins(reader: &mut Reader<'_>) -> Read<Vec<String>> {
    let sql = "SELECT PLUGIN_NAME AS name FROM information_schema.plugins
                WHERE PLUGIN_STATUS = 'ACTIVE' AND (PLUGIN_TYPE IN ('AUDIT', 'PASSWORD VALIDATION', 'VALIDATE PASSWORD') OR PLUGIN_NAME LIKE '%audit%')";
    let mut names: Vec<String> = reader.lines(sql).await?.iter().map(|row| row.text("name").to_lowercase()).collect();
    names.sort();
    Ok(names)
}

/// Servers elsewhere.
pub async fn servers(reader: &mut Reader<'_>) -> Read<Readable<Vec<MyServer>>> {
    let flavour = reader.server().flavour;
    let mut rows = reader.lines_if("access.servers.view", "SELECT * FROM godwit_audit.servers").await?;
    if rows.is_none() {
        rows = reader.lines_if("access.servers.table", SERVERS).await?;
    }
    let Some(rows) = rows else {
        let why = "the monitoring account may not read mysql.servers without the passwords in it";
        return Ok(hidden(reader, missing::access(flavour, "servers", "servers elsewhere that tables are on", why)));
    };
    let mut servers: Vec<MyServer> = rows
        .iter()
        .map(|row| MyServer {
            name: row.text("name"),
            wrapper: row.text("wrapper"),
            target: format!("{}/{}", row.text("host"), row.text("db")),
            has_password: row.raw("has_password").map(|set| set == "1"),
        })
        .collect();
    servers.sort();
    Ok(Readable::Read(servers))
}

/// The neutral words for servers elsewhere.
pub fn objects(facts: &MysqlFacts) -> Vec<Object> {
    let Readable::Read(servers) = &facts.servers else { return Vec::new() };
    let object = |server: &MyServer| Object {
        kind: ObjectKind::ForeignServer,
        name: server.name.clone(),
        owner: String::new(),
        group: u64::MAX,
    };
    servers.iter().map(object).collect()
}

/// Foreign keys.
pub async fn foreign_keys(reader: &mut Reader<'_>) -> Read<Vec<Link>> {
    let sql = format!(
        "SELECT k.CONSTRAINT_NAME AS name, k.TABLE_SCHEMA AS db, k.TABLE_NAME AS tbl, k.REFERENCED_TABLE_SCHEMA AS to_db, k.REFERENCED_TABLE_NAME AS to_tbl,
                GROUP_CONCAT(k.COLUMN_NAME ORDER BY k.ORDINAL_POSITION SEPARATOR '`, `') AS cols,
                GROUP_CONCAT(k.REFERENCED_COLUMN_NAME ORDER BY k.ORDINAL_POSITION SEPARATOR '`, `') AS to_cols
           FROM information_schema.key_column_usage k
          WHERE k.REFERENCED_TABLE_NAME IS NOT NULL AND {}
          GROUP BY k.CONSTRAINT_NAME, k.TABLE_SCHEMA, k.TABLE_NAME, k.REFERENCED_TABLE_SCHEMA, k.REFERENCED_TABLE_NAME",
        ours(reader, "k.TABLE_SCHEMA")
    );
    let rows = reader.lines(sql).await?;
    Ok(rows.iter().map(foreign_key).collect())
}

fn foreign_key(row: &Line) -> Link {
    let quoted = |db: &str, table: &str| format!("{}.{}", ident(&row.text(db)), ident(&row.text(table)));
    let (name, table) = (row.text("name"), quoted("db", "tbl"));
    Link {
        kind: LinkKind::ForeignKey,
        statement: Some(format!("ALTER TABLE {table} DROP FOREIGN KEY {}", ident(&name))),
        undo: Some(format!(
            "ALTER TABLE {table} ADD CONSTRAINT {} FOREIGN KEY (`{}`) REFERENCES {} (`{}`)",
            ident(&name),
            row.text("cols"),
            quoted("to_db", "to_tbl"),
            row.text("to_cols")
        )),
        name,
        from: format!("{}.{}", row.text("db"), row.text("tbl")),
        to: format!("{}.{}", row.text("to_db"), row.text("to_tbl")),
        is_certain: true,
        is_enabled: true,
    }
}

/// Columns whose default takes numbers from a sequence (MariaDB).
pub async fn sequences(reader: &mut Reader<'_>) -> Read<Vec<Link>> {
    if reader.server().flavour != Flavour::Mariadb {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT TABLE_SCHEMA AS db, TABLE_NAME AS tbl, COLUMN_DEFAULT AS preset FROM information_schema.columns
          WHERE COLUMN_DEFAULT LIKE 'nextval(%' AND {}",
        ours(reader, "TABLE_SCHEMA")
    );
    let mut links = Vec::new();
    for row in reader.lines(sql).await? {
        let table = format!("{}.{}", row.text("db"), row.text("tbl"));
        let preset = row.text("preset");
        let Some(name) = preset.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')).map(|(name, _)| name)
        else {
            continue;
        };
        links.push(Link {
            kind: LinkKind::Sequence,
            name: name.replace('`', ""),
            from: table.clone(),
            to: table,
            statement: None,
            undo: None,
            is_certain: true,
            is_enabled: true,
        });
    }
    Ok(links)
}

/// Whether the account may see everybody's sessions. Its own global rights are visible to every account.
const PROCESS: &str = "SELECT COUNT(*) AS n FROM information_schema.user_privileges
  WHERE PRIVILEGE_TYPE = 'PROCESS' AND GRANTEE = CONCAT('''', REPLACE(CURRENT_USER(), '@', '''@'''), '''')";

/// Who is connected, and whether everybody is shown.
pub async fn live(reader: &mut Reader<'_>) -> Read<(Vec<LiveLogin>, bool)> {
    let sees_all = reader.lines(PROCESS).await?.first().and_then(|row| row.number("n")).unwrap_or(0) > 0;
    let sql = "SELECT USER AS login, HOST AS host, COMMAND AS command FROM information_schema.processlist WHERE ID <> CONNECTION_ID()";
    let mut alike: BTreeMap<(String, String, bool), u64> = BTreeMap::new();
    for row in reader.lines(sql).await? {
        let (login, command) = (row.text("login"), row.text("command"));
        let is_client = !matches!(login.as_str(), "system user" | "event_scheduler" | "unauthenticated user");
        if is_client && command != "Daemon" && !login.starts_with(OWN_LOGINS) {
            let replicates = command.starts_with("Binlog Dump");
            *alike.entry((login, client(&row.text("host")), replicates)).or_default() += 1;
        }
    }
    let live = alike.into_iter().map(|((login, client, replicates), sessions)| LiveLogin {
        login,
        application: String::new(),
        client,
        encrypted: None,
        replicates,
        sessions,
    });
    Ok((live.collect(), sees_all))
}
