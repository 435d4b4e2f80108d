//! Where applications' traffic goes: routing file, command, HTTP call, PgBouncer. Every switch is safe to run twice.

use crate::config::profile::{Route, SecretSource};
use crate::config::secret;
use crate::engine::core::{Core, CoreRef};
use crate::engine::steps::step::{StepContext, StepError};
use crate::model::ids::StoreId;
use crate::model::pipeline::Traffic;
use crate::stores::{Pooler, registry, sanitise};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The routes of the phase in work.
fn routes(context: &StepContext) -> Vec<Route> {
    let phase = context.core.profile.phases.iter().find(|p| p.id == context.phase);
    phase.map(|p| p.routes.clone()).unwrap_or_default()
}

/// Asks every route that can hold clients to do so, none beyond the deadline; returns how many hold.
///
/// # Errors
/// [`StepError`]; routes that were asked before the failing one are let go by the step's undo.
pub async fn hold_all(context: &StepContext, deadline: Instant) -> Result<usize, StepError> {
    let mut held = 0;
    for route in routes(context) {
        if let Route::PgBouncer { admin, database, timeout, .. } = &route {
            let pooler = pooler(admin, database).await?;
            let left = deadline.saturating_duration_since(Instant::now());
            pooler.pause(database, left.min(*timeout)).await?;
            held += 1;
        }
    }
    Ok(held)
}

/// Lets the clients of every holding route go on; returns how many routes there are.
///
/// # Errors
/// [`StepError`] when a pooler cannot be reached: its clients are still held.
pub async fn release_all(context: &StepContext) -> Result<usize, StepError> {
    let mut released = 0;
    for route in routes(context) {
        if let Route::PgBouncer { admin, database, .. } = &route {
            pooler(admin, database).await?.resume(database).await?;
            released += 1;
        }
    }
    Ok(released)
}

/// Points every route at a side and lets held clients go on; returns what was done.
///
/// # Errors
/// [`StepError`] of the first route that fails; calling again goes on.
pub async fn switch_all(context: &StepContext, serves: Traffic) -> Result<String, StepError> {
    let mut done = Vec::new();
    for route in routes(context) {
        done.push(match &route {
            Route::File { path } => switch_file(&context.core, path, serves)?,
            Route::Command { argv, timeout } => {
                let services = services_text(&context.core, serves);
                let side = serves.word().to_owned();
                let environment = [("GODWIT_SIDE".to_owned(), side), ("GODWIT_SERVICES".to_owned(), services)];
                run_command(argv, &environment, *timeout).await?;
                format!("command {} exited with 0", argv.first().map_or("", String::as_str))
            }
            Route::Http { url, method, timeout } => {
                let body = json!({ "side": serves.word(), "services": services(&context.core, serves) }).to_string();
                let status = call(url, method, body, *timeout).await?;
                format!("{method} answered {status}")
            }
            Route::PgBouncer { admin, database, file, source, target, .. } => {
                let line = match serves {
                    Traffic::Source => source,
                    Traffic::Target => target,
                };
                rewrite_databases(file, database, line)?;
                let pooler = pooler(admin, database).await?;
                pooler.reload().await?;
                pooler.resume(database).await?;
                format!("pgbouncer database {database} points at the {} side", serves.word())
            }
        });
    }
    Ok(if done.is_empty() {
        "the phase has no routes: applications follow the fence's error".to_owned()
    } else {
        done.join("; ")
    })
}

/// The pooler behind an admin URL. Reading the secret may run a command, so it does not happen on the runtime's own threads.
async fn pooler(admin: &SecretSource, database: &str) -> Result<Arc<dyn Pooler>, StepError> {
    let url = resolve(admin).await?;
    Ok(registry::pooler(StoreId(format!("pgbouncer {database}")), url.expose_secret())?)
}

async fn resolve(source: &SecretSource) -> Result<SecretString, StepError> {
    let source = source.clone();
    let next = "mend the secret of the route, then retry";
    match tokio::task::spawn_blocking(move || secret::resolve(&source)).await {
        Ok(resolved) => resolved.map_err(|e| StepError::mend(e.to_string(), next)),
        Err(error) => Err(StepError::mend(error.to_string(), next)),
    }
}

/// For each service: the store that serves it on the given side.
fn services(core: &Core, serves: Traffic) -> Map<String, Value> {
    let mut services = Map::new();
    for service in &core.profile.services {
        let pipeline = core.profile.pipelines.iter().find(|p| p.to == service.store);
        let store = match (serves, pipeline) {
            (Traffic::Source, Some(pipeline)) => &pipeline.from,
            (Traffic::Target, _) | (Traffic::Source, None) => &service.store,
        };
        let Some(opened) = core.stores.get(store) else { continue };
        let entry = json!({ "store": store.as_str(), "engine": opened.engine(), "address": opened.address() });
        services.insert(service.id.to_string(), entry);
    }
    services
}

fn services_text(core: &Core, serves: Traffic) -> String {
    let pairs = services(core, serves);
    let text: Vec<String> =
        pairs.iter().map(|(name, v)| format!("{name}={}", v["store"].as_str().unwrap_or_default())).collect();
    text.join(",")
}

/// Replaces the routing file: written beside it, synced, renamed over it, directory synced. A reader sees the old or the new one.
fn switch_file(core: &CoreRef, path: &Path, serves: Traffic) -> Result<String, StepError> {
    let failed = |what: &str, error: std::io::Error| {
        StepError::retry(
            format!("cannot {what} the routing file {}: {error}", path.display()),
            "mend the path or its rights, then retry",
        )
    };
    let known: Value = match std::fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text).unwrap_or(Value::Null),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Value::Null,
        Err(error) => return Err(failed("read", error)),
    };
    let mut all = known["services"].as_object().cloned().unwrap_or_default();
    all.extend(services(core, serves));
    if known["serves"].as_str() == Some(serves.word()) && known["services"].as_object() == Some(&all) {
        return Ok(format!("routing file {} pointed there already", path.display()));
    }
    let epoch = known["epoch"].as_u64().unwrap_or(0) + 1;
    let route = json!({ "version": 1, "epoch": epoch, "serves": serves.word(), "services": all });
    replace_file(path, format!("{route:#}\n").as_bytes()).map_err(|e| failed("replace", e))?;
    Ok(format!("routing file {}: epoch {epoch}, {} side", path.display(), serves.word()))
}

fn replace_file(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let temporary = path.with_file_name(name);
    let mut file = std::fs::File::create(&temporary)?;
    if let Ok(metadata) = std::fs::metadata(path) {
        file.set_permissions(metadata.permissions())?;
    }
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    match path.parent().filter(|p| !p.as_os_str().is_empty()) {
        Some(dir) => std::fs::File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

/// Replaces the line of one database in a PgBouncer file, or adds it after `[databases]`.
fn rewrite_databases(path: &Path, database: &str, target: &str) -> Result<(), StepError> {
    let failed = |error: std::io::Error| {
        StepError::retry(
            format!("cannot rewrite {}: {error}", path.display()),
            "mend the path or its rights, then retry",
        )
    };
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let new = with_database(&text, database, target).ok_or_else(|| {
        StepError::mend(
            format!("{} has neither a line for {database} nor a [databases] section", path.display()),
            "add the line to the file that pgbouncer reads, then retry",
        )
    })?;
    if new == text { Ok(()) } else { replace_file(path, new.as_bytes()).map_err(failed) }
}

/// The file's text with the database's line replaced or added; `None` when there is no place for it.
fn with_database(text: &str, database: &str, target: &str) -> Option<String> {
    let line = format!("{database} = {target}");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let is_ours = |l: &String| l.split_once('=').is_some_and(|(name, _)| name.trim() == database);
    if let Some(at) = lines.iter().position(is_ours) {
        if let Some(old) = lines.get_mut(at) {
            *old = line;
        }
    } else {
        let at = lines.iter().position(|l| l.trim() == "[databases]")?;
        lines.insert(at + 1, line);
    }
    Some(lines.join("\n") + "\n")
}

/// Runs a command without a shell; exit code 0 is success.
///
/// # Errors
/// [`StepError`] with the exit code and the last line of its stderr.
pub async fn run_command(
    argv: &[String],
    environment: &[(String, String)],
    timeout: Duration,
) -> Result<(), StepError> {
    let Some((program, arguments)) = argv.split_first() else {
        return Err(StepError::mend("the command is empty", "mend the profile"));
    };
    let output = tokio::process::Command::new(program)
        .args(arguments)
        .envs(environment.iter().cloned())
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output();
    let next = "mend the command, then retry: it must be safe to run twice";
    match tokio::time::timeout(timeout, output).await {
        Err(_) => {
            Err(StepError::retry(format!("{program} did not end within {} s and was ended", timeout.as_secs()), next))
        }
        Ok(Err(error)) => Err(StepError::mend(format!("{program} cannot be started: {error}"), next)),
        Ok(Ok(output)) if output.status.success() => Ok(()),
        Ok(Ok(output)) => {
            let stderr = String::from_utf8_lossy(&output.stderr);
            // Its last words, if it had any.
            let last = stderr.lines().rfind(|line| !line.trim().is_empty());
            let last = last.map(|line| format!(": {}", sanitise::clean(line))).unwrap_or_default();
            Err(StepError::retry(format!("{program} failed ({}){last}", output.status), next))
        }
    }
}

/// Makes an HTTP call; 2xx is success, and the status is returned.
///
/// # Errors
/// [`StepError`] with the status or the failure.
pub async fn call(url: &SecretSource, method: &str, body: String, timeout: Duration) -> Result<u16, StepError> {
    let shown = secret::origin(url);
    let url =
        secret::resolve(url).map_err(|e| StepError::mend(e.to_string(), "mend the secret of the URL, then retry"))?;
    let (url, method) = (url.expose_secret().to_owned(), method.to_owned());
    let called = tokio::task::spawn_blocking(move || {
        let agent = ureq::Agent::new_with_config(
            ureq::Agent::config_builder().timeout_global(Some(timeout)).http_status_as_error(false).build(),
        );
        let request = if method == "PUT" { agent.put(&url) } else { agent.post(&url) };
        request.header("content-type", "application/json").send(body).map(|r| r.status().as_u16())
    })
    .await;
    let next = "mend the service behind the URL, then retry: the call must be safe to make twice";
    match called {
        Ok(Ok(status)) if (200..300).contains(&status) => Ok(status),
        Ok(Ok(status)) => Err(StepError::retry(format!("{shown} answered {status}"), next)),
        Ok(Err(error)) => Err(StepError::retry(format!("{shown} could not be called: {error}"), next)),
        Err(error) => Err(StepError::retry(format!("{shown} could not be called: {error}"), next)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_databases_line_is_replaced_where_it_is_and_added_where_it_is_not() {
        let text = "[databases]\norders = host=a port=1\nother = host=b\n";
        let changed = with_database(text, "orders", "host=c").unwrap();
        assert_eq!(changed, "[databases]\norders = host=c\nother = host=b\n");
        assert_eq!(with_database(&changed, "orders", "host=c").unwrap(), changed);
        assert_eq!(with_database("[databases]\n", "new", "host=d").unwrap(), "[databases]\nnew = host=d\n");
        assert_eq!(with_database("; nothing\n", "new", "host=d"), None);
    }

    #[tokio::test]
    async fn a_command_that_fails_or_hangs_is_an_error_with_its_last_words() {
        let argv = |script: &str| vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()];
        let long = Duration::from_secs(20);
        run_command(&argv("exit 0"), &[], long).await.unwrap();
        let error = format!(
            "{:?}",
            run_command(&argv("echo first >&2; echo no route >&2; exit 3"), &[], long).await.unwrap_err()
        );
        assert!(error.contains("no route") && error.contains('3'), "{error}");
        let hung = run_command(&argv("exec tail -f /dev/null"), &[], Duration::from_millis(200)).await;
        assert!(format!("{:?}", hung.unwrap_err()).contains("did not end"));
    }
}
