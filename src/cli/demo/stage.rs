//! The demo's processes: an engine in the background, started as `godwit up` starts one, and the applications.

use crate::cli::choice::Chosen;
use crate::cli::demo::layout::{Layout, MIGRATION};
use crate::cli::demo::routing::Routing;
use crate::cli::demo::shop::{self, SERVICES, ShopSize};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::session::Session;
use crate::cli::{down, launch};
use crate::telemetry;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

/// The profile, as it is in the repository.
const PROFILE: &str = include_str!("../../../profiles/demo.toml");
/// Longest wait for the applications to end. They finish the writes in hand, which wait for locks at most this long.
const WORKLOAD_STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest time for an engine to come back, killed again meanwhile or not.
const REVIVE_TIMEOUT: Duration = Duration::from_secs(60);

/// What it takes to start the engine (again).
#[derive(Clone, Debug)]
pub struct Reviver {
    /// The migration.
    pub chosen: Chosen,
    profile: PathBuf,
    environment: Vec<(&'static str, PathBuf)>,
}

impl Reviver {
    /// Starts the engine, as often as it takes, and catches up with its journal.
    ///
    /// # Errors
    /// When none answers in time.
    pub async fn revive(&self) -> Result<Session, Failure> {
        let deadline = tokio::time::Instant::now() + REVIVE_TIMEOUT;
        loop {
            let opened = match launch::ensure(&self.profile, &self.chosen, &self.environment).await {
                Ok(_) => Session::open(&self.chosen).await,
                Err(failure) => Err(failure),
            };
            match opened {
                Err(failure) if tokio::time::Instant::now() >= deadline => return Err(failure),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                Ok(session) => return Ok(session),
            }
        }
    }
}

/// Everything that runs.
#[derive(Debug)]
pub struct Stage {
    /// Where it is.
    pub layout: Layout,
    /// The migration.
    pub chosen: Chosen,
    workload: Option<Child>,
    engine_runs: bool,
}

impl Stage {
    /// Makes the shop, the empty service databases, the routing file and the profile. Nothing runs yet.
    ///
    /// # Errors
    /// When a demo is running already, the directory is somebody else's, or a file cannot be made.
    pub async fn set_up(layout: Layout, size: ShopSize) -> Result<Self, Failure> {
        if tokio::net::UnixStream::connect(&layout.place.socket).await.is_ok() {
            return Err(Failure::usage(
                "a demo is running already: stop it with `godwit down --migration demo`, or give this one a directory of its own with --dir",
            ));
        }
        layout.clear()?;
        let files = &layout.files;
        let database = |error: sqlx::Error| Failure::new(Exit::Io, format!("cannot make the shop: {error}"));
        shop::make(&files.monolith(), size).await.map_err(database)?;
        for service in SERVICES {
            shop::make_empty(&files.service(service)).await.map_err(database)?;
        }
        Routing::first(&SERVICES, &files.monolith())
            .write(&files.routing())
            .map_err(|e| Failure::file("write", &files.routing(), &e))?;
        std::fs::write(files.profile(), PROFILE).map_err(|e| Failure::file("write", &files.profile(), &e))?;
        let chosen = Chosen { name: MIGRATION.to_owned(), place: layout.place.clone() };
        Ok(Self { layout, chosen, workload: None, engine_runs: false })
    }

    /// Starts the engine and waits until it answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn start_engine(&mut self) -> Result<(), Failure> {
        let Reviver { chosen, profile, environment } = self.reviver();
        // Even an engine that does not answer in time must be asked to stop at the end.
        self.engine_runs = true;
        launch::ensure(&profile, &chosen, &environment).await?;
        Ok(())
    }

    /// What it takes to start the engine again.
    pub fn reviver(&self) -> Reviver {
        let mut environment = self.layout.environment.clone();
        environment.push(("GODWIT_DEMO_DIR", self.layout.files.dir.clone()));
        Reviver { chosen: self.chosen.clone(), profile: self.layout.files.profile(), environment }
    }

    /// Starts the applications in a process group of their own: Ctrl-C is for this program, which then ends them in order.
    ///
    /// # Errors
    /// When they cannot be started.
    pub fn start_workload(&mut self) -> Result<(), Failure> {
        let log_path = self.layout.files.workload_log();
        let log = telemetry::open(&log_path).map_err(|e| Failure::file("open", &log_path, &e))?;
        let start = |error: std::io::Error| Failure::new(Exit::Io, format!("cannot start the applications: {error}"));
        let child = Command::new(std::env::current_exe().map_err(start)?)
            .arg("demo-workload")
            .arg("--dir")
            .arg(&self.layout.files.dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()
            .map_err(start)?;
        self.workload = Some(child);
        Ok(())
    }

    /// True while the applications run.
    pub fn workload_runs(&mut self) -> bool {
        self.workload.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Ends the applications by closing their standard input, and waits until they have finished what they had in hand.
    ///
    /// # Errors
    /// When they end with an error or not at all: then the ledger is not complete.
    pub async fn stop_workload(&mut self) -> Result<(), Failure> {
        let Some(mut child) = self.workload.take() else { return Ok(()) };
        drop(child.stdin.take());
        let log = self.layout.files.workload_log();
        let words = |what: String| {
            let lines = telemetry::last_lines(&log, 10).join("\n  ");
            Failure::new(
                Exit::Finding,
                format!("the applications {what}; their log {} ends with:\n  {lines}", log.display()),
            )
        };
        match tokio::time::timeout(WORKLOAD_STOP_TIMEOUT, child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(words(format!("ended with {status}"))),
            Ok(Err(error)) => Err(words(format!("cannot be watched: {error}"))),
            Err(_) => {
                // Killed, so that nothing is left behind; the ledger then lacks its last record, which the failure says.
                let killed = child.kill().await;
                let how = killed.map_or_else(|error| format!(" and cannot be killed: {error}"), |()| String::new());
                Err(words(format!("did not end within {} s{how}", WORKLOAD_STOP_TIMEOUT.as_secs())))
            }
        }
    }

    /// Stops the engine and waits until it is gone.
    ///
    /// # Errors
    /// When it does not stop.
    pub async fn stop_engine(&mut self) -> Result<(), Failure> {
        if !std::mem::take(&mut self.engine_runs) {
            return Ok(());
        }
        match Session::open(&self.chosen).await {
            Ok(session) => {
                let said = down::stop(&session, Some(MIGRATION.to_owned())).await;
                drop(session);
                said?;
                down::wait_gone(&self.chosen.place.socket).await
            }
            // It ended by itself; that was found elsewhere.
            Err(failure) if matches!(failure.exit, Exit::NoEngine | Exit::ConnectionLost) => Ok(()),
            Err(failure) => Err(failure),
        }
    }
}
