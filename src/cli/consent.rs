//! Consent to dangerous commands: what is printed, what is asked, and what must be given when nobody can be asked.

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::prompt;
use crate::model::plan::{Direction, Plan};
use crate::report;

/// Shortest prefix of a plan's hash that names it.
const SHORTEST_HASH: usize = 12;

/// Checks that the hash that was given is the printed plan's.
///
/// # Errors
/// When it is too short or another plan's.
pub fn same_plan(given: &str, plan: &Plan) -> Result<(), Failure> {
    let given = given.to_ascii_lowercase();
    if given.len() < SHORTEST_HASH {
        return Err(Failure::usage(format!(
            "`{given}` is too short: give at least the first {SHORTEST_HASH} characters of the plan's hash"
        )));
    }
    if plan.hash.starts_with(&given) {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Rejected,
        format!(
            "the plan of {} is now {}, not {given}: read it with `godwit plan {}{}` and decide again",
            plan.phase,
            plan.short_hash(),
            plan.phase,
            match plan.direction {
                Direction::Forward => "",
                Direction::Rollback => " --rollback",
            }
        ),
    ))
}

/// Prints the plan that consent is asked for; beside the result when the result is JSON.
///
/// # Errors
/// When it cannot be printed: nobody consents to what was not shown.
pub fn show(plan: &Plan, out: Output) -> Result<(), Failure> {
    let text = report::plan::text(plan);
    if !out.json {
        return out.text(&text);
    }
    for line in text.lines() {
        out.aside(line);
    }
    Ok(())
}

/// Asks `question` unless `yes` was given; without a terminal the answer must be on the command line.
///
/// # Errors
/// When nobody can be asked, or the answer is not yes.
pub fn ask(question: &str, yes: bool, without_terminal: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !prompt::can_ask() {
        return Err(Failure::usage(without_terminal));
    }
    if prompt::yes(question)? { Ok(()) } else { Err(Failure::usage("nothing was done: the answer was not yes")) }
}

/// The typed name that a production profile asks for; `None` where it does not.
///
/// # Errors
/// When it is needed, was not given, and nobody can be asked.
pub fn typed_name(given: Option<&str>, env: Option<&str>, name: &str) -> Result<Option<String>, Failure> {
    match (given, env) {
        (Some(given), _) => Ok(Some(given.to_owned())),
        (None, Some("production")) => {
            if !prompt::can_ask() {
                return Err(Failure::usage(format!(
                    "the profile says env = \"production\": add `--confirm {name}` to say that you mean it"
                )));
            }
            prompt::name(&format!("This is production. Type {name} to go on:"))?
                .map(Some)
                .ok_or_else(|| Failure::usage("nothing was done: no name was typed"))
        }
        (None, _) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            phase: "cutover".into(),
            direction: Direction::Rollback,
            steps: Vec::new(),
            notes: Vec::new(),
            sizes: Vec::new(),
            queues: Vec::new(),
            way_back: String::new(),
            hash: "0123456789abcdef".repeat(4),
        }
    }

    #[test]
    fn consent_is_to_one_plan_named_by_twelve_characters_or_more() {
        assert_eq!(same_plan("0123456789AB", &plan()), Ok(()));
        assert_eq!(same_plan("0123456789a", &plan()).unwrap_err().exit, Exit::Usage);
        let other = same_plan("ffffffffffff", &plan()).unwrap_err();
        assert_eq!(other.exit, Exit::Rejected);
        assert!(other.sentence.contains("godwit plan cutover --rollback"), "{other}");
    }

    #[test]
    fn a_name_is_asked_for_in_production_only() {
        assert_eq!(typed_name(None, Some("test"), "cutover"), Ok(None));
        assert_eq!(typed_name(Some("cutover"), Some("production"), "cutover"), Ok(Some("cutover".to_owned())));
    }
}
