//! MY-21 and MY-22: who may act as another, or give roles away.

use super::whom::applications;
use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::model::access::mysql::{MysqlFacts, account};
use crate::model::access::postgres::Readable;

/// MY-21. The administrator has it from the installation on.
pub fn proxies(case: &Case<'_>, facts: &MysqlFacts) -> Judgement {
    let proxies = match &facts.proxies {
        Readable::Read(proxies) => proxies,
        Readable::Hidden(why) => return Judgement::hidden(why),
    };
    let given = proxies.iter().filter(|p| p.with_grant && p.user != "root" && !case.is_set_apart(&p.user));
    given
        .map(|proxy| {
            let (name, other) = (account(&proxy.user, &proxy.host), account(&proxy.proxied_user, &proxy.proxied_host));
            let whom = if proxy.proxied_user.is_empty() { "anybody".to_owned() } else { other.clone() };
            Failure::new(format!("{name} as {other}"), format!("{name} may act as {whom}, and let others do so"))
                .mended(
                    format!("REVOKE PROXY ON {other} FROM {name}"),
                    format!("GRANT PROXY ON {other} TO {name} WITH GRANT OPTION"),
                )
        })
        .collect()
}

/// MY-22.
pub fn roles(case: &Case<'_>, facts: &MysqlFacts) -> Judgement {
    let who = match applications(case, facts) {
        Ok(who) => who,
        Err(why) => return Judgement::hidden(why),
    };
    let mut failures = Vec::new();
    for member in facts.members.iter().filter(|member| member.admin) {
        if !who.iter().any(|account| account.user == member.user && account.host == member.host) {
            continue;
        }
        let (name, role) = (account(&member.user, &member.host), account(&member.role, &member.role_host));
        failures.push(
            Failure::new(format!("{name} in {role}"), format!("{name} gives the role {role} to others")).mended(
                match facts.is_mariadb {
                    true => format!("REVOKE ADMIN OPTION FOR {role} FROM {name}"),
                    // MySQL takes the option only with the role.
                    false => format!("REVOKE {role} FROM {name}; GRANT {role} TO {name}"),
                },
                format!("GRANT {role} TO {name} WITH ADMIN OPTION"),
            ),
        );
    }
    if let Some(roles) = facts.settings.get("mandatory_roles").filter(|roles| !roles.is_empty()) {
        failures.push(
            Failure::new("mandatory_roles", "every account has these roles, whoever made it and whatever for")
                .fact(format!("mandatory_roles = {roles}")),
        );
    }
    Judgement::of(failures)
}
