//! Statements as people write them, rewritten.

use super::*;

fn renames(table: (&str, &str), columns: &[(&str, &str)], dropped: &[&str]) -> Renames {
    Renames {
        table: (table.0.to_owned(), table.1.to_owned()),
        columns: columns.iter().map(|(a, b)| (folded(a), (*b).to_owned())).collect(),
        dropped: dropped.iter().map(|d| folded(d)).collect(),
    }
}

fn set(all: &[Renames]) -> HashMap<String, Renames> {
    all.iter().map(|r| (folded(&r.table.0), r.clone())).collect()
}

#[test]
fn a_table_that_is_carried_as_it_is_keeps_its_clauses() {
    let own = renames(("t", "t"), &[("id", "id"), ("a", "a")], &[]);
    let sql = "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, -- the key\n a TEXT NOT NULL DEFAULT 'x, (y' COLLATE NOCASE \
               CHECK (length(a) > 0), b AS (a || 'z') STORED, UNIQUE (a) ON CONFLICT REPLACE) STRICT";
    let done = create_table(sql, &own, &set(std::slice::from_ref(&own))).unwrap();
    assert_eq!(done.left_out, Vec::<String>::new());
    assert_eq!(
        done.sql,
        "CREATE TABLE \"t\" (\"id\" INTEGER PRIMARY KEY AUTOINCREMENT, \"a\" TEXT NOT NULL DEFAULT 'x, (y' COLLATE NOCASE \
         CHECK (length(a) > 0), \"b\" AS (a || 'z') STORED, UNIQUE (a) ON CONFLICT REPLACE) STRICT"
    );
}

#[test]
fn names_change_everywhere_but_in_functions_collations_and_text() {
    let own = renames(("t", "neu er"), &[("id", "id"), ("a", "b"), ("c", "c")], &["gone"]);
    let parent = renames(("p", "q"), &[("x", "y")], &[]);
    let sql = "CREATE TABLE \"t\" (id INT, a TEXT CHECK(a<>'a' AND a(a)||t.a>='1.5e-3'), gone BLOB, c INT REFERENCES p(x) \
         ON DELETE SET NULL NOT NULL, PRIMARY KEY (a,id), CONSTRAINT a CHECK (gone > 1) \
         FOREIGN KEY (a) REFERENCES \"p\"(\"x\") MATCH full DEFERRABLE INITIALLY DEFERRED) WITHOUT ROWID";
    let done = create_table(sql, &own, &set(&[own.clone(), parent])).unwrap();
    assert_eq!(
        done.sql,
        "CREATE TABLE \"neu er\" (\"id\" INT, \"b\" TEXT CHECK(\"b\"<>'a' AND a(\"b\")||\"neu er\".\"b\">='1.5e-3'), \
         \"c\" INT REFERENCES \"q\" (\"y\") ON DELETE SET NULL NOT NULL, PRIMARY KEY (\"b\",id), \
         FOREIGN KEY (\"b\") REFERENCES \"q\" (\"y\") MATCH full DEFERRABLE INITIALLY DEFERRED) WITHOUT ROWID"
    );
    assert_eq!(done.left_out, ["CONSTRAINT a CHECK (gone > 1) of t: it needs a column that is not carried"]);
}

#[test]
fn foreign_keys_that_leave_the_set_are_left_out() {
    let own = renames(("child", "child"), &[("id", "id"), ("p", "p"), ("q", "q")], &[]);
    let sql = "CREATE TABLE child (id INTEGER PRIMARY KEY, p INT NOT NULL CONSTRAINT fk REFERENCES parents ON DELETE CASCADE \
         ON UPDATE NO ACTION NOT DEFERRABLE CHECK (p > 0), q INT, FOREIGN KEY (q) REFERENCES [other one] (a), UNIQUE (q))";
    let done = create_table(sql, &own, &set(std::slice::from_ref(&own))).unwrap();
    assert_eq!(
        done.sql,
        "CREATE TABLE \"child\" (\"id\" INTEGER PRIMARY KEY, \"p\" INT NOT NULL CHECK (p > 0), \"q\" INT, UNIQUE (q))"
    );
    assert_eq!(done.left_out.len(), 2);
    assert!(done.left_out[1].contains("child to other one"), "{:?}", done.left_out);
}

#[test]
fn indexes_follow_their_table() {
    let own = renames(("t", "u"), &[("a", "b"), ("c", "c")], &["gone"]);
    let sql = "CREATE UNIQUE INDEX \"i 1\" ON t(a COLLATE NOCASE DESC, lower(c)) WHERE a IS NOT NULL";
    assert_eq!(
        create_index(sql, &own).unwrap().unwrap(),
        "CREATE UNIQUE INDEX \"i 1\" ON \"u\" (\"b\" COLLATE NOCASE DESC, lower(c)) WHERE \"b\" IS NOT NULL"
    );
    assert_eq!(create_index("CREATE INDEX i ON t(a, gone)", &own).unwrap(), None);
    assert!(create_index("CREATE INDEX", &own).is_err());
}

#[test]
fn words_in_quotes_and_comments_are_not_keywords() {
    assert!(has_keyword("create table t(id integer primary key autoincrement)", "AUTOINCREMENT"));
    assert!(!has_keyword(
        "CREATE TABLE t(id INTEGER /* AUTOINCREMENT */, \"autoincrement\" INT, x DEFAULT 'AUTOINCREMENT')",
        "AUTOINCREMENT"
    ));
    assert!(mentions("CREATE TRIGGER x AFTER INSERT ON t BEGIN UPDATE [T] SET a = 1; END", "t"));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

    /// Whatever the text, tokens cover it without a panic, and nothing but space is lost.
    #[test]
    fn any_text_is_cut_without_loss(sql in "[a-zé0-9 \"'`\\[\\](),.*/|<>\\-\n]{0,60}") {
        let text: String = tokens(&sql).iter().map(|t| t.text).collect();
        proptest::prop_assert!(text.len() <= sql.len());
        let _either = create_table(&sql, &Renames::default(), &HashMap::new());
        let _either = create_index(&sql, &Renames::default());
    }
}
