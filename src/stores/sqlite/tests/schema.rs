//! Building a target from the source's own statements.

use super::lab::{Lab, Pipeline, map_of};
use crate::model::schema::SchemaPart;
use crate::model::table::TableName;
use crate::stores::Schema;

#[tokio::test]
async fn a_script_builds_renamed_and_projected_tables_that_work() {
    let lab = Lab::new();
    let mut app = lab.app("a").await;
    app.run(
        "CREATE TABLE customers (id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT UNIQUE COLLATE NOCASE, secret TEXT); \
         CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INT NOT NULL REFERENCES customers ON DELETE CASCADE, \
           shop INT REFERENCES shops (id), total REAL CHECK (total >= 0), cents AS (CAST(total * 100 AS INT)) STORED); \
         CREATE TABLE shops (id INTEGER PRIMARY KEY); \
         CREATE INDEX orders_customer ON orders (customer, total DESC) WHERE total > 10; \
         CREATE INDEX by_secret ON customers (secret); \
         CREATE VIEW rich AS SELECT * FROM orders; CREATE VIEW other AS SELECT * FROM shops; \
         CREATE TRIGGER t AFTER INSERT ON orders BEGIN SELECT 1; END; \
         INSERT INTO customers VALUES (1, 'A@x', 's'); INSERT INTO orders (id, customer, total) VALUES (1, 1, 12.5)",
    )
    .await;
    let (source, target) = (lab.store("a"), lab.store("b"));
    let mut customers = map_of(&source, "customers").await;
    customers.target = TableName::bare("people");
    customers.columns.retain(|c| c.source != "secret");
    let mut orders = map_of(&source, "orders").await;
    orders.columns[3].target = "amount".to_owned();
    let maps = vec![customers, orders];
    let script = source.script(&maps).await.unwrap();
    assert_eq!(
        script.left_out,
        [
            "index by_secret: it needs a column that is not carried",
            "foreign key of orders to shops: that table is not part of this pipeline",
            "trigger t on orders: its effects are copied as rows",
            "view rich: views are not built on the target",
        ]
    );
    let parts: Vec<_> = script.statements.iter().map(|s| (s.part, s.object.as_str())).collect();
    assert_eq!(
        parts,
        [
            (SchemaPart::Tables, "table people"),
            (SchemaPart::Tables, "table orders"),
            (SchemaPart::Rest, "index orders_customer")
        ]
    );
    let pipeline = Pipeline::new("p", &source, &target, maps);
    pipeline.build().await;
    pipeline.start().await;
    let mut built = lab.app("b").await;
    assert_eq!(built.text("SELECT email FROM people").await, "A@x");
    assert_eq!(built.number("SELECT cents FROM orders WHERE amount = 12.5").await, 1_250);
    for refused in [
        "INSERT INTO orders (id, customer, amount) VALUES (2, 1, -1)",
        "INSERT INTO orders (id, customer) VALUES (3, 9)",
        "INSERT INTO people (email) VALUES ('a@X')",
    ] {
        assert!(built.try_run(refused).await.is_err(), "{refused}");
    }
    for statement in script.statements.iter().rev() {
        target.execute(&statement.undo).await.unwrap();
        assert!(!target.exists(statement).await.unwrap());
    }
}
