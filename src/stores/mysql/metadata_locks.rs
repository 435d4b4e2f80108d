//! Metadata locks: what `ALTER TABLE` waits for, and what then waits behind it.
//!
//! The server tells that a session waits (its state) and who holds what. Who blocks whom follows from the server's two rules, which are
//! written down here as it has them: which lock conflicts with a held one, and which gives way to one that waits already. MariaDB's plugin
//! does not show requests; there a waiter's request is derived from its statement.
//!
//! Invariant: nobody is accused who does not conflict by these rules; a waiter for whom nobody is found waits for somebody unknown.

use crate::model::session::{Blocking, LockEdge, Party, Session, SessionKey, SessionState};
use crate::stores::mysql::capability::MetadataSource;
use crate::stores::mysql::line::Line;
use crate::stores::mysql::statement_words::{names, subject, table_mode};
use crate::stores::sanitise::clean;

/// What is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A table or view.
    Table,
    /// A name that `GET_LOCK` took.
    User,
    /// The whole server, by `FLUSH TABLES WITH READ LOCK` or a backup.
    Global,
    /// A database.
    Schema,
    /// What tells nothing to an operator.
    Other,
}

/// One metadata lock, held or wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataLock {
    /// Connection id.
    pub session: u64,
    /// Held; false: wanted.
    pub granted: bool,
    kind: Kind,
    schema: String,
    name: String,
    /// As the Performance Schema writes it, such as `SHARED_READ`.
    mode: String,
}

/// The statement that reads metadata locks; `None`: this server shows none. Locks of the server's own schemas are left out: looking takes some.
pub fn sql(source: MetadataSource) -> Option<&'static str> {
    match source {
        MetadataSource::PerformanceSchema => Some(
            "SELECT t.PROCESSLIST_ID AS session, m.OBJECT_TYPE AS kind, m.OBJECT_SCHEMA AS lock_schema, m.OBJECT_NAME AS lock_name,
                    m.LOCK_TYPE AS mode, m.LOCK_STATUS AS status
               FROM performance_schema.metadata_locks m JOIN performance_schema.threads t ON t.THREAD_ID = m.OWNER_THREAD_ID
              WHERE t.PROCESSLIST_ID IS NOT NULL
                AND (m.OBJECT_SCHEMA IS NULL OR m.OBJECT_SCHEMA NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema'))",
        ),
        MetadataSource::Plugin => Some(
            "SELECT THREAD_ID AS session, LOCK_TYPE AS kind, TABLE_SCHEMA AS lock_schema, TABLE_NAME AS lock_name, LOCK_MODE AS mode
               FROM information_schema.metadata_lock_info
              WHERE TABLE_SCHEMA NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema')",
        ),
        MetadataSource::Nowhere => None,
    }
}

/// True for the states in which a session waits for a metadata lock, the whole server, or a name that `GET_LOCK` took.
pub fn is_wait(state: &str) -> bool {
    state == "User lock" || state.starts_with("Waiting for") && (state.ends_with(" lock") || state.ends_with(" flush"))
}

impl MetadataLock {
    /// A row of `performance_schema.metadata_locks`.
    pub fn of_performance_schema(row: &Line) -> Option<Self> {
        let kind = match row.raw("kind")? {
            "TABLE" => Kind::Table,
            "USER LEVEL LOCK" => Kind::User,
            "GLOBAL" | "COMMIT" | "BACKUP" | "BACKUP LOCK" => Kind::Global,
            "SCHEMA" => Kind::Schema,
            _ => Kind::Other,
        };
        Some(Self {
            session: row.number("session")?,
            granted: row.raw("status") != Some("PENDING"),
            kind,
            schema: if kind == Kind::User { String::new() } else { row.text("lock_schema") },
            name: row.text("lock_name"),
            mode: row.text("mode"),
        })
    }

    /// A row of `information_schema.metadata_lock_info`. The name of a user lock stands where a schema's stands.
    pub fn of_plugin(row: &Line) -> Option<Self> {
        let kind = match row.raw("kind")?.trim() {
            "Table metadata lock" => Kind::Table,
            "User lock" => Kind::User,
            "Backup lock" | "Global read lock" | "Commit lock" => Kind::Global,
            "Schema metadata lock" => Kind::Schema,
            _ => Kind::Other,
        };
        let (schema, name) = match kind {
            Kind::User => (String::new(), row.text("lock_schema")),
            _ => (row.text("lock_schema"), row.text("lock_name")),
        };
        let mode = row.text("mode");
        let mode = mode.strip_prefix("MDL_").unwrap_or(&mode).to_owned();
        Some(Self { session: row.number("session")?, granted: true, kind, schema, name, mode })
    }

    /// The table, qualified; `None`: it locks something else.
    pub fn table(&self) -> Option<String> {
        (self.kind == Kind::Table).then(|| format!("{}.{}", self.schema, self.name))
    }

    /// True for a mode that changes rows or the table.
    pub fn writes(&self) -> bool {
        !matches!(self.mode.as_str(), "SHARED" | "SHARED_HIGH_PRIO" | "SHARED_READ" | "SHARED_READ_ONLY")
    }

    fn same_object(&self, other: &Self) -> bool {
        self.kind == other.kind && (self.kind == Kind::Global || self.schema == other.schema && self.name == other.name)
    }

    fn object(&self) -> String {
        match self.kind {
            Kind::Table => format!("table {}.{}", self.schema, self.name),
            Kind::User => format!("user lock {}", self.name),
            Kind::Global => "the whole server (read lock or backup)".to_owned(),
            Kind::Schema => format!("database {}", self.schema),
            Kind::Other => "an object of the catalogue".to_owned(),
        }
    }
}

/// A request for `wanted` waits while another session holds `held`. Source: `mdl.cc`, the matrix of granted object locks.
fn conflicts(wanted: &str, held: &str) -> bool {
    match wanted {
        "SHARED" | "SHARED_HIGH_PRIO" => held == "EXCLUSIVE",
        "SHARED_READ" => matches!(held, "SHARED_NO_READ_WRITE" | "EXCLUSIVE"),
        "SHARED_WRITE" | "SHARED_WRITE_LOW_PRIO" => {
            matches!(held, "SHARED_READ_ONLY" | "SHARED_NO_WRITE" | "SHARED_NO_READ_WRITE" | "EXCLUSIVE")
        }
        "SHARED_UPGRADABLE" => {
            matches!(held, "SHARED_UPGRADABLE" | "SHARED_NO_WRITE" | "SHARED_NO_READ_WRITE" | "EXCLUSIVE")
        }
        "SHARED_READ_ONLY" => {
            matches!(held, "SHARED_WRITE" | "SHARED_WRITE_LOW_PRIO" | "SHARED_NO_READ_WRITE" | "EXCLUSIVE")
        }
        "SHARED_NO_WRITE" => !matches!(held, "SHARED" | "SHARED_HIGH_PRIO" | "SHARED_READ" | "SHARED_READ_ONLY"),
        "SHARED_NO_READ_WRITE" => !matches!(held, "SHARED" | "SHARED_HIGH_PRIO"),
        "EXCLUSIVE" => true,
        // Scoped locks: intentions only meet their opposite.
        "INTENTION_EXCLUSIVE" => held != "INTENTION_EXCLUSIVE",
        _ => false,
    }
}

/// A request for `wanted` waits behind one for `pending`. Source: `mdl.cc`, the matrix of waiting object locks.
fn gives_way(wanted: &str, pending: &str) -> bool {
    match wanted {
        "SHARED" | "SHARED_UPGRADABLE" | "SHARED_NO_WRITE" | "SHARED_NO_READ_WRITE" => pending == "EXCLUSIVE",
        "SHARED_READ" | "SHARED_READ_ONLY" => matches!(pending, "SHARED_NO_READ_WRITE" | "EXCLUSIVE"),
        "SHARED_WRITE" => matches!(pending, "SHARED_NO_WRITE" | "SHARED_NO_READ_WRITE" | "EXCLUSIVE"),
        "SHARED_WRITE_LOW_PRIO" => {
            matches!(pending, "SHARED_READ_ONLY" | "SHARED_NO_WRITE" | "SHARED_NO_READ_WRITE" | "EXCLUSIVE")
        }
        "INTENTION_EXCLUSIVE" => pending != "INTENTION_EXCLUSIVE",
        _ => false,
    }
}

/// The same for locks on the whole server: what stops everybody conflicts with what changes something, and not with its like.
fn conflicts_globally(wanted: &str, held: &str) -> bool {
    stops_all(held) && changes_something(wanted) || stops_all(wanted) && changes_something(held)
}

/// `FLUSH TABLES WITH READ LOCK` in MariaDB (BACKUP_FTWRL) and in MySQL (SHARED), a backup's last stages, `LOCK INSTANCE FOR BACKUP`.
fn stops_all(mode: &str) -> bool {
    mode.starts_with("BACKUP_FTWRL")
        || matches!(mode, "BACKUP_WAIT_COMMIT" | "BACKUP_WAIT_DDL" | "SHARED" | "EXCLUSIVE")
}

fn changes_something(mode: &str) -> bool {
    matches!(
        mode,
        "BACKUP_DML"
            | "BACKUP_TRANS_DML"
            | "BACKUP_SYS_DML"
            | "BACKUP_DDL"
            | "BACKUP_ALTER_COPY"
            | "BACKUP_COMMIT"
            | "INTENTION_EXCLUSIVE"
    )
}

/// Who waits for whom over metadata.
pub fn edges(locks: &[MetadataLock], sessions: &[Session]) -> Vec<LockEdge> {
    let waiters: Vec<&Session> =
        sessions.iter().filter(|s| s.state == SessionState::Waiting && is_wait(&s.wait)).collect();
    let mut all = locks.to_vec();
    for waiter in &waiters {
        let id = waiter.key.id.parse().unwrap_or(0);
        if !locks.iter().any(|lock| lock.session == id && !lock.granted) {
            all.extend(requested(id, waiter, locks, &waiters));
        }
    }
    let mut edges = Vec::new();
    for waiter in waiters {
        let id: u64 = waiter.key.id.parse().unwrap_or(0);
        let before = edges.len();
        for wanted in all.iter().filter(|lock| lock.session == id && !lock.granted) {
            for other in all.iter().filter(|lock| lock.session != id && lock.same_object(wanted)) {
                if blocks(wanted, other) {
                    push(&mut edges, edge(waiter, Some((wanted, other)), sessions));
                }
            }
        }
        if edges.len() == before {
            edges.push(edge(waiter, None, sessions));
        }
    }
    edges
}

fn blocks(wanted: &MetadataLock, other: &MetadataLock) -> bool {
    match (wanted.kind, other.granted) {
        (Kind::Global, true) => conflicts_globally(&wanted.mode, &other.mode),
        (Kind::Global | Kind::User, false) => false,
        (Kind::User, true) => true,
        (_, true) => conflicts(&wanted.mode, &other.mode),
        (_, false) => gives_way(&wanted.mode, &other.mode),
    }
}

/// One edge for each pair: a held lock says more than a queued one.
fn push(edges: &mut Vec<LockEdge>, edge: LockEdge) {
    match edges.iter_mut().find(|known| known.waiter == edge.waiter && known.blocker == edge.blocker) {
        Some(known) if known.how == Blocking::QueuedAhead && edge.how == Blocking::Holds => *known = edge,
        Some(_) => {}
        None => edges.push(edge),
    }
}

fn edge(waiter: &Session, found: Option<(&MetadataLock, &MetadataLock)>, sessions: &[Session]) -> LockEdge {
    let blocker = |lock: &MetadataLock| {
        let id = lock.session.to_string();
        let known = sessions.iter().find(|session| session.key.id == id).map(|session| session.key.clone());
        Party::Session(known.unwrap_or(SessionKey { id, born: String::new() }))
    };
    let words = |mode: &str| mode.replace('_', " ");
    LockEdge {
        waiter: Party::Session(waiter.key.clone()),
        blocker: found.map_or(Party::Unknown, |(_, other)| blocker(other)),
        how: match found {
            Some((_, other)) if !other.granted => Blocking::QueuedAhead,
            _ => Blocking::Holds,
        },
        object: found.map_or_else(|| clean(&waiter.wait), |(wanted, _)| wanted.object()),
        wanted: found.map_or_else(String::new, |(wanted, _)| words(&wanted.mode)),
        held: found.map_or_else(String::new, |(_, other)| words(&other.mode)),
        since: waiter.state_since,
    }
}

/// What a waiter that is not shown wanting anything must want: its statement names an object that others hold or wait for.
fn requested(id: u64, waiter: &Session, locks: &[MetadataLock], waiters: &[&Session]) -> Vec<MetadataLock> {
    let wanted = |kind, schema: &str, name: &str, mode: &str| MetadataLock {
        session: id,
        granted: false,
        kind,
        schema: schema.to_owned(),
        name: name.to_owned(),
        mode: mode.to_owned(),
    };
    if waiter.wait == "User lock" || waiter.wait == "Waiting for user lock" {
        let quoted = |name: &str| {
            waiter.statement.contains(&format!("'{name}'")) || waiter.statement.contains(&format!("\"{name}\""))
        };
        let held = locks.iter().filter(|lock| lock.kind == Kind::User && lock.session != id && quoted(&lock.name));
        return held.map(|lock| wanted(Kind::User, "", &lock.name, "SHARED_NO_WRITE")).collect();
    }
    if matches!(
        waiter.wait.as_str(),
        "Waiting for backup lock" | "Waiting for global read lock" | "Waiting for commit lock"
    ) {
        let words = names(&waiter.statement);
        let mode = match table_mode(&words) {
            _ if words.first().is_some_and(|word| word.eq_ignore_ascii_case("FLUSH")) => "BACKUP_FTWRL1",
            "EXCLUSIVE" => "BACKUP_DDL",
            _ => "BACKUP_DML",
        };
        return vec![wanted(Kind::Global, "", "", mode)];
    }
    if !waiter.wait.ends_with("table metadata lock") {
        return Vec::new();
    }
    let words = names(&waiter.statement);
    let mode = table_mode(&words);
    let named = |schema: &str, name: &str| {
        words.iter().enumerate().any(|(at, word)| {
            let qualifier = at
                .checked_sub(2)
                .and_then(|before| words.get(before))
                .filter(|_| words.get(at - 1).is_some_and(|w| w == "."));
            word.eq_ignore_ascii_case(name)
                && match qualifier {
                    Some(qualifier) => qualifier.eq_ignore_ascii_case(schema),
                    None => waiter.database == schema,
                }
        })
    };
    let mut found: Vec<MetadataLock> = Vec::new();
    for lock in locks.iter().filter(|lock| lock.kind == Kind::Table && lock.session != id) {
        if named(&lock.schema, &lock.name) && !found.iter().any(|f| f.schema == lock.schema && f.name == lock.name) {
            found.push(wanted(Kind::Table, &lock.schema, &lock.name, mode));
        }
    }
    // Others may stand behind a statement of definition whose table nobody else holds: then its request is what blocks them.
    if mode == "EXCLUSIVE"
        && let Some((schema, name)) = subject(&words)
    {
        let schema = schema.unwrap_or(&waiter.database);
        if !found.iter().any(|lock| lock.schema == schema && lock.name == name) {
            found.push(wanted(Kind::Table, schema, name, mode));
        }
    }
    if found.is_empty() {
        for other in waiters.iter().filter(|other| other.key != waiter.key) {
            let theirs = names(&other.statement);
            if table_mode(&theirs) != "EXCLUSIVE" {
                continue;
            }
            if let Some((schema, name)) = subject(&theirs) {
                let schema = schema.unwrap_or(&other.database);
                if named(schema, name) {
                    found.push(wanted(Kind::Table, schema, name, mode));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests;
