//! A validated profile: every name in it resolves, every secret source is named but not yet read.

use crate::model::access::declared::Waiver;
use crate::model::finding::Severity;
use crate::model::ids::{PhaseId, PipelineId, ServiceId, StoreId};
use crate::model::index_order::FindingName;
use crate::model::phase::PhaseKind;
pub use crate::model::schema_change::SchemaChangePolicy;
use chrono::NaiveDate;
use secrecy::SecretString;
use std::path::PathBuf;
use std::time::Duration;

/// The whole profile, in file order where order matters.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The file it was read from.
    pub path: PathBuf,
    /// SHA-256 of the file's bytes, lower-case hex: part of every plan.
    pub digest: String,
    /// `[migration]`.
    pub migration: Migration,
    /// `[roles]`.
    pub roles: Roles,
    /// `[stores.*]`, in file order.
    pub stores: Vec<StoreConfig>,
    /// `[services.*]`, in file order.
    pub services: Vec<Service>,
    /// `[pipelines.*]`, in file order.
    pub pipelines: Vec<Pipeline>,
    /// `[access]`.
    pub access: AccessNames,
    /// `[[waivers]]`, in file order.
    pub waivers: Vec<Waiver>,
    /// `[[operations]]`, in file order.
    pub operations: Vec<LogicalOperation>,
    /// The ladder in execution order: the default one, or `[ladder] order = [...]`.
    pub phases: Vec<Phase>,
}

/// `[migration]`.
#[derive(Clone, Debug)]
pub struct Migration {
    /// Names the journal's directory and the socket: letters, digits, `-`, `_`.
    pub name: String,
    /// `production` asks for typed confirmations and colours the header.
    pub env: Option<String>,
    /// Upper bound for the time during which writers wait at a cutover.
    pub downtime_budget: Duration,
    /// Unix group whose members may connect to the socket; without it only the engine's own user (and root) can.
    pub socket_group: Option<String>,
}

impl Migration {
    /// True when dangerous commands need the target's name typed.
    pub fn is_production(&self) -> bool {
        self.env.as_deref() == Some("production")
    }
}

/// `[roles]`: Unix users and `@groups`. With no `[roles]` at all the engine's own user is approver.
#[derive(Clone, Debug, Default)]
pub struct Roles {
    /// May look.
    pub viewer: Vec<String>,
    /// May also request, pause, resume, retry.
    pub operator: Vec<String>,
    /// May also approve and roll back.
    pub approver: Vec<String>,
}

impl Roles {
    /// True when the profile declares no roles.
    pub fn is_empty(&self) -> bool {
        self.viewer.is_empty() && self.operator.is_empty() && self.approver.is_empty()
    }
}

/// The engines that this build knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// PostgreSQL 14 and newer.
    Postgres,
    /// SQLite 3 in WAL mode.
    Sqlite,
    /// MariaDB 10.6 and newer. Watched only.
    Mariadb,
    /// MySQL 8.0 and newer. Watched only.
    Mysql,
    /// MongoDB 5 and newer. Watched only.
    Mongodb,
    /// Redis 6 and newer. Watched only.
    Redis,
    /// Valkey. Watched only.
    Valkey,
}

impl Engine {
    /// All engines, in the order in which they are listed to the operator.
    pub const ALL: [Self; 7] =
        [Self::Postgres, Self::Sqlite, Self::Mariadb, Self::Mysql, Self::Mongodb, Self::Redis, Self::Valkey];

    /// The word used in profiles.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Sqlite => "sqlite",
            Self::Mariadb => "mariadb",
            Self::Mysql => "mysql",
            Self::Mongodb => "mongodb",
            Self::Redis => "redis",
            Self::Valkey => "valkey",
        }
    }

    /// The product's name, for sentences.
    pub fn product(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Sqlite => "SQLite",
            Self::Mariadb => "MariaDB",
            Self::Mysql => "MySQL",
            Self::Mongodb => "MongoDB",
            Self::Redis => "Redis",
            Self::Valkey => "Valkey",
        }
    }

    /// True when data can be moved out of and into its stores; the others are watched.
    pub fn moves_data(self) -> bool {
        matches!(self, Self::Postgres | Self::Sqlite)
    }

    /// The engine that a profile's word means.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|engine| engine.as_str() == word)
    }
}

/// Where a secret comes from; read when it is needed, never kept in the profile text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// Text with `${NAME}` parts taken from the environment; also the form of a URL without any secret.
    Template(String),
    /// `file:/path`: the trimmed content of a file that only its owner can read.
    File(PathBuf),
    /// `command:prog args`: the trimmed first line of the output.
    Command(Vec<String>),
}

/// `[stores.NAME]`.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// Its name.
    pub id: StoreId,
    /// Its engine.
    pub engine: Engine,
    /// Where its URL comes from.
    pub url: SecretSource,
    /// Longest time for an ordinary statement.
    pub statement_timeout: Duration,
    /// Longest time to connect.
    pub connect_timeout: Duration,
    /// The store whose physical replica it is: it is watched, and its index counters count with those of that store.
    pub replica_of: Option<StoreId>,
}

/// `[services.NAME]`.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name.
    pub id: ServiceId,
    /// The store that it owns.
    pub store: StoreId,
    /// Logical table names that belong to it.
    pub owns: Vec<String>,
    /// Its logins, on every store.
    pub accounts: Vec<String>,
    /// Tables of other services that it may read, as their owners spell them.
    pub allowed_reads: Vec<String>,
    /// Last day on which it may; `None`: for good.
    pub until: Option<NaiveDate>,
}

/// `[[operations]]`: statements in unlike languages that are one operation of the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogicalOperation {
    /// What it is called.
    pub name: String,
    /// What it is on each store.
    pub statements: Vec<OperationStatement>,
}

/// What an operation is on one store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationStatement {
    /// The store.
    pub store: StoreId,
    /// The statement as its engine writes it. Values in it do not matter.
    pub text: String,
}

/// `[access]`: logins that belong to no service.
#[derive(Clone, Debug, Default)]
pub struct AccessNames {
    /// For emergencies: they may be superusers.
    pub break_glass: Vec<String>,
    /// With which the migration works.
    pub migration: Vec<String>,
    /// Roles of a managed service: names, or beginnings followed by `*`.
    pub ignore: Vec<String>,
    /// Last day of the migration.
    pub until: Option<NaiveDate>,
}

/// Pacing limits; `None`: not limited.
#[derive(Clone, Debug, PartialEq)]
pub struct Throttle {
    /// Copying waits while change lag is above this.
    pub target_lag: Option<Duration>,
    /// Copying waits while the source host's load per core is above this (0.0 to 1.0 and more), where it can be read.
    pub source_load: Option<f64>,
    /// Rows a second over all readers.
    pub rows_per_second: Option<u64>,
    /// Parallel chunk readers; `None`: chosen by Godwit.
    pub workers: Option<usize>,
}

/// `[pipelines.NAME]`, kind `copier`.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Its name.
    pub id: PipelineId,
    /// Source store.
    pub from: StoreId,
    /// Target store.
    pub to: StoreId,
    /// What it moves.
    pub tables: Vec<TableRule>,
    /// `on_schema_change`.
    pub on_schema_change: SchemaChangePolicy,
    /// `leave_behind`: tables made on the target after a cutover that a roll back does not take along.
    pub leave_behind: Vec<String>,
    /// `throttle`.
    pub throttle: Throttle,
    /// Size of a copied chunk.
    pub chunk_bytes: u64,
}

/// One table of a pipeline: `"public.orders"` or `{ from = "...", to = "...", columns = {...}, exclude = [...] }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRule {
    /// Name on the source, `schema.table` or `table`.
    pub from: String,
    /// Name on the target; the same as `from` when not given.
    pub to: String,
    /// Renamed columns: (source, target).
    pub rename: Vec<(String, String)>,
    /// Source columns that are left out.
    pub exclude: Vec<String>,
}

/// Conditions under which a phase may start (and a cutover may go on).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gates {
    /// Every pipeline's lag is known and at most this.
    pub lag: Option<Duration>,
    /// Every table had a full verification pass within this time.
    pub verified_within: Option<Duration>,
    /// At most this many differing rows (missing + extra + changed + unresolved).
    pub drift: Option<u64>,
    /// No transaction on the moved tables is older than this.
    pub open_transactions: Option<Duration>,
    /// The runway of the pipelines and of the logs that their stores keep is at least this.
    pub runway: Option<Duration>,
    /// No failing finding of the access audit at this severity or above.
    pub access: Option<Severity>,
    /// Nobody but its own service wrote a table of the pipelines for this long.
    pub no_foreign_writer: Option<Duration>,
    /// No index of the source is missing on the target, and no foreign key there is without one.
    pub indexes: bool,
    /// No statement takes more than so many times as long on the target as on the source.
    pub hotspot_regression: Option<f64>,
}

/// Where the applications' traffic is switched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// A JSON routing file, replaced atomically.
    File {
        /// The file.
        path: PathBuf,
    },
    /// A command that gets `GODWIT_SIDE` and `GODWIT_SERVICES` (`name=store,...`) in its environment; exit code 0 is success.
    Command {
        /// Program and arguments that switch to the side in `GODWIT_SIDE`; must be safe to run twice.
        argv: Vec<String>,
        /// Longest run time.
        timeout: Duration,
    },
    /// An HTTP call with a JSON body `{side, services}`; 2xx is success.
    Http {
        /// The URL; what is secret in it comes from elsewhere.
        url: SecretSource,
        /// POST or PUT.
        method: String,
        /// Longest time for the call.
        timeout: Duration,
    },
    /// A PgBouncer: PAUSE before the freeze, rewrite of its database list, RELOAD, RESUME.
    PgBouncer {
        /// URL of its admin console.
        admin: SecretSource,
        /// The database entry that applications use.
        database: String,
        /// The file with the `[databases]` section (an `%include` of pgbouncer.ini, or itself).
        file: PathBuf,
        /// Connect string of the entry while the source serves, as in pgbouncer.ini.
        source: String,
        /// Connect string of the entry while the target serves.
        target: String,
        /// Longest wait for PAUSE.
        timeout: Duration,
    },
}

/// A profile's own step inside a phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CustomStep {
    /// A statement on a store.
    Sql {
        /// Step name.
        name: String,
        /// Where it runs.
        store: StoreId,
        /// Forward statement.
        statement: String,
        /// Statement that takes it back; empty: nothing to take back.
        undo: String,
        /// A query whose first column is true when the step is already done; empty: run again after a crash.
        check: String,
    },
    /// A command.
    Command {
        /// Step name.
        name: String,
        /// Forward command.
        argv: Vec<String>,
        /// Command that takes it back.
        undo: Vec<String>,
        /// Longest run time.
        timeout: Duration,
    },
    /// An HTTP call.
    Http {
        /// Step name.
        name: String,
        /// The URL; what is secret in it comes from elsewhere.
        url: SecretSource,
        /// POST or PUT.
        method: String,
        /// URL that takes it back; `None`: nothing to take back.
        undo_url: Option<SecretSource>,
        /// Longest time.
        timeout: Duration,
    },
}

/// One rung of the ladder.
#[derive(Clone, Debug)]
pub struct Phase {
    /// Its name; for the default ladder the same as its kind.
    pub id: PhaseId,
    /// What it does.
    pub kind: PhaseKind,
    /// Pipelines it is about; all when the profile names none.
    pub pipelines: Vec<PipelineId>,
    /// Distinct approvers needed; with 2 or more the requester does not count.
    pub approvals: u32,
    /// An approval is void after this time.
    pub approval_ttl: Duration,
    /// When it may start.
    pub window: Option<Window>,
    /// Conditions.
    pub gates: Gates,
    /// Where traffic is switched (cutover only).
    pub routes: Vec<Route>,
    /// The profile's own steps, run after Godwit's.
    pub steps: Vec<CustomStep>,
    /// Tune and watch: findings of the index advice that it builds. Others: unused.
    pub indexes: Vec<FindingName>,
    /// Watch: how long it must look healthy. Others: unused.
    pub soak: Duration,
}

/// `window = "Sat 22:00-02:00 Asia/Seoul"`: weekly, may cross midnight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Days on which it opens; empty: every day.
    pub days: Vec<chrono::Weekday>,
    /// Opening time.
    pub from: chrono::NaiveTime,
    /// Closing time; not after `from` means the next day.
    pub to: chrono::NaiveTime,
    /// Time zone.
    pub zone: chrono_tz::Tz,
    /// As written.
    pub text: String,
}

/// A resolved secret URL.
pub type SecretUrl = SecretString;
