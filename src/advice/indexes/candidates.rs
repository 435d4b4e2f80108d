//! Indexes that statements ask for: equalities first, then the order or one range. The first of the two steps of `IX-NEW`.

use crate::advice::catalogue::Catalogue;
use crate::advice::dialect::Dialect;
use crate::advice::hotspots::facts::{OnExpression, SortTerm, TableFacts};
use crate::advice::indexes::definition::{self, Wanted};
use crate::advice::indexes::inspection::Inspection;
use crate::advice::indexes::merging;
use crate::advice::indexes::parameters;
use crate::advice::indexes::selectivity;
use crate::advice::indexes::shape::plain;
use crate::advice::indexes::workload::{Asked, Workload};
use crate::model::hotspot::Fingerprint;
use crate::model::index::{IndexPart, TableUse};
use crate::model::what_if::Parameters;

/// Most key columns of a proposal.
const MOST_KEYS: usize = 3;
/// A further column must cut the rows to this share.
const WORTH_A_COLUMN: f64 = 0.3;
/// A table with fewer rows and fewer pages needs no index.
const SMALL_ROWS: u64 = 1_000;
const SMALL_BYTES: u64 = 100 * 8_192;
/// A condition of so many of the calls makes a partial index ...
const MOST_CALLS: f64 = 0.9;
/// ... if it leaves no more than this share of the rows.
const FEW_ROWS: f64 = 0.2;
/// Most columns that are carried along, and their width in bytes together.
const MOST_CARRIED: usize = 3;
const CARRIED_WIDTH: f64 = 24.0;
/// MariaDB cannot index a whole text: so many characters of it.
const TEXT_PREFIX: u32 = 64;
/// Statements of each candidate that a planner is asked about.
const QUESTIONS_EACH: usize = 5;

/// A statement that a candidate would serve.
#[derive(Clone, Debug, PartialEq)]
pub struct Served {
    /// Its name.
    pub fingerprint: Fingerprint,
    /// Its text as the server keeps it.
    pub text: String,
    /// Its canonical form.
    pub canonical: String,
    /// Executions in the interval.
    pub calls: u64,
    /// Their time in microseconds.
    pub total_us: f64,
    /// Share of the table's rows that it wants: counted, or else estimated.
    pub share: f64,
    /// The share is that of its executions.
    pub is_counted: bool,
    /// Share of the rows that the conditions without a parameter leave.
    pub unbound: f64,
    /// All that narrows it down are equalities, and it wants every row that they leave.
    pub wants_all_equal: bool,
    /// It wants the first rows of an order, so that an index may serve it however many fulfil its conditions.
    pub wants_first: bool,
    /// With which values a planner is asked.
    pub parameters: Parameters,
}

/// An index that does not exist.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Its table, as the engine prints it.
    pub table: String,
    /// Key parts.
    pub parts: Vec<IndexPart>,
    /// Columns carried along.
    pub include: Vec<String>,
    /// Predicate; empty: none.
    pub predicate: String,
    /// Share of the table's rows that it would hold.
    pub rows_share: f64,
    /// The statements that ask for it, heaviest first.
    pub served: Vec<Served>,
    /// An index whose keys are the first ones of this: it is replaced rather than joined by another.
    pub replaces: Option<String>,
}

impl Candidate {
    /// For making and asking.
    pub fn wanted<'c>(&'c self, name: &'c str) -> Wanted<'c> {
        Wanted {
            table: &self.table,
            name,
            parts: &self.parts,
            include: &self.include,
            predicate: &self.predicate,
            unique: false,
        }
    }
}

/// What a planner is to be asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Which candidate: its place in the list.
    pub candidate: usize,
    /// Which statement.
    pub fingerprint: Fingerprint,
    /// The statement's text.
    pub statement: String,
    /// With which values.
    pub parameters: Parameters,
    /// The candidate as a statement. It is asked alone, so that nothing else wins for it.
    pub index: String,
}

/// The questions for candidates, heaviest statement first, no more than `limit`.
pub fn questions(candidates: &[Candidate], limit: usize) -> Vec<Question> {
    let mut all: Vec<(f64, Question)> = Vec::new();
    for (at, candidate) in candidates.iter().enumerate() {
        for served in candidate.served.iter().take(QUESTIONS_EACH) {
            let question = Question {
                candidate: at,
                fingerprint: served.fingerprint.clone(),
                statement: served.text.clone(),
                parameters: served.parameters.clone(),
                index: definition::hypothetical(&candidate.wanted("")),
            };
            all.push((served.total_us, question));
        }
    }
    all.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    all.into_iter().take(limit).map(|(_, question)| question).collect()
}

/// What the statements of the interval ask for and no index gives.
pub fn candidates(inspection: &Inspection<'_>, workload: &Workload<'_>) -> Vec<Candidate> {
    if matches!(inspection.dialect, Dialect::MongoDb | Dialect::Redis) {
        return Vec::new();
    }
    let catalogue = inspection.catalogue();
    let mut found: Vec<Candidate> = Vec::new();
    for asked in &workload.asked {
        for facts in &asked.facts {
            let Some(table) = catalogue.table(&facts.table) else { continue };
            if is_small(table) {
                continue;
            }
            let maker = Maker { inspection, workload, table, facts };
            for (parts, include, predicate) in maker.variants() {
                if parts.is_empty() || merging::is_covered(inspection, catalogue, facts, &parts, &predicate) {
                    continue;
                }
                let rows_share = if predicate.is_empty() { 1.0 } else { share_of_constant(table, &predicate) };
                let served = served(asked, table, facts);
                merging::add(
                    &mut found,
                    Candidate {
                        table: table.table.clone(),
                        replaces: merging::replaced(catalogue, table, &parts, &predicate),
                        parts,
                        include,
                        predicate,
                        rows_share,
                        served: vec![served],
                    },
                );
            }
        }
    }
    found
}

fn served(asked: &Asked<'_>, table: &TableUse, facts: &TableFacts) -> Served {
    let spot = asked.spot;
    let counted = parameters::counted_share(spot, table, facts);
    let wants_first = facts.is_limited && !facts.sort.is_empty();
    Served {
        fingerprint: spot.fingerprint.clone(),
        text: spot.text.clone(),
        canonical: spot.canonical.clone(),
        calls: spot.calls,
        total_us: spot.total_us,
        share: counted.unwrap_or_else(|| selectivity::of_facts(table, facts)),
        is_counted: counted.is_some(),
        unbound: selectivity::of_unbound(table, facts),
        wants_all_equal: facts.range.is_empty()
            && facts.expressions.is_empty()
            && !facts.equality.is_empty()
            && !wants_first,
        wants_first,
        parameters: parameters::of(spot, table, facts, &asked.facts),
    }
}

fn is_small(table: &TableUse) -> bool {
    table.rows.known().is_some_and(|rows| *rows < SMALL_ROWS)
        && table.bytes.known().is_some_and(|bytes| *bytes < SMALL_BYTES)
}

/// Keys, carried columns, predicate.
type Variant = (Vec<IndexPart>, Vec<String>, String);

struct Maker<'a, 'i> {
    inspection: &'a Inspection<'i>,
    workload: &'a Workload<'a>,
    table: &'a TableUse,
    facts: &'a TableFacts,
}

impl Maker<'_, '_> {
    fn variants(&self) -> Vec<Variant> {
        let facts = self.facts;
        let wants_the_first = facts.is_limited && !facts.sort.is_empty();
        if !facts.is_filtered() && !wants_the_first {
            return Vec::new();
        }
        let predicate = self.partial();
        let equal = self.equal_columns(None);
        let mut variants = self.ways(&equal, "");
        if let Some((column, predicate)) = &predicate {
            variants.extend(self.ways(&self.equal_columns(Some(column)), predicate));
        }
        variants
    }

    /// The ways to go on behind the equalities: by the order, by a range; and with what else is wanted carried along.
    fn ways(&self, equal: &[IndexPart], predicate: &str) -> Vec<Variant> {
        let mut ways: Vec<Vec<IndexPart>> = Vec::new();
        if let Some(sorted) = self.sorted(equal) {
            ways.push(sorted);
        }
        if let Some(ranged) = self.ranged(equal) {
            ways.push(ranged);
        }
        if ways.is_empty() {
            ways.push(self.worth_their_place(equal.to_vec()));
        }
        if !self.facts.is_limited {
            // Without a LIMIT narrowing down is worth more than an order.
            ways.reverse();
        }
        let mut variants: Vec<Variant> =
            ways.iter().map(|parts| (parts.clone(), Vec::new(), predicate.to_owned())).collect();
        if let Some((parts, include)) = ways.first().and_then(|parts| Some((parts.clone(), self.carried(parts)?))) {
            variants.push((parts, include, predicate.to_owned()));
        }
        variants
    }

    /// Equalities in the order that lets most statements share the beginning of the index.
    fn equal_columns(&self, without: Option<&str>) -> Vec<IndexPart> {
        let mut columns: Vec<&str> = Vec::new();
        for equality in &self.facts.equality {
            let is_wanted = Some(equality.column.as_str()) != without && !columns.contains(&equality.column.as_str());
            if is_wanted && self.is_indexable(&equality.column) {
                columns.push(&equality.column);
            }
        }
        let distinct =
            |name: &str| Catalogue::column(self.table, name).and_then(|column| column.distinct).unwrap_or(0.0);
        columns.sort_by(|a, b| {
            let shared = |name: &str| self.workload.shared(&self.table.table, name);
            shared(b).cmp(&shared(a)).then_with(|| distinct(b).total_cmp(&distinct(a))).then_with(|| a.cmp(b))
        });
        let mut parts: Vec<IndexPart> = self.expression().into_iter().collect();
        parts.extend(columns.into_iter().map(|column| self.part(column)));
        parts
    }

    /// The first expression that may be indexed: its function gives the same result for the same value for ever.
    fn expression(&self) -> Option<IndexPart> {
        let OnExpression { expression, .. } = self
            .facts
            .expressions
            .iter()
            .find(|on| self.inspection.dialect == Dialect::Postgres && is_immutable(&on.expression))?;
        Some(IndexPart { is_expression: true, ..plain(expression) })
    }

    fn part(&self, column: &str) -> IndexPart {
        let kind = Catalogue::column(self.table, column).map(|column| column.kind.to_lowercase()).unwrap_or_default();
        let is_long = self.inspection.dialect.is_innodb() && (kind.contains("text") || kind.contains("blob"));
        IndexPart { prefix: is_long.then_some(TEXT_PREFIX), ..plain(column) }
    }

    /// The keys with the order behind them. A list of values breaks the order.
    fn sorted(&self, equal: &[IndexPart]) -> Option<Vec<IndexPart>> {
        let facts = self.facts;
        let wanted: Vec<&SortTerm> =
            facts.sort.iter().filter(|term| !equal.iter().any(|part| part.term == term.column)).collect();
        let is_ordered = facts.equality.iter().all(|equality| !equality.is_list);
        let room = MOST_KEYS.max(equal.len() + 1);
        if wanted.is_empty()
            || !is_ordered
            || equal.len() + wanted.len() > room
            || !wanted.iter().all(|t| self.is_indexable(&t.column))
        {
            return None;
        }
        let is_plain = |term: &&SortTerm| term.nulls_first.is_none_or(|first| first == term.descending);
        let one_way = wanted.iter().all(|term| term.descending == wanted[0].descending) && wanted.iter().all(is_plain);
        let mut parts = equal.to_vec();
        parts.extend(wanted.iter().map(|term| {
            let descending = !one_way && term.descending;
            let nulls_first = if one_way { false } else { term.nulls_first.unwrap_or(term.descending) };
            IndexPart { descending, nulls_first, ..self.part(&term.column) }
        }));
        Some(parts)
    }

    /// The keys with the most selective range behind them.
    fn ranged(&self, equal: &[IndexPart]) -> Option<Vec<IndexPart>> {
        let distinct =
            |name: &String| Catalogue::column(self.table, name).and_then(|column| column.distinct).unwrap_or(0.0);
        let free = self.facts.range.iter().filter(|name| !equal.iter().any(|part| part.term == **name));
        let range = free.filter(|name| self.is_indexable(name)).max_by(|a, b| distinct(a).total_cmp(&distinct(b)))?;
        let mut parts = self.worth_their_place(equal.to_vec());
        parts.truncate(MOST_KEYS - 1);
        parts.push(self.part(range));
        Some(parts)
    }

    /// Without the last columns as long as they cut nothing away.
    fn worth_their_place(&self, mut parts: Vec<IndexPart>) -> Vec<IndexPart> {
        parts.truncate(MOST_KEYS);
        while parts.len() > 1 {
            let last = &parts[parts.len() - 1].term;
            let equality = self.facts.equality.iter().find(|equality| equality.column == *last);
            if equality.is_none_or(|equality| selectivity::of_equality(self.table, equality) <= WORTH_A_COLUMN) {
                break;
            }
            parts.pop();
        }
        parts
    }

    /// Columns to carry along so that the table is not read at all; only where few rows change.
    fn carried(&self, parts: &[IndexPart]) -> Option<Vec<String>> {
        let rates = self.inspection.rates(&self.table.table)?;
        let rows = *self.table.rows.known()? as f64;
        let changed_a_day =
            (rates.updated.unwrap_or(f64::INFINITY) + rates.deleted.unwrap_or(f64::INFINITY)) * 86_400.0;
        let mentioned = self.facts.mentioned.as_ref()?;
        let rest: Vec<String> =
            mentioned.iter().filter(|name| !parts.iter().any(|part| part.term == **name)).cloned().collect();
        let width: Option<f64> = rest.iter().map(|name| Catalogue::column(self.table, name)?.width).sum();
        let fits = self.inspection.dialect == Dialect::Postgres
            && !rest.is_empty()
            && rest.len() <= MOST_CARRIED
            && width.is_some_and(|width| width <= CARRIED_WIDTH)
            && changed_a_day <= rows * 0.01;
        fits.then_some(rest)
    }

    /// A condition without a value from outside that nearly all calls have and few rows fulfil.
    fn partial(&self) -> Option<(String, String)> {
        if self.inspection.dialect != Dialect::Postgres {
            return None;
        }
        let constant = self
            .facts
            .constants
            .iter()
            .find(|sql| share_of_constant(self.table, sql) <= FEW_ROWS && self.share_of_calls(sql) >= MOST_CALLS)?;
        Some((constant.split(' ').next().unwrap_or_default().to_owned(), constant.clone()))
    }

    fn share_of_calls(&self, constant: &str) -> f64 {
        let (mut having, mut all) = (0u64, 0u64);
        for asked in &self.workload.asked {
            let here: Vec<&TableFacts> =
                asked.facts.iter().filter(|facts| facts.table == self.table.table && facts.is_filtered()).collect();
            if !here.is_empty() {
                all += asked.spot.calls;
                let has = here.iter().all(|facts| facts.constants.iter().any(|known| known == constant));
                having += if has { asked.spot.calls } else { 0 };
            }
        }
        if all == 0 { 0.0 } else { having as f64 / all as f64 }
    }

    fn is_indexable(&self, column: &str) -> bool {
        let Some(column) = Catalogue::column(self.table, column) else { return false };
        let kind = column.kind.to_lowercase();
        let refused = [
            "json", "jsonb", "xml", "point", "box", "circle", "line", "lseg", "path", "polygon", "geometry", "tsvector",
        ];
        !kind.ends_with("[]") && !refused.iter().any(|refused| kind == *refused)
    }
}

/// The share of rows that `x IS NULL` or `x IS NOT NULL` leaves; 1 for anything else.
pub fn share_of_constant(table: &TableUse, constant: &str) -> f64 {
    let (name, condition) = constant.split_once(' ').unwrap_or((constant, ""));
    let nulls = Catalogue::column(table, name.trim_matches('"')).and_then(|column| column.nulls);
    match (condition, nulls) {
        ("IS NULL", Some(nulls)) => nulls,
        ("IS NOT NULL", Some(nulls)) => 1.0 - nulls,
        _ => 1.0,
    }
}

/// Functions of one column that PostgreSQL calls immutable whatever the settings are.
fn is_immutable(expression: &str) -> bool {
    let Some((function, rest)) = expression.split_once('(') else { return false };
    let known = [
        "lower",
        "upper",
        "abs",
        "length",
        "char_length",
        "md5",
        "btrim",
        "ltrim",
        "rtrim",
        "reverse",
        "floor",
        "ceil",
    ];
    known.contains(&function) && rest.matches('(').count() == 0 && !rest.contains(',')
}
