//! Servers in a network of their own. There they may listen on every address: nothing outside reaches it, and it reaches nothing outside.

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// An address of this machine in every such network that is not loopback; elsewhere it is nobody's, kept for examples.
pub const OUTSIDE: &str = "192.0.2.1";

/// Longest time for a server to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program that runs in a network of its own, and ends with this value.
pub struct Secluded {
    child: Child,
    ends: Signal,
    told: PathBuf,
}

impl Secluded {
    /// Starts a program with its arguments. `ends`: the signal by which it stops at once. What it says on its standard error goes to a file
    /// in `dir`.
    ///
    /// Panics where this machine has no `unshare`.
    pub fn start(command: &[OsString], ends: Signal, dir: &Path) -> Self {
        let told = dir.join("secluded.log");
        let network = format!("ip link set lo up && ip addr add {OUTSIDE}/32 dev lo && exec \"$@\"");
        // Whoever is not root is root inside.
        let flags = if geteuid().is_root() { "-n" } else { "-rn" };
        let child = Command::new("unshare")
            .args([flags, "sh", "-c", &network, "sh"])
            .args(command)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&told).unwrap())
            .spawn()
            .expect("no unshare: run tests/run, or apt-get install util-linux");
        Self { child, ends, told }
    }

    /// Asks until the server answers. Panics with what it said when it has ended instead.
    pub async fn ready(&mut self, mut answers: impl AsyncFnMut() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !answers().await {
            let said = || std::fs::read_to_string(&self.told).unwrap();
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!(
                    "a server in a network of its own ended ({status}): {}\nSuch a network takes root, or user namespaces that everybody may make",
                    said()
                );
            }
            assert!(Instant::now() < end, "a server in a network of its own gives no answer: {}", said());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A command that runs in the same network.
    pub fn inside(&self, program: impl Into<OsString>) -> tokio::process::Command {
        let mut command = tokio::process::Command::new("nsenter");
        command.args(["--target", &self.child.id().to_string(), "--net"]);
        if !geteuid().is_root() {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.arg(program.into()).kill_on_drop(true);
        command
    }

    /// A port on this machine's loopback that leads to a port of the network's loopback, as long as the test runs.
    pub async fn door(&self, port: u16) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let door = listener.local_addr().unwrap().port();
        let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port}; cat <&3 & exec cat >&3");
        let mut command = self.inside("bash");
        command.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        tokio::spawn(async move {
            while let Ok((mut outside, _)) = listener.accept().await {
                let Ok(mut carrier) = command.spawn() else { continue };
                let (Some(from), Some(to)) = (carrier.stdout.take(), carrier.stdin.take()) else { continue };
                tokio::spawn(async move {
                    let _carrier = carrier;
                    // A connection that is cut is the client's to notice.
                    let _ = tokio::io::copy_bidirectional(&mut outside, &mut tokio::io::join(from, to)).await;
                });
            }
        });
        door
    }
}

impl Drop for Secluded {
    fn drop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        let end = Instant::now() + Duration::from_secs(20);
        // Ended already: nothing to stop.
        let _ = kill(pid, self.ends);
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > end {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Prints of the lab's scripts what they know: where programs are. One word a line.
pub fn of_lab(script: &str) -> Vec<OsString> {
    let sources = "set -euo pipefail; here=tests/lab; . tests/lab/servers.sh; ";
    let output = Command::new("bash")
        .args(["-c", &format!("{sources}{script}")])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("there is a bash");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    let words = String::from_utf8(output.stdout).unwrap();
    words.lines().filter(|line| !line.is_empty()).map(OsString::from).collect()
}
