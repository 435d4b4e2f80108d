//! The collectors of one store: which is due, asked one after the other over the store's one looking connection.

use crate::engine::core::CoreRef;
use crate::engine::watch::looker::Looker;
use crate::engine::watch::naming;
use crate::engine::watch::pace::Pace;
use crate::engine::watch::replicas;
use crate::engine::watch::views::Subject;
use crate::model::lag::millis;
use crate::model::observation::Cost;
use crate::model::view::{CollectorCost, ViewKind};
use crate::stores::StoreRef;
use crate::stores::error::ErrorKind;
use chrono::Utc;
use std::time::Duration;
use tokio::time::Instant;

/// Longest time for one reading, connecting included. A server that is frozen answers nothing, not even an error.
pub const READING_LIMIT: Duration = Duration::from_secs(8);

/// First pause after a failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(2);

/// Longest pause between two attempts on a store that does not answer.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// What is refused is asked again this rarely: each refusal is a line in the server's log.
const REFUSED_PAUSE: Duration = Duration::from_secs(120);

/// The looks of one store fall together: a server that is woken up once does several of them with warm caches, and works half as long as
/// for each by itself. This is the pace of the fastest collector; those of the others are multiples of it.
const BEAT: Duration = Duration::from_secs(2);

/// A look that ends so late after its beat has not missed the next one.
const LATE: Duration = Duration::from_millis(200);

/// What one collector reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collector {
    /// Sessions and locks.
    Activity,
    /// Replication of the server itself.
    Replication,
    /// Statement statistics.
    Statements,
    /// Indexes with their use.
    Indexes,
    /// Accounts and rights.
    Access,
}

impl Collector {
    const ALL: [Self; 5] = [Self::Activity, Self::Replication, Self::Statements, Self::Indexes, Self::Access];

    fn name(self) -> &'static str {
        match self {
            Self::Activity => "activity",
            Self::Replication => "replication",
            Self::Statements => "statements",
            Self::Indexes => "indexes",
            Self::Access => "access",
        }
    }

    fn view(self) -> ViewKind {
        match self {
            Self::Activity => ViewKind::Activity,
            Self::Replication => ViewKind::Replication,
            Self::Statements => ViewKind::HotSpots,
            Self::Indexes => ViewKind::Indexes,
            Self::Access => ViewKind::Access,
        }
    }

    /// Time between two readings, before it backs off.
    fn every(self) -> Duration {
        match self {
            Self::Activity => BEAT,
            Self::Replication => Duration::from_secs(6),
            Self::Statements => Duration::from_secs(10),
            Self::Indexes => Duration::from_secs(300),
            Self::Access => Duration::from_secs(900),
        }
    }

    /// The share of one core of the server that it may take while nobody looks: 0.2 % for all of a store together.
    fn allowance(self) -> f64 {
        match self {
            Self::Activity => 0.001_0,
            Self::Statements => 0.000_5,
            Self::Replication | Self::Indexes => 0.000_2,
            Self::Access => 0.000_1,
        }
    }

    /// When it looks for the first time, after the engine began. Advice about indexes stands on statements, so these are read first; and so is what
    /// replicas counted.
    fn first(self, is_replica: bool) -> Duration {
        match self {
            Self::Indexes if is_replica => Duration::from_secs(1),
            Self::Indexes => Duration::from_secs(12),
            Self::Activity | Self::Replication | Self::Statements | Self::Access => Duration::ZERO,
        }
    }

    /// Why an engine without it shows nothing.
    fn absence(self, engine: &str) -> String {
        match self {
            Self::Statements => format!("{engine} keeps no statement statistics"),
            Self::Indexes => format!("{engine} tells nothing of the use of its indexes"),
            Self::Activity | Self::Replication | Self::Access => format!("{engine} has no {} to show", self.name()),
        }
    }
}

/// One collector's schedule.
struct Schedule {
    collector: Collector,
    pace: Pace,
    /// When it is its turn again: to read, or to see whether somebody looks.
    due: Instant,
    /// Nothing is read before, unless somebody looks or asks.
    rests_until: Instant,
    /// How often its view had been handed out when it was last read.
    handed_out: u64,
    /// How often its view had been asked for when that was last looked at.
    asked: u64,
    failures_in_a_row: u32,
    readings: u64,
    failures: u64,
    last: Cost,
}

/// Looks at one store until the task is dropped.
pub async fn collect(core: CoreRef, store: StoreRef) {
    let map = naming::ownership(&core.profile, store.id());
    let operations = naming::operations(&core.profile);
    let mut looker = Looker::new(core.clone(), store.clone(), &map, &operations);
    let is_replica = replicas::primary_of(&core.profile, store.id()).is_some();
    let began = Instant::now();
    let mut schedules: Vec<Schedule> = Collector::ALL
        .into_iter()
        .map(|collector| Schedule {
            collector,
            pace: Pace::new(collector.every(), collector.allowance()),
            due: began + collector.first(is_replica),
            rests_until: began,
            handed_out: 0,
            asked: 0,
            failures_in_a_row: 0,
            readings: 0,
            failures: 0,
            last: Cost::default(),
        })
        .collect();
    let mut asked = core.views.asked();
    while let Some(at) = schedules.iter().enumerate().min_by_key(|(_, s)| s.due).map(|(at, _)| at) {
        let Some(schedule) = schedules.get_mut(at) else { return };
        // The views live as long as the core that this task holds, so that being asked cannot end.
        let is_asked = tokio::select! {
            () = tokio::time::sleep_until(schedule.due) => false,
            asked = asked.changed() => asked.is_ok(),
        };
        if is_asked {
            let now = asked.borrow_and_update().clone();
            for schedule in &mut schedules {
                let count = now.get(&schedule.collector.view()).copied().unwrap_or_default();
                if count > schedule.asked {
                    schedule.asked = count;
                    schedule.due = Instant::now();
                    schedule.rests_until = schedule.due;
                }
            }
            continue;
        }
        let is_looked_at = core.views.handed_out(schedule.collector.view()) > schedule.handed_out;
        if !is_looked_at && Instant::now() < schedule.rests_until {
            schedule.due = on_beat(began, Instant::now() + schedule.pace.watched()).min(schedule.rests_until);
            continue;
        }
        if !once(&core, &store, &mut looker, schedule, is_looked_at, began).await {
            schedules.remove(at);
        }
    }
}

/// One reading; beats are counted from `began`. False: the engine has no such thing, and is not asked again.
async fn once(
    core: &CoreRef,
    store: &StoreRef,
    looker: &mut Looker<'_>,
    schedule: &mut Schedule,
    is_looked_at: bool,
    began: Instant,
) -> bool {
    let collector = schedule.collector;
    let reading = Box::pin(looker.read(collector, schedule.readings));
    let outcome = match tokio::time::timeout(READING_LIMIT, reading).await {
        Ok(None) => {
            let why = match replicas::primary_of(&core.profile, store.id()) {
                Some(primary) if collector == Collector::Access => {
                    format!("its accounts are those of {primary}, which it follows")
                }
                _ => collector.absence(store.engine()),
            };
            core.views.lacks(store.id(), collector.view(), why, Utc::now());
            return false;
        }
        Ok(Some(Ok(subject))) => Ok(subject),
        Ok(Some(Err(error))) => Err((Some(error.kind), error.to_string())),
        Err(_) => Err((None, format!("{}: no answer within {} s", store.id(), READING_LIMIT.as_secs()))),
    };
    // Before the views change: who is told of the change has looked since.
    schedule.handed_out = core.views.handed_out(collector.view());
    let (pause, rest) = match &outcome {
        Ok(subject) => {
            schedule.last = subject.cost();
            schedule.pace.measured(&schedule.last);
            schedule.readings += 1;
            schedule.failures_in_a_row = 0;
            (schedule.pace.watched(), schedule.pace.every())
        }
        Err((kind, _)) => {
            schedule.failures += 1;
            schedule.failures_in_a_row += 1;
            let pause = pause_after(*kind, schedule.failures_in_a_row);
            (pause, pause)
        }
    };
    let now = Instant::now();
    schedule.due = on_beat(began, now + pause);
    schedule.rests_until = on_beat(began, now + rest);
    core.views.take(store.id(), collector.view(), outcome.map_err(|(_, why)| why), Utc::now());
    core.views.note_cost(
        store.id(),
        collector.name(),
        CollectorCost {
            store: store.id().to_string(),
            collector: collector.name().to_owned(),
            // What it costs now: more while somebody looks.
            every_ms: millis(if is_looked_at { schedule.pace.watched() } else { schedule.pace.every() }),
            wanted_ms: millis(schedule.pace.wanted()),
            last: schedule.last,
            average_us: schedule.pace.average_us(),
            readings: schedule.readings,
            failures: schedule.failures,
            next_at: chrono::Duration::from_std(rest).ok().map(|rest| Utc::now() + rest),
        },
    );
    true
}

/// The beat at or after a time.
fn on_beat(began: Instant, at: Instant) -> Instant {
    let beats = at.saturating_duration_since(began).saturating_sub(LATE).as_nanos().div_ceil(BEAT.as_nanos());
    began + BEAT * u32::try_from(beats).unwrap_or(u32::MAX)
}

/// How long a store that failed so many times in a row is left alone.
pub fn pause_after(kind: Option<ErrorKind>, failures_in_a_row: u32) -> Duration {
    match kind {
        Some(ErrorKind::Denied | ErrorKind::Unsupported) => REFUSED_PAUSE,
        _ => (FIRST_PAUSE * 2u32.saturating_pow(failures_in_a_row.clamp(1, 8) - 1)).min(LONGEST_PAUSE),
    }
}

impl Subject {
    fn cost(&self) -> Cost {
        match self {
            Self::Activity(read) => read.cost,
            Self::Replication(read) => read.cost,
            Self::HotSpots(read) => read.cost,
            Self::Indexes(read) => read.cost,
            Self::Access(read) => read.cost,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_stay_together_however_long_each_takes() {
        let began = Instant::now();
        let (mut activity, mut replication) = (began, began);
        for round in 1..=1_000 {
            for _ in 0..3 {
                activity = on_beat(began, activity + Duration::from_millis(3) + Collector::Activity.every());
            }
            replication = on_beat(began, replication + Duration::from_millis(90) + Collector::Replication.every());
            assert_eq!((activity, replication), (began + BEAT * 3 * round, began + BEAT * 3 * round));
        }
    }

    #[test]
    fn a_look_that_backed_off_waits_for_the_next_beat() {
        let began = Instant::now();
        assert_eq!(on_beat(began, began + Duration::from_millis(2_900)), began + BEAT * 2);
        assert!(Collector::ALL.iter().all(|collector| collector.every().as_secs() % BEAT.as_secs() == 0));
    }
}
