//! OWN-17 and OWN-18: key patterns of Redis and Valkey, and keys that belong to nobody.

use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::advice::wording::counted;
use crate::model::access::postgres::Readable;
use crate::model::access::reading::EngineFacts;
use crate::model::access::redis::{RedisFacts, RedisUser, overlap as meet};

fn facts<'a>(case: &Case<'a>) -> Option<&'a RedisFacts> {
    match &case.reading.engine {
        EngineFacts::Redis(facts) => Some(facts),
        EngineFacts::Postgres(_) | EngineFacts::Mysql(_) | EngineFacts::Mongo(_) | EngineFacts::Other => None,
    }
}

/// OWN-17. Of two services' logins; a login may share keys with others of its own service, and reading what is declared is no overlap.
pub fn overlap(case: &Case<'_>) -> Judgement {
    let Some(facts) = facts(case) else { return Judgement::default() };
    let users: Vec<&RedisUser> =
        facts.users().iter().filter(|user| user.is_on && case.map.service_of(&user.name).is_some()).collect();
    if users.is_empty() {
        return Judgement::absent("no declared login exists here");
    }
    let mut failures = Vec::new();
    for (at, first) in users.iter().enumerate() {
        for second in users.iter().skip(at + 1) {
            let share_service =
                case.map.services_of(&first.name).any(|s| case.map.services_of(&second.name).any(|t| s.id == t.id));
            if share_service {
                continue;
            }
            let mut pairs = Vec::new();
            for a in first.rights.iter().flat_map(|r| &r.keys) {
                for b in second.rights.iter().flat_map(|r| &r.keys) {
                    if meet(&a.pattern, &b.pattern)
                        && !is_declared(case, first, second, &a.pattern, &b.pattern, a.writes, b.writes)
                    {
                        pairs.push(format!("{} and {}", a.pattern, b.pattern));
                    }
                }
            }
            pairs.sort();
            pairs.dedup();
            if !pairs.is_empty() {
                let mut failure = Failure::new(
                    format!("{} and {}", first.name, second.name),
                    format!("keys of {} and {} are the same ones", first.name, second.name),
                )
                .but("give each service a prefix of its own, move the keys, then `ACL SETUSER LOGIN resetkeys ~PREFIX:*`");
                failure.evidence = pairs;
                failures.push(failure);
            }
        }
    }
    Judgement::of(failures)
}

/// One of the two only reads there, and its service may read the other's keys.
fn is_declared(
    case: &Case<'_>,
    first: &RedisUser,
    second: &RedisUser,
    a: &str,
    b: &str,
    a_writes: bool,
    b_writes: bool,
) -> bool {
    let may_read = |reader: &RedisUser, owner: &RedisUser, pattern: &str| {
        case.map.tables.iter().any(|table| {
            let is_owners = case.map.services_of(&owner.name).any(|service| service.id == table.service);
            is_owners
                && meet(pattern, &table.name)
                && case.map.services_of(&reader.name).any(|service| case.map.may_read(service, table, case.today))
        })
    };
    (!a_writes && may_read(first, second, a)) || (!b_writes && may_read(second, first, b))
}

/// OWN-18.
pub fn outside(case: &Case<'_>) -> Judgement {
    let Some(facts) = facts(case) else { return Judgement::default() };
    if case.map.tables.is_empty() {
        return Judgement::absent("the profile declares no key of this store");
    }
    let sample = match &facts.keys {
        Readable::Read(sample) => sample,
        Readable::Hidden(why) => return Judgement::hidden(why),
    };
    if sample.looked_at == 0 {
        return Judgement::absent("there is no key");
    }
    let failures = sample.outside.iter().map(|(pattern, count)| {
        let count = counted(usize::try_from(*count).unwrap_or(usize::MAX), "key");
        Failure::new(pattern, format!("{count} like {pattern} belong to no service"))
            .fact(format!("in a sample of {}", sample.looked_at))
            .but("move them under a declared prefix, or declare it in `owns` of a service")
    });
    failures.collect()
}
