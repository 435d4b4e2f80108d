//! URLs of stores and routes: where secrets hide in them, how they are shown without, and what place they name.
//!
//! Invariant: no sentence made here repeats any part of a URL that could be a secret.

use super::template;
use std::ops::Range;

/// Where a secret goes instead of into the profile.
pub(super) const WHERE_SECRETS_GO: &str = "Put the whole URL, or just its password as ${NAME}, into the environment; or let \
     url be \"file:/path\" (a file only its owner can read) or \"command:prog args\" (prints the URL).";

/// Parameters whose value is a secret, in lower case.
const SECRET_KEYS: [&str; 12] = [
    "password",
    "passwd",
    "pwd",
    "pass",
    "passphrase",
    "sslpassword",
    "secret",
    "client_secret",
    "token",
    "access_token",
    "apikey",
    "api_key",
];

/// The URL with every secret in it replaced by `***`, for screens, logs and errors. Takes any text, also what is not a URL,
/// and hides rather too much than too little.
pub fn redact_url(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut end = 0;
    for span in secrets(text, false) {
        if span.start >= end && !span.is_empty() {
            out.push_str(&text[end..span.start]);
            out.push_str("***");
            end = span.end;
        } else {
            end = end.max(span.end);
        }
    }
    out.push_str(&text[end..]);
    out
}

/// True when a secret is written out in the text; one that comes from `${NAME}` is not.
pub(super) fn holds_secret(text: &str) -> bool {
    secrets(text, true).into_iter().any(|span| {
        // A broken template is noted elsewhere; here it counts as written out.
        template::pieces(&text[span])
            .map_or(true, |pieces| pieces.iter().any(|piece| matches!(piece, template::Piece::Literal(_))))
    })
}

/// Where secrets stand, by start. `sure`: only where the text is a URL by the rules; otherwise also where a careless
/// writer could have put one (`user:pass/word@host`, or no scheme at all).
fn secrets(text: &str, sure: bool) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut starts: Vec<usize> = text.match_indices("://").map(|(i, _)| i + 3).collect();
    if starts.is_empty() && !sure {
        starts.push(0);
    }
    for start in starts {
        let token_end =
            text[start..].find(|c: char| c.is_whitespace() || "\"'<>".contains(c)).map_or(text.len(), |i| start + i);
        if let Some(login) = login(&text[start..token_end], sure)
            && let Some(colon) = login.find(':')
        {
            found.push(start + colon + 1..start + login.len());
        }
    }
    for (equals, _) in text.match_indices('=') {
        let key_start = text[..equals]
            .rfind(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '%')))
            .map_or(0, |i| i + text[i..].chars().next().map_or(1, char::len_utf8));
        let key = decode(&text[key_start..equals]).to_lowercase();
        if SECRET_KEYS.contains(&key.as_str()) {
            let value = &text[equals + 1..];
            let length = match value.strip_prefix('\'') {
                Some(quoted) => quoted.find('\'').map_or(value.len(), |i| i + 2),
                None => value.find(|c: char| c.is_whitespace() || "&;#\"'".contains(c)).unwrap_or(value.len()),
            };
            found.push(equals + 1..equals + 1 + length);
        }
    }
    found.sort_by_key(|span| span.start);
    found
}

/// The `user:password` before the `@`, in what follows `://`.
fn login(rest: &str, sure: bool) -> Option<&str> {
    // An unescaped `/`, `?`, `#` or `@` in a password ends the authority too early, so a careful reader goes to the last `@`.
    let last = || rest.rfind('@').map(|at| &rest[..at]);
    if !sure {
        return last();
    }
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    if let Some(at) = authority.rfind('@') {
        return Some(&rest[..at]);
    }
    // `host:5432/path?mail=a@b` is sound and holds no login; where no port stands, `user:pass/word@host` was meant.
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    let port_like = port.bytes().all(|b| b.is_ascii_digit()) || port.starts_with("${");
    if port_like { None } else { last() }
}

/// The parts of a `scheme://` URL in which a variable's value must be percent-encoded: the login and the parameters.
pub(super) fn encoded_parts(template: &str) -> Vec<Range<usize>> {
    let Some(start) = template.find("://").map(|i| i + 3) else { return Vec::new() };
    let rest = &template[start..];
    let mut parts = Vec::new();
    if let Some(login) = login(rest, true) {
        parts.push(start..start + login.len());
    }
    if let Some(query) = rest.find('?') {
        parts.push(start + query..template.len());
    }
    parts
}

/// Percent-encodes everything but unreserved characters.
pub(super) fn encode(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = |at: usize| bytes.get(at).and_then(|b| char::from(*b).to_digit(16));
        match (bytes[i], hex(i + 1), hex(i + 2)) {
            // Two hexadecimal digits are below 256.
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                i += 3;
            }
            (byte, ..) => {
                out.push(byte);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Whether a URL, with its variables replaced, can be called. The error is a sentence.
pub(super) fn check_http(url: &str) -> Result<(), String> {
    match url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")) {
        Some(rest) if !rest.is_empty() && !rest.starts_with(['/', ':', '?', '#']) => Ok(()),
        Some(_) => Err("The URL names no host.".to_owned()),
        None => Err("The URL must begin with http:// or https://.".to_owned()),
    }
}

/// The database of a postgres URL, if it names one.
pub(super) fn database(url: &str) -> Option<&str> {
    let rest = url.split_once("://")?.1;
    rest.split('?').next()?.split_once('/').map(|(_, database)| database).filter(|database| !database.is_empty())
}

/// The path of a `sqlite:PATH` or `sqlite://PATH` URL, without parameters.
pub(super) fn sqlite_path(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("sqlite:")?;
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    Some(rest.split('?').next().unwrap_or(rest))
}

/// What tells one database from another in a URL: server and database, without login and parameters. Two stores with the
/// same place are the same database; two with different places may still be.
pub(super) fn place_of(url: &str) -> String {
    if let Some(path) = sqlite_path(url) {
        return format!("sqlite:{path}");
    }
    let Some((_, rest)) = url.split_once("://") else { return url.to_owned() };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place).to_lowercase();
    let scheme = url.split(':').next().unwrap_or("");
    let port = if place.is_empty() || place.ends_with(']') || !place.contains(':') { usual_port(scheme) } else { "" };
    let socket = query.split('&').find(|p| p.starts_with("host=") || p.starts_with("socket=")).unwrap_or("");
    format!("{place}{port}/{database}?{socket}")
}

/// The port that a URL without one means.
fn usual_port(scheme: &str) -> &'static str {
    match scheme {
        "mysql" | "mariadb" => ":3306",
        "mongodb" => ":27017",
        "redis" | "rediss" | "valkey" | "valkeys" => ":6379",
        _ => ":5432",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn secrets_are_redacted() {
        for (url, shown) in [
            ("postgres://app:hunter2@db:5432/shop", "postgres://app:***@db:5432/shop"),
            ("postgres://app:hun/ter@2@db/shop", "postgres://app:***@db/shop"),
            (
                "postgres://app@db/shop?sslmode=require&password=hunter2",
                "postgres://app@db/shop?sslmode=require&password=***",
            ),
            ("postgres://app@db/shop?pass%77ord=hunter2&x=1", "postgres://app@db/shop?pass%77ord=***&x=1"),
            ("host=db password='hun ter2' dbname=x", "host=db password=*** dbname=x"),
            ("app:hunter2@db/shop", "app:***@db/shop"),
            ("two: postgres://a:b@c/d and http://e:f@g/", "two: postgres://a:***@c/d and http://e:***@g/"),
            ("sqlite:/srv/x.db", "sqlite:/srv/x.db"),
            ("postgres://app@db:5432/shop", "postgres://app@db:5432/shop"),
            ("", ""),
        ] {
            assert_eq!(redact_url(url), shown);
        }
    }

    #[test]
    fn written_secrets_are_seen_and_named_ones_are_not() {
        for url in [
            "postgres://a:b@c/d",
            "postgres://a:x${P}@c/d",
            "postgres://a:b/b@c/d",
            "postgres://c/d?PassWord=x",
            "postgres://c/d?user=a&pass%77ord=x",
            "host=c password=x",
        ] {
            assert!(holds_secret(url), "{url}");
        }
        for url in [
            "postgres://a@c/d",
            "postgres://a:${P}@c:5432/d",
            "postgres://${U}:${P}@c:${PORT}/d",
            "postgres://c/d?password=${P}",
            "http://localhost:8080/hook?mail=a@b",
            "${URL}",
            "sqlite:/a:b@c.db",
        ] {
            assert!(!holds_secret(url), "{url}");
        }
    }

    #[test]
    fn the_same_database_is_seen_behind_different_logins() {
        assert_eq!(place_of("postgres://a@Db/x"), place_of("postgresql://b:${P}@db:5432/x?sslmode=require"));
        assert_eq!(place_of("mysql://a@db/x"), place_of("mariadb://b@db:3306/x"));
        assert_ne!(place_of("mysql://a@db/x"), place_of("postgres://a@db/x"));
        assert_eq!(place_of("sqlite:///srv/a.db"), place_of("sqlite:/srv/a.db?mode=rw"));
        assert_ne!(place_of("postgres://a@db/x"), place_of("postgres://a@db/y"));
        assert_ne!(place_of("mysql://a@localhost/x?socket=/a"), place_of("mysql://a@localhost/x?socket=/b"));
        assert_ne!(place_of("postgres://a@db:5433/x"), place_of("postgres://a@db/x"));
    }

    proptest! {
        #[test]
        fn a_password_never_survives(user in "[a-z]{1,8}", password in "[A-Z0-9/?#@:%=]{1,12}Z{9}", tail in "[a-z/]{0,12}") {
            let shown = redact_url(&format!("postgres://{user}:{password}@db/{tail}"));
            prop_assert!(!shown.contains("ZZZZZZZZZ"), "{}", shown);
        }

        #[test]
        fn any_text_is_taken(text in "\\PC{0,80}") {
            let _ = (redact_url(&text), holds_secret(&text), place_of(&text), encoded_parts(&text), database(&text));
        }

        #[test]
        fn what_is_encoded_decodes(text in "\\PC{0,40}") {
            prop_assert_eq!(decode(&encode(&text)), text);
        }
    }
}
