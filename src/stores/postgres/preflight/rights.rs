//! Rights of Godwit's login: each is asked for by name, because the lack of one shows late otherwise (O03, R02).

use crate::model::table::TableName;
use crate::stores::Side;
use crate::stores::postgres::preflight::findings::Findings;
use crate::stores::postgres::quote;
use crate::stores::postgres::relation::name_arrays;
use crate::stores::postgres::store::PostgresStore;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

/// The login, quoted, for statements that people are to run.
pub fn me(store: &PostgresStore) -> String {
    quote::ident(&store.connector().address().user)
}

#[derive(sqlx::FromRow)]
struct Login {
    name: String,
    database: String,
    version: i32,
    is_superuser: bool,
    may_replicate: bool,
    may_create: bool,
    sees_others: bool,
}

const LOGIN: &str = "
    SELECT current_user::text AS name, current_database()::text AS database, current_setting('server_version_num')::int AS version,
           r.rolsuper AS is_superuser,
           r.rolreplication OR r.rolsuper OR EXISTS (SELECT FROM pg_roles m WHERE m.rolname = 'rds_replication' AND pg_has_role(m.oid, 'MEMBER')) AS may_replicate,
           has_database_privilege(current_database(), 'CREATE') AS may_create, pg_has_role('pg_read_all_stats', 'USAGE') AS sees_others
      FROM pg_roles r WHERE r.rolname = current_user";

/// The functions behind replication origins, by which the way back knows Godwit's own writes.
const ORIGIN_FUNCTIONS: [&str; 6] = [
    "pg_replication_origin_create(text)",
    "pg_replication_origin_drop(text)",
    "pg_replication_origin_oid(text)",
    "pg_replication_origin_session_setup(text)",
    "pg_replication_origin_xact_setup(pg_lsn, timestamptz)",
    "pg_replication_origin_progress(text, boolean)",
];

/// Runs these checks.
pub async fn examine(
    connection: &mut PgConnection,
    side: Side,
    names: &[TableName],
    findings: &mut Findings,
) -> Result<(), sqlx::Error> {
    let login: Login = sqlx::query_as(LOGIN).fetch_one(&mut *connection).await?;
    let me = quote::ident(&login.name);
    findings.require(
        login.may_replicate,
        "pg.right_replication",
        "",
        if login.may_replicate {
            format!("{me} may open replication connections")
        } else {
            format!("{me} is neither REPLICATION nor superuser")
        },
        format!("ALTER ROLE {me} REPLICATION"),
    );
    findings.require(
        login.may_create,
        "pg.right_create",
        "",
        if login.may_create {
            format!("{me} may create in {}", login.database)
        } else {
            format!("{me} may not create schemas and publications in {}", login.database)
        },
        format!("GRANT CREATE ON DATABASE {} TO {me}", quote::ident(&login.database)),
    );
    if login.sees_others {
        findings.pass("pg.right_statistics", "", format!("{me} sees other logins' sessions"));
    } else {
        findings.warn(
            "pg.right_statistics",
            "",
            format!("{me} does not see since when and with which query other logins hold transactions"),
            format!("GRANT pg_read_all_stats TO {me}"),
        );
    }
    replica_role(connection, &login, &me, findings).await?;
    origins(connection, &me, findings).await?;
    tables(connection, side, names, &me, findings).await
}

/// The applier passes triggers, foreign keys and the fence by this setting.
async fn replica_role(
    connection: &mut PgConnection,
    login: &Login,
    me: &str,
    findings: &mut Findings,
) -> Result<(), sqlx::Error> {
    let granted = if login.version >= 150_000 {
        let sql = "SELECT has_parameter_privilege('session_replication_role', 'SET')";
        sqlx::query_as::<_, (bool,)>(sql).fetch_one(connection).await?.0
    } else {
        login.is_superuser
    };
    let fix = if login.version >= 150_000 {
        format!("GRANT SET ON PARAMETER session_replication_role TO {me}")
    } else {
        format!(
            "ALTER ROLE {me} SUPERUSER (version 14 knows no smaller right), or upgrade to 15 and grant SET on the parameter"
        )
    };
    let evidence =
        if granted { "may be set" } else { "may not be set; the applier needs it to pass triggers and the fence" };
    findings.require(granted, "pg.right_replica_role", "", format!("session_replication_role {evidence}"), fix);
    Ok(())
}

async fn origins(connection: &mut PgConnection, me: &str, findings: &mut Findings) -> Result<(), sqlx::Error> {
    let missing: Vec<(String,)> =
        sqlx::query_as("SELECT f FROM unnest($1::text[]) AS f WHERE NOT has_function_privilege(f, 'EXECUTE')")
            .bind(ORIGIN_FUNCTIONS.map(str::to_owned).to_vec())
            .fetch_all(connection)
            .await?;
    if missing.is_empty() {
        findings.pass("pg.right_origins", "", "the functions of replication origins may be called");
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|(f,)| f.as_str()).collect();
    findings.fail(
        "pg.right_origins",
        "",
        format!("may not call {}; without them the way back would loop", names.join(", ")),
        format!("GRANT EXECUTE ON FUNCTION {} TO {me}", names.join(", ")),
    );
    Ok(())
}

/// Ownership: publishing a table, replica identities and triggers belong to the owner. Rights: reading, locking, truncating.
async fn tables(
    connection: &mut PgConnection,
    side: Side,
    names: &[TableName],
    me: &str,
    findings: &mut Findings,
) -> Result<(), sqlx::Error> {
    let needed = match side {
        Side::Source => ["SELECT", "UPDATE", "TRIGGER", "INSERT", "DELETE"].as_slice(),
        Side::Target => ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER"].as_slice(),
    };
    let (schemas, tables) = name_arrays(names);
    let sql = "SELECT ns.nspname::text, c.relname::text, c.relowner::regrole::text, pg_has_role(c.relowner, 'USAGE'), has_schema_privilege(ns.oid, 'USAGE'),
                      (SELECT string_agg(r, ', ') FROM unnest($3::text[]) AS r WHERE NOT has_table_privilege(c.oid, r))
                 FROM unnest($1::text[], $2::text[]) AS want (schema, name)
                 JOIN pg_namespace ns ON ns.nspname = want.schema JOIN pg_class c ON c.relnamespace = ns.oid AND c.relname = want.name AND c.relkind IN ('r', 'p')
                ORDER BY 1, 2";
    let rows: Vec<(String, String, String, bool, bool, Option<String>)> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(schemas)
        .bind(tables)
        .bind(needed.iter().map(|r| (*r).to_owned()).collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    for (schema, name, owner, owns, enters, missing) in rows {
        let table = TableName::in_schema(&schema, &name);
        let subject = table.to_string();
        let quoted = quote::table(&table);
        if !enters {
            let fix = format!("GRANT USAGE ON SCHEMA {} TO {me}", quote::ident(&schema));
            findings.fail("pg.right_table", &subject, format!("{me} may not use schema {schema}"), fix);
        } else if let Some(missing) = missing {
            findings.fail(
                "pg.right_table",
                &subject,
                format!("{me} lacks {missing}"),
                format!("GRANT {missing} ON {quoted} TO {me}"),
            );
        } else {
            findings.pass("pg.right_table", &subject, format!("{me} has {}", needed.join(", ")));
        }
        findings.require(
            owns,
            "pg.right_owner",
            &subject,
            format!(
                "it belongs to {owner}{}",
                if owns { "" } else { "; only its owner can publish it and drop the fence" }
            ),
            format!("GRANT {owner} TO {me}"),
        );
    }
    Ok(())
}
