//! PG-15 to PG-17: row-level security that does not hold.

use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::model::access::object::LinkKind;
use crate::model::access::postgres::{PgRelation, PostgresFacts, RelationKind};

fn tables(facts: &PostgresFacts) -> impl Iterator<Item = &PgRelation> {
    facts.of_kind(RelationKind::Table)
}

/// PG-15. An owner passes by the policies of its own tables unless they are forced.
pub fn forced(case: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    if !tables(facts).any(|t| t.row_security) {
        return Judgement::absent("no table has row-level security");
    }
    let is_application = |owner: &str| case.applications(facts).any(|r| r.name == owner);
    let open = tables(facts).filter(|t| t.row_security && !t.row_security_forced && is_application(&t.owner));
    open.map(|t| {
        let name = &t.name;
        Failure::new(
            name,
            format!("policies of {name} do not hold for its owner {}, which applications log in as", t.owner),
        )
        .mended(
            format!("ALTER TABLE {name} FORCE ROW LEVEL SECURITY"),
            format!("ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY"),
        )
    })
    .collect()
}

/// PG-16.
pub fn enabled(_: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    if !tables(facts).any(|t| t.policies > 0) {
        return Judgement::absent("no table has policies");
    }
    let off = tables(facts).filter(|t| t.policies > 0 && !t.row_security);
    off.map(|t| {
        let name = &t.name;
        Failure::new(name, format!("{name} has {} policies, and row-level security is off", t.policies)).mended(
            format!("ALTER TABLE {name} ENABLE ROW LEVEL SECURITY"),
            format!("ALTER TABLE {name} DISABLE ROW LEVEL SECURITY"),
        )
    })
    .collect()
}

/// PG-17. A view works with its owner's rights unless it is told otherwise; that exists from 15 on.
pub fn views(case: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    if !tables(facts).any(|t| t.row_security) {
        return Judgement::absent("no table has row-level security");
    }
    let mut failures = Vec::new();
    for view in facts.of_kind(RelationKind::View).filter(|v| !v.security_invoker) {
        let passes = facts.role(&view.owner).is_some_and(|r| r.superuser || r.bypass_row_security);
        let reads = case.reading.links.iter().filter(|l| l.kind == LinkKind::View && l.from == view.name);
        let table = reads
            .filter_map(|l| tables(facts).find(|t| t.name == l.to))
            .find(|t| t.row_security && (passes || (t.owner == view.owner && !t.row_security_forced)));
        let Some(table) = table else { continue };
        let name = &view.name;
        let failure = Failure::new(
            name,
            format!(
                "{name} shows {} to everybody who may read the view: it works with the rights of {}, for whom no policy holds",
                table.name, view.owner
            ),
        );
        failures.push(match facts.version >= 150_000 {
            true => failure
                .mended(
                    format!("ALTER VIEW {name} SET (security_invoker = true)"),
                    format!("ALTER VIEW {name} RESET (security_invoker)"),
                )
                .but("callers then need rights on the table itself"),
            false => failure.but("before PostgreSQL 15 the view has to belong to a role for which the policies hold"),
        });
    }
    Judgement::of(failures)
}
