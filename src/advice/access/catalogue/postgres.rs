//! PG-01 to PG-35.

use super::Rule;
use super::Severity::{Critical, High, Low, Medium};
use crate::advice::access::postgres::{
    code, defaults, definers, grants, hba, logging, logins, memberships, owners, powers, public, row_security,
    settings, transport,
};

const fn pg(
    id: &'static str,
    severity: super::Severity,
    holds: &'static str,
    cis: Option<&'static str>,
    judge: super::PostgresJudge,
) -> Rule {
    Rule::new(id, severity, holds, cis, super::Judge::Postgres(judge))
}

/// In the order of their ids.
pub const RULES: [Rule; 35] = [
    pg("PG-01", Critical, "only named logins are superusers", Some("4.3"), powers::superusers),
    pg(
        "PG-02",
        High,
        "no application makes roles or databases, replicates or passes row-level security",
        Some("4.3"),
        powers::attributes,
    ),
    pg("PG-03", Critical, "nobody reaches the server's programs and files", Some("4.9"), powers::server_access),
    pg("PG-04", High, "no application reads, writes or maintains everything", Some("4.9"), powers::all_data),
    pg("PG-05", Medium, "no application makes others members of its roles", Some("4.3"), memberships::admin),
    pg(
        "PG-06",
        Medium,
        "PUBLIC may not connect to the database or make temporary tables in it",
        None,
        public::database,
    ),
    pg("PG-07", High, "PUBLIC makes nothing in any schema", Some("4.10"), public::schemas),
    pg("PG-08", Critical, "PUBLIC has no right on any table, view or sequence", Some("4.6"), public::relations),
    pg("PG-09", Medium, "nobody but owners passes rights on", Some("4.6"), grants::grant_options),
    pg("PG-10", Medium, "no grants on single columns that nobody declared", Some("4.6"), grants::columns),
    pg(
        "PG-11",
        High,
        "code that runs with its owner's rights has a search path of its own",
        Some("4.5"),
        definers::search_path,
    ),
    pg("PG-12", Critical, "not everybody runs code with a superuser's rights", Some("4.5"), definers::superuser),
    pg("PG-13", Medium, "functions in services' schemas are not PUBLIC's", Some("4.5"), definers::public_functions),
    pg(
        "PG-14",
        Medium,
        "future objects are not given to PUBLIC or to undeclared logins",
        Some("4.6"),
        defaults::future,
    ),
    pg(
        "PG-15",
        Medium,
        "row-level security holds for owners that applications log in as",
        Some("4.7"),
        row_security::forced,
    ),
    pg("PG-16", High, "tables with policies have row-level security on", Some("4.7"), row_security::enabled),
    pg("PG-17", Medium, "views do not pass by row-level security", Some("4.7"), row_security::views),
    pg("PG-18", Low, "services' passwords expire, and are not expired", Some("4.4"), logins::expiry),
    pg("PG-19", Low, "services' logins have a connection limit", Some("5.5"), logins::connection_limit),
    pg("PG-20", High, "no password is kept as MD5", None, logins::md5),
    pg(
        "PG-21",
        Critical,
        "nobody gets in from the network without a password or with a plain one",
        Some("5.4"),
        hba::trust,
    ),
    pg("PG-22", High, "pg_hba.conf lets in whom it must and nobody else", None, hba::wide),
    pg("PG-23", High, "sessions from the network are encrypted", Some("6.8"), transport::sessions),
    pg("PG-24", Medium, "encryption is on and not outdated", Some("6.8"), transport::settings),
    pg(
        "PG-25",
        Medium,
        "connections are logged with user, database and application",
        Some("3.1.20, 3.1.21, 3.1.24"),
        logging::connections,
    ),
    pg("PG-26", Low, "pgaudit is loaded with a role for object audit", Some("3.2"), logging::pgaudit),
    pg("PG-27", High, "no untrusted language is installed", Some("1.8"), code::languages),
    pg("PG-28", Medium, "no extension reaches out of the database", Some("1.8"), code::extensions),
    pg("PG-29", High, "no stored password, and no user mapping for PUBLIC", None, code::mappings),
    pg("PG-30", Medium, "objects belong to the owner of their schema", Some("4.6"), owners::objects),
    pg("PG-31", Medium, "no role's settings weaken its safety", Some("6.6"), settings::roles),
    pg("PG-32", Medium, "event triggers are a superuser's and enabled", None, code::event_triggers),
    pg("PG-33", Low, "the log is streamed by a role of its own", Some("7.1"), powers::replication),
    pg("PG-34", Low, "no application becomes an owner of tables by SET ROLE", Some("4.3"), memberships::set_role),
    pg("PG-35", Medium, "applications change no settings of the server", Some("6.5"), settings::parameters),
];
