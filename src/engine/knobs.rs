//! Throttle knobs: from what an operator types to what a running copier obeys.

use crate::config::profile::Throttle;
use crate::engine::commands::Refusal;
use crate::engine::core::CoreRef;
use crate::model::command::Answer;
use crate::model::event::Event;
use crate::model::ids::{Operator, PipelineId, Seq};
use crate::model::pipeline::{PipelineEvent, PipelineRecord};
use crate::pipelines::copier::pacing::Knobs;
use std::time::Duration;

/// The knobs that there are.
pub const NAMES: [&str; 4] = ["rows_per_second", "workers", "source_load", "target_lag"];

/// Takes the limit off, whatever the profile says.
const OFF: &str = "off";

/// Drops what an operator set: what the profile says holds again.
const DEFAULT: &str = "default";

/// The knobs of a pipeline: the profile's, overridden by what operators set.
pub fn of(profile: &Throttle, record: &PipelineRecord) -> Knobs {
    let mut knobs = Knobs {
        rows_per_second: profile.rows_per_second,
        workers: profile.workers,
        source_load: profile.source_load,
        target_lag: profile.target_lag,
    };
    for (name, value) in &record.knobs {
        // What is in the journal was accepted when it was typed.
        if let Err(problem) = set(&mut knobs, name, value) {
            tracing::warn!(name, value, problem, "a knob in the journal is not understood and is left out");
        }
    }
    knobs
}

fn set(knobs: &mut Knobs, name: &str, value: &str) -> Result<(), String> {
    let off = value == OFF;
    let bad = |what: &str| format!("`{value}` is not {what} (or `off`, or `default` for what the profile says)");
    match name {
        "rows_per_second" => {
            knobs.rows_per_second =
                if off { None } else { Some(positive(value).ok_or_else(|| bad("a number of rows above 0"))?) }
        }
        "workers" => {
            let workers = positive(value).and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= 64);
            knobs.workers = if off { None } else { Some(workers.ok_or_else(|| bad("a number from 1 to 64"))?) };
        }
        "source_load" => {
            let load = value.parse::<f64>().ok().filter(|l| l.is_finite() && *l > 0.0);
            knobs.source_load = if off { None } else { Some(load.ok_or_else(|| bad("a load per core such as 0.7"))?) };
        }
        "target_lag" => {
            let lag = crate::config::duration::parse(value).ok();
            knobs.target_lag = if off {
                None
            } else {
                Some(lag.filter(|d| *d > Duration::ZERO).ok_or_else(|| bad("a time such as 5s"))?)
            };
        }
        _ => return Err(format!("there is no knob `{name}`; there are {}", NAMES.join(", "))),
    }
    Ok(())
}

fn positive(value: &str) -> Option<u64> {
    value.parse().ok().filter(|n| *n > 0)
}

/// Turns a knob: checked, journaled, then obeyed at once.
pub async fn turn(
    core: &CoreRef,
    by: &Operator,
    pipeline: &PipelineId,
    knob: &str,
    value: &str,
) -> Result<Answer, Refusal> {
    let declared = core.pipeline(pipeline).map_err(|e| Refusal(e.to_string()))?;
    // What the profile says has the right form; only the knob's name is checked then.
    let form = if value == DEFAULT { OFF } else { value };
    set(&mut Knobs::default(), knob, form).map_err(Refusal)?;
    let event = PipelineEvent::Throttle { knob: knob.to_owned(), value: value.to_owned(), by: by.clone() };
    let entries = core.dispatcher.append(vec![Event::Pipeline { pipeline: pipeline.clone(), event }]).await?;
    let now = of(&declared.throttle, &core.record(pipeline));
    core.fleet.room(pipeline).knobs.send_replace(now);
    Ok(Answer::Accepted {
        seq: entries.first().map_or(Seq(0), |e| e.seq),
        message: match value {
            OFF => format!(
                "{knob} of {pipeline} is not limited from now on, whatever the profile says; `default` brings that back"
            ),
            DEFAULT => format!("{knob} of {pipeline} is what the profile says from now on"),
            _ => format!("{knob} of {pipeline} is {value} from now on"),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knobs_of_operators_override_the_profile_until_it_holds_again() {
        let profile = Throttle { target_lag: None, source_load: None, rows_per_second: Some(10), workers: Some(2) };
        let mut record = PipelineRecord::default();
        record.knobs.insert("rows_per_second".to_owned(), "500".to_owned());
        let knobs = of(&profile, &record);
        assert_eq!((knobs.rows_per_second, knobs.workers), (Some(500), Some(2)));
        let mut turn = |value: &str| {
            let (knob, by) = ("rows_per_second".to_owned(), Operator::from("ann"));
            record.apply(&PipelineEvent::Throttle { knob, value: value.to_owned(), by });
            of(&profile, &record).rows_per_second
        };
        assert_eq!(turn("off"), None, "the profile's limit is lifted too");
        assert_eq!(turn("default"), Some(10));
        assert_eq!(turn("20"), Some(20));
    }

    #[test]
    fn nonsense_is_refused_with_the_form_that_is_wanted() {
        let mut knobs = Knobs::default();
        for (name, value) in [
            ("rows_per_second", "0"),
            ("workers", "999"),
            ("source_load", "NaN"),
            ("target_lag", "soon"),
            ("speed", "1"),
        ] {
            assert!(set(&mut knobs, name, value).is_err(), "{name} {value}");
        }
        assert_eq!(knobs, Knobs::default());
    }
}
