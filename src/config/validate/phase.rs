//! `[phases.NAME]` and `[ladder]`: which rungs there are, and each rung by itself.

use super::{Context, phase_named, pipeline_names, role, route, step};
use crate::config::ladder;
use crate::config::names::{self, NameRule};
use crate::config::problem::Place;
use crate::config::profile::{Gates, Phase, Roles};
use crate::config::raw::{RawGates, RawPhase, RawProfile};
use crate::config::table::Placed;
use crate::model::ids::{PhaseId, PipelineId};
use crate::model::index_order::FindingName;
use crate::model::phase::PhaseKind;
use std::time::Duration;

/// Rules of the index advice whose findings one statement mends by making an index.
const BUILDING_RULES: [&str; 4] = ["IX-NEW", "IX-FK", "IX-LOST", "IX-ESR"];

const APPROVALS: u32 = 1;
/// Long enough for a second approver to be woken, short enough that Friday's approval does not start Saturday's cutover.
const APPROVAL_TTL: Duration = Duration::from_secs(4 * 3_600);
/// A day, so that the daily jobs have run once on the new side.
const SOAK: Duration = Duration::from_secs(24 * 3_600);

/// The rungs in order. `None` when the order itself has a dangling name.
pub(super) fn validate(raw: &RawProfile, roles: &Roles, budget: Duration, cx: Context<'_>) -> Option<Vec<Phase>> {
    let kinds: Vec<Option<PhaseKind>> = raw.phases.iter().map(|phase| kind_of(phase, cx)).collect();
    for (phase, kind) in raw.phases.iter().zip(&kinds) {
        cx.check_name(&phase.name, &phase.place, NameRule::Word, "The name of the phase");
        if let Some(kind) = kind {
            check_keys_of_kind(phase, *kind, cx);
        }
    }
    let order = order(raw, cx);
    let mut rungs = Vec::new();
    for name in order.iter().flatten() {
        let table = raw.phases.iter().zip(&kinds).find(|(phase, _)| phase.name == *name);
        let kind = match table {
            Some((_, kind)) => *kind,
            None => ladder::kind_named(name),
        };
        if let Some(kind) = kind {
            rungs.push(rung(name, kind, table.map(|(phase, _)| phase), raw));
        }
    }
    // The rest of each table is looked at whether it has a place or not.
    for (phase, kind) in raw.phases.iter().zip(&kinds) {
        check_names(phase, raw, cx);
        let approvals = phase.approvals.given().and_then(|n| u32::try_from(n.value).ok());
        if let Some((approvals, given)) = approvals.zip(phase.approvals.given())
            && let Some(sentence) = role::too_many_approvals(roles, approvals)
        {
            cx.notes.add(&given.place, sentence);
        }
        let routes = route::validate(phase, budget, cx);
        let steps = step::validate(phase, raw, cx);
        if let Some(rung) = rungs.iter_mut().find(|rung| rung.id.as_str() == phase.name && kind.is_some()) {
            rung.routes = routes;
            rung.steps = steps;
        }
    }
    order.map(|_| rungs)
}

/// Notes what is impossible about the order of sound phases.
pub(super) fn check_order(raw: &RawProfile, phases: &[Phase], cx: Context<'_>) {
    let pipelines: Vec<PipelineId> = pipeline_names(raw).map(PipelineId::from).collect();
    for (phase, sentence) in ladder::impossible(phases, &pipelines) {
        cx.notes.add(&place_of(raw, phase.as_str()), sentence);
    }
}

/// Where a phase is put into the ladder, as near as the profile shows it: the item of `order`, its own table, or the
/// table that switches another phase off.
fn place_of(raw: &RawProfile, phase: &str) -> Place {
    let listed = written_order(raw).and_then(|order| order.value.iter().find(|item| item.value == phase));
    let disabled = || raw.phases.iter().find(|p| !p.enabled.or(true));
    listed
        .map(|item| &item.place)
        .or_else(|| phase_named(raw, phase).or_else(disabled).map(|p| &p.place))
        .map_or_else(Place::file, Place::clone)
}

/// The kind of a phase table; notes why it has none.
fn kind_of(phase: &RawPhase, cx: Context<'_>) -> Option<PhaseKind> {
    let own = ladder::kind_named(&phase.name);
    let Some(written) = phase.kind.given() else {
        if own.is_none() && !phase.kind.is_written() {
            let sentence = format!(
                "The default ladder has no phase `{}`; to add one, say what it does with `kind`: {}.",
                names::shown(&phase.name),
                names::listed(ladder::default_names())
            );
            cx.notes.add_near(&phase.place, sentence, &phase.name, ladder::default_names());
        }
        return own;
    };
    let kind = ladder::kind_named(&written.value);
    match (own, kind) {
        (_, None) => {
            let sentence = format!(
                "`{}` is not a kind of phase. The kinds are {}.",
                names::shown(&written.value),
                names::listed(ladder::default_names())
            );
            cx.notes.add_near(&written.place, sentence, &written.value, ladder::default_names());
            None
        }
        (Some(own), Some(kind)) if own != kind => {
            let sentence = format!("A phase named `{own}` is of kind {own}; give the {kind} phase another name.");
            cx.notes.add(&written.place, sentence);
            None
        }
        (_, kind) => kind,
    }
}

fn written_order(raw: &RawProfile) -> Option<&Placed<Vec<Placed<String>>>> {
    raw.ladder.as_ref()?.order.given()
}

/// The names of the enabled phases in order; `None` when it cannot be told, which is noted.
fn order(raw: &RawProfile, cx: Context<'_>) -> Option<Vec<String>> {
    let enabled = |name: &str| phase_named(raw, name).is_none_or(|phase| phase.enabled.or(true));
    let names: Vec<String> = match (written_order(raw), &raw.ladder) {
        (Some(order), _) => checked_order(order, raw, cx)?,
        // [ladder] with a broken or missing `order`.
        (None, Some(ladder)) => {
            if !ladder.order.is_written() {
                cx.notes.add(
                    &ladder.place,
                    "[ladder] needs `order`: the names of the phases. Without [ladder] there is the default ladder.",
                );
            }
            return None;
        }
        (None, None) => {
            for phase in raw.phases.iter().filter(|p| p.enabled.or(true) && ladder::kind_named(&p.name).is_none()) {
                if let Some(kind) = phase.kind.given().and_then(|kind| ladder::kind_named(&kind.value)) {
                    let sentence = format!(
                        "`{}` is not in the default ladder. Say where it stands, for example {} in [ladder].",
                        names::shown(&phase.name),
                        suggested_order(&phase.name, kind)
                    );
                    cx.notes.add(&phase.place, sentence);
                }
            }
            ladder::default_names().filter(|name| enabled(name)).map(str::to_owned).collect()
        }
    };
    if names.is_empty() {
        cx.notes.add(&Place::file(), "No phase is left: every one is switched off.");
        return None;
    }
    Some(names)
}

/// The default ladder with one phase put where its kind stands, ready to be pasted.
fn suggested_order(name: &str, kind: PhaseKind) -> String {
    let mut names: Vec<String> = Vec::new();
    for rung in ladder::default_names() {
        names.push(format!("\"{rung}\""));
        if rung == kind.as_str() {
            names.push(format!("\"{}\"", names::shown(name)));
        }
    }
    format!("order = [{}]", names.join(", "))
}

fn checked_order(order: &Placed<Vec<Placed<String>>>, raw: &RawProfile, cx: Context<'_>) -> Option<Vec<String>> {
    let own = raw.phases.iter().map(|phase| phase.name.as_str()).filter(|name| ladder::kind_named(name).is_none());
    let mut valid: Vec<&str> = ladder::default_names().collect();
    valid.extend(own);
    let mut sound = true;
    for item in &order.value {
        sound &= cx.resolves(item, "phase", valid.iter().copied());
        if phase_named(raw, &item.value).is_some_and(|phase| !phase.enabled.or(true)) {
            cx.notes.add(
                &item.place,
                format!(
                    "Phase `{}` stands in the ladder, but has enabled = false; decide for one.",
                    names::shown(&item.value)
                ),
            );
        }
    }
    for phase in raw.phases.iter().filter(|phase| phase.enabled.or(true)) {
        if !order.value.iter().any(|item| item.value == phase.name) {
            let sentence = format!(
                "Phase `{}` has no place: add it to [ladder] order, or set enabled = false.",
                names::shown(&phase.name)
            );
            cx.notes.add(&phase.place, sentence);
        }
    }
    sound.then(|| order.value.iter().map(|item| item.value.clone()).collect())
}

fn check_keys_of_kind(phase: &RawPhase, kind: PhaseKind, cx: Context<'_>) {
    if let Some(place) = phase.route_place.as_ref().filter(|_| kind != PhaseKind::Cutover) {
        cx.notes.add(place, format!("Only a cutover switches a route; this phase is of kind {kind}."));
    }
    if let Some(list) = phase.indexes.given().filter(|_| !matches!(kind, PhaseKind::Tune | PhaseKind::Watch)) {
        cx.notes.add(&list.place, format!("Only tune and watch phases build indexes; this phase is of kind {kind}."));
    }
    if let Some(soak) = phase.soak.given().filter(|_| kind != PhaseKind::Watch) {
        cx.notes.add(&soak.place, format!("Only a watch phase soaks; this phase is of kind {kind}."));
    }
}

fn check_names(phase: &RawPhase, raw: &RawProfile, cx: Context<'_>) {
    for pipeline in phase.pipelines.given().iter().flat_map(|list| &list.value) {
        cx.resolves(pipeline, "pipeline", pipeline_names(raw));
    }
    for item in phase.indexes.given().iter().flat_map(|list| &list.value) {
        if let Err(sentence) = finding_name(&item.value, raw) {
            cx.notes.add(&item.place, sentence);
        }
    }
}

/// A finding of the index advice that builds an index.
fn finding_name(text: &str, raw: &RawProfile) -> Result<FindingName, String> {
    let name = FindingName::parse(text, |word| raw.stores.iter().any(|store| store.name == word))
        .map_err(|_| "This must be a finding as `godwit indexes` prints it: RULE:STORE:SUBJECT.".to_owned())?;
    if !BUILDING_RULES.contains(&name.rule.as_str()) {
        return Err(format!(
            "`{}` is no rule that builds an index; those are {}.",
            names::shown(&name.rule),
            names::listed(BUILDING_RULES.iter().copied())
        ));
    }
    Ok(name)
}

/// A rung without its routes and steps.
fn rung(name: &str, kind: PhaseKind, table: Option<&RawPhase>, raw: &RawProfile) -> Phase {
    let all = || pipeline_names(raw).map(PipelineId::from).collect();
    let named = table.and_then(|t| t.pipelines.given());
    Phase {
        id: PhaseId::from(name),
        kind,
        pipelines: named
            .map_or_else(all, |list| list.value.iter().map(|p| PipelineId::from(p.value.as_str())).collect()),
        approvals: table.and_then(|t| t.approvals.value()).and_then(|n| u32::try_from(n).ok()).unwrap_or(APPROVALS),
        approval_ttl: table.map_or(APPROVAL_TTL, |t| t.approval_ttl.or(APPROVAL_TTL)),
        window: table.and_then(|t| t.window.value()),
        gates: gates(kind, table.map(|t| &t.gates)),
        indexes: table
            .and_then(|t| t.indexes.given())
            .map(|list| list.value.iter().filter_map(|item| finding_name(&item.value, raw).ok()).collect())
            .unwrap_or_default(),
        routes: Vec::new(),
        steps: Vec::new(),
        soak: if kind == PhaseKind::Watch { table.map_or(SOAK, |t| t.soak.or(SOAK)) } else { Duration::ZERO },
    }
}

/// Gates as written. A cutover's other gates keep their defaults: it is the phase that cannot be tried twice.
fn gates(kind: PhaseKind, written: Option<&RawGates>) -> Gates {
    let written = written.map_or_else(Gates::default, |w| Gates {
        lag: w.lag.value(),
        verified_within: w.verified_within.value(),
        drift: w.drift.value(),
        open_transactions: w.open_transactions.value(),
        runway: w.runway.value(),
        access: w.access.value(),
        no_foreign_writer: w.no_foreign_writer.value(),
        indexes: w.indexes.given().is_some(),
        hotspot_regression: w.hotspot_regression.value(),
    });
    if kind != PhaseKind::Cutover {
        return written;
    }
    Gates {
        lag: written.lag.or(Some(Duration::from_secs(1))),
        verified_within: written.verified_within.or(Some(Duration::from_secs(600))),
        drift: written.drift.or(Some(0)),
        open_transactions: written.open_transactions.or(Some(Duration::from_secs(5))),
        // The others have no default: what they need (a log that can run out, an audit role, hours of watching, statements on both sides) is
        // not there by itself, and they would be unknown for good.
        ..written
    }
}
