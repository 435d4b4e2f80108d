//! Monitoring roles on MariaDB and MySQL.
//!
//! The audit role never sees a password hash. `mysql.global_priv` and `mysql.user` (and on MariaDB `SHOW GRANTS FOR`) would show them, so it
//! reads a view that runs with its definer's rights and leaves them out.

use crate::model::monitor::{GrantStatement, MonitorRole};
use crate::stores::mysql::capability::Flavour;
use crate::stores::mysql::rights::accounts::{MARIADB_COLUMNS, MYSQL_COLUMNS};
use crate::stores::mysql::rights::code::{CODE, CODE_TEXT};
use crate::stores::mysql::rights::surroundings::SERVERS;
use crate::stores::mysql::store::MysqlStore;
use crate::stores::observe::Monitoring;

/// Makes the statements of one account.
struct Account {
    name: String,
    statements: Vec<GrantStatement>,
}

impl Account {
    fn new(role: MonitorRole, limits: &str) -> Self {
        let name = format!("'{}'@'%'", role.account());
        let mut account = Self { name, statements: Vec::new() };
        account.add(
            "an account of its own, so that its work can be told apart and taken away; narrow the host if you can",
            format!("CREATE USER {} IDENTIFIED BY 'PASSWORD' WITH {limits}", account.name),
            format!("DROP USER {}", account.name),
        );
        account
    }

    fn add(&mut self, why: &str, statement: String, undo: String) {
        self.statements.push(GrantStatement { why: why.to_owned(), statement, undo, required: true });
    }

    fn grant(&mut self, why: &str, what: &str) {
        let statement = format!("GRANT {what} TO {}", self.name);
        let undo = format!("REVOKE {what} FROM {}", self.name);
        self.add(why, statement, undo);
    }

    fn grant_if_wanted(&mut self, why: &str, what: &str) {
        self.grant(why, what);
        if let Some(last) = self.statements.last_mut() {
            last.required = false;
        }
    }
}

fn watch(account: &mut Account, flavour: Flavour) {
    let (why, rights) = match flavour {
        Flavour::Mariadb => (
            "sees all sessions, transactions and lock waits; binary logs; replica threads. No data, no writes",
            "PROCESS, BINLOG MONITOR, SLAVE MONITOR ON *.*",
        ),
        Flavour::Mysql => (
            "sees all sessions, transactions and lock waits; binary logs and replica threads. No data, no writes",
            "PROCESS, REPLICATION CLIENT ON *.*",
        ),
    };
    account.grant(why, rights);
    account.grant(
        "reads statement digests, index counters and metadata locks, where the Performance Schema is on",
        "SELECT ON performance_schema.*",
    );
    account.grant(
        "sees tables, columns, indexes and foreign keys in the catalogue, and no row of them: REFERENCES alone reads and changes nothing",
        "REFERENCES ON *.*",
    );
    account.grant_if_wanted(
        "sizes of single indexes and numbers of distinct values; the table holds estimates, no values of rows",
        "SELECT ON mysql.innodb_index_stats",
    );
    account.grant_if_wanted(
        "slow statements where the Performance Schema is off; exposes statements with their values, which Godwit takes out",
        "SELECT ON mysql.slow_log",
    );
}

/// Godwit asks the same questions again and again, and the server would count them among everybody's. Of the rows that match a login the most
/// specific one holds, whatever the order in which they were written.
fn uncounted(account: &mut Account, role: MonitorRole) {
    let user = role.account();
    account.add(
        "keeps Godwit's own questions out of the statement statistics, where the Performance Schema is on; gone at the next restart, so repeat \
         it then or put it into the server's init_file",
        format!(
            "INSERT INTO performance_schema.setup_actors (HOST, USER, ROLE, ENABLED, HISTORY) \
             SELECT '%', '{user}', '%', 'NO', 'NO' FROM DUAL WHERE @@GLOBAL.performance_schema = 1"
        ),
        format!("DELETE FROM performance_schema.setup_actors WHERE USER = '{user}'"),
    );
    if let Some(last) = account.statements.last_mut() {
        last.required = false;
    }
}

/// A view that runs with the rights of whoever makes it, and the right to read it.
fn view(account: &mut Account, name: &str, why: &str, select: &str) {
    account.add(
        why,
        format!("CREATE SQL SECURITY DEFINER VIEW godwit_audit.{name} AS {select}"),
        format!("DROP VIEW godwit_audit.{name}"),
    );
    account.grant("reads the view, and nothing that is under it", &format!("SELECT ON godwit_audit.{name}"));
}

/// A procedure that runs with the rights of whoever makes it, and the right to call it. MySQL's `information_schema` shows what the session's
/// own account may see even through somebody else's view; in a procedure it shows what the definer may see.
fn procedure(account: &mut Account, name: &str, why: &str, select: &str) {
    account.add(
        why,
        format!("CREATE PROCEDURE godwit_audit.{name}() READS SQL DATA SQL SECURITY DEFINER {select}"),
        format!("DROP PROCEDURE godwit_audit.{name}"),
    );
    account.grant("calls it, and nothing that is under it", &format!("EXECUTE ON PROCEDURE godwit_audit.{name}"));
}

fn audit(account: &mut Account, flavour: Flavour) {
    account.add(
        "a place for views and procedures that run with the rights of whoever makes them: an administrator does",
        "CREATE DATABASE godwit_audit".to_owned(),
        "DROP DATABASE godwit_audit".to_owned(),
    );
    let program = match flavour {
        Flavour::Mariadb => view,
        Flavour::Mysql => procedure,
    };
    program(account, "code", "definers of views, routines, triggers and events; not their texts", CODE);
    view(account, "servers", "servers elsewhere that tables are on; of a password only whether there is one", SERVERS);
    match flavour {
        Flavour::Mariadb => {
            view(
                account,
                "accounts",
                "accounts without their password hashes, which SELECT on mysql.global_priv itself would show",
                &format!("SELECT {MARIADB_COLUMNS} FROM mysql.global_priv"),
            );
            for table in ["db", "tables_priv", "columns_priv", "procs_priv", "roles_mapping", "proxies_priv"] {
                account.grant(
                    "reads grants below the global ones; there are no hashes in it",
                    &format!("SELECT ON mysql.{table}"),
                );
            }
        }
        Flavour::Mysql => {
            view(
                account,
                "accounts",
                "accounts and global rights without their password hashes, which SELECT on mysql.user itself would show",
                &format!("SELECT {MYSQL_COLUMNS} FROM mysql.user"),
            );
            let tables = [
                "db",
                "tables_priv",
                "columns_priv",
                "procs_priv",
                "role_edges",
                "default_roles",
                "global_grants",
                "proxies_priv",
            ];
            for table in tables {
                account.grant(
                    "reads grants below the global ones; there are no hashes in it",
                    &format!("SELECT ON mysql.{table}"),
                );
            }
        }
    }
    program(
        account,
        "code_text",
        "OWN-09, OWN-15 and OWN-21 look at what programs work on; exposes their texts, of which Godwit keeps the names of tables",
        CODE_TEXT,
    );
    for grant in account.statements.iter_mut().rev().take(2) {
        grant.required = false;
    }
}

impl Monitoring for MysqlStore {
    fn grants(&self, role: MonitorRole) -> Vec<GrantStatement> {
        let flavour = self.declared();
        let limits = match flavour {
            Flavour::Mariadb => "MAX_USER_CONNECTIONS 4 MAX_STATEMENT_TIME 5",
            Flavour::Mysql => "MAX_USER_CONNECTIONS 4",
        };
        let mut account = Account::new(role, limits);
        match role {
            MonitorRole::Watch => {
                watch(&mut account, flavour);
                uncounted(&mut account, role);
            }
            MonitorRole::Audit => {
                watch(&mut account, flavour);
                uncounted(&mut account, role);
                audit(&mut account, flavour);
            }
            MonitorRole::Act => account.grant(
                match flavour {
                    Flavour::Mariadb => {
                        "sees whether a session is still the one that was meant, and cancels and ends sessions of everybody; MariaDB has no \
                         smaller right for that, and this one also sets init_connect, which runs in everybody's sessions, max_connections and \
                         the like"
                    }
                    Flavour::Mysql => {
                        "sees whether a session is still the one that was meant, and cancels and ends sessions of everybody but \
                         accounts with SYSTEM_USER, as administrators are"
                    }
                },
                match flavour {
                    Flavour::Mariadb => "PROCESS, CONNECTION ADMIN ON *.*",
                    Flavour::Mysql => "PROCESS, CONNECTION_ADMIN ON *.*",
                },
            ),
        }
        account.statements
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::OpenOptions;
    use std::time::Duration;

    fn statements(engine: &'static str, role: MonitorRole) -> Vec<GrantStatement> {
        let second = Duration::from_secs(1);
        let options = OpenOptions { id: "s".into(), statement_timeout: second, connect_timeout: second };
        MysqlStore::open(options, engine, "mysql://u@127.0.0.1").unwrap().grants(role)
    }

    #[test]
    fn no_role_may_read_a_hash() {
        for engine in ["mariadb", "mysql"] {
            for role in MonitorRole::ALL {
                for grant in statements(engine, role) {
                    let is_view = grant.statement.starts_with("CREATE SQL SECURITY DEFINER VIEW");
                    assert!(!grant.statement.contains("ON mysql.*"), "{}", grant.statement);
                    assert!(!grant.statement.contains("ON mysql.global_priv"), "{}", grant.statement);
                    assert!(is_view || !grant.statement.contains("authentication_string"), "{}", grant.statement);
                    assert!(!grant.undo.is_empty() && !grant.why.is_empty());
                }
            }
        }
    }

    #[test]
    fn each_product_has_its_own_words() {
        let text =
            |engine, role| statements(engine, role).into_iter().map(|g| g.statement).collect::<Vec<_>>().join("\n");
        assert!(text("mariadb", MonitorRole::Watch).contains("BINLOG MONITOR"));
        assert!(text("mysql", MonitorRole::Watch).contains("REPLICATION CLIENT"));
        assert!(text("mysql", MonitorRole::Act).contains("CONNECTION_ADMIN"));
        assert!(text("mysql", MonitorRole::Audit).contains("mysql.global_grants"));
    }
}
