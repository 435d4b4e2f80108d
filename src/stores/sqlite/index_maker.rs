//! `CREATE INDEX`, in one write transaction with the note of its maker: it is there with its note, or not at all.

use super::connect::Mode;
use super::made;
use super::row::{self, Args};
use super::store::SqliteStore;
use crate::model::index_order::IndexBuild;
use crate::model::schema::{SchemaPart, SchemaStatement};
use crate::stores::error::Operation;
use crate::stores::index_maker::{IndexMaker, Maker, Standing};
use crate::stores::{Result, Schema};
use async_trait::async_trait;
use std::time::Duration;

/// The build as a schema object: made and removed as any other.
fn statement(build: &IndexBuild) -> SchemaStatement {
    SchemaStatement {
        part: SchemaPart::Rest,
        object: format!("index {}", build.name),
        statement: build.statement.clone(),
        undo: build.undo.clone(),
    }
}

#[async_trait]
impl IndexMaker for SqliteStore {
    fn index_statements(&self, build: &IndexBuild, _maker: &str) -> (Vec<String>, Vec<String>) {
        (vec![build.statement.clone()], vec![build.undo.clone()])
    }

    async fn index_standing(&self, build: &IndexBuild, _maker: &str) -> Result<Option<Standing>> {
        if self.db.file_identity().is_none() {
            return Ok(None);
        }
        let mut session = self.db.open(Mode::Read, Operation::Inspect).await?;
        let named =
            "SELECT type = 'index' AND tbl_name = ?2 COLLATE NOCASE FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE";
        let Some(found) =
            session.first(named, Args::new().text(build.name.as_str()).text(build.table.as_str())).await?
        else {
            return Ok(None);
        };
        let on_table = row::uint(&found, 0) == 1;
        let listed = "SELECT name FROM pragma_index_info(?1) ORDER BY seqno";
        let columns = session.rows(listed, Args::new().text(build.name.as_str())).await?;
        let maker = made::maker(&mut session, &statement(build)).await?;
        Ok(Some(Standing {
            on_table,
            valid: on_table,
            being_built: false,
            columns: columns.iter().map(|r| Some(row::text(r, 0).to_owned()).filter(|name| !name.is_empty())).collect(),
            maker: maker.map_or(Maker::Nobody, Maker::Noted),
        }))
    }

    async fn make_index(&self, build: &IndexBuild, maker: &str, _patience: Option<Duration>) -> Result<()> {
        self.make(&statement(build), maker).await
    }

    async fn unmake_index(&self, build: &IndexBuild, maker: &str, _patience: Option<Duration>) -> Result<()> {
        match self.index_standing(build, maker).await? {
            Some(standing) if standing.on_table => self.unmake(&statement(build), &build.undo).await,
            _ => Ok(()),
        }
    }
}
