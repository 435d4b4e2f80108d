//! `godwit log`.

use crate::cli::args::LogArgs;
use crate::cli::choice::Chosen;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::history;
use crate::cli::output::Output;
use crate::model::event::Entry;
use crate::model::ids::Seq;
use crate::report::event::{sentence, subject};
use crate::report::moment;
use crate::wire::client::{ClientError, Connection};
use crate::wire::frame::ServerFrame;

/// Prints journal rows: from the engine if one answers, else from the file.
///
/// # Errors
/// When neither can be read, the connection is lost, or the chain is broken.
pub async fn run(args: &LogArgs, out: Output) -> Outcome {
    let chosen = args.which.find()?;
    if args.check {
        return check(&chosen, out).await;
    }
    match Connection::open(&chosen.place.socket, "cli").await {
        Ok(connection) => from_engine(connection, args, out).await,
        Err(ClientError::NotRunning { .. }) if !args.follow => {
            for entry in history::entries(&chosen, Seq(args.since)).await? {
                print(&entry, out)?;
            }
            Ok(Exit::Ok)
        }
        Err(error) => Err(error.into()),
    }
}

async fn check(chosen: &Chosen, out: Output) -> Outcome {
    let report = history::chain(chosen).await?;
    out.either(&report, || {
        format!(
            "{} rows, every hash follows from the row before it; {} rows of kinds that this version does not know\nhead hash {}",
            report.rows, report.unknown_rows, report.head_hash
        )
    })?;
    Ok(Exit::Ok)
}

async fn from_engine(mut connection: Connection, args: &LogArgs, out: Output) -> Outcome {
    let head = connection.welcome.head;
    let mut cursor = Seq(args.since);
    connection.subscribe(cursor, false).await?;
    while args.follow || cursor < head {
        match connection.next().await? {
            ServerFrame::Entries { entries } => {
                for entry in &entries {
                    print(entry, out)?;
                    cursor = entry.seq;
                }
            }
            ServerFrame::Stopping { why } => {
                return Err(Failure::new(Exit::ConnectionLost, format!("the engine is stopping: {why}")));
            }
            ServerFrame::Refused { why } => return Err(Failure::new(Exit::Rejected, why)),
            ServerFrame::Hello(_)
            | ServerFrame::Samples { .. }
            | ServerFrame::View { .. }
            | ServerFrame::Answer { .. } => {}
        }
    }
    Ok(Exit::Ok)
}

fn print(entry: &Entry, out: Output) -> Result<(), Failure> {
    out.either(entry, || line(entry))
}

/// A row as a line: number, time, what it is about, sentence.
pub fn line(entry: &Entry) -> String {
    format!("{:>6}  {}  {:<12} {}", entry.seq.to_string(), moment::stamp(entry.at), subject(entry), sentence(entry))
}
