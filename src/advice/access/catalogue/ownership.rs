//! OWN-01 to OWN-25.

use super::Need::{Code, Rights, Sessions, Uses};
use super::Rule;
use super::Severity::{self, Critical, High, Info, Low, Medium};
use crate::advice::access::case::Case;
use crate::advice::access::judgement::Judgement;
use crate::advice::access::ownership::{
    declared, defaults, definers, foreign, keys, leftovers, links, logins, observed, owners, passwords, reach, streams,
};
use crate::model::access::reading::EngineKind::{self, Mongo, Mysql, Postgres, Redis};

const fn own(id: &'static str, severity: Severity, holds: &'static str, judge: fn(&Case<'_>) -> Judgement) -> Rule {
    Rule::new(id, severity, holds, None, super::Judge::Any(judge))
}

/// Engines with statements, in which objects are tied together.
const SQL: &[EngineKind] = &[Postgres, Mysql];

/// In the order of their ids.
pub const RULES: [Rule; 25] = [
    own("OWN-01", Critical, "no login writes another service's tables", foreign::writes).needs(&[Rights]),
    own("OWN-02", High, "no login reads another service's tables without a declaration", foreign::reads)
        .needs(&[Rights]),
    own("OWN-03", High, "no login belongs to two services", logins::shared).needs(&[Rights]),
    own("OWN-04", High, "no login reaches a database or schema in which it has nothing", reach::places)
        .needs(&[Rights])
        .only(
            &[Postgres, Mysql, Mongo],
            "every login of this engine reaches every numbered database; there are no schemas",
        ),
    own("OWN-05", Medium, "services' tables belong to roles that nobody logs in as", owners::tables_of)
        .needs(&[Rights])
        .only(&[Postgres], "on this engine nobody owns a table: rights alone say who may do what"),
    own("OWN-06", Critical, "nobody writes tables that have moved", foreign::moved).needs(&[Rights]),
    own("OWN-07", Critical, "nobody was seen using another service's tables", observed::foreign).needs(&[Uses]),
    own("OWN-08", Critical, "no foreign key between services", links::foreign_keys)
        .only(SQL, "this engine has no foreign keys"),
    own("OWN-09", High, "no view, trigger or function spans services", links::code)
        .needs(&[Code])
        .only(&[Postgres, Mysql, Mongo], "this engine keeps no views and no triggers"),
    own("OWN-10", High, "no sequence is shared by services", links::sequences)
        .only(SQL, "this engine has no sequences"),
    own("OWN-11", High, "no server elsewhere is linked", links::servers)
        .only(SQL, "this engine has no tables on servers elsewhere"),
    own("OWN-12", High, "no publication carries more than one service's tables", streams::publications)
        .only(&[Postgres], "this engine has no publications: its log carries everything, and who reads it is OWN-13's"),
    own("OWN-13", High, "nothing is left over of change capture", streams::leftover),
    own("OWN-14", Medium, "no service is given another's future tables", defaults::future).only(
        &[Postgres],
        "this engine has no default privileges; rights on a whole database are OWN-01's and OWN-02's",
    ),
    own("OWN-15", High, "no login reads another service's tables through code", definers::callable)
        .needs(&[Rights, Code])
        .only(SQL, "no code of this engine runs with another's rights"),
    own("OWN-16", Medium, "every table is declared, and every declared table is there", declared::tables)
        .only(&[Postgres, Mysql, Mongo], "keys are no tables; OWN-18 looks at them"),
    own("OWN-17", High, "no key patterns overlap", keys::overlap)
        .needs(&[Rights])
        .only(&[Redis], "this rule is about key patterns of Redis"),
    own("OWN-18", Medium, "every key has a declared prefix", keys::outside)
        .only(&[Redis], "this rule is about keys of Redis"),
    own("OWN-19", High, "no two logins share a password", passwords::shared)
        .needs(&[Rights])
        .only(&[Mysql, Redis], "this engine's hashes are salted, so that two of one password differ"),
    own("OWN-20", Medium, "the migration's logins have no power left", leftovers::logins).needs(&[Rights]),
    own("OWN-21", Medium, "no trigger between services is left enabled", leftovers::triggers)
        .needs(&[Code])
        .only(SQL, "this engine has no triggers"),
    own("OWN-22", Low, "every right across services was used", observed::unused).needs(&[Rights, Uses]),
    own("OWN-23", Medium, "no role gives two services the same rights", logins::shared_roles)
        .needs(&[Rights])
        .only(&[Postgres, Mysql, Mongo], "this engine has no roles"),
    own("OWN-24", High, "no superuser works in a service's database", logins::unlimited).needs(&[Rights, Sessions]),
    Rule::new(
        "OWN-25",
        Info,
        "services have on the target what they have on the source",
        None,
        super::Judge::BothSides,
    ),
];
