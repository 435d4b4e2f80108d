//! Version, log level, slots, senders, encoding: what the server as a whole must offer.

use crate::stores::Side;
use crate::stores::postgres::preflight::findings::Findings;
use sqlx::postgres::PgConnection;

/// The oldest version that Godwit knows.
const OLDEST: i32 = 140_000;

#[derive(sqlx::FromRow)]
struct Server {
    number: i32,
    version: String,
    in_recovery: bool,
    wal_level: String,
    slots_max: i32,
    slots: i64,
    senders_max: i32,
    senders: i64,
    plugins: Option<String>,
    encoding: String,
    locale: String,
    read_only: String,
    large_objects: i64,
    event_triggers: Option<String>,
    own_slots: Option<String>,
}

const SERVER: &str = "
    SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version, pg_is_in_recovery() AS in_recovery,
           current_setting('wal_level') AS wal_level, current_setting('max_replication_slots')::int AS slots_max,
           (SELECT count(*) FROM pg_replication_slots) AS slots, current_setting('max_wal_senders')::int AS senders_max,
           (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender') AS senders,
           current_setting('output_plugin_libraries', true) AS plugins, current_setting('server_encoding') AS encoding,
           (SELECT datcollate || ' / ' || datctype FROM pg_database WHERE datname = current_database()) AS locale,
           (SELECT reset_val FROM pg_settings WHERE name = 'default_transaction_read_only') AS read_only,
           (SELECT count(*) FROM pg_largeobject_metadata) AS large_objects,
           (SELECT string_agg(evtname, ', ' ORDER BY evtname) FROM pg_event_trigger WHERE evtenabled <> 'D') AS event_triggers,
           (SELECT string_agg(slot_name, ', ' ORDER BY slot_name) FROM pg_replication_slots
             WHERE slot_name LIKE 'godwit\\_%' AND database = current_database()) AS own_slots";

/// Runs these checks.
pub async fn examine(connection: &mut PgConnection, side: Side, findings: &mut Findings) -> Result<(), sqlx::Error> {
    let server: Server = sqlx::query_as(SERVER).fetch_one(connection).await?;
    // The target captures, too, as soon as the way back is set up, and that is checked before the way forward is offered.
    let why = match side {
        Side::Source => "changes are captured from here",
        Side::Target => "the way back captures changes from here",
    };
    findings.require(
        server.number >= OLDEST,
        "pg.version",
        "",
        format!("version {}, at least 14 is needed", server.version),
        "upgrade the server",
    );
    findings.require(
        !server.in_recovery,
        "pg.primary",
        "",
        if server.in_recovery { "this is a standby" } else { "this is a primary" },
        "use the primary's address: a standby can neither be written nor frozen",
    );
    if server.read_only == "on" {
        findings.warn(
            "pg.read_only",
            "",
            "default_transaction_read_only is on for this login; Godwit turns it off in its sessions",
            "ask why it is on before writing here",
        );
    } else {
        findings.pass("pg.read_only", "", "transactions may write by default");
    }
    findings.require(
        server.wal_level == "logical",
        "pg.wal_level",
        "",
        format!("wal_level is {}; {why}, which needs logical", server.wal_level),
        "ALTER SYSTEM SET wal_level = logical; then restart the server",
    );
    room_for(findings, "pg.replication_slots", "max_replication_slots", server.slots_max, server.slots, why);
    room_for(findings, "pg.wal_senders", "max_wal_senders", server.senders_max, server.senders, why);
    plugins(findings, server.plugins.as_deref());
    encoding(findings, &server);
    leftovers(findings, side, &server);
    Ok(())
}

fn room_for(findings: &mut Findings, id: &str, setting: &str, most: i32, used: i64, why: &str) {
    let free = i64::from(most) - used;
    findings.require(
        free > 0,
        id,
        "",
        format!("{free} of {setting} = {most} are free; {why}, one for each pipeline"),
        format!("ALTER SYSTEM SET {setting} = {}; then restart the server", most + 4),
    );
}

/// Some builds let only listed output plug-ins be loaded.
fn plugins(findings: &mut Findings, list: Option<&str>) {
    let id = "pg.output_plugin";
    match list {
        None => findings.pass(id, "", "this server does not restrict output plug-ins"),
        Some(list) => findings.require(
            list.split(',').any(|name| name.trim() == "pgoutput"),
            id,
            "",
            format!("output_plugin_libraries allows: {list}"),
            format!("ALTER SYSTEM SET output_plugin_libraries = pgoutput, {list}; SELECT pg_reload_conf()"),
        ),
    }
}

fn encoding(findings: &mut Findings, server: &Server) {
    // The other side has the same check: a difference between the two shows side by side.
    let evidence = format!("encoding {}, collation and character type {}", server.encoding, server.locale);
    findings.require(
        server.encoding != "SQL_ASCII",
        "pg.encoding",
        "",
        evidence,
        "SQL_ASCII holds bytes of unknown encoding: dump, convert and reload the database in UTF8 first",
    );
}

fn leftovers(findings: &mut Findings, side: Side, server: &Server) {
    if server.large_objects > 0 && side == Side::Source {
        findings.warn(
            "pg.large_objects",
            "",
            format!(
                "{} large objects; the log does not carry them and Godwit does not move them",
                server.large_objects
            ),
            "move their content into bytea columns, or copy them by hand while writers are stopped",
        );
    } else {
        findings.pass("pg.large_objects", "", format!("{} large objects", server.large_objects));
    }
    match &server.event_triggers {
        None => findings.pass("pg.event_triggers", "", "no event trigger is enabled"),
        Some(names) => findings.warn(
            "pg.event_triggers",
            "",
            format!("enabled: {names}; they fire on the statements of the build and of the fence"),
            "see what they do, or run ALTER EVENT TRIGGER name DISABLE for the time of the migration",
        ),
    }
    match &server.own_slots {
        None => findings.pass("pg.own_slots", "", "no slot of Godwit's exists in this database"),
        Some(names) => findings.warn(
            "pg.own_slots",
            "",
            format!("slots of Godwit's exist here: {names}"),
            "if no migration uses them any more: SELECT pg_drop_replication_slot('NAME'), because they keep the log for ever",
        ),
    }
}
