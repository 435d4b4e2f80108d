//! Roles, memberships, password kinds and live sessions.

use super::surroundings::Server;
use super::{Read, hidden, text};
use crate::model::access::login::{Login, Membership};
use crate::model::access::postgres::{PasswordKind, PgRole, Readable, RoleSetting};
use crate::model::access::reading::LiveLogin;
use crate::model::observation::Missing;
use crate::stores::postgres::connect::APPLICATION;
use crate::stores::postgres::watch::{Look, Reader};
use sqlx::Row;
use std::collections::BTreeMap;

/// `infinity` is no time that Godwit could show: it means "never", as NULL does.
const ROLES: &str = "SELECT rolname::text AS name, oid = 10 AS is_bootstrap, rolsuper, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls, rolconnlimit,
        CASE WHEN isfinite(rolvaliduntil) THEN rolvaliduntil END AS valid_until
   FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY rolname COLLATE \"C\"";

/// Only settings that PG-31 judges: a role's other settings can hold anything, secrets too.
const SETTINGS: &str = "SELECT r.rolname::text AS role, split_part(c, '=', 1) AS name, substr(c, strpos(c, '=') + 1) AS value, s.setdatabase <> 0 AS in_database
   FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole CROSS JOIN LATERAL unnest(s.setconfig) AS c
  WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
    AND split_part(c, '=', 1) IN ('row_security', 'search_path', 'session_replication_role', 'statement_timeout')
  ORDER BY r.rolname COLLATE \"C\", 2, 4";

fn memberships_sql(server: &Look) -> String {
    // Before 16 it is the member that inherits or does not, and everybody may SET ROLE.
    let inherit = server.or("pg_auth_members", "inherit_option", "NULL::bool");
    let set = server.or("pg_auth_members", "set_option", "NULL::bool");
    format!(
        "SELECT m.rolname::text AS member, g.rolname::text AS grp, bool_or(e.admin_option) AS admin, bool_or(coalesce({inherit}, m.rolinherit)) AS inherit,
                bool_or(coalesce({set}, true)) AS set
           FROM pg_auth_members e JOIN pg_roles m ON m.oid = e.member JOIN pg_roles g ON g.oid = e.roleid
          GROUP BY 1, 2 ORDER BY m.rolname::text COLLATE \"C\", g.rolname::text COLLATE \"C\""
    )
}

/// Roles, the server's own left out.
pub async fn roles(reader: &mut Reader<'_>) -> Read<Vec<PgRole>> {
    let mut settings: BTreeMap<String, Vec<RoleSetting>> = BTreeMap::new();
    for row in reader.rows(SETTINGS.to_owned()).await? {
        settings.entry(text(&row, "role")?).or_default().push(RoleSetting {
            name: text(&row, "name")?,
            value: text(&row, "value")?,
            in_database: row.try_get("in_database")?,
        });
    }
    let mut roles = Vec::new();
    for row in reader.rows(ROLES.to_owned()).await? {
        let name = text(&row, "name")?;
        roles.push(PgRole {
            is_bootstrap: row.try_get("is_bootstrap")?,
            superuser: row.try_get("rolsuper")?,
            create_role: row.try_get("rolcreaterole")?,
            create_database: row.try_get("rolcreatedb")?,
            login: row.try_get("rolcanlogin")?,
            replication: row.try_get("rolreplication")?,
            bypass_row_security: row.try_get("rolbypassrls")?,
            connection_limit: row.try_get("rolconnlimit")?,
            valid_until: row.try_get("valid_until")?,
            settings: settings.remove(&name).unwrap_or_default(),
            name,
        });
    }
    Ok(roles)
}

/// The neutral word for a role.
pub fn login(role: &PgRole) -> Login {
    Login { name: role.name.clone(), can_log_in: role.login, is_unlimited: role.superuser }
}

/// Who is in which role, those of the server's own included.
pub async fn memberships(reader: &mut Reader<'_>) -> Read<Vec<Membership>> {
    let sql = memberships_sql(reader.server());
    let mut memberships = Vec::new();
    for row in reader.rows(sql).await? {
        memberships.push(Membership {
            member: text(&row, "member")?,
            group: text(&row, "grp")?,
            admin: row.try_get("admin")?,
            inherit: row.try_get("inherit")?,
            set: row.try_get("set")?,
        });
    }
    Ok(memberships)
}

/// How passwords are kept. The server tells the kind; no hash leaves it.
pub async fn passwords(reader: &mut Reader<'_>, server: &Server) -> Read<Readable<BTreeMap<String, PasswordKind>>> {
    let sql = if server.reads_password_kinds {
        "SELECT role::text AS role, kind::text AS kind FROM public.godwit_password_kinds".to_owned()
    } else if server.reads_authid {
        format!("SELECT rolname::text AS role, {PASSWORD_KIND} AS kind FROM pg_authid")
    } else {
        return Ok(hidden(
            reader,
            Missing {
                id: "postgres.access.passwords".to_owned(),
                what: "how passwords are kept".to_owned(),
                why: "only a superuser reads pg_authid, and the view that tells the kinds without the hashes is not there".to_owned(),
                enable: Some(format!("{}; GRANT SELECT ON public.godwit_password_kinds TO godwit_audit", kinds_view())),
                price: "none for the server; a superuser makes the view once in each database; it shows roles and kinds, never a hash"
                    .to_owned(),
            },
        ));
    };
    let mut kinds = BTreeMap::new();
    for row in reader.rows(sql).await? {
        let kind = match row.try_get::<Option<&str>, _>("kind")? {
            Some("none") => PasswordKind::None,
            Some("md5") => PasswordKind::Md5,
            Some("scram-sha-256") => PasswordKind::Scram,
            _ => PasswordKind::Other,
        };
        kinds.insert(text(&row, "role")?, kind);
    }
    Ok(Readable::Read(kinds))
}

const PASSWORD_KIND: &str = "CASE WHEN rolpassword IS NULL THEN 'none' WHEN rolpassword LIKE 'md5%' THEN 'md5' WHEN rolpassword LIKE 'SCRAM-SHA-256$%' THEN 'scram-sha-256' ELSE 'other' END";

/// The statement that makes the leak-free view.
pub fn kinds_view() -> String {
    format!(
        "CREATE VIEW public.godwit_password_kinds AS SELECT rolname AS role, {PASSWORD_KIND} AS kind FROM pg_authid"
    )
}

/// Who is connected to this database, and who streams the log.
pub async fn live(reader: &mut Reader<'_>) -> Read<Vec<LiveLogin>> {
    let sql = format!(
        "SELECT a.usename::text AS login, a.application_name AS application, coalesce(host(a.client_addr), 'local') AS client,
                s.ssl AS encrypted, a.backend_type = 'walsender' AS replicates, count(*) AS sessions
           FROM pg_stat_activity a LEFT JOIN pg_stat_ssl s USING (pid)
          WHERE a.usename IS NOT NULL AND a.pid <> pg_backend_pid() AND a.application_name NOT LIKE '{APPLICATION}%'
            AND (a.datname = current_database() AND a.backend_type IS DISTINCT FROM 'parallel worker' OR a.backend_type = 'walsender')
          GROUP BY 1, 2, 3, 4, 5"
    );
    let mut live = Vec::new();
    for row in reader.rows(sql).await? {
        live.push(LiveLogin {
            login: text(&row, "login")?,
            application: text(&row, "application")?,
            client: text(&row, "client")?,
            encrypted: row.try_get("encrypted")?,
            replicates: row.try_get::<Option<bool>, _>("replicates")?.unwrap_or(false),
            sessions: u64::try_from(row.try_get::<i64, _>("sessions")?).unwrap_or(0),
        });
    }
    live.sort();
    Ok(live)
}
