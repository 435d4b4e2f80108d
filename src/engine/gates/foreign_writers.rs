//! `no_foreign_writer = "24h"`: for so long nobody but its own service was seen writing a pipeline's table.
//!
//! Looks are not statements: what is shorter than the time between two looks can be missed. That is why the time has to be long, and proved: the
//! engine looked all the while, without a gap.

use crate::engine::gates::tally::Tally;
use crate::model::access::declared::{DeclaredTable, StoreMap};
use crate::model::access::object::plain;
use crate::model::access::observed::ObservedAccess;
use crate::model::gate::GateReading;
use crate::model::ids::{PipelineId, StoreId};
use crate::model::lag::spoken;
use crate::model::observation::StoreReading;
use crate::model::session::Activity;
use chrono::{DateTime, TimeDelta, Utc};

/// A last look older than this says nothing about now.
const LONGEST: TimeDelta = TimeDelta::minutes(2);

/// One side of a pipeline.
pub struct Watched {
    /// The pipeline.
    pub pipeline: PipelineId,
    /// The store.
    pub store: StoreId,
    /// The pipeline's tables there, as the profile writes them.
    pub tables: Vec<String>,
    /// Who owns what there.
    pub map: StoreMap,
    /// Who was seen using what.
    pub observed: ObservedAccess,
    /// The last look at the sessions.
    pub sessions: StoreReading<Activity>,
}

/// Reads the gate over both sides of every pipeline.
pub fn read(sides: &[Watched], window: TimeDelta, now: DateTime<Utc>) -> GateReading {
    let mut tally = Tally::default();
    let mut tables = 0;
    for side in sides {
        let owned = owned(side, &mut tally);
        tables += owned.len();
        for table in owned {
            foreign(side, table, window, now, &mut tally);
        }
        proved(side, window, now, &mut tally);
    }
    tally.close(
        "no_foreign_writer",
        format!(
            "{tables} tables watched for {} without a gap: only their services were seen writing them",
            spoken(window)
        ),
        now,
    )
}

/// The side's tables with their owners; one without an owner, or whose owner has no login, cannot be judged.
fn owned<'a>(side: &'a Watched, tally: &mut Tally) -> Vec<&'a DeclaredTable> {
    let mut owned = Vec::new();
    for name in &side.tables {
        // A name without a schema means `public` where there are schemas.
        let table = side.map.table(name).or_else(|| side.map.table(&format!("public.{name}")));
        let has_login = |table: &&DeclaredTable| {
            side.map.services.iter().any(|service| service.id == table.service && !service.accounts.is_empty())
        };
        match table {
            None => tally.unknown(format!(
                "no service owns {name} of pipeline {}: nobody can say who is foreign",
                side.pipeline
            )),
            Some(table) if !has_login(&table) => {
                tally.unknown(format!("service {} declares no accounts: nobody can say who is foreign", table.service));
            }
            Some(table) => owned.push(table),
        }
    }
    owned
}

fn foreign(side: &Watched, table: &DeclaredTable, window: TimeDelta, now: DateTime<Utc>, tally: &mut Tally) {
    let writes = side
        .observed
        .uses()
        .filter(|(usage, seen)| usage.writes && plain(&usage.table) == table.name && now - seen.last <= window);
    for (usage, seen) in writes {
        let is_own = side.map.services_of(&usage.login).any(|service| service.id == table.service);
        if is_own || side.map.migration.contains(&usage.login) {
            continue;
        }
        let whose = match side.map.service_of(&usage.login) {
            Some(service) => format!("of service {}", service.id),
            None => "of no declared service".to_owned(),
        };
        let client = if usage.client.is_empty() { String::new() } else { format!(" from {}", usage.client) };
        tally.red(format!(
            "{} {whose} ({}{client}) wrote {} on {} at {}, {} looks: {}",
            usage.login,
            if usage.application.is_empty() { "no application name" } else { &usage.application },
            table.name,
            side.store,
            seen.last.format("%Y-%m-%d %H:%M:%S UTC"),
            seen.looks,
            seen.statement
        ));
    }
}

/// Whether the engine looked all the time, and saw everything.
fn proved(side: &Watched, window: TimeDelta, now: DateTime<Utc>, tally: &mut Tally) {
    let store = &side.store;
    if let Some(why) = &side.sessions.absent {
        tally.unknown(format!("nobody can see who uses {store}: {why}"));
        return;
    }
    let Some(read) = tally.fresh(store, "the last look at the sessions", &side.sessions, LONGEST, now) else { return };
    for missing in &read.missing {
        let enable = missing.enable.as_ref().map_or_else(String::new, |statement| format!(" ({statement})"));
        tally.unknown(format!("not all is seen on {store}: {}{enable}", missing.why));
    }
    if side.observed.forgotten > 0 {
        tally.unknown(format!(
            "{} pairs of login and table were forgotten on {store}: too many use it",
            side.observed.forgotten
        ));
    }
    match side.observed.unbroken_since {
        None => tally.unknown(format!("{store} was not watched yet")),
        Some(since) if now - since < window => tally.unknown(format!(
            "{store} is watched without a gap for {} only, {} wanted",
            spoken(now - since),
            spoken(window)
        )),
        Some(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::access::declared::DeclaredService;
    use crate::model::gate::GateState;
    use crate::model::observation::{Missing, Observation};
    use crate::model::session::{SessionKey, TableTouch};

    fn map() -> StoreMap {
        let service = |id: &str, account: &str| DeclaredService {
            id: id.into(),
            home: "orders-db".into(),
            accounts: if account.is_empty() { Vec::new() } else { vec![account.to_owned()] },
            allowed_reads: Vec::new(),
            until: None,
        };
        let table = |name: &str, owner: &str| DeclaredTable {
            name: format!("public.{name}"),
            logical: name.to_owned(),
            service: owner.into(),
            moved_at: None,
            is_expected: true,
        };
        StoreMap {
            services: vec![service("orders", "orders_app"), service("billing", "billing_app"), service("mute", "")],
            tables: vec![table("orders", "orders"), table("quiet", "mute")],
            migration: vec!["godwit".to_owned()],
            ..StoreMap::default()
        }
    }

    fn touch(login: &str, table: &str, writes: bool) -> TableTouch {
        TableTouch {
            session: SessionKey { id: "1".to_owned(), born: String::new() },
            login: login.to_owned(),
            application: "job".to_owned(),
            client: "10.0.0.7".to_owned(),
            table: table.to_owned(),
            writes,
            statement: "UPDATE orders SET iban = 'DE02'".to_owned(),
        }
    }

    /// Watched every 30 seconds for `hours`, with one touch in the middle.
    fn watched(hours: i64, touches: &[TableTouch], now: DateTime<Utc>) -> Watched {
        let mut observed = ObservedAccess::default();
        let looks = hours * 120;
        for look in 0..=looks {
            let at = now - TimeDelta::seconds(30 * (looks - look));
            observed.take(if look == looks / 2 { touches } else { &[] }, at);
        }
        let mut sessions = StoreReading::default();
        sessions.take(Ok(Observation::whole(Activity::default(), now)), now);
        Watched {
            pipeline: "orders".into(),
            store: "legacy".into(),
            tables: vec!["orders".to_owned()],
            map: map(),
            observed,
            sessions,
        }
    }

    fn gate(side: Watched, hours: i64, now: DateTime<Utc>) -> GateReading {
        read(&[side], TimeDelta::hours(hours), now)
    }

    #[test]
    fn a_write_of_another_service_is_red_until_the_time_is_over() {
        let now = Utc::now();
        let foreign = [touch("billing_app", "public.orders", true)];
        let red = gate(watched(4, &foreign, now), 3, now);
        assert_eq!(red.state, GateState::Red);
        assert!(
            red.evidence.contains("billing_app of service billing (job from 10.0.0.7) wrote public.orders on legacy"),
            "{}",
            red.evidence
        );
        assert!(!red.evidence.contains("DE02"), "no value leaves the server: {}", red.evidence);
        assert_eq!(gate(watched(4, &foreign, now), 1, now).state, GateState::Green, "it was two hours ago");
    }

    #[test]
    fn who_is_not_declared_is_foreign_and_who_may_is_not() {
        let now = Utc::now();
        let state = |login, table, writes| gate(watched(4, &[touch(login, table, writes)], now), 3, now).state;
        assert_eq!(state("cron", "public.orders", true), GateState::Red);
        assert_eq!(state("orders_app", "public.orders", true), GateState::Green);
        assert_eq!(state("godwit", "public.orders", true), GateState::Green);
        assert_eq!(state("billing_app", "public.orders", false), GateState::Green, "it only read");
        assert_eq!(state("billing_app", "public.invoices", true), GateState::Green, "no table of this pipeline");
    }

    #[test]
    fn a_time_that_was_not_watched_is_unknown() {
        let now = Utc::now();
        let short = gate(watched(2, &[], now), 3, now);
        assert_eq!(short.state, GateState::Unknown);
        assert!(
            short.evidence.contains("legacy is watched without a gap for 2 h only, 3 h wanted"),
            "{}",
            short.evidence
        );
        let mut gap = watched(4, &[], now);
        gap.observed = ObservedAccess::default();
        gap.observed.take(&[], now - TimeDelta::hours(9));
        gap.observed.take(&[], now);
        assert_eq!(gate(gap, 3, now).state, GateState::Unknown, "two looks do not prove the time between");
        let mut stale = watched(4, &[], now - TimeDelta::minutes(3));
        stale.sessions = StoreReading::default();
        stale.sessions.take(Ok(Observation::whole(Activity::default(), now - TimeDelta::minutes(3))), now);
        assert_eq!(gate(stale, 3, now).state, GateState::Unknown);
    }

    #[test]
    fn what_cannot_be_seen_or_told_is_unknown() {
        let now = Utc::now();
        let mut blind = watched(4, &[], now);
        let mut read = Observation::whole(Activity::default(), now);
        read.missing.push(Missing {
            id: "postgres.sessions.right".to_owned(),
            what: String::new(),
            why: "the account may not see others".to_owned(),
            enable: Some("GRANT pg_read_all_stats TO godwit_watch".to_owned()),
            price: String::new(),
        });
        blind.sessions.take(Ok(read), now);
        let unknown = gate(blind, 3, now);
        assert!(
            unknown.state == GateState::Unknown && unknown.evidence.contains("GRANT pg_read_all_stats"),
            "{unknown:?}"
        );
        for (table, why) in [("nobodys", "no service owns"), ("quiet", "declares no accounts")] {
            let mut side = watched(4, &[], now);
            side.tables = vec![table.to_owned()];
            let unknown = gate(side, 3, now);
            assert!(unknown.state == GateState::Unknown && unknown.evidence.contains(why), "{unknown:?}");
        }
        let mut file = watched(4, &[], now);
        file.sessions.lacks("a file has no sessions".to_owned(), now);
        assert_eq!(gate(file, 3, now).state, GateState::Unknown);
    }
}
