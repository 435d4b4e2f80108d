//! Which sections of `INFO` a look has to ask for, and in how many commands.
//!
//! The server builds each section anew for each command, with cold caches if it was idle: that is most of what looking costs. So a look
//! asks for all that it wants in one command where the server takes several names (Redis from 7.0, Valkey), and what hardly changes is
//! kept. Invariant: what is kept belongs to one connection, and goes with it: a server that was restarted is asked for everything.

use crate::stores::redis::info::Info;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long a section may be used again; `None`: it is asked for by every look that wants it.
///
/// `server` says who the server is and when it started, and changes with a restart alone. `latencystats` is the dearest section by far (the
/// server walks through a histogram of some 40 kB for each command ever used), and its percentiles are of all time since the server began.
fn kept_for(section: &str) -> Option<Duration> {
    match section {
        "server" => Some(Duration::from_secs(60)),
        "latencystats" => Some(Duration::from_secs(120)),
        _ => None,
    }
}

/// What one connection has learned of its server.
#[derive(Debug, Default)]
pub struct Sections {
    kept: BTreeMap<String, Kept>,
    /// Whether `INFO` takes several names; `None`: it was not tried yet.
    takes_several: Option<bool>,
}

#[derive(Debug)]
struct Kept {
    info: Info,
    asked: Instant,
    at: DateTime<Utc>,
}

impl Sections {
    /// A kept section that is young enough at `now`.
    pub fn young(&self, section: &str, now: Instant) -> Option<&Info> {
        let kept = self.kept.get(section)?;
        (now.saturating_duration_since(kept.asked) < kept_for(section)?).then_some(&kept.info)
    }

    /// When the server gave a kept section, by our clock: half-way between question and answer.
    pub fn given_at(&self, section: &str) -> Option<DateTime<Utc>> {
        self.kept.get(section).map(|kept| kept.at)
    }

    /// The next look that wants this section asks for it.
    pub fn forget(&mut self, section: &str) {
        self.kept.remove(section);
    }

    /// The sections of the next command, of those that are wanted still.
    pub fn next<'a>(&self, wanted: &'a [String]) -> &'a [String] {
        match self.takes_several {
            Some(false) => wanted.get(..1).unwrap_or_default(),
            Some(true) | None => wanted,
        }
    }

    /// Servers before 7.0 refuse a second name.
    pub fn takes_one_only(&mut self) {
        self.takes_several = Some(false);
    }

    /// Takes an answer to a question for `asked` in. `None`: it answers only one of several names, and they have to be asked for one by
    /// one. A section that the server does not have is empty.
    pub fn take(&mut self, asked: &[String], text: &str, since: Instant, at: DateTime<Utc>) -> Option<Info> {
        if let [section] = asked {
            return Some(self.keep(section, Info::parse(text), since, at));
        }
        let mut found = Info::by_section(text);
        let answered = asked.iter().filter(|section| found.contains_key(*section)).count();
        if *self.takes_several.get_or_insert(answered > 1) {
            let mut info = Info::default();
            for section in asked {
                info.merge(self.keep(section, found.remove(section).unwrap_or_default(), since, at));
            }
            Some(info)
        } else {
            None
        }
    }

    fn keep(&mut self, section: &str, info: Info, asked: Instant, at: DateTime<Utc>) -> Info {
        if kept_for(section).is_some() {
            self.kept.insert(section.to_owned(), Kept { info: info.clone(), asked, at });
        }
        info
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: &str = "# Server\r\nrun_id:ab\r\n\r\n# Clients\r\nconnected_clients:3\r\n";

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_is_kept_grows_old() {
        let (mut sections, now) = (Sections::default(), Instant::now());
        let info = sections.take(&names(&["server", "clients"]), BOTH, now, DateTime::UNIX_EPOCH).unwrap();
        assert!(info.run_id() == "ab" && info.number("connected_clients") == Some(3));
        assert_eq!(sections.young("server", now).map(Info::run_id).as_deref(), Some("ab"));
        assert_eq!(sections.given_at("server"), Some(DateTime::UNIX_EPOCH));
        assert!(sections.young("clients", now).is_none(), "numbers of now are asked for each time");
        assert!(sections.young("server", now + Duration::from_secs(60)).is_none());
        sections.forget("server");
        assert!(sections.young("server", now).is_none());
    }

    #[test]
    fn a_server_that_takes_one_name_gets_one_name() {
        let wanted = names(&["server", "clients"]);
        let mut sections = Sections::default();
        assert_eq!(sections.next(&wanted), wanted);
        let one = "# Server\r\nrun_id:ab\r\n";
        let answer = sections.take(&wanted, one, Instant::now(), DateTime::UNIX_EPOCH);
        assert!(answer.is_none(), "the second name was ignored");
        assert_eq!(sections.next(&wanted), &wanted[..1]);
        assert!(sections.take(&wanted[..1], one, Instant::now(), DateTime::UNIX_EPOCH).is_some());
        let mut refused = Sections::default();
        refused.takes_one_only();
        assert_eq!(refused.next(&wanted), &wanted[..1]);
        assert_eq!(refused.next(&[]), &[] as &[String]);
    }

    #[test]
    fn a_section_that_is_not_known_is_empty_and_asked_for_once() {
        let (mut sections, now) = (Sections::default(), Instant::now());
        let asked = names(&["server", "clients", "latencystats"]);
        assert!(sections.take(&asked, BOTH, now, DateTime::UNIX_EPOCH).is_some());
        assert!(sections.young("latencystats", now).is_some_and(|info| info.with_prefix("").next().is_none()));
    }
}
