//! Reading a secret at the moment it is needed: from the environment, a file or a command.
//!
//! Invariant: no value of a secret, and no output of a command, is ever part of an error.
//! These functions block (a command up to [`COMMAND_TIMEOUT`]); async callers use `spawn_blocking`.

mod command;

pub use command::COMMAND_TIMEOUT;

use super::form;
use super::names;
use super::profile::{SecretSource, StoreConfig};
use super::template::{self, Lookup, Piece, TemplateProblem};
use super::url;
use nix::fcntl::OFlag;
use secrecy::{ExposeSecret, SecretString};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// More than this is not a secret, but a mistake.
const LONGEST_BYTES: u64 = 64 * 1024;

/// Why a secret could not be read, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum SecretProblem {
    /// A variable is missing, empty, or badly written.
    #[error("{0}")]
    Template(TemplateProblem),
    /// The file cannot be opened or read.
    #[error("The secret file {} cannot be read: {source}.{}", names::visible(&path.display().to_string()), advice(source))]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is a directory, a pipe or a device.
    #[error("The secret file {} is not an ordinary file.", names::visible(&path.display().to_string()))]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// People other than the owner can read or write it.
    #[error(
        "The secret file {} has mode {mode:04o}: others than its owner can read or change it. Run: chmod 600 {}",
        names::visible(&path.display().to_string()),
        names::visible(&path.display().to_string())
    )]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The command cannot be started.
    #[error("The secret command `{program}` cannot be started: {source}.")]
    NotStarted {
        /// Its first word.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The command took too long and was ended.
    #[error("The secret command `{program}` did not answer within {} s and was ended; it must not ask for anything.", COMMAND_TIMEOUT.as_secs())]
    TimedOut {
        /// Its first word.
        program: String,
    },
    /// The command failed.
    #[error("The secret command `{program}` failed with {status}{}{stderr}.", if stderr.is_empty() { "" } else { ": " })]
    Failed {
        /// Its first word.
        program: String,
        /// `exit status: 1`, `signal: 9`.
        status: String,
        /// The end of what it wrote to standard error, with escapes made visible and without what it wrote to standard output.
        stderr: String,
    },
    /// Nothing came out.
    #[error("The secret from {origin} is empty.")]
    Empty {
        /// Where it came from, in words.
        origin: String,
    },
    /// It is too long, not UTF-8, or holds control characters such as a line break.
    #[error("The secret from {origin} is not one line of UTF-8 text of at most 64 KB.")]
    NotText {
        /// Where it came from, in words.
        origin: String,
    },
    /// It is not a URL that the store's engine can use.
    #[error("The URL of store `{store}`, from {origin}, is not usable. {sentence}")]
    NotAUrl {
        /// The store.
        store: String,
        /// Where it came from, in words.
        origin: String,
        /// Why; never a part of the URL.
        sentence: String,
    },
}

fn advice(error: &std::io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => " Create it, with mode 600.",
        ErrorKind::PermissionDenied => " It must belong to the user that runs Godwit.",
        _ => "",
    }
}

/// Reads a secret. A variable that stands in the login or the parameters of a `scheme://` URL is percent-encoded, so it
/// holds the plain password; a variable that holds a whole URL is taken as it is.
///
/// # Errors
/// See [`SecretProblem`]; each is a sentence for the operator.
pub fn resolve(source: &SecretSource) -> Result<SecretString, SecretProblem> {
    resolve_with(source, &template::process_environment)
}

/// Reads a store's URL and checks that it has the form that the store's engine needs.
///
/// # Errors
/// See [`SecretProblem`]; each is a sentence for the operator.
pub fn resolve_store_url(store: &StoreConfig) -> Result<SecretString, SecretProblem> {
    resolve_store_url_with(store, &template::process_environment)
}

fn resolve_store_url_with(store: &StoreConfig, lookup: Lookup<'_>) -> Result<SecretString, SecretProblem> {
    let secret = resolve_with(&store.url, lookup)?;
    let text = secret.expose_secret();
    let unusable =
        |sentence: String| SecretProblem::NotAUrl { store: store.id.to_string(), origin: origin(&store.url), sentence };
    form::check(store.engine, text).map_err(unusable)?;
    // A profile's own relative paths were made absolute; the engine's working directory means nothing to an operator.
    match url::sqlite_path(text) {
        Some(path) if !Path::new(path).is_absolute() => {
            Err(unusable("The path of an SQLite file that comes from outside the profile must be absolute.".to_owned()))
        }
        _ => Ok(secret),
    }
}

pub(super) fn resolve_with(source: &SecretSource, lookup: Lookup<'_>) -> Result<SecretString, SecretProblem> {
    let text = match source {
        SecretSource::Template(template) => fill(template, lookup).map_err(SecretProblem::Template)?,
        SecretSource::File(path) => read_file(path)?,
        SecretSource::Command(argv) => command::first_line(argv, COMMAND_TIMEOUT)?,
    };
    let text = text.trim();
    if text.is_empty() {
        return Err(SecretProblem::Empty { origin: origin(source) });
    }
    if text.chars().any(char::is_control) {
        return Err(SecretProblem::NotText { origin: origin(source) });
    }
    Ok(SecretString::from(text))
}

/// Where a secret comes from, for screens and errors; never the secret.
pub fn origin(source: &SecretSource) -> String {
    match source {
        SecretSource::Template(template) => names::visible(&url::redact_url(template)),
        SecretSource::File(path) => format!("file {}", names::visible(&path.display().to_string())),
        SecretSource::Command(argv) => format!("command `{}`", names::shown(argv.first().map_or("", String::as_str))),
    }
}

fn fill(template: &str, lookup: Lookup<'_>) -> Result<String, TemplateProblem> {
    let encoded = url::encoded_parts(template);
    let mut out = String::with_capacity(template.len());
    let mut offset = 0;
    for piece in template::pieces(template)? {
        match piece {
            Piece::Literal(literal) => {
                out.push_str(literal);
                offset += literal.len();
            }
            Piece::Variable(name) => {
                let value = template::value_of(name, lookup)?;
                match encoded.iter().any(|part| part.contains(&offset)) {
                    true => out.push_str(&url::encode(value.trim_end_matches(['\r', '\n']))),
                    false => out.push_str(&value),
                }
                offset += name.len() + "${}".len();
            }
        }
    }
    Ok(out)
}

fn read_file(path: &Path) -> Result<String, SecretProblem> {
    let refused = |source| SecretProblem::File { path: path.to_owned(), source };
    // Without waiting: opening a pipe that nobody writes to would hang.
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path).map_err(refused)?;
    // The mode of what was opened, not of what the path may name by now.
    let metadata = file.metadata().map_err(refused)?;
    if !metadata.is_file() {
        return Err(SecretProblem::NotAFile { path: path.to_owned() });
    }
    if metadata.mode() & 0o066 != 0 {
        return Err(SecretProblem::OpenToOthers { path: path.to_owned(), mode: metadata.mode() & 0o7777 });
    }
    let mut bytes = Vec::new();
    file.take(LONGEST_BYTES + 1).read_to_end(&mut bytes).map_err(refused)?;
    text_of(bytes).ok_or_else(|| SecretProblem::NotText { origin: origin(&SecretSource::File(path.to_owned())) })
}

/// The bytes as text, if they are UTF-8 and not too many.
fn text_of(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok().filter(|text| text.len() as u64 <= LONGEST_BYTES)
}

#[cfg(test)]
mod tests;
