//! The lock tree: who waits for whom, with the parties that wait for nobody as its roots.
//!
//! A waiter may have several blockers and stands under each. In a cycle (a deadlock that the server has not yet broken, or one that
//! spans servers) nobody waits for nobody: the party that waits longest is made the root, and marked.

use crate::model::session::{LockEdge, Party};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One line of the tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockNode {
    /// Who.
    pub party: Party,
    /// 0 for a root.
    pub depth: usize,
    /// Why it stands under the line above of one depth less; `None` for a root.
    pub edge: Option<LockEdge>,
    /// How many parties wait for it, directly or through others.
    pub blocks: usize,
    /// True where the branch leads back to a party above it: a deadlock.
    pub cycle: bool,
    /// True when the branch below this party is printed at an earlier line already.
    pub again: bool,
}

/// The tree in the order in which it is printed. Roots that block most come first.
pub fn tree(edges: &[LockEdge]) -> Vec<LockNode> {
    let mut waiters: BTreeMap<&Party, Vec<&LockEdge>> = BTreeMap::new();
    let mut waiting: BTreeSet<&Party> = BTreeSet::new();
    for edge in edges.iter().filter(|edge| edge.waiter != edge.blocker) {
        waiters.entry(&edge.blocker).or_default().push(edge);
        waiting.insert(&edge.waiter);
    }
    for list in waiters.values_mut() {
        list.sort_by_key(|edge| (edge.since, &edge.waiter));
        list.dedup_by_key(|edge| &edge.waiter);
    }
    let mut printed = BTreeSet::new();
    let mut nodes = Vec::new();
    let mut roots: Vec<&Party> = waiters.keys().copied().filter(|party| !waiting.contains(party)).collect();
    roots.sort_by_key(|party| std::cmp::Reverse(below(party, &waiters).len()));
    for root in roots {
        branch(root, None, &mut Vec::new(), &waiters, &mut printed, &mut nodes);
    }
    // What is left hangs on a cycle.
    while let Some(root) = longest_waiting(edges, &printed) {
        branch(root, None, &mut Vec::new(), &waiters, &mut printed, &mut nodes);
    }
    nodes
}

fn longest_waiting<'a>(edges: &'a [LockEdge], printed: &BTreeSet<&Party>) -> Option<&'a Party> {
    let left = edges.iter().filter(|e| e.waiter != e.blocker && !printed.contains(&e.waiter));
    left.min_by_key(|edge| (edge.since.is_none(), edge.since, &edge.waiter)).map(|edge| &edge.waiter)
}

fn branch<'a>(
    party: &'a Party,
    edge: Option<&LockEdge>,
    path: &mut Vec<&'a Party>,
    waiters: &BTreeMap<&'a Party, Vec<&'a LockEdge>>,
    printed: &mut BTreeSet<&'a Party>,
    nodes: &mut Vec<LockNode>,
) {
    let cycle = path.contains(&party);
    let again = !cycle && !printed.insert(party) && waiters.contains_key(party);
    let depth = path.len();
    let blocks = below(party, waiters).len();
    nodes.push(LockNode { party: party.clone(), depth, edge: edge.cloned(), blocks, cycle, again });
    if cycle || again {
        return;
    }
    path.push(party);
    for edge in waiters.get(party).into_iter().flatten() {
        branch(&edge.waiter, Some(edge), path, waiters, printed, nodes);
    }
    path.pop();
}

/// Everybody who waits for `party`, directly or through others.
fn below<'a>(party: &Party, waiters: &BTreeMap<&'a Party, Vec<&'a LockEdge>>) -> BTreeSet<&'a Party> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&'a LockEdge> = waiters.get(party).into_iter().flatten().copied().collect();
    while let Some(edge) = open.pop() {
        if edge.waiter != *party && found.insert(&edge.waiter) {
            open.extend(waiters.get(&edge.waiter).into_iter().flatten().copied());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::session::{Blocking, SessionKey};

    fn party(id: &str) -> Party {
        Party::Session(SessionKey { id: id.to_owned(), born: String::new() })
    }

    fn edge(waiter: &str, blocker: &str) -> LockEdge {
        LockEdge {
            waiter: party(waiter),
            blocker: party(blocker),
            how: Blocking::Holds,
            object: "table t".to_owned(),
            wanted: "exclusive".to_owned(),
            held: "share".to_owned(),
            since: None,
        }
    }

    fn drawn(edges: &[LockEdge]) -> Vec<String> {
        let name = |party: &Party| match party {
            Party::Session(key) => key.id.clone(),
            other => format!("{other:?}"),
        };
        tree(edges)
            .iter()
            .map(|n| {
                let mark = if n.cycle {
                    " cycle"
                } else if n.again {
                    " again"
                } else {
                    ""
                };
                format!("{}{} {}{mark}", ".".repeat(n.depth), name(&n.party), n.blocks)
            })
            .collect()
    }

    #[test]
    fn the_root_is_who_waits_for_nobody() {
        assert_eq!(drawn(&[edge("2", "1"), edge("3", "2"), edge("4", "2")]), ["1 3", ".2 2", "..3 0", "..4 0"]);
    }

    #[test]
    fn a_waiter_with_two_blockers_stands_under_both() {
        assert_eq!(
            drawn(&[edge("3", "1"), edge("3", "2"), edge("4", "3")]),
            ["1 2", ".3 1", "..4 0", "2 2", ".3 1 again"]
        );
    }

    #[test]
    fn a_cycle_has_a_root_and_an_end() {
        assert_eq!(drawn(&[edge("1", "2"), edge("2", "1")]), ["1 1", ".2 1", "..1 1 cycle"]);
    }

    #[test]
    fn the_larger_pile_comes_first() {
        assert_eq!(drawn(&[edge("2", "1"), edge("4", "3"), edge("5", "3")]), ["3 2", ".4 0", ".5 0", "1 1", ".2 0"]);
    }

    #[test]
    fn nobody_waits_for_himself() {
        assert!(tree(&[edge("1", "1")]).is_empty());
    }
}
