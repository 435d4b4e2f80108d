use super::*;

/// Keys that do something harmless in at least one sibling tool (reference/observability.md, section 1e). `K` is not among them: it
/// kills in pg_activity and in pgcenter, and fingers that know it from there must not meet something else here.
const HARMLESS_IN_SIBLINGS: &str = "qh?jkgG/\\fpPMTZzRr+-_dstieycnxmuIHJLSoD<>,.[]`@#0123456789 ";

fn is_dangerous(binding: &Binding) -> bool {
    matches!(binding.intent, Intent::Act(act) if act.is_dangerous())
}

#[test]
fn no_dangerous_key_is_harmless_in_a_sibling_tool() {
    for binding in BINDINGS.iter().filter(|b| is_dangerous(b)) {
        for key in binding.keys {
            let KeyCode::Char(c) = key.code else { continue };
            assert!(!HARMLESS_IN_SIBLINGS.contains(c), "{} is {}", key.name(), binding.label);
        }
    }
}

#[test]
fn no_dangerous_key_lies_beside_a_harmless_one() {
    let rows = ["qwertyuiop", "asdfghjkl", "zxcvbnm"];
    let capital_beside = |a: char, b: char| {
        a.is_uppercase()
            && b.is_uppercase()
            && rows.iter().any(|row| {
                let at = |c: char| row.find(c.to_ascii_lowercase());
                at(a).zip(at(b)).is_some_and(|(x, y)| x.abs_diff(y) == 1)
            })
    };
    for danger in BINDINGS.iter().filter(|b| is_dangerous(b)) {
        for other in BINDINGS.iter().filter(|b| !is_dangerous(b)) {
            if !other.contexts.iter().any(|c| danger.contexts.contains(c)) {
                continue;
            }
            for (a, b) in danger.keys.iter().flat_map(|a| other.keys.iter().map(move |b| (a, b))) {
                if let (KeyCode::Char(x), KeyCode::Char(y)) = (a.code, b.code) {
                    assert!(!capital_beside(x, y), "{} ({}) beside {} ({})", x, danger.label, y, other.label);
                }
            }
        }
    }
}

#[test]
fn keys_that_belong_to_the_terminal_stay_unbound() {
    let forbidden = ['s', 'q', 'k', 'd'].map(Key::control).into_iter().chain([Key::char('Q'), Key::char(' ')]);
    for key in forbidden {
        for binding in BINDINGS {
            assert!(!binding.keys.contains(&key), "{} is bound to {}", key.name(), binding.label);
        }
    }
}

#[test]
fn a_key_means_two_things_in_one_context_only_when_they_exclude_each_other() {
    for (at, binding) in BINDINGS.iter().enumerate() {
        for other in &BINDINGS[at + 1..] {
            let shared = binding.contexts.iter().any(|c| other.contexts.contains(c));
            let key = binding.keys.iter().find(|k| other.keys.contains(k));
            if let (true, Some(key)) = (shared, key) {
                let pair = (binding.intent, other.intent);
                let excluding = [
                    (Intent::Act(Act::Pause), Intent::Act(Act::Resume)),
                    (Intent::Act(Act::PausePipeline), Intent::Act(Act::ResumePipeline)),
                    (Intent::Act(Act::Take), Intent::Act(Act::Leave)),
                    (Intent::Freeze, Intent::Thaw),
                ];
                assert!(excluding.contains(&pair), "{} means {pair:?}", key.name());
            }
        }
    }
}

#[test]
fn letters_can_be_typed_where_text_is_asked_for() {
    for context in TYPED {
        for binding in bindings(*context) {
            for key in binding.keys {
                assert!(key.control || !matches!(key.code, KeyCode::Char(_)), "{} in {context:?}", key.name());
            }
        }
    }
}

#[test]
fn function_keys_always_have_a_letter_too() {
    for binding in BINDINGS {
        if binding.keys.iter().any(|k| matches!(k.code, KeyCode::F(_))) {
            assert!(binding.keys.iter().any(|k| matches!(k.code, KeyCode::Char(_))), "{}", binding.label);
        }
    }
}
