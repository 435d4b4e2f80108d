//! The replicas of a store: what their servers counted of indexes, and which of them nobody could ask.
//!
//! A replica has the same indexes as its primary and counters of its own. The profile names it as a store with `replica_of`; its own
//! task reads it, so that one that does not answer delays nobody.

use crate::config::profile::Profile;
use crate::engine::core::CoreRef;
use crate::engine::watch::indexes::IndexReading;
use crate::model::ids::StoreId;
use chrono::{DateTime, TimeDelta, Utc};
use std::sync::Arc;

/// A reading is as good as the window of 35 days that it ends, if it is no older. Collectors that back off read less often than every five minutes.
const READ_WITHIN: TimeDelta = TimeDelta::minutes(30);

/// What is known of the replicas of one store.
#[derive(Debug, Default)]
pub struct Replicas {
    /// Those that were read.
    pub read: Vec<(StoreId, Arc<IndexReading>)>,
    /// The others: by their names in the profile with the reason, or by the names under which they follow if no store of the profile does so.
    pub unread: Vec<String>,
}

/// The store whose replica a store is.
pub fn primary_of<'p>(profile: &'p Profile, store: &StoreId) -> Option<&'p StoreId> {
    profile.stores.iter().find(|config| config.id == *store)?.replica_of.as_ref()
}

/// The replicas of `store`, whose own reading is `primary`.
pub fn of(core: &CoreRef, store: &StoreId, primary: &IndexReading) -> Replicas {
    let declared = core.profile.stores.iter().filter(|config| config.replica_of.as_ref() == Some(store));
    let asked = declared.map(|config| {
        let problem = core.views.index_findings(&config.id).problem;
        (config.id.clone(), core.views.indexes_of(&config.id), problem)
    });
    sorted_out(primary, asked.collect(), primary.at)
}

/// Which of the declared replicas count, and which followers are none of them.
fn sorted_out(
    primary: &IndexReading,
    declared: Vec<(StoreId, Option<Arc<IndexReading>>, Option<String>)>,
    now: DateTime<Utc>,
) -> Replicas {
    let mut replicas = Replicas::default();
    let mut followers = primary.indexes.replicas_unread.clone();
    for (id, reading, problem) in declared {
        let reading = reading.filter(|reading| now - reading.at <= READ_WITHIN);
        let why = match &reading {
            None => problem.unwrap_or_else(|| "it was not read yet".to_owned()),
            Some(reading) if reading.indexes.follows_as.is_none() => "it follows no server now".to_owned(),
            Some(reading) if !shows_the_same(primary, reading) => {
                "it shows other tables: is it another database?".to_owned()
            }
            Some(reading) => {
                // A replica may have replicas of its own.
                followers.extend(reading.indexes.replicas_unread.iter().cloned());
                replicas.read.push((id, reading.clone()));
                continue;
            }
        };
        replicas.unread.push(format!("{id} ({why})"));
    }
    for (_, reading) in &replicas.read {
        let name = reading.indexes.follows_as.as_deref();
        if let Some(at) = followers.iter().position(|follower| Some(follower.as_str()) == name) {
            followers.remove(at);
        }
    }
    replicas.unread.extend(followers);
    replicas
}

/// Whether most indexes of the primary are there. A new one may not have arrived yet.
fn shows_the_same(primary: &IndexReading, replica: &IndexReading) -> bool {
    let there = |name: &String| replica.indexes.indexes.iter().any(|index| index.name == *name);
    let all = primary.indexes.indexes.len();
    primary.indexes.indexes.iter().filter(|index| there(&index.name)).count() * 2 >= all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::watch::indexes::tests::reading;

    fn server(second: i64, follows_as: Option<&str>, followers: &[&str]) -> Arc<IndexReading> {
        let mut reading = Arc::into_inner(reading(second, &["public.a", "public.b"])).unwrap();
        reading.indexes.follows_as = follows_as.map(str::to_owned);
        reading.indexes.replicas_unread = followers.iter().map(|name| (*name).to_owned()).collect();
        Arc::new(reading)
    }

    fn told(primary: &IndexReading, declared: Vec<(&str, Option<Arc<IndexReading>>)>) -> (usize, Vec<String>) {
        let declared = declared.into_iter().map(|(id, reading)| (StoreId::from(id), reading, None)).collect();
        let replicas = sorted_out(primary, declared, primary.at);
        (replicas.read.len(), replicas.unread)
    }

    #[test]
    fn every_follower_is_accounted_for() {
        let primary = server(100, None, &["walreceiver", "walreceiver"]);
        let one = || server(90, Some("walreceiver"), &[]);
        assert_eq!(told(&primary, vec![("r1", Some(one()))]), (1, vec!["walreceiver".to_owned()]));
        assert_eq!(told(&primary, vec![("r1", Some(one())), ("r2", Some(one()))]), (2, Vec::new()));
        let cascade = server(90, Some("walreceiver"), &["far"]);
        assert_eq!(told(&primary, vec![("r1", Some(one())), ("r2", Some(cascade))]), (2, vec!["far".to_owned()]));
    }

    #[test]
    fn what_does_not_count_says_why() {
        let primary = server(100_000, None, &["walreceiver"]);
        let old = server(90_000, Some("walreceiver"), &[]);
        let promoted = server(99_990, None, &[]);
        let mut other = Arc::into_inner(reading(99_990, &["public.x"])).unwrap();
        other.indexes.follows_as = Some("walreceiver".to_owned());
        for (reading, why) in [
            (None, "r1 (it was not read yet)"),
            (Some(old), "r1 (it was not read yet)"),
            (Some(promoted), "r1 (it follows no server now)"),
            (Some(Arc::new(other)), "r1 (it shows other tables: is it another database?)"),
        ] {
            assert_eq!(told(&primary, vec![("r1", reading)]), (0, vec![why.to_owned(), "walreceiver".to_owned()]));
        }
    }
}
