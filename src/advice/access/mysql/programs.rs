//! MY-19 and MY-20: programs that run with the rights of whoever is named in them.

use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::model::access::mysql::{MyAccount, MyCode, MysqlFacts};
use crate::model::access::postgres::Readable;

/// Programs that run with their definer's rights.
fn definers(facts: &MysqlFacts) -> Result<Vec<&MyCode>, String> {
    match (&facts.code, &facts.accounts) {
        (Readable::Read(code), Readable::Read(_)) => Ok(code.iter().filter(|program| program.is_definers).collect()),
        (Readable::Hidden(why), _) | (_, Readable::Hidden(why)) => Err(why.clone()),
    }
}

fn definer<'a>(facts: &'a MysqlFacts, program: &MyCode) -> Option<&'a MyAccount> {
    let (user, host) = program.definer.rsplit_once('@').unwrap_or((program.definer.as_str(), ""));
    facts.account(user, host)
}

/// MY-19. Triggers and events cannot run with anybody else's rights; another definer is what mends them.
pub fn of_administrators(case: &Case<'_>, facts: &MysqlFacts) -> Judgement {
    let programs = match definers(facts) {
        Ok(programs) => programs,
        Err(why) => return Judgement::hidden(why),
    };
    let mut failures = Vec::new();
    for program in programs {
        let Some(account) = definer(facts, program).filter(|account| account.is_unlimited() || account.may("SUPER"))
        else {
            continue;
        };
        if case.map.ignores(&account.user) {
            continue;
        }
        let (name, kind) = (program.qualified(), program.kind.to_lowercase());
        let mut failure = Failure::new(
            &name,
            format!("{kind} {name} runs with the rights of {}, who may do everything", account.name()),
        );
        if matches!(program.kind.as_str(), "PROCEDURE" | "FUNCTION") {
            let alter = |security: &str| format!("ALTER {} {} SQL SECURITY {security}", program.kind, program.quoted());
            failure = failure
                .mended(alter("INVOKER"), alter("DEFINER"))
                .but("its callers then need the rights on what it works on themselves");
        } else {
            failure = failure.but(format!(
                "make it again with an account as its definer that has what the {kind} needs and no more"
            ));
        }
        failures.push(failure);
    }
    Judgement::of(failures)
}

/// MY-20.
pub fn of_nobody(_: &Case<'_>, facts: &MysqlFacts) -> Judgement {
    let programs = match definers(facts) {
        Ok(programs) => programs,
        Err(why) => return Judgement::hidden(why),
    };
    let orphans = programs.into_iter().filter(|program| definer(facts, program).is_none());
    orphans
        .map(|program| {
            let (name, kind) = (program.qualified(), program.kind.to_lowercase());
            Failure::new(
                &name,
                format!("{kind} {name} runs with the rights of {}, who does not exist: whoever may make that account gains them", program.definer),
            )
            .but("it fails until then; make it again with a definer that exists")
        })
        .collect()
}
