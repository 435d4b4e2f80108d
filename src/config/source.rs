//! Where a secret comes from, as written: `${NAME}` templates, `file:`, `command:`.

use super::form;
use super::profile::{Engine, SecretSource};
use super::template::{self, Lookup};
use super::url;
use std::path::{Path, PathBuf};

/// Paths and variables of a profile are resolved against these.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    /// The absolute directory of the profile file.
    pub base: &'a Path,
    /// The environment.
    pub lookup: Lookup<'a>,
}

impl Surroundings<'_> {
    /// A path as written: variables replaced, and relative to the profile's directory. The error is a sentence.
    pub fn path(&self, text: &str) -> Result<PathBuf, String> {
        let expanded = template::expand(text, self.lookup).map_err(|problem| problem.to_string())?;
        match expanded.trim() {
            "" => Err("The path is empty.".to_owned()),
            path if path.starts_with("~") => Err("`~` is not expanded; write ${HOME}.".to_owned()),
            _ if expanded.contains('\0') => Err("The path holds a NUL byte.".to_owned()),
            _ => Ok(self.base.join(expanded)),
        }
    }

    /// A command: a program with a `/` in its name is relative to the profile's directory, any other is found in PATH.
    pub fn argv(&self, words: Vec<String>) -> Vec<String> {
        let mut words = words;
        if let Some(program) = words.first_mut()
            && program.contains('/')
        {
            *program = self.base.join(&*program).display().to_string();
        }
        words
    }
}

/// Reads the URL of a store. Each error is a sentence without any part of the URL that could be secret.
pub(super) fn store_url(text: &str, engine: Engine, around: Surroundings<'_>) -> Result<SecretSource, String> {
    let source = parse(text, around)?;
    let SecretSource::Template(template) = &source else {
        if let (Engine::Sqlite, SecretSource::File(path)) = (engine, &source)
            && path.extension().is_some_and(|e| ["db", "sqlite", "sqlite3"].iter().any(|known| e == *known))
        {
            return Err(
                "`file:` names a file that holds the URL. For a database file write \"sqlite:/path/to/file.db\"."
                    .to_owned(),
            );
        }
        return Ok(source);
    };
    // What begins with a variable shows no scheme; it is looked at again when the store is opened.
    if template.starts_with("${") {
        return Ok(source);
    }
    let outline = template::outline(template).map_err(|problem| problem.to_string())?;
    form::check(engine, &outline)?;
    Ok(match engine {
        Engine::Sqlite => SecretSource::Template(absolute_sqlite(template, around.base)),
        _ => source,
    })
}

/// Reads any secret text: a template, or where else it comes from.
pub(super) fn parse(text: &str, around: Surroundings<'_>) -> Result<SecretSource, String> {
    if let Some(path) = text.strip_prefix("file:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        return around.path(path).map(SecretSource::File);
    }
    if let Some(command) = text.strip_prefix("command:") {
        let words = words(command)?;
        return Ok(SecretSource::Command(around.argv(words)));
    }
    if text.trim().is_empty() {
        return Err("The URL is empty.".to_owned());
    }
    if url::holds_secret(text) {
        return Err(format!(
            "A password is written in this URL; a profile holds no secrets. {}",
            url::WHERE_SECRETS_GO
        ));
    }
    let pieces = template::pieces(text).map_err(|problem| problem.to_string())?;
    let bare = |literal: &str| {
        literal
            .match_indices('$')
            .any(|(i, _)| literal[i + 1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'))
    };
    if pieces.iter().any(|piece| matches!(piece, template::Piece::Literal(literal) if bare(literal))) {
        return Err("A variable is written in braces: ${NAME}, not $NAME.".to_owned());
    }
    if text.starts_with("env:") {
        return Err("A variable of the environment is written as \"${NAME}\".".to_owned());
    }
    // The path of an SQLite file may hold blanks.
    if text.chars().any(|c| c.is_control() || c == ' ' && !text.starts_with("sqlite:")) {
        return Err("The URL holds a space or a control character.".to_owned());
    }
    Ok(SecretSource::Template(text.to_owned()))
}

/// `sqlite:PATH` with an absolute path. A path that begins with a variable is left as it is: only its value can say.
fn absolute_sqlite(template: &str, base: &Path) -> String {
    let path = template.strip_prefix("sqlite:").unwrap_or(template);
    let path = path.strip_prefix("//").unwrap_or(path);
    match path.starts_with(['/', '$']) {
        true => format!("sqlite:{path}"),
        false => format!("sqlite:{}", base.join(path).display()),
    }
}

/// Splits a command into words: blanks separate, `'...'` and `"..."` keep them together, `\` keeps the next character.
/// No shell is involved, so nothing else is special. The error is a sentence.
fn words(command: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => match chars.next() {
                Some(next) => word.get_or_insert_default().push(next),
                None => return Err("The command ends in a lone `\\`.".to_owned()),
            },
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, None) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err("A quote in the command is not closed.".to_owned());
    }
    words.extend(word);
    match words.first().map(String::as_str) {
        None | Some("") => {
            Err("`command:` needs a program and its arguments, such as \"command:pass show shop/url\".".to_owned())
        }
        Some(_) if command.contains('\0') => Err("The command holds a NUL byte.".to_owned()),
        Some(_) => Ok(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_without_a_shell() {
        assert_eq!(
            words("pass show 'my entry' \"b c\" d\\ e ''").unwrap(),
            ["pass", "show", "my entry", "b c", "d e", ""]
        );
        assert_eq!(words("echo $HOME; ls | cat").unwrap(), ["echo", "$HOME;", "ls", "|", "cat"]);
        for bad in ["", "  ", "'a", "a \\", "''"] {
            assert!(words(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn relative_paths_follow_the_profile() {
        let lookup = |name: &str| (name == "D").then(|| "/srv".to_owned());
        let around = Surroundings { base: Path::new("/etc/godwit"), lookup: &lookup };
        let url = |text: &str| store_url(text, Engine::Sqlite, around).unwrap();
        assert_eq!(url("sqlite:a.db"), SecretSource::Template("sqlite:/etc/godwit/a.db".into()));
        assert_eq!(url("sqlite:///a.db"), SecretSource::Template("sqlite:/a.db".into()));
        assert_eq!(url("sqlite:${D}/a.db"), SecretSource::Template("sqlite:${D}/a.db".into()));
        assert_eq!(url("file:url.txt"), SecretSource::File("/etc/godwit/url.txt".into()));
        assert_eq!(url("file:${D}/url"), SecretSource::File("/srv/url".into()));
        assert_eq!(url("command:./get x"), SecretSource::Command(vec!["/etc/godwit/./get".into(), "x".into()]));
    }
}
