//! A client of the engine that folds the journal, and asks, starts and waits as an operator does.

use crate::driver::PATIENCE;
use godwit::model::command::{Action, Answer, Command};
use godwit::model::event::Entry;
use godwit::model::fold::Migration;
use godwit::model::ids::PhaseId;
use godwit::model::phase::PhaseStatus;
use godwit::model::plan::Direction;
use godwit::wire::client::Connection;
use godwit::wire::frame::ServerFrame;
use godwit::wire::place::Place;

/// A client that folds the journal.
pub struct Client {
    /// Where the engine is heard.
    pub connection: Connection,
    /// What the fold gives.
    pub state: Migration,
    /// Every row that came.
    pub log: Vec<Entry>,
}

impl Client {
    /// Connects as soon as the engine listens and reads the journal up to its present head.
    pub async fn connect(place: &Place, mut lives: impl FnMut() -> bool) -> Self {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            assert!(lives(), "the engine ended");
            match Connection::open(&place.socket, "test").await {
                Ok(connection) => {
                    let mut client = Self { connection, state: Migration::default(), log: Vec::new() };
                    client.catch_up().await;
                    return client;
                }
                Err(error) => assert!(tokio::time::Instant::now() < deadline, "{error}"),
            }
            tokio::task::yield_now().await;
        }
    }

    /// Subscribes behind the last row that this client has, and waits for the rest.
    pub async fn catch_up(&mut self) {
        self.connection.subscribe(self.state.head, false).await.unwrap();
        let head = self.connection.welcome.head;
        self.until("the journal's head", |m| m.head >= head).await;
    }

    /// Sends a command that changes a phase and waits until that change is folded in.
    pub async fn accepted(&mut self, action: Action) -> Result<(), String> {
        match self.act(action).await? {
            Answer::Accepted { seq, .. } => {
                self.until("the change", |m| m.phases.iter().any(|p| p.changed_seq >= seq)).await;
            }
            Answer::Planned { .. } | Answer::Checked { .. } | Answer::Ending { .. } | Answer::Rejected { .. } => {}
        }
        Ok(())
    }

    /// Takes one frame in.
    pub async fn next(&mut self) -> Option<Answer> {
        match tokio::time::timeout(PATIENCE, self.connection.next()).await.expect("the engine is silent").unwrap() {
            ServerFrame::Entries { entries } => {
                for entry in entries {
                    self.state.apply(&entry).unwrap();
                    self.log.push(entry);
                }
                None
            }
            ServerFrame::Answer { answer, .. } => Some(*answer),
            _ => None,
        }
    }

    /// Waits until the folded state satisfies a condition.
    pub async fn until(&mut self, what: &str, mut holds: impl FnMut(&Migration) -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !holds(&self.state) {
            assert!(tokio::time::Instant::now() < deadline, "{what} did not happen: {:#?}", self.state.phases);
            self.next().await;
        }
    }

    /// Sends a command as an operator who saw the present state.
    pub async fn act(&mut self, action: Action) -> Result<Answer, String> {
        let expected_seq = Some(self.state.head);
        self.ask(Command { expected_seq, confirm: None, action }).await
    }

    pub async fn ask(&mut self, command: Command) -> Result<Answer, String> {
        self.connection.send(command).await.unwrap();
        loop {
            match self.next().await {
                Some(Answer::Rejected { why }) => return Err(why),
                Some(answer) => return Ok(answer),
                None => {}
            }
        }
    }

    pub fn status(&self, phase: &str) -> PhaseStatus {
        self.state.phase(&PhaseId::from(phase)).unwrap().status.clone()
    }

    /// Asks for a phase and approves its plan.
    pub async fn begin(&mut self, phase: &str) -> Result<(), String> {
        let id = PhaseId::from(phase);
        let Answer::Planned { plan, .. } = self.act(Action::Run { phase: id.clone() }).await? else {
            return Err("no plan".to_owned());
        };
        self.until("the request", |m| {
            matches!(&m.phase(&id).unwrap().status, PhaseStatus::AwaitingApproval { plan: p, .. } if *p == plan.hash)
        })
        .await;
        self.act(Action::Approve { phase: id, plan: plan.hash }).await.map(|_| ())
    }

    /// Runs a phase to its end and asserts that it succeeded. A gate that needs a first reading is asked again.
    pub async fn run(&mut self, phase: &str) {
        self.start(phase).await;
        self.ended(phase).await;
        assert_eq!(
            self.status(phase),
            PhaseStatus::Succeeded,
            "{:#?}",
            self.state.phase(&PhaseId::from(phase)).unwrap().steps
        );
    }

    /// Gets a phase started. A gate that needs a first reading, or pipelines that are just starting, are asked again.
    pub async fn start(&mut self, phase: &str) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while let Err(why) = self.begin(phase).await {
            assert!(tokio::time::Instant::now() < deadline, "{phase}: {why}");
            // "meanwhile" is our own last question's refusal.
            let passes = ["not known", "lag", "state starting", "meanwhile"].iter().any(|word| why.contains(word));
            assert!(passes, "{phase}: {why}");
        }
        let id = PhaseId::from(phase);
        self.until("the start", |m| !matches!(m.phase(&id).unwrap().status, PhaseStatus::AwaitingApproval { .. }))
            .await;
    }

    /// Waits until a phase stands still after it was started.
    pub async fn ended(&mut self, phase: &str) {
        let id = PhaseId::from(phase);
        self.until(&format!("the end of {phase}"), |m| {
            matches!(
                m.phase(&id).unwrap().status,
                PhaseStatus::Succeeded
                    | PhaseStatus::Failed { .. }
                    | PhaseStatus::Stuck { .. }
                    | PhaseStatus::RolledBack
            )
        })
        .await;
    }

    /// Prints the roll back plan and carries it out.
    pub async fn roll_back(&mut self, phase: &str) -> Result<(), String> {
        self.begin_roll_back(phase).await?;
        self.taken_back(phase).await;
        Ok(())
    }

    /// Prints the roll back plan and names it.
    pub async fn begin_roll_back(&mut self, phase: &str) -> Result<(), String> {
        let id = PhaseId::from(phase);
        let plan = self.act(Action::Plan { phase: id.clone(), direction: Direction::Rollback }).await?;
        let Answer::Planned { plan, .. } = plan else { return Err("no plan".to_owned()) };
        self.accepted(Action::Rollback { phase: id, plan: plan.hash }).await
    }

    /// Waits until a roll back stands still.
    pub async fn taken_back(&mut self, phase: &str) {
        let id = PhaseId::from(phase);
        self.until("the roll back's end", |m| {
            !m.phases.iter().any(|p| p.status == PhaseStatus::RollingBack)
                && matches!(
                    m.phase(&id).unwrap().status,
                    PhaseStatus::RolledBack | PhaseStatus::Stuck { .. } | PhaseStatus::Ready | PhaseStatus::Pending
                )
        })
        .await;
    }
}
