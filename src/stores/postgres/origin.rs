//! Sessions on a target: the rights that writing as a replica needs, and the replication origin that marks what was applied.

use crate::stores::error::{ErrorKind, Operation};
use crate::stores::postgres::capture::object_name;
use crate::stores::postgres::slot::is_ours;
use crate::stores::postgres::wire::connection::Connection;
use crate::stores::postgres::wire::failure::Failure;
use crate::stores::postgres::wire::link::Link;
use crate::stores::{Result, StoreError};
use std::time::Duration;
use tokio::time::Instant;

/// Longest wait for a dead engine's session to let go of the origin.
const RELEASE_LIMIT: Duration = Duration::from_secs(15);
/// Pause between two tries.
const RELEASE_POLL: Duration = Duration::from_millis(50);

/// A commit that was reported must be durable, because the source forgets its log on our word. Other values than `off` (remote, local) are the
/// server's choice and stay.
const DURABLE: &str =
    "SELECT set_config('synchronous_commit', 'local', false) WHERE current_setting('synchronous_commit') = 'off'";

/// Makes a session write as a replica does: no foreign key checks (order between tables is the source's), no user triggers (their effects
/// arrive as changes), and through the fence.
pub async fn become_replica(link: &Link, connection: &mut Connection, operation: Operation) -> Result<()> {
    let outcome = connection.query(&format!("SET session_replication_role = replica; {DURABLE}")).await;
    outcome.map(|_| ()).map_err(|failure| {
        let user = &link.address.user;
        let fix = if connection.major_version() >= 15 {
            format!("GRANT SET ON PARAMETER session_replication_role TO \"{user}\"")
        } else {
            format!("use a superuser, or the managed service's replacement for one, instead of {user}")
        };
        let denied = failure.kind() == ErrorKind::Denied;
        let error = failure.at(&link.options.id, operation);
        if denied { StoreError { message: format!("{}; fix: {fix}", error.message), ..error } } else { error }
    })
}

/// Makes the origin of this name if it is missing and takes it for the session. Only one session can hold it, so two appliers of one
/// pipeline can never write at once; a dead engine's session is ended.
pub async fn hold(link: &Link, connection: &mut Connection, name: &str) -> Result<()> {
    let name = object_name(name);
    let create = "SELECT pg_replication_origin_create($1) WHERE NOT EXISTS (SELECT FROM pg_replication_origin WHERE roname = $1)";
    connection.query_with(create, &[Some(&name)]).await.map_err(|f| failed(link, f))?;
    retried(link, connection, "SELECT pg_replication_origin_session_setup($1)", &name).await
}

/// Removes the origin of this name if it is there.
pub async fn remove(link: &Link, connection: &mut Connection, name: &str) -> Result<()> {
    let drop = "SELECT pg_replication_origin_drop(roname) FROM pg_replication_origin WHERE roname = $1";
    retried(link, connection, drop, &object_name(name)).await
}

/// Runs a statement on the origin, ending a session of ours that still holds it.
async fn retried(link: &Link, connection: &mut Connection, sql: &str, name: &str) -> Result<()> {
    let started = Instant::now();
    loop {
        let failure = match connection.query_with(sql, &[Some(name)]).await {
            Ok(_) => return Ok(()),
            Err(failure) => failure,
        };
        // object_in_use; the holder's process id is the last number of the message in every language.
        let holder = (failure.sqlstate() == Some("55006")).then(|| last_number(&failure.to_string())).flatten();
        let Some(pid) = holder.filter(|_| started.elapsed() < RELEASE_LIMIT) else {
            return Err(failed(link, failure).about(name));
        };
        let find = "SELECT application_name FROM pg_stat_activity WHERE pid = $1::int4";
        let answer = connection.query_with(find, &[Some(&pid)]).await.map_err(|f| failed(link, f))?;
        if let Some(application) = answer.value("application_name") {
            if !is_ours(link, application) {
                return Err(failed(link, failure).about(name));
            }
            let end = "SELECT pg_terminate_backend($1::int4)";
            connection.query_with(end, &[Some(&pid)]).await.map_err(|f| failed(link, f))?;
        }
        tokio::time::sleep(RELEASE_POLL).await;
    }
}

fn failed(link: &Link, failure: Failure) -> StoreError {
    let denied = failure.kind() == ErrorKind::Denied;
    let error = failure.at(&link.options.id, Operation::Apply);
    if !denied {
        return error;
    }
    let user = &link.address.user;
    let fix = format!(
        "fix: GRANT EXECUTE ON FUNCTION pg_replication_origin_create(text), pg_replication_origin_session_setup(text), \
         pg_replication_origin_drop(text) TO \"{user}\"; GRANT SELECT ON pg_replication_origin TO \"{user}\""
    );
    StoreError { message: format!("{}; {fix}", error.message), ..error }
}

/// The last run of digits before the SQLSTATE that our error text appends.
fn last_number(message: &str) -> Option<String> {
    let message = message.rsplit_once(" (SQLSTATE").map_or(message, |(text, _)| text);
    message.rsplit(|c: char| !c.is_ascii_digit()).find(|part| !part.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_read_from_the_message() {
        let text = "replication origin with ID 3 is already active for PID 4711 (SQLSTATE 55006)";
        assert_eq!(last_number(text).as_deref(), Some("4711"));
        assert_eq!(last_number("nothing here"), None);
    }
}
