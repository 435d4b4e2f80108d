//! PG-14: rights on objects that do not exist yet.

use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::advice::access::wording::{grantee, role};
use crate::model::access::postgres::{DefaultGrant, PostgresFacts};

/// PG-14. What is given to another service's login is OWN-14's.
pub fn future(case: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    let foreign = |d: &&DefaultGrant| match d.grant.grantee.as_deref() {
        None => true,
        Some(name) => {
            let is_login = facts.role(name).is_some_and(|r| r.login);
            is_login && case.map.service_of(name).is_none() && !case.is_set_apart(name)
        }
    };
    facts.default_grants.iter().filter(foreign).map(failure).collect()
}

/// A failure over one entry, with what takes it out.
pub fn failure(d: &DefaultGrant) -> Failure {
    let to = grantee(d.grant.grantee.as_deref());
    let rights = d.grant.all().join(", ");
    let place = d.schema.as_ref().map(|schema| format!(" IN SCHEMA {schema}")).unwrap_or_default();
    let for_role = format!("ALTER DEFAULT PRIVILEGES FOR ROLE {}{place}", role(&d.owner));
    let of = d.schema.as_ref().map(|schema| format!(" in {schema}")).unwrap_or_default();
    Failure::new(
        format!("{} of {}{of} to {to}", d.objects.to_lowercase(), d.owner),
        format!("{to} gets {rights} on all {} that {} makes{of}", d.objects.to_lowercase(), d.owner),
    )
    .mended(
        format!("{for_role} REVOKE {rights} ON {} FROM {to}", d.objects),
        format!("{for_role} GRANT {rights} ON {} TO {to}", d.objects),
    )
}
