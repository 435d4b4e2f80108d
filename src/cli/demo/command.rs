//! `godwit demo`, and the process that it starts for the applications.

use crate::cli::args::{DemoArgs, DemoWorkloadArgs};
use crate::cli::demo::layout::{Files, Layout};
use crate::cli::demo::shop::ShopSize;
use crate::cli::demo::stage::Stage;
use crate::cli::demo::{guided, script, workload};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::launch;
use crate::cli::output::Output;
use std::io::Read;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Runs the demo and ends everything that it started, whatever happened.
///
/// # Errors
/// When it could not be carried out to a verdict; its files are then kept.
pub async fn run(args: &DemoArgs, out: Output) -> Outcome {
    let layout = Layout::new(args.dir.as_deref())?;
    let size = ShopSize::DEMO;
    out.aside(&format!("demo: making a shop of about 200,000 rows in {}", layout.files.dir.display()));
    let mut stage = Stage::set_up(layout, size).await?;
    let play = async {
        if args.headless || out.plain {
            Box::pin(script::play(&mut stage, size, args.revive, out)).await
        } else {
            Box::pin(guided::play(&mut stage, size, out)).await
        }
    };
    let outcome = tokio::select! {
        outcome = play => outcome,
        interrupted = interrupted() => Err(interrupted),
    };
    let outcome = outcome.map_err(|failure| with_log(failure, &stage));
    let workload_ended = stage.stop_workload().await;
    let engine_ended = stage.stop_engine().await;
    let kept = |stage: &Stage| format!("demo: the files are kept in {}", stage.layout.files.dir.display());
    let verdict = match outcome.and_then(|verdict| workload_ended.and(engine_ended).map(|()| verdict)) {
        Ok(verdict) => verdict,
        Err(failure) => {
            out.aside(&kept(&stage));
            return Err(failure);
        }
    };
    for note in &verdict.notes {
        out.text(&format!("demo: {note}"))?;
    }
    if args.keep || !verdict.is_ok() {
        out.aside(&kept(&stage));
    } else {
        stage.layout.remove()?;
    }
    out.text(&verdict.to_string())?;
    Ok(verdict.exit())
}

/// An engine that went away says why in its log.
fn with_log(mut failure: Failure, stage: &Stage) -> Failure {
    if matches!(failure.exit, Exit::ConnectionLost | Exit::NoEngine) {
        failure.sentence.push_str(&launch::last_words(&stage.layout.place));
    }
    failure
}

/// Ends at Ctrl-C or SIGTERM.
async fn interrupted() -> Failure {
    match stop_signal().await {
        Ok(()) => Failure::new(Exit::Interrupted, "interrupted: the applications and the engine are stopped"),
        Err(error) => Failure::new(Exit::Io, format!("cannot wait for signals: {error}")),
    }
}

async fn stop_signal() -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
    Ok(())
}

/// Runs the applications until standard input is closed (the demo has gone) or a signal says stop.
///
/// # Errors
/// When they cannot go on.
pub async fn workload(args: &DemoWorkloadArgs) -> Outcome {
    let stop = CancellationToken::new();
    let at_end = stop.clone();
    // A plain thread: a blocked read of standard input must not hold the runtime up when it ends.
    std::thread::spawn(move || {
        let mut sink = [0; 64];
        while std::io::stdin().read(&mut sink).is_ok_and(|read| read > 0) {}
        at_end.cancel();
    });
    let running = workload::run(Files { dir: args.dir.clone() }, stop.clone());
    tokio::pin!(running);
    let ended = tokio::select! {
        ended = &mut running => ended,
        signalled = stop_signal() => {
            stop.cancel();
            signalled.and(running.await)
        }
    };
    ended.map_err(|error| Failure::new(Exit::Io, format!("the applications cannot go on: {error}")))?;
    Ok(Exit::Ok)
}
