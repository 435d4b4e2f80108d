//! An engine's life: take the lock, replay, recover, serve, stop.

use crate::config::profile::{Profile, StoreConfig};
use crate::engine::core::{Core, CoreRef, open_store};
use crate::engine::dispatcher::{AppendError, Dispatcher};
use crate::engine::error::EngineError;
use crate::engine::fleet::Fleet;
use crate::engine::link::EngineLink;
use crate::engine::watch::kept_sides::{self, KeptSides};
use crate::engine::watch::views::Views;
use crate::engine::{authority, owner, recovery, sampler};
use crate::journal::log::Journal;
use crate::model::event::{Event, PhaseDeclared, PipelineDeclared};
use crate::model::pipeline::Traffic;
use crate::model::sample::Samples;
use crate::stores::StoreRef;
use crate::wire::place::Place;
use crate::wire::server;
use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// What an engine is started with.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// The profile.
    pub profile: Profile,
    /// Where its files are.
    pub place: Place,
    /// Leave the terminal's session, so that its end does not end the engine.
    pub detached: bool,
}

/// Longest time for clients to take the news that the engine stops.
const GOODBYE: std::time::Duration = std::time::Duration::from_secs(3);

/// Runs an engine until `godwit down`, SIGTERM or SIGINT.
///
/// # Errors
/// [`EngineError`] when it cannot start, or when the journal fails.
pub async fn serve(options: EngineOptions) -> Result<(), EngineError> {
    serve_with(options, open_store).await
}

/// Runs an engine whose stores are opened by `open`: a rehearsal or a test wraps them, for example in
/// [`FaultStore`](crate::stores::fault::FaultStore).
///
/// # Errors
/// As [`serve`].
pub async fn serve_with(
    options: EngineOptions,
    open: impl Fn(&StoreConfig) -> Result<StoreRef, EngineError> + Send,
) -> Result<(), EngineError> {
    let EngineOptions { profile, place, detached } = options;
    if detached {
        leave_terminal();
    }
    private_dir(&place.state_dir, 0o700)?;
    let user = authority::user_name(nix::unistd::getuid().as_raw());
    let host =
        nix::unistd::gethostname().ok().and_then(|h| h.into_string().ok()).unwrap_or_else(|| "unknown host".to_owned());
    let pid = std::process::id();
    let now = chrono::Utc::now().format("%F %T UTC");
    let _ownership =
        owner::take(&place.lock(), &profile.migration.name, &format!("pid {pid} of {user} on {host} since {now}"))?;
    let dispatcher = Dispatcher::start(Journal::open(&place.journal()).await?).await?;
    let mut stores = BTreeMap::new();
    for config in &profile.stores {
        stores.insert(config.id.clone(), open(config)?);
    }
    let views = Views::new(stores.keys());
    let (stop, _) = watch::channel(None);
    let core: CoreRef = Arc::new(Core {
        place: place.clone(),
        stores,
        dispatcher,
        fleet: Fleet::default(),
        samples: watch::Sender::new(Samples::default()),
        views,
        active: watch::Sender::new(None),
        switch: tokio::sync::Mutex::new(None),
        stop,
        profile,
    });
    let started = Event::EngineStarted { pid, version: env!("CARGO_PKG_VERSION").to_owned(), host, user };
    let mut opening = vec![started];
    if core.dispatcher.state().digest != core.profile.digest {
        opening.push(declaration(&core.profile));
    }
    core.dispatcher.append(opening).await.map_err(refused)?;
    let listener = listen(&place, core.profile.migration.socket_group.as_deref())?;
    let served = tokio::spawn(server::serve(listener, Arc::new(EngineLink::new(core.clone()))));
    core.views.remember_sides(kept_before_the_switch(&core));
    sampler::start(&core);
    let recovering = core.clone();
    tokio::spawn(async move { recovery::recover(&recovering).await });
    let why = until_stopped(&core).await?;
    tracing::info!(why, "the engine stops");
    core.ask_to_stop(why.clone());
    core.stop_phase().await;
    core.fleet.stop_all().await;
    core.dispatcher.append(vec![Event::EngineStopped { why }]).await.map_err(refused)?;
    // A client that does not read any more must not keep the engine from ending.
    if tokio::time::timeout(GOODBYE, served).await.is_err() {
        tracing::warn!("a client did not take the goodbye in time");
    }
    // The socket is removed so that clients say "no engine" at once; one that stays behind is replaced by the next engine.
    if let Err(error) = std::fs::remove_file(&place.socket) {
        tracing::warn!(%error, "the socket could not be removed");
    }
    Ok(())
}

fn refused(error: AppendError) -> EngineError {
    EngineError::Profile(error.to_string())
}

/// Waits for a reason to stop. A failed journal is an error: the engine ends and says so.
async fn until_stopped(core: &CoreRef) -> Result<String, EngineError> {
    let on = |kind| signal(kind).map_err(EngineError::file("cannot listen for signals", "/"));
    let mut terminate = on(SignalKind::terminate())?;
    let mut interrupt = on(SignalKind::interrupt())?;
    // The end of a terminal is not the end of the engine.
    let mut hangup = on(SignalKind::hangup())?;
    let mut stop = core.stop.subscribe();
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok("SIGTERM".to_owned()),
            _ = interrupt.recv() => return Ok("SIGINT".to_owned()),
            _ = hangup.recv() => tracing::info!("SIGHUP: a terminal went away, the engine stays"),
            asked = stop.wait_for(Option::is_some) => {
                return Ok(asked.ok().and_then(|why| why.clone()).unwrap_or_else(|| "asked to".to_owned()));
            }
            sentence = core.dispatcher.failed() => return Err(EngineError::Profile(format!("the journal failed: {sentence}"))),
        }
    }
}

/// Leaves the terminal's session. Fails only for a process group leader, which then has left it already or runs in the foreground.
fn leave_terminal() {
    if let Err(error) = nix::unistd::setsid() {
        tracing::warn!(%error, "the engine stays in its terminal's session");
    }
}

/// The ladder and the pipelines, for the journal.
fn declaration(profile: &Profile) -> Event {
    Event::ProfileLoaded {
        name: profile.migration.name.clone(),
        env: profile.migration.env.clone(),
        digest: profile.digest.clone(),
        phases: profile
            .phases
            .iter()
            .map(|p| PhaseDeclared {
                id: p.id.clone(),
                kind: p.kind,
                pipelines: p.pipelines.clone(),
                approvals: p.approvals,
            })
            .collect(),
        pipelines: profile
            .pipelines
            .iter()
            .map(|p| PipelineDeclared { id: p.id.clone(), from: p.from.to_string(), to: p.to.to_string() })
            .collect(),
    }
}

/// Makes a directory that only its owner can use, or checks that it is one.
/// What an earlier engine kept of the moves whose target serves; of the others there is something newer soon.
fn kept_before_the_switch(core: &CoreRef) -> KeptSides {
    let mut kept = kept_sides::load(&core.place);
    kept.retain(|pipeline, _| core.record(pipeline).traffic == Traffic::Target);
    kept
}

fn private_dir(path: &Path, mode: u32) -> Result<(), EngineError> {
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(EngineError::file("cannot make the directory", path))?;
    let metadata = std::fs::metadata(path).map_err(EngineError::file("cannot look at the directory", path))?;
    let found = metadata.permissions().mode() & 0o777;
    if metadata.uid() != nix::unistd::getuid().as_raw() || found & !mode != 0 {
        return Err(EngineError::NotPrivate { path: path.to_owned(), mode: found });
    }
    Ok(())
}

/// Listens on the socket. The lock is held, so a socket that is there belongs to a dead engine and is replaced.
///
/// With `socket_group` the directory is 0710 and the socket 0660 for that group: without it no second person could ever connect, and
/// `approvals = 2` could not be reached. Roles still come from the profile.
fn listen(place: &Place, group: Option<&str>) -> Result<UnixListener, EngineError> {
    let dir = place.socket_dir();
    let (dir_mode, mode) = if group.is_some() { (0o710, 0o660) } else { (0o700, 0o600) };
    private_dir(dir, dir_mode)?;
    match std::fs::remove_file(&place.socket) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(EngineError::file("cannot replace the socket", &place.socket)(error)),
    }
    // The directory is private, so nobody can connect between bind and chmod.
    let listener = UnixListener::bind(&place.socket).map_err(EngineError::file("cannot listen on", &place.socket))?;
    if let Some(name) = group {
        let gid = match nix::unistd::Group::from_name(name) {
            Ok(Some(group)) => group.gid,
            Ok(None) | Err(_) => {
                return Err(EngineError::Profile(format!("socket_group: there is no Unix group {name}")));
            }
        };
        for path in [dir, place.socket.as_path()] {
            nix::unistd::chown(path, None, Some(gid))
                .map_err(|e| EngineError::file("cannot give to the group", path)(e.into()))?;
        }
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(dir_mode))
            .map_err(EngineError::file("cannot set the mode of", dir))?;
    }
    std::fs::set_permissions(&place.socket, std::fs::Permissions::from_mode(mode))
        .map_err(EngineError::file("cannot set the mode of", &place.socket))?;
    Ok(listener)
}
