//! Findings of the access audit of all stores: what `godwit access` prints.

use crate::model::finding::Audit;
use crate::model::ids::StoreId;
use crate::model::observation::ByStore;
use crate::report::finding::{FindingFilter, StoreFindings};
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::BTreeMap;

/// The JSON form, schema `godwit.access/1`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AccessReport {
    /// `godwit.access/1`.
    pub schema: &'static str,
    /// By store.
    pub stores: BTreeMap<StoreId, StoreFindings>,
}

/// Puts the report together.
pub fn access(view: &ByStore<Audit>, filter: &FindingFilter) -> AccessReport {
    let stores = view.iter().map(|(id, reading)| (id.clone(), StoreFindings::of(reading, filter))).collect();
    AccessReport { schema: "godwit.access/1", stores }
}

impl AccessReport {
    /// Lines for a person.
    pub fn text(&self, now: DateTime<Utc>) -> String {
        self.stores.iter().map(|(id, store)| store.text(id, "no rule applies", now)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::finding::{Finding, Severity, Verdict};
    use crate::model::observation::{Observation, StoreReading};

    fn view() -> ByStore<Audit> {
        let store = StoreId::from("legacy");
        let mut open =
            Finding::new("PG-08", Severity::Critical, &store, "public.orders", "PUBLIC has SELECT on public.orders");
        open.statement = Some("REVOKE ALL ON public.orders FROM PUBLIC".to_owned());
        open.undo = Some("GRANT SELECT ON public.orders TO PUBLIC".to_owned());
        let mut hidden = Finding::new("PG-20", Severity::High, &store, "legacy", "no password is kept as MD5");
        hidden.verdict = Verdict::NotCheckable { why: "only a superuser reads pg_authid".to_owned() };
        let at = DateTime::<Utc>::UNIX_EPOCH;
        let mut reading = StoreReading::default();
        reading.take(
            Ok(Observation::whole(Audit { findings: vec![open, hidden], read_at: Some(at), changes: Vec::new() }, at)),
            at,
        );
        ByStore::from([(store, reading)])
    }

    #[test]
    fn what_is_open_is_told_with_its_statement() {
        let report = access(&view(), &FindingFilter::default());
        assert_eq!(
            report.text(DateTime::<Utc>::UNIX_EPOCH),
            "legacy: 1 fail, 1 not checkable\n\
             C! PG-08  fail: PUBLIC has SELECT on public.orders\n     \
             mend: REVOKE ALL ON public.orders FROM PUBLIC\n     \
             undo: GRANT SELECT ON public.orders TO PUBLIC\n"
        );
    }

    #[test]
    fn filters_leave_the_counts_whole() {
        let listed = |filter: FindingFilter| {
            let report = access(&view(), &filter);
            let store = report.stores.into_values().next().unwrap();
            assert_eq!(store.verdicts.values().sum::<usize>(), 2);
            store.findings.into_iter().map(|finding| finding.rule).collect::<Vec<_>>()
        };
        assert_eq!(listed(FindingFilter { all: true, ..FindingFilter::default() }), ["PG-08", "PG-20"]);
        assert_eq!(
            listed(FindingFilter { all: true, least: Some(Severity::Critical), ..FindingFilter::default() }),
            ["PG-08"]
        );
        assert_eq!(
            listed(FindingFilter { rule: Some("own".to_owned()), ..FindingFilter::default() }),
            Vec::<String>::new()
        );
        assert_eq!(listed(FindingFilter { text: Some("ORDERS".to_owned()), ..FindingFilter::default() }), ["PG-08"]);
    }
}
