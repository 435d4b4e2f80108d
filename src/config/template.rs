//! Texts with `${NAME}` parts, and how a part is looked up in the environment.

use std::fmt;

/// Looks a variable up. A parameter everywhere, so that tests need not change the process's environment.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The environment of this process. A value that is not UTF-8 counts as missing.
pub(super) fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A piece of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// Text as it is.
    Literal(&'t str),
    /// The name of a variable.
    Variable(&'t str),
}

/// Why a template cannot be read or expanded. None of them holds a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateProblem {
    /// `${` without `}`.
    Unclosed,
    /// What stands in the braces is not a variable's name.
    BadName,
    /// The variable is not set.
    Missing(String),
    /// The variable is set to nothing.
    Empty(String),
}

impl fmt::Display for TemplateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unclosed => f.write_str("`${` is not closed; write ${NAME}."),
            Self::BadName => f.write_str(
                "What stands in `${...}` is not a variable's name: letters, digits and `_`, not beginning with a digit.",
            ),
            Self::Missing(name) => {
                write!(f, "The environment variable {name} is not set (or not UTF-8); export it before starting Godwit.")
            }
            Self::Empty(name) => write!(f, "The environment variable {name} is set, but empty."),
        }
    }
}

/// Splits a template.
///
/// # Errors
/// [`TemplateProblem::Unclosed`], [`TemplateProblem::BadName`].
pub(super) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, TemplateProblem> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, opened) = rest.split_at(start);
        let end = opened.find('}').ok_or(TemplateProblem::Unclosed)?;
        let name = &opened[2..end];
        let valid = !name.starts_with(|c: char| c.is_ascii_digit())
            && !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !valid {
            return Err(TemplateProblem::BadName);
        }
        if !before.is_empty() {
            pieces.push(Piece::Literal(before));
        }
        pieces.push(Piece::Variable(name));
        rest = &opened[end + 1..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest));
    }
    Ok(pieces)
}

/// The value of a variable; a missing or empty one is a problem.
pub(super) fn value_of(name: &str, lookup: Lookup<'_>) -> Result<String, TemplateProblem> {
    match lookup(name) {
        None => Err(TemplateProblem::Missing(name.to_owned())),
        Some(value) if value.trim().is_empty() => Err(TemplateProblem::Empty(name.to_owned())),
        Some(value) => Ok(value),
    }
}

/// Replaces every variable by its value as it is: for paths, which are not secret.
///
/// # Errors
/// Any [`TemplateProblem`].
pub(super) fn expand(text: &str, lookup: Lookup<'_>) -> Result<String, TemplateProblem> {
    let mut out = String::with_capacity(text.len());
    for piece in pieces(text)? {
        match piece {
            Piece::Literal(literal) => out.push_str(literal),
            Piece::Variable(name) => out.push_str(&value_of(name, lookup)?),
        }
    }
    Ok(out)
}

/// The text with every variable replaced by `1`, which is valid as a host, a port, a user and a path: to look at the shape.
pub(super) fn outline(text: &str) -> Result<String, TemplateProblem> {
    Ok(pieces(text)?
        .into_iter()
        .map(|piece| match piece {
            Piece::Literal(literal) => literal,
            Piece::Variable(_) => "1",
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_and_expands() {
        let lookup = |name: &str| (name == "DIR").then(|| "/srv".to_owned());
        assert_eq!(expand("sqlite:${DIR}/x.db", &lookup), Ok("sqlite:/srv/x.db".to_owned()));
        assert_eq!(expand("${DIR}${DIR}", &lookup), Ok("/srv/srv".to_owned()));
        assert_eq!(expand("$ {a} }", &lookup), Ok("$ {a} }".to_owned()));
        assert_eq!(expand("${OTHER}", &lookup), Err(TemplateProblem::Missing("OTHER".to_owned())));
        assert_eq!(expand("${DIR", &lookup), Err(TemplateProblem::Unclosed));
        for bad in ["${}", "${1A}", "${A B}", "${A:-x}", "${ä}"] {
            assert_eq!(expand(bad, &lookup), Err(TemplateProblem::BadName), "{bad}");
        }
    }
}
