//! Accounts with their global rights, from what shows no hash.

use super::{Read, hidden};
use crate::model::access::mysql::MyAccount;
use crate::model::access::postgres::Readable;
use crate::stores::mysql::capability::Flavour;
use crate::stores::mysql::line::Line;
use crate::stores::mysql::missing;
use crate::stores::mysql::watch::Reader;
use crate::stores::sanitise::clean;
use std::collections::{BTreeMap, BTreeSet};

/// What is read of `mysql.global_priv`, by the audit's view or, with a superuser, directly: of a password whether it is empty or impossible,
/// and the first other account whose hash is the same (hashes here have no salt). Of `auth_or`, the alternatives, the methods: Debian's root
/// has an impossible password *or* the socket.
pub const MARIADB_COLUMNS: &str = "Host AS host, User AS user, \
     JSON_VALUE(Priv, '$.plugin') AS plugin, JSON_EXTRACT(Priv, '$.auth_or[*].plugin') AS alternatives, \
     JSON_SEARCH(Priv, 'one', '', NULL, '$.auth_or[*].authentication_string') IS NOT NULL AS empty_alternative, \
     COALESCE(JSON_VALUE(Priv, '$.authentication_string'), '') = '' AS empty_password, \
     COALESCE(JSON_VALUE(Priv, '$.authentication_string'), '') = 'invalid' AS impossible_password, \
     CASE WHEN LENGTH(JSON_VALUE(Priv, '$.authentication_string')) > 20 THEN NULLIF(FIRST_VALUE(CONCAT(User, '@', Host)) OVER \
     (PARTITION BY JSON_VALUE(Priv, '$.authentication_string') ORDER BY User, Host), CONCAT(User, '@', Host)) END AS same_password_as, \
     JSON_VALUE(Priv, '$.access') AS access, JSON_VALUE(Priv, '$.ssl_type') AS ssl_type, \
     COALESCE(JSON_VALUE(Priv, '$.account_locked'), 0) AS account_locked, COALESCE(JSON_VALUE(Priv, '$.is_role'), 0) AS is_role, \
     JSON_VALUE(Priv, '$.default_role') AS default_role, JSON_VALUE(Priv, '$.max_user_connections') AS max_user_connections, \
     JSON_VALUE(Priv, '$.password_lifetime') AS password_lifetime, JSON_VALUE(Priv, '$.password_last_changed') AS password_last_changed";

/// What is read of MySQL's `mysql.user`, by the audit's view or, with a superuser, directly: of the hash whether there is one, and of
/// `User_attributes`, which keeps a second hash, what was taken away of global rights on single databases.
pub const MYSQL_COLUMNS: &str = "Host AS host, User AS user, plugin, account_locked, password_lifetime, ssl_type, max_user_connections, \
     COALESCE(authentication_string, '') = '' AS empty_password, JSON_EXTRACT(User_attributes, '$.Restrictions') AS restrictions, \
     Select_priv, Insert_priv, Update_priv, Delete_priv, Create_priv, Drop_priv, Reload_priv, Shutdown_priv, Process_priv, File_priv, Grant_priv, \
     References_priv, Index_priv, Alter_priv, Show_db_priv, Super_priv, Create_tmp_table_priv, Lock_tables_priv, Execute_priv, Repl_slave_priv, \
     Repl_client_priv, Create_view_priv, Show_view_priv, Create_routine_priv, Alter_routine_priv, Create_user_priv, Event_priv, Trigger_priv, \
     Create_tablespace_priv, Create_role_priv, Drop_role_priv";

/// Global rights of MariaDB by their bit.
const BITS: [&str; 39] = [
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "CREATE",
    "DROP",
    "RELOAD",
    "SHUTDOWN",
    "PROCESS",
    "FILE",
    "GRANT OPTION",
    "REFERENCES",
    "INDEX",
    "ALTER",
    "SHOW DATABASES",
    "SUPER",
    "CREATE TEMPORARY TABLES",
    "LOCK TABLES",
    "EXECUTE",
    "REPLICATION SLAVE",
    "BINLOG MONITOR",
    "CREATE VIEW",
    "SHOW VIEW",
    "CREATE ROUTINE",
    "ALTER ROUTINE",
    "CREATE USER",
    "EVENT",
    "TRIGGER",
    "CREATE TABLESPACE",
    "DELETE HISTORY",
    "SET USER",
    "FEDERATED ADMIN",
    "CONNECTION ADMIN",
    "READ_ONLY ADMIN",
    "REPLICATION SLAVE ADMIN",
    "REPLICATION MASTER ADMIN",
    "BINLOG ADMIN",
    "BINLOG REPLAY",
    "SLAVE MONITOR",
];

/// Columns with `Y` or `N`, and how `GRANT` spells the right.
const COLUMNS: [(&str, &str); 31] = [
    ("select_priv", "SELECT"),
    ("insert_priv", "INSERT"),
    ("update_priv", "UPDATE"),
    ("delete_priv", "DELETE"),
    ("create_priv", "CREATE"),
    ("drop_priv", "DROP"),
    ("reload_priv", "RELOAD"),
    ("shutdown_priv", "SHUTDOWN"),
    ("process_priv", "PROCESS"),
    ("file_priv", "FILE"),
    ("grant_priv", "GRANT OPTION"),
    ("references_priv", "REFERENCES"),
    ("index_priv", "INDEX"),
    ("alter_priv", "ALTER"),
    ("show_db_priv", "SHOW DATABASES"),
    ("super_priv", "SUPER"),
    ("create_tmp_table_priv", "CREATE TEMPORARY TABLES"),
    ("lock_tables_priv", "LOCK TABLES"),
    ("execute_priv", "EXECUTE"),
    ("repl_slave_priv", "REPLICATION SLAVE"),
    ("repl_client_priv", "REPLICATION CLIENT"),
    ("create_view_priv", "CREATE VIEW"),
    ("show_view_priv", "SHOW VIEW"),
    ("create_routine_priv", "CREATE ROUTINE"),
    ("alter_routine_priv", "ALTER ROUTINE"),
    ("create_user_priv", "CREATE USER"),
    ("event_priv", "EVENT"),
    ("trigger_priv", "TRIGGER"),
    ("create_tablespace_priv", "CREATE TABLESPACE"),
    ("create_role_priv", "CREATE ROLE"),
    ("drop_role_priv", "DROP ROLE"),
];

/// MariaDB's column for a right that MySQL has not.
const HISTORY: (&str, &str) = ("delete_history_priv", "DELETE HISTORY");

/// Rights that stand in columns of a row of `mysql.db` or `mysql.user`, sorted.
pub fn rights_in_columns(row: &Line) -> Vec<String> {
    let set = COLUMNS.iter().chain([&HISTORY]).filter(|(column, _)| row.raw(column) == Some("Y"));
    let mut rights: Vec<String> = set.map(|(_, word)| (*word).to_owned()).collect();
    rights.sort();
    rights
}

/// All accounts and roles.
pub async fn read(reader: &mut Reader<'_>) -> Read<Readable<Vec<MyAccount>>> {
    match reader.server().flavour {
        Flavour::Mariadb => mariadb(reader).await,
        Flavour::Mysql => mysql(reader).await,
    }
}

async fn mariadb(reader: &mut Reader<'_>) -> Read<Readable<Vec<MyAccount>>> {
    let direct = format!("SELECT {MARIADB_COLUMNS} FROM mysql.global_priv");
    let Some(rows) = by_view_or(reader, direct).await? else {
        return Ok(hidden(reader, no_accounts(Flavour::Mariadb)));
    };
    let mut accounts: Vec<MyAccount> = rows.iter().map(of_mariadb).collect();
    accounts.sort();
    Ok(Readable::Read(accounts))
}

/// The audit's view, else what is under it.
async fn by_view_or(reader: &mut Reader<'_>, direct: String) -> Read<Option<Vec<Line>>> {
    match reader.lines_if("access.accounts.view", "SELECT * FROM godwit_audit.accounts").await? {
        Some(rows) => Ok(Some(rows)),
        None => reader.lines_if("access.accounts.table", direct).await,
    }
}

/// Databases with the global rights that were taken away on them, of `[{"Database": "d", "Privileges": ["SELECT"]}]`.
fn restrictions(row: &Line) -> Vec<(String, Vec<String>)> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Restriction {
        database: String,
        privileges: Vec<String>,
    }
    let listed: Vec<Restriction> =
        row.raw("restrictions").and_then(|list| serde_json::from_str(list).ok()).unwrap_or_default();
    listed.into_iter().map(|one| (clean(&one.database), one.privileges)).collect()
}

/// Plugins of MySQL that ask for no password: an empty one lets nobody in.
const WITHOUT_PASSWORDS: [&str; 3] = ["auth_socket", "mysql_no_login", "auth_pam"];

fn no_accounts(flavour: Flavour) -> crate::model::observation::Missing {
    let what = "accounts and their rights";
    missing::access(flavour, "accounts", what, "the monitoring account may not read accounts without their hashes")
}

/// A row of the view.
pub fn of_mariadb(row: &Line) -> MyAccount {
    let plugin = row.text("plugin");
    let access = row.raw("access").and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let mut global: Vec<String> = BITS
        .iter()
        .enumerate()
        .filter(|(bit, _)| access & (1u64 << bit) != 0)
        .map(|(_, word)| (*word).to_owned())
        .collect();
    global.sort();
    let asks_password = !matches!(plugin.as_str(), "unix_socket" | "pam" | "gssapi" | "named_pipe");
    let is_role = row.is_set("is_role");
    let is_empty = asks_password && row.is_set("empty_password") && !row.is_set("impossible_password");
    MyAccount {
        user: row.text("user"),
        host: row.text("host"),
        is_role,
        alternatives: row
            .raw("alternatives")
            .and_then(|list| serde_json::from_str::<Vec<String>>(list).ok())
            .unwrap_or_default(),
        lacks_password: Some(!is_role && (is_empty || row.is_set("empty_alternative"))),
        plugin,
        is_locked: row.is_set("account_locked"),
        requires_tls: row.number("ssl_type").is_some_and(|kind| kind > 0),
        password_lifetime_days: row.number("password_lifetime"),
        max_connections: Some(row.number("max_user_connections").unwrap_or(0)),
        same_password_as: row.some("same_password_as"),
        restrictions: Vec::new(),
        global,
        default_roles: row.some("default_role").into_iter().collect(),
    }
}

async fn mysql(reader: &mut Reader<'_>) -> Read<Readable<Vec<MyAccount>>> {
    let direct = format!("SELECT {MYSQL_COLUMNS} FROM mysql.user");
    let Some(users) = by_view_or(reader, direct).await? else {
        return Ok(hidden(reader, no_accounts(Flavour::Mysql)));
    };
    let more = [
        ("global_grants", "SELECT USER, HOST, PRIV, WITH_GRANT_OPTION FROM mysql.global_grants"),
        ("default_roles", "SELECT USER, HOST, DEFAULT_ROLE_USER FROM mysql.default_roles"),
        ("role_edges", "SELECT DISTINCT FROM_USER, FROM_HOST FROM mysql.role_edges"),
    ];
    let mut lists = Vec::new();
    for (table, sql) in more {
        let what = format!("rights and roles in mysql.{table}");
        let lacks = || missing::access(Flavour::Mysql, table, &what, "the monitoring account may not read that table");
        let Some(rows) = reader.lines_or(lacks, sql).await? else {
            return Ok(Readable::Hidden(format!("the monitoring account may not read mysql.{table}")));
        };
        lists.push(rows);
    }
    let [dynamic, defaults, edges] = lists.as_slice() else { return Ok(Readable::Read(Vec::new())) };
    Ok(Readable::Read(of_mysql(&users, dynamic, defaults, edges)))
}

/// Rows of MySQL's tables. A role is an account that was given to another one and is locked.
pub fn of_mysql(users: &[Line], dynamic: &[Line], defaults: &[Line], edges: &[Line]) -> Vec<MyAccount> {
    let place = |row: &Line, user: &str, host: &str| (row.text(user), row.text(host));
    let roles: BTreeSet<(String, String)> = edges.iter().map(|row| place(row, "from_user", "from_host")).collect();
    let mut extra: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for row in dynamic {
        extra.entry(place(row, "user", "host")).or_default().push(row.text("priv"));
    }
    let mut active: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for row in defaults {
        active.entry(place(row, "user", "host")).or_default().push(row.text("default_role_user"));
    }
    let account = |row: &Line| {
        let key = place(row, "user", "host");
        let is_locked = row.raw("account_locked") == Some("Y");
        let mut global = rights_in_columns(row);
        global.extend(extra.get(&key).cloned().unwrap_or_default());
        global.sort();
        global.dedup();
        MyAccount {
            is_role: is_locked && roles.contains(&key),
            default_roles: active.get(&key).cloned().unwrap_or_default(),
            user: key.0,
            host: key.1,
            plugin: row.text("plugin"),
            alternatives: Vec::new(),
            lacks_password: row
                .raw("empty_password")
                .map(|empty| empty == "1" && !WITHOUT_PASSWORDS.contains(&row.text("plugin").as_str())),
            restrictions: restrictions(row),
            is_locked,
            requires_tls: row.some("ssl_type").is_some(),
            password_lifetime_days: row.number("password_lifetime"),
            max_connections: row.number("max_user_connections"),
            same_password_as: None,
            global,
        }
    };
    let mut accounts: Vec<MyAccount> = users.iter().map(account).collect();
    accounts.sort();
    accounts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::mysql::line::recorded::line;
    use serde_json::json;

    #[test]
    fn an_account_of_mariadb_is_read_without_its_hash() {
        let row = line(
            &json!({ "host": "%", "user": "app", "plugin": "mysql_native_password", "alternatives": null, "empty_alternative": "0",
            "empty_password": "0", "impossible_password": "0", "same_password_as": "other@%", "access": "2304", "ssl_type": "1",
            "account_locked": "0", "is_role": "0", "default_role": "reader", "max_user_connections": "3" }),
        );
        let account = of_mariadb(&row);
        assert_eq!(account.global, ["PROCESS", "REFERENCES"]);
        assert_eq!(
            (account.requires_tls, account.max_connections, account.lacks_password),
            (true, Some(3), Some(false))
        );
        // Debian's root: an impossible password, or the socket.
        let root = of_mariadb(&line(
            &json!({ "host": "localhost", "user": "root", "plugin": "mysql_native_password", "alternatives": "[\"unix_socket\"]",
            "empty_password": "0", "impossible_password": "1", "access": "18446744073709551615" }),
        ));
        assert_eq!((root.lacks_password, root.alternatives.as_slice()), (Some(false), &["unix_socket".to_owned()][..]));
        assert!(root.is_unlimited() && root.is_built_in());
    }

    #[test]
    fn mysql_8_accounts_and_roles_are_told_apart() {
        let users = [
            line(
                &json!({ "Host": "%", "User": "app", "plugin": "caching_sha2_password", "account_locked": "N", "Select_priv": "Y", "ssl_type": "", "max_user_connections": "0" }),
            ),
            line(&json!({ "Host": "%", "User": "reader", "plugin": "caching_sha2_password", "account_locked": "Y" })),
        ];
        let dynamic = [line(&json!({ "USER": "app", "HOST": "%", "PRIV": "BINLOG_ADMIN", "WITH_GRANT_OPTION": "N" }))];
        let edges = [line(&json!({ "FROM_USER": "reader", "FROM_HOST": "%" }))];
        let accounts = of_mysql(&users, &dynamic, &[], &edges);
        assert_eq!(accounts[0].global, ["BINLOG_ADMIN", "SELECT"]);
        assert_eq!((accounts[0].is_role, accounts[1].is_role, accounts[0].lacks_password), (false, true, None));
    }
}
