//! Keeps the views of all sessions and of all statements small enough for one frame, whatever the servers hold.

use crate::engine::watch::heaviest;
use crate::model::finding::Audit;
use crate::model::hotspot::{HotSpot, HotSpotsNow, StoreHotSpots};
use crate::model::observation::{ByStore, Missing};
use crate::model::session::{Activity, Party, Session, SessionKey, SessionKind, SessionState};
use std::collections::BTreeSet;

/// Sessions over all stores that are sent; beyond it those that do nothing are left out.
const SESSIONS: usize = 10_000;

/// Bytes of statements over all stores that are sent; beyond it all are cut alike.
const STATEMENT_BYTES: usize = 2_000_000;

/// Statements of all stores and moves that are sent; beyond it each store's are thinned out alike.
const SPOTS: usize = 4_000;

/// However many stores there are, so many statements of each are sent by each order.
const FEWEST_SPOTS: usize = 5;

/// Bytes of texts of these statements; beyond it all are cut alike.
const SPOT_BYTES: usize = 3_000_000;

/// Findings over all stores that are sent; beyond it the gravest of each store.
const FINDINGS: usize = 4_000;

/// However many stores there are, so many findings of each are sent.
const FEWEST_FINDINGS: usize = 10;

/// No statement is cut below this many characters.
const SHORTEST_CHARS: usize = 80;

/// Brings the view within its bounds.
pub fn bound(view: &mut ByStore<Activity>) {
    let sessions: usize = activities(view).map(|a| a.sessions.len()).sum();
    if sessions > SESSIONS {
        activities(view).for_each(leave_idle_out);
        for reading in view.values_mut().filter_map(|reading| reading.latest.as_mut()) {
            reading.missing.push(Missing {
                id: "godwit.sessions.many".to_owned(),
                what: "idle sessions".to_owned(),
                why: format!(
                    "{sessions} sessions are connected to all stores; beyond {SESSIONS} idle ones are left out"
                ),
                enable: None,
                price: String::new(),
            });
        }
    }
    let statements: usize = activities(view).map(|a| statement_bytes(a)).sum();
    if statements > STATEMENT_BYTES {
        let count = activities(view).map(|a| a.sessions.len() + a.touches.len()).sum::<usize>().max(1);
        let chars = (STATEMENT_BYTES / count).max(SHORTEST_CHARS);
        for activity in activities(view) {
            activity.sessions.iter_mut().for_each(|session| cut(&mut session.statement, chars));
            activity.touches.iter_mut().for_each(|touch| cut(&mut touch.statement, chars));
        }
    }
}

/// Brings the view of hot spots within its bounds.
pub fn bound_hot_spots(view: &mut HotSpotsNow) {
    if spots(view).count() > SPOTS {
        // Three orders may each bring statements of their own.
        let each = (SPOTS / 3 / (view.stores.len() + view.sides.len()).max(1)).clamp(FEWEST_SPOTS, heaviest::EACH);
        for store in stores(view) {
            heaviest::keep(store, each);
        }
        for sides in &mut view.sides {
            sides.comparison.both.truncate(each);
            sides.comparison.new.truncate(each);
            sides.comparison.disappeared.truncate(each);
        }
    }
    let bytes: usize = spots(view).map(|spot| spot.text.len() + spot.canonical.len()).sum();
    if bytes > SPOT_BYTES {
        let chars = (SPOT_BYTES / 2 / spots(view).count().max(1)).max(SHORTEST_CHARS);
        for spot in spots(view) {
            cut(&mut spot.text, chars);
            cut(&mut spot.canonical, chars);
        }
    }
}

/// Brings a view of findings within its bounds. They are in order, so that those that are left out are the lightest.
pub fn bound_findings(view: &mut ByStore<Audit>) {
    let audits = || view.values().filter_map(|reading| reading.latest.as_ref());
    if audits().map(|read| read.value.findings.len()).sum::<usize>() <= FINDINGS {
        return;
    }
    let each = (FINDINGS / audits().count().max(1)).max(FEWEST_FINDINGS);
    for read in view.values_mut().filter_map(|reading| reading.latest.as_mut()) {
        let all = read.value.findings.len();
        if all > each {
            read.value.findings.truncate(each);
            read.missing.push(Missing {
                id: "godwit.findings.many".to_owned(),
                what: "lighter findings".to_owned(),
                why: format!("there are {all}; the first {each} in order of their weight are shown"),
                enable: None,
                price: String::new(),
            });
        }
    }
}

fn stores(view: &mut HotSpotsNow) -> impl Iterator<Item = &mut StoreHotSpots> {
    view.stores.values_mut().filter_map(|reading| reading.latest.as_mut()).map(|read| &mut read.value)
}

/// All statements that have a text.
fn spots(view: &mut HotSpotsNow) -> impl Iterator<Item = &mut HotSpot> {
    let HotSpotsNow { stores, sides } = view;
    let listed = stores.values_mut().filter_map(|reading| reading.latest.as_mut()).flat_map(|read| {
        let StoreHotSpots { spots, beside, crossing, .. } = &mut read.value;
        let beside = beside.iter_mut().flat_map(|beside| beside.spots.iter_mut());
        spots.spots.iter_mut().chain(beside).chain(crossing.iter_mut().map(|crossing| &mut crossing.spot))
    });
    let compared = sides
        .iter_mut()
        .flat_map(|sides| sides.comparison.new.iter_mut().chain(sides.comparison.disappeared.iter_mut()));
    listed.chain(compared)
}

fn activities(view: &mut ByStore<Activity>) -> impl Iterator<Item = &mut Activity> {
    view.values_mut().filter_map(|reading| reading.latest.as_mut()).map(|read| &mut read.value)
}

fn leave_idle_out(activity: &mut Activity) {
    let blockers: BTreeSet<&SessionKey> = activity
        .waits
        .iter()
        .filter_map(|edge| if let Party::Session(key) = &edge.blocker { Some(key) } else { None })
        .collect();
    let busy = |s: &Session| s.state != SessionState::Idle && s.kind != SessionKind::Background;
    activity.sessions.retain(|session| busy(session) || blockers.contains(&session.key));
}

fn statement_bytes(activity: &Activity) -> usize {
    let sessions: usize = activity.sessions.iter().map(|s| s.statement.len()).sum();
    sessions + activity.touches.iter().map(|t| t.statement.len()).sum::<usize>()
}

fn cut(text: &mut String, chars: usize) {
    if let Some((at, _)) = text.char_indices().nth(chars) {
        text.truncate(at);
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::watch::heaviest::tests::{minute, spot};
    use crate::model::finding::{Finding, Severity};
    use crate::model::ids::StoreId;
    use crate::model::observation::Observation;
    use crate::model::session::SessionKey;
    use chrono::DateTime;

    fn session(id: usize, state: SessionState, statement: &str) -> Session {
        Session {
            key: SessionKey { id: id.to_string(), born: String::new() },
            kind: SessionKind::Client,
            login: "app".to_owned(),
            database: "shop".to_owned(),
            application: String::new(),
            client: "10.0.0.1".to_owned(),
            state,
            wait: String::new(),
            connected_at: None,
            transaction_since: None,
            statement_since: None,
            state_since: None,
            statement: statement.to_owned(),
            holds_back: None,
        }
    }

    fn view(sessions: Vec<Session>) -> ByStore<Activity> {
        let mut view = ByStore::default();
        let read = Observation::whole(Activity { sessions, ..Activity::default() }, DateTime::UNIX_EPOCH);
        view.entry("legacy".into()).or_default().take(Ok(read), DateTime::UNIX_EPOCH);
        view
    }

    #[test]
    fn a_view_of_ordinary_size_stays_as_it_is() {
        let before = view(vec![session(1, SessionState::Idle, "SELECT 1")]);
        let mut after = before.clone();
        bound(&mut after);
        assert_eq!(before, after);
    }

    #[test]
    fn many_long_statements_fit_into_a_frame() {
        let long = "ü".repeat(2_000);
        let busy = (0..9_000).map(|id| session(id, SessionState::Active, &long));
        let idle = (9_000..30_000).map(|id| session(id, SessionState::Idle, &long));
        let mut view = view(busy.chain(idle).collect());
        bound(&mut view);
        let read = view.values().next().and_then(|reading| reading.latest.as_ref()).unwrap();
        assert_eq!(read.value.sessions.len(), 9_000);
        assert_eq!(read.missing[0].id, "godwit.sessions.many");
        let bytes = serde_json::to_vec(&view).unwrap().len();
        assert!(bytes < 16 * 1024 * 1024 / 2, "{bytes}");
    }

    #[test]
    fn the_gravest_findings_fit_into_a_frame() {
        let mut view = ByStore::default();
        for store in 0..8 {
            let id = StoreId::from(format!("store{store}"));
            let grave = |n: usize| if n < 3 { Severity::Critical } else { Severity::Low };
            let finding = |n: usize| Finding::new("IX-DUP", grave(n), &id, format!("i{n}"), "x".repeat(1_000));
            let mut findings: Vec<Finding> = (0..2_000).map(finding).collect();
            Finding::sort(&mut findings);
            let read = Observation::whole(Audit { findings, read_at: None, changes: Vec::new() }, DateTime::UNIX_EPOCH);
            view.entry(id).or_default().take(Ok(read), DateTime::UNIX_EPOCH);
        }
        bound_findings(&mut view);
        let read = view.values().next().and_then(|reading| reading.latest.as_ref()).unwrap();
        assert_eq!((read.value.findings.len(), read.missing[0].id.as_str()), (500, "godwit.findings.many"));
        assert!(read.value.findings.iter().filter(|finding| finding.severity == Severity::Critical).count() == 3);
        assert!(serde_json::to_vec(&view).unwrap().len() < 16 * 1024 * 1024 / 2);
    }

    #[test]
    fn hot_spots_of_many_stores_fit_into_a_frame() {
        let mut view = HotSpotsNow::default();
        for store in 0..200 {
            let spots = (0..600).map(|n| HotSpot {
                text: "ü".repeat(4_000),
                canonical: "x".repeat(4_000),
                ..spot(&format!("{store}/{n}"), 1_000 - n, n as f64)
            });
            let store_spots =
                StoreHotSpots { spots: minute(spots.collect()), beside: None, crossing: Vec::new(), reset: None };
            let read = Observation::whole(store_spots, DateTime::UNIX_EPOCH);
            view.stores.entry(format!("store{store}").into()).or_default().take(Ok(read), DateTime::UNIX_EPOCH);
        }
        bound_hot_spots(&mut view);
        let first = view.stores.values().next().and_then(|reading| reading.latest.as_ref()).unwrap();
        assert!(first.value.spots.spots.len() >= FEWEST_SPOTS);
        assert!(first.value.spots.coverage.note.as_ref().unwrap().contains("of 600 statements are listed"));
        let bytes = serde_json::to_vec(&view).unwrap().len();
        assert!(bytes < 16 * 1024 * 1024 / 2, "{bytes}");
    }
}
