//! From words to a command, from its outcome to an exit code.

use crate::cli::args::{Cli, Command};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::{self, Output};
use crate::cli::{
    access, activity, approve, assess, attach, check, demo, down, ending, engine, gates, grants, hotspots, indexes,
    lag, log, pause, plan, progress, replication, report, resume, retry, rollback, run, skip, status, throttle, up,
    verify, withdraw,
};
use crate::model::session::Ending;
use clap::Parser;

/// Reads the command line, carries it out, and says how it ended.
pub fn main() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, everything else is a wrong command line. Nothing is left to do if they cannot be printed.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Ok };
        }
    };
    let outcome = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(Box::pin(carry_out(cli))),
        Err(error) => Err(Failure::new(Exit::Io, format!("cannot start the runtime: {error}"))),
    };
    outcome.unwrap_or_else(|failure| {
        output::complain(&failure.sentence);
        failure.exit
    })
}

async fn carry_out(cli: Cli) -> Outcome {
    let out = |json| Output::new(json, cli.plain);
    match &cli.command {
        Command::Demo(args) => Box::pin(demo::command::run(args, out(false))).await,
        Command::DemoWorkload(args) => demo::command::workload(args).await,
        Command::Up(args) => Box::pin(up::run(args, out(false))).await,
        Command::Down(args) => down::run(args, out(false)).await,
        Command::Attach(args) => Box::pin(attach::run(args, out(false))).await,
        Command::Engine(args) => Box::pin(engine::run(args)).await,
        Command::Check(args) => Box::pin(check::run(args, out(args.json))).await,
        Command::Status(args) => status::run(args, out(args.reading.json)).await,
        Command::Lag(args) => lag::run(args, out(args.json)).await,
        Command::Progress(args) => progress::run(args, out(args.json)).await,
        Command::Access(args) => access::run(args, out(args.reading.json)).await,
        Command::Activity(args) => activity::run(args, out(args.reading.json)).await,
        Command::Locks(args) => activity::run_locks(args, out(args.reading.json)).await,
        Command::Replication(args) => replication::run(args, out(args.reading.json)).await,
        Command::Cancel(args) => ending::run(args, Ending::Cancel, out(args.acting.json)).await,
        Command::Kill(args) => ending::run(args, Ending::Kill, out(args.acting.json)).await,
        Command::Hotspots(args) => hotspots::run(args, out(args.reading.json)).await,
        Command::Indexes(args) => indexes::run(args, out(args.reading.json)).await,
        Command::Gates(args) => gates::run(args, out(args.json)).await,
        Command::Log(args) => log::run(args, out(args.json)).await,
        Command::Plan(args) => plan::run(args, out(args.json)).await,
        Command::Run(args) => run::run(args, out(args.acting.json)).await,
        Command::Approve(args) => approve::run(args, out(args.acting.json)).await,
        Command::Withdraw(args) => withdraw::run(args, out(args.acting.json)).await,
        Command::Pause(args) => pause::run(args, out(args.acting.json)).await,
        Command::Resume(args) => resume::run(args, out(args.acting.json)).await,
        Command::Retry(args) => retry::run(args, out(args.acting.json)).await,
        Command::Rollback(args) => rollback::run(args, out(args.acting.json)).await,
        Command::Skip(args) => skip::run(args, out(args.acting.json)).await,
        Command::Verify(args) => verify::run(args, out(args.acting.json)).await,
        Command::Throttle(args) => throttle::run(args, out(args.acting.json)).await,
        Command::Assess(args) => Box::pin(assess::run(args, out(args.json))).await,
        Command::Grants(args) => grants::run(args, out(args.json)),
        Command::Report(args) => report::run(args, out(false)).await,
    }
}
