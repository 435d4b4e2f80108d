//! PG-31 and PG-35: settings that weaken a role, and the right to set them.

use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::advice::access::wording::{grantee, literal, role};
use crate::model::access::postgres::{PostgresFacts, RoleSetting};

/// What a setting does to a role's safety; `None`: nothing.
fn weakness(setting: &RoleSetting, facts: &PostgresFacts) -> Option<String> {
    let value = setting.value.trim().to_lowercase();
    match setting.name.as_str() {
        "row_security" if matches!(value.as_str(), "off" | "false" | "no" | "0") => {
            Some("queries that policies would filter fail, and dumps pass policies by".to_owned())
        }
        "session_replication_role" if value != "origin" => {
            Some("triggers and foreign keys do not fire in its sessions".to_owned())
        }
        "statement_timeout" if matches!(value.as_str(), "0" | "0s" | "0ms" | "0min") => {
            Some("the server's limit for a statement does not hold for it".to_owned())
        }
        "search_path" => {
            let is_open = |schema: &&str| {
                let found = facts.schemas.iter().find(|s| s.name == schema.trim());
                found.is_some_and(|s| s.grants.iter().any(|g| g.grantee.is_none() && g.all().contains(&"CREATE")))
            };
            let open = setting.value.split(',').map(str::trim).find(|schema| is_open(schema))?;
            Some(format!("everybody makes objects in {open}, which its sessions then take for their own"))
        }
        _ => None,
    }
}

/// PG-31.
pub fn roles(case: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    let mut failures = Vec::new();
    for login in facts.roles.iter().filter(|r| !r.superuser && !case.is_set_apart(&r.name)) {
        for setting in &login.settings {
            let Some(why) = weakness(setting, facts) else { continue };
            let database =
                if setting.in_database { format!(" IN DATABASE {}", facts.database.name) } else { String::new() };
            let alter = format!("ALTER ROLE {}{database}", role(&login.name));
            // A search path is a list of names: quoted as a whole it would be one name.
            let value = if setting.name == "search_path" { setting.value.clone() } else { literal(&setting.value) };
            failures.push(
                Failure::new(
                    format!("{} {}", login.name, setting.name),
                    format!("{} has {} = {}: {why}", login.name, setting.name, setting.value),
                )
                .mended(format!("{alter} RESET {}", setting.name), format!("{alter} SET {} = {value}", setting.name)),
            );
        }
    }
    Judgement::of(failures)
}

/// PG-35.
pub fn parameters(case: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    let Some(grants) = &facts.parameter_grants else {
        return Judgement::absent("before PostgreSQL 15 the right to set a parameter cannot be granted");
    };
    let mut failures = Vec::new();
    for (name, grant) in grants {
        let holder = grant.grantee.as_deref();
        if holder.is_some_and(|name| case.is_set_apart(name) || facts.role(name).is_none_or(|r| r.superuser)) {
            continue;
        }
        let (who, rights) = (grantee(holder), grant.all().join(", "));
        failures.push(Failure::new(format!("{who} {name}"), format!("{who} may {rights} {name}")).mended(
            format!("REVOKE {rights} ON PARAMETER {name} FROM {who}"),
            format!("GRANT {rights} ON PARAMETER {name} TO {who}"),
        ));
    }
    Judgement::of(failures)
}
