//! The running change stream of one slot.

use crate::model::change::{CaptureItem, Position, RowChange};
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::postgres::capture::PgCapture;
use crate::stores::postgres::pgoutput::{Message, Relation, decode};
use crate::stores::postgres::shape::{Shape, TypeNames, align};
use crate::stores::postgres::wire::failure::Failure;
use crate::stores::postgres::wire::link::Link;
use crate::stores::postgres::wire::replication::{Event, ReplicationStream};
use crate::stores::postgres::{capture, lsn};
use crate::stores::{Capture, CaptureSpec, ChangeStream, Result, StoreError};
use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// A batch is handed over when it holds this many items or bytes, or when nothing more has arrived.
const BATCH_ITEMS: usize = 8192;
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// An empty batch is returned after this time without items.
const IDLE: Duration = Duration::from_millis(100);
/// The server hears from us at least this often.
const STATUS_INTERVAL: Duration = Duration::from_secs(3);
/// Two confirmations are sent at most this often: each may make the server write its slot to disk.
const CONFIRM_INTERVAL: Duration = Duration::from_millis(100);
/// A quiet log is reported at most this often; each report costs the target a checkpoint.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);
/// After this silence the server is asked for a sign of life.
const ASK_AFTER: Duration = Duration::from_secs(5);
/// After this silence the network or the server is taken for dead.
const DEAD_AFTER: Duration = Duration::from_secs(30);
/// Longest wait for room in the socket when a status is sent.
const SEND_LIMIT: Duration = Duration::from_secs(30);

/// What a relation id in the log stands for.
enum Known {
    /// A mapped table.
    Mapped(Shape),
    /// A table whose rows cannot be mapped; why. The first row of it is an error: it is never passed over.
    Broken(String),
}

/// Where the stream is within a transaction.
#[derive(Clone, Copy, Debug, Default)]
struct Transaction {
    /// Between Begin and Commit.
    open: bool,
    /// Came through the opposite pipeline: nothing of it is passed on.
    ignored: bool,
    /// Something of it was passed on.
    visible: bool,
}

/// See the module's text.
pub struct PgChangeStream {
    link: Link,
    spec: CaptureSpec,
    stream: ReplicationStream,
    /// Source columns that are left out on purpose, by table index.
    left_out: Vec<Vec<String>>,
    types: TypeNames,
    relations: HashMap<u32, Known>,
    /// The batch that is being collected. It outlives a `next` that was dropped, so that nothing that was read is lost.
    items: Vec<CaptureItem>,
    /// A message was taken from the stream and could not be dealt with, or `next` was dropped meanwhile: what follows must not be read as
    /// if that message had never been.
    interrupted: bool,
    transaction: Transaction,
    /// Everything up to here has been read.
    received: u64,
    /// The highest position that was handed to the caller.
    emitted: u64,
    /// What the caller says is durable. Invariant: `confirmed <= emitted`; the slot never moves past what the target has.
    confirmed: u64,
    sent_confirmed: u64,
    last_status: Instant,
    last_progress: Option<Instant>,
    /// A sign of life was asked for and nothing has come since.
    asked: bool,
    status_wanted: bool,
}

impl PgChangeStream {
    pub(super) fn new(
        link: Link,
        spec: CaptureSpec,
        stream: ReplicationStream,
        left_out: Vec<Vec<String>>,
        types: TypeNames,
        from: u64,
    ) -> Self {
        Self {
            link,
            spec,
            stream,
            left_out,
            types,
            relations: HashMap::new(),
            items: Vec::new(),
            interrupted: false,
            transaction: Transaction::default(),
            received: from,
            emitted: from,
            confirmed: from,
            sent_confirmed: from,
            last_status: Instant::now(),
            last_progress: None,
            asked: false,
            status_wanted: true,
        }
    }

    fn failed(&self, failure: Failure) -> StoreError {
        let kind = match &failure {
            // The walsender finds out only now that a segment is gone.
            Failure::Server(error) if error.message.contains("has already been removed") => ErrorKind::LogLost,
            other => other.kind(),
        };
        StoreError { kind, ..failure.at(&self.link.options.id, Operation::Capture) }.about(self.spec.name.as_str())
    }

    fn defect(&self, kind: ErrorKind, message: impl Into<String>) -> StoreError {
        self.link.error(Operation::Capture, kind, message).about(self.spec.name.as_str())
    }

    /// Takes what has arrived; true when the batch is full.
    async fn drain(&mut self, bytes: &mut usize) -> Result<bool> {
        while let Some(event) = self.stream.take().map_err(|f| self.failed(f))? {
            match event {
                Event::Data { payload } => {
                    *bytes += payload.len();
                    self.interrupted = true;
                    self.data(&payload).await?;
                    self.interrupted = false;
                }
                Event::Keepalive { end, reply_requested } => {
                    self.status_wanted |= reply_requested;
                    if !self.transaction.open {
                        self.received = self.received.max(end);
                    }
                }
            }
            if self.items.len() >= BATCH_ITEMS || *bytes >= BATCH_BYTES {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn data(&mut self, payload: &Bytes) -> Result<()> {
        let message = decode(payload).map_err(|m| self.defect(ErrorKind::Protocol, format!("pgoutput: {m}")))?;
        match message {
            Message::Begin { .. } => self.transaction = Transaction { open: true, ..Transaction::default() },
            Message::Origin { name } => {
                self.transaction.ignored = name == capture::object_name(&self.spec.ignore_origin);
            }
            Message::Commit { end_lsn, committed_at_us } => self.commit(end_lsn, committed_at_us),
            Message::Relation(relation) => self.relation(&relation).await?,
            Message::Type => {}
            Message::Custom { lsn, prefix, content } => {
                if prefix == capture::MARKER_PREFIX && !content.is_empty() {
                    let token = String::from_utf8_lossy(content).into_owned();
                    if !self.transaction.open {
                        self.emitted = self.emitted.max(lsn);
                    }
                    self.items.push(CaptureItem::Marker { token, position: Position::Lsn(lsn) });
                }
            }
            Message::Insert { .. } | Message::Update { .. } | Message::Delete { .. } if self.transaction.ignored => {}
            Message::Insert { relation, new } => self.row(relation, |shape| shape.insert(&new))?,
            Message::Update { relation, old, new } => self.row(relation, |shape| shape.update(old.as_ref(), &new))?,
            Message::Delete { relation, old } => self.row(relation, |shape| shape.delete(&old))?,
            Message::Truncate { relations } if !self.transaction.ignored => {
                let mut tables = Vec::new();
                for relation in relations {
                    match self.relations.get(&relation) {
                        Some(Known::Mapped(shape)) => tables.push(shape.table),
                        Some(Known::Broken(why)) => return Err(self.defect(ErrorKind::SchemaChanged, why.clone())),
                        None => {
                            return Err(
                                self.defect(ErrorKind::Protocol, "pgoutput: a row of a table that was not described")
                            );
                        }
                    }
                }
                if !tables.is_empty() {
                    self.transaction.visible = true;
                    self.items.push(CaptureItem::Change(RowChange::Truncate { tables }));
                }
            }
            Message::Truncate { .. } => {}
        }
        Ok(())
    }

    fn row(&mut self, relation: u32, map: impl FnOnce(&Shape) -> Option<RowChange>) -> Result<()> {
        match self.relations.get(&relation) {
            Some(Known::Mapped(shape)) => {
                let change = map(shape);
                let change = change.ok_or_else(|| {
                    self.defect(ErrorKind::Protocol, "pgoutput: a row without the columns that identify it")
                })?;
                self.transaction.visible = true;
                self.items.push(CaptureItem::Change(change));
                Ok(())
            }
            Some(Known::Broken(why)) => Err(self.defect(ErrorKind::SchemaChanged, why.clone())),
            None => Err(self.defect(ErrorKind::Protocol, "pgoutput: a row of a table that was not described")),
        }
    }

    fn commit(&mut self, end_lsn: u64, committed_at_us: i64) {
        let transaction = std::mem::take(&mut self.transaction);
        self.received = self.received.max(end_lsn);
        let position = Position::Lsn(end_lsn);
        if transaction.visible {
            self.emitted = self.emitted.max(end_lsn);
            self.items.push(CaptureItem::Commit { position, committed_at: time_of(committed_at_us) });
        } else {
            // An empty or ignored transaction moves the position and nothing else; a run of them is one report.
            self.emitted = self.emitted.max(end_lsn);
            if matches!(self.items.last(), Some(CaptureItem::Progress { .. })) {
                self.items.pop();
            }
            self.items.push(CaptureItem::Progress { position });
        }
    }

    async fn relation(&mut self, relation: &Relation<'_>) -> Result<()> {
        let found = self.spec.tables.iter().position(|map| {
            map.source.name == relation.name && map.source.schema.as_deref().unwrap_or("public") == relation.schema
        });
        let Some(table) = found else {
            // The publication is ours alone, so this is a mapped table under a new name, or somebody has meddled.
            let why = format!(
                "{}.{} is published and is not in the mapping: a mapped table was renamed, or the table was added to the publication",
                relation.schema, relation.name
            );
            self.relations.insert(relation.id, Known::Broken(why));
            return Ok(());
        };
        if relation.columns.iter().any(|c| !self.types.contains_key(&(c.type_oid, c.modifier))) {
            self.learn_types(relation).await?;
        }
        let left_out = self.left_out.get(table).map_or(&[][..], Vec::as_slice);
        let alignment = align(table, &self.spec.tables[table], left_out, relation, &self.types);
        let detail = alignment.differences.join("; ");
        if !alignment.differences.is_empty() {
            // The log tells of the past: rows from before a change that the mapping has followed since are as they should be.
            let now = PgCapture::new(self.link.clone()).differences(&self.spec).await?;
            self.items.extend(now.into_iter().map(CaptureItem::SchemaChange));
        }
        let known = match alignment.shape {
            Some(shape) => Known::Mapped(shape),
            None => Known::Broken(format!("{}: {detail}", self.spec.tables[table].source)),
        };
        self.relations.insert(relation.id, known);
        Ok(())
    }

    /// Asks the catalogue for the spelling of types that were not in use when the stream began.
    async fn learn_types(&mut self, relation: &Relation<'_>) -> Result<()> {
        let pairs: Vec<_> = relation.columns.iter().map(|c| (c.type_oid, c.modifier)).collect();
        let mut connection = self.link.statements(Operation::Capture).await?;
        let learned = capture::type_names(&mut connection, &pairs).await.map_err(|f| self.failed(f))?;
        self.types.extend(learned);
        Ok(())
    }

    async fn send_status(&mut self, ask: bool) -> Result<()> {
        let sent = self.stream.send_status(self.received, self.confirmed, ask, SEND_LIMIT).await;
        sent.map_err(|f| self.failed(f))?;
        self.sent_confirmed = self.confirmed;
        self.last_status = Instant::now();
        self.status_wanted = false;
        self.asked |= ask;
        Ok(())
    }

    /// Status, signs of life, and the progress of a quiet log.
    async fn housekeeping(&mut self) -> Result<()> {
        let silence = self.stream.silence();
        if silence > DEAD_AFTER {
            let text = format!("no word from the server for {} s although it was asked", silence.as_secs());
            return Err(self.defect(ErrorKind::Unreachable, text));
        }
        self.asked &= silence > ASK_AFTER;
        let ask = silence > ASK_AFTER && !self.asked;
        let since = self.last_status.elapsed();
        let confirm = self.confirmed > self.sent_confirmed && since >= CONFIRM_INTERVAL;
        if self.status_wanted || ask || confirm || since >= STATUS_INTERVAL {
            self.send_status(ask).await?;
        }
        let due = self.last_progress.is_none_or(|at| at.elapsed() >= PROGRESS_INTERVAL);
        if self.items.is_empty() && due && !self.transaction.open && self.received > self.emitted {
            self.emitted = self.received;
            self.last_progress = Some(Instant::now());
            self.items.push(CaptureItem::Progress { position: Position::Lsn(self.emitted) });
        }
        Ok(())
    }
}

#[async_trait]
impl ChangeStream for PgChangeStream {
    async fn next(&mut self) -> Result<Vec<CaptureItem>> {
        if self.interrupted {
            let text = "an earlier read failed or was given up in the middle of a message; open the stream again";
            return Err(self.defect(ErrorKind::Unreachable, text));
        }
        let mut bytes = 0;
        let deadline = Instant::now() + IDLE;
        loop {
            let full = self.drain(&mut bytes).await?;
            // Under load more has always arrived: the batch grows until it is full, and the socket is never waited for.
            if !full && !self.items.is_empty() && self.stream.fill_now().map_err(|f| self.failed(f))? {
                continue;
            }
            self.housekeeping().await?;
            let left = deadline.saturating_duration_since(Instant::now());
            if !self.items.is_empty() || left.is_zero() {
                return Ok(std::mem::take(&mut self.items));
            }
            self.stream.fill(left).await.map_err(|f| self.failed(f))?;
        }
    }

    async fn confirm(&mut self, position: Position) -> Result<()> {
        let position = lsn::number(&self.link, Operation::Capture, position)?;
        if position > self.emitted {
            let text = format!("{} was confirmed but never handed out", Position::Lsn(position));
            return Err(self.defect(ErrorKind::Protocol, text));
        }
        self.confirmed = self.confirmed.max(position);
        if self.last_status.elapsed() >= CONFIRM_INTERVAL && self.confirmed > self.sent_confirmed {
            self.send_status(false).await?;
        }
        Ok(())
    }
}

/// A commit time; `None` when it lies outside what the calendar can say.
fn time_of(postgres_us: i64) -> Option<DateTime<Utc>> {
    const EPOCH_US: i64 = 946_684_800_000_000;
    DateTime::from_timestamp_micros(postgres_us.checked_add(EPOCH_US)?)
}
