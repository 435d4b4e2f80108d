//! Clients of one server or replica set: the one that looks, and one more while an action runs.
//!
//! Invariants: each has at most one connection beside the driver's own heartbeat; a URL with one host and no replica set leads to
//! exactly that server, because operations, index counters and the log belong to one server and not to the set.

use crate::model::ids::StoreId;
use crate::stores::error::{ErrorKind, Operation, StoreError};
use crate::stores::mongodb::error::from_mongo;
use crate::stores::{OpenOptions, Result};
use mongodb::Client;
use mongodb::error::Error;
use mongodb::options::{
    ClientOptions, ConnectionString, HostInfo, ReadPreference, SelectionCriteria, ServerAddress, ServerMonitoringMode,
    Tls, TlsOptions,
};
use std::net::IpAddr;
use std::time::Duration;
use tokio::sync::OnceCell;

/// All of Godwit's connections begin with this in `$currentOp`, so that it can leave itself out of what it shows.
pub const APPLICATION: &str = "godwit";

/// Time between two heartbeats of the driver; it also asks at once when something fails.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Opens clients.
pub struct Connector {
    options: OpenOptions,
    target: ConnectionString,
    client: OnceCell<Client>,
}

impl Connector {
    /// Reads the URL; does not connect, nor ask a name server.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] when the URL cannot be read; the error never repeats it.
    pub fn new(options: OpenOptions, url: &str) -> Result<Self> {
        // The driver's reason may quote parts of the URL.
        let target = ConnectionString::parse(url).map_err(|_| {
            StoreError::new(
                &options.id,
                Operation::Connect,
                ErrorKind::Rejected,
                "the url cannot be read: it has the form mongodb://USER@HOST:PORT/?authSource=admin, with a percent-encoded password",
            )
        })?;
        Ok(Self { options, target, client: OnceCell::new() })
    }

    /// The store's name in the profile.
    pub fn id(&self) -> &StoreId {
        &self.options.id
    }

    /// Hosts and replica set, without login.
    pub fn address(&self) -> String {
        let hosts = match &self.target.host_info {
            HostInfo::HostIdentifiers(hosts) => hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
            HostInfo::DnsRecord(name) => name.clone(),
            _ => "an address of a kind that Godwit does not know".to_owned(),
        };
        match (&self.target.default_database, &self.target.replica_set) {
            (Some(database), _) => format!("{hosts}/{database}"),
            (None, Some(set)) => format!("{hosts}/?replicaSet={set}"),
            (None, None) => hosts,
        }
    }

    /// The database that the URL names: then only that one is looked at.
    pub fn database(&self) -> Option<&str> {
        self.target.default_database.as_deref().filter(|name| *name != "admin")
    }

    /// Longest time for one ordinary command.
    pub fn command_limit(&self) -> Duration {
        self.options.statement_timeout
    }

    /// An error of this store.
    pub fn error(&self, operation: Operation, kind: ErrorKind, message: impl Into<String>) -> StoreError {
        StoreError::new(self.id(), operation, kind, message)
    }

    /// Turns the driver's error into a store's, for `map_err`.
    pub fn failed(&self, operation: Operation) -> impl Fn(Error) -> StoreError {
        move |error| from_mongo(self.id(), operation, &error)
    }

    /// The client that looks. It connects at its first command and again by itself after a failure.
    ///
    /// # Errors
    /// The store's, when the URL's options do not fit together or its name server does not answer.
    pub async fn client(&self) -> Result<&Client> {
        self.client.get_or_try_init(|| self.open("")).await
    }

    /// A client of one's own, shown in `$currentOp` as `godwit act`. The caller shuts it down.
    ///
    /// # Errors
    /// As [`Connector::client`].
    pub async fn acting(&self) -> Result<Client> {
        self.open(" act").await
    }

    async fn open(&self, purpose: &str) -> Result<Client> {
        let failed = self.failed(Operation::Connect);
        let parse = ClientOptions::parse(self.target.clone());
        let mut options = match tokio::time::timeout(self.options.connect_timeout, parse).await {
            Ok(outcome) => outcome.map_err(&failed)?,
            Err(_) => {
                let limit = self.options.connect_timeout.as_millis();
                let why = format!("the name server gave no answer within {limit} ms");
                return Err(self.error(Operation::Connect, ErrorKind::Unreachable, why));
            }
        };
        options.app_name = Some(format!("{APPLICATION}{purpose}"));
        options.max_pool_size = Some(1);
        options.min_pool_size = Some(0);
        options.connect_timeout = Some(self.options.connect_timeout);
        options.server_selection_timeout = Some(self.options.connect_timeout);
        options.heartbeat_freq = Some(HEARTBEAT);
        // The other modes keep one more connection open for each server.
        options.server_monitoring_mode = Some(ServerMonitoringMode::Poll);
        options.retry_reads = Some(false);
        options.retry_writes = Some(false);
        if options.hosts.len() == 1 && options.repl_set_name.is_none() && options.load_balanced != Some(true) {
            options.direct_connection.get_or_insert(true);
        }
        // A password does not cross a network in the open unless the URL asks for it (`tls=false`).
        if options.tls.is_none() && !options.hosts.iter().all(is_local) {
            options.tls = Some(Tls::Enabled(TlsOptions::default()));
        }
        options
            .selection_criteria
            .get_or_insert(SelectionCriteria::ReadPreference(ReadPreference::PrimaryPreferred { options: None }));
        Client::with_options(options).map_err(failed)
    }
}

/// True when traffic does not leave this machine.
fn is_local(host: &ServerAddress) -> bool {
    match host {
        ServerAddress::Tcp { host, .. } => {
            let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
            host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
        }
        ServerAddress::Unix { .. } => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> OpenOptions {
        OpenOptions {
            id: "docs".into(),
            statement_timeout: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn the_address_has_no_login() {
        for (url, address) in [
            ("mongodb://u:hunter2@db:27017/?authSource=admin", "db:27017"),
            ("mongodb://u:hunter2@a:1,b:2/shop?replicaSet=rs0", "a:1,b:2/shop"),
            ("mongodb://u:hunter2@a:1,b:2/?replicaSet=rs0", "a:1,b:2/?replicaSet=rs0"),
        ] {
            assert_eq!(Connector::new(options(), url).unwrap().address(), address);
        }
    }

    #[test]
    fn only_local_hosts_go_without_tls() {
        for (host, local) in
            [("localhost", true), ("127.0.0.1:27017", true), ("10.0.0.7:27017", false), ("db.example.org", false)]
        {
            assert_eq!(is_local(&ServerAddress::parse(host).unwrap()), local, "{host}");
        }
    }

    #[test]
    fn a_url_that_cannot_be_read_is_not_repeated() {
        for url in
            ["mongodb://u:hun@ter2@db", "http://u:hunter2@db", "hunter2", "mongodb://u:hunter2@db/?maxPoolSize=x"]
        {
            let Err(error) = Connector::new(options(), url) else { panic!("{url} was read") };
            assert_eq!(error.kind, ErrorKind::Rejected);
            assert!(!error.to_string().contains("ter2"), "{error}");
        }
    }
}
