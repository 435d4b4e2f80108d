//! Settings of the role, the database or the server that end a session in the middle of a long copy (O03).

use crate::stores::postgres::preflight::findings::Findings;
use sqlx::postgres::PgConnection;

/// Time-outs, and whether Godwit's own sessions override them.
const TIMEOUTS: [(&str, bool); 6] = [
    ("statement_timeout", true),
    ("lock_timeout", true),
    ("idle_in_transaction_session_timeout", true),
    ("idle_session_timeout", true),
    // New in 17, and nothing that a session sets for its next transaction is safe from a pooler in between.
    ("transaction_timeout", false),
    ("tcp_user_timeout", false),
];

/// Runs these checks. `reset_val` is what a new session of this login starts with, whatever ours has set since.
pub async fn examine(connection: &mut PgConnection, findings: &mut Findings) -> Result<(), sqlx::Error> {
    let names: Vec<String> = TIMEOUTS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT name, reset_val || coalesce(unit, ''), CASE WHEN source = 'session' THEN
                coalesce((SELECT 'ALTER ROLE or ALTER DATABASE' FROM pg_db_role_setting s
                           WHERE (s.setdatabase = 0 OR s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()))
                             AND (s.setrole = 0 OR s.setrole = (SELECT oid FROM pg_roles WHERE rolname = current_user))
                             AND EXISTS (SELECT FROM unnest(s.setconfig) AS c WHERE c LIKE name || '=%') LIMIT 1), 'the configuration')
                ELSE source END
           FROM pg_settings WHERE name = ANY ($1)",
    )
    .bind(names)
    .fetch_all(&mut *connection)
    .await?;
    for (name, overridden) in TIMEOUTS {
        let id = format!("pg.{name}");
        let Some((_, value, source)) = rows.iter().find(|(n, _, _)| n == name) else { continue };
        if value.starts_with('0') {
            findings.pass(&id, "", format!("{name} is off"));
        } else if overridden {
            findings.pass(&id, "", format!("{name} is {value} by {source}; Godwit's sessions set their own"));
        } else {
            findings.warn(
                &id,
                "",
                format!("{name} is {value} by {source}: a copy or a stream that takes longer is cut"),
                format!("ALTER ROLE CURRENT_USER SET {name} = 0"),
            );
        }
    }
    keepalives(connection, findings).await
}

/// A fence is only as quick as the server's knowledge that an engine is gone.
async fn keepalives(connection: &mut PgConnection, findings: &mut Findings) -> Result<(), sqlx::Error> {
    let (idle, interval, count, is_local): (i32, i32, i32, bool) = sqlx::query_as(
        "SELECT current_setting('tcp_keepalives_idle')::int, current_setting('tcp_keepalives_interval')::int,
                current_setting('tcp_keepalives_count')::int, inet_client_addr() IS NULL",
    )
    .fetch_one(connection)
    .await?;
    let seconds = idle + interval * count;
    let evidence = format!("the server notices a client that vanished after about {seconds} s (tcp_keepalives_*)");
    if is_local || seconds <= 600 {
        findings.pass("pg.keepalives", "", evidence);
    } else {
        findings.warn(
            "pg.keepalives",
            "",
            evidence,
            "ALTER ROLE CURRENT_USER SET tcp_keepalives_idle = 60; ALTER ROLE CURRENT_USER SET tcp_keepalives_interval = 10; \
             ALTER ROLE CURRENT_USER SET tcp_keepalives_count = 6",
        );
    }
    Ok(())
}
