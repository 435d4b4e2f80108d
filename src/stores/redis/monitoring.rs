//! Monitoring roles on Redis and Valkey.
//!
//! Left out on purpose: `monitor`, `keys` and any right on keys. The audit is offered, and does not need: `config|get` (shows requirepass to
//! whoever has the account), `scan` (shows names of keys), and `acl|log`, which allows to erase the log as well as to read it.

use crate::model::monitor::{GrantStatement, MonitorRole};
use crate::stores::observe::Monitoring;
use crate::stores::redis::store::{Flavour, RedisStore};

/// What every role needs to connect, and to be told apart in `CLIENT LIST`.
const CONNECT: &str = "resetkeys resetchannels -@all +ping +hello +auth +client|setname +client|id +client|info";

/// What looking needs.
const WATCH: &str = "+info +dbsize +role +slowlog|get +slowlog|len +latency|latest +latency|history +latency|histogram \
     +latency|doctor +client|list +memory|stats +memory|doctor +acl|whoami +acl|users +acl|cat +cluster|info +cluster|nodes \
     +command|info +module|list";

/// What the audit reads beside it.
const AUDIT: &str = "+acl|list +acl|getuser";

/// What ending a client needs.
const ACT: &str = "+client|list +client|kill +client|unblock";

fn user(account: &str, why: &str, rights: &str) -> GrantStatement {
    GrantStatement {
        why: why.to_owned(),
        statement: format!("ACL SETUSER {account} on >PASSWORD {rights}"),
        undo: format!("ACL DELUSER {account}"),
        required: true,
    }
}

fn optional(account: &str, why: &str, right: &str) -> GrantStatement {
    GrantStatement {
        why: why.to_owned(),
        statement: format!("ACL SETUSER {account} +{right}"),
        undo: format!("ACL SETUSER {account} -{right}"),
        required: false,
    }
}

impl Monitoring for RedisStore {
    fn grants(&self, role: MonitorRole) -> Vec<GrantStatement> {
        let account = role.account();
        let mut statements = match role {
            MonitorRole::Watch => vec![user(
                account,
                "sees statistics, clients and slow commands; no key, no value, no configuration",
                &format!("{CONNECT} {WATCH}"),
            )],
            MonitorRole::Audit => vec![user(
                account,
                "also reads the users' rules; it can see unsalted SHA-256 sums of their passwords, which Godwit drops as it reads",
                &format!("{CONNECT} {WATCH} {AUDIT}"),
            )],
            MonitorRole::Act => {
                vec![user(
                    account,
                    "unblocks and ends clients; use it only while an action runs",
                    &format!("{CONNECT} {ACT}"),
                )]
            }
        };
        if self.flavour() == Flavour::Valkey && role != MonitorRole::Act {
            statements.push(optional(
                account,
                "Valkey 8.1 and later keep slow commands in the command log; older ones refuse this line and need it not",
                "commandlog|get",
            ));
        }
        if role == MonitorRole::Audit {
            statements.push(optional(
                account,
                "RD-15 and OWN-07 read denials from the ACL log; the same right allows to erase it, so leave it out unless you need it",
                "acl|log",
            ));
            statements.push(optional(
                account,
                "rights on keys are asked of the server itself (it runs nothing for that), not only worked out from the rules",
                "acl|dryrun",
            ));
            statements.push(optional(
                account,
                "RD-03, RD-09 to RD-12 and RD-16 read settings; the same right shows requirepass and masterauth to whoever has the account. Godwit asks for other settings by name",
                "config|get",
            ));
            statements.push(optional(
                account,
                "OWN-18 looks at the names of up to 1,000 keys, and keeps patterns of those that belong to nobody; the account can then list all keys",
                "scan",
            ));
        }
        statements.push(GrantStatement {
            why: "keeps the user over a restart, where users are in an aclfile; otherwise CONFIG REWRITE does"
                .to_owned(),
            statement: "ACL SAVE".to_owned(),
            undo: "ACL SAVE".to_owned(),
            required: false,
        });
        statements
    }
}
