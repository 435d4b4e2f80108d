//! The engine's end of the wire: accepts, shakes hands, serves each client in a task of its own.

use crate::model::command::{Answer, Command};
use crate::model::event::Entry;
use crate::model::ids::{Operator, Seq};
use crate::model::role::Role;
use crate::model::sample::Samples;
use crate::model::view::{View, ViewKind};
use crate::wire::frame::{ClientFrame, FrameCodec, FrameError, PROTOCOL, ServerFrame, Welcome};
use async_trait::async_trait;
use futures_util::{SinkExt, StreamExt};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio_util::codec::Framed;
use tokio_util::task::TaskTracker;

/// Longest time for a client to greet.
const GREETING_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest time for one frame to be taken by a client; a stopped terminal must not hold the engine's memory.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest wait for answers under way when the engine stops.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Journal rows in one frame.
const ROWS_AT_ONCE: u64 = 500;

/// Shortest time between two sets of readings to one client.
const SAMPLES_EVERY: Duration = Duration::from_millis(500);

/// What the server needs of the engine.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// The operator behind a peer and its role; `Err`: the sentence with which the peer is refused.
    ///
    /// # Errors
    /// Why the peer may not connect.
    fn admit(&self, uid: u32, gid: u32) -> Result<(Operator, Role), String>;
    /// Migration name and process id for the greeting.
    fn identity(&self) -> (String, u32);
    /// Last journal row; wakes at every append.
    fn head(&self) -> watch::Receiver<Seq>;
    /// Journal rows after `since`.
    ///
    /// # Errors
    /// The journal's sentence.
    async fn entries(&self, since: Seq, limit: u64) -> Result<Vec<Entry>, String>;
    /// Readings; wakes when they change.
    fn samples(&self) -> watch::Receiver<Samples>;
    /// Counts up for each view when it changes.
    fn view_versions(&self) -> watch::Receiver<BTreeMap<ViewKind, u64>>;
    /// A copy of one view.
    fn view(&self, kind: ViewKind) -> View;
    /// Carries a command out.
    async fn answer(&self, by: &Operator, role: Role, command: Command) -> Answer;
    /// A client came or went.
    fn presence(&self, operator: &Operator, role: Role, client: &str, came: bool);
    /// Why the engine stops; `None` while it runs.
    fn stopping(&self) -> watch::Receiver<Option<String>>;
}

/// Serves clients until the engine stops; returns when the last of them has been told.
pub async fn serve(listener: UnixListener, backend: Arc<dyn Backend>) {
    let clients = TaskTracker::new();
    let mut stopping = backend.stopping();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    clients.spawn(greet(stream, backend.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a client could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            _ = reason_to_stop(&mut stopping) => break,
        }
    }
    clients.close();
    clients.wait().await;
}

type Frames = Framed<UnixStream, FrameCodec<ClientFrame, ServerFrame>>;

async fn greet(stream: UnixStream, backend: Arc<dyn Backend>) {
    let admitted = match stream.peer_cred() {
        Ok(peer) => backend.admit(peer.uid(), peer.gid()),
        Err(error) => Err(format!("your Unix credentials cannot be read: {error}")),
    };
    let mut frames: Frames = Framed::new(stream, FrameCodec::default());
    let hello = tokio::time::timeout(GREETING_TIMEOUT, frames.next()).await;
    let (operator, role, client) = match (hello, admitted) {
        (Ok(Some(Ok(ClientFrame::Hello { protocol, version, .. }))), _) if protocol != PROTOCOL => {
            let why = format!(
                "this engine is godwit {} and speaks protocol {PROTOCOL}; the client is godwit {version} and speaks protocol {protocol}: use the same godwit on both ends",
                env!("CARGO_PKG_VERSION")
            );
            return refuse(frames, why).await;
        }
        (Ok(Some(Ok(ClientFrame::Hello { .. }))), Err(why)) => return refuse(frames, why).await,
        (Ok(Some(Ok(ClientFrame::Hello { client, .. }))), Ok((operator, role))) => (operator, role, client),
        (Ok(Some(Ok(_))), _) => return refuse(frames, "a connection begins with a greeting".to_owned()).await,
        // Silence, garbage or an early end: nobody is there to answer.
        (Ok(Some(Err(_)) | None) | Err(_), _) => return,
    };
    let (migration, pid) = backend.identity();
    let welcome = Welcome {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        migration,
        operator: operator.clone(),
        role,
        head: *backend.head().borrow(),
        pid,
    };
    if frames.send(ServerFrame::Hello(welcome)).await.is_err() {
        return;
    }
    backend.presence(&operator, role, &client, true);
    if let Err(error) = talk(&mut frames, &backend, &operator, role).await {
        tracing::debug!(%operator, %error, "a client's connection ended");
    }
    backend.presence(&operator, role, &client, false);
}

async fn refuse(mut frames: Frames, why: String) {
    // The client is gone already or gets the sentence; either way the connection ends here.
    let _ = frames.send(ServerFrame::Refused { why }).await;
}

async fn send(frames: &mut Frames, frame: ServerFrame) -> Result<(), FrameError> {
    match tokio::time::timeout(SEND_TIMEOUT, frames.send(frame)).await {
        Ok(result) => result,
        Err(_) => Err(FrameError::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

/// One client's conversation. Commands are carried out in tasks of their own, so that a slow plan does not hold up the events.
async fn talk(
    frames: &mut Frames,
    backend: &Arc<dyn Backend>,
    operator: &Operator,
    role: Role,
) -> Result<(), FrameError> {
    let (answer_tx, mut answers) = mpsc::channel::<(u64, Answer)>(16);
    let mut cursor: Option<Seq> = None;
    let mut wants_samples = false;
    let mut head = backend.head();
    let mut samples = backend.samples();
    let mut stopping = backend.stopping();
    let mut samples_due = tokio::time::Instant::now();
    // What is watched, with the version that the client has.
    let mut watched: BTreeMap<ViewKind, Option<u64>> = BTreeMap::new();
    let mut versions = backend.view_versions();
    let mut views_due = tokio::time::Instant::now();
    head.mark_changed();
    loop {
        let following = cursor.is_some();
        tokio::select! {
            frame = frames.next() => match frame {
                None => return Ok(()),
                Some(Err(error)) => return Err(error),
                Some(Ok(ClientFrame::Hello { .. })) => {}
                Some(Ok(ClientFrame::Subscribe { since, samples: wanted })) => {
                    cursor = Some(since);
                    wants_samples = wanted;
                    head.mark_changed();
                    samples.mark_changed();
                }
                Some(Ok(ClientFrame::Watch { views })) => {
                    watched = views.into_iter().map(|kind| (kind, watched.get(&kind).copied().flatten())).collect();
                    versions.mark_changed();
                    views_due = tokio::time::Instant::now();
                }
                Some(Ok(ClientFrame::Command { id, command })) => {
                    let (backend, operator, answer_tx) = (backend.clone(), operator.clone(), answer_tx.clone());
                    tokio::spawn(async move {
                        let answer = backend.answer(&operator, role, command).await;
                        // A client that went away does not need the answer; the journal has it.
                        let _ = answer_tx.send((id, answer)).await;
                    });
                }
            },
            Some((id, answer)) = answers.recv() => {
                send(frames, ServerFrame::Answer { id, answer: Box::new(answer) }).await?;
            }
            Ok(()) = head.changed(), if following => {
                head.mark_unchanged();
                while let Some(since) = cursor {
                    let entries = match backend.entries(since, ROWS_AT_ONCE).await {
                        Ok(entries) => entries,
                        Err(why) => return refuse_open(frames, why).await,
                    };
                    let Some(last) = entries.last() else { break };
                    cursor = Some(last.seq);
                    send(frames, ServerFrame::Entries { entries }).await?;
                }
            }
            () = changed(&mut samples, samples_due), if wants_samples => {
                let now = Box::new(samples.borrow_and_update().clone());
                samples_due = tokio::time::Instant::now() + SAMPLES_EVERY;
                send(frames, ServerFrame::Samples { samples: now }).await?;
            }
            () = changed(&mut versions, views_due), if !watched.is_empty() => {
                views_due = tokio::time::Instant::now() + SAMPLES_EVERY;
                let now = versions.borrow_and_update().clone();
                for (kind, sent) in &mut watched {
                    let version = now.get(kind).copied().unwrap_or_default();
                    if *sent != Some(version) {
                        *sent = Some(version);
                        send(frames, ServerFrame::View { view: Box::new(backend.view(*kind)) }).await?;
                    }
                }
            }
            why = reason_to_stop(&mut stopping) => {
                // Whoever asked for the stop still gets its answer.
                drop(answer_tx);
                while let Ok(Some((id, answer))) = tokio::time::timeout(LAST_ANSWERS, answers.recv()).await {
                    send(frames, ServerFrame::Answer { id, answer: Box::new(answer) }).await?;
                }
                return send(frames, ServerFrame::Stopping { why }).await;
            }
        }
    }
}

async fn reason_to_stop(stopping: &mut watch::Receiver<Option<String>>) -> String {
    match stopping.wait_for(Option::is_some).await {
        Ok(why) => why.clone().unwrap_or_default(),
        Err(_) => "the engine is gone".to_owned(),
    }
}

async fn refuse_open(frames: &mut Frames, why: String) -> Result<(), FrameError> {
    send(frames, ServerFrame::Refused { why }).await
}

/// Waits until there is something new, and until `due`. What is new stays marked as such.
async fn changed<T>(news: &mut watch::Receiver<T>, due: tokio::time::Instant) {
    if news.changed().await.is_err() {
        // The engine is stopping; the stop branch speaks.
        std::future::pending::<()>().await;
    }
    news.mark_changed();
    tokio::time::sleep_until(due).await;
}
