//! Clients and stores on the lab's Redis and Valkey servers.

use crate::lab::Lab;
use godwit::stores::{OpenOptions, StoreRef, registry};
use redis::aio::MultiplexedConnection;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// The two kinds of server that the same is proved of.
#[derive(Clone, Copy, Debug)]
pub enum Server {
    Redis,
    Valkey,
}

impl Server {
    /// The engine's word in profiles; with a number behind it a server's name in the lab.
    pub fn word(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Valkey => "valkey",
        }
    }

    /// The lab's name of server 1, the primary, or 2, its replica.
    pub fn name(self, number: u8) -> String {
        format!("{}{number}", self.word())
    }

    /// The server's program, where a test starts one of its own.
    pub fn program(self) -> PathBuf {
        let name = format!("{}-server", self.word());
        let output = std::process::Command::new("bash")
            .args(["-c", ". tests/lab/mongodb_redis.sh && . tests/lab/valkey.sh && { [[ $0 == valkey-server ]] && valkey_bin || command -v \"$0\"; }", &name])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output();
        let path = String::from_utf8(output.expect("there is a bash").stdout).unwrap();
        assert!(!path.trim().is_empty(), "no {name}: run tests/run");
        PathBuf::from(path.trim())
    }

    /// URL of the login that may do all on server 1 or 2.
    pub fn url(self, number: u8) -> String {
        Lab::shared().url(&self.name(number))
    }

    /// The same server with another login.
    pub fn url_as(self, number: u8, login: &str, password: &str) -> String {
        let url = self.url(number);
        let (_, place) = url.split_once('@').unwrap();
        format!("{}://{login}:{password}@{place}", self.word())
    }

    /// A store of its own, so that its first look is a fresh one.
    pub fn open(self, url: &str) -> StoreRef {
        let options = OpenOptions {
            id: "cache".into(),
            statement_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
        };
        registry::open(self.word(), options, url).unwrap()
    }

    /// A plain client.
    pub async fn client(self, number: u8) -> MultiplexedConnection {
        let client = redis::Client::open(self.url(number)).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }
}

/// Makes two tests of each proof, which takes the kind of server.
macro_rules! on_redis_and_valkey {
    ($($proof:ident),+ $(,)?) => {
        mod on_redis {
            $(
                #[tokio::test]
                #[ignore = "needs Redis: run tests/run"]
                async fn $proof() {
                    super::$proof(super::Server::Redis).await;
                }
            )+
        }

        mod on_valkey {
            $(
                #[tokio::test]
                #[ignore = "needs Valkey: run tests/run"]
                async fn $proof() {
                    super::$proof(super::Server::Valkey).await;
                }
            )+
        }
    };
}
pub(crate) use on_redis_and_valkey;

/// Sends a command, words apart by blanks.
pub async fn send(connection: &mut MultiplexedConnection, words: &str) -> redis::RedisResult<redis::Value> {
    let mut command = redis::Cmd::new();
    for word in words.split(' ') {
        command.arg(word);
    }
    command.query_async(connection).await
}

/// A text of the server.
pub fn words(value: &redis::Value) -> String {
    match value {
        redis::Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        redis::Value::VerbatimString { text, .. } | redis::Value::SimpleString(text) => text.clone(),
        other => panic!("{other:?} is no text"),
    }
}

/// A name that no other test has.
pub fn name(what: &str) -> String {
    format!("{what}-{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed))
}

/// Ids of what a reading could not show.
pub fn ids(missing: &[godwit::model::observation::Missing]) -> Vec<&str> {
    missing.iter().map(|missing| missing.id.as_str()).collect()
}
