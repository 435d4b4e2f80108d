//! Monitoring roles on MongoDB.
//!
//! Not `clusterMonitor`: that one can read the oplog and every profile, which is business data.

use crate::model::monitor::{GrantStatement, MonitorRole};
use crate::stores::mongodb::store::MongoStore;
use crate::stores::observe::Monitoring;

const ADMIN: &str = "db.getSiblingDB(\"admin\")";

/// On the cluster, for looking.
const CLUSTER: &str = "\"serverStatus\", \"top\", \"inprog\", \"replSetGetStatus\", \"replSetGetConfig\", \"hostInfo\", \"getCmdLineOpts\", \
     \"getParameter\", \"connPoolStats\", \"listDatabases\", \"listShards\", \"getLog\", \"shardingState\"";

/// On all user databases, for looking. None of them reads a document.
const DATABASES: &str =
    "\"listCollections\", \"listIndexes\", \"collStats\", \"dbStats\", \"indexStats\", \"planCacheRead\"";

fn role(account: &str, why: &str, privileges: &str) -> GrantStatement {
    GrantStatement {
        why: why.to_owned(),
        statement: format!("{ADMIN}.createRole({{ role: \"{account}\", roles: [], privileges: [{privileges}] }})"),
        undo: format!("{ADMIN}.dropRole(\"{account}\")"),
        required: true,
    }
}

fn user(account: &str) -> GrantStatement {
    GrantStatement {
        why: "an account of its own, so that its work can be told apart and taken away".to_owned(),
        statement: format!(
            "{ADMIN}.createUser({{ user: \"{account}\", pwd: \"PASSWORD\", roles: [\"{account}\"], mechanisms: [\"SCRAM-SHA-256\"] }})"
        ),
        undo: format!("{ADMIN}.dropUser(\"{account}\")"),
        required: true,
    }
}

fn optional(account: &str, why: &str, privilege: &str) -> GrantStatement {
    GrantStatement {
        why: why.to_owned(),
        statement: format!("{ADMIN}.grantPrivilegesToRole(\"{account}\", [{privilege}])"),
        undo: format!("{ADMIN}.revokePrivilegesFromRole(\"{account}\", [{privilege}])"),
        required: false,
    }
}

fn resources(cluster: &str, databases: &str) -> String {
    format!(
        "{{ resource: {{ cluster: true }}, actions: [{cluster}] }}, {{ resource: {{ db: \"\", collection: \"\" }}, actions: [{databases}] }}"
    )
}

impl Monitoring for MongoStore {
    fn grants(&self, wanted: MonitorRole) -> Vec<GrantStatement> {
        let account = wanted.account();
        let mut statements = match wanted {
            MonitorRole::Watch => vec![role(
                account,
                "sees operations with their values, replication, the log's last lines, sizes and index use; reads no document",
                &resources(CLUSTER, DATABASES),
            )],
            MonitorRole::Audit => vec![role(
                account,
                "also reads users and roles; viewUser could return SCRAM keys to one who asks for them, which Godwit never does: keep it apart from the watching account",
                &resources(&format!("{CLUSTER}, \"viewUser\""), &format!("{DATABASES}, \"viewUser\", \"viewRole\"")),
            )],
            MonitorRole::Act => vec![role(
                account,
                "ends operations, and transactions that wait for their client; use it only while an action runs",
                "{ resource: { cluster: true }, actions: [\"inprog\", \"killop\", \"killAnySession\"] }",
            )],
        };
        statements.push(user(account));
        if wanted != MonitorRole::Act {
            statements.push(optional(
                account,
                "shows how many bytes the oplog holds; not what is in it",
                "{ resource: { db: \"local\", collection: \"oplog.rs\" }, actions: [\"collStats\"] }",
            ));
            statements.push(optional(
                account,
                "reads the profiler where it is on, with the values of every recorded operation; without it slow operations come from the log",
                "{ resource: { db: \"\", collection: \"system.profile\" }, actions: [\"find\"] }",
            ));
        }
        statements
    }
}
