//! What a store's planner says about indexes that do not exist: asked in small helpings, and remembered.
//!
//! A question costs a connection and eight plans (without values and with three samples of them, without and with the index), and the store's other collectors wait for it. So each look asks only what is new,
//! and no longer than it may take.

use crate::advice::indexes::candidates::Question;
use crate::advice::indexes::judge::Answer;
use crate::model::hotspot::Fingerprint;
use crate::model::observation::{Cost, Missing};
use crate::model::what_if::WhatIf;
use crate::stores::error::ErrorKind;
use crate::stores::observe::IndexStats;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Questions of one look, remembered answers included.
pub const QUESTIONS: usize = 40;

/// Longest time for asking in one look.
const ASKING: Duration = Duration::from_secs(2);

/// An answer holds for so long: plans change with the data.
fn holds() -> TimeDelta {
    TimeDelta::hours(1)
}

/// The statement and the candidate, as they were asked.
type Asked = (Fingerprint, String);

/// Answers of the last hour.
#[derive(Debug, Default)]
pub struct PlannerAnswers {
    known: BTreeMap<Asked, (DateTime<Utc>, Result<WhatIf, String>)>,
}

/// What one look learnt.
#[derive(Debug, Default)]
pub struct Answers {
    /// For the questions that could be put.
    pub given: Vec<Answer>,
    /// Why no planner can be asked here.
    pub missing: Option<Missing>,
    /// What it cost.
    pub cost: Cost,
}

impl PlannerAnswers {
    /// Puts what is not known yet. Questions for which there is no time are left for the next look.
    pub async fn ask(&mut self, stats: &dyn IndexStats, questions: &[Question], now: DateTime<Utc>) -> Answers {
        self.known.retain(|_, (at, _)| now - *at < holds());
        let begun = Instant::now();
        let mut answers = Answers::default();
        for question in questions {
            let asked: Asked = (question.fingerprint.clone(), question.index.clone());
            if !self.known.contains_key(&asked) {
                let left = ASKING.saturating_sub(begun.elapsed());
                let index = std::slice::from_ref(&question.index);
                let answer =
                    match tokio::time::timeout(left, stats.what_if(&question.statement, &question.parameters, index))
                        .await
                    {
                        Ok(Ok(answer)) => Ok(answer),
                        Ok(Err(error)) if error.kind == ErrorKind::Unsupported => {
                            answers.missing = Some(no_planner(error.to_string()));
                            break;
                        }
                        Ok(Err(error)) => Err(error.to_string()),
                        Err(_) => {
                            // Else the same slow question would come first at each look, and no other one would ever be put.
                            if left >= ASKING / 2 {
                                let why = format!("no plan within {} s", left.as_secs_f64().round());
                                self.known.insert(asked, (now, Err(why)));
                            }
                            break;
                        }
                    };
                answers.cost.statements += 1;
                self.known.insert(asked.clone(), (now, answer));
            }
            if let Some((_, answer)) = self.known.get(&asked) {
                answers.given.push(Answer {
                    candidate: question.candidate,
                    fingerprint: question.fingerprint.clone(),
                    answer: answer.clone(),
                });
            }
        }
        answers.cost.elapsed_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        answers
    }
}

fn no_planner(why: String) -> Missing {
    Missing {
        id: "godwit.indexes.what_if".to_owned(),
        what: "what the planner would do with an index that does not exist".to_owned(),
        why,
        enable: None,
        price: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::index::Indexes;
    use crate::model::observation::Observation;
    use crate::model::what_if::Parameters;
    use crate::stores::Result;
    use crate::stores::error::{Operation, StoreError};
    use async_trait::async_trait;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Planner {
        asked: AtomicUsize,
        refuses: bool,
    }

    #[async_trait]
    impl IndexStats for Planner {
        async fn indexes(&self) -> Result<Observation<Indexes>> {
            Err(StoreError::new(&"s".into(), Operation::Inspect, ErrorKind::Unsupported, "not asked here"))
        }

        async fn what_if(&self, statement: &str, _: &Parameters, _candidates: &[String]) -> Result<WhatIf> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            match self.refuses {
                true => Err(StoreError::new(&"s".into(), Operation::Inspect, ErrorKind::Unsupported, "no extension")),
                false if statement == "frozen" => std::future::pending().await,
                false => Ok(WhatIf { before: 9.0, after: 1.0, used: vec![0], samples: Vec::new() }),
            }
        }
    }

    fn question(statement: &str) -> Question {
        Question {
            candidate: 0,
            fingerprint: Fingerprint(statement.to_owned()),
            statement: statement.to_owned(),
            parameters: Parameters::default(),
            index: "CREATE INDEX ON t (a)".to_owned(),
        }
    }

    fn planner(refuses: bool) -> Planner {
        Planner { asked: AtomicUsize::new(0), refuses }
    }

    #[tokio::test]
    async fn a_question_is_put_once_an_hour() {
        let (planner, mut answers, now) = (planner(false), PlannerAnswers::default(), DateTime::UNIX_EPOCH);
        let questions = [question("a"), question("b")];
        for (minute, asked) in [(0, 2), (5, 2), (59, 2), (61, 4)] {
            let given = answers.ask(&planner, &questions, now + TimeDelta::minutes(minute)).await.given;
            assert_eq!((given.len(), planner.asked.load(Ordering::SeqCst)), (2, asked), "{minute}");
        }
    }

    #[tokio::test]
    async fn without_a_planner_one_question_is_enough() {
        let planner = planner(true);
        let answers = PlannerAnswers::default().ask(&planner, &[question("a"), question("b")], Utc::now()).await;
        assert_eq!((answers.given.len(), planner.asked.load(Ordering::SeqCst)), (0, 1));
        assert!(answers.missing.unwrap().why.contains("no extension"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_planner_that_thinks_for_ever_holds_nobody_up() {
        let planner = planner(false);
        let questions = [question("a"), question("frozen"), question("b")];
        let mut answers = PlannerAnswers::default();
        let first = answers.ask(&planner, &questions, Utc::now()).await;
        assert_eq!(first.given.len(), 1, "what was answered before is kept");
        let second = answers.ask(&planner, &questions, Utc::now()).await;
        assert_eq!(second.given.len(), 3, "and it does not stand in the way for ever");
        assert!(second.given[1].answer.as_ref().is_err_and(|why| why.contains("no plan within")));
    }
}
