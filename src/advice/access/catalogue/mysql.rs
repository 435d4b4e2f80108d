//! MY-01 to MY-28. The CIS numbers are those of the benchmark's section on accounts, recalled and not checked.

use super::Severity::{self, Critical, High, Low, Medium};
use super::{Judge, MysqlJudge, Rule};
use crate::advice::access::mysql::{accounts, delegation, patterns, powers, programs, servers, settings};

const fn my(
    id: &'static str,
    severity: Severity,
    holds: &'static str,
    cis: Option<&'static str>,
    judge: MysqlJudge,
) -> Rule {
    Rule::new(id, severity, holds, cis, Judge::Mysql(judge))
}

/// In the order of their ids.
pub const RULES: [Rule; 28] = [
    my("MY-01", Critical, "only named logins may do everything", Some("5.1, 5.4"), powers::unlimited),
    my("MY-02", Critical, "no application reads and writes files of the server", Some("5.2"), powers::files),
    my("MY-03", High, "no application sees everybody's statements", Some("5.3"), powers::process),
    my("MY-04", High, "no application stops the server or reloads it", Some("5.5"), powers::shutdown),
    my(
        "MY-05",
        Critical,
        "no application makes accounts or has rights where they are kept",
        Some("5.6"),
        powers::accounts,
    ),
    my("MY-06", High, "no application passes rights on", Some("5.7"), powers::grant_option),
    my("MY-07", Medium, "no application reads the binary log", Some("5.8"), powers::replication),
    my("MY-08", High, "no application has powers of an administrator", Some("5.4"), powers::dynamic),
    my("MY-09", High, "no application has rights on the rows of every database", Some("5.9"), powers::data),
    my("MY-10", Critical, "there is no anonymous account", Some("7.7"), accounts::anonymous),
    my("MY-11", Medium, "no application gets in from every address", Some("7.6"), accounts::hosts),
    my("MY-12", Critical, "nobody gets in without a password", Some("7.3"), accounts::empty_passwords),
    my("MY-13", High, "applications' passwords are kept with salt", Some("7.1"), accounts::plugins),
    my("MY-14", Medium, "accounts from elsewhere must connect encrypted", Some("8.2"), accounts::tls),
    my("MY-15", Medium, "the server asks everybody for encryption", Some("8.1"), settings::transport),
    my("MY-16", Medium, "the server cannot ask clients for their files", Some("4.4"), settings::local_infile),
    my("MY-17", Medium, "files are read and written in one place only", Some("4.8"), settings::file_place),
    my("MY-18", High, "no grant on a database is a pattern that nobody meant", Some("5.9"), patterns::wildcards),
    my("MY-19", High, "no program runs with an administrator's rights", Some("5.10"), programs::of_administrators),
    my("MY-20", Medium, "every program's definer exists", Some("5.10"), programs::of_nobody),
    my("MY-21", Medium, "no application lets others act as somebody else", None, delegation::proxies),
    my("MY-22", Medium, "no application gives roles away, and no role is everybody's", None, delegation::roles),
    my(
        "MY-23",
        Low,
        "passwords expire, are strict, and cannot be guessed without end",
        Some("7.4, 7.5"),
        settings::passwords,
    ),
    my("MY-24", Low, "services' logins have a connection limit", Some("8.3"), accounts::limits),
    my("MY-25", Medium, "a plugin writes down who did what", Some("6"), settings::audit_plugin),
    my("MY-26", Low, "there is no test database, and no grant on one", Some("4.2"), patterns::test_database),
    my("MY-27", Medium, "nothing unknown runs by itself", None, settings::unattended),
    my("MY-28", High, "no password for a server elsewhere is stored", None, servers::passwords),
];
