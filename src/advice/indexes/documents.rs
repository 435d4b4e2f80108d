//! `IX-ESR`: MongoDB. Fields of equality first, then those of the sort, then ranges.

use crate::advice::dialect::Dialect;
use crate::advice::hotspots::document::Document;
use crate::advice::hotspots::mongo_command::{self, Command};
use crate::advice::indexes::definition::{self, Wanted};
use crate::advice::indexes::inspection::{Inspection, has_duty};
use crate::advice::indexes::shape::{self, plain};
use crate::advice::indexes::workload::Workload;
use crate::advice::indexes::write_cost;
use crate::advice::wording::counted;
use crate::model::finding::{Confidence, Finding, IndexEffect, Severity};
use crate::model::hotspot::HotSpot;
use crate::model::index::{Index, IndexPart, TableUse};
use std::collections::BTreeMap;

/// The rule's id.
pub const RULE: &str = "IX-ESR";

/// Documents looked at for one given out.
const IN_VAIN: f64 = 100.0;
/// A collection with fewer documents needs no index.
const SMALL: u64 = 1_000;
/// A longer list is a range: the server does not merge so many sorted scans.
const LIST_AS_EQUALITY: usize = 200;
/// The server allows no more indexes than this for one collection.
const MOST_INDEXES: usize = 64;
/// The part of the estimated gain that is believed: no planner was asked.
const BELIEVED: f64 = 0.5;

/// Fields of a filter by their use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Fields {
    equality: Vec<String>,
    range: Vec<String>,
    poor: Vec<String>,
}

/// Looks at the statements of the interval.
pub fn look(inspection: &Inspection<'_>) -> Vec<Finding> {
    let (Dialect::MongoDb, Some(spots)) = (inspection.dialect, inspection.spots) else { return Vec::new() };
    let catalogue = inspection.catalogue();
    let mut found: BTreeMap<(String, String), Proposal<'_>> = BTreeMap::new();
    for spot in &spots.spots {
        let Some(command) = mongo_command::read(&spot.database, &spot.text) else { continue };
        let Some(table) = catalogue.table(&command.namespace) else { continue };
        if !is_wasteful(spot, table) {
            continue;
        }
        for arm in arms(&command.filter) {
            let parts = keys(&fields(&arm), &command, table);
            let indexes = catalogue.indexes(&table.table);
            if parts.is_empty() || indexes.iter().any(|index| serves(index, &parts)) {
                continue;
            }
            let key = (table.table.clone(), shape::keys(&parts));
            let proposal =
                found.entry(key).or_insert_with(|| Proposal { table, parts, asked: Vec::new(), poor: Vec::new() });
            proposal.poor.extend(fields(&arm).poor);
            if !proposal.asked.iter().any(|known| known.fingerprint == spot.fingerprint) {
                proposal.asked.push(spot);
            }
        }
    }
    let mut proposals: Vec<Proposal<'_>> = found.into_values().collect();
    drop_beginnings(&mut proposals);
    proposals.into_iter().filter_map(|proposal| report(inspection, proposal)).collect()
}

struct Proposal<'a> {
    table: &'a TableUse,
    parts: Vec<IndexPart>,
    asked: Vec<&'a HotSpot>,
    poor: Vec<String>,
}

fn is_wasteful(spot: &HotSpot, table: &TableUse) -> bool {
    let is_large = table.rows.known().is_none_or(|rows| *rows >= SMALL);
    let in_vain = match (spot.examined, spot.rows) {
        (Some(examined), Some(rows)) => examined as f64 >= IN_VAIN * rows.max(1) as f64,
        _ => false,
    };
    is_large && (in_vain || spot.without_index.is_some_and(|count| count > 0))
}

/// The filters that need an index each: the branches of a `$or`, with what stands beside it; else the filter itself.
fn arms(filter: &Document) -> Vec<Document> {
    let branches = filter.get("$or").map(Document::members).unwrap_or_default();
    if branches.is_empty() {
        return vec![filter.clone()];
    }
    let beside: Vec<(String, Document)> = filter.fields().iter().filter(|(key, _)| key != "$or").cloned().collect();
    branches.iter().map(|branch| Document::Object([beside.clone(), branch.fields().to_vec()].concat())).collect()
}

fn fields(filter: &Document) -> Fields {
    let mut fields = Fields::default();
    read_filter(filter, &mut fields);
    fields.range.retain(|name| !fields.equality.contains(name));
    fields
}

fn read_filter(filter: &Document, fields: &mut Fields) {
    for (key, value) in filter.fields() {
        if key == "$and" {
            value.members().iter().for_each(|inner| read_filter(inner, fields));
            continue;
        }
        if key.starts_with('$') {
            continue;
        }
        let operators = value.fields();
        if !operators.first().is_some_and(|(name, _)| mongo_command::is_operator(name)) {
            push(&mut fields.equality, key);
            continue;
        }
        for (operator, operand) in operators {
            match operator.as_str() {
                "$eq" => push(&mut fields.equality, key),
                "$in" if operand.members().len() <= LIST_AS_EQUALITY => push(&mut fields.equality, key),
                "$in" | "$gt" | "$gte" | "$lt" | "$lte" => push(&mut fields.range, key),
                "$regex" if operand.text().is_some_and(|pattern| pattern.starts_with('^')) => {
                    push(&mut fields.range, key)
                }
                "$elemMatch" | "$all" | "$size" | "$options" => {}
                _ => push(&mut fields.poor, key),
            }
        }
    }
}

fn push(list: &mut Vec<String>, name: &str) {
    if !list.iter().any(|known| known == name) {
        list.push(name.to_owned());
    }
}

/// Equality, sort, range. Of fields that hold lists only the first one is kept: an index may have one.
fn keys(fields: &Fields, command: &Command, table: &TableUse) -> Vec<IndexPart> {
    if fields.equality.is_empty() && fields.range.is_empty() {
        return Vec::new();
    }
    let distinct = |name: &str| {
        table.columns.iter().find(|column| column.name == name).and_then(|column| column.distinct).unwrap_or(0.0)
    };
    let mut equality = fields.equality.clone();
    equality.sort_by(|a, b| distinct(b).total_cmp(&distinct(a)).then_with(|| a.cmp(b)));
    let mut parts: Vec<IndexPart> = equality.iter().map(|name| plain(name)).collect();
    let is_one_way = command.sort.iter().all(|(_, down)| *down == command.sort[0].1);
    for (name, down) in &command.sort {
        if !parts.iter().any(|part| part.term == *name) {
            parts.push(IndexPart { descending: *down && !is_one_way, ..plain(name) });
        }
    }
    for name in &fields.range {
        if !parts.iter().any(|part| part.term == *name) {
            parts.push(plain(name));
        }
    }
    let is_list = |name: &str| table.columns.iter().any(|column| column.name == name && column.kind.contains("array"));
    let mut has_list = false;
    parts.retain(|part| {
        let list = is_list(&part.term);
        let keep = !(list && has_list);
        has_list |= list;
        keep
    });
    parts
}

/// Whether an index does what one on `parts` would: it begins with these fields, the same way round or wholly reversed.
fn serves(index: &Index, parts: &[IndexPart]) -> bool {
    let is_usable = !index.hidden && index.valid && index.predicate.is_empty();
    is_usable && shape::begins(parts, &index.parts)
}

/// One that begins another is done by it.
fn drop_beginnings(proposals: &mut Vec<Proposal<'_>>) {
    let mut at = 0;
    while at < proposals.len() {
        let longer = (0..proposals.len()).find(|other| {
            *other != at
                && proposals[*other].table.table == proposals[at].table.table
                && shape::begins(&proposals[at].parts, &proposals[*other].parts)
        });
        if let Some(longer) = longer {
            let short = proposals.remove(at);
            let longer = if longer > at { longer - 1 } else { longer };
            proposals[longer].asked.extend(short.asked);
        } else {
            at += 1;
        }
    }
}

fn report(inspection: &Inspection<'_>, proposal: Proposal<'_>) -> Option<Finding> {
    let Proposal { table, parts, asked, poor } = proposal;
    let keys = shape::keys(&parts);
    let total: f64 = asked.iter().map(|spot| spot.total_us).sum();
    let seconds = inspection.spots.map_or(0.0, |spots| spots.seconds());
    let saved = if seconds > 0.0 { total * BELIEVED / seconds } else { 0.0 };
    let cost = write_cost::of(inspection, &table.table, &parts, &[], 1.0, &Workload::default());
    if cost.us_per_second.is_some_and(|cost| cost >= saved) {
        return None;
    }
    let statements = counted(asked.len(), "statement");
    let sentence = format!("an index on {} ({keys}) would serve {statements}", table.table);
    let mut finding = inspection.finding(RULE, Severity::Medium, &format!("{} ({keys})", table.table), sentence);
    finding.confidence = Confidence::Estimated;
    for spot in &asked {
        let examined = spot.examined.map_or("an unknown number of".to_owned(), |n| n.to_string());
        let rows = spot.rows.map_or("an unknown number".to_owned(), |n| n.to_string());
        finding.evidence.push(format!(
            "{}: {} calls, {examined} documents looked at for {rows} given out: {}",
            spot.fingerprint, spot.calls, spot.canonical
        ));
        if let Some(count) = spot.without_index.filter(|count| *count > 0) {
            finding.evidence.push(format!("{count} executions read the whole collection"));
        }
    }
    let name = definition::free_name(inspection.indexes, &table.table, &parts, "");
    let wanted = Wanted { table: &table.table, name: &name, parts: &parts, include: &[], predicate: "", unique: false };
    finding.makes = definition::build(Dialect::MongoDb, &wanted);
    finding.statement = Some(definition::create(Dialect::MongoDb, &wanted));
    finding.undo = Some(definition::drop(Dialect::MongoDb, &table.table, &name));
    let catalogue = inspection.catalogue();
    let existing = catalogue.indexes(&table.table);
    if let Some(old) =
        existing.iter().find(|index| !has_duty(index) && index.parts.len() < parts.len() && serves_begin(index, &parts))
    {
        finding.why_not.push(format!("it begins like {}, which can go when this one is built", old.name));
    }
    if existing.len() >= MOST_INDEXES {
        finding
            .why_not
            .push(format!("the collection has {} indexes and may have no more than {MOST_INDEXES}", existing.len()));
    }
    if !poor.is_empty() {
        finding.why_not.push(format!("conditions that no index serves well: {}", poor.join(", ")));
    }
    if table.columns.is_empty() {
        finding
            .why_not
            .push("whether two of the fields hold lists is not known: an index may have one such field".to_owned());
    }
    finding.why_not.extend(cost.notes);
    finding.effect = Some(IndexEffect {
        saves_us_per_second: Some(saved - cost.us_per_second.unwrap_or(0.0)),
        gain: format!("about half of {total:.0} µs in {seconds:.0} seconds"),
        write_cost: cost.sentence,
        bytes: cost.bytes,
        locking: definition::locking(Dialect::MongoDb).to_owned(),
    });
    Some(finding)
}

fn serves_begin(index: &Index, parts: &[IndexPart]) -> bool {
    index.valid && !index.hidden && index.predicate.is_empty() && shape::begins(&index.parts, parts)
}
