//! Who may do what: Unix users and groups of the profile's `[roles]`, by the socket's peer credentials.

use crate::config::profile::Roles;
use crate::model::ids::Operator;
use crate::model::role::Role;
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use std::ffi::CString;

/// The name of a Unix user id; `uid:N` when the system does not know it.
pub fn user_name(uid: u32) -> Operator {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => Operator(user.name),
        Ok(None) | Err(_) => Operator(format!("uid:{uid}")),
    }
}

/// The role of a peer; `None`: it may not connect.
///
/// Without `[roles]` the engine's own user is approver and nobody else may connect. Root counts as the engine's own user: it can
/// become it anyway.
pub fn role(roles: &Roles, own_uid: u32, uid: u32, gid: u32) -> Option<Role> {
    if roles.is_empty() {
        return (uid == own_uid || uid == 0).then_some(Role::Approver);
    }
    let name = user_name(uid);
    let groups = groups_of(&name, gid);
    let listed = |entries: &[String]| {
        entries.iter().any(|entry| match entry.strip_prefix('@') {
            Some(group) => groups.iter().any(|g| g == group),
            None => *entry == name.0,
        })
    };
    if listed(&roles.approver) {
        Some(Role::Approver)
    } else if listed(&roles.operator) {
        Some(Role::Operator)
    } else if listed(&roles.viewer) {
        Some(Role::Viewer)
    } else {
        None
    }
}

/// Names of all groups of a user.
fn groups_of(user: &Operator, gid: u32) -> Vec<String> {
    let gids = match CString::new(user.as_str()) {
        Ok(name) => getgrouplist(&name, Gid::from_raw(gid)).unwrap_or_else(|_| vec![Gid::from_raw(gid)]),
        Err(_) => vec![Gid::from_raw(gid)],
    };
    gids.into_iter().filter_map(|gid| Group::from_gid(gid).ok().flatten()).map(|g| g.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_roles_only_the_engines_own_user_and_root_may_connect() {
        let roles = Roles::default();
        assert_eq!(role(&roles, 1000, 1000, 1000), Some(Role::Approver));
        assert_eq!(role(&roles, 1000, 0, 0), Some(Role::Approver));
        assert_eq!(role(&roles, 1000, 1001, 1001), None);
    }

    #[test]
    fn users_and_groups_get_the_highest_role_that_names_them() {
        let roles = Roles {
            viewer: vec!["@root".to_owned(), "nobody".to_owned()],
            operator: vec!["nobody".to_owned()],
            approver: vec!["root".to_owned()],
        };
        assert_eq!(role(&roles, 4242, 0, 0), Some(Role::Approver));
        let nobody = User::from_name("nobody").unwrap().unwrap();
        assert_eq!(role(&roles, 4242, nobody.uid.as_raw(), nobody.gid.as_raw()), Some(Role::Operator));
        assert_eq!(role(&roles, 4242, 54321, 54321), None);
    }
}
