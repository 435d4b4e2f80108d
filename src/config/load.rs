//! From a file to a profile.

use super::names;
use super::problem::{Notebook, Place, ProfileProblems};
use super::profile::Profile;
use super::raw::RawProfile;
use super::source::Surroundings;
use super::table::Table;
use super::template::{self, Lookup};
use super::validate;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use toml::de::DeTable;

/// A longer file is not a profile. Keeps the time to find all problems, and the names near to them, short.
const LONGEST_BYTES: u64 = 256 * 1024;

/// Reads and validates a profile. Connects to nothing and reads no secret; variables in paths are looked up.
///
/// # Errors
/// All problems that can be found at once, sorted by line. A file that is not TOML has one: where it stops being TOML.
pub fn load(path: &Path) -> Result<Profile, ProfileProblems> {
    load_with(path, &template::process_environment)
}

/// [`load`] in a given environment.
pub(super) fn load_with(path: &Path, lookup: Lookup<'_>) -> Result<Profile, ProfileProblems> {
    let of_file = |sentence: String| ProfileProblems::of_file(path, sentence);
    let bytes = read(path).map_err(|error| of_file(format!("The profile cannot be read: {error}.")))?;
    if bytes.len() as u64 > LONGEST_BYTES {
        return Err(of_file(format!("The profile has more than {} KB; is it the right file?", LONGEST_BYTES / 1024)));
    }
    let absolute =
        std::path::absolute(path).map_err(|error| of_file(format!("The profile has no absolute path: {error}.")))?;
    let base = absolute.parent().map_or_else(PathBuf::new, Path::to_owned);
    let digest = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    match std::str::from_utf8(&bytes) {
        Ok(text) => check(text, path, digest, Surroundings { base: &base, lookup }),
        Err(error) => {
            let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let notes = Notebook::new(&valid);
            let place = Place { offset: valid.len(), key: String::new() };
            notes.add(&place, "The profile is not UTF-8 text from here on; save it as UTF-8.");
            Err(notes.close(path))
        }
    }
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LONGEST_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Validates the text of a profile.
pub(super) fn check(
    text: &str,
    path: &Path,
    digest: String,
    around: Surroundings<'_>,
) -> Result<Profile, ProfileProblems> {
    let notes = Notebook::new(text);
    let profile = match DeTable::parse(text) {
        Ok(document) => {
            let raw = RawProfile::read(Table::root(&notes, document.get_ref()), &notes);
            validate::profile(&raw, &notes, around, path, digest)
        }
        Err(error) => {
            let offset = error.span().map_or(0, |span| span.start);
            let place = Place { offset, key: String::new() };
            notes.add(
                &place,
                format!("This is not TOML: {}. Nothing else could be checked.", names::visible(error.message())),
            );
            None
        }
    };
    match profile {
        Some(profile) => Ok(profile),
        // A defence: a profile that is refused without a note would be an error without a sentence.
        None if notes.is_empty() => {
            Err(ProfileProblems::of_file(path, "The profile was refused without a reason: a bug in Godwit.".to_owned()))
        }
        None => Err(notes.close(path)),
    }
}
