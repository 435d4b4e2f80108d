//! Making an index while its table stays in use, and taking it back.
//!
//! Such a build cannot be in a transaction with the note of who made it, and it outlives its client on most servers. So each engine says what
//! stands now, whoever made it, and the step above decides: nothing is removed that is not proved to be the step's own work.

use crate::model::index_order::IndexBuild;
use crate::stores::Result;
use async_trait::async_trait;
use std::time::Duration;

/// What a store knows of who made an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Maker {
    /// It has a note of this maker.
    Noted(String),
    /// It keeps notes, and has none for this index: somebody else made it.
    Nobody,
    /// It has no place for notes. Whether it was there before is told by whoever looked before building.
    Untold,
}

/// Something that bears an index's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// It is an index on that very table; else the name is taken by something else, and nothing more is told of it.
    pub on_table: bool,
    /// It can be used. False: a build was interrupted and left it behind, or is under way.
    pub valid: bool,
    /// A build of it is under way.
    pub being_built: bool,
    /// Its key columns in order; `None` for an expression.
    pub columns: Vec<Option<String>>,
    /// Who made it.
    pub maker: Maker,
}

impl Standing {
    /// True when its key columns are those of the order; expressions are written differently by every server and are not compared.
    pub fn fits(&self, build: &IndexBuild) -> bool {
        let same = |(found, part): (&Option<String>, &crate::model::index::IndexPart)| {
            part.is_expression || found.as_ref().is_some_and(|found| found.eq_ignore_ascii_case(&part.term))
        };
        self.on_table && self.columns.len() == build.parts.len() && self.columns.iter().zip(&build.parts).all(same)
    }
}

/// Making indexes. Each method uses one connection of its own for as long as it runs.
#[async_trait]
pub trait IndexMaker: Send + Sync {
    /// The exact statements that make the index and those that take it back, for the plan. `maker` signs it where the engine has a place for that.
    fn index_statements(&self, build: &IndexBuild, maker: &str) -> (Vec<String>, Vec<String>);
    /// What bears the index's name now; `None`: nothing does. `maker` is whose unfinished build is looked for.
    async fn index_standing(&self, build: &IndexBuild, maker: &str) -> Result<Option<Standing>>;
    /// Builds it and returns when it is usable. No statement time-out; `patience` bounds each wait for a lock where the engine can. Dropping
    /// the future may leave the server building: [`IndexMaker::index_standing`] tells. After an error something invalid may stand.
    async fn make_index(&self, build: &IndexBuild, maker: &str, patience: Option<Duration>) -> Result<()>;
    /// Removes what bears its name and forgets the note; ends a build of `maker`'s first. The caller has made sure that it is `maker`'s own.
    /// Succeeds when nothing is there.
    async fn unmake_index(&self, build: &IndexBuild, maker: &str, patience: Option<Duration>) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::index::IndexPart;

    fn part(term: &str, is_expression: bool) -> IndexPart {
        IndexPart {
            term: term.to_owned(),
            is_expression,
            operator_class: String::new(),
            collation: String::new(),
            descending: false,
            nulls_first: false,
            prefix: None,
        }
    }

    #[test]
    fn an_index_fits_by_its_columns_in_their_order() {
        let build = |parts: Vec<IndexPart>| IndexBuild {
            table: "t".to_owned(),
            name: "t_idx".to_owned(),
            parts,
            unique: false,
            statement: String::new(),
            undo: String::new(),
        };
        let standing = |columns: &[Option<&str>]| Standing {
            on_table: true,
            valid: true,
            being_built: false,
            columns: columns.iter().map(|column| column.map(str::to_owned)).collect(),
            maker: Maker::Untold,
        };
        let two = build(vec![part("a", false), part("lower(b)", true)]);
        assert!(standing(&[Some("A"), None]).fits(&two));
        assert!(!standing(&[None, Some("a")]).fits(&two));
        assert!(!standing(&[Some("a")]).fits(&two));
        assert!(!Standing { on_table: false, ..standing(&[Some("a"), None]) }.fits(&two));
    }
}
