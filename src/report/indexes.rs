//! Advice on the indexes of all stores: what `godwit indexes` prints.

use crate::model::finding::Audit;
use crate::model::ids::StoreId;
use crate::model::observation::ByStore;
use crate::report::finding::{FindingFilter, StoreFindings};
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::BTreeMap;

/// The JSON form, schema `godwit.indexes/1`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IndexesReport {
    /// `godwit.indexes/1`.
    pub schema: &'static str,
    /// By store.
    pub stores: BTreeMap<StoreId, StoreFindings>,
}

/// Puts the report together. What could not be judged is always listed: it is no pass.
pub fn indexes(view: &ByStore<Audit>, filter: &FindingFilter) -> IndexesReport {
    let filter = FindingFilter { all: true, ..filter.clone() };
    let stores = view.iter().map(|(id, reading)| (id.clone(), StoreFindings::of(reading, &filter))).collect();
    IndexesReport { schema: "godwit.indexes/1", stores }
}

impl IndexesReport {
    /// Lines for a person.
    pub fn text(&self, now: DateTime<Utc>) -> String {
        self.stores.iter().map(|(id, store)| store.text(id, "no advice", now)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::finding::{Confidence, Finding, IndexEffect, Severity, Verdict};
    use crate::model::observation::{Observation, StoreReading, Window};
    use crate::report::wrap::WIDTH;

    fn view() -> ByStore<Audit> {
        let at = DateTime::<Utc>::UNIX_EPOCH;
        let store = StoreId::from("legacy");
        let mut lacking = Finding::new(
            "IX-FK",
            Severity::Medium,
            &store,
            "public.order_lines (order_id)",
            "no index of public.order_lines serves the foreign key order_lines_order_id_fkey (order_id)",
        );
        lacking.evidence = vec!["public.orders had 120 deletes in the window".to_owned()];
        lacking.window = Some(Window { since: at, proof: "the server started then".to_owned() });
        lacking.statement = Some(
            "CREATE INDEX CONCURRENTLY order_lines_order_id_idx ON public.order_lines USING btree (order_id)"
                .to_owned(),
        );
        lacking.undo = Some("DROP INDEX CONCURRENTLY public.order_lines_order_id_idx".to_owned());
        lacking.why_not = vec!["each insert writes one entry more".to_owned()];
        lacking.confidence = Confidence::Certain;
        lacking.effect = Some(IndexEffect {
            saves_us_per_second: None,
            gain: "deleting a parent no longer reads the child table".to_owned(),
            write_cost: "75 bytes of log for each row".to_owned(),
            bytes: None,
            locking: "SHARE UPDATE EXCLUSIVE while it is built".to_owned(),
        });
        let mut young =
            Finding::new("IX-UNUSED", Severity::Info, &store, "unused indexes", "2 indexes were not scanned");
        young.verdict = Verdict::NotCheckable { why: "only 3 days are proved".to_owned() };
        let mut reading = StoreReading::default();
        reading.take(
            Ok(Observation::whole(
                Audit { findings: vec![lacking, young], read_at: Some(at), changes: Vec::new() },
                at,
            )),
            at,
        );
        ByStore::from([(store, reading), ("cache".into(), StoreReading::default())])
    }

    #[test]
    fn advice_is_told_with_its_price_and_its_doubts() {
        let text = indexes(&view(), &FindingFilter::default()).text(DateTime::UNIX_EPOCH);
        assert_eq!(
            text,
            "cache: not read yet\n\
             legacy: 1 fail, 1 not checkable\n\
             M~ IX-FK  fail: no index of public.order_lines serves the foreign key\n   \
             order_lines_order_id_fkey (order_id)\n     \
             public.orders had 120 deletes in the window\n     \
             window: since 1970-01-01 00:00:00Z (the server started then)\n     \
             gain: deleting a parent no longer reads the child table (certain)\n     \
             writes pay: 75 bytes of log for each row\n     \
             size: unknown\n     \
             locks: SHARE UPDATE EXCLUSIVE while it is built\n     \
             mend: CREATE INDEX CONCURRENTLY order_lines_order_id_idx ON public.order_lines USING btree (order_id)\n     \
             undo: DROP INDEX CONCURRENTLY public.order_lines_order_id_idx\n     \
             but: each insert writes one entry more\n\
             I  IX-UNUSED not checkable: 2 indexes were not scanned\n     \
             only 3 days are proved\n"
        );
        let statements =
            |line: &&str| !line.trim_start().starts_with("mend:") && !line.trim_start().starts_with("undo:");
        assert!(text.lines().filter(statements).all(|line| line.len() <= WIDTH));
    }

    #[test]
    fn a_filter_never_hides_how_many_there_are() {
        let filter = FindingFilter { text: Some("ORDER_LINES".to_owned()), ..FindingFilter::default() };
        let report = indexes(&view(), &filter);
        let store = &report.stores[&StoreId::from("legacy")];
        assert_eq!((store.findings.len(), store.verdicts.values().sum::<usize>()), (1, 2));
    }
}
