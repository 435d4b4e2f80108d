//! Why a role has a right: the shortest explanation that the grants and memberships give for what the server says.

use crate::model::access::login::{Membership, chain};
use crate::model::access::postgres::{ColumnGrant, Grant};
use crate::model::access::right::{Right, RightPath};

/// What a right is on.
pub struct Target<'a> {
    pub owner: &'a str,
    pub grants: &'a [Grant],
    pub columns: Vec<&'a ColumnGrant>,
}

/// Memberships, for searching.
pub struct Paths<'a> {
    memberships: &'a [Membership],
}

impl<'a> Paths<'a> {
    /// For one reading.
    pub fn new(memberships: &'a [Membership]) -> Self {
        Self { memberships }
    }

    /// Direct paths come first, because REVOKE ends them at once; then PUBLIC, then roles, and the server's own roles last.
    pub fn of(&self, role: &str, right: Right, target: &Target<'_>, columns: &[String]) -> RightPath {
        let granted_to = |grantee: Option<&str>| {
            let fits = |grant: &Grant| grant.grantee.as_deref() == grantee && grant.all().contains(&right.word());
            if columns.is_empty() {
                target.grants.iter().any(fits)
            } else {
                target.columns.iter().any(|c| fits(&c.grant))
            }
        };
        if role == target.owner {
            return RightPath::Owner { through: Vec::new() };
        }
        if granted_to(Some(role)) {
            return RightPath::Granted { through: Vec::new() };
        }
        if granted_to(None) {
            return RightPath::Public;
        }
        let up = |is_there: &dyn Fn(&str) -> bool| chain(self.memberships, role, |m| m.inherit, is_there);
        if let Some(through) = up(&|group| granted_to(Some(group))) {
            return RightPath::Granted { through };
        }
        if let Some(through) = up(&|group| group == target.owner) {
            return RightPath::Owner { through };
        }
        let predefined = match right {
            Right::Read | Right::Usage => "pg_read_all_data",
            Right::Insert | Right::Update | Right::Delete => "pg_write_all_data",
            Right::Maintain => "pg_maintain",
            Right::Truncate
            | Right::References
            | Right::Trigger
            | Right::Create
            | Right::Connect
            | Right::Temporary
            | Right::Execute => "",
        };
        for server_role in [predefined, "pg_write_all_data", "pg_database_owner"] {
            if let Some(through) = up(&|group| group == server_role) {
                return RightPath::Predefined { through };
            }
        }
        RightPath::Unexplained
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(member: &str, group: &str) -> Membership {
        Membership { member: member.to_owned(), group: group.to_owned(), admin: false, inherit: true, set: true }
    }

    fn grant(grantee: Option<&str>) -> Grant {
        Grant {
            grantee: grantee.map(str::to_owned),
            grantor: "owner".to_owned(),
            rights: vec!["SELECT".to_owned()],
            grantable: Vec::new(),
        }
    }

    #[test]
    fn each_path_is_told_and_the_direct_one_first() {
        let memberships = [edge("app", "readers"), edge("readers", "pg_read_all_data"), edge("boss", "owner")];
        let paths = Paths::new(&memberships);
        let of = |role: &str, grants: &[Grant]| {
            paths.of(role, Right::Read, &Target { owner: "owner", grants, columns: Vec::new() }, &[])
        };
        let through = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        assert_eq!(of("owner", &[]), RightPath::Owner { through: vec![] });
        assert_eq!(of("app", &[grant(Some("readers")), grant(Some("app"))]), RightPath::Granted { through: vec![] });
        assert_eq!(of("app", &[grant(Some("readers"))]), RightPath::Granted { through: through(&["readers"]) });
        assert_eq!(of("app", &[grant(None), grant(Some("readers"))]), RightPath::Public);
        assert_eq!(of("app", &[]), RightPath::Predefined { through: through(&["readers", "pg_read_all_data"]) });
        assert_eq!(of("boss", &[]), RightPath::Owner { through: through(&["owner"]) });
        assert_eq!(of("nobody", &[]), RightPath::Unexplained);
    }
}
