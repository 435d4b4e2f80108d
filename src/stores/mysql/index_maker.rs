//! `ALTER TABLE ... ADD INDEX ..., ALGORITHM=INPLACE, LOCK=NONE`, which the server does wholly or not at all. The index carries its maker in its
//! comment, so that who made it cannot be lost apart from it.

use crate::model::index_order::IndexBuild;
use crate::stores::Result;
use crate::stores::error::{Operation, StoreError};
use crate::stores::index_maker::{IndexMaker, Maker, Standing};
use crate::stores::mysql::connect::lines;
use crate::stores::mysql::store::MysqlStore;
use crate::stores::mysql::watch::literal;
use async_trait::async_trait;
use sqlx::mysql::MySqlConnection;
use std::time::Duration;

/// What the statement ends with; the comment stands before it.
const ONLINE: &str = ", ALGORITHM=INPLACE, LOCK=NONE";

/// No build takes longer; the connection has to have some limit.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

/// What begins the comment of an index that Godwit made.
const SIGNATURE: &str = "godwit: ";

/// The comment that names the maker. The server keeps 1024 characters.
fn comment(maker: &str) -> String {
    format!("{SIGNATURE}{}", maker.chars().take(900).collect::<String>())
}

/// The statement with its signature.
fn signed(build: &IndexBuild, maker: &str) -> String {
    let body = build.statement.strip_suffix(ONLINE).unwrap_or(&build.statement);
    format!("{body} COMMENT {}{ONLINE}", literal(&comment(maker)))
}

/// Database and table of a name as the server prints it.
fn place(table: &str) -> (&str, &str) {
    table.split_once('.').unwrap_or(("", table))
}

fn standing_sql(build: &IndexBuild) -> String {
    let (database, table) = place(&build.table);
    format!(
        "SELECT COLUMN_NAME AS column_name, INDEX_COMMENT AS comment FROM information_schema.STATISTICS
          WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {} AND INDEX_NAME = {} ORDER BY SEQ_IN_INDEX",
        literal(database),
        literal(table),
        literal(&build.name)
    )
}

/// Statements that run now and are a build of ours: they carry its signature.
fn builders_sql(maker: &str) -> String {
    format!(
        "SELECT ID AS id FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() AND INFO LIKE 'ALTER TABLE%' AND LOCATE({}, INFO) > 0",
        literal(&comment(maker))
    )
}

impl MysqlStore {
    fn build_failed<'a>(&'a self, build: &'a IndexBuild) -> impl Fn(sqlx::Error) -> StoreError + 'a {
        move |error| {
            self.connector().failed(Operation::Build)(error).about(format!("index {} of {}", build.name, build.table))
        }
    }

    /// A session that may write, without a statement time-out.
    async fn acting(&self, build: &IndexBuild, patience: Option<Duration>) -> Result<MySqlConnection> {
        let mut connection = self.connector().dedicated(Operation::Build).await?;
        let wait = patience.map_or(31_536_000, |patience| patience.as_secs().max(1));
        let mut pins =
            vec!["SET SESSION TRANSACTION READ WRITE".to_owned(), format!("SET SESSION lock_wait_timeout = {wait}")];
        // MySQL's bound holds for SELECT only; MariaDB's for every statement.
        pins.push("SET SESSION max_statement_time = 0".to_owned());
        for (at, pin) in pins.into_iter().enumerate() {
            let outcome = lines(&mut connection, self.connector().limit(), pin).await;
            if at < 2 {
                outcome.map_err(self.build_failed(build))?;
            }
        }
        Ok(connection)
    }

    async fn standing_of(
        &self,
        connection: &mut MySqlConnection,
        build: &IndexBuild,
        maker: &str,
    ) -> Result<Option<Standing>> {
        let failed = self.build_failed(build);
        let limit = self.connector().limit();
        let found = lines(connection, limit, standing_sql(build)).await.map_err(&failed)?;
        if let Some(first) = found.first() {
            let signer = first.text("comment").strip_prefix(SIGNATURE).map(str::to_owned);
            return Ok(Some(Standing {
                on_table: true,
                valid: true,
                being_built: false,
                columns: found.iter().map(|line| line.some("column_name")).collect(),
                maker: signer.map_or(Maker::Nobody, Maker::Noted),
            }));
        }
        // An index shows only when it is done; until then its statement does.
        let builders = lines(connection, limit, builders_sql(maker)).await.map_err(&failed)?;
        Ok((!builders.is_empty()).then(|| Standing {
            on_table: true,
            valid: false,
            being_built: true,
            columns: Vec::new(),
            maker: Maker::Noted(maker.to_owned()),
        }))
    }
}

#[async_trait]
impl IndexMaker for MysqlStore {
    fn index_statements(&self, build: &IndexBuild, maker: &str) -> (Vec<String>, Vec<String>) {
        (vec![signed(build, maker)], vec![build.undo.clone()])
    }

    async fn index_standing(&self, build: &IndexBuild, maker: &str) -> Result<Option<Standing>> {
        let mut connection = self.connector().dedicated(Operation::Inspect).await?;
        let standing = self.standing_of(&mut connection, build, maker).await;
        self.connector().close(connection).await;
        standing
    }

    async fn make_index(&self, build: &IndexBuild, maker: &str, patience: Option<Duration>) -> Result<()> {
        let mut connection = self.acting(build, patience).await?;
        let built = lines(&mut connection, LONGEST, signed(build, maker)).await.map_err(self.build_failed(build));
        self.connector().close(connection).await;
        built.map(|_| ())
    }

    async fn unmake_index(&self, build: &IndexBuild, maker: &str, patience: Option<Duration>) -> Result<()> {
        let failed = self.build_failed(build);
        let limit = self.connector().limit();
        let mut connection = self.acting(build, patience).await?;
        for builder in lines(&mut connection, limit, builders_sql(maker)).await.map_err(&failed)? {
            let kill = format!("KILL QUERY {}", builder.number("id").unwrap_or_default());
            if let Err(error) = lines(&mut connection, limit, kill).await {
                tracing::debug!(store = %self.connector().id(), %error, "a build ended before it was cancelled");
            }
        }
        let stands = !lines(&mut connection, limit, standing_sql(build)).await.map_err(&failed)?.is_empty();
        if stands {
            lines(&mut connection, LONGEST, build.undo.clone()).await.map_err(&failed)?;
        }
        self.connector().close(connection).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_stands_inside_of_the_statement() {
        let build = IndexBuild {
            table: "shop.lines".to_owned(),
            name: "lines_a_idx".to_owned(),
            parts: Vec::new(),
            unique: false,
            statement: format!("ALTER TABLE `shop`.`lines` ADD INDEX `lines_a_idx` (`a`){ONLINE}"),
            undo: String::new(),
        };
        assert_eq!(
            signed(&build, "shop/tune/it's"),
            "ALTER TABLE `shop`.`lines` ADD INDEX `lines_a_idx` (`a`) COMMENT 'godwit: shop/tune/it''s', ALGORITHM=INPLACE, LOCK=NONE"
        );
        assert!(standing_sql(&build).contains("TABLE_SCHEMA = 'shop' AND TABLE_NAME = 'lines'"));
    }
}
