//! Statements as servers really keep them: all of these are parsed, and their canonical form is its own canonical form.

use super::fixture::ownership;
use crate::advice::dialect::Dialect;
use crate::advice::hotspots::fingerprint::name;

/// As `pg_stat_statements` keeps them.
const POSTGRES: &[&str] = &[
    "select l_returnflag, l_linestatus, sum(l_quantity) as sum_qty, sum(l_extendedprice * ($1 - l_discount)) as sum_disc from lineitem where l_shipdate <= date $2 - interval $3 group by l_returnflag, l_linestatus order by l_returnflag, l_linestatus",
    "select l_orderkey, sum(l_extendedprice * ($1 - l_discount)) as revenue, o_orderdate from customer, orders, lineitem where c_mktsegment = $2 and c_custkey = o_custkey and l_orderkey = o_orderkey and o_orderdate < date $3 group by l_orderkey, o_orderdate order by revenue desc limit $4",
    "select sum(case when nation = $1 then volume else $2 end) / sum(volume) as mkt_share from (select extract(year from o_orderdate) as o_year, l_extendedprice as volume, n2.n_name as nation from orders, lineitem, nation n2) as all_nations group by o_year",
    "select s_name from supplier, lineitem l1, orders where exists (select * from lineitem l2 where l2.l_orderkey = l1.l_orderkey and l2.l_suppkey <> l1.l_suppkey) and not exists (select * from lineitem l3 where l3.l_orderkey = l1.l_orderkey)",
    "select distinct on (customer_id) id, created_at from orders order by customer_id, created_at desc",
    "select id, row_number() over (partition by customer_id order by created_at desc) as n from orders",
    "select o.id, x.n from orders o cross join lateral (select count(*) as n from order_line l where l.order_id = o.id) x",
    "insert into orders (id, total) values ($1, $2), ($3, $4) on conflict (id) do update set total = excluded.total returning id",
    "insert into orders (id) select id from order_line where quantity > $1 on conflict do nothing",
    "update orders set status = $1, updated_at = now() where id in (select id from orders where status = $2 for update skip locked limit $3) returning *",
    "delete from orders where id = any($1) and created_at < now() - interval $2",
    "with recursive t(n) as (select $1 union all select n + $2 from t where n < $3) select sum(n) from t",
    "select data->>$1, tags @> $2, data #>> $3 from orders where data ? $4",
    "select count(*) filter (where status = $1), array_agg(id order by id) from orders group by grouping sets ((status), ())",
    "select coalesce(sum(total), $1)::numeric(10,2) from orders where created_at between $2 and $3 and email ilike $4",
    "select * from orders tablesample system ($1) where (id, status) in (($2, $3), ($4, $5))",
    "select a.id from orders a left join orders b using (id) where b.id is null union select id from order_line order by $1",
    "select string_agg(name, $1) within group (order by name) from customers",
    "select position($1 in name), substring(name from $2 for $3), trim(both $4 from name) from customers where name ~* $5",
    "begin",
    "set application_name = $1",
    "truncate table orders",
];

/// As Performance Schema keeps them.
const MARIADB: &[&str] = &[
    "SELECT `c` . `name` , COUNT ( * ) AS `n` FROM `customers` `c` JOIN `orders` `o` ON `o` . `customer_id` = `c` . `id` WHERE `o` . `status` IN (...) GROUP BY `c` . `name` HAVING COUNT ( * ) > ? ORDER BY `n` DESC LIMIT ?",
    "INSERT INTO `orders` ( `id` , `total` ) VALUES (...) /* , ... */ ON DUPLICATE KEY UPDATE `total` = VALUES ( `total` )",
    "UPDATE `orders` SET `status` = ? , `updated_at` = NOW ( ) WHERE `id` = ? LIMIT ?",
    "DELETE FROM `orders` WHERE `created_at` < NOW ( ) - INTERVAL ? DAY ORDER BY `id` LIMIT ?",
    "REPLACE INTO `orders` ( `id` ) VALUES (?)",
    "SELECT SQL_NO_CACHE * FROM `orders` FORCE INDEX ( `a` ) WHERE `id` BETWEEN ? AND ? FOR UPDATE",
    "SELECT `id` FROM `orders` WHERE `name` LIKE ? AND `deleted_at` IS NULL LIMIT ?, ...",
    "COMMIT",
];

#[test]
fn what_servers_keep_is_parsed() {
    let mut failed = Vec::new();
    for (dialect, texts) in [(Dialect::Postgres, POSTGRES), (Dialect::MariaDb, MARIADB)] {
        for text in texts {
            let named = name(dialect, "shop", text, &ownership());
            let again = name(dialect, "shop", &named.canonical, &ownership());
            if !named.parsed {
                failed.push(format!("not parsed: {text}"));
            } else if again.canonical != named.canonical {
                failed.push(format!("not stable:\n  {}\n  {}", named.canonical, again.canonical));
            }
        }
    }
    let all = POSTGRES.len() + MARIADB.len();
    println!("statements parsed and stable: {} of {all}", all - failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
