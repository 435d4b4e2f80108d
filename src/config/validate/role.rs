//! `[roles]`, and how many people can approve.

use super::Context;
use crate::config::names::NameRule;
use crate::config::profile::Roles;
use crate::config::raw::RawRoles;
use crate::config::table::{Field, Placed};
use std::collections::BTreeSet;

/// Without `[roles]` nobody is named.
pub(super) fn validate(raw: Option<&RawRoles>, cx: Context<'_>) -> Roles {
    let Some(raw) = raw else { return Roles::default() };
    if !raw.approver.is_written() {
        let sentence = "Nobody may approve: name at least one user or @group as `approver`, or leave [roles] out, \
                        and the user that runs the engine approves.";
        cx.notes.add(&raw.place, sentence);
    }
    let people = |field: &Field<Vec<Placed<String>>>| {
        let Some(list) = field.given() else { return Vec::new() };
        for person in &list.value {
            let (word, what) = match person.value.strip_prefix('@') {
                Some(group) => (group, "The name of the group"),
                None => (person.value.as_str(), "The name of the user"),
            };
            cx.check_name(word, &person.place, NameRule::Account, what);
        }
        list.value.iter().map(|person| person.value.clone()).collect()
    };
    Roles { viewer: people(&raw.viewer), operator: people(&raw.operator), approver: people(&raw.approver) }
}

/// Why so many distinct approvals can never come together; `None` when they can, as far as the profile can tell.
pub(super) fn too_many_approvals(roles: &Roles, approvals: u32) -> Option<String> {
    if roles.is_empty() {
        return (approvals > 1).then(|| {
            format!(
                "{approvals} approvals can never come together: without [roles] only the user that runs the engine approves. \
                 Name the approvers in [roles]."
            )
        });
    }
    let is_group = |person: &&String| person.starts_with('@');
    if roles.approver.iter().any(|person| is_group(&person)) {
        return None;
    }
    let approvers: BTreeSet<&String> = roles.approver.iter().collect();
    let named = approvers.len();
    // With two or more approvals the requester does not count, so somebody else has to be able to request.
    let others_request = roles.operator.iter().any(|person| is_group(&person) || !approvers.contains(person));
    let usable = if approvals > 1 && !others_request { named.saturating_sub(1) } else { named };
    if usable >= approvals as usize || named == 0 {
        return None;
    }
    let people = if named == 1 { "1 approver" } else { &format!("{named} approvers") };
    Some(match named >= approvals as usize {
        true => format!(
            "{approvals} approvals can never come together: [roles] names {people}, nobody else may request, and who requests \
             does not count. Add an approver, or an operator who is not one."
        ),
        false => format!(
            "{approvals} approvals can never come together: [roles] names {people}. Add approvers, or ask for fewer."
        ),
    })
}
