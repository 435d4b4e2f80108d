//! The client's end: one connection, or a link that reconnects and catches up by cursor.

use crate::model::command::{Answer, Command};
use crate::model::event::Entry;
use crate::model::ids::Seq;
use crate::model::sample::Samples;
use crate::model::view::{View, ViewKind};
pub use crate::wire::frame::Welcome;
use crate::wire::frame::{ClientFrame, FrameCodec, FrameError, PROTOCOL, ServerFrame};
use futures_util::{SinkExt, StreamExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio_util::codec::Framed;

/// Longest time for the engine to answer the handshake: it only reads memory for it.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a client has no connection.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No engine listens.
    #[error("no engine is running for this migration (socket {path}: {source}); start one with `godwit up`")]
    NotRunning {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The engine refused.
    #[error("the engine refused the connection: {0}")]
    Refused(String),
    /// The engine went away.
    #[error("the engine closed the connection")]
    Closed,
    /// The engine did not answer in time.
    #[error("the engine did not answer within {} s", HANDSHAKE_TIMEOUT.as_secs())]
    Silent,
    /// A frame failed.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// One connection after its handshake.
pub struct Connection {
    /// What the engine said of itself and of us.
    pub welcome: Welcome,
    framed: Framed<UnixStream, FrameCodec<ServerFrame, ClientFrame>>,
    next_id: u64,
}

impl Connection {
    /// Connects and shakes hands. `client` is `cockpit` or `cli`.
    ///
    /// # Errors
    /// [`ClientError`]; the engine's own sentence when it refuses.
    pub async fn open(socket: &Path, client: &str) -> Result<Self, ClientError> {
        let stream = UnixStream::connect(socket)
            .await
            .map_err(|source| ClientError::NotRunning { path: socket.to_owned(), source })?;
        let mut framed = Framed::new(stream, FrameCodec::default());
        let handshake = async {
            framed
                .send(ClientFrame::Hello {
                    protocol: PROTOCOL,
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    client: client.to_owned(),
                })
                .await?;
            match framed.next().await {
                Some(Ok(ServerFrame::Hello(welcome))) => Ok(welcome),
                Some(Ok(ServerFrame::Refused { why })) => Err(ClientError::Refused(why)),
                Some(Ok(_)) => Err(ClientError::Refused("the engine did not begin with a greeting".to_owned())),
                Some(Err(error)) => Err(error.into()),
                None => Err(ClientError::Closed),
            }
        };
        let welcome = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await.map_err(|_| ClientError::Silent)??;
        Ok(Self { welcome, framed, next_id: 1 })
    }

    /// Sends a command and waits for its answer, skipping other frames.
    ///
    /// # Errors
    /// [`ClientError`] when the connection ends first; the command may then have been carried out: look at the journal.
    pub async fn ask(&mut self, command: Command) -> Result<Answer, ClientError> {
        let id = self.send(command).await?;
        loop {
            match self.next().await? {
                ServerFrame::Answer { id: answered, answer } if answered == id => return Ok(*answer),
                _ => {}
            }
        }
    }

    /// Sends a command; its answer comes as a [`ServerFrame::Answer`] with the returned id.
    ///
    /// # Errors
    /// [`ClientError`] when the connection is gone: the command may or may not have arrived.
    pub async fn send(&mut self, command: Command) -> Result<u64, ClientError> {
        let id = self.next_id;
        self.next_id += 1;
        self.framed.send(ClientFrame::Command { id, command }).await?;
        Ok(id)
    }

    /// Asks for journal rows after `since`, and for readings.
    ///
    /// # Errors
    /// [`ClientError`] when the connection is gone.
    pub async fn subscribe(&mut self, since: Seq, samples: bool) -> Result<(), ClientError> {
        Ok(self.framed.send(ClientFrame::Subscribe { since, samples }).await?)
    }

    /// Asks for views, now and whenever they change.
    ///
    /// # Errors
    /// [`ClientError`] when the connection is gone.
    pub async fn watch(&mut self, views: Vec<ViewKind>) -> Result<(), ClientError> {
        Ok(self.framed.send(ClientFrame::Watch { views }).await?)
    }

    /// The next frame.
    ///
    /// # Errors
    /// [`ClientError::Closed`] at the end.
    pub async fn next(&mut self) -> Result<ServerFrame, ClientError> {
        match self.framed.next().await {
            Some(frame) => Ok(frame?),
            None => Err(ClientError::Closed),
        }
    }
}

/// What a reconnecting link tells its owner.
#[derive(Debug)]
pub enum LinkEvent {
    /// Connected (again); rows after the cursor follow.
    Up(Welcome),
    /// Journal rows in order.
    Entries(Vec<Entry>),
    /// Readings.
    Samples(Box<Samples>),
    /// A watched view.
    View(Box<View>),
    /// The answer to the command with this id.
    Answer(u64, Box<Answer>),
    /// The connection is gone (or was never there). Commands without an answer are of unknown outcome.
    Down {
        /// Why.
        why: String,
        /// When the next attempt is made.
        retry_in: Duration,
    },
}

/// A link that reconnects by itself and catches up by cursor.
pub struct Link {
    /// What happens, in order.
    pub events: mpsc::Receiver<LinkEvent>,
    commands: mpsc::Sender<(u64, Command)>,
    views: watch::Sender<Vec<ViewKind>>,
    next_id: u64,
}

impl Link {
    /// Starts the link in a task of its own. It ends when the link is dropped.
    pub fn start(socket: PathBuf, client: &'static str) -> Self {
        let (event_tx, events) = mpsc::channel(256);
        let (commands, command_rx) = mpsc::channel(16);
        let (views, view_rx) = watch::channel(Vec::new());
        tokio::spawn(run_link(socket, client, event_tx, command_rx, view_rx));
        Self { events, commands, views, next_id: 1 }
    }

    /// Says which views are watched from now on, also after a reconnect.
    pub fn watch(&self, views: Vec<ViewKind>) {
        self.views.send_if_modified(|watched| {
            let differs = *watched != views;
            *watched = views;
            differs
        });
    }

    /// Hands a command over without waiting; the answer comes as [`LinkEvent::Answer`] with the returned id.
    /// `None` when the link is down or its queue is full: nothing was sent.
    pub fn send(&mut self, command: Command) -> Option<u64> {
        let id = self.next_id;
        self.commands.try_send((id, command)).ok()?;
        self.next_id += 1;
        Some(id)
    }
}

/// Connects, subscribes from the cursor, forwards; on loss waits with back-off from 100 ms to 5 s and starts over.
async fn run_link(
    socket: PathBuf,
    client: &'static str,
    events: mpsc::Sender<LinkEvent>,
    mut commands: mpsc::Receiver<(u64, Command)>,
    mut views: watch::Receiver<Vec<ViewKind>>,
) {
    let mut cursor = Seq(0);
    let mut pause = Duration::from_millis(100);
    loop {
        let why = match Connection::open(&socket, client).await {
            Ok(connection) => {
                pause = Duration::from_millis(100);
                match serve_link(connection, &mut cursor, &events, &mut commands, &mut views).await {
                    Some(error) => error.to_string(),
                    None => return,
                }
            }
            Err(error) => error.to_string(),
        };
        if events.send(LinkEvent::Down { why, retry_in: pause }).await.is_err() {
            return;
        }
        // Commands typed while the link is down must not be carried out later, on a state that nobody saw.
        while commands.try_recv().is_ok() {}
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = events.closed() => return,
        }
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

/// Serves one connection; `None` when the owner is gone.
async fn serve_link(
    mut connection: Connection,
    cursor: &mut Seq,
    events: &mpsc::Sender<LinkEvent>,
    commands: &mut mpsc::Receiver<(u64, Command)>,
    views: &mut watch::Receiver<Vec<ViewKind>>,
) -> Option<ClientError> {
    if events.send(LinkEvent::Up(connection.welcome.clone())).await.is_err() {
        return None;
    }
    if let Err(error) = connection.subscribe(*cursor, true).await {
        return Some(error);
    }
    // A new connection watches nothing: what is watched has to be said again.
    if !views.borrow_and_update().is_empty() {
        views.mark_changed();
    }
    loop {
        let event = tokio::select! {
            frame = connection.next() => match frame {
                Ok(ServerFrame::Entries { entries }) => {
                    if let Some(last) = entries.last() {
                        *cursor = last.seq;
                    }
                    LinkEvent::Entries(entries)
                }
                Ok(ServerFrame::Samples { samples }) => LinkEvent::Samples(samples),
                Ok(ServerFrame::View { view }) => LinkEvent::View(view),
                Ok(ServerFrame::Answer { id, answer }) => LinkEvent::Answer(id, answer),
                Ok(ServerFrame::Stopping { why } | ServerFrame::Refused { why }) => {
                    return Some(ClientError::Refused(why));
                }
                Ok(ServerFrame::Hello(_)) => continue,
                Err(error) => return Some(error),
            },
            Ok(()) = views.changed() => {
                let wanted = views.borrow_and_update().clone();
                if let Err(error) = connection.watch(wanted).await {
                    return Some(error);
                }
                continue;
            }
            command = commands.recv() => {
                let (id, command) = command?;
                if let Err(error) = connection.framed.send(ClientFrame::Command { id, command }).await {
                    return Some(error.into());
                }
                continue;
            }
        };
        if events.send(event).await.is_err() {
            return None;
        }
    }
}
