//! The sources' numbers from before the switch, on disk: a migration is watched for days after it, and engines are restarted.
//!
//! A reading, not a fact: it is not journaled, and a file that cannot be read is told in the log and costs the comparison only.

use crate::model::hotspot::HotSpots;
use crate::model::ids::PipelineId;
use crate::wire::place::Place;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Error, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// By pipeline.
pub type KeptSides = BTreeMap<PipelineId, HotSpots>;

fn file(place: &Place) -> PathBuf {
    place.state_dir.join("sides.json")
}

/// What an earlier engine kept; nothing where there is no file or none that can be read.
pub fn load(place: &Place) -> KeptSides {
    let read = std::fs::read(file(place)).and_then(|bytes| serde_json::from_slice(&bytes).map_err(Error::other));
    match read {
        Ok(kept) => kept,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => KeptSides::default(),
        Err(error) => {
            tracing::warn!(%error, file = %file(place).display(), "the numbers from before the switch cannot be read");
            KeptSides::default()
        }
    }
}

/// Replaces the file. A crash leaves the old one or the new one.
///
/// # Errors
/// The file system's.
pub fn save(place: &Place, kept: &KeptSides) -> Result<(), Error> {
    let (path, temporary) = (file(place), place.state_dir.join("sides.json.new"));
    let mut new = File::options().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    new.write_all(&serde_json::to_vec(kept)?)?;
    new.sync_all()?;
    std::fs::rename(&temporary, &path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::watch::heaviest::tests::{minute, spot};

    #[test]
    fn what_is_kept_comes_back_and_a_broken_file_costs_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place { state_dir: dir.path().to_owned(), socket: dir.path().join("s") };
        assert_eq!(load(&place), KeptSides::default());
        let kept = KeptSides::from([("orders".into(), minute(vec![spot("find", 9, 1.5)]))]);
        save(&place, &kept).unwrap();
        assert_eq!(load(&place), kept);
        std::fs::write(file(&place), "{").unwrap();
        assert_eq!(load(&place), KeptSides::default());
    }
}
