//! `route` of a cutover: where the applications' traffic is switched.

use super::Context;
use crate::config::names;
use crate::config::profile::{Engine, Route, SecretSource};
use crate::config::raw::{RawPgBouncer, RawPhase, RawRoute};
use crate::config::table::{Field, Placed};
use crate::config::{source, template, url};
use std::path::PathBuf;
use std::time::Duration;

const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);
const HTTP_TIMEOUT: Duration = Duration::from_secs(10);

/// What an entry of PgBouncer's `[databases]` may have.
const ENTRY_KEYS: [&str; 19] = [
    "dbname",
    "host",
    "port",
    "user",
    "auth_user",
    "auth_query",
    "auth_dbname",
    "pool_size",
    "min_pool_size",
    "reserve_pool",
    "reserve_pool_size",
    "connect_query",
    "pool_mode",
    "max_db_connections",
    "max_db_client_connections",
    "client_encoding",
    "datestyle",
    "timezone",
    "load_balance_hosts",
];

/// The sound routes.
pub(super) fn validate(phase: &RawPhase, budget: Duration, cx: Context<'_>) -> Vec<Route> {
    phase.routes.iter().filter_map(|route| one(route, budget, cx)).collect()
}

fn one(route: &RawRoute, budget: Duration, cx: Context<'_>) -> Option<Route> {
    match route {
        RawRoute::File { path } => Some(Route::File { path: path_of(path.given()?, cx)? }),
        RawRoute::Command { argv, timeout } => {
            Some(Route::Command { argv: argv_of(argv, cx)?, timeout: timeout.or(COMMAND_TIMEOUT) })
        }
        RawRoute::Http { url, method, timeout } => Some(Route::Http {
            url: http_url(url.given()?, cx)?,
            method: method_of(method, cx),
            timeout: timeout.or(HTTP_TIMEOUT),
        }),
        RawRoute::PgBouncer(raw) => pgbouncer(raw, budget, cx),
    }
}

/// A path; notes what is wrong with it.
fn path_of(text: &Placed<String>, cx: Context<'_>) -> Option<PathBuf> {
    cx.around.path(&text.value).map_err(|sentence| cx.notes.add(&text.place, sentence)).ok()
}

/// A command; notes an empty program.
pub(super) fn argv_of(argv: &Field<Vec<Placed<String>>>, cx: Context<'_>) -> Option<Vec<String>> {
    let words = &argv.given()?.value;
    if let Some(program) = words.first().filter(|word| word.value.trim().is_empty()) {
        cx.notes.add(&program.place, "The first item is the program to run; it is empty.");
        return None;
    }
    if let [only] = words.as_slice()
        && only.value.contains(' ')
    {
        cx.notes.add(
            &only.place,
            "No shell splits this: write each argument as an item of its own, [\"program\", \"argument\"].",
        );
        return None;
    }
    Some(cx.around.argv(words.iter().map(|word| word.value.clone()).collect()))
}

/// An HTTP URL; notes what is wrong with it.
pub(super) fn http_url(text: &Placed<String>, cx: Context<'_>) -> Option<SecretSource> {
    let checked = source::parse(&text.value, cx.around).and_then(|source| {
        if let SecretSource::Template(template) = &source
            && !template.starts_with("${")
        {
            url::check_http(&template::outline(template).map_err(|problem| problem.to_string())?)?;
        }
        Ok(source)
    });
    checked.map_err(|sentence| cx.notes.add(&text.place, sentence)).ok()
}

/// POST or PUT; notes anything else.
pub(super) fn method_of(method: &Field<String>, cx: Context<'_>) -> String {
    let Some(method) = method.given() else { return "POST".to_owned() };
    if !["POST", "PUT"].contains(&method.value.as_str()) {
        let sentence = format!("`{}` is not a method for this call: \"POST\" or \"PUT\".", names::shown(&method.value));
        cx.notes.add_near(&method.place, sentence, &method.value, ["POST", "PUT"]);
    }
    method.value.clone()
}

fn pgbouncer(raw: &RawPgBouncer, budget: Duration, cx: Context<'_>) -> Option<Route> {
    let (notes, owner) = (cx.notes, &raw.place);
    let admin = raw.admin.given().and_then(|admin| admin_url(admin, cx));
    let database = raw.database.required(
        "database",
        notes,
        owner,
        "A PgBouncer route needs `database`: the entry that applications connect to.",
    );
    let file = raw.file.required(
        "file",
        notes,
        owner,
        "A PgBouncer route needs `file`: the file with that entry in its [databases] section.",
    );
    let source = raw.source.required(
        "source",
        notes,
        owner,
        "A PgBouncer route needs `source`: the entry's connect string while the source serves.",
    );
    let target = raw.target.required(
        "target",
        notes,
        owner,
        "A PgBouncer route needs `target`: the entry's connect string while the target serves.",
    );
    for entry in [source, target].into_iter().flatten() {
        if let Err(sentence) = check_entry(&entry.value) {
            notes.add(&entry.place, sentence);
        }
    }
    if let (Some(source), Some(target)) = (source, target)
        && source.value == target.value
    {
        notes.add(&target.place, "`source` and `target` are the same, so nothing would be switched.");
    }
    if let Some(name) = database.filter(|name| name.value.is_empty() || name.value.contains(['=', '\n', '"', ' '])) {
        notes.add(&name.place, format!("`{}` cannot be an entry of [databases].", names::shown(&name.value)));
    }
    Some(Route::PgBouncer {
        admin: admin?,
        database: database?.value.clone(),
        file: path_of(file?, cx)?,
        source: source?.value.clone(),
        target: target?.value.clone(),
        timeout: raw.timeout.or(budget),
    })
}

fn admin_url(text: &Placed<String>, cx: Context<'_>) -> Option<SecretSource> {
    let checked = source::store_url(&text.value, Engine::Postgres, cx.around).and_then(|source| match &source {
        SecretSource::Template(template)
            if !template.starts_with("${") && url::database(template) != Some("pgbouncer") =>
        {
            Err("PgBouncer's admin console is its database `pgbouncer`: write \"postgres://USER@HOST:PORT/pgbouncer\"."
                .to_owned())
        }
        _ => Ok(source),
    });
    checked.map_err(|sentence| cx.notes.add(&text.place, sentence)).ok()
}

/// A connect string as in pgbouncer.ini: `key=value` pairs, values in single quotes where they hold blanks.
fn check_entry(text: &str) -> Result<(), String> {
    if text.contains(['\n', '\r', ';', '%']) {
        return Err("A connect string is one line without `;` and `%`.".to_owned());
    }
    if url::holds_secret(text) || text.to_lowercase().contains("password") {
        return Err(
            "A connect string holds no password: PgBouncer takes it from its auth_file or auth_query.".to_owned()
        );
    }
    let mut rest = text.trim();
    let mut seen = Vec::new();
    while !rest.is_empty() {
        let Some((key, after)) = rest.split_once('=') else {
            return Err(
                "A connect string is made of key=value pairs, as in pgbouncer.ini: \"host=... port=... dbname=...\"."
                    .to_owned(),
            );
        };
        let key = key.trim();
        if !ENTRY_KEYS.contains(&key) {
            let near =
                names::nearest(key, ENTRY_KEYS).map(|name| format!(" Did you mean `{name}`?")).unwrap_or_default();
            return Err(format!("PgBouncer knows no `{}` in a connect string.{near}", names::shown(key)));
        }
        if seen.contains(&key) {
            return Err(format!("`{key}` stands twice in the connect string."));
        }
        seen.push(key);
        let after = after.trim_start();
        let value_end = match after.strip_prefix('\'') {
            Some(quoted) => quoted.find('\'').map(|i| i + 2).ok_or("A quote in the connect string is not closed.")?,
            None => after.find(char::is_whitespace).unwrap_or(after.len()),
        };
        if after[..value_end].trim_matches('\'').is_empty() {
            return Err(format!("`{key}` has no value in the connect string."));
        }
        rest = after[value_end..].trim_start();
    }
    match ["host", "dbname"].iter().find(|key| !seen.contains(key)) {
        Some(key) => Err(format!(
            "The connect string needs `{key}`, so that it says where traffic goes: \"host=... port=... dbname=...\"."
        )),
        None => Ok(()),
    }
}
