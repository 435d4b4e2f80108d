//! `IX-LOST`: an index of the source that the target lacks. The copy moves rows; what made them quick to find has to come too.

use crate::advice::dialect::Dialect;
use crate::advice::indexes::definition::{self, Wanted};
use crate::advice::indexes::inspection::{Inspection, WINDOW_DAYS};
use crate::advice::indexes::shape;
use crate::advice::indexes::workload::Workload;
use crate::advice::indexes::write_cost;
use crate::advice::names;
use crate::model::finding::{Confidence, Finding, IndexEffect, Severity};
use crate::model::index::{Index, IndexPart};
use crate::model::index_order::IndexBuild;
use std::collections::BTreeMap;

/// The rule's id.
pub const RULE: &str = "IX-LOST";

/// A table of the source and where it went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Its name on the source.
    pub from: String,
    /// Its name on the target.
    pub to: String,
    /// Columns that have another name on the target; the others keep theirs.
    pub renamed: BTreeMap<String, String>,
    /// Columns that do not move.
    pub dropped: Vec<String>,
}

/// Looks for each index of the moved tables on the target.
pub fn look(source: &Inspection<'_>, target: &Inspection<'_>, moved: &[Moved]) -> Vec<Finding> {
    let (theirs, ours) = (source.catalogue(), target.catalogue());
    let mut found = Vec::new();
    for table in moved {
        let there = ours.indexes(&table.to);
        let mut proposed: Vec<Vec<IndexPart>> = Vec::new();
        for index in theirs
            .indexes(&table.from)
            .iter()
            .filter(|index| index.valid && !index.hidden && index.duty.part_of.is_none())
        {
            let Some(parts) = moved_parts(index, table, source.dialect == target.dialect) else {
                found.extend(untranslatable(source, target, index, table));
                continue;
            };
            let is_there = there.iter().any(|known| does_the_work(source, target, index, known, &parts));
            // Duplicates on the source are one index on the target.
            if is_there || proposed.iter().any(|known| shape::equal(known, &parts)) {
                continue;
            }
            found.push(report(source, target, index, table, &parts));
            proposed.push(parts);
        }
    }
    found
}

/// The key parts under the target's names; `None`: they cannot be translated, or a column did not move.
fn moved_parts(index: &Index, table: &Moved, same_engine: bool) -> Option<Vec<IndexPart>> {
    index
        .parts
        .iter()
        .map(|part| {
            let is_dropped = table.dropped.iter().any(|name| name.eq_ignore_ascii_case(&part.term));
            if is_dropped
                || (part.is_expression && !(same_engine && table.renamed.is_empty() && table.dropped.is_empty()))
            {
                return None;
            }
            let renamed = table.renamed.iter().find(|(name, _)| name.eq_ignore_ascii_case(&part.term));
            let term = renamed.map_or_else(|| part.term.clone(), |(_, name)| name.clone());
            let moved = IndexPart { term, ..part.clone() };
            // Operator classes, collations and the place of NULLs are words of one engine.
            Some(if same_engine {
                moved
            } else {
                IndexPart {
                    operator_class: String::new(),
                    collation: String::new(),
                    nulls_first: false,
                    prefix: None,
                    ..moved
                }
            })
        })
        .collect()
}

fn does_the_work(
    source: &Inspection<'_>,
    target: &Inspection<'_>,
    index: &Index,
    known: &Index,
    parts: &[IndexPart],
) -> bool {
    let same_engine = source.dialect == target.dialect;
    let plain: Vec<IndexPart> = if same_engine {
        known.parts.clone()
    } else {
        let without = |part: &IndexPart| IndexPart {
            operator_class: String::new(),
            collation: String::new(),
            nulls_first: false,
            prefix: None,
            ..part.clone()
        };
        known.parts.iter().map(without).collect()
    };
    let is_usable = known.valid && !known.hidden;
    if index.duty.unique {
        // Only the same columns, no more and no less, refuse the same rows; their order does not matter for that.
        let has =
            |list: &[IndexPart], part: &IndexPart| list.iter().any(|other| other.term.eq_ignore_ascii_case(&part.term));
        let same = plain.len() == parts.len() && plain.iter().all(|part| has(parts, part));
        return is_usable && known.duty.unique && same && predicate_fits(index, known, same_engine);
    }
    is_usable
        && shape::begins(parts, &plain)
        && (!same_engine || (known.method == index.method && shape::carries(index, known)))
        && predicate_fits(index, known, same_engine)
}

/// A whole index does the work of a partial one, unless it enforces uniqueness for a part only.
fn predicate_fits(index: &Index, known: &Index, same_engine: bool) -> bool {
    known.predicate.is_empty() && (index.predicate.is_empty() || !index.duty.unique)
        || (same_engine && known.predicate == index.predicate)
        || (!same_engine && !known.predicate.is_empty() && !index.predicate.is_empty())
}

fn report(
    source: &Inspection<'_>,
    target: &Inspection<'_>,
    index: &Index,
    table: &Moved,
    parts: &[IndexPart],
) -> Finding {
    let scans = index.scans.known().copied();
    let is_idle = scans == Some(0) && source.proved_days() >= WINDOW_DAYS;
    let severity = match () {
        () if index.duty.primary || index.duty.unique => Severity::High,
        () if is_idle => Severity::Info,
        () => Severity::Medium,
    };
    let keys = shape::keys(parts);
    let what = if index.duty.primary {
        "primary key"
    } else if index.duty.unique {
        "unique index"
    } else {
        "index"
    };
    let sentence =
        format!("{} lacks the {what} ({keys}) that {} has on {} as {}", table.to, table.from, source.store, index.name);
    let mut finding = target.finding(RULE, severity, &format!("{} ({keys})", table.to), sentence);
    finding.evidence.push(format!(
        "on {}: {}",
        source.store,
        if index.definition.is_empty() { shape::keys(&index.parts) } else { index.definition.clone() }
    ));
    finding.evidence.push(match scans {
        Some(scans) => format!("{scans} scans on {} since {}", source.store, source.indexes.window.since.to_rfc3339()),
        None => format!("how often it is scanned on {} is not known", source.store),
    });
    finding.window = Some(source.indexes.window.clone());
    if is_idle {
        finding.why_not.push("nothing scanned it on the source in the proved time: it may not be needed".to_owned());
    }
    if !index.duty.unique {
        finding.why_not.push("only statements that stayed with the other services may have needed it".to_owned());
    }
    let name = definition::free_name(target.indexes, &table.to, parts, "");
    let predicate = if source.dialect == target.dialect { index.predicate.as_str() } else { "" };
    if predicate.is_empty() && !index.predicate.is_empty() {
        finding.why_not.push(format!(
            "on the source it holds only rows with {}; the condition has to be translated by hand",
            index.predicate
        ));
        finding.confidence = Confidence::Estimated;
    }
    let wanted =
        Wanted { table: &table.to, name: &name, parts, include: &index.include, predicate, unique: index.duty.unique };
    let (statement, undo) = way(target, index, &wanted);
    // A key is a constraint as well: it needs more than one statement, and a short lock on the whole table.
    if !index.duty.primary {
        let build = definition::build(target.dialect, &wanted);
        finding.makes = build.map(|build| IndexBuild { statement: statement.clone(), undo: undo.clone(), ..build });
    }
    finding.statement = Some(statement);
    finding.undo = Some(undo);
    let cost = write_cost::of(target, &table.to, parts, &index.include, 1.0, &Workload::default());
    finding.effect = Some(IndexEffect {
        saves_us_per_second: None,
        gain: "statements are as fast as on the source".to_owned(),
        write_cost: cost.sentence,
        bytes: cost.bytes,
        locking: definition::locking(target.dialect).to_owned(),
    });
    finding
}

/// What makes it and what takes it back. Ordered trees are written anew; other kinds keep the source's own words.
fn way(target: &Inspection<'_>, index: &Index, wanted: &Wanted<'_>) -> (String, String) {
    let (dialect, name) = (target.dialect, wanted.name);
    let mut statement = definition::create(dialect, wanted);
    let mut undo = definition::drop(dialect, wanted.table, name);
    if dialect == Dialect::Postgres && !["btree", ""].contains(&index.method.as_str()) {
        let (plain, using) =
            (format!(" ON {} (", wanted.table), format!(" ON {} USING {} (", wanted.table, index.method));
        statement = statement.replacen(&plain, &using, 1);
    }
    let (table, name) = (dialect.table(wanted.table), dialect.quoted(name));
    if index.duty.primary && dialect == Dialect::Postgres {
        // The index is built beside the traffic; making it the primary key is a short lock.
        statement = format!("{statement}; ALTER TABLE {table} ADD CONSTRAINT {name} PRIMARY KEY USING INDEX {name}");
        undo = format!("ALTER TABLE {table} DROP CONSTRAINT {name}");
    } else if index.duty.primary && dialect.is_innodb() {
        let keys: Vec<String> = wanted.parts.iter().map(|part| dialect.quoted(&part.term)).collect();
        statement = format!("ALTER TABLE {table} ADD PRIMARY KEY ({})", keys.join(", "));
        undo = format!("ALTER TABLE {table} DROP PRIMARY KEY");
    }
    (statement, undo)
}

/// An index over an expression, or over a column that did not move, cannot be looked for.
fn untranslatable(source: &Inspection<'_>, target: &Inspection<'_>, index: &Index, table: &Moved) -> Option<Finding> {
    let is_dropped =
        index.parts.iter().any(|part| table.dropped.iter().any(|name| name.eq_ignore_ascii_case(&part.term)));
    if is_dropped {
        return None;
    }
    let sentence = format!("whether {} has what {} does on {} cannot be told", table.to, index.name, source.store);
    let why = format!(
        "it is over an expression ({}), and the sides write expressions differently",
        shape::keys(&index.parts)
    );
    Some(target.not_checkable(RULE, &format!("{} {}", table.to, names::bare(&index.name)), &sentence, why))
}
