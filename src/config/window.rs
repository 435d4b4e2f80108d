//! Weekly windows: `Sat 22:00-02:00 Asia/Seoul`, also over midnight and through changes of the clock.

use super::names;
use super::profile::Window;
use chrono::{DateTime, Days, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc, Weekday};
use chrono_tz::{TZ_VARIANTS, Tz};

const FORM: &str = "write days, times and a time zone, such as \"Sat 22:00-02:00 Asia/Seoul\", \
                    \"Mon-Fri 09:00-17:00 Europe/Berlin\" or \"daily 01:00-05:00 UTC\"";

impl Window {
    /// Reads a window: `[DAYS] HH:MM-HH:MM ZONE`. Days are `Sat`, `Sat,Sun`, `Mon-Fri` or `daily`, which is also what no
    /// days mean. The error is one or two whole sentences that do not name the key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (days, times, zone) = match words.as_slice() {
            [days, times, zone] => (*days, *times, *zone),
            [times, zone] if times.starts_with(|c: char| c.is_ascii_digit()) => ("daily", *times, *zone),
            [_, times] if times.contains(':') => return Err(format!("The time zone is missing: {FORM}.")),
            [times] if times.contains(':') => return Err(format!("The time zone is missing: {FORM}.")),
            _ => return Err(format!("This is not a window: {FORM}.")),
        };
        let Some((from, to)) = times.split_once('-') else {
            return Err(format!("`{}` is not a span of time: {FORM}.", names::shown(times)));
        };
        Ok(Self {
            days: parse_days(days)?,
            from: parse_time(from)?,
            to: parse_time(to)?,
            zone: parse_zone(zone)?,
            text: text.to_owned(),
        })
    }

    /// True while the window is open. The opening moment belongs to it, the closing moment does not.
    pub fn contains(&self, now: DateTime<Utc>) -> bool {
        let today = now.with_timezone(&self.zone).date_naive();
        // A window that crosses midnight may have opened yesterday.
        [today.pred_opt(), Some(today)]
            .into_iter()
            .flatten()
            .any(|day| self.opening(day).is_some_and(|(opens, closes)| opens <= now && now < closes))
    }

    /// When the window opens next, strictly after `now`; `None` only at the end of the calendar.
    pub fn next_opening(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let today = now.with_timezone(&self.zone).date_naive();
        // Two weeks, because a change of the clock can swallow one opening.
        (0..=14)
            .filter_map(|ahead| self.opening(today.checked_add_days(Days::new(ahead))?))
            .map(|(opens, _)| opens)
            .find(|opens| *opens > now)
    }

    /// From when until when the window is open that opens on this day of its zone's calendar, if it does.
    fn opening(&self, day: NaiveDate) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        use chrono::Datelike;
        if !self.days.is_empty() && !self.days.contains(&day.weekday()) {
            return None;
        }
        let last = if self.to > self.from { day } else { day.checked_add_days(Days::new(1))? };
        let opens = instant(self.zone, day.and_time(self.from), Edge::Opening)?;
        let closes = instant(self.zone, last.and_time(self.to), Edge::Closing)?;
        (opens < closes).then_some((opens, closes))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Edge {
    Opening,
    Closing,
}

/// The moment at which a clock on the wall shows `local`. When clocks go back and show it twice, a window opens at the
/// first and closes at the second: whoever looks at the wall is right. When clocks go forward and never show it, it is
/// the first moment after the gap.
fn instant(zone: Tz, local: NaiveDateTime, edge: Edge) -> Option<DateTime<Utc>> {
    match zone.from_local_datetime(&local) {
        MappedLocalTime::Single(moment) => Some(moment.to_utc()),
        MappedLocalTime::Ambiguous(first, second) => {
            Some(if edge == Edge::Opening { first.min(second).to_utc() } else { first.max(second).to_utc() })
        }
        // Gaps begin and end on whole minutes; the longest (a skipped day at the date line) has 24 hours.
        MappedLocalTime::None => (1..=25 * 60).find_map(|minutes| {
            let later = local.checked_add_signed(TimeDelta::minutes(minutes))?;
            zone.from_local_datetime(&later).earliest().map(|moment| moment.to_utc())
        }),
    }
}

fn parse_days(text: &str) -> Result<Vec<Weekday>, String> {
    if text.eq_ignore_ascii_case("daily") {
        return Ok(Vec::new());
    }
    let mut days = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (parse_day(first)?, parse_day(last)?);
        let mut day = first;
        loop {
            if days.contains(&day) {
                return Err(format!("{day} is named twice."));
            }
            days.push(day);
            if day == last {
                break;
            }
            day = day.succ();
        }
    }
    Ok(days)
}

/// Short and full English names, in any case.
fn parse_day(text: &str) -> Result<Weekday, String> {
    text.parse().map_err(|_| {
        format!("`{}` is not a day: write Mon, Tue, Wed, Thu, Fri, Sat, Sun or daily.", names::shown(text))
    })
}

fn parse_time(text: &str) -> Result<NaiveTime, String> {
    let two = |part: &str| {
        if part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit()) { part.parse::<u32>().ok() } else { None }
    };
    let midnight = text == "24:00";
    text.split_once(':')
        .and_then(|(hours, minutes)| NaiveTime::from_hms_opt(two(hours)?, two(minutes)?, 0))
        .or(midnight.then_some(NaiveTime::MIN))
        .ok_or_else(|| format!("`{}` is not a time: write 00:00 to 23:59, with two digits each.", names::shown(text)))
}

fn parse_zone(text: &str) -> Result<Tz, String> {
    if let Ok(zone) = text.parse::<Tz>() {
        return Ok(zone);
    }
    // The nearest name to an abbreviation such as KST is another abbreviation, at the other end of the world.
    let long = Some(text).filter(|text| text.len() > 4);
    let near = long.and_then(|text| names::nearest(text, TZ_VARIANTS.iter().map(|zone| zone.name()))).or_else(|| {
        TZ_VARIANTS
            .iter()
            .map(|zone| zone.name())
            .find(|name| name.rsplit_once('/').is_some_and(|(_, city)| city.eq_ignore_ascii_case(text)))
    });
    let sentence =
        format!("`{}` is not a time zone: write UTC or an area and city, such as Asia/Seoul.", names::shown(text));
    Err(match near {
        Some(name) => format!("{sentence} Did you mean `{name}`?"),
        None => sentence,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_it_opens() {
        // Seoul is nine hours ahead of UTC.
        let window = Window::parse("Sat 22:00-02:00 Asia/Seoul").unwrap();
        for (moment, open) in [
            ("2026-11-28T12:59:59Z", false),
            ("2026-11-28T13:00:00Z", true),
            ("2026-11-28T16:30:00Z", true),
            ("2026-11-28T16:59:59Z", true),
            ("2026-11-28T17:00:00Z", false),
            ("2026-11-27T16:30:00Z", false),
            ("2026-11-29T13:30:00Z", false),
        ] {
            assert_eq!(window.contains(at(moment)), open, "{moment}");
        }
        assert_eq!(window.next_opening(at("2026-11-28T13:00:00Z")), Some(at("2026-12-05T13:00:00Z")));
        assert_eq!(window.next_opening(at("2026-11-25T00:00:00Z")), Some(at("2026-11-28T13:00:00Z")));
    }

    #[test]
    fn clocks_that_go_back_keep_the_window_open() {
        // 2026-10-25: 03:00 CEST becomes 02:00 CET at 01:00 UTC.
        let window = Window::parse("Sun 02:15-02:45 Europe/Berlin").unwrap();
        for (moment, open) in [
            ("2026-10-25T00:14:00Z", false),
            ("2026-10-25T00:15:00Z", true),
            ("2026-10-25T01:00:00Z", true),
            ("2026-10-25T01:44:00Z", true),
            ("2026-10-25T01:45:00Z", false),
        ] {
            assert_eq!(window.contains(at(moment)), open, "{moment}");
        }
    }

    #[test]
    fn clocks_that_go_forward_move_the_edge_to_the_first_moment_there_is() {
        // 2026-03-29: 02:00 CET becomes 03:00 CEST at 01:00 UTC.
        let over = Window::parse("Sat 22:00-02:30 Europe/Berlin").unwrap();
        assert!(over.contains(at("2026-03-29T00:59:00Z")));
        assert!(!over.contains(at("2026-03-29T01:00:00Z")));
        let swallowed = Window::parse("Sun 02:10-02:40 Europe/Berlin").unwrap();
        assert!(!swallowed.contains(at("2026-03-29T01:00:00Z")));
        assert_eq!(swallowed.next_opening(at("2026-03-28T12:00:00Z")), Some(at("2026-04-05T00:10:00Z")));
        // Samoa had no 30 December 2011.
        let samoa = Window::parse("Fri 10:00-12:00 Pacific/Apia").unwrap();
        assert!(!samoa.contains(at("2011-12-30T10:30:00Z")));
    }

    #[test]
    fn days_are_read_in_every_form() {
        let days = |text: &str| Window::parse(&format!("{text} 01:00-02:00 UTC")).map(|w| w.days);
        assert_eq!(days("daily").unwrap(), []);
        assert_eq!(days("sat,SUN").unwrap(), [Weekday::Sat, Weekday::Sun]);
        assert_eq!(days("Fri-Mon").unwrap(), [Weekday::Fri, Weekday::Sat, Weekday::Sun, Weekday::Mon]);
        assert_eq!(Window::parse("01:00-02:00 UTC").unwrap().days, []);
        assert!(Window::parse("daily 00:00-24:00 UTC").unwrap().contains(at("2026-01-01T23:59:59Z")));
        for bad in [
            "",
            "Sat",
            "Sat 22:00 UTC",
            "Sat 22:00-02:00",
            "22:00-02:00",
            "Sat 22-02 UTC",
            "Sat 25:00-02:00 UTC",
            "Sat,Sat 01:00-02:00 UTC",
            "Sat 1:00-02:00 UTC",
            "Sat 22:00-02:00 KST",
            "Caturday 22:00-02:00 UTC",
        ] {
            assert!(Window::parse(bad).is_err(), "{bad}");
        }
        assert!(Window::parse("Sat 22:00-02:00 Asia/Soul").unwrap_err().ends_with("Did you mean `Asia/Seoul`?"));
        assert!(Window::parse("Sat 22:00-02:00 Seoul").unwrap_err().ends_with("Did you mean `Asia/Seoul`?"));
    }

    proptest! {
        #[test]
        fn it_is_open_right_after_it_opens(start in 0i64..4_000_000_000, from in 0u32..1_440, length in 1u32..1_440, zone in 0..TZ_VARIANTS.len()) {
            let clock = |minutes: u32| format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60);
            let text = format!("Mon,Thu {}-{} {}", clock(from), clock(from + length), TZ_VARIANTS[zone].name());
            let window = Window::parse(&text).unwrap();
            let now = DateTime::from_timestamp(start, 0).unwrap();
            let opens = window.next_opening(now).unwrap();
            prop_assert!(opens > now);
            prop_assert!(window.contains(opens), "{} {}", text, opens);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
            let _ = Window::parse(&text);
        }
    }
}
