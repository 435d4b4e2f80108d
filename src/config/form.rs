//! Whether the URL of a store has the form that its engine needs. Each error is a sentence that repeats nothing of the URL but its scheme.

use super::profile::Engine;
use super::url::sqlite_path;

/// Schemes that people write; only these are repeated in a sentence.
const SCHEMES: [&str; 22] = [
    "postgres",
    "postgresql",
    "psql",
    "pg",
    "mysql",
    "mysqlx",
    "mariadb",
    "mongodb",
    "mongodb+srv",
    "mongo",
    "redis",
    "rediss",
    "redis+unix",
    "valkey",
    "valkeys",
    "valkey+unix",
    "sqlite",
    "sqlite3",
    "jdbc",
    "oracle",
    "http",
    "https",
];

/// What the URLs of an engine over the network look like.
struct Form {
    /// Schemes that are taken.
    schemes: &'static [&'static str],
    /// An example.
    example: &'static str,
    /// Whether a login must be named.
    needs_user: bool,
}

const POSTGRES: Form =
    Form { schemes: &["postgres", "postgresql"], example: "\"postgres://USER@HOST:PORT/DATABASE\"", needs_user: true };
const MARIADB: Form =
    Form { schemes: &["mariadb", "mysql"], example: "\"mariadb://USER@HOST:PORT/DATABASE\"", needs_user: true };
const MYSQL: Form =
    Form { schemes: &["mysql", "mariadb"], example: "\"mysql://USER@HOST:PORT/DATABASE\"", needs_user: true };
const MONGODB: Form =
    Form { schemes: &["mongodb", "mongodb+srv"], example: "\"mongodb://USER@HOST:PORT/DATABASE\"", needs_user: false };
const REDIS: Form = Form {
    schemes: &["redis", "rediss", "redis+unix", "valkey", "valkeys", "valkey+unix"],
    example: "\"rediss://USER@HOST:PORT/NUMBER\"",
    needs_user: false,
};

/// Whether a URL, with its variables replaced (see `template::outline`), has the form that its engine needs. The error is a sentence.
pub(super) fn check(engine: Engine, url: &str) -> Result<(), String> {
    match engine {
        Engine::Postgres => network(engine, url, &POSTGRES),
        Engine::Mariadb => network(engine, url, &MARIADB),
        Engine::Mysql => network(engine, url, &MYSQL),
        Engine::Mongodb => network(engine, url, &MONGODB),
        Engine::Redis | Engine::Valkey => network(engine, url, &REDIS),
        Engine::Sqlite => sqlite(url),
    }
}

fn sqlite(url: &str) -> Result<(), String> {
    match sqlite_path(url) {
        None => Err(wrong_scheme(url, "sqlite", "\"sqlite:/path/to/file.db\"")),
        Some(_) if url.starts_with("sqlite://") && !url.starts_with("sqlite:///") => {
            Err("An SQLite URL has no host: write \"sqlite:dir/file.db\" or \"sqlite:/path/to/file.db\".".to_owned())
        }
        Some(_) if url.contains('?') => {
            Err("An SQLite URL takes no parameters: leave out what begins with `?`.".to_owned())
        }
        Some("") => Err("The URL names no file: write \"sqlite:/path/to/file.db\".".to_owned()),
        Some(":memory:") => Err("A database in memory has only one connection, but a store needs several: \
                                 name a file, \"sqlite:/path/to/file.db\"."
            .to_owned()),
        Some(_) => Ok(()),
    }
}

fn network(engine: Engine, url: &str, form: &Form) -> Result<(), String> {
    let rest = form.schemes.iter().find_map(|scheme| url.strip_prefix(scheme)?.strip_prefix("://"));
    let rest = rest.ok_or_else(|| wrong_scheme(url, engine.as_str(), form.example))?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let parameter =
        |key: &str| query.split('&').any(|p| p.split_once('=').is_some_and(|(k, v)| k == key && !v.is_empty()));
    let authority = rest.split('/').next().unwrap_or("");
    let (login, places) = authority.rsplit_once('@').unwrap_or(("", authority));
    if form.needs_user && login.split(':').next().unwrap_or("").is_empty() && !parameter("user") {
        return Err(format!("The URL names no user: write {}.", form.example));
    }
    // The members of a replica set stand side by side; elsewhere a comma is refused when the store is opened.
    match places.split(',').all(has_sound_port) {
        true => Ok(()),
        false => Err(
            "What stands between the host and the database is not a port (1 to 65535). If it is part of a password, \
                      the password needs percent-encoding; better, let it come from ${NAME}."
                .to_owned(),
        ),
    }
}

fn has_sound_port(place: &str) -> bool {
    let port = match place.strip_prefix('[') {
        Some(v6) => v6.split_once(']').map_or("", |(_, rest)| rest.trim_start_matches(':')),
        None => place.rsplit_once(':').map_or("", |(_, port)| port),
    };
    port.is_empty() || port.parse::<u16>().is_ok_and(|port| port > 0)
}

fn wrong_scheme(url: &str, engine: &str, example: &str) -> String {
    let what = format!("A {engine} store's URL");
    let scheme = url.split(':').next().unwrap_or("").to_lowercase();
    match SCHEMES.contains(&scheme.as_str()) {
        true => format!("{what} has the form {example}; this one begins with `{scheme}:`."),
        false => {
            format!("{what} has the form {example}, or is \"${{NAME}}\", \"file:/path\" or \"command:prog args\".")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_engine_takes_its_own_schemes() {
        for (engine, url) in [
            (Engine::Postgres, "postgresql://a@h/d"),
            (Engine::Mariadb, "mariadb://a@h:3306/d"),
            (Engine::Mariadb, "mysql://a@[::1]:3306"),
            (Engine::Mysql, "mysql://a@h"),
            (Engine::Mongodb, "mongodb://h1:27017,h2:27018/shop?replicaSet=rs0"),
            (Engine::Mongodb, "mongodb+srv://a@cluster.example.org"),
            (Engine::Redis, "redis://h:6379/0"),
            (Engine::Valkey, "rediss://a@h"),
            (Engine::Valkey, "valkey://h"),
            (Engine::Redis, "redis+unix:///run/redis.sock?user=a&db=1"),
            (Engine::Valkey, "valkey+unix:///run/valkey.sock"),
            (Engine::Mongodb, "mongodb://a@%2Frun%2Fmongodb-27017.sock/shop"),
            (Engine::Mysql, "mysql://a@localhost/d?socket=/run/mysqld.sock"),
        ] {
            assert_eq!(check(engine, url), Ok(()), "{url}");
        }
    }

    #[test]
    fn another_engines_url_is_refused_with_the_form() {
        for (engine, url, said) in [
            (Engine::Mysql, "postgres://a@h/d", "begins with `postgres:`"),
            (Engine::Mariadb, "mariadb://h/d", "names no user"),
            (Engine::Mongodb, "mongodb://h1:27017,h2:x/d", "not a port"),
            (Engine::Redis, "http://h", "\"rediss://USER@HOST:PORT/NUMBER\""),
            (Engine::Valkey, "secretscheme://h", "or is"),
        ] {
            let sentence = check(engine, url).unwrap_err();
            assert!(sentence.contains(said) && !sentence.contains("secretscheme"), "{sentence}");
        }
    }
}
