//! The fence: triggers that refuse every write on a table unless Godwit applies it.

use super::catalogue;
use super::control;
use super::inventory::existing;
use super::quote::{folded, ident, text};
use super::row::{self, Args};
use super::session::Session;
use crate::model::table::TableName;
use crate::stores::{FenceState, Result};

/// Remembers which cutover fenced a table.
const CREATE: &str = "CREATE TABLE IF NOT EXISTS godwit_fence (tbl TEXT PRIMARY KEY NOT NULL, token TEXT NOT NULL)";

/// Event and end of the trigger's name.
const EVENTS: [(&str, &str); 3] = [("INSERT", "i"), ("UPDATE", "u"), ("DELETE", "d")];

fn trigger_name(table: &str, event: &str) -> String {
    format!("godwit_fence:{event}:{table}")
}

/// The statements that fence a table, with their undo. `table` is spelled as in the schema.
pub fn statements(table: &str, token: &str, moved_message: &str) -> Vec<(String, String)> {
    let triggers = EVENTS.iter().map(|(event, short)| {
        let name = ident(&trigger_name(table, short));
        (
            format!(
                "CREATE TRIGGER IF NOT EXISTS {name} BEFORE {event} ON {} FOR EACH ROW WHEN {} \
                 BEGIN SELECT RAISE(ABORT, {}); END",
                ident(table),
                control::NOT_APPLYING,
                text(moved_message)
            ),
            format!("DROP TRIGGER IF EXISTS {name}"),
        )
    });
    let note = (
        format!("INSERT OR REPLACE INTO godwit_fence (tbl, token) VALUES ({}, {})", text(table), text(token)),
        format!("DELETE FROM godwit_fence WHERE tbl = {}", text(table)),
    );
    triggers.chain([note]).collect()
}

/// In an open write transaction: fences tables. A fence that stands is taken over under the new token.
pub async fn set(session: &mut Session, tables: &[TableName], token: &str, moved_message: &str) -> Result<()> {
    for statement in [control::CREATE, control::FILL, CREATE] {
        session.script(statement).await?;
    }
    for table in tables {
        let found = existing(session, table).await?;
        for (statement, _) in statements(&found.name, token, moved_message) {
            session.script(&statement).await?;
        }
    }
    Ok(())
}

/// In an open write transaction: removes the fence from tables.
pub async fn remove(session: &mut Session, tables: &[TableName]) -> Result<()> {
    if !is_known(session).await? {
        return Ok(());
    }
    for table in tables {
        let name = catalogue::find(session, table).await?.map_or_else(|| table.name.clone(), |found| found.name);
        for (_, undo) in statements(&name, "", "") {
            session.script(&undo).await?;
        }
    }
    if session.first("SELECT 1 FROM godwit_fence LIMIT 1", Args::new()).await?.is_none() {
        session.script("DROP TABLE godwit_fence").await?;
    }
    control::drop_if_unused(session).await
}

async fn is_known(session: &mut Session) -> Result<bool> {
    Ok(session.first("SELECT 1 FROM sqlite_schema WHERE name = 'godwit_fence'", Args::new()).await?.is_some())
}

/// Reads the fence. A table counts as fenced when all three triggers are on it and its cutover is known; the token is that of the
/// first table (they are set together).
pub async fn state(session: &mut Session, tables: &[TableName]) -> Result<FenceState> {
    if !is_known(session).await? {
        return Ok(FenceState::Open);
    }
    let tokens = session.rows("SELECT tbl, token FROM godwit_fence", Args::new()).await?;
    let triggers = session
        .rows(
            "SELECT name, tbl_name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE 'godwit\\_fence:%' ESCAPE '\\'",
            Args::new(),
        )
        .await?;
    let mut token = None;
    let mut open = Vec::new();
    for table in tables {
        let name = folded(&table.name);
        let on_it = triggers.iter().filter(|r| folded(row::text(r, 1)) == name).count();
        let noted = tokens.iter().find(|r| folded(row::text(r, 0)) == name).map(|r| row::text(r, 1).to_owned());
        match noted {
            Some(noted) if on_it == EVENTS.len() => token = token.or(Some(noted)),
            _ => open.push(table.clone()),
        }
    }
    Ok(match token {
        Some(token) if open.is_empty() => FenceState::Fenced { token },
        Some(_) => FenceState::Mixed { open },
        None => FenceState::Open,
    })
}
