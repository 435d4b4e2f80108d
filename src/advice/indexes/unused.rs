//! `IX-UNUSED`: an index that nothing reads. A counter of zero is evidence only over a proved time, on every server that reads.

use crate::advice::dialect::Dialect;
use crate::advice::indexes::inspection::{Inspection, WINDOW_DAYS, has_duty};
use crate::advice::indexes::{definition, foreign_key, shape};
use crate::advice::names;
use crate::model::finding::{Finding, IndexEffect, Severity};
use crate::model::index::Index;
use chrono::Duration;
use std::collections::BTreeSet;

/// The rule's id.
pub const RULE: &str = "IX-UNUSED";

/// A smaller one costs nothing worth a change, unless its table is written much.
const WORTH_BYTES: u64 = 10 * 1024 * 1024;
/// Share of all writes that makes a table a much written one.
const WORTH_WRITES: f64 = 0.01;

/// Looks at every index of the store.
pub fn look(inspection: &Inspection<'_>) -> Vec<Finding> {
    if inspection.dialect == Dialect::Redis || inspection.dialect == Dialect::Sqlite {
        return Vec::new();
    }
    let mut unread: Vec<Unread<'_>> =
        inspection.indexes.indexes.iter().filter_map(|index| unread(inspection, index)).collect();
    keep_one_for_each_key(inspection, &mut unread);
    if unread.is_empty() {
        return Vec::new();
    }
    if let Some(why) = not_proved(inspection) {
        let sentence = format!(
            "{} indexes were not scanned in the time that is proved, which is not evidence enough",
            unread.len()
        );
        let mut finding = inspection.not_checkable(RULE, "unused indexes", &sentence, why);
        finding.evidence = unread.iter().map(|unread| unread.index.name.clone()).collect();
        return vec![finding];
    }
    unread.into_iter().map(|unread| report(inspection, unread)).collect()
}

/// An index without scans, with the numbers of its whole tree where it is partitioned.
struct Unread<'a> {
    index: &'a Index,
    scans: u64,
    bytes: Option<u64>,
    /// How many partitions it is made of; `None`: the table is not partitioned.
    partitions: Option<usize>,
}

/// Of several indexes that serve a foreign key one stays, however unused they are: the shortest.
fn keep_one_for_each_key(inspection: &Inspection<'_>, unread: &mut Vec<Unread<'_>>) {
    let catalogue = inspection.catalogue();
    let mut goes: BTreeSet<String> = unread.iter().map(|unread| unread.index.name.clone()).collect();
    for key in &inspection.indexes.foreign_keys {
        let serves = |index: &Index| foreign_key::cover(key, index) == foreign_key::Cover::Full;
        let serving: Vec<&Index> =
            catalogue.indexes(&key.table).iter().copied().filter(|index| serves(index)).collect();
        if serving.iter().all(|index| goes.contains(&index.name))
            && let Some(kept) = serving.iter().min_by_key(|index| (index.parts.len(), &index.name))
        {
            goes.remove(&kept.name);
        }
    }
    unread.retain(|unread| goes.contains(&unread.index.name));
}

/// All that keeps the counters from being a proof.
fn not_proved(inspection: &Inspection<'_>) -> Option<String> {
    let mut reasons = Vec::new();
    if inspection.proved_days() < WINDOW_DAYS {
        reasons.push(format!(
            "only {} days are proved ({}); {WINDOW_DAYS} are needed to cover the end of a month",
            inspection.proved_days(),
            inspection.indexes.window.proof
        ));
    }
    if !inspection.replicas_unread.is_empty() {
        let unread = inspection.replicas_unread.join(", ");
        reasons.push(format!("replicas count their own scans, and these were not asked: {unread}"));
    }
    reasons.extend(inspection.replicas.iter().filter_map(|replica| {
        let days = (inspection.at - replica.indexes.window.since).num_days();
        (days < WINDOW_DAYS).then(|| format!("on the replica {} only {days} days are proved", replica.name))
    }));
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

fn unread<'a>(inspection: &Inspection<'a>, index: &'a Index) -> Option<Unread<'a>> {
    let is_kept = has_duty(index)
        || !index.valid
        || index.being_built
        // The planner's statistics of the expression may live in this index alone.
        || index.parts.iter().any(|part| part.is_expression)
        || is_required_kind(index)
        || !foreign_key::served_only_by(index, inspection).is_empty();
    if is_kept {
        return None;
    }
    let days = inspection.proved_days().max(1);
    let family = inspection.catalogue().family(index);
    let scans = family.iter().map(|member| member.scans.known().copied()).sum::<Option<u64>>()?;
    let is_quiet = |scans: u64, days: i64| {
        scans == 0 || (days >= WINDOW_DAYS && i64::try_from(scans).is_ok_and(|scans| scans <= days))
    };
    let horizon = inspection.at - Duration::days(WINDOW_DAYS);
    let is_recent = family.iter().any(|member| member.last_scan.is_some_and(|scan| scan > horizon));
    let is_young = inspection.first_seen.get(&index.name).is_some_and(|seen| *seen > horizon);
    if !is_quiet(scans, days) || is_recent || is_young {
        return None;
    }
    let is_used_elsewhere = inspection.replicas.iter().any(|replica| {
        let there =
            replica.indexes.indexes.iter().filter(|other| family.iter().any(|member| member.name == other.name));
        there.filter_map(|other| other.scans.known()).any(|scans| *scans > 0)
    });
    if is_used_elsewhere {
        return None;
    }
    let bytes = family.iter().map(|member| member.bytes.known().copied()).sum::<Option<u64>>();
    let is_worth =
        bytes.is_none_or(|bytes| bytes >= WORTH_BYTES) || write_share(inspection, &index.table) >= WORTH_WRITES;
    let partitions = family.iter().all(|member| member.name != index.name).then_some(family.len());
    is_worth.then_some(Unread { index, scans, bytes, partitions })
}

/// Texts and places can be searched by their index only.
fn is_required_kind(index: &Index) -> bool {
    let is_special = |kind: &str| ["text", "2dsphere", "2d"].contains(&kind);
    is_special(&index.method) || index.parts.iter().any(|part| is_special(&part.operator_class))
}

fn write_share(inspection: &Inspection<'_>, table: &str) -> f64 {
    let all = inspection.all_writes();
    let own = inspection.rates(table).map_or(0.0, |rates| rates.writes());
    if all > 0.0 { own / all } else { 0.0 }
}

fn report(inspection: &Inspection<'_>, unread: Unread<'_>) -> Finding {
    let index = unread.index;
    let days = inspection.proved_days();
    let sentence = format!(
        "{} on {} ({}) was scanned {} times in {days} days",
        index.name,
        index.table,
        shape::keys(&index.parts),
        unread.scans
    );
    let severity = if unread.scans == 0 { Severity::Low } else { Severity::Info };
    let mut finding = inspection.finding(RULE, severity, &index.name, sentence);
    if unread.scans > 0 {
        finding.why_not.push("a few scans may be all that a nightly job needs".to_owned());
    }
    finding.window = Some(inspection.indexes.window.clone());
    finding.evidence.push(format!("{} scans in {days} proved days", unread.scans));
    finding.evidence.extend(unread.bytes.map(|bytes| format!("{bytes} bytes")));
    finding.evidence.extend(unread.partitions.map(|count| format!("all {count} partitions together")));
    for replica in &inspection.replicas {
        finding.evidence.push(format!("no scans on the replica {}", replica.name));
    }
    let (statement, undo) = way(inspection.dialect, index, unread.partitions.is_some());
    finding.statement = Some(statement);
    finding.undo = Some(undo);
    finding.why_not.push("a yearly job may need it: ask who runs one".to_owned());
    if !inspection.first_seen.contains_key(&index.name) {
        finding
            .why_not
            .push("servers do not tell when an index was made: it may be younger than the window".to_owned());
    }
    if inspection.dialect == Dialect::MongoDb && !index.hidden {
        finding.why_not.push("hiding an index sets its counter back to 0, and so does showing it again".to_owned());
    }
    finding.effect = Some(IndexEffect {
        saves_us_per_second: None,
        gain: "writes no longer maintain it, and its space is free".to_owned(),
        write_cost: "none: it takes work away from writes".to_owned(),
        bytes: unread.bytes,
        locking: definition::locking_of_drop(inspection.dialect).to_owned(),
    });
    finding
}

/// What removes an index, and what takes that back: by hiding first where the engine can hide.
pub fn way(dialect: Dialect, index: &Index, is_partitioned: bool) -> (String, String) {
    let gone = definition::drop(dialect, &index.table, &index.name);
    let again = definition::again(dialect, index);
    if index.hidden {
        return (gone, again);
    }
    let bare = dialect.quoted(&names::bare(&index.name));
    let (database, collection) = index.table.split_once('.').unwrap_or(("test", &index.table));
    match dialect {
        // An index of a partitioned table cannot be dropped concurrently.
        Dialect::Postgres if is_partitioned => (gone.replace(" CONCURRENTLY", ""), again.replace(" CONCURRENTLY", "")),
        Dialect::MariaDb => {
            let alter = format!("ALTER TABLE {} ALTER INDEX {bare}", dialect.table(&index.table));
            (format!("{alter} IGNORED"), format!("{alter} NOT IGNORED"))
        }
        Dialect::MySql => {
            let alter = format!("ALTER TABLE {} ALTER INDEX {bare}", dialect.table(&index.table));
            (format!("{alter} INVISIBLE"), format!("{alter} VISIBLE"))
        }
        Dialect::MongoDb => {
            let place = format!("db.getSiblingDB(\"{database}\").getCollection(\"{collection}\")");
            (format!("{place}.hideIndex(\"{}\")", index.name), format!("{place}.unhideIndex(\"{}\")", index.name))
        }
        _ => (gone, again),
    }
}
