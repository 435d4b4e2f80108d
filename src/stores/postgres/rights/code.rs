//! Code in the database: functions, triggers, views, and what all of it ties together.

use super::containers::function_group;
use super::effective::Asked;
use super::mentions::Mentions;
use super::relations::Relations;
use super::{NOT_OURS, Read, text, texts};
use crate::model::access::object::{Link, LinkKind, Object, ObjectKind};
use crate::model::access::postgres::{EventTrigger, PgFunction, PgTrigger};
use crate::stores::postgres::quote;
use crate::stores::postgres::told::Told;
use crate::stores::postgres::watch::Reader;
use sqlx::Row;
use std::collections::{BTreeMap, BTreeSet};

/// Code and ties.
pub struct Code {
    /// With their object ids.
    pub functions: Vec<PgFunction>,
    pub triggers: Vec<PgTrigger>,
    pub event_triggers: Vec<EventTrigger>,
    pub links: Vec<Link>,
    ids: Vec<i64>,
}

impl Code {
    /// The neutral words.
    pub fn objects(&self) -> Vec<Object> {
        let object = |(f, id): (&PgFunction, &i64)| Object {
            kind: ObjectKind::Function,
            name: f.name.clone(),
            owner: f.owner.clone(),
            group: function_group(*id),
        };
        self.functions.iter().zip(&self.ids).map(object).collect()
    }
}

/// Characters of a function's text that are looked through for names of tables.
const TEXT_CHARS: u32 = 50_000;

/// `p` is the function, `n` its schema.
const FUNCTION_NAME: &str = "quote_ident(n.nspname) || '.' || quote_ident(p.proname) || '(' || pg_get_function_identity_arguments(p.oid) || ')'";

/// Functions that no extension made. Their text is read for names and goes no further.
fn functions_sql() -> String {
    format!(
        "SELECT p.oid::int8 AS id, {FUNCTION_NAME} AS name, quote_ident(n.nspname) AS schema, pg_get_userbyid(p.proowner)::text AS owner, p.prosecdef AS definer,
                (SELECT substr(c, 13) FROM unnest(p.proconfig) AS c WHERE c LIKE 'search_path=%') AS search_path,
                p.proacl IS NULL AS is_default, has_function_privilege('public', p.oid, 'EXECUTE') AS is_public,
                CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END AS keyword,
                p.prorettype IN ('trigger'::regtype, 'event_trigger'::regtype) AS is_trigger,
                CASE WHEN l.lanname IN ('sql', 'plpgsql') THEN left(p.prosrc, {TEXT_CHARS}) END AS source
           FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
          WHERE {NOT_OURS} AND p.prokind <> 'a'
            AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
          ORDER BY n.nspname, p.proname, p.oid"
    )
}

fn triggers_sql() -> String {
    format!(
        "SELECT quote_ident(t.tgname) AS name, quote_ident(cn.nspname) || '.' || quote_ident(c.relname) AS relation, {FUNCTION_NAME} AS function, t.tgenabled <> 'D' AS enabled
           FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace cn ON cn.oid = c.relnamespace
           JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace
          WHERE NOT t.tgisinternal AND {NOT_OURS}"
    )
}

const EVENT_TRIGGERS: &str = "SELECT quote_ident(e.evtname) AS name, pg_get_userbyid(e.evtowner)::text AS owner, e.evtenabled <> 'D' AS enabled,
        EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = e.oid AND d.deptype = 'e') AS made
   FROM pg_event_trigger e ORDER BY e.evtname";

/// Partitions have the key of their parent; theirs are left out.
const FOREIGN_KEYS: &str =
    "SELECT quote_ident(k.conname) AS name, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS child,
        quote_ident(pn.nspname) || '.' || quote_ident(p.relname) AS parent, pg_get_constraintdef(k.oid) AS definition
   FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
   JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
  WHERE k.contype = 'f' AND k.conparentid = 0 AND k.conrelid <> k.confrelid";

fn views_sql() -> String {
    format!(
        "SELECT DISTINCT quote_ident(n.nspname) || '.' || quote_ident(v.relname) AS view, quote_ident(tn.nspname) || '.' || quote_ident(t.relname) AS relation, v.relkind = 'm' AS keeps
           FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class AND v.relkind IN ('v', 'm') JOIN pg_namespace n ON n.oid = v.relnamespace
           JOIN pg_class t ON t.oid = d.refobjid JOIN pg_namespace tn ON tn.oid = t.relnamespace
          WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class AND {NOT_OURS}"
    )
}

/// Defaults that take from a sequence, and the table that the sequence belongs to.
fn sequences_sql() -> String {
    format!(
        "SELECT quote_ident(sn.nspname) || '.' || quote_ident(s.relname) AS sequence, quote_ident(n.nspname) || '.' || quote_ident(t.relname) AS relation, quote_ident(a.attname) AS column_name,
                (SELECT quote_ident(bn.nspname) || '.' || quote_ident(b.relname) FROM pg_depend o JOIN pg_class b ON b.oid = o.refobjid JOIN pg_namespace bn ON bn.oid = b.relnamespace
                  WHERE o.classid = 'pg_class'::regclass AND o.objid = s.oid AND o.refclassid = 'pg_class'::regclass AND o.deptype IN ('a', 'i') LIMIT 1) AS belongs_to
           FROM pg_depend d JOIN pg_attrdef x ON x.oid = d.objid JOIN pg_class s ON s.oid = d.refobjid AND s.relkind = 'S' JOIN pg_namespace sn ON sn.oid = s.relnamespace
           JOIN pg_class t ON t.oid = x.adrelid JOIN pg_namespace n ON n.oid = t.relnamespace JOIN pg_attribute a ON a.attrelid = x.adrelid AND a.attnum = x.adnum
          WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass AND {NOT_OURS}"
    )
}

/// All of it.
pub async fn read(reader: &mut Reader<'_>, relations: &Relations) -> Read<Code> {
    let mentions = Mentions::new(relations);
    let (mut functions, mut ids) = (Vec::new(), Vec::new());
    for row in reader.rows(functions_sql()).await? {
        let source: Option<&str> = row.try_get("source")?;
        ids.push(row.try_get("id")?);
        functions.push(PgFunction {
            name: text(&row, "name")?,
            schema: text(&row, "schema")?,
            owner: text(&row, "owner")?,
            definer: row.try_get("definer")?,
            search_path: row.told_or_null("search_path")?,
            is_public: row.try_get("is_public")?,
            has_default_acl: row.try_get("is_default")?,
            callers: Vec::new(),
            relations: source.map(|source| mentions.in_text(source)).unwrap_or_default(),
            keyword: text(&row, "keyword")?,
            is_trigger: row.try_get("is_trigger")?,
        });
    }
    let mut triggers = BTreeSet::new();
    for row in reader.rows(triggers_sql()).await? {
        triggers.insert(PgTrigger {
            name: text(&row, "name")?,
            table: text(&row, "relation")?,
            function: text(&row, "function")?,
            enabled: row.try_get("enabled")?,
        });
    }
    let mut event_triggers = Vec::new();
    for row in reader.rows(EVENT_TRIGGERS.to_owned()).await? {
        event_triggers.push(EventTrigger {
            name: text(&row, "name")?,
            owner: text(&row, "owner")?,
            enabled: row.try_get("enabled")?,
            of_extension: row.try_get("made")?,
        });
    }
    let mut links = links(reader).await?;
    links.extend(links_of_code(&functions, &triggers));
    links.sort();
    links.dedup();
    Ok(Code { functions, triggers: triggers.into_iter().collect(), event_triggers, links, ids })
}

async fn links(reader: &mut Reader<'_>) -> Read<Vec<Link>> {
    let mut links = Vec::new();
    let link = |kind, name: String, from: String, to: String| Link {
        kind,
        name,
        from,
        to,
        statement: None,
        undo: None,
        is_certain: true,
        is_enabled: true,
    };
    for row in reader.rows(FOREIGN_KEYS.to_owned()).await? {
        let (name, child) = (text(&row, "name")?, text(&row, "child")?);
        let undo = format!("ALTER TABLE {child} ADD CONSTRAINT {name} {}", text(&row, "definition")?);
        links.push(Link {
            statement: Some(format!("ALTER TABLE {child} DROP CONSTRAINT {name}")),
            undo: Some(undo),
            ..link(LinkKind::ForeignKey, name, child, text(&row, "parent")?)
        });
    }
    for row in reader.rows(views_sql()).await? {
        let view = text(&row, "view")?;
        links.push(link(LinkKind::View, view.clone(), view, text(&row, "relation")?));
    }
    for row in reader.rows(sequences_sql()).await? {
        let (sequence, table) = (text(&row, "sequence")?, text(&row, "relation")?);
        let belongs_to = row.told_or_null("belongs_to")?.unwrap_or_else(|| sequence.clone());
        let undo = format!(
            "ALTER TABLE {table} ALTER COLUMN {} SET DEFAULT nextval({})",
            text(&row, "column_name")?,
            quote::literal(&sequence)
        );
        links.push(Link { undo: Some(undo), ..link(LinkKind::Sequence, sequence, table, belongs_to) });
    }
    Ok(links)
}

/// What code works on, by the names in its text.
fn links_of_code(functions: &[PgFunction], triggers: &BTreeSet<PgTrigger>) -> Vec<Link> {
    let mut links = Vec::new();
    for function in functions.iter().filter(|f| !f.is_trigger) {
        for to in &function.relations {
            links.push(Link {
                kind: LinkKind::Function,
                name: function.name.clone(),
                from: function.name.clone(),
                to: to.clone(),
                statement: None,
                undo: None,
                is_certain: false,
                is_enabled: true,
            });
        }
    }
    for trigger in triggers {
        let function = functions.iter().find(|f| f.name == trigger.function);
        for to in function.map(|f| f.relations.as_slice()).unwrap_or_default() {
            if *to == trigger.table {
                continue;
            }
            links.push(Link {
                kind: LinkKind::Trigger,
                name: trigger.name.clone(),
                from: trigger.table.clone(),
                to: to.clone(),
                statement: Some(format!("ALTER TABLE {} DISABLE TRIGGER {}", trigger.table, trigger.name)),
                undo: Some(format!("ALTER TABLE {} ENABLE TRIGGER {}", trigger.table, trigger.name)),
                is_certain: false,
                is_enabled: trigger.enabled,
            });
        }
    }
    links
}

/// Who may run code that works with its owner's rights.
pub async fn callers(reader: &mut Reader<'_>, functions: &mut [PgFunction], asked: &Asked) -> Read<()> {
    let definers = functions.iter().filter(|f| f.definer && !f.is_trigger).count();
    if asked.logins.is_empty() || definers == 0 {
        return Ok(());
    }
    let sql = format!(
        "SELECT {FUNCTION_NAME} AS name, array_agg(r.rolname::text ORDER BY r.rolname::text COLLATE \"C\") AS callers
           FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_roles r ON r.rolname = ANY({})
          WHERE p.prosecdef AND {NOT_OURS} AND r.oid <> p.proowner AND has_function_privilege(r.oid, p.oid, 'EXECUTE') AND has_schema_privilege(r.oid, n.oid, 'USAGE')
          GROUP BY p.oid, n.nspname, p.proname",
        asked.array()
    );
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in reader.rows(sql).await? {
        found.insert(text(&row, "name")?, texts(&row, "callers")?);
    }
    for function in functions {
        function.callers = found.remove(&function.name).unwrap_or_default();
    }
    Ok(())
}
