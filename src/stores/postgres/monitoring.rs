//! Monitoring roles on PostgreSQL.

use crate::model::monitor::{GrantStatement, MonitorRole};
use crate::stores::observe::Monitoring;
use crate::stores::postgres::rights::kinds_view;
use crate::stores::postgres::store::PostgresStore;

fn grant(why: &str, statement: impl Into<String>, undo: impl Into<String>) -> GrantStatement {
    GrantStatement { why: why.to_owned(), statement: statement.into(), undo: undo.into(), required: true }
}

fn optional(why: &str, statement: impl Into<String>, undo: impl Into<String>) -> GrantStatement {
    GrantStatement { required: false, ..grant(why, statement, undo) }
}

impl Monitoring for PostgresStore {
    fn grants(&self, role: MonitorRole) -> Vec<GrantStatement> {
        let account = role.account();
        let drop = format!("DROP ROLE {account}");
        let set = |why: &str, setting: &str| {
            let name = setting.split(' ').next().unwrap_or_default();
            grant(why, format!("ALTER ROLE {account} SET {setting}"), format!("ALTER ROLE {account} RESET {name}"))
        };
        let mut statements = vec![grant(
            "an account of its own, so that its work can be told apart and taken away",
            format!("CREATE ROLE {account} LOGIN CONNECTION LIMIT 4 PASSWORD 'PASSWORD'"),
            drop,
        )];
        match role {
            MonitorRole::Watch | MonitorRole::Audit => {
                statements.push(grant(
                    "sees other logins' sessions, statements and replication; no data, no writes",
                    format!("GRANT pg_monitor TO {account}"),
                    format!("REVOKE pg_monitor FROM {account}"),
                ));
                statements.push(set("it cannot write by mistake", "default_transaction_read_only = on"));
                statements.push(set("it cannot load the server for long", "statement_timeout = '5s'"));
                statements.push(set("it never queues in front of others", "lock_timeout = '100ms'"));
                statements.push(set(
                    "it holds nothing back when its client is gone",
                    "idle_in_transaction_session_timeout = '10s'",
                ));
                statements.push(optional(
                    "its own statements do not show among the hot spots; needs a superuser",
                    format!("ALTER ROLE {account} SET pg_stat_statements.track = 'none'"),
                    format!("ALTER ROLE {account} RESET pg_stat_statements.track"),
                ));
                if role == MonitorRole::Audit {
                    statements.push(optional(
                        "PG-20 reads how passwords are kept through this view, which shows no hash; without it the rule is not checkable; in each database",
                        format!("{}; REVOKE ALL ON public.godwit_password_kinds FROM PUBLIC; GRANT SELECT ON public.godwit_password_kinds TO {account}", kinds_view()),
                        "DROP VIEW public.godwit_password_kinds",
                    ));
                    statements.push(optional(
                        "PG-21 and PG-22 read pg_hba.conf through it; without it they are not checkable",
                        format!("GRANT SELECT ON pg_hba_file_rules TO {account}; GRANT EXECUTE ON FUNCTION pg_hba_file_rules() TO {account}"),
                        format!("REVOKE SELECT ON pg_hba_file_rules FROM {account}; REVOKE EXECUTE ON FUNCTION pg_hba_file_rules() FROM {account}"),
                    ));
                }
            }
            MonitorRole::Act => statements.push(grant(
                "cancels and ends sessions of everybody but superusers",
                format!("GRANT pg_signal_backend TO {account}; GRANT pg_read_all_stats TO {account}"),
                format!("REVOKE pg_signal_backend, pg_read_all_stats FROM {account}"),
            )),
        }
        statements
    }
}
