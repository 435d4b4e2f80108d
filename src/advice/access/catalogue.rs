//! The rules, in the order of their ids, by family.

mod mongodb;
mod mysql;
mod ownership;
mod postgres;
mod redis;

use super::case::Case;
use super::judgement::Judgement;
use crate::model::access::mongodb::MongoFacts;
use crate::model::access::mysql::MysqlFacts;
use crate::model::access::postgres::PostgresFacts;
use crate::model::access::reading::EngineKind;
use crate::model::access::redis::RedisFacts;
use crate::model::finding::Severity;

/// A judge over PostgreSQL's facts.
type PostgresJudge = fn(&Case<'_>, &PostgresFacts) -> Judgement;
/// A judge over the facts of MariaDB or MySQL.
type MysqlJudge = fn(&Case<'_>, &MysqlFacts) -> Judgement;
/// A judge over MongoDB's facts.
type MongoJudge = fn(&Case<'_>, &MongoFacts) -> Judgement;
/// A judge over the facts of Redis or Valkey.
type RedisJudge = fn(&Case<'_>, &RedisFacts) -> Judgement;

/// How a rule judges.
#[derive(Clone, Copy, Debug)]
pub enum Judge {
    /// Over PostgreSQL's own facts.
    Postgres(PostgresJudge),
    /// Over those of MariaDB or MySQL.
    Mysql(MysqlJudge),
    /// Over those of MongoDB.
    Mongo(MongoJudge),
    /// Over those of Redis or Valkey.
    Redis(RedisJudge),
    /// Over the neutral words, on every engine.
    Any(fn(&Case<'_>) -> Judgement),
    /// Over two stores at once: the engine calls it for each pipeline, and it is no part of a store's own audit.
    BothSides,
}

/// What a rule cannot do without. A part that was not read makes it *not checkable*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Logins and their rights.
    Rights,
    /// Which tables are in use.
    Uses,
    /// What programs work on.
    Code,
    /// Other logins' sessions.
    Sessions,
}

/// A rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Stable id.
    pub id: &'static str,
    /// How bad a failure is, unless the failure says otherwise.
    pub severity: Severity,
    /// What holds when it passes.
    pub holds: &'static str,
    /// CIS number, where known.
    pub cis: Option<&'static str>,
    /// How it judges.
    pub judge: Judge,
    /// What it cannot do without.
    pub needs: &'static [Need],
    /// Engines that it has an object on, and why it has none on the others.
    pub only: Option<(&'static [EngineKind], &'static str)>,
}

impl Rule {
    const fn new(
        id: &'static str,
        severity: Severity,
        holds: &'static str,
        cis: Option<&'static str>,
        judge: Judge,
    ) -> Self {
        Self { id, severity, holds, cis, judge, needs: &[], only: None }
    }

    const fn needs(mut self, needs: &'static [Need]) -> Self {
        self.needs = needs;
        self
    }

    const fn only(mut self, engines: &'static [EngineKind], why: &'static str) -> Self {
        self.only = Some((engines, why));
        self
    }

    /// True when it is a part of this kind of engine's audit: rules of another engine are not, those of ownership always are.
    pub fn is_of(&self, kind: EngineKind) -> bool {
        match self.judge {
            Judge::Postgres(_) => kind == EngineKind::Postgres,
            Judge::Mysql(_) => kind == EngineKind::Mysql,
            Judge::Mongo(_) => kind == EngineKind::Mongo,
            Judge::Redis(_) => kind == EngineKind::Redis,
            Judge::Any(_) | Judge::BothSides => true,
        }
    }

    /// Why it has nothing to judge on this kind of engine.
    pub fn absent_on(&self, kind: EngineKind) -> Option<&'static str> {
        self.only.filter(|(engines, _)| !engines.contains(&kind)).map(|(_, why)| why)
    }
}

/// All rules, family by family.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    postgres::RULES.iter().chain(&mysql::RULES).chain(&mongodb::RULES).chain(&redis::RULES).chain(&ownership::RULES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::access::declared::rule_ids;

    #[test]
    fn every_id_has_its_rule_once_and_in_order() {
        let ids: Vec<&str> = rules().map(|rule| rule.id).collect();
        // Advice on indexes is waived by id as well; its rules are not of this catalogue.
        let audited: Vec<String> = rule_ids().into_iter().filter(|id| !id.starts_with("IX-")).collect();
        assert_eq!(ids, audited);
    }

    #[test]
    fn every_engine_has_every_rule_of_ownership() {
        for kind in EngineKind::ALL {
            let of_ownership = rules().filter(|rule| rule.id.starts_with("OWN-") && rule.is_of(kind)).count();
            assert_eq!(of_ownership, 25, "{kind:?}: not applicable where there is no object, never missing");
        }
    }

    /// docs/operator/access.md is for people; its table of rules must say what the rules say.
    #[test]
    fn the_operators_page_lists_every_rule() {
        let page = std::fs::read_to_string("docs/operator/access.md").unwrap();
        let listed: Vec<&str> = page.lines().filter(|line| is_rule_line(line)).collect();
        let expected: Vec<String> = rules()
            .map(|rule| {
                let letter = &rule.severity.mark()[..1];
                format!("| {} | {letter} | {} |", rule.id, rule.holds)
            })
            .collect();
        for (line, expected) in listed.iter().zip(&expected) {
            assert!(line.starts_with(expected), "{line}\nshould begin with\n{expected}");
        }
        assert_eq!(listed.len(), expected.len());
    }

    fn is_rule_line(line: &str) -> bool {
        ["PG-", "MY-", "MG-", "RD-", "OWN-"].iter().any(|family| line.starts_with(&format!("| {family}")))
    }
}
