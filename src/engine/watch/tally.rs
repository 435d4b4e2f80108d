//! The statements of one store, reading by reading: from counters to hot spots of the last minutes.

use crate::advice::dialect::Dialect;
use crate::advice::hotspots::cross_service;
use crate::advice::hotspots::delta::{self, Interval};
use crate::advice::hotspots::fingerprint::Operations;
use crate::advice::hotspots::namer::Namer;
use crate::advice::hotspots::ranking::rank;
use crate::advice::ownership::Ownership;
use crate::engine::watch::ring::Ring;
use crate::model::hotspot::{HotOrder, HotSpots, StoreHotSpots};
use crate::model::observation::{Missing, Observation};
use crate::model::statement::{StatementCounter, StatementSource, Statements};
use chrono::{DateTime, Utc};

/// Statements that are named before others may use the thread: parsing a server's whole list takes a while.
const NAMED_AT_ONCE: usize = 50;

/// What is known of one store's statements.
pub struct Tally<'a> {
    namer: Namer<'a>,
    ownership: &'a Ownership,
    operations: &'a Operations,
    counted: Ring,
    aside: Ring,
    beside: Option<HotSpots>,
    missing_beside: Vec<Missing>,
    /// The last reading, with its texts.
    latest: Option<Observation<Statements>>,
}

impl<'a> Tally<'a> {
    /// Nothing yet.
    pub fn new(dialect: Dialect, ownership: &'a Ownership, operations: &'a Operations) -> Self {
        Self {
            namer: Namer::new(dialect, ownership),
            ownership,
            operations,
            counted: Ring::default(),
            aside: Ring::default(),
            beside: None,
            missing_beside: Vec::new(),
            latest: None,
        }
    }

    /// Takes a reading in. All statements are in the answer, whatever their number.
    pub async fn take(&mut self, mut reading: Observation<Statements>) -> StoreHotSpots {
        let interval = self.counted.take(&mut reading);
        self.latest = Some(reading);
        let spots = self.ranked(interval).await;
        StoreHotSpots {
            crossing: cross_service::list(&spots, self.ownership),
            spots,
            beside: self.beside.clone(),
            reset: self.counted.reset().cloned(),
        }
    }

    /// Takes a reading of the second list in; it is part of every answer from the next [`Tally::take`] on.
    pub async fn take_beside(&mut self, read: Observation<Option<Statements>>) {
        let Observation { value, at, missing, .. } = read;
        self.missing_beside = missing;
        let Some(statements) = value else { return };
        let interval = self.aside.take(&mut Observation::whole(statements, at));
        let mut spots = self.ranked(interval).await;
        if spots.source == StatementSource::LatencyStats {
            // Its lines are sums by collection and no statements: there is nothing to parse.
            spots.unparsed = 0;
        }
        self.beside = Some(spots);
    }

    /// The second list could not be read; the last one stays, with its interval.
    pub fn lacks_beside(&mut self, why: Missing) {
        self.missing_beside = vec![why];
    }

    /// What the second list lacked when it was last asked for.
    pub fn missing_beside(&self) -> &[Missing] {
        &self.missing_beside
    }

    /// What ran since `begin`, as far as there are readings of that time.
    pub async fn since(&mut self, begin: DateTime<Utc>) -> Option<HotSpots> {
        let interval = self.counted.since(begin, self.latest.as_ref()?)?;
        Some(self.ranked(interval).await)
    }

    /// Everything since the server began to count, the `most` heaviest lines of it: what advice about indexes stands on.
    pub async fn since_begin(&mut self, most: usize) -> Option<HotSpots> {
        let mut interval = delta::since_begin(self.latest.as_ref()?);
        let heavy = |(a, _): &(StatementCounter, bool), (b, _): &(StatementCounter, bool)| {
            b.total_us.total_cmp(&a.total_us).then_with(|| a.id.cmp(&b.id))
        };
        interval.lines.sort_by(heavy);
        interval.lines.truncate(most);
        Some(self.ranked(interval).await)
    }

    async fn ranked(&mut self, interval: Interval) -> HotSpots {
        for lines in interval.lines.chunks(NAMED_AT_ONCE) {
            for (line, _) in lines {
                self.namer.name(&line.database, &line.text);
            }
            tokio::task::yield_now().await;
        }
        rank(interval, &mut self.namer, self.operations, HotOrder::Total)
    }
}
