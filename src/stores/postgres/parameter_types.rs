//! Types for parameters that once were constants.
//!
//! `pg_stat_statements` puts a parameter where a constant stood and loses its type with it: `interval '1 day'` becomes `interval $1`, which is
//! no SQL, and `$1::date + 1` becomes `$1::date + $2`, of which there are several. The usual type is put there.

/// Types that are written in front of a constant.
const PREFIXES: [&str; 5] = ["interval", "date", "timestamp", "timestamptz", "time"];

/// The statement with the types that its parameters most likely had; `None`: there is nothing to put.
pub fn with_types(statement: &str) -> Option<String> {
    let mut typed = String::with_capacity(statement.len() + 16);
    let mut rest = statement;
    let mut is_changed = false;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        typed.push_str(before);
        let digits = from[1..].bytes().take_while(u8::is_ascii_digit).count();
        let (parameter, after) = from.split_at(1 + digits);
        rest = after;
        if digits == 0 {
            typed.push_str(parameter);
            continue;
        }
        let head = typed.trim_end();
        let word = &head[head.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(0, |end| end + 1)..];
        let prefix = PREFIXES.iter().find(|prefix| word.eq_ignore_ascii_case(prefix));
        // The end of a comment looks like a division.
        let is_counted = head.ends_with(['+', '-', '*', '/']) && !head.ends_with("*/");
        let has_type = after.trim_start().starts_with("::");
        match prefix {
            Some(prefix) => {
                typed.truncate(head.len() - word.len());
                typed.push_str(parameter);
                typed.push_str("::");
                typed.push_str(prefix);
                is_changed = true;
            }
            None if is_counted && !has_type => {
                typed.push_str(parameter);
                typed.push_str("::int4");
                is_changed = true;
            }
            None => typed.push_str(parameter),
        }
    }
    typed.push_str(rest);
    is_changed.then_some(typed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_constant_lost_is_put_back() {
        for (kept, wanted) in [
            (
                "select a from t where d between $1::date and $2::date + $3",
                Some("select a from t where d between $1::date and $2::date + $3::int4"),
            ),
            ("select a from t where d > now() - interval $1", Some("select a from t where d > now() - $1::interval")),
            ("select a from t where d >= DATE $1 and b = $2", Some("select a from t where d >= $1::date and b = $2")),
            ("select a from t where updated $1", None),
            ("select /* x */ $1, $2 from t where j -> $3 = $$x$$", None),
            ("select a * $1::numeric from t limit $12", None),
        ] {
            assert_eq!(with_types(kept).as_deref(), wanted, "{kept}");
        }
    }
}
