//! Grants below the global ones, roles, and who may act as whom.

use super::accounts::rights_in_columns;
use super::{Read, hidden};
use crate::model::access::mysql::{MyGrant, MyMember, MyProxy, MyScope};
use crate::model::access::postgres::Readable;
use crate::stores::mysql::capability::Flavour;
use crate::stores::mysql::line::Line;
use crate::stores::mysql::missing;
use crate::stores::mysql::watch::Reader;
use std::collections::BTreeMap;

/// Tables of grants, by the statement that reads each.
const TABLES: [(&str, &str); 4] = [
    ("db", "SELECT * FROM mysql.db"),
    ("tables_priv", "SELECT Host, Db, User, Table_name, Table_priv FROM mysql.tables_priv WHERE Table_priv <> ''"),
    ("columns_priv", "SELECT Host, Db, User, Table_name, Column_name, Column_priv FROM mysql.columns_priv"),
    ("procs_priv", "SELECT Host, Db, User, Routine_name, Routine_type, Proc_priv FROM mysql.procs_priv"),
];

/// Words of a set such as `Select,Create View`, as `GRANT` spells them, sorted.
fn words(set: &str) -> Vec<String> {
    let word = |part: &str| match part {
        "Grant" => "GRANT OPTION".to_owned(),
        "Delete versioning rows" => "DELETE HISTORY".to_owned(),
        part => part.to_uppercase(),
    };
    let mut words: Vec<String> = set.split(',').filter(|part| !part.is_empty()).map(word).collect();
    words.sort();
    words
}

/// Grants and memberships. When one of the tables cannot be read, none is shown: half of somebody's rights looks like all of them.
pub async fn read(reader: &mut Reader<'_>) -> Read<(Readable<Vec<MyGrant>>, Vec<MyMember>)> {
    let flavour = reader.server().flavour;
    let mut lists = Vec::new();
    for (table, sql) in TABLES {
        let Some(rows) = table_rows(reader, table, sql).await? else {
            return Ok((Readable::Hidden(format!("the monitoring account may not read mysql.{table}")), Vec::new()));
        };
        lists.push(rows);
    }
    let roles = match flavour {
        Flavour::Mariadb => ("roles_mapping", "SELECT Host, User, Role, Admin_option FROM mysql.roles_mapping"),
        Flavour::Mysql => (
            "role_edges",
            "SELECT TO_HOST AS Host, TO_USER AS User, FROM_USER AS Role, FROM_HOST AS Role_host, WITH_ADMIN_OPTION AS Admin_option FROM mysql.role_edges",
        ),
    };
    let Some(members) = table_rows(reader, roles.0, roles.1).await? else {
        return Ok((Readable::Hidden(format!("the monitoring account may not read mysql.{}", roles.0)), Vec::new()));
    };
    let [databases, tables, columns, routines] = lists.as_slice() else {
        return Ok((Readable::Read(Vec::new()), Vec::new()));
    };
    let mut members: Vec<MyMember> = members.iter().map(member).collect();
    members.sort();
    Ok((Readable::Read(grants(databases, tables, columns, routines)), members))
}

async fn table_rows(reader: &mut Reader<'_>, table: &str, sql: &str) -> Read<Option<Vec<Line>>> {
    let flavour = reader.server().flavour;
    let what = format!("grants in mysql.{table}");
    let lacks = || missing::access(flavour, table, &what, "the monitoring account may not read that table");
    reader.lines_or(lacks, sql).await
}

fn member(row: &Line) -> MyMember {
    MyMember {
        user: row.text("user"),
        host: row.text("host"),
        role: row.text("role"),
        role_host: row.text("role_host"),
        admin: row.raw("admin_option") == Some("Y"),
    }
}

/// From the rows of the four tables.
pub fn grants(databases: &[Line], tables: &[Line], columns: &[Line], routines: &[Line]) -> Vec<MyGrant> {
    let grant = |row: &Line, scope: MyScope, rights: Vec<String>| MyGrant {
        user: row.text("user"),
        host: row.text("host"),
        scope,
        rights,
    };
    let mut grants: Vec<MyGrant> = databases
        .iter()
        .map(|row| grant(row, MyScope::Database(row.text("db")), rights_in_columns(row)))
        .filter(|grant| !grant.rights.is_empty())
        .collect();
    grants.extend(tables.iter().map(|row| {
        grant(
            row,
            MyScope::Table(row.text("db"), row.text("table_name")),
            words(row.raw("table_priv").unwrap_or_default()),
        )
    }));
    // Columns with the same right of the same holder go together.
    let mut by_right: BTreeMap<(String, String, String, String, String), Vec<String>> = BTreeMap::new();
    for row in columns {
        for right in words(row.raw("column_priv").unwrap_or_default()) {
            let key = (row.text("user"), row.text("host"), row.text("db"), row.text("table_name"), right);
            by_right.entry(key).or_default().push(row.text("column_name"));
        }
    }
    grants.extend(by_right.into_iter().map(|((user, host, database, table, right), mut columns)| {
        columns.sort();
        MyGrant { user, host, scope: MyScope::Columns(database, table, columns), rights: vec![right] }
    }));
    grants.extend(routines.iter().map(|row| {
        let scope = MyScope::Routine(row.text("db"), row.text("routine_name"), row.text("routine_type"));
        grant(row, scope, words(row.raw("proc_priv").unwrap_or_default()))
    }));
    grants.sort();
    grants
}

/// `GRANT PROXY`.
pub async fn proxies(reader: &mut Reader<'_>) -> Read<Readable<Vec<MyProxy>>> {
    let flavour = reader.server().flavour;
    let sql = "SELECT Host, User, Proxied_host, Proxied_user, With_grant FROM mysql.proxies_priv";
    let Some(rows) = reader.lines_if("access.proxies_priv", sql).await? else {
        let why = "the monitoring account may not read mysql.proxies_priv";
        return Ok(hidden(reader, missing::access(flavour, "proxies_priv", "who may act as whom", why)));
    };
    let mut proxies: Vec<MyProxy> = rows
        .iter()
        .map(|row| MyProxy {
            user: row.text("user"),
            host: row.text("host"),
            proxied_user: row.text("proxied_user"),
            proxied_host: row.text("proxied_host"),
            with_grant: row.is_set("with_grant"),
        })
        .collect();
    proxies.sort();
    Ok(Readable::Read(proxies))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::mysql::line::recorded::line;
    use serde_json::json;

    #[test]
    fn rows_of_grants_are_read() {
        let databases = [line(
            &json!({ "Host": "%", "Db": "svc\\_a", "User": "app", "Select_priv": "Y", "Grant_priv": "Y", "Drop_priv": "N" }),
        )];
        let tables = [line(
            &json!({ "Host": "%", "Db": "shop", "User": "app", "Table_name": "orders", "Table_priv": "Insert,Create View" }),
        )];
        let columns = [
            line(
                &json!({ "Host": "%", "Db": "shop", "User": "app", "Table_name": "t", "Column_name": "b", "Column_priv": "Select" }),
            ),
            line(
                &json!({ "Host": "%", "Db": "shop", "User": "app", "Table_name": "t", "Column_name": "a", "Column_priv": "Select,Update" }),
            ),
        ];
        let grants = grants(&databases, &tables, &columns, &[]);
        let told: Vec<_> = grants.iter().map(|g| format!("{:?} {}", g.scope, g.rights.join(","))).collect();
        assert_eq!(
            told,
            [
                r#"Database("svc\\_a") GRANT OPTION,SELECT"#,
                r#"Table("shop", "orders") CREATE VIEW,INSERT"#,
                r#"Columns("shop", "t", ["a"]) UPDATE"#,
                r#"Columns("shop", "t", ["a", "b"]) SELECT"#,
            ]
        );
    }
}
