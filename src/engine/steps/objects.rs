//! Steps that make one object each on a target, so that the journal knows exactly what Godwit made.

use crate::engine::mapping;
use crate::engine::steps::step::{Outcome, Step, StepContext, StepError};
use crate::model::ids::{PipelineId, StepId};
use crate::model::pipeline::{PipelineEvent, Traffic};
use crate::model::plan::PlannedStep;
use crate::model::schema::SchemaStatement;
use crate::model::table::TableMap;
use crate::stores::StoreRef;
use async_trait::async_trait;

/// Fixes a pipeline's mapping in the journal.
pub struct MapStep {
    /// Pipeline.
    pub pipeline: PipelineId,
    /// The mapping that the plan was made with.
    pub maps: Vec<TableMap>,
}

#[async_trait]
impl Step for MapStep {
    fn planned(&self) -> PlannedStep {
        let does = self
            .maps
            .iter()
            .map(|m| {
                let key: Vec<&str> =
                    m.key.iter().filter_map(|&i| m.columns.get(i)).map(|c| c.source.as_str()).collect();
                let key =
                    if key.is_empty() { "no key, whole rows".to_owned() } else { format!("key {}", key.join(", ")) };
                format!("-- {} -> {}: {} columns, {key}", m.source, m.target, m.columns.len())
            })
            .collect();
        PlannedStep {
            id: StepId(format!("{}/map", self.pipeline)),
            title: "Fix the mapping of tables and columns".to_owned(),
            does,
            undo: Vec::new(),
            point_of_no_return: false,
        }
    }

    async fn check(&self, context: &StepContext) -> Result<Option<Outcome>, StepError> {
        Ok(context.core.maps(&self.pipeline).map(|maps| Outcome::seen(format!("{} tables mapped", maps.len()))))
    }

    async fn act(&self, context: &StepContext) -> Result<Outcome, StepError> {
        // Read anew, so that what is fixed is what is there now; the plan's hash covers what the approvers saw.
        let pipeline = context.core.pipeline(&self.pipeline)?;
        let tables = mapping::read(&context.core, pipeline).await?;
        if tables != self.maps {
            return Err(StepError::retry(
                format!("the source's schema of pipeline {} changed after the plan was printed", self.pipeline),
                "roll back and ask for the phase again: a changed plan needs a new approval",
            ));
        }
        let count = tables.len();
        context.core.note(&self.pipeline, PipelineEvent::Mapped { tables }).await;
        Ok(Outcome::seen(format!("{count} tables mapped")))
    }

    async fn undo(&self, context: &StepContext, _made: &[String]) -> Result<String, StepError> {
        let core = &context.core;
        // Columns that came on the way went with their tables; a type or a sequence that came with them did not. What came the other way,
        // from the new side to the old one, stays: the old side may hold data in it.
        let target = core.store(&core.pipeline(&self.pipeline)?.to)?;
        let notes = core.record(&self.pipeline).schema;
        for note in notes.iter().rev().filter(|n| n.captured == Traffic::Source) {
            for statement in note.made.iter().rev() {
                if target.schema().exists(statement).await? {
                    target.schema().execute(&statement.undo).await?;
                }
            }
        }
        core.note(&self.pipeline, PipelineEvent::Mapped { tables: Vec::new() }).await;
        Ok("the mapping is read anew by the next build".to_owned())
    }
}

/// Makes one schema object.
pub struct SchemaStep {
    /// What its name begins with: the pipeline.
    pub scope: String,
    /// Where.
    pub store: StoreRef,
    /// What.
    pub statement: SchemaStatement,
}

impl SchemaStep {
    fn id(&self) -> StepId {
        StepId(format!("{}/{}", self.scope, self.statement.object))
    }

    /// True for objects that services may share and that Godwit does not insist on having made.
    fn may_exist(&self) -> bool {
        self.statement.object.starts_with("schema ") || self.statement.object.starts_with("extension ")
    }

    fn made(&self) -> Outcome {
        Outcome { evidence: format!("{} made", self.statement.object), made: vec![self.statement.undo.clone()] }
    }

    /// True when another step of this migration made the same object (two pipelines into one target share types).
    fn made_elsewhere(&self, context: &StepContext) -> bool {
        let (state, own) = (context.core.dispatcher.state(), self.id());
        let others = state.phases.iter().flat_map(|p| p.steps.iter()).filter(|s| s.id != own);
        others.into_iter().any(|s| s.made.contains(&self.statement.undo))
    }

    /// The name under which this step signs what it makes.
    fn maker(&self, context: &StepContext) -> String {
        maker(context, self.id().as_str())
    }

    /// True when the store itself says that this step made the object: the journal may have lost that to a crash.
    async fn is_ours(&self, context: &StepContext) -> Result<bool, StepError> {
        Ok(self.store.schema().maker(&self.statement).await?.is_some_and(|maker| maker == self.maker(context)))
    }
}

/// The name under which a step of a phase signs what it makes; a prefix of it that ends with `/` stands for several steps.
pub fn maker(context: &StepContext, step: &str) -> String {
    format!("{}/{}/{step}/", context.core.profile.migration.name, context.phase)
}

#[async_trait]
impl Step for SchemaStep {
    fn planned(&self) -> PlannedStep {
        PlannedStep {
            id: self.id(),
            title: format!("Make {} on {}", self.statement.object, self.store.id()),
            does: vec![self.statement.statement.clone()],
            undo: vec![self.statement.undo.clone()],
            point_of_no_return: false,
        }
    }

    async fn check(&self, context: &StepContext) -> Result<Option<Outcome>, StepError> {
        Ok(self.is_ours(context).await?.then(|| self.made()))
    }

    async fn admits(&self, context: &StepContext) -> Result<(), StepError> {
        let free = self.may_exist()
            || !self.store.schema().exists(&self.statement).await?
            || self.made_elsewhere(context)
            || self.is_ours(context).await?;
        if free {
            return Ok(());
        }
        Err(StepError::mend(
            format!("{}: {} exists already and Godwit did not make it", self.store.id(), self.statement.object),
            "Godwit never touches what it did not make: rename or remove it yourself, then retry",
        ))
    }

    async fn act(&self, context: &StepContext) -> Result<Outcome, StepError> {
        let shared = self.may_exist() || self.made_elsewhere(context);
        if shared && self.store.schema().exists(&self.statement).await? && !self.is_ours(context).await? {
            return Ok(Outcome::seen(format!("{} was there; this step did not make it", self.statement.object)));
        }
        let Err(error) = self.store.schema().make(&self.statement, &self.maker(context)).await else {
            return Ok(self.made());
        };
        // An answer that got lost, or an earlier attempt: the store knows. If it cannot be asked, the first error says why.
        match self.is_ours(context).await {
            Ok(true) => Ok(self.made()),
            Ok(false) | Err(_) => Err(error.into()),
        }
    }

    async fn undo(&self, context: &StepContext, made: &[String]) -> Result<String, StepError> {
        let schema = self.store.schema();
        let unknown = made.is_empty() && self.is_ours(context).await?;
        let undo = if unknown { std::slice::from_ref(&self.statement.undo) } else { made };
        for statement in undo.iter().rev() {
            if schema.exists(&self.statement).await? {
                schema.unmake(&self.statement, statement).await?;
            } else {
                schema.disown(&self.maker(context)).await?;
            }
        }
        Ok(if undo.is_empty() {
            "not made by this step, left alone".to_owned()
        } else {
            format!("{} removed", self.statement.object)
        })
    }
}

/// Runs one statement that is safe to run twice, such as a GRANT or ANALYZE.
pub struct SqlStep {
    /// Step id.
    pub id: StepId,
    /// Words.
    pub title: String,
    /// Where.
    pub store: StoreRef,
    /// Forward.
    pub statement: String,
    /// Back; empty: nothing to take back.
    pub undo: String,
}

#[async_trait]
impl Step for SqlStep {
    fn planned(&self) -> PlannedStep {
        PlannedStep {
            id: self.id.clone(),
            title: self.title.clone(),
            does: vec![self.statement.clone()],
            undo: if self.undo.is_empty() { Vec::new() } else { vec![self.undo.clone()] },
            point_of_no_return: false,
        }
    }

    async fn check(&self, _context: &StepContext) -> Result<Option<Outcome>, StepError> {
        Ok(None)
    }

    async fn act(&self, _context: &StepContext) -> Result<Outcome, StepError> {
        self.store.schema().execute(&self.statement).await?;
        let made = if self.undo.is_empty() { Vec::new() } else { vec![self.undo.clone()] };
        Ok(Outcome { evidence: "done".to_owned(), made })
    }

    async fn undo(&self, _context: &StepContext, made: &[String]) -> Result<String, StepError> {
        for statement in made.iter().rev() {
            self.store.schema().execute(statement).await?;
        }
        Ok(if made.is_empty() { "nothing to take back".to_owned() } else { "taken back".to_owned() })
    }
}
