//! Logins, and the roles whose rights they reach.

use serde::{Deserialize, Serialize};

/// An account of a server. A role that nobody can log in as is one too.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Login {
    /// Its name as the server spells it, without quotes.
    pub name: String,
    /// Somebody can connect as it.
    pub can_log_in: bool,
    /// No right is asked of it: superuser, `ALL ON *.*`, `root`.
    pub is_unlimited: bool,
}

/// One role is a member of another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Membership {
    /// Who is a member.
    pub member: String,
    /// Of what.
    pub group: String,
    /// The member may make others members.
    pub admin: bool,
    /// The member has the group's rights without doing anything.
    pub inherit: bool,
    /// The member may become the group (`SET ROLE`).
    pub set: bool,
}

/// The shortest chain of groups from `login` up to one for which `is_there` holds, over memberships that `counts`.
/// Empty: the login itself. Invariant: a circle in what the server sent ends the search, never hangs it.
pub fn chain(
    memberships: &[Membership],
    login: &str,
    counts: impl Fn(&Membership) -> bool,
    is_there: impl Fn(&str) -> bool,
) -> Option<Vec<String>> {
    if is_there(login) {
        return Some(Vec::new());
    }
    let mut seen = vec![login.to_owned()];
    let mut paths = vec![vec![login.to_owned()]];
    while !paths.is_empty() {
        let mut longer = Vec::new();
        for path in &paths {
            let Some(last) = path.last() else { continue };
            for edge in memberships.iter().filter(|m| &m.member == last && counts(m)) {
                if seen.contains(&edge.group) {
                    continue;
                }
                let mut next = path.clone();
                next.push(edge.group.clone());
                if is_there(&edge.group) {
                    next.remove(0);
                    return Some(next);
                }
                seen.push(edge.group.clone());
                longer.push(next);
            }
        }
        paths = longer;
    }
    None
}

/// Every group that `login` reaches over memberships that `counts`, sorted, the login left out.
pub fn reached(memberships: &[Membership], login: &str, counts: impl Fn(&Membership) -> bool) -> Vec<String> {
    let mut found = vec![login.to_owned()];
    let mut at = 0;
    while let Some(now) = found.get(at).cloned() {
        for edge in memberships.iter().filter(|m| m.member == now && counts(m)) {
            if !found.contains(&edge.group) {
                found.push(edge.group.clone());
            }
        }
        at += 1;
    }
    found.remove(0);
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(member: &str, group: &str, inherit: bool) -> Membership {
        Membership { member: member.to_owned(), group: group.to_owned(), admin: false, inherit, set: true }
    }

    #[test]
    fn the_shortest_chain_is_found_and_circles_end() {
        let edges = [
            edge("a", "b", true),
            edge("b", "c", true),
            edge("c", "a", true),
            edge("a", "d", false),
            edge("d", "c", true),
        ];
        assert_eq!(chain(&edges, "a", |m| m.inherit, |r| r == "c"), Some(vec!["b".to_owned(), "c".to_owned()]));
        assert_eq!(chain(&edges, "a", |m| m.inherit, |r| r == "d"), None);
        assert_eq!(chain(&edges, "a", |_| true, |r| r == "a"), Some(vec![]));
        assert_eq!(reached(&edges, "a", |_| true), ["b", "c", "d"]);
        assert_eq!(reached(&edges, "a", |m| m.inherit), ["b", "c"]);
    }
}
