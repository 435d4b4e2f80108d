//! What a server does not show, each with the statement that makes it visible and what that costs.
//!
//! Ids begin with the product's word: `mariadb.sessions.process`, `mysql.sessions.process`.

use crate::model::observation::Missing;
use crate::stores::mysql::capability::Flavour;

const FREE: &str = "none for the server";

fn missing(
    flavour: Flavour,
    id: &str,
    what: &str,
    why: impl Into<String>,
    enable: Option<&str>,
    price: &str,
) -> Missing {
    Missing {
        id: format!("{}.{id}", flavour.word()),
        what: what.to_owned(),
        why: why.into(),
        enable: enable.map(str::to_owned),
        price: price.to_owned(),
    }
}

/// Other logins' sessions and transactions.
pub fn process(flavour: Flavour) -> Missing {
    missing(
        flavour,
        "sessions.process",
        "other logins' sessions, all transactions, and who waits for a row lock",
        "the monitoring account has no PROCESS privilege, so the server shows it only its own sessions",
        Some("GRANT PROCESS ON *.* TO 'godwit_watch'@'%'"),
        "none for the server; the account can then read every running statement with its values",
    )
}

/// The applications' names.
pub fn programs(flavour: Flavour, is_off: bool) -> Missing {
    let what = "what clients call themselves (program_name)";
    if is_off {
        performance_schema_off(flavour, "sessions.performance_schema", what)
    } else {
        performance_schema_denied(flavour, "sessions.right", what)
    }
}

/// Row-lock waits that were not read in time.
pub fn row_locks_slow(flavour: Flavour) -> Missing {
    missing(
        flavour,
        "locks.row_waits",
        "who holds the row locks that are waited for",
        "the server did not tell in time or the account may not ask; sessions that wait are shown without their blockers",
        None,
        "the view is not asked longer than that: on a busy server it costs more than it tells",
    )
}

/// Holders of metadata locks.
pub fn metadata_locks(flavour: Flavour, performance_schema: bool) -> Missing {
    let what =
        "who holds a metadata lock (what a waiting ALTER or DROP waits for), and which tables sessions have in use";
    match flavour {
        Flavour::Mariadb => missing(
            flavour,
            "locks.metadata",
            what,
            "the plugin METADATA_LOCK_INFO is not installed, and the instrument wait/lock/metadata/sql/mdl is off",
            Some("INSTALL SONAME 'metadata_lock_info'"),
            "no restart; each look walks all metadata locks, a few microseconds each. Queued requests are not in it: Godwit derives them from the waiting statements",
        ),
        Flavour::Mysql if performance_schema => missing(
            flavour,
            "locks.metadata",
            what,
            "the instrument wait/lock/metadata/sql/mdl is off, or the account may not read performance_schema.metadata_locks",
            Some(
                "UPDATE performance_schema.setup_instruments SET ENABLED = 'YES', TIMED = 'YES' WHERE NAME = 'wait/lock/metadata/sql/mdl'; GRANT SELECT ON performance_schema.* TO 'godwit_watch'@'%'",
            ),
            "no restart; about a percent of throughput; locks that were taken before are not shown",
        ),
        Flavour::Mysql => performance_schema_off(flavour, "locks.metadata", what),
    }
}

/// The Performance Schema is off.
fn performance_schema_off(flavour: Flavour, id: &str, what: &str) -> Missing {
    missing(
        flavour,
        id,
        what,
        match flavour {
            Flavour::Mariadb => "the Performance Schema is off, which is the default of MariaDB",
            Flavour::Mysql => "the Performance Schema was turned off in the server's configuration",
        },
        Some("performance_schema = ON in the server's configuration file, then restart the server"),
        "a restart; memory for its tables (tens to hundreds of MB); up to 4 % of throughput with the default instruments, up to 10 % on small servers",
    )
}

/// The Performance Schema is on, and the account may not read it.
fn performance_schema_denied(flavour: Flavour, id: &str, what: &str) -> Missing {
    missing(
        flavour,
        id,
        what,
        "the monitoring account may not read the Performance Schema",
        Some("GRANT SELECT ON performance_schema.* TO 'godwit_watch'@'%'"),
        "none for the server; the account can then read normalised statements, and running ones with their values",
    )
}

/// Digests, because of the Performance Schema.
pub fn digests(flavour: Flavour, is_off: bool) -> Missing {
    let what = "statement statistics that count every execution";
    if is_off {
        performance_schema_off(flavour, "statements.performance_schema", what)
    } else {
        performance_schema_denied(flavour, "statements.right", what)
    }
}

/// Digests, because their consumer is off.
pub fn digest_consumer(flavour: Flavour) -> Missing {
    missing(
        flavour,
        "statements.consumer",
        "statement statistics that count every execution",
        "the consumer statements_digest (or global_instrumentation above it) is off",
        Some(
            "UPDATE performance_schema.setup_consumers SET ENABLED = 'YES' WHERE NAME IN ('global_instrumentation', 'thread_instrumentation', 'statements_digest')",
        ),
        "no restart; a few percent of throughput; gone at the next restart unless it stands in the configuration file",
    )
}

/// The slow log cannot stand in for digests.
pub fn slow_log(flavour: Flavour, why: &str) -> Missing {
    missing(
        flavour,
        "statements.slow_log",
        "slow statements, in place of digests",
        why,
        Some(
            "SET GLOBAL slow_query_log = ON, GLOBAL log_output = 'TABLE,FILE', GLOBAL long_query_time = 0.5; GRANT SELECT ON mysql.slow_log TO 'godwit_watch'@'%'",
        ),
        "disk for the table, which nobody shortens, and one write for each slow statement; the account can then read statements with their values. Godwit shows them without",
    )
}

/// Catalogue entries of tables.
pub fn tables(flavour: Flavour) -> Missing {
    missing(
        flavour,
        "indexes.catalogue",
        "tables, columns, indexes and foreign keys",
        "information_schema shows the monitoring account no tables, because it has no privilege on any; REFERENCES shows them and reads no row",
        Some("GRANT REFERENCES ON *.* TO 'godwit_watch'@'%'"),
        "none for the server; REFERENCES alone lets nobody read or change anything",
    )
}

/// Counters of index use.
pub fn index_use(flavour: Flavour, performance_schema: bool) -> Missing {
    let what = "how often indexes are used";
    match flavour {
        _ if performance_schema => performance_schema_denied(flavour, "indexes.use", what),
        Flavour::Mariadb => missing(
            flavour,
            "indexes.use",
            what,
            "the Performance Schema is off, and so is userstat",
            Some("SET GLOBAL userstat = ON"),
            "no restart; about one percent of throughput; gone at the next restart unless it stands in the configuration file. Godwit never flushes these counters",
        ),
        Flavour::Mysql => performance_schema_off(flavour, "indexes.use", what),
    }
}

/// Sizes of single indexes.
pub fn index_sizes(flavour: Flavour) -> Missing {
    missing(
        flavour,
        "indexes.sizes",
        "the size of each index and how many distinct values its columns have",
        "the monitoring account may not read mysql.innodb_index_stats",
        Some("GRANT SELECT ON mysql.innodb_index_stats TO 'godwit_watch'@'%'"),
        "none for the server; the table holds estimates, no values of rows",
    )
}

/// Replicas and their threads.
pub fn replica_status(flavour: Flavour) -> Missing {
    let enable = match flavour {
        Flavour::Mariadb => "GRANT SLAVE MONITOR ON *.* TO 'godwit_watch'@'%'",
        Flavour::Mysql => "GRANT REPLICATION CLIENT ON *.* TO 'godwit_watch'@'%'",
    };
    missing(
        flavour,
        "replication.status",
        "whom this server follows, its threads, their errors and its lag",
        "the monitoring account may not see it, or the server did not tell in time",
        Some(enable),
        FREE,
    )
}

/// Binary logs.
pub fn binary_logs(flavour: Flavour) -> Missing {
    let enable = match flavour {
        Flavour::Mariadb => "GRANT BINLOG MONITOR ON *.* TO 'godwit_watch'@'%'",
        Flavour::Mysql => "GRANT REPLICATION CLIENT ON *.* TO 'godwit_watch'@'%'",
    };
    missing(
        flavour,
        "replication.binary_logs",
        "which binary logs are kept and how large they are",
        "the monitoring account may not see them",
        Some(enable),
        FREE,
    )
}

/// How far the followers of this server are.
pub fn followers(flavour: Flavour) -> Missing {
    missing(
        flavour,
        "replication.followers",
        "how far the replicas of this server are behind",
        "a server of this kind does not know how far its replicas have come; only they do",
        None,
        "declare each replica as a store of its own, and Godwit reads it there",
    )
}

/// A part of the access audit. `grants` is the tool's own list of statements: they are too long to be repeated.
pub fn access(flavour: Flavour, id: &str, what: &str, why: &str) -> Missing {
    missing(
        flavour,
        &format!("access.{id}"),
        what,
        why,
        Some("the statements of `godwit grants STORE --role audit`, run by an administrator"),
        "none for the server; the account sees accounts, their rights and the definers of programs; no password hash and no row",
    )
}

/// Texts of programs.
pub fn code_texts(flavour: Flavour) -> Missing {
    missing(
        flavour,
        "access.code_text",
        "which tables views, routines, triggers and events work on",
        "godwit_audit.code_text is not there, or the monitoring account may not read it",
        Some("the optional statements of `godwit grants STORE --role audit`, run by an administrator"),
        "none for the server; the account can then read the texts of all programs, with whatever stands in them; Godwit keeps the names of tables only",
    )
}
