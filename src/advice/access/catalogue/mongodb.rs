//! MG-01 to MG-18. Of the CIS numbers 2.1 and 2.2 were seen in a published policy; the others are recalled and not checked.

use super::Severity::{self, Critical, High, Low, Medium};
use super::{Judge, MongoJudge, Rule};
use crate::advice::access::mongodb::{custom, logins, options, roles};

const fn mg(
    id: &'static str,
    severity: Severity,
    holds: &'static str,
    cis: Option<&'static str>,
    judge: MongoJudge,
) -> Rule {
    Rule::new(id, severity, holds, cis, Judge::Mongo(judge))
}

/// In the order of their ids.
pub const RULES: [Rule; 18] = [
    mg("MG-01", Critical, "the server asks everybody who they are", Some("2.1"), options::authorization),
    mg("MG-02", Critical, "there is a user, so that nobody can make the first one", Some("2.2"), logins::none),
    mg("MG-03", Critical, "only named logins may do everything", Some("3.5"), roles::root),
    mg("MG-04", High, "no application has rights on every database", Some("3.4, 3.5"), roles::any_database),
    mg("MG-05", High, "no application can give itself roles", Some("3.5"), roles::user_admin),
    mg("MG-06", High, "no role that somebody made writes in every database", Some("3.4"), custom::everywhere),
    mg("MG-07", Medium, "no application reads the oplog and the profiles", Some("3.4"), roles::monitor),
    mg("MG-08", Medium, "no application has what moving and managing need", Some("3.4"), roles::movers),
    mg("MG-09", High, "what is open to the network is encrypted", Some("4.3"), options::tls),
    mg("MG-10", Medium, "encryption is not outdated", Some("4.1"), options::old_tls),
    mg("MG-11", Medium, "no application logs in by SCRAM-SHA-1", Some("2"), logins::old_mechanism),
    mg("MG-12", Medium, "queries carry no programs", Some("6.3"), options::javascript),
    mg("MG-13", Medium, "services log in from their own networks only", None, logins::restrictions),
    mg("MG-14", Low, "where it can, the server writes down who did what", Some("5.1"), options::auditing),
    mg("MG-15", Medium, "no profiler records every operation", None, options::profiler),
    mg(
        "MG-16",
        Low,
        "the port is not the default one, and members know each other by certificates",
        Some("6.1, 2.3"),
        options::members,
    ),
    mg("MG-17", Medium, "every role is somebody's, and every user has one", Some("3.4"), custom::unused),
    mg("MG-18", High, "no role inherits from another service's", Some("3.4"), custom::inherited),
];
