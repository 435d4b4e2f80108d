//! AUTOINCREMENT counters: rows of `sqlite_sequence`. A plain INTEGER PRIMARY KEY has no counter: its next value follows from the
//! table's own largest one, which is copied with the rows.

use super::catalogue;
use super::connect::Mode;
use super::inventory::existing;
use super::quote::ident;
use super::row::{self, Args};
use super::store::SqliteStore;
use crate::model::table::{TableMap, TableName};
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::{MapSide, Result, SequenceState, Sequences};
use async_trait::async_trait;

#[async_trait]
impl Sequences for SqliteStore {
    async fn read(&self, maps: &[TableMap], side: MapSide) -> Result<Vec<SequenceState>> {
        let mut session = self.db.open(Mode::Read, Operation::Sequence).await?;
        let mut states = Vec::new();
        for map in maps {
            let (own, other) = match side {
                MapSide::Source => (&map.source, &map.target),
                MapSide::Target => (&map.target, &map.source),
            };
            let found = existing(&mut session, own).await?;
            let (true, Some(key)) = (found.has_autoincrement(), found.primary_key.first()) else { continue };
            let sql = format!(
                "SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = ?1), 0), \
                 coalesce((SELECT max({}) FROM {}), 0))",
                ident(key),
                ident(&found.name)
            );
            let high_water = session.first(&sql, Args::new().text(&found.name)).await?.map_or(0, |r| row::int(&r, 0));
            states.push(SequenceState {
                name: TableName::bare(&found.name),
                counterpart: other.clone(),
                high_water,
                increment: 1,
            });
        }
        Ok(states)
    }

    async fn advance_past(&self, states: &[SequenceState]) -> Result<()> {
        if states.is_empty() {
            return Ok(());
        }
        let mut session = self.db.open(Mode::Write, Operation::Sequence).await?;
        let mut statements = Vec::new();
        for state in states {
            let found = catalogue::find(&mut session, &state.counterpart).await?;
            let name = match found {
                Some(found) if found.has_autoincrement() => super::quote::text(&found.name),
                Some(_) => {
                    let why = "the table has no AUTOINCREMENT, so a number that was handed out could be used again";
                    return Err(session.fail(ErrorKind::Unsupported, why).about(state.counterpart.to_string()));
                }
                None => {
                    let why = "there is no such table";
                    return Err(session.fail(ErrorKind::NotFound, why).about(state.counterpart.to_string()));
                }
            };
            let value = state.high_water;
            statements.push(format!("UPDATE sqlite_sequence SET seq = max(seq, {value}) WHERE name = {name}"));
            statements.push(format!(
                "INSERT INTO sqlite_sequence (name, seq) SELECT {name}, {value} \
                 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = {name})"
            ));
        }
        session.transaction(&statements).await
    }
}
