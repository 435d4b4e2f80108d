//! A database of one's own on a lab server, and sessions that do something in it.

use crate::lab::Lab;
use godwit::model::session::{Activity, LockEdge, Party, Session};
use godwit::stores::OpenOptions;
use godwit::stores::mysql::store::MysqlStore;
use godwit::stores::observe::Sessions;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;

/// A test gives up waiting for a state after this time.
pub const PATIENCE: Duration = Duration::from_secs(20);

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// Which of the two products a test runs on. What differs between them stands in the tests as a match on it, in one place each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// MariaDB: maria1 has the Performance Schema, maria2 is as it comes.
    MariaDb,
    /// MySQL: mysql1 is as it comes, mysql2 has no Performance Schema.
    Mysql,
}

impl Product {
    /// The lab's name of server 1 or 2.
    pub fn server(self, number: u8) -> &'static str {
        match (self, number) {
            (Self::MariaDb, 1) => "maria1",
            (Self::MariaDb, _) => "maria2",
            (Self::Mysql, 1) => "mysql1",
            (Self::Mysql, _) => "mysql2",
        }
    }

    /// The engine's word in a profile and in front of ids.
    pub fn word(self) -> &'static str {
        match self {
            Self::MariaDb => "mariadb",
            Self::Mysql => "mysql",
        }
    }

    /// Ids of what is missing, which are written with MariaDB's word, with this product's.
    pub fn ids(self, ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| id.replacen("mariadb.", &format!("{}.", self.word()), 1)).collect()
    }

    /// What is written differently.
    pub fn either<T>(self, mariadb: T, mysql: T) -> T {
        match self {
            Self::MariaDb => mariadb,
            Self::Mysql => mysql,
        }
    }
}

/// Two tests of one function: on MariaDB and on MySQL.
macro_rules! each_product {
    ($name:ident) => {
        each_product!($name, "needs MariaDB: run tests/run", "needs MySQL: run tests/run");
    };
    ($name:ident, in a network of its own) => {
        each_product!(
            $name,
            "needs MariaDB and a network of its own: run tests/run",
            "needs MySQL and a network of its own: run tests/run"
        );
    };
    ($name:ident, $mariadb:literal, $mysql:literal) => {
        mod $name {
            #[tokio::test]
            #[ignore = $mariadb]
            async fn on_mariadb() {
                super::$name($crate::mysql::lab::Product::MariaDb).await;
            }

            #[tokio::test]
            #[ignore = $mysql]
            async fn on_mysql() {
                super::$name($crate::mysql::lab::Product::Mysql).await;
            }
        }
    };
}
pub(crate) use each_product;

/// A server with an empty database.
pub struct Place {
    /// Whose server it is.
    pub product: Product,
    /// URL of the superuser, without a database.
    pub url: String,
    /// The database.
    pub database: String,
    /// A session in it.
    pub sql: Client,
}

/// A plain client.
pub struct Client {
    pub session: MySqlConnection,
    /// Its connection id.
    pub id: String,
}

impl Place {
    /// On the shared server 1 or 2.
    pub async fn shared(product: Product, number: u8) -> Self {
        Self::on(product, &Lab::shared(), number).await
    }

    /// On a server of some lab.
    pub async fn on(product: Product, lab: &Lab, number: u8) -> Self {
        let url = lab.url(product.server(number));
        let database = format!("godwit_{}_{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let mut admin = Client::connect(&url, "").await;
        admin.run(&format!("CREATE DATABASE {database}")).await;
        let sql = Client::connect(&url, &database).await;
        Self { product, url, database, sql }
    }

    /// Another session in the database.
    pub async fn client(&self) -> Client {
        Client::connect(&self.url, &self.database).await
    }

    /// The store of the database, as the superuser sees it.
    pub fn store(&self) -> MysqlStore {
        open(&format!("{}{}", self.url, self.database))
    }

    /// The store of the whole server, as `login` sees it.
    pub fn store_as(&self, login: &str, password: &str) -> MysqlStore {
        let (_, place) = self.url.split_once('@').unwrap();
        open(&format!("{}://{login}:{password}@{place}", self.product.word()))
    }

    /// Orders with four rows.
    pub async fn with_orders(&mut self) {
        self.sql.run("CREATE TABLE orders (id int PRIMARY KEY, c int, note varchar(200))").await;
        self.sql.run("INSERT INTO orders VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c'), (4, 4, 'd')").await;
    }

    /// Drops the database; sessions in it must have ended.
    pub async fn finish(self) {
        let mut admin = Client::connect(&self.url, "").await;
        self.sql.session.close().await.unwrap();
        admin.run(&format!("DROP DATABASE {}", self.database)).await;
    }
}

impl Client {
    /// A session; an empty database is none.
    pub async fn connect(url: &str, database: &str) -> Self {
        let mut options = MySqlConnectOptions::from_str(&url.replacen("mariadb://", "mysql://", 1)).unwrap();
        if !database.is_empty() {
            options = options.database(database);
        }
        let mut session = MySqlConnection::connect_with(&options.disable_statement_logging()).await.unwrap();
        let id: u64 = sqlx::query_scalar("SELECT CONNECTION_ID()").fetch_one(&mut session).await.unwrap();
        Self { session, id: id.to_string() }
    }

    /// Runs statements that must succeed.
    pub async fn run(&mut self, sql: &str) {
        self.attempt(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Runs statements that may fail.
    pub async fn attempt(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.session).await.map(|_| ())
    }

    /// Runs a statement that waits, and gives the session back when it has ended, with how it ended.
    pub fn runs(mut self, sql: &str) -> Waiting {
        let sql = sql.to_owned();
        let id = self.id.clone();
        let task = tokio::spawn(async move {
            let outcome = self.session.execute(AssertSqlSafe(sql)).await.map(|_| ());
            (self, outcome)
        });
        Waiting { id, task }
    }
}

/// A session whose statement has not ended.
pub struct Waiting {
    pub id: String,
    task: JoinHandle<(Client, Result<(), sqlx::Error>)>,
}

impl Waiting {
    /// The session again, and how its statement ended.
    pub async fn ended(self) -> (Client, Result<(), sqlx::Error>) {
        tokio::time::timeout(PATIENCE, self.task).await.expect("the statement must end").unwrap()
    }
}

/// Opens a store of the engine that the URL names.
pub fn open(url: &str) -> MysqlStore {
    let options = OpenOptions {
        id: "lab".into(),
        statement_timeout: Duration::from_secs(20),
        connect_timeout: Duration::from_secs(5),
    };
    let engine = if url.starts_with("mysql://") { "mysql" } else { "mariadb" };
    MysqlStore::open(options, engine, url).unwrap()
}

/// Looks until it shows what is waited for.
///
/// InnoDB renews what it shows of transactions only when nobody has read it for 0.1 s, so looking must not be more frequent; the pauses grow,
/// because another test may look at the same server.
pub async fn look_until(store: &MysqlStore, what: &str, shows: impl Fn(&Activity) -> bool) -> Activity {
    let end = tokio::time::Instant::now() + PATIENCE;
    let mut pause = Duration::from_millis(120);
    loop {
        let activity = store.activity().await.unwrap().value;
        if shows(&activity) {
            return activity;
        }
        assert!(tokio::time::Instant::now() < end, "{what} is not shown: {activity:#?}");
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(Duration::from_millis(500));
    }
}

/// The session of a connection.
pub fn session<'a>(activity: &'a Activity, id: &str) -> &'a Session {
    activity.sessions.iter().find(|session| session.key.id == id).unwrap_or_else(|| panic!("{id} is not listed"))
}

/// Pairs of (waiter, blocker) among these connections, in order.
pub fn pairs(activity: &Activity, among: &[&str]) -> Vec<(String, String)> {
    let id = |party: &Party| match party {
        Party::Session(key) => key.id.clone(),
        Party::Prepared(name) => name.clone(),
        Party::Unknown => "unknown".to_owned(),
    };
    let mut pairs: Vec<_> = activity
        .waits
        .iter()
        .map(|edge| (id(&edge.waiter), id(&edge.blocker)))
        .filter(|(waiter, _)| among.contains(&waiter.as_str()))
        .collect();
    pairs.sort();
    pairs
}

/// The edge between two connections.
pub fn edge<'a>(activity: &'a Activity, waiter: &str, blocker: &str) -> &'a LockEdge {
    let is = |party: &Party, id: &str| matches!(party, Party::Session(key) if key.id == id);
    let found = activity.waits.iter().find(|edge| is(&edge.waiter, waiter) && is(&edge.blocker, blocker));
    found.unwrap_or_else(|| panic!("{waiter} does not wait for {blocker}: {:#?}", activity.waits))
}

/// Sorted pairs, for comparing with [`pairs`].
pub fn sorted(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut pairs: Vec<_> = pairs.iter().map(|(w, b)| ((*w).to_owned(), (*b).to_owned())).collect();
    pairs.sort();
    pairs
}
