//! The command line: every command and option, with the help that `--help` prints.

use crate::model::finding::Severity;
use crate::model::hotspot::HotOrder;
use crate::model::monitor::MonitorRole;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// A terminal cockpit for live database migrations.
#[derive(Debug, Parser)]
#[command(
    name = "godwit",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// Append-only lines without escapes; chosen by itself with TERM=dumb or without a terminal.
    #[arg(long, global = true)]
    pub plain: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// A whole migration on embedded SQLite stores with a live workload: no servers, no set-up.
    Demo(DemoArgs),
    /// Start the engine if none runs, and open the cockpit.
    Up(UpArgs),
    /// Stop the engine in an orderly way; data and journal stay.
    Down(DownArgs),
    /// Open another cockpit on a running engine.
    Attach(AttachArgs),
    /// Run the engine in the foreground (for systemd).
    Engine(EngineArgs),
    /// Validate the profile, connect, and run the named pre-flight checks.
    Check(CheckArgs),
    /// Phases and pipelines; with --cost, what looking at the stores costs them.
    Status(StatusArgs),
    /// How far each target is behind its source, and how long the source keeps its log.
    Lag(ReadArgs),
    /// How far the copies are.
    Progress(ReadArgs),
    /// Sessions of every store: who is connected, what they do, and what they wait for.
    Activity(ActivityArgs),
    /// Who waits for whom: the lock tree of every store.
    Locks(ActivityArgs),
    /// Replication of the stores themselves: links, the logs they keep, and how long those last.
    Replication(ReplicationArgs),
    /// Cancel the statement of a store's session.
    Cancel(EndArgs),
    /// End a store's session; its open transaction is rolled back.
    Kill(EndArgs),
    /// Who may do what against what is declared: the findings of the access audit.
    Access(AccessArgs),
    /// Statements by what they cost over the last minutes, on every store alike; or the same ones before and after a move.
    Hotspots(HotSpotsArgs),
    /// Advice on indexes: missing, useless, broken, or left behind by a move.
    Indexes(IndexesArgs),
    /// The gates of phases that are not finished, with their evidence.
    Gates(ReadArgs),
    /// The journal.
    Log(LogArgs),
    /// Print the exact statements of a phase with their undo and the plan's hash; changes nothing.
    Plan(PlanArgs),
    /// Ask for a phase to run: makes its plan and collects approvals.
    Run(PhaseArgs),
    /// Consent to a printed plan.
    Approve(ConsentArgs),
    /// Take a request back.
    Withdraw(PhaseArgs),
    /// Pause a running phase or a pipeline.
    Pause(PauseArgs),
    /// Let a paused phase or pipeline go on.
    Resume(PauseArgs),
    /// Try the failed step again.
    Retry(PhaseArgs),
    /// Take a phase and every later one back.
    Rollback(ConsentArgs),
    /// Declare a phase unnecessary.
    Skip(SkipArgs),
    /// Compare tables row by row, or write the source's rows over differing ones.
    Verify(VerifyArgs),
    /// Turn a pipeline's throttle knob.
    Throttle(ThrottleArgs),
    /// List a store's tables with rows, sizes and keys; needs no engine.
    Assess(AssessArgs),
    /// Print the statements that make a monitoring account on a store, and nothing more; needs no engine.
    Grants(GrantsArgs),
    /// Write a report of phases, steps and verification; .txt, .json or .html.
    Report(ReportArgs),
    /// The demo's applications, run by the demo as a process of their own.
    #[command(hide = true)]
    DemoWorkload(DemoWorkloadArgs),
}

/// Which migration. Without either, the only one whose engine runs.
#[derive(Args, Clone, Debug, Default)]
pub struct Which {
    /// The migration's profile.
    #[arg(short = 'p', long, value_name = "FILE", conflicts_with = "migration")]
    pub profile: Option<PathBuf>,
    /// The migration's name.
    #[arg(long, value_name = "NAME")]
    pub migration: Option<String>,
}

/// `demo`.
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// Approve by itself and print one line an event; chosen by itself without a terminal.
    #[arg(long)]
    pub headless: bool,
    /// Where to put the stores, the journal and the ledger (an empty or new directory).
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Keep the directory afterwards.
    #[arg(long)]
    pub keep: bool,
    /// Start the engine again when it is killed, and go on: for trying `kill -9` at any moment.
    #[arg(long, requires = "headless")]
    pub revive: bool,
}

/// `demo-workload`.
#[derive(Args, Debug)]
pub struct DemoWorkloadArgs {
    /// The demo's directory.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
}

/// `up`.
#[derive(Args, Debug)]
pub struct UpArgs {
    /// The migration's profile.
    #[arg(short = 'p', long, value_name = "FILE")]
    pub profile: PathBuf,
}

/// `down`.
#[derive(Args, Debug)]
pub struct DownArgs {
    /// Which migration.
    #[command(flatten)]
    pub which: Which,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    /// The migration's name, where the profile says `env = "production"`.
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
}

/// `attach`.
#[derive(Args, Debug)]
pub struct AttachArgs {
    /// Which migration.
    #[command(flatten)]
    pub which: Which,
    /// Look only: keys that act do nothing.
    #[arg(long)]
    pub observe: bool,
}

/// `engine`.
#[derive(Args, Debug)]
pub struct EngineArgs {
    /// The migration's profile.
    #[arg(short = 'p', long, value_name = "FILE")]
    pub profile: PathBuf,
    /// Leave the terminal: a session of its own, so that a hang-up does not reach it.
    #[arg(long)]
    pub detached: bool,
}

/// `check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// The migration's profile.
    #[arg(short = 'p', long, value_name = "FILE")]
    pub profile: PathBuf,
    /// One JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Reading commands.
#[derive(Args, Debug)]
pub struct ReadArgs {
    /// Which migration.
    #[command(flatten)]
    pub which: Which,
    /// One JSON document (with --watch: one a line).
    #[arg(long)]
    pub json: bool,
    /// Print again whenever something changed, until interrupted.
    #[arg(long)]
    pub watch: bool,
}

/// `status`.
#[derive(Args, Debug)]
pub struct StatusArgs {
    /// What looking costs each store: by collector, with its share of a core and whether it backed off.
    #[arg(long)]
    pub cost: bool,
    /// How.
    #[command(flatten)]
    pub reading: ReadArgs,
}

/// `replication`.
#[derive(Args, Debug)]
pub struct ReplicationArgs {
    /// Stores; all when none is named.
    #[arg(value_name = "STORE")]
    pub stores: Vec<String>,
    /// Only links that do not move, and logs with a problem.
    #[arg(long)]
    pub trouble: bool,
    /// How.
    #[command(flatten)]
    pub reading: ReadArgs,
}

/// `cancel`, `kill`.
#[derive(Args, Debug)]
pub struct EndArgs {
    /// The store's name.
    pub store: String,
    /// The session, as `activity` prints it.
    pub session: String,
    /// What tells the session from another that got its number later (`born` in `activity --json`). Default: as it is in the reading
    /// when the command starts.
    #[arg(long, value_name = "TEXT")]
    pub born: Option<String>,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    /// How.
    #[command(flatten)]
    pub acting: Acting,
}

/// `activity`, `locks`.
#[derive(Args, Debug)]
pub struct ActivityArgs {
    /// Stores; all when none is named.
    #[arg(value_name = "STORE")]
    pub stores: Vec<String>,
    /// Also idle sessions, the server's own and Godwit's.
    #[arg(long)]
    pub all: bool,
    /// Only sessions in whose login, application, client, database or statement this text occurs.
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,
    /// Leave statements out: they may hold personal data.
    #[arg(long)]
    pub mask: bool,
    /// How.
    #[command(flatten)]
    pub reading: ReadArgs,
}

/// `access`.
#[derive(Args, Debug)]
pub struct AccessArgs {
    /// Stores; all when none is named.
    #[arg(value_name = "STORE")]
    pub stores: Vec<String>,
    /// Also rules that hold, that could not be looked at, and that have nothing to judge.
    #[arg(long)]
    pub all: bool,
    /// Only findings that are at least this bad: info, low, medium, high or critical.
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    pub severity: Option<Severity>,
    /// Only rules whose id begins so: OWN, PG-08.
    #[arg(long, value_name = "ID")]
    pub rule: Option<String>,
    /// Only findings in whose subject or sentence this text occurs.
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,
    /// How.
    #[command(flatten)]
    pub reading: ReadArgs,
}

/// `hotspots`.
#[derive(Args, Debug)]
pub struct HotSpotsArgs {
    /// Stores; all when none is named.
    #[arg(value_name = "STORE")]
    pub stores: Vec<String>,
    /// By what they are ordered: total (time of all executions), mean (time of one) or calls.
    #[arg(long, value_name = "ORDER", default_value = "total", value_parser = hot_order)]
    pub order: HotOrder,
    /// Only statements that touch something of this service.
    #[arg(long, value_name = "SERVICE")]
    pub service: Option<String>,
    /// Only statements on this table, by its logical name or the last part of it.
    #[arg(long, value_name = "TABLE")]
    pub table: Option<String>,
    /// Only statements that this login ran, where the server keeps logins apart.
    #[arg(long, value_name = "LOGIN")]
    pub login: Option<String>,
    /// No more than this many of each list.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub top: usize,
    /// Only statements that touch tables of more than one service: they break when the services part.
    #[arg(long)]
    pub crossing: bool,
    /// The same statements on the source and on the target of a pipeline; of all pipelines when none is named.
    #[arg(long, value_name = "PIPELINE", num_args = 0..=1, conflicts_with_all = ["stores", "crossing", "service", "table", "login"])]
    pub compare: Option<Option<String>>,
    /// How.
    #[command(flatten)]
    pub reading: ReadArgs,
}

/// `indexes`.
#[derive(Args, Debug)]
pub struct IndexesArgs {
    /// Stores; all when none is named.
    #[arg(value_name = "STORE")]
    pub stores: Vec<String>,
    /// Only rules whose id begins so: IX-FK, IX-NEW.
    #[arg(long, value_name = "ID")]
    pub rule: Option<String>,
    /// Only advice that is at least this weighty: info, low, medium, high or critical.
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    pub severity: Option<Severity>,
    /// Only advice in whose subject or sentence this name occurs.
    #[arg(long, value_name = "TABLE")]
    pub table: Option<String>,
    /// Let a phase build the index of this finding (RULE:STORE:SUBJECT, as printed): it is in the phase's next plan, and nothing is done before that is approved.
    #[arg(long, value_name = "FINDING", conflicts_with_all = ["watch", "leave"])]
    pub take: Option<String>,
    /// Take such a decision back, as long as nothing was built.
    #[arg(long, value_name = "FINDING", conflicts_with = "watch")]
    pub leave: Option<String>,
    /// The phase that builds it. Default: the first tune or watch phase whose plan is not made; to leave, the one that took it.
    #[arg(long, value_name = "PHASE")]
    pub phase: Option<String>,
    /// How.
    #[command(flatten)]
    pub reading: ReadArgs,
}

/// `grants`.
#[derive(Args, Debug)]
pub struct GrantsArgs {
    /// The store's name in the profile.
    pub store: String,
    /// What the account is for: watch, audit or act.
    #[arg(long, value_name = "ROLE", default_value = "watch", value_parser = monitor_role)]
    pub role: MonitorRole,
    /// The migration's profile.
    #[arg(short = 'p', long, value_name = "FILE")]
    pub profile: PathBuf,
    /// One JSON document.
    #[arg(long)]
    pub json: bool,
}

/// `log`.
#[derive(Args, Debug)]
pub struct LogArgs {
    /// Which migration.
    #[command(flatten)]
    pub which: Which,
    /// One JSON document a line: the journal's rows.
    #[arg(long)]
    pub json: bool,
    /// Verify the hash chain of the journal file; needs no engine.
    #[arg(long, conflicts_with_all = ["follow", "since"])]
    pub check: bool,
    /// Go on printing rows as they are written, until interrupted.
    #[arg(long, short = 'f', visible_alias = "watch")]
    pub follow: bool,
    /// Only rows after this one.
    #[arg(long, value_name = "ROW", default_value_t = 0)]
    pub since: u64,
}

/// `plan`.
#[derive(Args, Debug)]
pub struct PlanArgs {
    /// The phase.
    pub phase: String,
    /// Which migration.
    #[command(flatten)]
    pub which: Which,
    /// The way back instead of the way forward.
    #[arg(long)]
    pub rollback: bool,
    /// One JSON document.
    #[arg(long)]
    pub json: bool,
}

/// What every acting command takes.
#[derive(Args, Clone, Debug, Default)]
pub struct Acting {
    /// Which migration.
    #[command(flatten)]
    pub which: Which,
    /// The journal row on which you decided; the engine refuses if the target changed after it. Default: the last row when the command starts.
    #[arg(long, value_name = "ROW")]
    pub expect_seq: Option<u64>,
    /// The name that a production profile asks for: the phase's, the session's number, or else the migration's.
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
    /// Wait for the end of what was asked; the exit code tells how it ended.
    #[arg(long)]
    pub wait: bool,
    /// Give up waiting after this time, such as 30s, 5m, 2h.
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "wait")]
    pub timeout: Option<Duration>,
    /// The engine's answer as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `run`, `withdraw`, `retry`.
#[derive(Args, Debug)]
pub struct PhaseArgs {
    /// The phase.
    pub phase: String,
    /// How.
    #[command(flatten)]
    pub acting: Acting,
}

/// `approve`, `rollback`.
#[derive(Args, Debug)]
pub struct ConsentArgs {
    /// The phase.
    pub phase: String,
    /// The hash (at least its first twelve characters) of the plan that you have read.
    #[arg(long, value_name = "HASH")]
    pub plan: Option<String>,
    /// Do not ask; needs --plan, because consent is to one plan and to no other.
    #[arg(long, requires = "plan")]
    pub yes: bool,
    /// How.
    #[command(flatten)]
    pub acting: Acting,
}

/// `pause`, `resume`.
#[derive(Args, Debug)]
#[group(id = "what", required = true, multiple = false, args = ["phase", "pipeline"])]
pub struct PauseArgs {
    /// The phase.
    pub phase: Option<String>,
    /// The pipeline.
    #[arg(long, value_name = "NAME")]
    pub pipeline: Option<String>,
    /// How.
    #[command(flatten)]
    pub acting: Acting,
}

/// `skip`.
#[derive(Args, Debug)]
pub struct SkipArgs {
    /// The phase.
    pub phase: String,
    /// Why it is not needed; goes to the journal.
    #[arg(long, value_name = "TEXT")]
    pub why: String,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    /// How.
    #[command(flatten)]
    pub acting: Acting,
}

/// `verify`.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// Source tables; all when none is named.
    #[arg(value_name = "TABLE")]
    pub tables: Vec<String>,
    /// Only this pipeline; may be given several times.
    #[arg(long = "pipeline", value_name = "NAME")]
    pub pipelines: Vec<String>,
    /// Write the source's rows over differing target rows. The scope must be said: tables, --pipeline, or --all.
    #[arg(long)]
    pub repair: bool,
    /// Every table of every pipeline.
    #[arg(long, conflicts_with_all = ["tables", "pipelines"])]
    pub all: bool,
    /// Do not ask before a repair.
    #[arg(long)]
    pub yes: bool,
    /// How.
    #[command(flatten)]
    pub acting: Acting,
}

/// `throttle`.
#[derive(Args, Debug)]
pub struct ThrottleArgs {
    /// The pipeline.
    pub pipeline: String,
    /// rows_per_second, workers, target_lag or source_load.
    pub knob: String,
    /// The new value; off takes the limit off, also the profile's; default brings back what the profile says.
    pub value: String,
    /// How.
    #[command(flatten)]
    pub acting: Acting,
}

/// `assess`.
#[derive(Args, Debug)]
pub struct AssessArgs {
    /// The store's name in the profile.
    pub store: String,
    /// The migration's profile.
    #[arg(short = 'p', long, value_name = "FILE")]
    pub profile: PathBuf,
    /// One JSON document.
    #[arg(long)]
    pub json: bool,
}

/// `report`.
#[derive(Args, Debug)]
pub struct ReportArgs {
    /// Where to write it; the ending chooses the form: .txt, .json, .html.
    #[arg(short = 'o', long, value_name = "FILE")]
    pub output: PathBuf,
    /// Which migration.
    #[command(flatten)]
    pub which: Which,
}

/// The word of a severity.
fn severity(word: &str) -> Result<Severity, String> {
    let all = [Severity::Info, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
    all.into_iter()
        .find(|severity| severity.word() == word)
        .ok_or_else(|| "it is info, low, medium, high or critical".to_owned())
}

/// The word of an order.
fn hot_order(word: &str) -> Result<HotOrder, String> {
    match word {
        "total" => Ok(HotOrder::Total),
        "mean" => Ok(HotOrder::Mean),
        "calls" => Ok(HotOrder::Calls),
        _ => Err("it is total, mean or calls".to_owned()),
    }
}

/// `watch`, `audit`, `act`.
fn monitor_role(text: &str) -> Result<MonitorRole, String> {
    let role = MonitorRole::ALL.into_iter().find(|role| role.word() == text);
    role.ok_or_else(|| format!("`{text}` is no monitoring role; there are watch, audit and act"))
}

/// `90`, `90s`, `5m`, `2h`, `250ms`.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| format!("`{text}` is not a time such as 30s, 5m or 2h"))?;
    let seconds = |factor: u64| number.checked_mul(factor).map(Duration::from_secs);
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "" | "s" => seconds(1),
        "m" => seconds(60),
        "h" => seconds(3600),
        _ => None,
    }
    .ok_or_else(|| format!("`{text}` is not a time such as 30s, 5m or 2h"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn refused(line: &str) -> String {
        let words = std::iter::once("godwit").chain(line.split_whitespace());
        Cli::try_parse_from(words).expect_err(line).to_string()
    }

    fn accepted(line: &str) -> Cli {
        let words = std::iter::once("godwit").chain(line.split_whitespace());
        Cli::try_parse_from(words).unwrap_or_else(|e| panic!("{line}: {e}"))
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_pause_names_exactly_one_thing() {
        assert!(refused("pause").contains("required"));
        assert!(refused("pause backfill --pipeline orders").contains("cannot be used with"));
        accepted("pause backfill");
        accepted("resume --pipeline orders --wait --timeout 30s");
    }

    #[test]
    fn consent_without_a_question_names_its_plan() {
        assert!(refused("approve cutover --yes").contains("--plan"));
        assert!(refused("rollback cutover --yes").contains("--plan"));
        accepted("approve cutover --yes --plan 0123456789ab");
    }

    #[test]
    fn a_time_has_a_unit_or_is_seconds() {
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        for bad in ["", "s", "-1s", "1d", "1.5s", "99999999999999999999s", "18446744073709551615h"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_example_of_the_guide_parses() {
        let guide = include_str!("../../docs/operator/cli.md");
        let examples: Vec<&str> = guide.lines().filter_map(|l| l.strip_prefix("    $ godwit ")).collect();
        assert!(examples.len() >= 20, "only {} examples", examples.len());
        for example in examples {
            accepted(example);
        }
    }
}
