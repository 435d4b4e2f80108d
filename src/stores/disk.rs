//! The room that data and logs share, as a line beside the logs that are kept.

use crate::model::lag::Reading;
use crate::model::replication::{Kept, LogRetention};
use nix::sys::statvfs::statvfs;

/// Beyond this share of a disk it is a problem whatever its runway: servers stop writing before the last byte.
const FULL: f64 = 0.95;

/// Bytes of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// In use.
    pub used: u64,
    /// Free to those who are not root.
    pub free: u64,
}

impl Disk {
    /// Of the file system of a directory of this machine.
    ///
    /// # Errors
    /// Says why it cannot be read.
    pub fn of(directory: &str) -> Result<Self, String> {
        let stat =
            statvfs(directory).map_err(|error| format!("the file system of {directory} cannot be read: {error}"))?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.fragment_size());
        Ok(Self { used: bytes(stat.blocks().saturating_sub(stat.blocks_free())), free: bytes(stat.blocks_available()) })
    }
}

/// The line of a disk; `disk` says why nothing is known of it where that is so.
pub fn line(kind: Kept, name: &str, disk: Result<Disk, String>) -> LogRetention {
    let (retained_bytes, room_bytes, written_bytes, problem) = match disk {
        Ok(Disk { used, free }) => {
            let share = used as f64 / used.saturating_add(free).max(1) as f64;
            let problem = (share >= FULL).then(|| format!("{:.0} % of it is used", share * 100.0));
            (Reading::Known(used), Reading::Known(Some(free)), Some(used), problem)
        }
        Err(why) => (Reading::Unknown(why.clone()), Reading::Unknown(why), None, None),
    };
    LogRetention {
        kind,
        name: name.to_owned(),
        state: if problem.is_some() { "nearly full" } else { "" }.to_owned(),
        active: true,
        retained_bytes,
        room_bytes,
        covers_seconds: Reading::Unknown("it is no log".to_owned()),
        problem,
        written_bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_a_problem_and_an_unknown_one_is_not_empty() {
        let full = line(Kept::Disk, "data", Ok(Disk { used: 99, free: 1 }));
        assert_eq!(full.problem.as_deref(), Some("99 % of it is used"));
        assert_eq!(full.room_bytes, Reading::Known(Some(1)));
        assert_eq!(line(Kept::Disk, "data", Ok(Disk { used: 50, free: 50 })).problem, None);
        let unknown = line(Kept::Disk, "data", Err("it is far away".to_owned()));
        assert_eq!(unknown.retained_bytes, Reading::Unknown("it is far away".to_owned()));
        assert_eq!(unknown.written_bytes, None);
    }

    #[test]
    fn the_disk_of_this_machine_is_read() {
        let disk = Disk::of("/").unwrap();
        assert!(disk.used > 0);
        assert!(Disk::of("/no/such/place").unwrap_err().contains("cannot be read"));
    }
}
