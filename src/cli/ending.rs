//! `godwit cancel` and `godwit kill`.

use crate::cli::act;
use crate::cli::args::EndArgs;
use crate::cli::consent;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::goal::Goal;
use crate::cli::output::Output;
use crate::cli::session::{Session, Update};
use crate::cli::watching;
use crate::model::command::{Action, Answer};
use crate::model::ids::StoreId;
use crate::model::session::{Ending, SessionKey};
use crate::model::view::{View, ViewKind};
use crate::report;
use std::time::Duration;

/// Longest wait for the store's first reading.
const FIRST_READING: Duration = Duration::from_secs(20);

/// Prints what would be done, asks, and ends the session.
///
/// # Errors
/// When the session was not seen, nobody can be asked, the engine refuses, or the store did not do it.
pub async fn run(args: &EndArgs, how: Ending, out: Output) -> Outcome {
    let mut session = Session::open(&args.acting.which.find()?).await?;
    let store = StoreId::from(args.store.as_str());
    let key = match &args.born {
        Some(born) => SessionKey { id: args.session.clone(), born: born.clone() },
        None => identity(&mut session, &store, &args.session).await?,
    };
    let show = Action::ShowEnding { store: store.clone(), session: key.clone(), how };
    let ending = match session.inquire(show).await? {
        Answer::Ending { ending } => ending,
        Answer::Rejected { why } => return Err(Failure::new(Exit::Rejected, why)),
        Answer::Accepted { .. } | Answer::Planned { .. } | Answer::Checked { .. } => {
            return Err(Failure::new(Exit::ConnectionLost, "the engine answered the question with something else"));
        }
    };
    let text = report::ending::text(&ending);
    if out.json {
        text.lines().for_each(|line| out.aside(line));
    } else {
        out.text(&text)?;
    }
    let verb = match how {
        Ending::Cancel => "Cancel the statement of",
        Ending::Kill => "Kill",
    };
    consent::ask(&format!("{verb} session {key} on {store}?"), args.yes, "there is no terminal to ask on: give --yes")?;
    let confirm = consent::typed_name(args.acting.confirm.as_deref(), session.migration.env.as_deref(), &key.id)?;
    let action = Action::EndSession { store, session: key, how };
    act::send(&mut session, &args.acting, out, action, confirm, Goal::Answered).await
}

/// The identity of the session that bears the number now.
async fn identity(session: &mut Session, store: &StoreId, id: &str) -> Result<SessionKey, Failure> {
    session.watch(ViewKind::Activity).await?;
    let read = async {
        loop {
            let Update::View(view) = session.next().await? else { continue };
            let View::Activity(stores) = *view else { continue };
            let (stores, read) = watching::chosen(stores, &[store.to_string()])?;
            if let (true, Some(reading)) = (read, stores.get(store)) {
                return Ok::<_, Failure>(reading.clone());
            }
        }
    };
    let reading = tokio::time::timeout(FIRST_READING, read).await.map_err(|_| {
        Failure::new(
            Exit::Rejected,
            format!("{store} was not read within {} s: see `godwit activity {store}`", FIRST_READING.as_secs()),
        )
    })??;
    let known = reading.latest.iter().flat_map(|read| &read.value.sessions).find(|session| session.key.id == id);
    known.map(|session| session.key.clone()).ok_or_else(|| {
        let why = reading.problem.or(reading.absent).map_or_else(String::new, |why| format!(" ({why})"));
        Failure::new(Exit::Rejected, format!("the last reading of {store} has no session {id}{why}: nothing was done"))
    })
}
