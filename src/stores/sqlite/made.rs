//! Who made an object: notes in a table of Godwit's own, written in the transaction that makes the object, so that a crash between
//! the making and the journal's row leaves no object behind that nobody knows.

use super::control;
use super::row::{self, Args};
use super::session::Session;
use crate::model::schema::SchemaStatement;
use crate::stores::Result;

const CREATE: &str = "CREATE TABLE IF NOT EXISTS godwit_made (object TEXT PRIMARY KEY, maker TEXT NOT NULL)";

async fn is_known(session: &mut Session) -> Result<bool> {
    Ok(session.first("SELECT 1 FROM sqlite_schema WHERE name = 'godwit_made'", Args::new()).await?.is_some())
}

/// In an open write transaction: notes the maker of an object.
pub async fn note(session: &mut Session, statement: &SchemaStatement, maker: &str) -> Result<()> {
    session.script(CREATE).await?;
    let note = "INSERT OR REPLACE INTO godwit_made (object, maker) VALUES (?1, ?2)";
    session.run(note, Args::new().text(statement.object.as_str()).text(maker)).await.map(|_| ())
}

/// The noted maker of an object.
pub async fn maker(session: &mut Session, statement: &SchemaStatement) -> Result<Option<String>> {
    if !is_known(session).await? {
        return Ok(None);
    }
    let object = Args::new().text(statement.object.as_str());
    let found = session.first("SELECT maker FROM godwit_made WHERE object = ?1", object).await?;
    Ok(found.map(|r| row::text(&r, 0).to_owned()))
}

/// In an open write transaction: forgets who made an object; the last note takes the table of notes along.
pub async fn forget(session: &mut Session, statement: &SchemaStatement) -> Result<()> {
    if !is_known(session).await? {
        return Ok(());
    }
    let object = Args::new().text(statement.object.as_str());
    session.run("DELETE FROM godwit_made WHERE object = ?1", object).await?;
    drop_if_unused(session).await
}

/// In an open write transaction: forgets the objects of all makers whose name begins with `prefix`.
pub async fn disown(session: &mut Session, prefix: &str) -> Result<()> {
    if !is_known(session).await? {
        return Ok(());
    }
    let sql = "DELETE FROM godwit_made WHERE substr(maker, 1, length(?1)) = ?1";
    session.run(sql, Args::new().text(prefix)).await?;
    drop_if_unused(session).await
}

async fn drop_if_unused(session: &mut Session) -> Result<()> {
    if session.first("SELECT 1 FROM godwit_made LIMIT 1", Args::new()).await?.is_none() {
        session.script("DROP TABLE godwit_made").await?;
    }
    control::drop_if_unused(session).await
}
