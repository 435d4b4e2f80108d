//! PG-21 and PG-22: who gets in from the network.

use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::model::access::postgres::{HbaLine, PostgresFacts, Readable};

/// A line that lets somebody in from another host.
fn is_network(line: &HbaLine) -> bool {
    let loopback = match (line.address.as_str(), line.mask.as_str()) {
        ("127.0.0.1" | "127.0.0.0", mask) => mask.starts_with("255."),
        ("::1", mask) => mask == "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ("localhost", _) => true,
        _ => false,
    };
    line.kind != "local" && !loopback && line.method != "reject"
}

fn lines(facts: &PostgresFacts) -> Result<&[HbaLine], Judgement> {
    match &facts.hba {
        Readable::Read(lines) => Ok(lines),
        Readable::Hidden(why) => Err(Judgement::hidden(why)),
    }
}

fn failure(line: &HbaLine, what: &str) -> Failure {
    // Lines move when the file is edited: the subject is what the line says.
    let from = if line.mask.is_empty() { line.address.clone() } else { format!("{} {}", line.address, line.mask) };
    let told = format!("{} {} {} {from} {}", line.kind, line.databases.join(","), line.users.join(","), line.method);
    Failure::new(&told, format!("pg_hba.conf {what}")).fact(format!("line {}: {told}", line.line))
}

/// PG-21.
pub fn trust(_: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    let lines = match lines(facts) {
        Ok(lines) => lines,
        Err(hidden) => return hidden,
    };
    let open = lines.iter().filter(|line| is_network(line));
    open.filter_map(|line| match line.method.as_str() {
        "trust" => Some(failure(line, "lets in from the network whoever names a role")),
        "password" => Some(failure(line, "has passwords sent in clear text over the network")),
        _ => None,
    })
    .map(|f| f.but("edit the line to scram-sha-256, then SELECT pg_reload_conf()"))
    .collect()
}

/// PG-22.
pub fn wide(_: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    let lines = match lines(facts) {
        Ok(lines) => lines,
        Err(hidden) => return hidden,
    };
    let has_all = |names: &[String]| names.iter().any(|name| name == "all");
    let open = lines.iter().filter(|line| is_network(line));
    open.filter_map(|line| {
        let everywhere =
            matches!((line.address.as_str(), line.mask.as_str()), ("all", _) | ("0.0.0.0", "0.0.0.0") | ("::", "::"));
        let everybody = has_all(&line.databases) && has_all(&line.users);
        match (everywhere, everybody) {
            (true, _) => Some(failure(line, "lets in from every address")),
            (false, true) => Some(failure(line, "lets every role into every database")),
            (false, false) => None,
        }
    })
    .map(|f| f.but("narrow the line to the databases, roles and networks that need it, then SELECT pg_reload_conf()"))
    .collect()
}
