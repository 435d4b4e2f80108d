//! The server's options and parameters, and profilers that are on.

use super::{Read, missing, or_empty};
use crate::model::access::postgres::Readable;
use crate::model::observation::Missing;
use crate::stores::mongodb::fields::{count, inner};
use crate::stores::mongodb::watch::Reader;
use crate::stores::sanitise::clean;
use mongodb::bson::{Bson, doc};
use std::collections::BTreeMap;

/// Options that rules judge. Others may hold anything: paths, queries of an audit filter, passwords of a PEM file.
const OPTIONS: [&str; 13] = [
    "auditLog.destination",
    "net.bindIp",
    "net.bindIpAll",
    "net.port",
    "net.tls.disabledProtocols",
    "net.tls.mode",
    "net.ssl.mode",
    "security.authorization",
    "security.clusterAuthMode",
    "security.javascriptEnabled",
    "security.keyFile",
    "security.transitionToAuth",
    "replication.replSetName",
];

/// Parameters that rules judge.
const PARAMETERS: [&str; 3] = ["authenticationMechanisms", "enableLocalhostAuthBypass", "tlsMode"];

/// Options that were given, and whether this build can audit.
pub async fn options(reader: &mut Reader) -> Read<(Readable<BTreeMap<String, String>>, bool)> {
    let lacks = || missing("options", "the server's options", "getCmdLineOpts", true);
    let Some(answer) = reader.run_or("admin", doc! { "getCmdLineOpts": 1 }, lacks).await? else {
        return Ok((Readable::Hidden(lacks().why), false));
    };
    let parsed = or_empty(inner(&answer, "parsed"));
    let mut options = BTreeMap::new();
    for name in OPTIONS {
        let mut at = Some(Bson::Document(parsed.clone()));
        for part in name.split('.') {
            at = at.and_then(|value| value.as_document()?.get(part).cloned());
        }
        if let Some(value) = at {
            // Of a file only that there is one.
            let told = if name == "security.keyFile" { "(set)".to_owned() } else { told(&value) };
            options.insert(name.to_owned(), told);
        }
    }
    let build = reader.run("admin", doc! { "buildInfo": 1 }).await?;
    let modules = build.get_array("modules").map(Vec::as_slice).unwrap_or_default();
    let is_enterprise = modules.iter().filter_map(Bson::as_str).any(|module| module == "enterprise");
    let is_percona = build.contains_key("psmdbVersion");
    Ok((Readable::Read(options), is_enterprise || is_percona))
}

fn told(value: &Bson) -> String {
    match value {
        Bson::String(text) => clean(text),
        Bson::Array(items) => items.iter().map(told).collect::<Vec<_>>().join(","),
        other => clean(&other.to_string()),
    }
}

/// Server parameters.
pub async fn parameters(reader: &mut Reader) -> Read<Readable<BTreeMap<String, String>>> {
    let lacks = || missing("parameters", "the server's parameters", "getParameter", true);
    let mut command = doc! { "getParameter": 1 };
    for name in PARAMETERS {
        command.insert(name, 1);
    }
    let Some(answer) = reader.run_or("admin", command, lacks).await? else {
        return Ok(Readable::Hidden(lacks().why));
    };
    let known = PARAMETERS.into_iter().filter_map(|name| Some((name.to_owned(), told(answer.get(name)?))));
    Ok(Readable::Read(known.collect()))
}

/// Databases whose profiler is on.
pub async fn profiling(reader: &mut Reader, databases: &[String]) -> Read<Readable<BTreeMap<String, u64>>> {
    let lacks = || {
        Missing {
        id: "mongodb.access.profiling".to_owned(),
        what: "whether the profiler is on".to_owned(),
        why: "only who reads system.profile is told the profiler's level".to_owned(),
        enable: Some(
            "db.getSiblingDB(\"admin\").grantPrivilegesToRole(\"godwit_audit\", [{ resource: { db: \"\", collection: \"system.profile\" }, actions: [\"find\"] }])"
                .to_owned(),
        ),
        price: "none for the server; the account can then read recorded operations with their values".to_owned(),
    }
    };
    let mut levels = BTreeMap::new();
    for database in databases {
        let Some(answer) = reader.run_or(database, doc! { "profile": -1 }, lacks).await? else {
            return Ok(Readable::Hidden(lacks().why));
        };
        if let Some(level) = count(&answer, "was").filter(|level| *level > 0) {
            levels.insert(clean(database), level);
        }
    }
    Ok(Readable::Read(levels))
}
