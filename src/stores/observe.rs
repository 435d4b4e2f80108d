//! Capabilities of looking at a server. None of them changes anything on it, except [`Sessions::end`].
//!
//! Conventions beside those of [`crate::stores`]:
//! - a store has one connection for looking; the methods of one store are called one after the other;
//! - a right, an extension or a switch that is missing is a [`Missing`](crate::model::observation::Missing) beside what can be seen, not an error;
//! - every text from the server passes [`clean`](crate::stores::sanitise::clean); no method returns a password, a hash or a key;
//! - a statistic is never reset.

use crate::model::access::reading::AccessReading;
use crate::model::index::Indexes;
use crate::model::literal::without_literals;
use crate::model::monitor::{GrantStatement, MonitorRole};
use crate::model::observation::Observation;
use crate::model::replication::Replication;
use crate::model::session::{Activity, Ending, SessionKey};
use crate::model::statement::Statements;
use crate::model::what_if::{Parameters, WhatIf};
use crate::stores::Result;
use async_trait::async_trait;
use chrono::Utc;

/// Sessions and locks.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// All sessions, who waits for whom, and which tables are in use.
    async fn activity(&self) -> Result<Observation<Activity>>;
    /// The statement that [`Sessions::end`] would run, for the plan and the journal.
    fn ending(&self, session: &SessionKey, how: Ending) -> String;
    /// A statement without its values, for the journal. An engine that quotes names, and never values, by `"` says so by its own body.
    fn without_values(&self, statement: &str) -> String {
        without_literals(statement, false)
    }
    /// Stops a session after looking once more whether it is still the same one. Uses a connection of its own.
    ///
    /// [`NotFound`](crate::stores::error::ErrorKind::NotFound): nobody, or somebody else, bears the id now; nothing was done.
    async fn end(&self, session: &SessionKey, how: Ending) -> Result<()>;
}

/// Replication and log retention.
#[async_trait]
pub trait Replicas: Send + Sync {
    /// Links in both directions and the logs that are kept.
    async fn replication(&self) -> Result<Observation<Replication>>;
}

/// Statement statistics.
#[async_trait]
pub trait StatementStats: Send + Sync {
    /// The counters as the server keeps them now; `None`: it keeps none, and `missing` says why.
    async fn statements(&self) -> Result<Observation<Option<Statements>>>;
    /// A second list from another source, never to be added to the first: slow executions with their keys beside counted commands
    /// (Redis), all operations of each collection beside the slow ones (MongoDB). `None`: there is none.
    async fn beside(&self) -> Result<Observation<Option<Statements>>> {
        Ok(Observation::whole(None, Utc::now()))
    }
}

/// Indexes.
#[async_trait]
pub trait IndexStats: Send + Sync {
    /// Tables, indexes, foreign keys and their counters.
    async fn indexes(&self) -> Result<Observation<Indexes>>;
    /// What the planner would do with a normalised statement if indexes made by `candidates` (full statements) were there: for values
    /// that are not known, and with samples of values for the `parameters` that it can find some for. No value leaves the store.
    /// [`Unsupported`](crate::stores::error::ErrorKind::Unsupported) where nothing can tell.
    async fn what_if(&self, statement: &str, parameters: &Parameters, candidates: &[String]) -> Result<WhatIf>;
}

/// Who may do what.
#[async_trait]
pub trait AccessFacts: Send + Sync {
    /// Accounts, rights as they take effect, owners, links, and what only this engine has, in one look that writes nothing.
    ///
    /// The rights of all logins are worked out if that is cheap; else those of `logins` only, and `missing` says so. What the
    /// monitoring account may not read is `missing` with its reason, and the facts say that it was not read: never "none there".
    ///
    /// `tables` are the names that the profile declares on this store. An engine without a catalogue of tables (Redis) judges rights on
    /// these key patterns; the others list what is there and take no notice.
    async fn access_facts(&self, logins: &[String], tables: &[String]) -> Result<Observation<AccessReading>>;
}

/// Monitoring roles.
pub trait Monitoring: Send + Sync {
    /// The statements that make the account for `role` on this store.
    fn grants(&self, role: MonitorRole) -> Vec<GrantStatement>;
}
