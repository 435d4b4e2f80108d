//! The rules, in the order of their ids.

use super::case::Case;
use super::judgement::Judgement;
use super::ownership::{
    declared, defaults as own_defaults, definers as own_definers, foreign, leftovers, links, logins as own_logins,
    observed, owners as own_owners, reach, streams,
};
use super::postgres::{
    code, defaults, definers, grants, hba, logging, logins, memberships, owners, powers, public, row_security,
    settings, transport,
};
use crate::model::access::postgres::PostgresFacts;
use crate::model::finding::Severity;

/// How a rule judges.
#[derive(Clone, Copy, Debug)]
pub enum Judge {
    /// Over PostgreSQL's own facts.
    Postgres(fn(&Case<'_>, &PostgresFacts) -> Judgement),
    /// Over the neutral words, on every engine.
    Any(fn(&Case<'_>) -> Judgement),
    /// Another kind of engine only; the text says which.
    Elsewhere(&'static str),
}

/// A rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Stable id.
    pub id: &'static str,
    /// How bad a failure is, unless the failure says otherwise.
    pub severity: Severity,
    /// What holds when it passes.
    pub holds: &'static str,
    /// CIS number, where known.
    pub cis: Option<&'static str>,
    /// How it judges.
    pub judge: Judge,
}

const fn pg(
    id: &'static str,
    severity: Severity,
    holds: &'static str,
    cis: Option<&'static str>,
    judge: fn(&Case<'_>, &PostgresFacts) -> Judgement,
) -> Rule {
    Rule { id, severity, holds, cis, judge: Judge::Postgres(judge) }
}

const fn own(id: &'static str, severity: Severity, holds: &'static str, judge: fn(&Case<'_>) -> Judgement) -> Rule {
    Rule { id, severity, holds, cis: None, judge: Judge::Any(judge) }
}

const fn elsewhere(id: &'static str, severity: Severity, holds: &'static str, engines: &'static str) -> Rule {
    Rule { id, severity, holds, cis: None, judge: Judge::Elsewhere(engines) }
}

use Severity::{Critical, High, Low, Medium};

/// All rules. OWN-25 compares two stores and is judged by [`super::ownership::both_sides`].
pub const RULES: [Rule; 59] = [
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
    own("OWN-01", Critical, "no login writes another service's tables", foreign::writes),
    own("OWN-02", High, "no login reads another service's tables without a declaration", foreign::reads),
    own("OWN-03", High, "no login belongs to two services", own_logins::shared),
    own("OWN-04", High, "no login reaches a database or schema in which it has nothing", reach::places),
    own("OWN-05", Medium, "services' tables belong to roles that nobody logs in as", own_owners::tables_of),
    own("OWN-06", Critical, "nobody writes tables that have moved", foreign::moved),
    own("OWN-07", Critical, "nobody was seen using another service's tables", observed::foreign),
    own("OWN-08", Critical, "no foreign key between services", links::foreign_keys),
    own("OWN-09", High, "no view, trigger or function spans services", links::code),
    own("OWN-10", High, "no sequence is shared by services", links::sequences),
    own("OWN-11", High, "no server elsewhere is linked", links::servers),
    own("OWN-12", High, "no publication carries more than one service's tables", streams::publications),
    own("OWN-13", High, "nothing is left over of change capture", streams::leftover),
    own("OWN-14", Medium, "no service is given another's future tables", own_defaults::future),
    own("OWN-15", High, "no login reads another service's tables through code", own_definers::callable),
    own("OWN-16", Medium, "every table is declared, and every declared table is there", declared::tables),
    elsewhere("OWN-17", High, "no key patterns overlap", "Redis"),
    elsewhere("OWN-18", Medium, "every key has a declared prefix", "Redis"),
    elsewhere("OWN-19", High, "no two logins share a password", "Redis and MySQL; here passwords are salted"),
    own("OWN-20", Medium, "the migration's logins have no power left", leftovers::logins),
    own("OWN-21", Medium, "no trigger between services is left enabled", leftovers::triggers),
    own("OWN-22", Low, "every right across services was used", observed::unused),
    own("OWN-23", Medium, "no role gives two services the same rights", own_logins::shared_roles),
    own("OWN-24", High, "no superuser works in a service's database", own_logins::unlimited),
];
