//! Servers that are started without the lab: what one is told on its command line is all that it is told.

use super::lab::{Server, send};
use crate::lab::wait_until;
use crate::planted::judged;
use crate::secluded::free_port;
use godwit::model::access::declared::StoreMap;
use godwit::model::access::observed::ObservedAccess;
use godwit::model::finding::Finding;
use godwit::stores::StoreRef;
use redis::aio::MultiplexedConnection;
use std::process::Stdio;
use std::time::Duration;

/// A server with a user `orders`, whose `default` asks for nothing. Both clients here come over its Unix socket, so that it may have any
/// port or none.
pub struct Bare {
    /// A session of `default`.
    pub admin: MultiplexedConnection,
    _server: tokio::process::Child,
    _dir: tempfile::TempDir,
    store: StoreRef,
}

impl Bare {
    /// Loopback and a free port, unless `options` say something else: of two the last one counts.
    pub async fn start(server: Server, options: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("users.acl"), "user default on nopass ~* &* +@all\n").unwrap();
        let socket = dir.path().join("socket");
        let mut command = tokio::process::Command::new(server.program());
        command.args(["--bind", "127.0.0.1", "--save", "", "--port", &free_port().to_string()]);
        command.arg("--unixsocket").arg(&socket).args(["--unixsocketperm", "700"]).args(options);
        command.current_dir(dir.path()).stdout(Stdio::null()).kill_on_drop(true);
        let child = command.spawn().unwrap();
        let url = format!("{}+unix://{}", server.word(), socket.display());
        wait_until(Duration::from_secs(20), async || server.open(&url).probe().facts().await.is_ok()).await;
        let client = redis::Client::open(url.as_str()).unwrap();
        let mut admin = client.get_multiplexed_async_connection().await.unwrap();
        for user in ["orders on >orders", "looker on >looker ~* +@all"] {
            send(&mut admin, &format!("ACL SETUSER {user}")).await.unwrap();
        }
        let store = server.open(&format!("{url}?user=looker&pass=looker"));
        Self { admin, _server: child, _dir: dir, store }
    }

    /// All findings.
    pub async fn judged(&self) -> Vec<Finding> {
        let reading = self.store.access_facts().unwrap().access_facts(&[], &[]).await.unwrap().value;
        judged(&StoreMap::default(), &ObservedAccess::default(), &reading)
    }
}
