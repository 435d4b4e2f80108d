//! The one-row table that says who applies: the gate through which Godwit's own writes pass captures and fences.
//!
//! Invariant: `applying` is NULL in every committed state. The applier sets it at the start of its transaction and clears it
//! before the commit; SQLite shows uncommitted rows to nobody else, so no other connection ever sees it set.

use super::quote;
use super::row::Args;
use super::session::Session;
use crate::stores::Result;

/// Makes the control table; harmless when it is there.
pub const CREATE: &str =
    "CREATE TABLE IF NOT EXISTS godwit_control (one INTEGER PRIMARY KEY CHECK (one = 1), applying TEXT)";

/// Fills the control table; harmless when it is filled.
pub const FILL: &str =
    "INSERT INTO godwit_control (one, applying) SELECT 1, NULL WHERE NOT EXISTS (SELECT 1 FROM godwit_control)";

/// WHEN clause of a capture's triggers: everything is captured but what the opposite pipeline applies.
pub fn not_applied_by(origin: &str) -> String {
    format!("(SELECT applying FROM godwit_control) IS NOT {}", quote::text(origin))
}

/// WHEN clause of a fence's triggers: everybody is kept out but Godwit's appliers.
pub const NOT_APPLYING: &str = "(SELECT applying FROM godwit_control) IS NULL";

/// Marks the open transaction as one that `name` applies.
pub async fn enter(session: &mut Session, name: &str) -> Result<()> {
    session.run("UPDATE godwit_control SET applying = ?1", Args::new().text(name)).await.map(|_| ())
}

/// Takes the mark away again, before the commit.
pub async fn leave(session: &mut Session) -> Result<()> {
    session.run("UPDATE godwit_control SET applying = NULL", Args::new()).await.map(|_| ())
}

/// In an open transaction: drops the control table when nothing of Godwit's is left that refers to it.
pub async fn drop_if_unused(session: &mut Session) -> Result<()> {
    let others = session
        .first(
            "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'godwit\\_%' ESCAPE '\\' AND name <> 'godwit_control'",
            Args::new(),
        )
        .await?;
    if others.is_some_and(|r| super::row::int(&r, 0) == 0) {
        session.script("DROP TABLE IF EXISTS godwit_control").await?;
    }
    Ok(())
}
