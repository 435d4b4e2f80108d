//! A command's view of a running engine: the migration folded from its journal, its readings, and questions to it.

use crate::cli::choice::Chosen;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::model::command::{Action, Answer, Command};
use crate::model::event::Entry;
use crate::model::fold::Migration;
use crate::model::ids::Seq;
use crate::model::sample::Samples;
use crate::model::view::{View, ViewKind};
use crate::wire::client::Connection;
use crate::wire::frame::{ServerFrame, Welcome};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest wait for the journal at the start: the engine reads it from memory or its own disk.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait for the first readings.
const SAMPLES_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for an answer. Making a plan asks every store once; checks have time-outs of their own.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// One thing that arrived.
#[derive(Debug)]
pub enum Update {
    /// Journal rows; already part of [`Session::migration`].
    Entries(Vec<Entry>),
    /// Readings; already in [`Session::samples`].
    Samples,
    /// A watched view.
    View(Box<View>),
}

/// A subscription that has caught up with the journal.
pub struct Session {
    /// What the engine said of itself and of us.
    pub welcome: Welcome,
    /// The migration up to the last received row.
    pub migration: Migration,
    /// The last readings.
    pub samples: Option<Samples>,
    connection: Connection,
    socket: PathBuf,
}

impl Session {
    /// Connects and catches up.
    ///
    /// # Errors
    /// No engine, a refusal, a lost connection, a journal that does not fold, or an engine that stays silent.
    pub async fn open(chosen: &Chosen) -> Result<Self, Failure> {
        Self::open_at(&chosen.place.socket).await
    }

    /// Connects to a socket and catches up.
    ///
    /// # Errors
    /// See [`Session::open`].
    pub async fn open_at(socket: &Path) -> Result<Self, Failure> {
        let mut connection = Connection::open(socket, "cli").await?;
        connection.subscribe(Seq(0), true).await?;
        let welcome = connection.welcome.clone();
        let mut session =
            Self { welcome, migration: Migration::default(), samples: None, connection, socket: socket.to_owned() };
        let head = session.welcome.head;
        let catch_up = async {
            while session.migration.head < head {
                session.next().await?;
            }
            Ok::<(), Failure>(())
        };
        tokio::time::timeout(CATCH_UP_TIMEOUT, catch_up).await.map_err(|_| {
            silent(&format!("did not send its journal up to row {head} within {} s", CATCH_UP_TIMEOUT.as_secs()))
        })??;
        Ok(session)
    }

    /// The next thing that arrives.
    ///
    /// # Errors
    /// When the connection ends, or a row does not follow from the ones before it.
    pub async fn next(&mut self) -> Result<Update, Failure> {
        loop {
            match self.connection.next().await? {
                ServerFrame::Entries { entries } => {
                    for entry in &entries {
                        self.migration.apply(entry).map_err(|error| {
                            Failure::new(Exit::Finding, format!("the journal is not sound: {error}"))
                        })?;
                    }
                    return Ok(Update::Entries(entries));
                }
                ServerFrame::Samples { samples } => {
                    self.samples = Some(*samples);
                    return Ok(Update::Samples);
                }
                ServerFrame::View { view } => return Ok(Update::View(view)),
                ServerFrame::Stopping { why } => {
                    return Err(Failure::new(Exit::ConnectionLost, format!("the engine is stopping: {why}")));
                }
                ServerFrame::Refused { why } => return Err(Failure::new(Exit::Rejected, why)),
                ServerFrame::Hello(_) | ServerFrame::Answer { .. } => {}
            }
        }
    }

    /// The readings; waits for the first ones.
    ///
    /// # Errors
    /// When none arrive in time.
    pub async fn samples(&mut self) -> Result<Samples, Failure> {
        let wait = async {
            while self.samples.is_none() {
                self.next().await?;
            }
            Ok::<(), Failure>(())
        };
        tokio::time::timeout(SAMPLES_TIMEOUT, wait)
            .await
            .map_err(|_| silent(&format!("sent no readings within {} s", SAMPLES_TIMEOUT.as_secs())))??;
        Ok(self.samples.clone().unwrap_or_default())
    }

    /// Watches a view: it arrives as [`Update::View`], now and whenever it changes.
    ///
    /// # Errors
    /// When the connection ends.
    pub async fn watch(&mut self, kind: ViewKind) -> Result<(), Failure> {
        Ok(self.connection.watch(vec![kind]).await?)
    }

    /// Asks on a connection of its own, so that rows which arrive meanwhile are not lost.
    ///
    /// # Errors
    /// When the connection ends or the engine stays silent; the command may then have been carried out.
    pub async fn ask(&self, command: Command) -> Result<Answer, Failure> {
        let mut connection = Connection::open(&self.socket, "cli").await?;
        tokio::time::timeout(ANSWER_TIMEOUT, connection.ask(command))
            .await
            .map_err(|_| silent(&format!("did not answer within {} s", ANSWER_TIMEOUT.as_secs())))?
            .map_err(Failure::from)
    }

    /// Asks for something that changes nothing, on any state.
    ///
    /// # Errors
    /// See [`Session::ask`].
    pub async fn inquire(&self, action: Action) -> Result<Answer, Failure> {
        self.ask(Command { expected_seq: None, confirm: None, action }).await
    }
}

fn silent(what: &str) -> Failure {
    Failure::new(
        Exit::ConnectionLost,
        format!("the engine {what}; what was asked may have happened: look at `godwit log` and the engine's log file"),
    )
}
