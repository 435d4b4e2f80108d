//! The server's answer to `INFO`: lines of `name:value`.

use crate::stores::sanitise::clean;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// Parsed `INFO` of one or more sections.
#[derive(Clone, Debug, Default)]
pub struct Info {
    fields: BTreeMap<String, String>,
}

impl Info {
    /// Takes the text as it comes. Lines without a colon are headings and are left out.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let fields = lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name.to_owned(), clean(value)));
        Self { fields: fields.collect() }
    }

    /// The same, apart by section, each under its heading in small letters.
    pub fn by_section(text: &str) -> BTreeMap<String, Self> {
        let mut sections = BTreeMap::new();
        let mut current: Option<&mut Self> = None;
        for line in text.lines() {
            if let Some(heading) = line.strip_prefix("# ") {
                current = Some(sections.entry(heading.trim().to_lowercase()).or_default());
            } else if let (Some(section), Some((name, value))) = (current.as_mut(), line.split_once(':')) {
                section.fields.insert(name.to_owned(), clean(value));
            }
        }
        sections
    }

    /// A value as the server prints it.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// A value that is not negative; `None` when it is not there, negative or no number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    /// A value that may be negative.
    pub fn signed(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// Fields whose name begins with `prefix`, by what follows it.
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.fields.iter().filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, value.as_str())))
    }

    /// Adds another section.
    pub fn merge(&mut self, other: Self) {
        self.fields.extend(other.fields);
    }

    /// What tells this run of the server from every other one.
    pub fn run_id(&self) -> String {
        self.text("run_id").unwrap_or_default().to_owned()
    }

    /// When the server started, by its own clock, to the second. Needs the section `server`.
    pub fn started_at(&self) -> Option<DateTime<Utc>> {
        let up = i64::try_from(self.number("uptime_in_seconds")?).ok()?;
        let now = match self.signed("server_time_usec") {
            Some(us) => DateTime::from_timestamp_micros(us)?,
            None => Utc::now(),
        };
        now.checked_sub_signed(chrono::Duration::try_seconds(up)?)
    }

    /// Name and version: Valkey goes on saying `redis_version` for old clients, and its own beside it.
    pub fn version(&self) -> String {
        match (self.text("valkey_version"), self.text("redis_version")) {
            (Some(version), _) => format!("Valkey {version}"),
            (None, Some(version)) => version.to_owned(),
            (None, None) => "unknown".to_owned(),
        }
    }
}

/// The parts of a value such as `calls=1,usec=23`.
pub fn parts(value: &str) -> BTreeMap<&str, &str> {
    value.split(',').filter_map(|part| part.split_once('=')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded on Valkey 8.0.1.
    const VALKEY: &str = "# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\nrun_id:bf04711d9d530521807eb97600a0a4cb1567e95a\r\n";

    #[test]
    fn valkey_is_told_from_redis() {
        assert_eq!(Info::parse(VALKEY).version(), "Valkey 8.0.1");
        assert_eq!(Info::parse("redis_version:7.0.15\r\n").version(), "7.0.15");
    }

    #[test]
    fn fields_are_numbers_only_when_they_are() {
        let info = Info::parse("# Replication\r\na:12\r\nb:-1\r\nc:x:y\r\n\r\n");
        assert_eq!((info.number("a"), info.number("b"), info.signed("b")), (Some(12), None, Some(-1)));
        assert_eq!((info.text("c"), info.number("d")), (Some("x:y"), None));
    }

    #[test]
    fn sections_are_told_apart_by_their_headings() {
        let sections = Info::by_section("# Server\r\nconfig_file:/etc/a# b:c\r\n\r\n# Errorstats\r\n");
        assert_eq!(sections.keys().collect::<Vec<_>>(), ["errorstats", "server"]);
        assert_eq!(sections["server"].text("config_file"), Some("/etc/a# b:c"));
    }

    #[test]
    fn the_start_follows_from_the_servers_clock() {
        let info = Info::parse("server_time_usec:1000000000\r\nuptime_in_seconds:400\r\n");
        assert_eq!(info.started_at(), DateTime::from_timestamp(600, 0));
    }
}
