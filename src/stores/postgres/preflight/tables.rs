//! The tables themselves: kinds, keys, types, what hides or changes rows on the way.

use crate::model::table::{RowIdentity, TableName};
use crate::stores::Side;
use crate::stores::postgres::inventory::row_identity;
use crate::stores::postgres::preflight::findings::Findings;
use crate::stores::postgres::quote;
use crate::stores::postgres::relation::{name_arrays, schema_of};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

#[derive(sqlx::FromRow)]
struct TableRow {
    schema: String,
    name: String,
    kind: Option<String>,
    persistence: Option<String>,
    is_partition: Option<bool>,
    inherits: bool,
    identity: Option<String>,
    primary_key: Option<Vec<String>>,
    identity_index: Option<Vec<String>>,
    hides_rows: bool,
    generated: Option<String>,
    awkward: Option<String>,
    extensions: Option<String>,
    always_triggers: Option<String>,
    bare_partitions: Option<String>,
}

const TABLES: &str = "
    SELECT want.schema, want.name, c.relkind::text AS kind, c.relpersistence::text AS persistence, c.relispartition AS is_partition,
           EXISTS (SELECT FROM pg_inherits i WHERE (i.inhrelid = c.oid AND NOT c.relispartition) OR (i.inhparent = c.oid AND c.relkind = 'r')) AS inherits,
           c.relreplident::text AS identity, pk.columns AS primary_key, ri.columns AS identity_index,
           coalesce(row_security_active(c.oid), false) AS hides_rows,
           (SELECT string_agg(a.attname, ', ' ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attgenerated <> '') AS generated,
           (SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum) FROM pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
               AND a.atttypid::regtype::text IN ('oid', 'lo', 'xid', 'xid8', 'cid', 'tid', 'pg_lsn', 'pg_snapshot', 'txid_snapshot', 'regclass', 'regproc',
                   'regprocedure', 'regoper', 'regoperator', 'regtype', 'regrole', 'regnamespace', 'regconfig', 'regdictionary', 'regcollation')) AS awkward,
           (SELECT string_agg(DISTINCT x.extname, ', ') FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
              JOIN pg_depend e ON e.classid = 'pg_type'::regclass AND e.objid IN (t.oid, t.typelem, t.typbasetype) AND e.deptype = 'e'
              JOIN pg_extension x ON x.oid = e.refobjid WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS extensions,
           (SELECT string_agg(tgname, ', ') FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal AND tgenabled IN ('A', 'R')) AS always_triggers,
           (SELECT string_agg(p.relid::text, ', ') FROM pg_partition_tree(c.oid) p JOIN pg_class l ON l.oid = p.relid
             WHERE p.isleaf AND p.level > 0 AND (l.relkind <> 'r' OR l.relreplident = 'n')) AS bare_partitions
      FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS want (schema, name, n)
      LEFT JOIN (pg_namespace ns JOIN pg_class c ON c.relnamespace = ns.oid AND c.relkind IN ('r', 'p', 'f', 'v', 'm'))
        ON ns.nspname = want.schema AND c.relname = want.name
      LEFT JOIN LATERAL (SELECT array_agg(a.attname::text ORDER BY k.n) AS columns FROM pg_index i
           CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, n) JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
          WHERE i.indrelid = c.oid AND i.indisvalid AND i.indisprimary AND i.indimmediate AND k.n <= i.indnkeyatts) AS pk ON true
      LEFT JOIN LATERAL (SELECT array_agg(a.attname::text ORDER BY k.n) AS columns FROM pg_index i
           CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, n) JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
          WHERE i.indrelid = c.oid AND i.indisvalid AND i.indisreplident AND k.n <= i.indnkeyatts) AS ri ON true
     ORDER BY want.n";

/// Runs these checks.
pub async fn examine(
    connection: &mut PgConnection,
    side: Side,
    names: &[TableName],
    findings: &mut Findings,
) -> Result<(), sqlx::Error> {
    let (schemas, tables) = name_arrays(names);
    let rows: Vec<TableRow> = sqlx::query_as(TABLES).bind(schemas).bind(tables).fetch_all(&mut *connection).await?;
    let mut present = Vec::new();
    for row in &rows {
        let table = TableName::in_schema(&row.schema, &row.name);
        if row.kind.is_some() {
            kind(findings, row, &table);
            identity(findings, row, &table);
            contents(findings, row, &table, side);
            present.push(table);
        } else if side == Side::Source {
            findings.fail("pg.table", &table.to_string(), "there is no such table", "correct the name in the profile");
        } else {
            findings.pass("pg.table", &table.to_string(), "it is not there yet and will be built");
        }
    }
    if side == Side::Target {
        emptiness(connection, &present, findings).await?;
    }
    extensions(connection, side, &rows, findings).await
}

fn kind(findings: &mut Findings, row: &TableRow, table: &TableName) {
    let subject = table.to_string();
    let problem = match (row.kind.as_deref(), row.persistence.as_deref()) {
        (Some("f"), _) => Some("it is a foreign table: its rows live on another server"),
        (Some("v" | "m"), _) => Some("it is a view"),
        (_, Some("t")) => Some("it is temporary"),
        (_, Some("u")) => Some("it is unlogged: the log does not carry its changes"),
        _ if row.is_partition == Some(true) => Some("it is a partition: name its root"),
        _ if row.inherits => Some("it takes part in inheritance, which is not supported"),
        _ => None,
    };
    match problem {
        None => findings.pass("pg.table", &subject, "an ordinary or partitioned table"),
        Some(problem) => {
            let fix = match row.persistence.as_deref() {
                Some("u") => format!("ALTER TABLE {} SET LOGGED", quote::table(table)),
                _ => "leave it out of the pipeline, or turn it into an ordinary or partitioned table".to_owned(),
            };
            findings.fail("pg.table", &subject, problem, fix);
        }
    }
    match &row.bare_partitions {
        Some(partitions) if row.kind.as_deref() == Some("p") => findings.fail(
            "pg.partitions",
            &subject,
            format!("partitions without a replica identity, or foreign ones: {partitions}"),
            "ALTER TABLE partition REPLICA IDENTITY DEFAULT for each; a foreign one must be moved by itself",
        ),
        _ => {}
    }
}

fn identity(findings: &mut Findings, row: &TableRow, table: &TableName) {
    let id = "pg.replica_identity";
    let subject = table.to_string();
    let setting = row.identity.as_deref().unwrap_or("d");
    let quoted = quote::table(table);
    match row_identity(setting, row.primary_key.clone(), row.identity_index.clone()) {
        RowIdentity::Key(key) if setting == "f" => findings.warn(
            id,
            &subject,
            format!(
                "REPLICA IDENTITY FULL beside the key ({}): every change writes the whole old row to the log",
                key.join(", ")
            ),
            format!("ALTER TABLE {quoted} REPLICA IDENTITY DEFAULT, unless another consumer needs it"),
        ),
        RowIdentity::Key(key) => findings.pass(id, &subject, format!("rows are known by ({})", key.join(", "))),
        RowIdentity::FullRow => findings.warn(
            id,
            &subject,
            "no primary key: every changed row is searched for by all its columns, and equal rows cannot be told apart",
            format!("ALTER TABLE {quoted} ADD PRIMARY KEY (...)"),
        ),
        // A new setting counts only for what is written from then on (K06), so it must be there before the capture begins.
        RowIdentity::Missing => findings.fail(
            id,
            &subject,
            "the log does not say which row an UPDATE or DELETE changed",
            match (&row.primary_key, setting) {
                (Some(_), _) => format!("ALTER TABLE {quoted} REPLICA IDENTITY DEFAULT"),
                (None, _) => {
                    format!("ALTER TABLE {quoted} ADD PRIMARY KEY (...), or ALTER TABLE {quoted} REPLICA IDENTITY FULL")
                }
            },
        ),
    }
}

fn contents(findings: &mut Findings, row: &TableRow, table: &TableName, side: Side) {
    let subject = table.to_string();
    findings.require(
        !row.hides_rows,
        "pg.row_security",
        &subject,
        if row.hides_rows {
            "row-level security would hide rows from the copy"
        } else {
            "row-level security does not apply to this login"
        },
        "ALTER ROLE CURRENT_USER BYPASSRLS",
    );
    if let Some(columns) = &row.generated {
        findings.pass("pg.generated", &subject, format!("computed by the server on both sides: {columns}"));
    }
    match &row.awkward {
        None => findings.pass("pg.types", &subject, "no type that means something on its own server only"),
        Some(columns) => findings.warn(
            "pg.types",
            &subject,
            format!("values that mean something on their own server only: {columns}"),
            "leave these columns out, or make sure that the numbers and names mean the same on the target",
        ),
    }
    if let (Some(triggers), Side::Target) = (&row.always_triggers, side) {
        findings.warn(
            "pg.triggers",
            &subject,
            format!("these fire for Godwit's writes, too: {triggers}"),
            format!(
                "ALTER TABLE {} ENABLE TRIGGER name, which does not fire for replicated changes",
                quote::table(table)
            ),
        );
    }
}

/// A target that holds rows already: what was there before is never touched, so nothing may be there.
async fn emptiness(
    connection: &mut PgConnection,
    tables: &[TableName],
    findings: &mut Findings,
) -> Result<(), sqlx::Error> {
    let (ours,): (bool,) =
        sqlx::query_as("SELECT to_regclass('godwit.checkpoint') IS NOT NULL").fetch_one(&mut *connection).await?;
    for table in tables {
        let sql = format!("SELECT EXISTS (SELECT FROM {})", quote::table(table));
        let subject = table.to_string();
        match sqlx::query_as::<_, (bool,)>(AssertSqlSafe(sql)).fetch_one(&mut *connection).await {
            Ok((false,)) => findings.pass("pg.target_empty", &subject, "the table is there and empty"),
            Ok((true,)) if ours => findings.warn(
                "pg.target_empty",
                &subject,
                "the table holds rows; Godwit has checkpoints in this database, so they may be its own copy",
                "nothing, if this migration copied them",
            ),
            Ok((true,)) => findings.fail(
                "pg.target_empty",
                &subject,
                "the table holds rows that Godwit did not write",
                format!("map to another table, or, if nobody needs them: TRUNCATE {}", quote::table(table)),
            ),
            Err(error) => findings.unknown("pg.target_empty", &subject, error.to_string(), "grant SELECT on it"),
        }
    }
    Ok(())
}

/// What the tables' types come from, and what a target could install.
async fn extensions(
    connection: &mut PgConnection,
    side: Side,
    rows: &[TableRow],
    findings: &mut Findings,
) -> Result<(), sqlx::Error> {
    let id = "pg.extensions";
    match side {
        Side::Source => {
            for row in rows {
                let Some(names) = &row.extensions else { continue };
                let subject = format!("{}.{}", schema_of(&TableName::in_schema(&row.schema, &row.name)), row.name);
                let fix = "the target needs them, too: see pg.extensions of the target store";
                findings.warn(id, &subject, format!("types of these extensions are used: {names}"), fix);
            }
        }
        Side::Target => {
            let (installed, available): (Option<String>, Option<String>) = sqlx::query_as(
                "SELECT string_agg(name, ', ' ORDER BY name) FILTER (WHERE installed_version IS NOT NULL),
                        string_agg(name, ', ' ORDER BY name) FILTER (WHERE installed_version IS NULL) FROM pg_available_extensions",
            )
            .fetch_one(connection)
            .await?;
            let text = |names: Option<String>| names.unwrap_or_else(|| "none".to_owned());
            findings.pass(id, "", format!("installed: {}; can be installed: {}", text(installed), text(available)));
        }
    }
    Ok(())
}
