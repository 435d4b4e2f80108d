//! Servers that are started without the lab, each in a network of its own: what one is told on its command line is all that it is told.

use super::lab::{Client, Product, open};
use crate::planted::judged;
use crate::secluded::{Secluded, free_port, of_lab};
use godwit::model::access::declared::StoreMap;
use godwit::model::access::observed::ObservedAccess;
use godwit::model::finding::Finding;
use godwit::stores::observe::AccessFacts;
use nix::sys::signal::Signal;
use std::ffi::OsString;
use std::path::PathBuf;

/// A data directory, and the server that works on it. Its superuser has no password and comes over its Unix socket.
pub struct Bare {
    product: Product,
    // Before the directory: it has to end first.
    server: Option<Secluded>,
    dir: tempfile::TempDir,
}

impl Bare {
    /// An empty data directory, without a server.
    pub fn prepare(product: Product) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let made = match product {
            Product::MariaDb => {
                "mariadb-install-db --no-defaults --user=\"$(id -un)\" --auth-root-authentication-method=normal --skip-test-db --datadir="
            }
            Product::Mysql => "cp -r --sparse=always \"$(mysql_cache)/data\" ",
        };
        of_lab(&format!("{made}{} >&2", data.display()));
        std::fs::create_dir(dir.path().join("files")).unwrap();
        Self { product, server: None, dir }
    }

    /// A directory that the server may be told to keep files in.
    pub fn files(&self) -> PathBuf {
        self.dir.path().join("files")
    }

    /// Starts the server, after it has ended if it runs.
    pub async fn start(&mut self, options: &[&str]) {
        self.server = None;
        let in_dir = |option: &str, name: &str| format!("--{option}={}", self.dir.path().join(name).display());
        let mut command = of_lab(self.product.either(
            "command -v mariadbd; echo --no-defaults",
            "mysql_of \"$(mysql_cache)\"; printf '%s\\n' \"${program[@]}\" --no-defaults \"${places[@]/#/--}\" --mysqlx=0",
        ));
        command.extend(
            [
                // Whoever it is outside, it is root in there.
                "--user=root".to_owned(),
                "--innodb-buffer-pool-size=32M".to_owned(),
                format!("--port={}", free_port()),
                in_dir("datadir", "data"),
                in_dir("tmpdir", "files"),
                in_dir("socket", "socket"),
                in_dir("pid-file", "pid"),
            ]
            .map(OsString::from),
        );
        if self.product == Product::Mysql {
            command.push(in_dir("mysqlx-socket", "x").into());
        }
        command.extend(options.iter().map(OsString::from));
        let mut server = Secluded::start(&command, Signal::SIGTERM, self.dir.path());
        let store = open(&self.url());
        server.ready(async || store.access_facts(&[], &[]).await.is_ok()).await;
        self.server = Some(server);
    }

    fn url(&self) -> String {
        format!("{}://root@localhost/?socket={}", self.product.word(), self.dir.path().join("socket").display())
    }

    /// Runs a statement as the superuser.
    pub async fn run(&self, sql: &str) {
        Client::connect(&self.url(), "").await.run(sql).await;
    }

    /// All findings.
    pub async fn judged(&self) -> Vec<Finding> {
        let reading = open(&self.url()).access_facts(&[], &[]).await.unwrap().value;
        judged(&StoreMap::default(), &ObservedAccess::default(), &reading)
    }
}
