//! RD-15 and RD-16: what the server refused, and how much of it it remembers.

use super::whom::settings;
use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::model::access::postgres::Readable;
use crate::model::access::redis::{Denial, RedisFacts};
use std::collections::BTreeMap;

/// Refusals older than this tell nothing of today.
const RECENT_S: u64 = 86_400;

/// Entries below which a busy hour pushes the evidence out.
const ENOUGH: u64 = 1_024;

/// RD-15. One finding for each user and reason.
pub fn denials(case: &Case<'_>, facts: &RedisFacts) -> Judgement {
    let denials = match &facts.denials {
        Readable::Read(denials) => denials,
        Readable::Hidden(why) => return Judgement::hidden(why),
    };
    let mut alike: BTreeMap<(&str, &str), Vec<&Denial>> = BTreeMap::new();
    for denial in denials.iter().filter(|d| d.age_s <= RECENT_S && !case.is_set_apart(&d.user)) {
        alike.entry((&denial.user, &denial.reason)).or_default().push(denial);
    }
    alike
        .into_iter()
        .map(|((user, reason), denials)| {
            let count: u64 = denials.iter().map(|denial| denial.count).sum();
            let mut failure = Failure::new(
                format!("{user} {reason}"),
                format!("{user} was refused {count} times in the last day, for want of a right ({reason})"),
            )
            .but("find out what asks: a right that is missing, or somebody who must not have it");
            failure.evidence =
                denials.iter().map(|d| format!("{} times {} from {}", d.count, d.object, d.client)).collect();
            failure
        })
        .collect()
}

/// RD-16.
pub fn lengths(_: &Case<'_>, facts: &RedisFacts) -> Judgement {
    let settings = match settings(facts) {
        Ok(settings) => settings,
        Err(why) => return Judgement::hidden(why),
    };
    let lengths = ["acllog-max-len", "slowlog-max-len"];
    let short = lengths.into_iter().filter_map(|name| {
        let length = settings.get(name)?;
        length.parse::<u64>().ok().filter(|n| *n < ENOUGH).map(|n| (name, n))
    });
    short
        .map(|(name, length)| {
            Failure::new(name, format!("{name} keeps {length} entries: a busy hour pushes the others out"))
                .mended(format!("CONFIG SET {name} {ENOUGH}"), format!("CONFIG SET {name} {length}"))
        })
        .collect()
}
