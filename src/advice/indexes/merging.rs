//! Candidates against each other and against the indexes that exist.

use crate::advice::catalogue::Catalogue;
use crate::advice::dialect::Dialect;
use crate::advice::hotspots::facts::TableFacts;
use crate::advice::indexes::candidates::Candidate;
use crate::advice::indexes::inspection::{Inspection, has_duty};
use crate::advice::indexes::shape;
use crate::model::index::{Index, IndexPart, TableUse};

/// Whether an index that exists serves a statement as well as one on `parts` would: it begins with them, or it has the same
/// equalities in another order.
pub fn is_covered(
    inspection: &Inspection<'_>,
    catalogue: &Catalogue<'_>,
    facts: &TableFacts,
    parts: &[IndexPart],
    predicate: &str,
) -> bool {
    let is_equal =
        |part: &IndexPart| !part.is_expression && facts.equality.iter().any(|equality| equality.column == part.term);
    let equal = parts.iter().take_while(|part| is_equal(part)).count();
    catalogue.indexes(&facts.table).iter().any(|index| {
        if !can_serve(inspection.dialect, index, predicate) || index.parts.len() < parts.len() {
            // A unique index whose columns all have a value finds one row: nothing is faster.
            return is_single(index, facts) && index.valid;
        }
        let head = &index.parts[..equal];
        let has_all = parts[..equal].iter().all(|part| head.iter().any(|known| is_column(known, &part.term)));
        let rest = shape::begins(&parts[equal..], &index.parts[equal..]);
        (has_all && rest) || shape::begins(parts, &index.parts) || is_single(index, facts)
    })
}

fn can_serve(dialect: Dialect, index: &Index, predicate: &str) -> bool {
    let is_whole = index.predicate.is_empty() || (!predicate.is_empty() && index.predicate.contains(predicate));
    index.valid && !index.hidden && is_whole && shape::is_ordered(index, dialect)
}

fn is_single(index: &Index, facts: &TableFacts) -> bool {
    let has_value = |part: &IndexPart| {
        let mut equalities = facts.equality.iter().filter(|equality| !equality.is_null);
        part.prefix.is_none() && equalities.any(|equality| is_column(part, &equality.column))
    };
    index.duty.unique && index.predicate.is_empty() && index.parts.iter().all(has_value)
}

fn is_column(part: &IndexPart, column: &str) -> bool {
    !part.is_expression && part.term.eq_ignore_ascii_case(column)
}

/// An index without duties whose keys are the first ones of `parts`.
pub fn replaced(catalogue: &Catalogue<'_>, table: &TableUse, parts: &[IndexPart], predicate: &str) -> Option<String> {
    let shorter = catalogue.indexes(&table.table).iter().filter(|index| {
        !has_duty(index)
            && index.valid
            && index.predicate == predicate
            && index.parts.len() < parts.len()
            && shape::begins(&index.parts, parts)
    });
    shorter.max_by_key(|index| index.parts.len()).map(|index| index.name.clone())
}

/// Adds a candidate, or its statements to the one that is the same.
pub fn add(candidates: &mut Vec<Candidate>, candidate: Candidate) {
    let same = candidates.iter_mut().find(|known| {
        known.table == candidate.table
            && known.predicate == candidate.predicate
            && known.include == candidate.include
            && shape::equal(&known.parts, &candidate.parts)
    });
    match same {
        Some(known) => {
            for served in candidate.served {
                if !known.served.iter().any(|have| have.fingerprint == served.fingerprint) {
                    known.served.push(served);
                }
            }
        }
        None => candidates.push(candidate),
    }
}

/// Whether `long` makes `short` needless.
pub fn swallows(long: &Candidate, short: &Candidate) -> bool {
    long.table == short.table
        && long.predicate == short.predicate
        && shape::begins(&short.parts, &long.parts)
        && short
            .include
            .iter()
            .all(|column| long.include.contains(column) || long.parts.iter().any(|part| is_column(part, column)))
}
