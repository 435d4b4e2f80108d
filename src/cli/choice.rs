//! Which migration a command is about: by profile, by name, or the only one whose engine runs.

use crate::cli::args::Which;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::config;
use crate::config::profile::Profile;
use crate::wire::place::Place;
use std::path::{Path, PathBuf};

/// A chosen migration.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// Its name.
    pub name: String,
    /// Where its files are.
    pub place: Place,
}

/// Reads a profile; its problems become the sentence.
///
/// # Errors
/// [`Exit::Profile`] with every problem on a line of its own.
pub fn load(path: &Path) -> Result<Profile, Failure> {
    config::load(path).map_err(|problems| Failure::new(Exit::Profile, problems.to_string()))
}

impl Which {
    /// Finds the migration.
    ///
    /// # Errors
    /// When the profile is broken, the name is not one, or no name is given and not exactly one engine runs.
    pub fn find(&self) -> Result<Chosen, Failure> {
        if let Some(path) = &self.profile {
            let profile = load(path)?;
            return Ok(Chosen::named(profile.migration.name));
        }
        if let Some(name) = &self.migration {
            if !is_name(name) {
                return Err(Failure::usage(format!(
                    "`{name}` is not a migration's name: letters, digits, `-` and `_` only"
                )));
            }
            return Ok(Chosen::named(name.clone()));
        }
        let mut running = running()?;
        match (running.pop(), running.is_empty()) {
            (Some(name), true) => Ok(Chosen::named(name)),
            (None, _) => Err(Failure::new(
                Exit::NoEngine,
                "no engine is running here; start one with `godwit up -p PROFILE`, or name the migration with `-p PROFILE` or `--migration NAME`",
            )),
            (Some(name), false) => {
                running.push(name);
                running.sort();
                Err(Failure::usage(format!(
                    "several engines are running ({}); say which migration with `--migration NAME` or `-p PROFILE`",
                    running.join(", ")
                )))
            }
        }
    }
}

impl Chosen {
    /// The migration of this name at its ordinary place.
    pub fn named(name: String) -> Self {
        let place = Place::of(&name);
        Self { name, place }
    }
}

/// A name that is safe as a directory name; the profile's rule.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// Names of the migrations whose engine answers on its socket now. A socket file alone proves nothing: a killed engine leaves it behind.
fn running() -> Result<Vec<String>, Failure> {
    // The directory that holds every migration's socket follows from the place of any name; where there is no runtime
    // directory, each socket lies below the state directory of its own migration.
    let any = Place::of("any");
    let candidates = if any.socket.starts_with(&any.state_dir) {
        let Some(home) = any.state_dir.parent() else { return Ok(Vec::new()) };
        children(home)?
            .into_iter()
            .filter_map(|dir| {
                let name = dir.file_name()?.to_str()?.to_owned();
                Some((dir.join("run").join(format!("{name}.sock")), name))
            })
            .collect::<Vec<_>>()
    } else {
        children(any.socket_dir())?
            .into_iter()
            .filter_map(|file| {
                let name = file.file_name()?.to_str()?.strip_suffix(".sock")?.to_owned();
                Some((file, name))
            })
            .collect()
    };
    Ok(candidates
        .into_iter()
        .filter(|(socket, name)| is_name(name) && std::os::unix::net::UnixStream::connect(socket).is_ok())
        .map(|(_, name)| name)
        .collect())
}

/// The entries of a directory; none when it does not exist.
fn children(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Failure::file("look for running engines in", dir, &error)),
    };
    entries
        .map(|entry| entry.map(|e| e.path()).map_err(|error| Failure::file("read the directory", dir, &error)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_leaves_its_directory() {
        for bad in ["", "..", "a/b", ".", "a b", "ü", "a\0b"] {
            assert!(!is_name(bad), "{bad:?}");
        }
        assert!(is_name("shop-2026_a"));
    }
}
