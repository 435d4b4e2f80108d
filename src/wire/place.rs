//! Where a migration's files are: the state directory and the socket.

use std::path::{Path, PathBuf};

/// Paths of one migration on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// `$XDG_STATE_HOME/godwit/NAME/`: journal, readings from before a switch, lock, engine log.
    pub state_dir: PathBuf,
    /// `$XDG_RUNTIME_DIR/godwit/NAME.sock`.
    pub socket: PathBuf,
}

impl Place {
    /// The place of a migration by the environment: `XDG_STATE_HOME` (else `~/.local/state`) and `XDG_RUNTIME_DIR`
    /// (else `/run/user/UID` if it exists, else the state directory, so that the socket never lies in a directory that others can write).
    pub fn of(name: &str) -> Self {
        let home = std::env::var_os("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from);
        let state_home = absolute("XDG_STATE_HOME").unwrap_or_else(|| home.join(".local/state"));
        let state_dir = state_home.join("godwit").join(name);
        let runtime = absolute("XDG_RUNTIME_DIR").or_else(|| {
            let dir = PathBuf::from(format!("/run/user/{}", nix::unistd::getuid()));
            dir.is_dir().then_some(dir)
        });
        let socket = match runtime {
            Some(dir) => dir.join("godwit").join(format!("{name}.sock")),
            None => state_dir.join("run").join(format!("{name}.sock")),
        };
        Self { state_dir, socket }
    }

    /// The journal.
    pub fn journal(&self) -> PathBuf {
        self.state_dir.join("journal.db")
    }

    /// The lock that the owning engine holds.
    pub fn lock(&self) -> PathBuf {
        self.state_dir.join("engine.lock")
    }

    /// The engine's log.
    pub fn log(&self) -> PathBuf {
        self.state_dir.join("engine.log")
    }

    /// The socket's directory.
    pub fn socket_dir(&self) -> &Path {
        self.socket.parent().unwrap_or(Path::new("/"))
    }
}

/// The variable as a path, if it is set and absolute (the XDG specification tells to ignore relative ones).
fn absolute(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from).filter(|p| p.is_absolute())
}
