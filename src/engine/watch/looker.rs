//! What the collectors of one store share: they follow one another over its one connection, and what one saw another one needs.

use crate::advice::dialect::Dialect;
use crate::advice::hotspots::fingerprint::Operations;
use crate::advice::ownership::Ownership;
use crate::engine::core::CoreRef;
use crate::engine::watch::collect::Collector;
use crate::engine::watch::indexes::Inspector;
use crate::engine::watch::sampling::Sampling;
use crate::engine::watch::tally::Tally;
use crate::engine::watch::views::Subject;
use crate::engine::watch::{access, lost_indexes, replicas, statements};
use crate::model::observation::Observation;
use crate::model::session::Activity;
use crate::stores::StoreRef;
use crate::stores::error::StoreError;
use crate::stores::url_part::decode;
use chrono::Utc;

/// What is remembered of one store between two looks.
///
/// Invariant: it changes only after the store has answered, so that a look that is given up half-way leaves it whole.
pub struct Looker<'a> {
    core: CoreRef,
    store: StoreRef,
    map: &'a Ownership,
    /// The database that the store is, where its address names one.
    database: Option<String>,
    sampling: Sampling,
    /// `None`: the engine's language is not known.
    advice: Option<Advice<'a>>,
}

struct Advice<'a> {
    tally: Tally<'a>,
    inspector: Inspector,
}

impl<'a> Looker<'a> {
    /// Nothing was seen yet.
    pub fn new(core: CoreRef, store: StoreRef, map: &'a Ownership, operations: &'a Operations) -> Self {
        let advice = Dialect::of_engine(store.engine())
            .map(|dialect| Advice { tally: Tally::new(dialect, map, operations), inspector: Inspector::new(dialect) });
        let database = database_of(&store.address());
        Self { core, store, map, database, sampling: Sampling::default(), advice }
    }

    /// What the store answers; `None`: the engine has no such thing. `nth`: how often this was read before.
    pub async fn read(&mut self, collector: Collector, nth: u64) -> Option<Result<Subject, StoreError>> {
        match collector {
            Collector::Activity => Some(self.activity().await?.map(Subject::Activity)),
            Collector::Replication => Some(self.store.replicas()?.replication().await.map(Subject::Replication)),
            Collector::Statements => self.statements(nth).await,
            Collector::Indexes => self.indexes().await,
            Collector::Access if replicas::primary_of(&self.core.profile, self.store.id()).is_some() => None,
            Collector::Access => Some(access::audit(&self.core, &self.store).await?.map(Subject::Access)),
        }
    }

    async fn activity(&mut self) -> Option<Result<Observation<Activity>, StoreError>> {
        let sessions = self.store.sessions()?;
        let read = sessions.activity().await;
        if let Ok(read) = &read {
            self.sampling.take(read, self.database.as_deref(), |statement| sessions.without_values(statement));
        }
        if let Some(advice) = &mut self.advice {
            advice.inspector.own_work.note(&self.core, self.store.id(), Utc::now());
        }
        Some(read)
    }

    async fn statements(&mut self, nth: u64) -> Option<Result<Subject, StoreError>> {
        let stats = self.store.statements()?;
        let tally = &mut self.advice.as_mut()?.tally;
        let mut read = match statements::read(stats, tally, &self.sampling, nth).await {
            Ok(read) => read,
            Err(error) => return Some(Err(error)),
        };
        statements::publish(&self.core, &self.store, self.map, tally, &mut read.value).await;
        Some(Ok(Subject::HotSpots(Box::new(read))))
    }

    async fn indexes(&mut self) -> Option<Result<Subject, StoreError>> {
        let Advice { tally, inspector } = self.advice.as_mut()?;
        let Some(stats) = self.store.indexes() else {
            // Without indexes the commands have to tell: those that read all there is.
            self.store.statements()?;
            return Some(Ok(Subject::Indexes(inspector.commands(&self.core, self.store.id(), tally).await)));
        };
        if let Some(primary) = replicas::primary_of(&self.core.profile, self.store.id()) {
            let read = inspector.count(&self.core, self.store.id(), stats, primary).await;
            return Some(read.map(Subject::Indexes));
        }
        let read = inspector.look(&self.core, &self.store, stats, tally).await;
        if read.is_ok() {
            lost_indexes::look(&self.core, self.store.id());
        }
        Some(read.map(Subject::Indexes))
    }
}

/// The database in a store's address: the path of its URL.
fn database_of(address: &str) -> Option<String> {
    let (_, place) = address.split_once("://")?;
    let (_, path) = place.split('?').next()?.split_once('/')?;
    decode(path, "database").ok().filter(|database| !database.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_is_the_path_of_the_address() {
        let of = |address: &str| database_of(address);
        assert_eq!(of("postgres://app@127.0.0.1:5432/shop").as_deref(), Some("shop"));
        assert_eq!(of("postgres://app@/my%20shop?host=/run/pg&port=5432").as_deref(), Some("my shop"));
        assert_eq!(of("mysql://app@[::1]:3306/"), None);
        assert_eq!(of("/var/lib/demo/monolith.db"), None);
    }
}
