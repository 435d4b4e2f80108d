//! Certificates for servers that a test starts with encryption.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A certificate for this machine that nobody but itself vouches for, and its key.
pub struct Certificate {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Both in one file, as MongoDB takes them.
    pub both: PathBuf,
}

impl Certificate {
    /// In files in `dir`, which only their owner reads. Panics where there is no `openssl`.
    pub fn make(dir: &Path) -> Self {
        let made = Self { certificate: dir.join("cert.pem"), key: dir.join("key.pem"), both: dir.join("both.pem") };
        let output = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"])
            .arg("-keyout")
            .arg(&made.key)
            .arg("-out")
            .arg(&made.certificate)
            .output()
            .expect("no openssl: run tests/run, or apt-get install openssl");
        assert!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
        let [key, certificate] = [&made.key, &made.certificate].map(|file| std::fs::read_to_string(file).unwrap());
        std::fs::write(&made.both, key + &certificate).unwrap();
        made
    }

    /// Copies both into the data directory of a server, whose user alone may read the key.
    pub fn install(&self, data: &Path, certificate: &str, key: &str) {
        let owner = std::fs::metadata(data).unwrap().uid();
        for (from, to) in [(&self.certificate, data.join(certificate)), (&self.key, data.join(key))] {
            std::fs::copy(from, &to).unwrap();
            std::fs::set_permissions(&to, Permissions::from_mode(0o600)).unwrap();
            std::os::unix::fs::chown(&to, Some(owner), None).unwrap();
        }
    }
}

#[test]
#[ignore = "needs openssl: run tests/run"]
fn a_certificate_names_this_machine() {
    let dir = tempfile::tempdir().unwrap();
    let made = Certificate::make(dir.path());
    let told =
        Command::new("openssl").args(["x509", "-noout", "-ext", "subjectAltName", "-in"]).arg(&made.both).output();
    let told = String::from_utf8(told.unwrap().stdout).unwrap();
    assert!(told.contains("IP Address:127.0.0.1"), "{told}");
    assert!(std::fs::read_to_string(&made.both).unwrap().contains("PRIVATE KEY"));
}
