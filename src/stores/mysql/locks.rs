//! Row-lock waits of InnoDB.
//!
//! Invariant: they are asked for only while somebody waits (see `sessions`): on a busy server the views cost more than they tell, and
//! MySQL's are asked for the locks in question only.

use crate::model::session::{Blocking, LockEdge, Party, Session, SessionKey};
use crate::stores::mysql::capability::{Capability, Flavour};
use crate::stores::mysql::line::Line;
use crate::stores::mysql::missing;
use crate::stores::mysql::sessions::Transaction;
use crate::stores::mysql::watch::{Read, Reader, ago, literal};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

/// Waits that are read at most: a tree of more helps nobody.
const WAITS: usize = 500;

/// MariaDB: a lock that another waits for is the blocker's held one, or the one that it waits for itself, ahead in the queue.
fn mariadb_sql() -> String {
    format!(
        "SET STATEMENT max_statement_time = 1 FOR SELECT w.requesting_trx_id AS waiter, w.blocking_trx_id AS blocker, r.lock_mode AS wanted, b.lock_mode AS held,
                IF(t.trx_requested_lock_id = w.blocking_lock_id, 'WAITING', 'GRANTED') AS held_status,
                r.lock_type AS kind, r.lock_table AS locked, r.lock_index AS lock_index
           FROM information_schema.innodb_lock_waits w
           JOIN information_schema.innodb_locks r ON r.lock_id = w.requested_lock_id
           JOIN information_schema.innodb_locks b ON b.lock_id = w.blocking_lock_id
           LEFT JOIN information_schema.innodb_trx t ON t.trx_id = w.blocking_trx_id
          LIMIT {WAITS}"
    )
}

/// MySQL, first: the pairs.
fn mysql_waits_sql(waiting: &[u64]) -> String {
    let ids: Vec<String> = waiting.iter().map(u64::to_string).collect();
    format!(
        "SELECT /*+ MAX_EXECUTION_TIME(1000) */ REQUESTING_ENGINE_TRANSACTION_ID AS waiter, REQUESTING_ENGINE_LOCK_ID AS wanted_lock,
                BLOCKING_ENGINE_TRANSACTION_ID AS blocker, BLOCKING_ENGINE_LOCK_ID AS held_lock
           FROM performance_schema.data_lock_waits WHERE REQUESTING_ENGINE_TRANSACTION_ID IN ({}) LIMIT {WAITS}",
        ids.join(", ")
    )
}

/// MySQL, second: the locks of these pairs, by their index.
fn mysql_locks_sql(waits: &[Line]) -> String {
    let ids: BTreeSet<&str> =
        waits.iter().flat_map(|line| [line.raw("wanted_lock"), line.raw("held_lock")]).flatten().collect();
    let ids: Vec<String> = ids.into_iter().map(literal).collect();
    format!(
        "SELECT /*+ MAX_EXECUTION_TIME(1000) */ ENGINE_LOCK_ID AS lock_id, LOCK_TYPE AS kind, LOCK_MODE AS mode, LOCK_STATUS AS status,
                OBJECT_SCHEMA AS lock_schema, OBJECT_NAME AS lock_table, INDEX_NAME AS lock_index
           FROM performance_schema.data_locks WHERE ENGINE = 'INNODB' AND ENGINE_LOCK_ID IN ({})",
        ids.join(", ")
    )
}

/// Who waits for whom. Sessions that wait and whose blocker is not told have an edge to nobody known.
///
/// # Errors
/// The driver's.
pub async fn row_edges(
    reader: &mut Reader<'_>,
    transactions: &[Transaction],
    sessions: &[Session],
) -> Read<Vec<LockEdge>> {
    let server: Capability = reader.server().clone();
    let flavour = server.flavour;
    let waiting: Vec<u64> = transactions.iter().filter(|t| t.waits).map(|t| t.id).collect();
    let waits = match flavour {
        Flavour::Mariadb => reader.lines_or(|| missing::row_locks_slow(flavour), mariadb_sql()).await?,
        Flavour::Mysql if waiting.is_empty() => None,
        Flavour::Mysql => {
            let pairs = reader.lines_or(|| missing::row_locks_slow(flavour), mysql_waits_sql(&waiting)).await?;
            match pairs {
                Some(pairs) if !pairs.is_empty() => {
                    let sql = mysql_locks_sql(&pairs);
                    let locks = reader.lines_or(|| missing::row_locks_slow(flavour), sql).await?;
                    Some(with_locks(&pairs, &locks.unwrap_or_default()))
                }
                other => other,
            }
        }
    };
    Ok(edges(&waits.unwrap_or_default(), transactions, sessions, Utc::now()))
}

/// MySQL's pairs with what their locks say, as MariaDB tells it in one row.
pub fn with_locks(pairs: &[Line], locks: &[Line]) -> Vec<Line> {
    let of = |id: Option<&str>| locks.iter().find(|lock| id.is_some() && lock.raw("lock_id") == id);
    pairs
        .iter()
        .map(|pair| {
            let (wanted, held) = (of(pair.raw("wanted_lock")), of(pair.raw("held_lock")));
            let text = |lock: Option<&Line>, column: &str| lock.and_then(|lock| lock.raw(column)).map(str::to_owned);
            let locked = wanted.map(|lock| format!("{}.{}", lock.text("lock_schema"), lock.text("lock_table")));
            pair.with([
                ("wanted", text(wanted, "mode")),
                ("held", text(held, "mode")),
                ("held_status", text(held, "status")),
                ("kind", text(wanted, "kind")),
                ("locked", locked),
                ("lock_index", text(wanted, "lock_index")),
            ])
        })
        .collect()
}

/// From pairs of transactions to edges between parties; one for each pair, a held lock before a queued one.
pub fn edges(waits: &[Line], transactions: &[Transaction], sessions: &[Session], now: DateTime<Utc>) -> Vec<LockEdge> {
    let of = |id: Option<u64>| transactions.iter().find(|t| Some(t.id) == id);
    let mut edges: Vec<LockEdge> = Vec::new();
    for wait in waits {
        let (waiter, blocker) = (of(wait.number("waiter")), of(wait.number("blocker")));
        let Some(waiter) = waiter else { continue };
        let edge = LockEdge {
            waiter: party(waiter, sessions),
            blocker: blocker.map_or(Party::Unknown, |transaction| party(transaction, sessions)),
            how: if wait.raw("held_status") == Some("WAITING") { Blocking::QueuedAhead } else { Blocking::Holds },
            object: object(wait),
            wanted: wait.text("wanted"),
            held: wait.text("held"),
            since: ago(now, waiter.waits_s),
        };
        match edges.iter_mut().find(|known| known.waiter == edge.waiter && known.blocker == edge.blocker) {
            Some(known) if known.how == Blocking::QueuedAhead => *known = edge,
            Some(_) => {}
            None => edges.push(edge),
        }
    }
    for waiter in transactions.iter().filter(|t| t.waits) {
        let party = party(waiter, sessions);
        if !edges.iter().any(|edge| edge.waiter == party) {
            edges.push(LockEdge {
                waiter: party,
                blocker: Party::Unknown,
                how: Blocking::Holds,
                object: "a row".to_owned(),
                wanted: String::new(),
                held: String::new(),
                since: ago(now, waiter.waits_s),
            });
        }
    }
    edges
}

fn party(transaction: &Transaction, sessions: &[Session]) -> Party {
    if transaction.session == 0 {
        return Party::Prepared(format!("XA, transaction {}", transaction.id));
    }
    let id = transaction.session.to_string();
    let known = sessions.iter().find(|session| session.key.id == id).map(|session| session.key.clone());
    Party::Session(known.unwrap_or(SessionKey { id, born: String::new() }))
}

/// The key's values are left out: they are data.
fn object(wait: &Line) -> String {
    let table = wait.text("locked").replace('`', "");
    match (wait.raw("kind"), wait.some("lock_index")) {
        _ if table.is_empty() => "a row".to_owned(),
        (Some("TABLE"), _) => format!("table {table}"),
        (_, Some(index)) => format!("row of {table} by {index}"),
        (_, None) => format!("row of {table}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::lock::tree;
    use crate::stores::mysql::line::recorded;
    use crate::stores::mysql::sessions::transaction;

    fn session_of(party: &Party) -> &str {
        match party {
            Party::Session(key) => &key.id,
            Party::Prepared(_) => "prepared",
            Party::Unknown => "unknown",
        }
    }

    fn transactions() -> Vec<Transaction> {
        recorded::lines("mysql-8.0-activity", "innodb_trx").iter().map(transaction).collect()
    }

    #[test]
    fn mysql_8_pairs_become_a_tree_with_its_queue() {
        let pairs = recorded::lines("mysql-8.0-activity", "data_lock_waits");
        let waits = with_locks(&pairs, &recorded::lines("mysql-8.0-activity", "data_locks"));
        let edges = edges(&waits, &transactions(), &[], Utc::now());
        let seen: Vec<_> = edges
            .iter()
            .map(|e| (session_of(&e.waiter), session_of(&e.blocker), e.how, e.object.as_str(), e.wanted.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                ("12", "11", Blocking::Holds, "row of shop.orders by PRIMARY", "X,REC_NOT_GAP"),
                ("13", "11", Blocking::Holds, "row of shop.orders by PRIMARY", "X,REC_NOT_GAP"),
                ("13", "12", Blocking::QueuedAhead, "row of shop.orders by PRIMARY", "X,REC_NOT_GAP"),
            ]
        );
        assert_eq!(tree(&edges)[0].blocks, 2);
    }

    #[test]
    fn only_the_locks_in_question_are_asked_for() {
        let pairs = recorded::lines("mysql-8.0-activity", "data_lock_waits");
        let sql = mysql_locks_sql(&pairs);
        assert!(sql.ends_with("IN ('139:1:4:2:1', '139:2:4:2:1', '139:3:4:2:1')"), "{sql}");
        assert!(mysql_waits_sql(&[7, 9]).contains("IN (7, 9)"));
    }

    #[test]
    fn a_waiter_without_a_blocker_waits_for_somebody_unknown() {
        let edges = edges(&[], &transactions(), &[], Utc::now());
        assert_eq!(edges.len(), 2);
        assert!(edges.iter().all(|edge| edge.blocker == Party::Unknown));
    }

    #[test]
    fn a_prepared_transaction_without_a_session_is_named() {
        let prepared = Transaction { id: 77, session: 0, waits: false, age_s: Some(9.0), waits_s: None };
        assert_eq!(party(&prepared, &[]), Party::Prepared("XA, transaction 77".to_owned()));
    }
}
