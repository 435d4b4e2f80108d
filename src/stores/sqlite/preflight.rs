//! Named checks before a migration. They never write.

use super::capability::MINIMUM_VERSION;
use super::catalogue::{self, CatalogueTable};
use super::connect::Mode;
use super::ddl;
use super::inventory::file_bytes;
use super::quote::ident;
use super::row::{self, Args};
use super::session::Session;
use super::store::SqliteStore;
use crate::model::check::{Check, Verdict};
use crate::model::ids::StoreId;
use crate::model::lag::Reading;
use crate::model::table::{RowIdentity, TableName};
use crate::stores::error::Operation;
use crate::stores::{Environment, Preflight, Result, Side};
use async_trait::async_trait;
use nix::sys::statfs::{self, statfs};
use nix::unistd::{AccessFlags, access};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Largest file whose pages are all read by the integrity check.
const QUICK_CHECK_BYTES: u64 = 1 << 30;

/// File systems over a network, on which SQLite's write-ahead log does not work: its index is shared memory of one machine.
const NETWORK_FILE_SYSTEMS: [(statfs::FsType, &str); 4] = [
    (statfs::NFS_SUPER_MAGIC, "NFS"),
    (statfs::SMB_SUPER_MAGIC, "SMB"),
    (statfs::CODA_SUPER_MAGIC, "Coda"),
    (statfs::NCP_SUPER_MAGIC, "NCP"),
];

#[async_trait]
impl Preflight for SqliteStore {
    async fn environment(&self) -> Result<Environment> {
        let mut session = self.db.open(Mode::Read, Operation::Inspect).await?;
        let rows = session.rows("PRAGMA encoding", Args::new()).await?;
        let encoding = rows.first().map(|found| row::text(found, 0)).unwrap_or_default().to_owned();
        // Collations are declared with each column, and extensions belong to each application's connection.
        Ok(Environment { encoding, collation: "BINARY".to_owned(), extensions: BTreeMap::new() })
    }

    async fn checks(&self, side: Side, tables: &[TableName]) -> Vec<Check> {
        let path = self.db.canonical();
        let mut checks = Checks { store: self.db.options.id.clone(), done: Vec::new() };
        let exists = self.db.file_identity().is_some();
        checks.file(side, &path, exists);
        checks.place(&path);
        checks.add(
            "sqlite.application_settings",
            "",
            Verdict::NotCheckable,
            "busy_timeout, synchronous and recursive_triggers belong to each application's connection and cannot be seen from here",
            "let every writer set PRAGMA busy_timeout above the downtime budget, so that it waits during the freeze instead of failing",
        );
        if !exists {
            return checks.done;
        }
        if let Err(e) = self.inside(side, tables, &mut checks).await {
            checks.add("sqlite.connection", "", Verdict::Fail, &e.to_string(), e.kind.advice().1);
        }
        checks.done
    }
}

impl SqliteStore {
    async fn inside(&self, side: Side, tables: &[TableName], checks: &mut Checks) -> Result<()> {
        let mut session = self.db.open(Mode::Read, Operation::Inspect).await?;
        // Reading the schema proves that this is a database; `sqlite_version()` alone would not touch the file.
        let facts = session.first("SELECT sqlite_version(), count(*) FROM sqlite_schema", Args::new()).await?;
        let bytes = file_bytes(&mut session).await?;
        checks.add("sqlite.connection", "", Verdict::Pass, &format!("opened, {bytes} bytes"), "");
        checks.version(facts.as_ref().map_or("", |row| row::text(row, 0)));
        checks.encoding(&session.pragma("encoding").await?.to_string());
        checks.journal(side, &session.pragma("journal_mode").await?.to_string());
        checks.disk(side, self.db.disk_free(), bytes);
        integrity(&mut session, bytes, checks).await;
        left_behind(&mut session, side, checks).await?;
        for table in tables {
            match catalogue::find(&mut session, table).await? {
                Some(found) => table_checks(&mut session, side, &found, checks).await?,
                // A target's tables are made by the build phase.
                None if side == Side::Target => {}
                None => {
                    let fix = "name a table of this file in the pipeline";
                    checks.add("sqlite.table", &table.name, Verdict::Fail, "there is no such table", fix);
                }
            }
        }
        Ok(())
    }
}

async fn integrity(session: &mut Session, bytes: u64, checks: &mut Checks) {
    let id = "sqlite.integrity";
    if bytes > QUICK_CHECK_BYTES {
        let evidence = format!("{bytes} bytes is more than is read for this check ({QUICK_CHECK_BYTES})");
        checks.add(id, "", Verdict::NotCheckable, &evidence, "run PRAGMA quick_check on a copy of the file");
        return;
    }
    match session.first("PRAGMA quick_check(1)", Args::new()).await {
        Ok(Some(answer)) if row::text(&answer, 0) == "ok" => {
            checks.add(id, "", Verdict::Pass, "quick_check says ok", "")
        }
        Ok(answer) => {
            let evidence = format!("quick_check says: {}", answer.as_ref().map_or("nothing", |a| row::text(a, 0)));
            checks.add(
                id,
                "",
                Verdict::Fail,
                &evidence,
                "restore the file from a backup, or recover it with sqlite3's .recover",
            );
        }
        Err(e) => {
            let fix = "run PRAGMA quick_check on a copy of the file, or raise the store's statement_timeout";
            checks.add(id, "", Verdict::NotCheckable, &e.message, fix);
        }
    }
}

/// Objects of Godwit: those of this migration while it runs, or leftovers of another.
async fn left_behind(session: &mut Session, side: Side, checks: &mut Checks) -> Result<()> {
    let found = session
        .rows(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'godwit\\_%' ESCAPE '\\' ORDER BY name",
            Args::new(),
        )
        .await?;
    if found.is_empty() {
        checks.add("sqlite.godwit_objects", "", Verdict::Pass, "nothing of Godwit is in the file", "");
        return Ok(());
    }
    let names = found.iter().map(|r| row::text(r, 0)).collect::<Vec<_>>().join(", ");
    let fix = match side {
        Side::Source => "if no migration runs on this file, roll the old one back: its triggers still write a log",
        Side::Target => "if no migration runs on this file, roll the old one back",
    };
    checks.add("sqlite.godwit_objects", "", Verdict::Warn, &format!("the file has {names}"), fix);
    Ok(())
}

async fn table_checks(session: &mut Session, side: Side, found: &CatalogueTable, checks: &mut Checks) -> Result<()> {
    key_check(session, found, checks).await?;
    let blind: Vec<&str> = found.uniques.iter().filter(|i| i.columns.is_none()).map(|i| i.name.as_str()).collect();
    if !blind.is_empty() {
        checks.add(
            "sqlite.replace",
            &found.name,
            Verdict::Warn,
            &format!("the unique index {} is partial or has an expression", blind.join(", ")),
            "make sure that no application uses INSERT OR REPLACE on this table: a row that it removes through this index is not captured",
        );
    }
    let triggers = session
        .rows(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 \
             AND name NOT LIKE 'godwit\\_%' ESCAPE '\\' ORDER BY name",
            Args::new().text(&found.name),
        )
        .await?;
    let names: Vec<&str> = triggers.iter().map(|r| row::text(r, 0)).collect();
    if !names.is_empty() {
        let when = match side {
            Side::Source => "it fires again for the changes that the reverse pipeline applies here",
            Side::Target => "it fires for every row that is copied and applied here",
        };
        checks.add(
            "sqlite.triggers",
            &found.name,
            Verdict::Warn,
            &format!("trigger {}: {when}", names.join(", ")),
            "its effects arrive as rows of their own; if they must not happen twice, add WHEN (SELECT applying FROM godwit_control) IS NULL",
        );
    }
    let own_writer = triggers.iter().find(|r| {
        let sql = row::text(r, 1);
        let body = sql.split_once("BEGIN").map_or("", |(_, body)| body);
        ddl::has_keyword(sql, "BEFORE") && ddl::mentions(body, &found.name)
    });
    if let (Some(trigger), Side::Source) = (own_writer, side) {
        checks.add(
            "sqlite.recursive_trigger",
            &found.name,
            Verdict::Warn,
            &format!("the BEFORE trigger {} names its own table", row::text(trigger, 0)),
            "make sure that no application uses INSERT OR REPLACE on this table: a row that it removes may not be captured",
        );
    }
    Ok(())
}

async fn key_check(session: &mut Session, found: &CatalogueTable, checks: &mut Checks) -> Result<()> {
    let id = "sqlite.key";
    let RowIdentity::Key(key) = found.identity() else {
        let fix = format!(
            "add a primary key (rebuild the table), or: CREATE UNIQUE INDEX {} ON {} (...) over columns that are NOT NULL",
            ident(&format!("{}_key", found.name)),
            ident(&found.name)
        );
        let evidence = "the table has no primary key and no unique index over NOT NULL columns; a rowid is not stable under VACUUM";
        checks.add(id, &found.name, Verdict::Fail, evidence, &fix);
        return Ok(());
    };
    let nullable = found.nullable_key_columns();
    if !nullable.is_empty() {
        let any = nullable.iter().map(|name| format!("{} IS NULL", ident(name))).collect::<Vec<_>>().join(" OR ");
        let sql = format!("SELECT 1 FROM {} WHERE {any} LIMIT 1", ident(&found.name));
        if session.first(&sql, Args::new()).await?.is_some() {
            let evidence = format!("there are rows with NULL in the primary key ({})", nullable.join(", "));
            let fix = format!("give these rows a key: SELECT * FROM {} WHERE {any}", ident(&found.name));
            checks.add(id, &found.name, Verdict::Fail, &evidence, &fix);
            return Ok(());
        }
        let evidence = format!("key ({}); SQLite lets NULL into {}", key.join(", "), nullable.join(", "));
        checks.add(
            id,
            &found.name,
            Verdict::Warn,
            &evidence,
            "a row with NULL in its key stops the pipeline: declare the column NOT NULL",
        );
        return Ok(());
    }
    let kind = if found.without_rowid { ", WITHOUT ROWID" } else { "" };
    checks.add(id, &found.name, Verdict::Pass, &format!("key ({}){kind}", key.join(", ")), "");
    Ok(())
}

/// The checks done so far.
struct Checks {
    store: StoreId,
    done: Vec<Check>,
}

impl Checks {
    fn add(&mut self, id: &str, subject: &str, verdict: Verdict, evidence: &str, fix: &str) {
        self.done.push(Check {
            id: id.to_owned(),
            store: Some(self.store.clone()),
            subject: subject.to_owned(),
            verdict,
            evidence: evidence.to_owned(),
            fix: if verdict == Verdict::Pass { String::new() } else { fix.to_owned() },
        });
    }

    fn file(&mut self, side: Side, path: &Path, exists: bool) {
        let id = "sqlite.file";
        let shown = path.display().to_string();
        if !exists {
            match side {
                Side::Source => {
                    self.add(
                        id,
                        "",
                        Verdict::Fail,
                        &format!("there is no file {shown}"),
                        "mend the store's url in the profile",
                    );
                }
                Side::Target => {
                    self.add(id, "", Verdict::Pass, &format!("{shown} does not exist and will be made"), "")
                }
            }
            return;
        }
        if access(path, AccessFlags::R_OK | AccessFlags::W_OK).is_err() {
            let fix = format!("let the engine's user read and write it, such as: chmod g+rw {shown}");
            self.add(id, "", Verdict::Fail, &format!("{shown} cannot be read and written"), &fix);
            return;
        }
        match std::fs::metadata(path) {
            // Two names of one file have two write-ahead logs, and neither knows the other (sqlite.org/howtocorrupt.html).
            Ok(meta) if meta.nlink() > 1 => {
                let evidence = format!("{shown} has {} names (hard links)", meta.nlink());
                self.add(
                    id,
                    "",
                    Verdict::Fail,
                    &evidence,
                    "keep one name: writers through another name corrupt the database",
                );
            }
            Ok(_) => self.add(id, "", Verdict::Pass, &format!("{shown} can be read and written"), ""),
            Err(e) => self.add(id, "", Verdict::NotCheckable, &format!("{shown}: {e}"), "look at the file's mode"),
        }
    }

    fn place(&mut self, path: &Path) {
        let directory = path.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf);
        let shown = directory.display().to_string();
        if access(&directory, AccessFlags::W_OK | AccessFlags::X_OK).is_ok() {
            self.add("sqlite.directory", "", Verdict::Pass, &format!("{shown} is writable"), "");
        } else {
            let fix = format!(
                "let the engine's user write in it: SQLite keeps {}-wal and -shm beside the file",
                path.display()
            );
            self.add("sqlite.directory", "", Verdict::Fail, &format!("{shown} is not writable"), &fix);
        }
        let id = "sqlite.file_system";
        match statfs(&directory) {
            Ok(stat) => match NETWORK_FILE_SYSTEMS.iter().find(|(kind, _)| *kind == stat.filesystem_type()) {
                Some((_, name)) => {
                    let evidence = format!("{shown} is on {name}");
                    self.add(
                        id,
                        "",
                        Verdict::Fail,
                        &evidence,
                        "move the file to a local disk: WAL mode does not work over a network",
                    );
                }
                None => self.add(id, "", Verdict::Pass, &format!("{shown} is on no known network file system"), ""),
            },
            Err(e) => {
                self.add(
                    id,
                    "",
                    Verdict::NotCheckable,
                    &format!("{shown}: {e}"),
                    "make sure that the file is on a local disk",
                );
            }
        }
    }

    fn version(&mut self, version: &str) {
        let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        let found = (parts.next().unwrap_or(0), parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        let (major, minor, patch) = MINIMUM_VERSION;
        let evidence = format!(
            "the engine's library is {version} (at least {major}.{minor}.{patch}); the applications' are not visible"
        );
        let verdict = if found >= MINIMUM_VERSION { Verdict::Pass } else { Verdict::Fail };
        self.add("sqlite.version", "", verdict, &evidence, "use a build of Godwit with a newer SQLite");
    }

    fn encoding(&mut self, encoding: &str) {
        let verdict = if encoding == "UTF-8" { Verdict::Pass } else { Verdict::Fail };
        let fix = "rebuild the file as UTF-8: sqlite3 old .dump, then PRAGMA encoding = 'UTF-8' in a new file before loading it";
        self.add("sqlite.encoding", "", verdict, &format!("text is stored as {encoding}"), fix);
    }

    fn journal(&mut self, side: Side, mode: &str) {
        let (verdict, why) = match (mode, side) {
            ("wal", _) => (Verdict::Pass, ""),
            (_, Side::Source) => (Verdict::Fail, ": readers would keep writers out for the whole copy"),
            (_, Side::Target) => (Verdict::Warn, ": Godwit switches it to wal with its first write"),
        };
        self.add(
            "sqlite.journal_mode",
            "",
            verdict,
            &format!("journal_mode is {mode}{why}"),
            "run once: PRAGMA journal_mode = WAL",
        );
    }

    fn disk(&mut self, side: Side, free: Reading<u64>, bytes: u64) {
        let free = match free {
            Reading::Known(free) => free,
            Reading::Unknown(why) => {
                self.add("sqlite.disk", "", Verdict::NotCheckable, &why, "look at the free space yourself");
                return;
            }
        };
        let need = match side {
            Side::Source => {
                "the write-ahead log cannot shrink while the copy reads, and the change log grows until it is applied"
            }
            Side::Target => "the copied rows and their indexes come on top",
        };
        let verdict = if free >= bytes.saturating_mul(2) { Verdict::Pass } else { Verdict::Warn };
        let evidence = format!("{free} bytes free, the file has {bytes}; {need}");
        self.add("sqlite.disk", "", verdict, &evidence, "have at least twice the file's size free");
    }
}
