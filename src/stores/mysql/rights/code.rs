//! Views, routines, triggers and events: whose rights they have, and which tables they name.
//!
//! Invariant: no text of a program leaves this file: it is reduced to the names of tables.

use super::surroundings::Table;
use super::{Read, hidden, is_ours, ours};
use crate::model::access::mysql::{MyCode, MysqlFacts};
use crate::model::access::object::{Link, LinkKind};
use crate::model::access::postgres::Readable;
use crate::stores::mysql::capability::Flavour;
use crate::stores::mysql::line::Line;
use crate::stores::mysql::missing;
use crate::stores::mysql::statement_words::names;
use crate::stores::mysql::watch::Reader;
use std::collections::{BTreeMap, BTreeSet};

/// Programs without their texts.
pub const CODE: &str = "SELECT 'VIEW' AS kind, TABLE_SCHEMA AS db, TABLE_NAME AS name, DEFINER AS definer, SECURITY_TYPE AS security, '' AS on_db, '' AS on_table, 'ENABLED' AS status FROM information_schema.views \
     UNION ALL SELECT ROUTINE_TYPE, ROUTINE_SCHEMA, ROUTINE_NAME, DEFINER, SECURITY_TYPE, '', '', 'ENABLED' FROM information_schema.routines \
     UNION ALL SELECT 'TRIGGER', TRIGGER_SCHEMA, TRIGGER_NAME, DEFINER, 'DEFINER', EVENT_OBJECT_SCHEMA, EVENT_OBJECT_TABLE, 'ENABLED' FROM information_schema.triggers \
     UNION ALL SELECT 'EVENT', EVENT_SCHEMA, EVENT_NAME, DEFINER, 'DEFINER', '', '', STATUS FROM information_schema.events";

/// Their texts.
pub const CODE_TEXT: &str = "SELECT 'VIEW' AS kind, TABLE_SCHEMA AS db, TABLE_NAME AS name, VIEW_DEFINITION AS body FROM information_schema.views \
     UNION ALL SELECT ROUTINE_TYPE, ROUTINE_SCHEMA, ROUTINE_NAME, ROUTINE_DEFINITION FROM information_schema.routines \
     UNION ALL SELECT 'TRIGGER', TRIGGER_SCHEMA, TRIGGER_NAME, ACTION_STATEMENT FROM information_schema.triggers \
     UNION ALL SELECT 'EVENT', EVENT_SCHEMA, EVENT_NAME, EVENT_DEFINITION FROM information_schema.events";

/// What was read.
pub struct Code {
    pub listed: Readable<Vec<MyCode>>,
    /// Why it is not known which tables they name.
    pub without_text: Option<String>,
}

/// Reads what the audit's view, on MySQL its procedure, shows; where it is not there and the account may see everything (it reads hashes too), what is under it.
async fn rows(reader: &mut Reader<'_>, view: &str, select: &str) -> Read<Option<Vec<Line>>> {
    let condition = ours(reader, "c.db");
    let through = match reader.server().flavour {
        Flavour::Mariadb => format!("SELECT c.* FROM godwit_audit.{view} c WHERE {condition}"),
        Flavour::Mysql => format!("CALL godwit_audit.{view}()"),
    };
    if let Some(mut rows) = reader.lines_if(&format!("access.{view}.view"), through).await? {
        let scope = reader.scope();
        rows.retain(|row| is_ours(&row.text("db"), scope.as_deref()));
        return Ok(Some(rows));
    }
    // Information_schema shows each account only what it has rights on, without a word: only who reads everything is asked directly.
    if reader.lines_if("access.all", "SELECT 1 FROM mysql.global_priv LIMIT 1").await?.is_none()
        && reader
            .lines_if("access.all.mysql", "SELECT authentication_string = '' FROM mysql.user LIMIT 1")
            .await?
            .is_none()
    {
        return Ok(None);
    }
    reader.lines_if(&format!("access.{view}.direct"), format!("SELECT c.* FROM ({select}) c WHERE {condition}")).await
}

/// All programs that are not the server's own.
pub async fn read(reader: &mut Reader<'_>, tables: &[Table]) -> Read<Code> {
    let flavour = reader.server().flavour;
    let Some(listed) = rows(reader, "code", CODE).await? else {
        let why = "godwit_audit.code is not there, or the monitoring account may not read it";
        let lacks = missing::access(flavour, "code", "definers of views, routines, triggers and events", why);
        return Ok(Code { listed: hidden(reader, lacks), without_text: Some(why.to_owned()) });
    };
    let texts = rows(reader, "code_text", CODE_TEXT).await?;
    let mut without_text = None;
    if texts.is_none() {
        let lacks = missing::code_texts(flavour);
        without_text = Some(lacks.why.clone());
        reader.lacks(lacks);
    }
    let key = |row: &Line| (row.text("kind"), row.text("db"), row.text("name"));
    let known: BTreeSet<String> = tables.iter().map(Table::qualified).collect();
    let named: Option<BTreeMap<_, Vec<String>>> = texts.map(|texts| {
        texts
            .iter()
            .map(|row| (key(row), tables_in(row.raw("body").unwrap_or_default(), &row.text("db"), &known)))
            .collect()
    });
    let mut listed: Vec<MyCode> = listed
        .iter()
        .map(|row| {
            let on_table = row.some("on_table").map(|table| format!("{}.{table}", row.text("on_db")));
            MyCode {
                kind: row.text("kind"),
                database: row.text("db"),
                name: row.text("name"),
                definer: row.text("definer"),
                is_definers: row.raw("security") == Some("DEFINER"),
                on_table: on_table.unwrap_or_default(),
                is_enabled: row.raw("status") == Some("ENABLED"),
                tables: named.as_ref().map(|named| named.get(&key(row)).cloned().unwrap_or_default()),
            }
        })
        .collect();
    listed.sort();
    Ok(Code { listed: Readable::Read(listed), without_text })
}

/// Words after which SQL expects a table.
const BEFORE_A_TABLE: [&str; 7] = ["FROM", "JOIN", "INTO", "UPDATE", "TABLE", "IGNORE", "LOW_PRIORITY"];

/// Known tables that a text names, sorted. A name without a database belongs to `home`.
fn tables_in(text: &str, home: &str, known: &BTreeSet<String>) -> Vec<String> {
    let words = names(text);
    let mut found = BTreeSet::new();
    for (at, word) in words.iter().enumerate() {
        if word == "." {
            let (Some(before), Some(after)) = (at.checked_sub(1).and_then(|at| words.get(at)), words.get(at + 1))
            else {
                continue;
            };
            found.extend(known.get(&format!("{before}.{after}")).cloned());
            continue;
        }
        let before = at.checked_sub(1).and_then(|at| words.get(at)).map_or("", String::as_str);
        let is_qualifier = words.get(at + 1).is_some_and(|next| next == ".");
        if !is_qualifier && BEFORE_A_TABLE.iter().any(|keyword| keyword.eq_ignore_ascii_case(before)) {
            found.extend(known.get(&format!("{home}.{word}")).cloned());
        }
    }
    found.into_iter().collect()
}

/// What ties tables together by programs.
pub fn links(facts: &MysqlFacts) -> Vec<Link> {
    let Readable::Read(code) = &facts.code else { return Vec::new() };
    let mut links = Vec::new();
    for program in code {
        let (kind, from) = match program.kind.as_str() {
            "VIEW" => (LinkKind::View, program.qualified()),
            "TRIGGER" => (LinkKind::Trigger, program.on_table.clone()),
            "EVENT" => (LinkKind::Event, program.qualified()),
            _ => (LinkKind::Function, program.qualified()),
        };
        let name = if kind == LinkKind::Trigger { program.name.clone() } else { program.qualified() };
        let (statement, undo) = match kind {
            LinkKind::Trigger => (Some(format!("DROP TRIGGER {}", program.quoted())), None),
            LinkKind::Event => (
                Some(format!("ALTER EVENT {} DISABLE", program.quoted())),
                Some(format!("ALTER EVENT {} ENABLE", program.quoted())),
            ),
            LinkKind::View | LinkKind::Function | LinkKind::ForeignKey | LinkKind::Sequence => (None, None),
        };
        for to in program.tables.iter().flatten() {
            links.push(Link {
                kind,
                name: name.clone(),
                from: from.clone(),
                to: to.clone(),
                statement: statement.clone(),
                undo: undo.clone(),
                // The server writes a view's text anew with full names; other texts are as somebody wrote them.
                is_certain: kind == LinkKind::View,
                is_enabled: program.is_enabled,
            });
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_found_where_sql_expects_them() {
        let known = BTreeSet::from(["shop.orders".to_owned(), "shop.lines".to_owned(), "bill.invoices".to_owned()]);
        let found = |text| tables_in(text, "shop", &known);
        assert_eq!(found("select `shop`.`orders`.`id` AS `id` from `shop`.`orders`"), ["shop.orders"]);
        assert_eq!(found("BEGIN INSERT INTO bill.invoices SELECT id FROM lines; END"), ["bill.invoices", "shop.lines"]);
        assert!(found("SELECT 'FROM orders' /* FROM orders */, orders AS x FROM elsewhere.orders2").is_empty());
    }
}
