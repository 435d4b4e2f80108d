//! PG-25 and PG-26: what can be found out afterwards.

use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::advice::access::wording::literal;
use crate::model::access::postgres::PostgresFacts;

/// PG-25.
pub fn connections(_: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    let mut failures = Vec::new();
    for name in ["log_connections", "log_disconnections"] {
        match facts.settings.get(name).map(String::as_str) {
            None => return Judgement::hidden(format!("the setting {name} is not shown")),
            Some("off" | "") => failures.push(
                Failure::new(name, format!("{name} is off: who came and went is not known afterwards"))
                    .mended(format!("ALTER SYSTEM SET {name} = on"), format!("ALTER SYSTEM SET {name} = off"))
                    .but("it takes a reload, and new sessions only"),
            ),
            Some(_) => {}
        }
    }
    if let Some(prefix) = facts.settings.get("log_line_prefix") {
        let lacking: Vec<&str> = [("%u", "user"), ("%d", "database"), ("%a", "application")]
            .iter()
            .filter(|(code, _)| !prefix.contains(code))
            .map(|(_, what)| *what)
            .collect();
        if !lacking.is_empty() {
            failures.push(
                Failure::new("log_line_prefix", format!("log lines do not tell the {}", lacking.join(", ")))
                    .mended(
                        "ALTER SYSTEM SET log_line_prefix = '%m [%p] %u@%d %a '",
                        format!("ALTER SYSTEM SET log_line_prefix = {}", literal(prefix)),
                    )
                    .but("programs that read the log must know the new form"),
            );
        }
    }
    Judgement::of(failures)
}

/// PG-26. Session audit of everything costs a lot; object audit of the moved tables does not.
pub fn pgaudit(_: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    let Some(loaded) = facts.settings.get("shared_preload_libraries") else {
        return Judgement::hidden("shared_preload_libraries is shown to members of pg_read_all_settings only");
    };
    // Others begin with its name and do not audit by themselves. A library may be named with its path.
    let is_pgaudit = |library: &str| library.trim().trim_matches('"').rsplit('/').next() == Some("pgaudit");
    if !loaded.split(',').any(is_pgaudit) {
        return Judgement::of(vec![
            Failure::new("pgaudit", "pgaudit is not loaded: reads of moved tables leave no trace")
                .but("it takes a restart; then set pgaudit.role and grant that role what is to be logged, and leave pgaudit.log at none"),
        ]);
    }
    match facts.settings.get("pgaudit.role").map(String::as_str) {
        None | Some("") => {
            Judgement::of(vec![Failure::new("pgaudit.role", "pgaudit is loaded without a role for object audit")])
        }
        Some(_) => Judgement::default(),
    }
}
