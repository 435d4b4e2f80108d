//! RD-01 to RD-18. There is no CIS benchmark for these engines.

use super::Severity::{self, Critical, High, Low, Medium};
use super::{Judge, RedisJudge, Rule};
use crate::advice::access::redis::{commands, log, network, passwords, patterns, persistence};

const fn rd(id: &'static str, severity: Severity, holds: &'static str, judge: RedisJudge) -> Rule {
    Rule::new(id, severity, holds, None, Judge::Redis(judge))
}

/// In the order of their ids.
pub const RULES: [Rule; 18] = [
    rd("RD-01", Critical, "not everybody who reaches the server may do everything", passwords::default_user),
    rd("RD-02", Critical, "every user needs a password", passwords::open),
    rd("RD-03", Critical, "the server is not open to the network without a password", network::unprotected),
    rd("RD-04", High, "no application was given what administrates the server", commands::categories),
    rd("RD-05", High, "no application may use every key", patterns::keys),
    rd("RD-06", Medium, "no application may use every channel", patterns::channels),
    rd("RD-07", High, "no application may empty, stop or take over the server", commands::harmful),
    rd("RD-08", Medium, "no application brings programs into the server", commands::scripting),
    rd("RD-09", Medium, "new users have no channels", patterns::new_users),
    rd("RD-10", High, "commands for debugging, modules and protected settings are closed", network::doors),
    rd("RD-11", High, "what is open to the network is encrypted", network::tls),
    rd("RD-12", Medium, "a restart forgets no user", persistence::users_file),
    rd("RD-13", Medium, "no two users have the same password", passwords::shared),
    rd("RD-14", Medium, "no old password still works", passwords::old),
    rd("RD-15", Medium, "nobody was refused anything lately", log::denials),
    rd("RD-16", Low, "the logs of refusals and of slow commands are long enough", log::lengths),
    rd("RD-17", Medium, "no monitoring account can erase evidence or read passwords", commands::tools),
    rd("RD-18", Low, "replicas follow the server as a user of their own", commands::replication),
];
