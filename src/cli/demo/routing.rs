//! The routing file: which database each service uses now. Godwit replaces it atomically; applications follow it.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Which side serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Serves {
    /// The monolith.
    Source,
    /// The services' own databases.
    Target,
}

/// The file's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routing {
    /// Version of this form: 1.
    pub version: u32,
    /// Rises with every switch.
    pub epoch: u64,
    /// Which side serves.
    pub serves: Serves,
    /// By service.
    pub services: BTreeMap<String, Address>,
}

/// Where a service's data is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The store's name in the profile.
    pub store: String,
    /// `sqlite`.
    pub engine: String,
    /// Absolute path of the database.
    pub address: PathBuf,
}

impl Routing {
    /// The file before the first switch: every service uses the monolith.
    pub fn first(services: &[&str], monolith: &Path) -> Self {
        let address =
            Address { store: "monolith".to_owned(), engine: "sqlite".to_owned(), address: monolith.to_owned() };
        Self {
            version: 1,
            epoch: 0,
            serves: Serves::Source,
            services: services.iter().map(|s| ((*s).to_owned(), address.clone())).collect(),
        }
    }

    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read or is not one.
    pub fn read(path: &Path) -> io::Result<Self> {
        serde_json::from_slice(&std::fs::read(path)?).map_err(io::Error::other)
    }

    /// Replaces the file atomically.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let new = path.with_extension("json.new");
        std::fs::write(&new, serde_json::to_vec(self).map_err(io::Error::other)?)?;
        std::fs::rename(&new, path)
    }

    /// Where a service's data is now.
    ///
    /// # Errors
    /// When the file does not name the service.
    pub fn of(&self, service: &str) -> io::Result<&Path> {
        self.services
            .get(service)
            .map(|address| address.address.as_path())
            .ok_or_else(|| io::Error::other(format!("the routing file does not name the service {service}")))
    }
}

/// Follows the file: reads it again only when it was replaced.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    seen: (u64, i64, i64),
    /// As last read.
    pub current: Routing,
}

impl Follower {
    /// Begins with the file as it is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn new(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), seen: stamp(path)?, current: Routing::read(path)? })
    }

    /// Looks whether the file was replaced, and reads it if so. True when the content changed.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn refresh(&mut self) -> io::Result<bool> {
        // The stamp is taken first: a replacement between the two calls is then noticed at the next look.
        let stamp = stamp(&self.path)?;
        if stamp == self.seen {
            return Ok(false);
        }
        let routing = Routing::read(&self.path)?;
        self.seen = stamp;
        let changed = routing != self.current;
        self.current = routing;
        Ok(changed)
    }
}

/// Inode and modification time: an atomic replacement changes at least the inode.
fn stamp(path: &Path) -> io::Result<(u64, i64, i64)> {
    let metadata = std::fs::metadata(path)?;
    Ok((metadata.ino(), metadata.mtime(), metadata.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_the_one_that_the_engine_writes() {
        let text = r#"{"version":1,"epoch":7,"serves":"target","services":{"orders":{"store":"orders-db","engine":"sqlite","address":"/x/orders.db"}}}"#;
        let routing: Routing = serde_json::from_str(text).unwrap();
        assert_eq!((routing.epoch, routing.serves), (7, Serves::Target));
        assert_eq!(routing.of("orders").unwrap(), Path::new("/x/orders.db"));
        assert!(routing.of("billing").is_err());
    }

    #[test]
    fn a_follower_sees_a_replacement_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("route.json");
        let mut routing = Routing::first(&["orders"], Path::new("/m.db"));
        routing.write(&path).unwrap();
        let mut follower = Follower::new(&path).unwrap();
        assert!(!follower.refresh().unwrap());
        routing.epoch = 1;
        routing.serves = Serves::Target;
        routing.write(&path).unwrap();
        assert!(follower.refresh().unwrap());
        assert_eq!(follower.current.serves, Serves::Target);
        assert!(!follower.refresh().unwrap());
    }
}
