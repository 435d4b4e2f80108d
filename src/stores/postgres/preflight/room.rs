//! Room for the log that a slot keeps, and for the copy.

use crate::stores::postgres::address::Address;
use crate::stores::postgres::disk;
use crate::stores::postgres::preflight::findings::Findings;
use sqlx::postgres::PgConnection;

/// Less than this and a slot is cut before an operator has had breakfast, in bytes.
const LITTLE: i64 = 10 << 30;

/// Runs these checks.
pub async fn examine(
    connection: &mut PgConnection,
    address: &Address,
    findings: &mut Findings,
) -> Result<(), sqlx::Error> {
    let (limit_mb, keep_mb, database_bytes, idle_limit): (i64, i64, i64, Option<String>) = sqlx::query_as(
        "SELECT (SELECT setting::int8 FROM pg_settings WHERE name = 'max_slot_wal_keep_size'),
                (SELECT setting::int8 FROM pg_settings WHERE name = 'wal_keep_size'), pg_database_size(current_database()),
                current_setting('idle_replication_slot_timeout', true)",
    )
    .fetch_one(&mut *connection)
    .await?;
    let id = "pg.slot_wal_keep_size";
    if limit_mb < 0 {
        findings.warn(
            id,
            "",
            format!("max_slot_wal_keep_size is unlimited (wal_keep_size {keep_mb} MB): a pipeline that stands still fills the disk"),
            "watch the runway while a pipeline is paused; ALTER SYSTEM SET max_slot_wal_keep_size bounds it at the price of a new copy",
        );
    } else if limit_mb << 20 < LITTLE {
        findings.warn(
            id,
            "",
            format!("max_slot_wal_keep_size is {limit_mb} MB: a pipeline that falls further behind loses its slot and must copy again"),
            "ALTER SYSTEM SET max_slot_wal_keep_size = '50GB'; SELECT pg_reload_conf()",
        );
    } else {
        findings.pass(id, "", format!("max_slot_wal_keep_size is {limit_mb} MB"));
    }
    // New in 18: a slot that nobody reads for so long is invalidated.
    if let Some(limit) = idle_limit.filter(|limit| limit != "0") {
        findings.warn(
            "pg.idle_slot_timeout",
            "",
            format!("idle_replication_slot_timeout is {limit}: a pipeline that is paused for longer loses its slot"),
            "ALTER SYSTEM SET idle_replication_slot_timeout = 0; SELECT pg_reload_conf()",
        );
    }
    free_space(connection, address, database_bytes.unsigned_abs(), findings).await
}

/// What to have free, whoever looks at it.
const DISK_ADVICE: &str = "the target needs the tables' size 1.5 times on its data volume, the source room for the log of the copy on its WAL volume: look with df";

/// Free room. SQL does not show it; where the server runs on this machine, its file system does.
async fn free_space(
    connection: &mut PgConnection,
    address: &Address,
    database_bytes: u64,
    findings: &mut Findings,
) -> Result<(), sqlx::Error> {
    let id = "pg.disk";
    let has = format!("this database has {} MB", database_bytes >> 20);
    if !address.is_local() {
        findings.unknown(
            id,
            "",
            format!("the server is on another machine, and SQL does not show free disk space; {has}"),
            DISK_ADVICE,
        );
        return Ok(());
    }
    let (directory,): (Option<String>,) =
        sqlx::query_as("SELECT (SELECT setting FROM pg_settings WHERE name = 'data_directory')")
            .fetch_one(connection)
            .await?;
    let Some(directory) = directory else {
        let why = format!("this login may not see data_directory (it needs pg_read_all_settings); {has}");
        findings.unknown(id, "", why, DISK_ADVICE);
        return Ok(());
    };
    match disk::of(&directory, address.port).map(|disk| disk.free) {
        Err(why) => findings.unknown(id, "", format!("{why}; {has}"), DISK_ADVICE),
        // Half the database is a guess at what a copy writes to the log or to a target; less than that is surely a risk.
        Ok(free) => {
            let evidence = format!("{} MB are free in {directory}; {has}", free >> 20);
            if free >= database_bytes / 2 {
                findings.pass(id, "", evidence);
            } else {
                findings.warn(id, "", evidence, DISK_ADVICE);
            }
        }
    }
    Ok(())
}
