//! What statements ask of tables.

use crate::advice::catalogue::Catalogue;
use crate::advice::dialect::Dialect;
use crate::advice::hotspots::facts::{TableFacts, of};
use crate::model::index::{ColumnUse, Indexes, TableUse};
use crate::model::lag::Reading;
use crate::model::observation::Window;

fn column(name: &str) -> ColumnUse {
    let kind = "integer".to_owned();
    ColumnUse {
        name: name.to_owned(),
        kind,
        width: None,
        distinct: None,
        nulls: None,
        common: Vec::new(),
        nullable: true,
    }
}

fn table(name: &str, columns: &[&str]) -> TableUse {
    let unknown = || Reading::Unknown("not read".to_owned());
    TableUse {
        table: name.to_owned(),
        rows: unknown(),
        bytes: unknown(),
        full_scans: unknown(),
        full_scan_rows: unknown(),
        index_scans: unknown(),
        inserted: unknown(),
        updated: unknown(),
        updated_in_place: unknown(),
        deleted: unknown(),
        columns: columns.iter().map(|name| column(name)).collect(),
    }
}

fn facts(text: &str) -> Vec<TableFacts> {
    let read = Indexes {
        window: Window { since: super::fixture::moment(0), proof: String::new() },
        epoch: String::new(),
        replicas_unread: Vec::new(),
        follows_as: None,
        tables: vec![
            table("public.orders", &["id", "customer_id", "status", "created_at", "deleted_at", "email"]),
            table("public.customers", &["id", "name", "city"]),
        ],
        indexes: Vec::new(),
        foreign_keys: Vec::new(),
    };
    of(Dialect::Postgres, text, &Catalogue::new(&read))
}

/// `table: equalities | ranges | sort | set`.
fn shown(text: &str) -> Vec<String> {
    facts(text)
        .iter()
        .map(|fact| {
            let equal: Vec<String> = fact
                .equality
                .iter()
                .map(|e| {
                    format!("{}{}{}", e.column, if e.is_list { "+" } else { "" }, if e.is_join { "~" } else { "" })
                })
                .collect();
            let sort: Vec<String> =
                fact.sort.iter().map(|s| format!("{}{}", s.column, if s.descending { "-" } else { "" })).collect();
            format!(
                "{}: {}|{}|{}|{}",
                fact.table,
                equal.join(","),
                fact.range.join(","),
                sort.join(","),
                fact.set.join(",")
            )
        })
        .collect()
}

#[test]
fn conditions_orders_and_sets_are_read() {
    for (text, expected) in [
        (
            "select id from orders where customer_id = $1 and created_at > $2 order by created_at desc limit 5",
            vec!["public.orders: customer_id|created_at|created_at-|"],
        ),
        (
            "select * from public.orders o where o.status in ($1, $2) and (o.id) = 7",
            vec!["public.orders: status+,id|||"],
        ),
        (
            "select 1 from orders where customer_id = any($1) and deleted_at is null",
            vec!["public.orders: customer_id+,deleted_at|||"],
        ),
        (
            "select o.id from orders o join customers c on c.id = o.customer_id where c.city = $1",
            vec!["public.orders: customer_id~|||", "public.customers: id~,city|||"],
        ),
        (
            "select 1 from customers c where exists (select 1 from orders o where o.customer_id = c.id)",
            vec!["public.customers: |||", "public.orders: customer_id|||"],
        ),
        ("update orders set status = $1, email = $2 where id = $3", vec!["public.orders: id|||status,email"]),
        ("delete from orders where created_at < now() - interval '1 day'", vec!["public.orders: |created_at||"]),
        (
            "select 1 from orders where created_at between $1 and $2 and status <> $3",
            vec!["public.orders: |created_at||"],
        ),
        (
            "select 1 from orders where status = $1 or customer_id = $2",
            vec!["public.orders: status|||", "public.orders: customer_id|||"],
        ),
        ("select 1 from orders where status = $1 or id + 1 = $2", vec!["public.orders: |||"]),
        ("select 1 from orders where email like 'ab%'", vec!["public.orders: |email||"]),
        (
            "select customer_id, count(*) from orders group by customer_id order by customer_id",
            vec!["public.orders: |||"],
        ),
        (
            "insert into orders (id) values ($1) on conflict (id) do update set status = $2",
            vec!["public.orders: |||status"],
        ),
        ("select 1 from unknown where a = 1", vec![]),
        ("select 1 from unknown u, orders o where a = 1 and o.id = u.x", vec!["public.orders: |||"]),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn what_no_plain_index_serves_is_told_apart() {
    let expression = &facts("select 1 from orders o where lower(o.email) = $1")[0];
    assert_eq!(
        (expression.expressions[0].expression.as_str(), expression.expressions[0].columns.join(",")),
        ("lower(email)", "email".to_owned())
    );
    let contains = &facts("select 1 from orders where email like '%x%'")[0];
    assert_eq!((contains.contains.join(","), contains.is_filtered()), ("email".to_owned(), false));
    let constant = &facts("select 1 from orders o where o.deleted_at is null and o.id = 1")[0];
    assert_eq!(constant.constants, ["deleted_at IS NULL"]);
    let mentioned = &facts("select status from orders where customer_id = $1 order by id")[0];
    assert_eq!(mentioned.mentioned.as_ref().unwrap().join(","), "customer_id,id,status");
    assert_eq!(facts("select * from orders where id = 1")[0].mentioned, None);
    assert!(facts("select 1 from orders fetch first 3 rows only")[0].is_limited);
}

#[test]
fn an_output_over_several_rows_is_told_from_one_of_a_single_row() {
    let is_aggregated =
        |output: &str| facts(&format!("select {output} from orders where customer_id = $1"))[0].is_aggregated;
    for output in ["count(*)", "sum(id) + 1", "bit_xor(id)", "stddev_pop(id)", "jsonb_agg(email)"] {
        assert!(is_aggregated(output), "{output}");
    }
    for output in ["id", "lower(email)", "bit_length(email)", "bit_count(email)", "greatest(id, 1)"] {
        assert!(!is_aggregated(output), "{output}");
    }
}
