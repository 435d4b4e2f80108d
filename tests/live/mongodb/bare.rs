//! Servers that are started without the lab, each in a network of its own: what one is told on its command line is all that it is told.

use super::lab::open;
use crate::certificate::Certificate;
use crate::planted::judged;
use crate::secluded::{Secluded, free_port, of_lab};
use godwit::model::access::declared::StoreMap;
use godwit::model::access::observed::ObservedAccess;
use godwit::model::finding::Finding;
use nix::sys::signal::Signal;
use std::ffi::OsString;

/// A server without logins.
pub struct Bare {
    url: String,
    // Before the directory: it has to end first.
    _server: Secluded,
    _dir: tempfile::TempDir,
}

impl Bare {
    /// A server that is only spoken to over its Unix socket.
    pub async fn start(options: &[&str]) -> Self {
        Self::reached(options, None).await
    }

    /// A server with a certificate, in a mode of encryption.
    pub async fn encrypted(mode: &str, options: &[&str]) -> Self {
        Self::reached(options, Some(mode)).await
    }

    async fn reached(options: &[&str], mode: Option<&str>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("data")).unwrap();
        let port = free_port();
        let mut command = of_lab("mongod_bin");
        let (path, port_word) = (dir.path().display().to_string(), port.to_string());
        let data = format!("{path}/data");
        let always =
            ["--dbpath", &data, "--port", &port_word, "--unixSocketPrefix", &path, "--wiredTigerCacheSizeGB", "0.25"];
        command.extend(always.iter().chain(options).map(OsString::from));
        if let Some(mode) = mode {
            let both = Certificate::make(dir.path()).both;
            command.extend(["--tlsMode", mode, "--tlsAllowConnectionsWithoutCertificates"].map(OsString::from));
            command.extend(["--tlsCertificateKeyFile".into(), both.into_os_string()]);
        }
        let mut server = Secluded::start(&command, Signal::SIGTERM, dir.path());
        // Where the server takes nothing that is not encrypted, its socket is no exception.
        let url = match mode {
            Some("requireTLS") => {
                let certificate = dir.path().join("cert.pem").display().to_string();
                let door = server.door(port).await;
                format!("mongodb://127.0.0.1:{door}/?tls=true&tlsCAFile={certificate}&tlsAllowInvalidCertificates=true")
            }
            _ => format!("mongodb://{}%2Fmongodb-{port}.sock/", path.replace('/', "%2F")),
        };
        server.ready(async || open(&url).probe().facts().await.is_ok()).await;
        Self { url, _server: server, _dir: dir }
    }

    /// All findings.
    pub async fn judged(&self) -> Vec<Finding> {
        let store = open(&self.url);
        let reading = store.access_facts().unwrap().access_facts(&[], &[]).await.unwrap().value;
        judged(&StoreMap::default(), &ObservedAccess::default(), &reading)
    }
}
