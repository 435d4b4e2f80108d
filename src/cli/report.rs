//! `godwit report`.

use crate::cli::args::ReportArgs;
use crate::cli::choice::Chosen;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::history;
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::model::fold::Migration;
use crate::model::lag::Reading;
use crate::report::html;
use crate::report::line::clean;
use crate::report::migration::{JournalHead, MigrationReport, report};
use chrono::Utc;
use std::path::Path;

/// Writes the report, from the engine if one answers, else from the journal.
///
/// # Errors
/// When the ending is not one of the three, nothing is known of the migration, or the file cannot be written.
pub async fn run(args: &ReportArgs, out: Output) -> Outcome {
    let form = Form::of(&args.output)?;
    let chosen = args.which.find()?;
    let migration = migration(&chosen).await?;
    let journal = match history::chain(&chosen).await {
        Ok(chain) => Reading::Known(JournalHead { rows: chain.rows, head_hash: chain.head_hash }),
        // A broken chain is not a detail of a report: it is why there is none.
        Err(failure) if failure.exit == Exit::Finding => return Err(failure),
        Err(failure) => Reading::Unknown(failure.sentence),
    };
    let text = form.text(&report(&migration, journal, Utc::now()))?;
    std::fs::write(&args.output, text).map_err(|error| Failure::file("write", &args.output, &error))?;
    out.aside(&format!("report written to {}", args.output.display()));
    Ok(Exit::Ok)
}

async fn migration(chosen: &Chosen) -> Result<Migration, Failure> {
    match Session::open(chosen).await {
        Ok(session) => Ok(session.migration),
        Err(failure) if failure.exit == Exit::NoEngine => history::migration(chosen).await,
        Err(failure) => Err(failure),
    }
}

/// The form that the file's ending chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Json,
    Html,
}

impl Form {
    fn of(path: &Path) -> Result<Self, Failure> {
        match path.extension().and_then(|e| e.to_str()) {
            Some("txt") => Ok(Self::Text),
            Some("json") => Ok(Self::Json),
            Some("html" | "htm") => Ok(Self::Html),
            _ => Err(Failure::usage(format!("{} must end in .txt, .json or .html", path.display()))),
        }
    }

    fn text(self, report: &MigrationReport) -> Result<String, Failure> {
        Ok(match self {
            Self::Text => report.text().lines().map(|line| clean(line) + "\n").collect(),
            Self::Html => html::page(report),
            Self::Json => serde_json::to_string_pretty(report)
                .map_err(|error| Failure::new(Exit::Io, format!("the report cannot be written as JSON: {error}")))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_chooses_the_form_and_there_is_no_default() {
        assert_eq!(Form::of(Path::new("a/b.html")), Ok(Form::Html));
        assert_eq!(Form::of(Path::new("b.json")), Ok(Form::Json));
        assert!(Form::of(Path::new("b")).is_err());
        assert!(Form::of(Path::new("b.pdf")).is_err());
    }
}
