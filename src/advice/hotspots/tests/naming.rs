//! Canonical forms and names, case by case.

use super::fixture::ownership;
use crate::advice::dialect::Dialect::{self, MariaDb, MongoDb, Postgres, Redis, Sqlite};
use crate::advice::hotspots::fingerprint::{Named, name};
use crate::model::hotspot::StatementKind;
use crate::model::ids::ServiceId;

fn of(dialect: Dialect, text: &str) -> Named {
    name(dialect, "shop", text, &ownership())
}

#[test]
fn canonical_forms() {
    for (dialect, text, expected) in [
        (
            Postgres,
            "SELECT o.Id FROM public.orders o WHERE o.id = $1 -- x",
            "select id from orders.orders where id = ?",
        ),
        (Postgres, "select 1 from t where 5 = x and y <> 'a'", "select ? from t where x = ? and y <> ?"),
        (
            Postgres,
            "select a from t where x in (1,2,3) limit 5 offset 10",
            "select a from t where x in (?+) limit ? offset ?",
        ),
        (Postgres, "select a from t where x = any($1::int[])", "select a from t where x in (?+)"),
        (
            Postgres,
            "INSERT INTO orders (id, a) VALUES (1,'x'), (2,'y')",
            "insert into orders.orders (id, a) values (?+)",
        ),
        (Postgres, "update orders o set a = o.a + 1 where id = -5", "update orders.orders set a = a + ? where id = ?"),
        (Postgres, "delete from only_t where a is null", "delete from only_t where a is null"),
        (
            Postgres,
            "select c.name, o.id from orders o join customers c on c.id = o.customer_id",
            "select customers.customers.name, orders.orders.id from orders.orders join customers.customers on customers.customers.id = orders.orders.customer_id",
        ),
        (
            Postgres,
            "select a.id from orders a inner join orders b on b.parent = a.id",
            "select r1.id from orders.orders as r1 join orders.orders as r2 on r1.id = r2.parent",
        ),
        (
            Postgres,
            "select x.total from (select sum(a) as total from orders group by b) x order by x.total",
            "select c1 from (select sum(a) from orders.orders group by b) as q1 order by c1",
        ),
        (
            Postgres,
            "with recent as (select id from orders) select r.id from recent r",
            "with w1 as (select id from orders.orders) select id from w1",
        ),
        (
            Postgres,
            "select sum(a) as s, b from t group by 2 order by s desc",
            "select sum(a), b from t group by b order by sum(a) desc",
        ),
        (
            MariaDb,
            "SELECT * FROM `orders` WHERE `id` IN (...) LIMIT ?, ...",
            "select * from orders.orders where id in (?+) limit ? offset ?",
        ),
        (Sqlite, "select a from \"orders\" where id=?1", "select a from orders.orders where id = ?"),
        (
            MongoDb,
            r#"command: find {"find": "cart", "filter": {"b": 7, "a": {"$in": [1,2]}}, "sort": {"z": 1, "a": -1}, "limit": 3}"#,
            "find orders.cart filter {a {$in ?+}, b ?} sort {z 1, a -1} limit ?",
        ),
        (Redis, "GET cart:1234:items", "get cart:?:items"),
        (Redis, "cmdstat_hgetall", "hgetall"),
    ] {
        let named = of(dialect, text);
        assert_eq!(named.canonical, expected, "{text}");
        assert!(named.parsed, "{text}");
    }
}

#[test]
fn the_same_statement_has_one_name_on_all_engines_of_one_language() {
    let expected = of(
        Postgres,
        "select o.id, o.total from public.orders o where o.customer_id = $1 and o.status in ($2, $3) order by o.id desc limit $4",
    );
    for (dialect, text) in [
        (
            Postgres,
            "SELECT id, total FROM orders WHERE customer_id = 7 AND status = ANY($1) ORDER BY id DESC FETCH FIRST 10 ROWS ONLY",
        ),
        (
            MariaDb,
            "SELECT `id` , `total` FROM `orders` WHERE `customer_id` = ? AND `status` IN (...) ORDER BY `id` DESC LIMIT ?",
        ),
        (
            Sqlite,
            "/* app */ select \"id\", \"total\" from orders as x where 7 = x.customer_id and x.status in ('a') order by 1 desc limit 10",
        ),
    ] {
        let named = of(dialect, text);
        assert_eq!(named.canonical, expected.canonical, "{text}");
        assert_eq!(named.fingerprint, expected.fingerprint);
    }
    assert_eq!(expected.fingerprint.0.len(), 32);
    assert_eq!(expected.services, [ServiceId::from("orders")]);
    assert_eq!(expected.kind, StatementKind::Read);
}

#[test]
fn unlike_statements_have_unlike_names() {
    let texts = [
        "select a from t where x = 1",
        "select a from t where y = 1",
        "select b from t where x = 1",
        "select a from u where x = 1",
        "select a from t where x <> 1",
        "select a from t where x = 1 and y = 2",
        "select a from t where y = 2 and x = 1",
        "select a from t where x = 1 order by a",
        "select a from t where x = 1 order by a desc",
        "select a from t where x = 1 limit 1",
        "select a, b from t where x = 1",
        "select a from users_2009 where x = 1",
        "select a from users_2010 where x = 1",
        "select a from t where x = 1 or y = 2",
        "select a from t where (x = 1 or y = 2) and z = 3",
        "select a from t where x = 1 or y = 2 and z = 3",
        "delete from t where x = 1",
        "update t set a = 1 where x = 1",
        "update t set b = 1 where x = 1",
    ];
    let mut names: Vec<String> = texts.iter().map(|text| of(Postgres, text).fingerprint.0).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), texts.len());
}

#[test]
fn tables_and_owners_are_found_in_every_corner() {
    let both = [ServiceId::from("customers"), ServiceId::from("orders")];
    for text in [
        "select 1 from orders o, customers c",
        "select 1 from orders where exists (select 1 from customers c where c.id = orders.customer_id)",
        "insert into orders (id) select id from customers",
        "update orders set a = c.a from customers c where c.id = orders.id",
        "delete from orders using customers c where c.id = orders.id",
        "with customers as (select * from customers) select 1 from customers join orders on true",
    ] {
        assert_eq!(of(Postgres, text).services, both, "{text}");
    }
    assert_eq!(of(MariaDb, "DELETE o FROM orders o JOIN customers c ON c.id = o.customer_id").services, both);
    let hidden = of(Postgres, "with orders as (select 1 as a) select a from orders");
    assert!(hidden.services.is_empty(), "a common table expression is no table");
    assert_eq!(of(Redis, "GET cart:7").services, [ServiceId::from("orders")]);
}

#[test]
fn what_cannot_be_parsed_is_named_by_its_tokens_and_says_so() {
    for text in [
        "SELECT FROM WHERE 1,,",
        "select a from t where b = 'unfinished",
        "",
        "\u{0}\u{1b}[2J",
        "VACUUM (FULL, x) y z w",
    ] {
        let named = of(Postgres, text);
        assert!(!named.parsed, "{text}");
        assert_eq!(named.kind, StatementKind::Other);
    }
    assert_eq!(
        of(Postgres, "SELECT FROM WHERE 1,,").fingerprint,
        of(Postgres, "select  from where 22 , ,").fingerprint
    );
    assert_ne!(of(Postgres, "SELECT FROM WHERE a,,").fingerprint, of(Postgres, "select from where b,,").fingerprint);
    assert!(!of(MongoDb, "{broken").parsed);
    assert!(!of(Redis, "").parsed);
}

#[test]
fn kinds_are_told_apart() {
    for (text, kind) in [
        ("select 1", StatementKind::Read),
        ("insert into t select 1", StatementKind::Insert),
        ("update t set a = 1", StatementKind::Update),
        ("delete from t", StatementKind::Delete),
        ("with gone as (delete from t returning a) select a from gone", StatementKind::Delete),
        ("begin", StatementKind::Other),
    ] {
        assert_eq!(of(Postgres, text).kind, kind, "{text}");
    }
}

#[test]
fn order_matters_in_a_sort_of_mongodb_and_not_in_its_filter() {
    let one = of(MongoDb, r#"{"find": "cart", "filter": {"a": 1, "b": 2}, "sort": {"x": 1, "y": 1}}"#);
    let other = of(MongoDb, r#"{"find": "cart", "filter": {"b": 9, "a": "z"}, "sort": {"x": 1, "y": 1}}"#);
    let turned = of(MongoDb, r#"{"find": "cart", "filter": {"a": 1, "b": 2}, "sort": {"y": 1, "x": 1}}"#);
    assert_eq!(one.fingerprint, other.fingerprint);
    assert_ne!(one.fingerprint, turned.fingerprint);
    let explicit =
        of(MongoDb, r#"{"find": "cart", "filter": {"a": {"$eq": 1}, "b": {"$oid": "aa"}}, "sort": {"x": 1, "y": 1}}"#);
    assert_eq!(one.fingerprint, explicit.fingerprint);
}

#[test]
fn identities_in_keys_are_blanked_and_words_are_not() {
    for (key, expected) in [
        ("GET user:42", "get user:?"),
        ("GET user:{42}:v2", "get user:{?}:v2"),
        ("GET s:550e8400-e29b-41d4-a716-446655440000", "get s:?"),
        ("HGETALL cart:*", "hgetall cart:?"),
        ("CLIENT LIST", "client|list"),
        ("GET decade", "get decade"),
        ("CONFIG GET maxmemory", "config|get"),
        ("EVAL \"return 1\" 0", "eval"),
    ] {
        assert_eq!(of(Redis, key).canonical, expected, "{key}");
    }
}

#[test]
fn a_statement_as_deep_as_is_allowed_fits_the_stack() {
    for chain in [
        format!("select 1{} from orders", " + 1".repeat(700)),
        format!("select 1 from orders where id = 1{}", " or id = 1".repeat(300)),
    ] {
        let named = of(Postgres, &chain);
        assert!(named.parsed, "{} bytes", chain.len());
    }
}

#[test]
fn masked_values_make_no_other_name() {
    let plain = of(MongoDb, r#"{"find": "cart", "filter": {"a": 1, "b": {"$in": [1, 2]}}, "limit": 5}"#);
    let masked = of(MongoDb, r#"{"find":"cart","filter":{"a":"?","b":{"$in":["?"]}},"limit":"?"}"#);
    assert_eq!(plain.canonical, masked.canonical);
    let profiled = of(MongoDb, r#"{"update":"cart","q":{"_id":"?"},"u":{"$set":{"z":"?"}},"multi":"?"}"#);
    assert_eq!(profiled.canonical, "update orders.cart filter {_id ?} set {z}");
    assert_eq!(
        of(MongoDb, r#"{"update": "cart", "updates": [{"q": {"_id": 7}, "u": {"$set": {"z": 1}}}]}"#).canonical,
        profiled.canonical
    );
}
