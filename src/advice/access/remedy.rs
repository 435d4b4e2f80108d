//! The statement that ends a right, found from the path by which it is held.

use super::wording::role;
use crate::model::access::object::{Object, ObjectKind};
use crate::model::access::right::{EffectiveRight, RightPath};
use std::collections::BTreeMap;

/// What ends rights, what gives them back, and who else is concerned.
#[derive(Debug, Default, PartialEq)]
pub struct Remedy {
    /// `None`: it takes more than a statement.
    pub statement: Option<String>,
    /// `None` exactly when `statement` is.
    pub undo: Option<String>,
    /// Reasons not to.
    pub why_not: Vec<String>,
}

/// The remedy for all of a login's rights on an object. Rights by the same path go in one statement.
pub fn remedy(login: &str, object: &Object, rights: &[&EffectiveRight]) -> Remedy {
    let target = match object.kind {
        ObjectKind::Table | ObjectKind::View | ObjectKind::MaterialisedView => object.name.clone(),
        ObjectKind::Sequence => format!("SEQUENCE {}", object.name),
        ObjectKind::Schema => format!("SCHEMA {}", object.name),
        ObjectKind::Database => format!("DATABASE {}", object.name),
        ObjectKind::Function => format!("FUNCTION {}", object.name),
        ObjectKind::ForeignServer => format!("FOREIGN SERVER {}", object.name),
        ObjectKind::Language => format!("LANGUAGE {}", object.name),
    };
    // From whom what is revoked, and memberships that end.
    let mut revoked: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut ended: Vec<(String, String)> = Vec::new();
    // Words of entries that the store can end, by the rest of their statements.
    let mut taken: BTreeMap<(&str, &str, &str, &str), Vec<&str>> = BTreeMap::new();
    let mut remedy = Remedy::default();
    let mut concern = |text: String| {
        if !remedy.why_not.contains(&text) {
            remedy.why_not.push(text);
        }
    };
    for right in rights {
        let word = match right.columns.is_empty() {
            true => right.right.word().to_owned(),
            false => format!("{} ({})", right.right, right.columns.join(", ")),
        };
        if let RightPath::Entry { end, concerns, .. } = &right.path {
            if !concerns.is_empty() {
                concern(concerns.clone());
            }
            match end {
                Some(end) => {
                    let key =
                        (end.before.as_str(), end.after.as_str(), end.undo_before.as_str(), end.undo_after.as_str());
                    let words = taken.entry(key).or_default();
                    if !words.contains(&end.word.as_str()) {
                        words.push(&end.word);
                    }
                }
                None => concern("it takes more than one statement to end this".to_owned()),
            }
            continue;
        }
        if let Some(owner) = &right.becomes {
            concern(format!("{login} can then not SET ROLE {owner} any more"));
            ended.push((owner.clone(), login.to_owned()));
            continue;
        }
        match &right.path {
            RightPath::Granted { through } => match through.last() {
                None => revoked.entry(role(login)).or_default().push(word),
                Some(group) => {
                    concern(format!(
                        "every member of {group} loses it; to end it for {login} alone: REVOKE {} FROM {}",
                        role(through.first().unwrap_or(group)),
                        role(login)
                    ));
                    revoked.entry(role(group)).or_default().push(word);
                }
            },
            RightPath::Public => {
                concern("everybody loses it who has it by no other way".to_owned());
                revoked.entry("PUBLIC".to_owned()).or_default().push(word);
            }
            RightPath::Owner { through } if through.is_empty() => {
                concern(format!(
                    "{login} owns it, and an owner can give itself every right again: give the object to a role that nobody logs in as"
                ));
                revoked.entry(role(login)).or_default().push(word);
            }
            RightPath::Owner { through } | RightPath::Predefined { through } => {
                let Some(group) = through.last() else { continue };
                let member = through.len().checked_sub(2).and_then(|at| through.get(at)).map_or(login, String::as_str);
                concern(format!("{member} loses everything else that comes with {group}"));
                ended.push((group.clone(), member.to_owned()));
            }
            // Dealt with above.
            RightPath::Entry { .. } => {}
            RightPath::Unexplained => concern("the catalogue does not show where this right comes from".to_owned()),
        }
    }
    ended.sort();
    ended.dedup();
    let mut statements = Vec::new();
    let mut undo = Vec::new();
    for ((before, after, undo_before, undo_after), words) in taken {
        let words = words.join(", ");
        statements.push(format!("{before}{words}{after}"));
        undo.push(format!("{undo_before}{words}{undo_after}"));
    }
    for (whose, words) in revoked {
        let words = words.join(", ");
        statements.push(format!("REVOKE {words} ON {target} FROM {whose}"));
        undo.push(format!("GRANT {words} ON {target} TO {whose}"));
    }
    for (group, member) in ended {
        statements.push(format!("REVOKE {} FROM {}", role(&group), role(&member)));
        undo.push(format!("GRANT {} TO {}", role(&group), role(&member)));
    }
    if !statements.is_empty() {
        remedy.statement = Some(statements.join("; "));
        remedy.undo = Some(undo.join("; "));
    }
    remedy
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::access::right::Right;

    fn right(right: Right, path: RightPath) -> EffectiveRight {
        EffectiveRight { login: "app".to_owned(), group: 1, right, becomes: None, path, columns: Vec::new() }
    }

    #[test]
    fn each_path_has_its_end() {
        let table = Object { kind: ObjectKind::Table, name: "public.t".to_owned(), owner: "o".to_owned(), group: 1 };
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let statement = |path| remedy("app", &table, &[&right(Right::Read, path)]).statement.unwrap_or_default();
        assert_eq!(statement(RightPath::Granted { through: vec![] }), "REVOKE SELECT ON public.t FROM app");
        assert_eq!(statement(RightPath::Public), "REVOKE SELECT ON public.t FROM PUBLIC");
        assert_eq!(statement(RightPath::Granted { through: names(&["a", "b"]) }), "REVOKE SELECT ON public.t FROM b");
        assert_eq!(statement(RightPath::Owner { through: names(&["a", "o"]) }), "REVOKE o FROM a");
        assert_eq!(
            statement(RightPath::Predefined { through: names(&["pg_read_all_data"]) }),
            "REVOKE pg_read_all_data FROM app"
        );
        assert_eq!(statement(RightPath::Unexplained), "");
        let both = [
            right(Right::Insert, RightPath::Granted { through: vec![] }),
            right(Right::Delete, RightPath::Granted { through: vec![] }),
        ];
        let made = remedy("app", &table, &[&both[0], &both[1]]);
        assert_eq!(made.undo.as_deref(), Some("GRANT INSERT, DELETE ON public.t TO app"));
        let column = EffectiveRight {
            columns: names(&["a", "b"]),
            ..right(Right::Update, RightPath::Granted { through: vec![] })
        };
        assert_eq!(
            remedy("app", &table, &[&column]).statement.as_deref(),
            Some("REVOKE UPDATE (a, b) ON public.t FROM app")
        );
    }
}
