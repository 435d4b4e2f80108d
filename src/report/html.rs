//! The report as one HTML page: no scripts, nothing loaded from elsewhere, every string escaped.

use crate::report::migration::{MigrationReport, PhaseReport, step_word, table_word};
use crate::report::moment;
use std::fmt::{self, Write};

const STYLE: &str = "body{font:14px/1.5 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em}\
table{border-collapse:collapse;margin:.5em 0 1.5em}td,th{border:1px solid #bbb;padding:.2em .6em;text-align:left;vertical-align:top}\
code{font-family:ui-monospace,monospace}";

/// Text between tags or in a quoted attribute. Control characters and bidi controls are dropped.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in crate::report::line::clean(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// The page.
pub fn page(report: &MigrationReport) -> String {
    let mut html = String::new();
    // Writing to a String cannot fail.
    let _ = write_page(report, &mut html);
    html
}

fn write_page(report: &MigrationReport, html: &mut String) -> fmt::Result {
    let name = escape(&report.migration);
    writeln!(html, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")?;
    writeln!(html, "<title>Migration {name}</title><style>{STYLE}</style></head><body>")?;
    let env = report.env.as_deref().map_or_else(String::new, |env| format!(" ({})", escape(env)));
    writeln!(html, "<h1>Migration {name}{env}</h1>")?;
    writeln!(
        html,
        "<p>Written {}. Profile digest <code>{}</code>.</p>",
        moment::stamp(report.written_at),
        escape(&report.profile_digest)
    )?;
    writeln!(html, "<p>Journal: <code>{}</code></p>", escape(&report.journal_line()))?;
    writeln!(html, "<h2>Phases</h2>")?;
    for phase in &report.phases {
        write_phase(phase, html)?;
    }
    writeln!(html, "<h2>Verification</h2>")?;
    head(html, &["Pipeline", "Table", "Result", "Rows compared", "Last full pass", "Changed since"])?;
    for (pipeline, tables) in &report.verification {
        for table in tables {
            row(
                html,
                &[
                    pipeline.to_string(),
                    table.table.to_string(),
                    table_word(table),
                    table.rows_compared.to_string(),
                    table.full_pass_at.map_or_else(|| "never".to_owned(), moment::stamp),
                    table.changed_since.map_or_else(|| "unknown".to_owned(), |rows| rows.to_string()),
                ],
            )?;
        }
    }
    writeln!(html, "</table></body></html>")
}

fn write_phase(phase: &PhaseReport, html: &mut String) -> fmt::Result {
    writeln!(html, "<h3>{}: {}</h3>", escape(&phase.id), phase.status)?;
    writeln!(html, "<p>Since {}. {}</p>", moment::stamp(phase.changed_at), escape(&phase.detail))?;
    if phase.steps.is_empty() {
        return Ok(());
    }
    head(html, &["Step", "Status", "Attempts", "At", "Evidence", "Made"])?;
    for step in &phase.steps {
        row(
            html,
            &[
                step.id.to_string(),
                step_word(step.status).to_owned(),
                step.attempts.to_string(),
                moment::stamp(step.at),
                step.note.clone(),
                step.made.join(", "),
            ],
        )?;
    }
    writeln!(html, "</table>")
}

fn head(html: &mut String, cells: &[&str]) -> fmt::Result {
    write!(html, "<table><tr>")?;
    for cell in cells {
        write!(html, "<th>{cell}</th>")?;
    }
    writeln!(html, "</tr>")
}

fn row(html: &mut String, cells: &[String]) -> fmt::Result {
    write!(html, "<tr>")?;
    for cell in cells {
        write!(html, "<td>{}</td>", escape(cell))?;
    }
    writeln!(html, "</tr>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_markup_of_a_server_gets_into_the_page() {
        assert_eq!(
            escape("<img src=x onerror='a(\"&\")'>\u{202e}"),
            "&lt;img src=x onerror=&#39;a(&quot;&amp;&quot;)&#39;&gt;"
        );
    }
}
