//! Change capture by logical decoding: a publication and a slot of the `pgoutput` plugin.
//!
//! Both are named `godwit_NAME` after [`CaptureSpec::name`]. The publication carries no column lists: a list that does not cover the
//! replica identity makes the *source's own* UPDATEs fail as soon as somebody sets `REPLICA IDENTITY FULL`, and version 14 has none.
//! Columns that the mapping leaves out are dropped here instead; which ones they were when the capture was made is kept in the
//! publication's comment, so that a column that is added later is told from one that was left out on purpose.

use crate::model::change::Position;
use crate::model::schema_change::SchemaChange;
use crate::model::table::TableMap;
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::postgres::columns::array_literal;
use crate::stores::postgres::differences::{self, Remembered};
use crate::stores::postgres::shape::TypeNames;
use crate::stores::postgres::slot::{self, Slot};
use crate::stores::postgres::snapshot::PgSnapshot;
use crate::stores::postgres::stream::PgChangeStream;
use crate::stores::postgres::wire::connection::Connection;
use crate::stores::postgres::wire::failure::{Failure, Outcome};
use crate::stores::postgres::wire::link::Link;
use crate::stores::postgres::{lsn, quote};
use crate::stores::{Capture, CaptureOrigin, CaptureSpec, ChangeStream, Result, Retention, Snapshot, StoreError};
use async_trait::async_trait;

/// Prefix of the messages in the log that are markers for us.
pub const MARKER_PREFIX: &str = "godwit";

/// Name of the slot, the publication and the replication origin behind a capture's or an applier's name.
pub fn object_name(name: &str) -> String {
    format!("godwit_{name}")
}

/// Change capture on one server.
#[derive(Clone, Debug)]
pub struct PgCapture {
    link: Link,
}

impl PgCapture {
    /// For the server behind `link`.
    pub fn new(link: Link) -> Self {
        Self { link }
    }

    fn failed(&self, operation: Operation, spec: &CaptureSpec) -> impl Fn(Failure) -> StoreError {
        let subject = object_name(&spec.name);
        move |failure| failure.at(&self.link.options.id, operation).about(subject.as_str())
    }

    fn lost(&self, spec: &CaptureSpec, why: String) -> StoreError {
        self.link.error(Operation::Capture, ErrorKind::LogLost, why).about(object_name(&spec.name))
    }

    /// Fails when a slot or publication of this name is there already, or when publishing would break the source's own writes.
    async fn check_free(&self, connection: &mut Connection, spec: &CaptureSpec) -> Result<()> {
        let failed = self.failed(Operation::Prepare, spec);
        let name = object_name(&spec.name);
        let taken = "SELECT 'slot ' || slot_name FROM pg_replication_slots WHERE slot_name = $1
                     UNION ALL SELECT 'publication ' || pubname FROM pg_publication WHERE pubname = $1";
        let answer = connection.query_with(taken, &[Some(&name)]).await.map_err(&failed)?;
        if let Some(Some(what)) = answer.rows.first().and_then(|row| row.first()) {
            let message = format!("{what} exists already: another migration of this name, or the rest of one");
            return Err(self.link.error(Operation::Prepare, ErrorKind::Exists, message).about(name));
        }
        let answer =
            connection.query_with(WITHOUT_IDENTITY, &[Some(&self.table_array(spec))]).await.map_err(&failed)?;
        if let Some(Some(table)) = answer.rows.first().and_then(|row| row.first()) {
            let message = format!(
                "{table} has no replica identity: publishing it would make its UPDATEs and DELETEs fail; add a primary key, or run \
                 ALTER TABLE {table} REPLICA IDENTITY FULL"
            );
            return Err(self.link.error(Operation::Prepare, ErrorKind::Rejected, message).about(table.as_str()));
        }
        Ok(())
    }

    fn no_publication(&self, spec: &CaptureSpec) -> StoreError {
        let name = object_name(&spec.name);
        self.lost(spec, format!("publication {name} does not exist: changes made since it was dropped cannot be read"))
    }

    fn table_array(&self, spec: &CaptureSpec) -> String {
        let names: Vec<String> = spec.tables.iter().map(|map| quote::table(&map.source)).collect();
        array_literal(&names.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Writes down what is remembered of the tables.
    fn comment(&self, spec: &CaptureSpec, remembered: &[Remembered]) -> String {
        let by_table = |value: fn(&Remembered) -> serde_json::Value| -> serde_json::Map<String, serde_json::Value> {
            spec.tables.iter().zip(remembered).map(|(map, known)| (map.source.to_string(), value(known))).collect()
        };
        let comment = serde_json::json!({
            "godwit": 1,
            "left_out": by_table(|known| serde_json::json!(known.left_out)),
            "numbers": by_table(|known| serde_json::json!(known.numbers)),
        });
        let name = quote::ident(&object_name(&spec.name));
        format!("COMMENT ON PUBLICATION {name} IS {}", quote::literal(&comment.to_string()))
    }

    /// The tables' columns as they are now, by table index: what is mapped with its number, and what is not.
    async fn read_columns(&self, connection: &mut Connection, spec: &CaptureSpec) -> Outcome<Vec<Remembered>> {
        let sql = "SELECT root.n, a.attname, a.attnum FROM unnest($1::text[]) WITH ORDINALITY AS root (name, n)
                     JOIN pg_attribute a ON a.attrelid = root.name::regclass
                    WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY 1, a.attnum";
        let answer = connection.query_with(sql, &[Some(&self.table_array(spec))]).await?;
        let mut tables = vec![Remembered::default(); spec.tables.len()];
        for row in answer.rows {
            let [Some(n), Some(column), Some(number)] = &row[..] else { continue };
            let Some(at) = n.parse::<usize>().ok().and_then(|n| n.checked_sub(1)) else { continue };
            let (Some(map), Some(known), Ok(number)) = (spec.tables.get(at), tables.get_mut(at), number.parse()) else {
                continue;
            };
            if map.columns.iter().any(|c| c.source == *column) {
                known.numbers.insert(column.clone(), number);
            } else {
                known.left_out.push(column.clone());
            }
        }
        Ok(tables)
    }

    async fn create_publication(&self, connection: &mut Connection, spec: &CaptureSpec) -> Result<()> {
        let failed = self.failed(Operation::Prepare, spec);
        let comment = self.comment(spec, &self.read_columns(connection, spec).await.map_err(&failed)?);
        // One simple query is one transaction: a publication of ours never exists without its comment.
        connection.query(&format!("{}; {comment}", publication(spec))).await.map(|_| ()).map_err(&failed)
    }

    /// Reads the publication's comment back; `None` when the publication is gone.
    async fn remembered(&self, connection: &mut Connection, spec: &CaptureSpec) -> Outcome<Option<Vec<Remembered>>> {
        let sql = "SELECT obj_description(oid, 'pg_publication') AS comment FROM pg_publication WHERE pubname = $1";
        let answer = connection.query_with(sql, &[Some(&object_name(&spec.name))]).await?;
        if answer.rows.is_empty() {
            return Ok(None);
        }
        let comment: serde_json::Value =
            answer.value("comment").and_then(|c| serde_json::from_str(c).ok()).unwrap_or_default();
        let table = |map: &TableMap| {
            let name = map.source.to_string();
            Remembered {
                left_out: serde_json::from_value(comment["left_out"][&name].clone()).unwrap_or_default(),
                numbers: serde_json::from_value(comment["numbers"][&name].clone()).unwrap_or_default(),
            }
        };
        Ok(Some(spec.tables.iter().map(table).collect()))
    }

    /// Fails when a mapped table is no longer published: a table that was dropped and made anew is another one to the server, and its
    /// changes would be missing without a word.
    async fn check_published(&self, connection: &mut Connection, spec: &CaptureSpec) -> Result<()> {
        let sql = "SELECT name FROM unnest($2::text[]) AS root (name)
                    WHERE NOT EXISTS (SELECT FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
                                       WHERE p.pubname = $1 AND r.prrelid = to_regclass(name))";
        let parameters = [Some(object_name(&spec.name)), Some(self.table_array(spec))];
        let answer = connection.query_with(sql, &parameters.each_ref().map(Option::as_deref)).await;
        let answer = answer.map_err(self.failed(Operation::Capture, spec))?;
        let Some(Some(table)) = answer.rows.first().and_then(|row| row.first()) else { return Ok(()) };
        let message = format!(
            "{table} is no longer published: it was dropped, renamed or made anew, or taken out of the publication"
        );
        Err(self.link.error(Operation::Capture, ErrorKind::SchemaChanged, message).about(table.as_str()))
    }

    /// Creates a slot on a walsender of its own. Returns where it starts, the name of the exported snapshot, and the session, which keeps
    /// the snapshot alive until its next command.
    async fn create_slot(
        &self,
        spec: &CaptureSpec,
        name: &str,
        temporary: bool,
        export: bool,
    ) -> Result<(Position, String, Connection)> {
        // Waits until every transaction that is running now has ended, however long that takes: the caller bounds it.
        let mut walsender = self.link.replication(Operation::Prepare).await?;
        let kind = if temporary { "TEMPORARY LOGICAL" } else { "LOGICAL" };
        let snapshot = if export { "EXPORT_SNAPSHOT" } else { "NOEXPORT_SNAPSHOT" };
        let sql = format!("CREATE_REPLICATION_SLOT {} {kind} pgoutput {snapshot}", quote::ident(name));
        let answer = walsender.query(&sql).await.map_err(self.failed(Operation::Prepare, spec))?;
        let position = lsn::from_server(&self.link, Operation::Prepare, answer.value("consistent_point"))?;
        Ok((position, answer.value("snapshot_name").unwrap_or_default().to_owned(), walsender))
    }

    async fn origin(&self, position: Position) -> Result<CaptureOrigin> {
        let mut connection = self.link.statements(Operation::Prepare).await?;
        let server_identity =
            self.link.identity(&mut connection).await.map_err(|f| f.at(&self.link.options.id, Operation::Prepare))?;
        Ok(CaptureOrigin { server_identity, position })
    }

    async fn make(&self, spec: &CaptureSpec, snapshot: bool) -> Result<(CaptureOrigin, Option<Box<dyn Snapshot>>)> {
        let (position, exported, walsender) = self.create_slot(spec, &object_name(&spec.name), false, snapshot).await?;
        let held: Option<Box<dyn Snapshot>> =
            if snapshot { Some(Box::new(PgSnapshot::hold(&self.link, &spec.tables, &exported).await?)) } else { None };
        drop(walsender);
        Ok((self.origin(position).await?, held))
    }
}

/// Tables, leaf partitions included, whose UPDATEs would fail once they are published.
const WITHOUT_IDENTITY: &str = "
    SELECT c.oid::regclass
      FROM unnest($1::text[]) AS root (name)
      CROSS JOIN LATERAL (SELECT root.name::regclass AS oid UNION SELECT relid FROM pg_partition_tree(root.name::regclass)) AS part
      JOIN pg_class c ON c.oid = part.oid AND c.relkind = 'r'
     WHERE c.relreplident = 'n'
        OR c.relreplident = 'd' AND NOT EXISTS (
             SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indimmediate AND i.indisvalid)
     LIMIT 1";

fn publication(spec: &CaptureSpec) -> String {
    // ONLY leaves inheritance children out, which are tables of their own; partitions are always in.
    let tables: Vec<String> = spec.tables.iter().map(|map| format!("ONLY {}", quote::table(&map.source))).collect();
    format!(
        "CREATE PUBLICATION {} FOR TABLE {} WITH (publish = 'insert, update, delete, truncate', publish_via_partition_root = true)",
        quote::ident(&object_name(&spec.name)),
        tables.join(", ")
    )
}

/// The spellings of types, as the inventory writes them. A type that is gone is left out.
pub async fn type_names(connection: &mut Connection, pairs: &[(u32, i32)]) -> Outcome<TypeNames> {
    let oids: Vec<String> = pairs.iter().map(|(oid, _)| oid.to_string()).collect();
    let modifiers: Vec<String> = pairs.iter().map(|(_, modifier)| modifier.to_string()).collect();
    let sql = "SELECT p.oid, p.modifier, format_type(p.oid::oid, p.modifier)
                 FROM unnest($1::int8[], $2::int4[]) AS p (oid, modifier) JOIN pg_type t ON t.oid = p.oid::oid";
    let arrays = [format!("{{{}}}", oids.join(",")), format!("{{{}}}", modifiers.join(","))];
    let answer = connection.query_with(sql, &[Some(&arrays[0]), Some(&arrays[1])]).await?;
    Ok(answer
        .rows
        .into_iter()
        .filter_map(|row| {
            let [oid, modifier, name] = <[Option<String>; 3]>::try_from(row).ok()?;
            Some(((oid?.parse().ok()?, modifier?.parse().ok()?), name?))
        })
        .collect())
}

#[async_trait]
impl Capture for PgCapture {
    async fn statements(&self, spec: &CaptureSpec) -> Result<Vec<(String, String)>> {
        let name = object_name(&spec.name);
        Ok(vec![
            (publication(spec), format!("DROP PUBLICATION IF EXISTS {}", quote::ident(&name))),
            (
                format!("CREATE_REPLICATION_SLOT {} LOGICAL pgoutput EXPORT_SNAPSHOT", quote::ident(&name)),
                format!("SELECT pg_drop_replication_slot({})", quote::literal(&name)),
            ),
        ])
    }

    async fn prepare(&self, spec: &CaptureSpec, snapshot: bool) -> Result<(CaptureOrigin, Option<Box<dyn Snapshot>>)> {
        let mut connection = self.link.statements(Operation::Prepare).await?;
        self.check_free(&mut connection, spec).await?;
        // The publication comes first: decoding looks it up as of each change, and a slot that is older than it could never be read.
        self.create_publication(&mut connection, spec).await?;
        drop(connection);
        match self.make(spec, snapshot).await {
            Ok(made) => Ok(made),
            Err(error) => {
                // What was made for nothing goes again; the first error is the one that says why.
                if let Err(left) = self.drop_capture(spec).await {
                    tracing::warn!(error = %left, "a capture that could not be set up was not removed either");
                }
                Err(error)
            }
        }
    }

    /// A temporary slot gives a snapshot at an exactly known position: it is made, its snapshot is taken over, and it vanishes with its
    /// session. The capture's own slot is not touched. (`pg_export_snapshot()` and a log position read apart would differ by whatever
    /// commits between them.)
    async fn snapshot(&self, spec: &CaptureSpec) -> Result<(CaptureOrigin, Box<dyn Snapshot>)> {
        let name = format!("{}_tmp", object_name(&spec.name));
        // A dead engine's session may still have one of this name; it goes with the session.
        let mut connection = self.link.statements(Operation::Prepare).await?;
        slot::release(&self.link, &mut connection, &name, Operation::Prepare).await?;
        drop(connection);
        let (position, exported, walsender) = self.create_slot(spec, &name, true, true).await?;
        let snapshot = PgSnapshot::hold(&self.link, &spec.tables, &exported).await?;
        drop(walsender);
        Ok((self.origin(position).await?, Box::new(snapshot)))
    }

    async fn stream(&self, spec: &CaptureSpec, from: Position) -> Result<Box<dyn ChangeStream>> {
        let failed = self.failed(Operation::Capture, spec);
        let name = object_name(&spec.name);
        let start = lsn::number(&self.link, Operation::Capture, from)?;
        let mut connection = self.link.statements(Operation::Capture).await?;
        match slot::release(&self.link, &mut connection, &name, Operation::Capture).await? {
            None => return Err(self.lost(spec, slot::missing(&name))),
            Some(slot) => {
                if let Some(why) = slot.lost(Some(from)) {
                    return Err(self.lost(spec, why));
                }
            }
        }
        let remembered = self.remembered(&mut connection, spec).await.map_err(&failed)?;
        let remembered = remembered.ok_or_else(|| self.no_publication(spec))?;
        let left_out = remembered.into_iter().map(|known| known.left_out).collect();
        self.check_published(&mut connection, spec).await?;
        let sql = "SELECT a.atttypid, a.atttypmod FROM unnest($1::text[]) AS root (name)
                     JOIN pg_attribute a ON a.attrelid = to_regclass(root.name) WHERE a.attnum > 0 AND NOT a.attisdropped";
        let answer = connection.query_with(sql, &[Some(&self.table_array(spec))]).await.map_err(&failed)?;
        let pair = |row: &Vec<Option<String>>| {
            let number = |at: usize| row.get(at).and_then(Option::as_deref);
            Some((number(0)?.parse().ok()?, number(1)?.parse().ok()?))
        };
        let pairs: Vec<(u32, i32)> = answer.rows.iter().filter_map(pair).collect();
        let types = type_names(&mut connection, &pairs).await.map_err(&failed)?;
        drop(connection);
        let command = format!(
            "START_REPLICATION SLOT {} LOGICAL {from} (proto_version '1', publication_names {}, messages 'true')",
            quote::ident(&name),
            quote::literal(&quote::ident(&name))
        );
        let walsender = self.link.replication(Operation::Capture).await?;
        let stream = walsender.start_replication(&command).await.map_err(&failed)?;
        Ok(Box::new(PgChangeStream::new(self.link.clone(), spec.clone(), stream, left_out, types, start)))
    }

    async fn retention(&self, spec: &CaptureSpec) -> Result<Retention> {
        let name = object_name(&spec.name);
        let mut connection = self.link.statements(Operation::Inspect).await?;
        let slot = Slot::find(&mut connection, &name).await.map_err(self.failed(Operation::Inspect, spec))?;
        let slot = slot.ok_or_else(|| self.lost(spec, slot::missing(&name)))?;
        if let Some(why) = slot.lost(None) {
            return Err(self.lost(spec, why));
        }
        self.check_published(&mut connection, spec).await?;
        Ok(slot.retention())
    }

    async fn probe_marker(&self, spec: &CaptureSpec, token: &str) -> Result<Position> {
        let mut connection = self.link.statements(Operation::Capture).await?;
        // Transactional on purpose: its commit flushes the log at once, where a plain message waits for the next flush of somebody else
        // (up to three times wal_writer_delay, 600 ms), and a walsender sends only what is flushed.
        let sql = "SELECT pg_logical_emit_message(true, $1, $2) AS lsn";
        let answer = connection.query_with(sql, &[Some(MARKER_PREFIX), Some(token)]).await;
        let answer = answer.map_err(self.failed(Operation::Capture, spec))?;
        lsn::from_server(&self.link, Operation::Capture, answer.value("lsn"))
    }

    async fn differences(&self, spec: &CaptureSpec) -> Result<Vec<SchemaChange>> {
        let failed = self.failed(Operation::Capture, spec);
        let mut connection = self.link.statements(Operation::Capture).await?;
        let remembered = self.remembered(&mut connection, spec).await.map_err(&failed)?;
        let remembered = remembered.ok_or_else(|| self.no_publication(spec))?;
        differences::read(&mut connection, &object_name(&spec.name), spec, &remembered).await.map_err(&failed)
    }

    /// The log carries every column anyway: only what is mapped and what is left out on purpose is written down.
    async fn remap(&self, spec: &CaptureSpec, left_out: &[(usize, String)]) -> Result<()> {
        let failed = self.failed(Operation::Prepare, spec);
        let mut connection = self.link.statements(Operation::Prepare).await?;
        let remembered = self.remembered(&mut connection, spec).await.map_err(&failed)?;
        let mut remembered = remembered.ok_or_else(|| self.no_publication(spec))?;
        let now = self.read_columns(&mut connection, spec).await.map_err(&failed)?;
        for (table, column) in left_out {
            if let Some(known) = remembered.get_mut(*table) {
                known.left_out.push(column.clone());
            }
        }
        for ((map, known), now) in spec.tables.iter().zip(&mut remembered).zip(now) {
            known.left_out.retain(|name| !map.columns.iter().any(|c| c.source == *name));
            known.left_out.sort();
            known.left_out.dedup();
            known.numbers = now.numbers;
        }
        connection.query(&self.comment(spec, &remembered)).await.map(|_| ()).map_err(&failed)
    }

    async fn drop_capture(&self, spec: &CaptureSpec) -> Result<()> {
        let failed = self.failed(Operation::Prepare, spec);
        let name = object_name(&spec.name);
        let mut connection = self.link.statements(Operation::Prepare).await?;
        if slot::release(&self.link, &mut connection, &name, Operation::Prepare).await?.is_some() {
            connection.query_with("SELECT pg_drop_replication_slot($1)", &[Some(&name)]).await.map_err(&failed)?;
        }
        let sql = format!("DROP PUBLICATION IF EXISTS {}", quote::ident(&name));
        connection.query(&sql).await.map(|_| ()).map_err(&failed)
    }
}
