//! Engines: in this process, or in one of their own.

use crate::driver::{Client, Home};
use godwit::engine::{EngineError, serve};
use godwit::model::command::Action;
use godwit::wire::place::Place;
use tokio::process::{Child, Command as Program};
use tokio::task::JoinHandle;

/// An engine in this process.
pub struct Engine {
    /// Its life.
    pub task: JoinHandle<Result<(), EngineError>>,
    /// Where its files are.
    pub place: Place,
}

impl Engine {
    pub fn start(home: &impl Home) -> Self {
        Self { task: tokio::spawn(serve(home.options())), place: home.place() }
    }

    pub async fn client(&self) -> Client {
        Client::connect(&self.place, || !self.task.is_finished()).await
    }

    /// Orderly stop.
    pub async fn down(self, client: &mut Client) {
        client.act(Action::Down).await.unwrap();
        self.task.await.unwrap().unwrap();
    }
}

/// An engine in a process of its own, which can be killed at any moment.
pub struct Process {
    child: Child,
    place: Place,
}

impl Process {
    pub fn start(home: &impl Home) -> Self {
        let child = Program::new(env!("CARGO_BIN_EXE_godwit"))
            .args(["engine", "-p"])
            .arg(home.profile())
            .env("XDG_STATE_HOME", home.state())
            .env("XDG_RUNTIME_DIR", home.run())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { child, place: home.place() }
    }

    pub async fn client(&mut self) -> Client {
        let (child, place) = (&mut self.child, &self.place);
        Client::connect(place, || child.try_wait().unwrap().is_none()).await
    }

    /// SIGKILL: nothing of the engine gets to say goodbye.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Orderly stop.
    pub async fn down(mut self, client: &mut Client) {
        client.act(Action::Down).await.unwrap();
        assert!(self.child.wait().await.unwrap().success());
    }
}
