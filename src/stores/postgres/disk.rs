//! The disk of a server on this machine. SQL does not show it.

use crate::stores::disk::Disk;
use std::path::Path;

/// The file system of a data directory. A local port may lead to another machine, so the directory must say that its server listens
/// on this port.
///
/// # Errors
/// Says why it is not known.
pub fn of(directory: &str, port: u16) -> Result<Disk, String> {
    let file = Path::new(directory).join("postmaster.pid");
    let text =
        std::fs::read_to_string(&file).map_err(|error| format!("{} cannot be read here: {error}", file.display()))?;
    // The fourth line is the port.
    if text.lines().nth(3).map(str::trim) != Some(port.to_string().as_str()) {
        return Err(format!("{} is another server's", file.display()));
    }
    Disk::of(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_directory_of_the_server_itself_is_measured() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_str().unwrap();
        assert!(of(path, 5432).unwrap_err().contains("cannot be read"));
        std::fs::write(dir.path().join("postmaster.pid"), "1\n/data\n1\n5432\n/tmp\n").unwrap();
        assert!(of(path, 5432).unwrap().free > 0);
        assert!(of(path, 5433).unwrap_err().contains("another server"));
    }
}
