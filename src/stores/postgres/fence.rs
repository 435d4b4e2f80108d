//! The fence: a statement trigger on every table that refuses writers with the sentence that tells them where to go.
//!
//! A trigger and not a right: the owner and a superuser pass every right. Sessions with `session_replication_role = replica`
//! do not fire it, and that is how Godwit's applier passes and nobody else. Each leaf of a partitioned table carries its own,
//! because a statement trigger fires only for the table that the statement names.

use crate::model::table::TableName;
use crate::stores::FenceState;
use crate::stores::postgres::quote;
use crate::stores::postgres::relation::Relation;
use sqlx::postgres::PgConnection;
use std::collections::HashMap;

/// What a refused writer gets as its SQLSTATE: `read_only_sql_transaction`. Drivers and pools that know failover drop the connection on it
/// and connect anew, which is just what a moved table asks for.
pub const MOVED_SQLSTATE: &str = "25006";
/// Name of the trigger on each table.
pub const TRIGGER: &str = "godwit_fence";

/// A commit that tells the operator "done" must survive a crash: where commits are asynchronous by configuration, this one waits for the local disk.
pub const DURABLE: &str = "SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'local' \
     ELSE current_setting('synchronous_commit') END, true)";

/// The trigger function. Its arguments are the token of the cutover and the message; it uses no operator and no name that a search path could bend.
const BODY: &str = "\nBEGIN\n  RAISE EXCEPTION USING ERRCODE = '25006', MESSAGE = TG_ARGV[1], DETAIL = TG_ARGV[0],\n    \
     HINT = 'Connect again: the route to this table has moved.';\nEND\n";

/// Statement and undo that make Godwit's schema.
pub fn schema_statement() -> (String, String) {
    ("CREATE SCHEMA IF NOT EXISTS godwit".to_owned(), String::new())
}

/// Statement and undo that make the trigger function.
pub fn function_statement() -> (String, String) {
    (
        format!("CREATE OR REPLACE FUNCTION godwit.moved() RETURNS trigger LANGUAGE plpgsql AS $godwit${BODY}$godwit$"),
        "DROP FUNCTION IF EXISTS godwit.moved()".to_owned(),
    )
}

/// Statement and undo that fence one table. Replacing is possible since version 14 and enables a fence that was left disabled.
pub fn trigger_statement(table: &TableName, token: &str, moved_message: &str) -> (String, String) {
    let name = quote::table(table);
    (
        format!(
            "CREATE OR REPLACE TRIGGER {TRIGGER} BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {name} \
             FOR EACH STATEMENT EXECUTE FUNCTION godwit.moved({}, {})",
            quote::literal(token),
            quote::literal(moved_message)
        ),
        format!("DROP TRIGGER IF EXISTS {TRIGGER} ON {name}"),
    )
}

/// The statements that are still missing before triggers can be made. Asked beforehand because `CREATE SCHEMA IF NOT EXISTS` wants a right
/// on the database even where it would do nothing, and because two cutovers that replace one function at once disturb each other.
pub async fn missing_support(connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    let (has_schema, body): (bool, Option<String>) = sqlx::query_as(
        "SELECT to_regnamespace('godwit') IS NOT NULL,
                (SELECT prosrc FROM pg_proc WHERE oid = to_regprocedure('godwit.moved()'))",
    )
    .fetch_one(connection)
    .await?;
    let mut statements = Vec::new();
    if !has_schema {
        statements.push(schema_statement().0);
    }
    if body.as_deref() != Some(BODY) {
        statements.push(function_statement().0);
    }
    Ok(statements)
}

/// One table's fence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableFence {
    /// The table or partition.
    pub table: TableName,
    /// Its token; `None`: no trigger.
    pub token: Option<String>,
    /// False when the trigger is there but does not fire for ordinary sessions.
    pub fires: bool,
}

/// Reads the triggers of these relations.
pub async fn read(connection: &mut PgConnection, relations: &[Relation]) -> Result<Vec<TableFence>, sqlx::Error> {
    let oids: Vec<i64> = relations.iter().map(|r| r.oid).collect();
    let rows: Vec<(i64, String, Vec<u8>)> = sqlx::query_as(
        "SELECT t.tgrelid::int8, t.tgenabled::text, t.tgargs
           FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid JOIN pg_namespace ns ON ns.oid = f.pronamespace
          WHERE t.tgrelid::int8 = ANY ($1) AND t.tgname = $2 AND NOT t.tgisinternal AND ns.nspname = 'godwit' AND f.proname = 'moved'",
    )
    .bind(oids)
    .bind(TRIGGER)
    .fetch_all(connection)
    .await?;
    let triggers: HashMap<i64, (String, Vec<u8>)> =
        rows.into_iter().map(|(oid, enabled, arguments)| (oid, (enabled, arguments))).collect();
    let fence = |relation: &Relation| {
        let trigger = triggers.get(&relation.oid);
        TableFence {
            table: relation.name.clone(),
            token: trigger.map(|(_, arguments)| first_argument(arguments)),
            // O: origin and local sessions. A: all, so even our applier would be refused, but nobody writes.
            fires: trigger.is_some_and(|(enabled, _)| enabled == "O" || enabled == "A"),
        }
    };
    Ok(relations.iter().map(fence).collect())
}

/// `tgargs` holds the arguments one after the other, each ended by a zero byte.
fn first_argument(arguments: &[u8]) -> String {
    let end = arguments.iter().position(|&b| b == 0).unwrap_or(arguments.len());
    String::from_utf8_lossy(&arguments[..end]).into_owned()
}

/// The state of a set of tables. A table that another cutover fenced counts as open for this question: the set was not fenced as one.
pub fn state(fences: &[TableFence]) -> FenceState {
    let token = fences.iter().find(|f| f.fires).and_then(|f| f.token.clone());
    let Some(token) = token else {
        return FenceState::Open;
    };
    let open: Vec<TableName> =
        fences.iter().filter(|f| !f.fires || f.token.as_deref() != Some(&token)).map(|f| f.table.clone()).collect();
    if open.is_empty() { FenceState::Fenced { token } } else { FenceState::Mixed { open } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fence(table: &str, token: Option<&str>, fires: bool) -> TableFence {
        TableFence { table: TableName::in_schema("public", table), token: token.map(str::to_owned), fires }
    }

    #[test]
    fn states() {
        assert_eq!(state(&[]), FenceState::Open);
        assert_eq!(state(&[fence("a", None, false), fence("b", Some("t"), false)]), FenceState::Open);
        assert_eq!(
            state(&[fence("a", Some("t"), true), fence("b", Some("t"), true)]),
            FenceState::Fenced { token: "t".into() }
        );
        let b = vec![TableName::in_schema("public", "b")];
        assert_eq!(
            state(&[fence("a", Some("t"), true), fence("b", Some("t"), false)]),
            FenceState::Mixed { open: b.clone() }
        );
        assert_eq!(state(&[fence("a", Some("t"), true), fence("b", Some("u"), true)]), FenceState::Mixed { open: b });
    }

    #[test]
    fn arguments_end_at_a_zero_byte() {
        assert_eq!(first_argument(b"token\0message\0"), "token");
        assert_eq!(first_argument(b"\0m\0"), "");
        assert_eq!(first_argument(b""), "");
    }

    #[test]
    fn messages_are_quoted() {
        let (statement, undo) = trigger_statement(&TableName::in_schema("a\"b", "t"), "tok", "it's moved");
        assert!(statement.contains("ON \"a\"\"b\".\"t\" "), "{statement}");
        assert!(statement.ends_with("godwit.moved('tok', 'it''s moved')"), "{statement}");
        assert_eq!(undo, "DROP TRIGGER IF EXISTS godwit_fence ON \"a\"\"b\".\"t\"");
        assert!(BODY.contains(MOVED_SQLSTATE));
    }
}
