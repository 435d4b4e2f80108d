//! Decisions about index advice: which findings a phase builds.
//!
//! An operator takes a finding by a command, or the profile names it. Either way the decision is journaled with the statement as it was then, and
//! only what the journal holds is ever built: advice changes with every reading.

use crate::config::profile::Phase;
use crate::engine::commands::Refusal;
use crate::engine::core::{Core, CoreRef};
use crate::engine::dispatcher::Guard;
use crate::engine::gates::evidence;
use crate::engine::steps::step::StepError;
use crate::model::command::Answer;
use crate::model::event::Event;
use crate::model::finding::{Finding, Verdict};
use crate::model::fold::PhaseRecord;
use crate::model::ids::{Operator, Seq, StoreId};
use crate::model::index_order::{FindingName, IndexEvent, IndexOrder};
use crate::model::phase::{PhaseEvent, PhaseKind, PhaseStatus};
use crate::model::view::ViewKind;

/// Journals that a phase builds a finding's index.
///
/// # Errors
/// When there is no such finding now, it proposes no index, or the phase does not plan any more.
pub async fn take(core: &CoreRef, by: &Operator, phase: &PhaseRecord, name: &FindingName) -> Result<Answer, Refusal> {
    open_for_decisions(phase)?;
    // What is built is what is missing now, under a name that is free now.
    look_again(core, name).await;
    let order = match find(core, name) {
        Found::One(order) => *order,
        Found::None { unread } if !unread.is_empty() => {
            return Err(Refusal(format!(
                "the indexes of {} are not read: {}",
                unread_stores(&unread),
                unread_reasons(&unread)
            )));
        }
        Found::None { .. } => {
            return Err(Refusal(format!("there is no finding {name} now: `godwit indexes` prints what there is")));
        }
        Found::Several(stores) => {
            return Err(Refusal(format!(
                "{name} is a finding on {}: say which, as RULE:STORE:SUBJECT",
                stores.join(" and on ")
            )));
        }
        Found::Unbuildable(why) => return Err(Refusal(why)),
    };
    distinct(phase, &order)?;
    let message = format!("{} builds {}: print it with `godwit plan {}`", phase.id, order.build.name, phase.id);
    decide(core, phase, IndexEvent::Taken { order, by: by.clone() }, format!("{by} took an index into it"), message)
        .await
}

/// Journals that a phase does not build a finding's index after all.
///
/// # Errors
/// When it was not taken, or is built.
pub async fn leave(core: &CoreRef, by: &Operator, phase: &PhaseRecord, name: &FindingName) -> Result<Answer, Refusal> {
    let mut taken = phase.indexes.iter().filter(|order| name.is_of(&order.rule, &order.store, &order.subject));
    let (Some(order), None) = (taken.next(), taken.next()) else {
        let names: Vec<String> = phase.indexes.iter().map(IndexOrder::typed).collect();
        let taken = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        return Err(Refusal(format!("{} did not take {name}; it took {taken}", phase.id)));
    };
    if phase.has_begun(order) {
        return Err(Refusal(format!(
            "{} has begun to build {}: roll the phase back to remove it (`godwit plan {} --rollback`)",
            phase.id, order.build.name, phase.id
        )));
    }
    if declared(core, phase)
        .is_some_and(|p| p.indexes.iter().any(|own| own.is_of(&order.rule, &order.store, &order.subject)))
    {
        return Err(Refusal(format!("the profile names {name} in [phases.{}] indexes: take it out there", phase.id)));
    }
    let message = format!("{} no longer builds {}", phase.id, order.build.name);
    let event = IndexEvent::Left {
        rule: order.rule.clone(),
        store: order.store.clone(),
        subject: order.subject.clone(),
        by: by.clone(),
    };
    decide(core, phase, event, format!("{by} took an index out of it"), message).await
}

/// The phase with what its profile names and nobody has taken yet, and notes about names that mean nothing now. For a plan.
///
/// # Errors
/// [`StepError`] when the advice that a name needs is not read: then nobody knows what it means.
pub async fn resolved(core: &Core, phase: &PhaseRecord) -> Result<(PhaseRecord, Vec<String>), StepError> {
    let mut record = phase.clone();
    let mut notes = Vec::new();
    for name in declared(core, phase).map(|p| p.indexes.as_slice()).unwrap_or_default() {
        if record.indexes.iter().any(|order| name.is_of(&order.rule, &order.store, &order.subject)) {
            continue;
        }
        if !matches!(find(core, name), Found::One(_)) {
            look_again(core, name).await;
        }
        match find(core, name) {
            Found::One(order) => match distinct(&record, &order) {
                Ok(()) => record.indexes.push(*order),
                Err(Refusal(why)) => notes.push(format!("{name} is not built: {why}")),
            },
            Found::None { unread } if !unread.is_empty() => {
                return Err(StepError::retry(
                    format!(
                        "the profile names {name}, but the indexes of {} are not read: {}",
                        unread_stores(&unread),
                        unread_reasons(&unread)
                    ),
                    "ask again when they are; `godwit indexes` shows it",
                ));
            }
            Found::None { .. } => notes.push(format!("{name} is not built: there is no such finding now")),
            Found::Several(stores) => {
                notes.push(format!("{name} is not built: it is a finding on {}; name one", stores.join(" and on ")));
            }
            Found::Unbuildable(why) => notes.push(format!("{name} is not built: {why}")),
        }
    }
    Ok((record, notes))
}

/// What has to be journaled so that the journal holds what `resolved` found.
pub fn events(phase: &PhaseRecord, resolved: &PhaseRecord, by: &Operator) -> Vec<Event> {
    let fresh = resolved.indexes.iter().filter(|order| !phase.indexes.contains(order));
    fresh
        .map(|order| Event::Index {
            phase: phase.id.clone(),
            event: IndexEvent::Taken { order: order.clone(), by: by.clone() },
        })
        .collect()
}

fn declared<'a>(core: &'a Core, phase: &PhaseRecord) -> Option<&'a Phase> {
    core.profile.phases.iter().find(|p| p.id == phase.id)
}

/// Decisions are for the next plan: a phase that is being carried out has one already.
fn open_for_decisions(phase: &PhaseRecord) -> Result<(), Refusal> {
    if !phase.kind.builds_indexes() {
        return Err(Refusal(format!(
            "{} is a {} phase: indexes are built by tune and watch phases",
            phase.id, phase.kind
        )));
    }
    if phase.status.takes_decisions() {
        return Ok(());
    }
    Err(Refusal(format!(
        "{} is {}: its plan is made. {}",
        phase.id,
        phase.status.word(),
        match phase.kind {
            PhaseKind::Watch =>
                "Rolling it back changes nothing on the stores but what it built; then take the index and ask for it again",
            _ => "Take the index into a later tune or watch phase with --phase",
        }
    )))
}

/// Two orders that build one index, or two under one name, would be in each other's way.
fn distinct(phase: &PhaseRecord, order: &IndexOrder) -> Result<(), Refusal> {
    let others = phase.indexes.iter().filter(|other| other.name() != order.name() && other.store == order.store);
    for other in others.filter(|other| other.build.table == order.build.table) {
        if other.build.parts == order.build.parts {
            return Err(Refusal(format!("{} builds the same index", other.typed())));
        }
        if other.build.name == order.build.name {
            return Err(Refusal(format!("{} builds another index under the name {}", other.typed(), other.build.name)));
        }
    }
    Ok(())
}

async fn decide(
    core: &CoreRef,
    phase: &PhaseRecord,
    event: IndexEvent,
    why: String,
    message: String,
) -> Result<Answer, Refusal> {
    let mut events = vec![Event::Index { phase: phase.id.clone(), event }];
    if matches!(phase.status, PhaseStatus::AwaitingApproval { .. }) {
        // What was asked for is no longer what would be done.
        events.push(Event::Phase { phase: phase.id.clone(), event: PhaseEvent::ApprovalVoid { why } });
    }
    let guard = Guard { phase: phase.id.clone(), unchanged_since: phase.changed_seq };
    let entries = core.dispatcher.append_if(guard, events).await?;
    Ok(Answer::Accepted { seq: entries.first().map_or(Seq(0), |entry| entry.seq), message })
}

/// What a name means by the present advice.
enum Found {
    One(Box<IndexOrder>),
    /// No finding; stores that may have one and are not read, each with the reason.
    None {
        unread: Vec<(StoreId, String)>,
    },
    Several(Vec<String>),
    Unbuildable(String),
}

/// Has the stores that a name may be about read again.
async fn look_again(core: &Core, name: &FindingName) {
    // Whether an index was left behind by a move shows on the target and is known from both sides.
    let stores: Vec<&StoreId> = core.stores.keys().collect();
    tracing::debug!(%name, "the advice on indexes is made again");
    evidence::read_again(core, &stores, &[ViewKind::Indexes]).await;
}

fn find(core: &Core, name: &FindingName) -> Found {
    let mut found: Vec<Finding> = Vec::new();
    let mut unread = Vec::new();
    for id in core.stores.keys().filter(|id| name.store.as_ref().is_none_or(|store| store == *id)) {
        let reading = core.views.index_findings(id);
        match (reading.latest, reading.absent) {
            (Some(read), _) => {
                let fits = |f: &Finding| name.is_of(&f.rule, &f.store, &f.subject);
                found.extend(read.value.findings.into_iter().filter(fits));
            }
            (None, Some(_)) => {}
            (None, None) => {
                unread.push((
                    id.clone(),
                    reading.problem.unwrap_or_else(|| "they are being read for the first time".to_owned()),
                ));
            }
        }
    }
    match found.len() {
        0 => Found::None { unread },
        1 => found.pop().map_or(Found::None { unread }, order_of),
        _ => Found::Several(found.iter().map(|finding| finding.store.to_string()).collect()),
    }
}

fn order_of(finding: Finding) -> Found {
    let Finding { rule, verdict, store, subject, sentence, statement, makes, .. } = finding;
    if verdict != Verdict::Fail {
        return Found::Unbuildable(format!("{rule} on {subject} is {}: there is nothing to build", verdict.word()));
    }
    match makes {
        Some(build) => Found::One(Box::new(IndexOrder { store, rule, subject, sentence, build })),
        None => Found::Unbuildable(match statement {
            Some(statement) => format!(
                "{rule} on {subject} builds no index beside the traffic; what mends it is yours to run: {statement}"
            ),
            None => format!("{rule} on {subject} proposes no index"),
        }),
    }
}

fn unread_stores(unread: &[(StoreId, String)]) -> String {
    unread.iter().map(|(store, _)| store.as_str()).collect::<Vec<_>>().join(", ")
}

fn unread_reasons(unread: &[(StoreId, String)]) -> String {
    unread.iter().map(|(_, why)| why.as_str()).collect::<Vec<_>>().join("; ")
}
