//! Defects of MariaDB and MySQL, in MariaDB's words; what MySQL says otherwise is at the end. The accounts of services are `orders_app`, `billing_app` and `stock_app`, all `@'10.1.%'`; `loose` is nobody's.

use super::lab::Product;
use crate::planted::{Plant, plant};

const NOTHING: &str = "DO 1";

/// All of MariaDB's.
const PLANTS: &[Plant] = &[
    plant(
        "MY-01",
        "'loose'@'10.1.%'",
        "GRANT ALL ON `orders`.* TO orders_app@'10.1.%'",
        "GRANT ALL ON *.* TO loose@'10.1.%'",
        "REVOKE ALL, GRANT OPTION FROM loose@'10.1.%'; REVOKE ALL ON `orders`.* FROM orders_app@'10.1.%'; GRANT SELECT, INSERT, UPDATE, DELETE ON `orders`.* TO orders_app@'10.1.%'",
    ),
    plant(
        "MY-02",
        "'orders_app'@'10.1.%'",
        "CREATE USER locked@'10.1.%' IDENTIFIED VIA ed25519 USING PASSWORD('locked') ACCOUNT LOCK; GRANT FILE ON *.* TO locked@'10.1.%'",
        "GRANT FILE ON *.* TO orders_app@'10.1.%'",
        "REVOKE FILE ON *.* FROM orders_app@'10.1.%'; DROP USER locked@'10.1.%'",
    ),
    plant(
        "MY-03",
        "'orders_app'@'10.1.%'",
        "GRANT PROCESS ON *.* TO idle",
        "GRANT idle TO orders_app@'10.1.%'",
        "REVOKE idle FROM orders_app@'10.1.%'; REVOKE PROCESS ON *.* FROM idle",
    ),
    plant(
        "MY-04",
        "'orders_app'@'10.1.%'",
        "GRANT LOCK TABLES ON `orders`.* TO orders_app@'10.1.%'",
        "GRANT RELOAD ON *.* TO orders_app@'10.1.%'",
        "REVOKE RELOAD ON *.* FROM orders_app@'10.1.%'; REVOKE LOCK TABLES ON `orders`.* FROM orders_app@'10.1.%'",
    ),
    plant(
        "MY-05",
        "'orders_app'@'10.1.%'",
        "CREATE USER mover@'10.1.%' IDENTIFIED VIA ed25519 USING PASSWORD('mover'); GRANT CREATE USER ON *.* TO mover@'10.1.%'",
        "GRANT CREATE USER ON *.* TO orders_app@'10.1.%'",
        "REVOKE CREATE USER ON *.* FROM orders_app@'10.1.%'; DROP USER mover@'10.1.%'",
    ),
    plant(
        "MY-05",
        "'orders_app'@'10.1.%' on `mysql`.`db`",
        "CREATE DATABASE mysqlold; GRANT SELECT ON mysqlold.* TO orders_app@'10.1.%'",
        "GRANT SELECT ON mysql.db TO orders_app@'10.1.%'",
        "REVOKE SELECT ON mysql.db FROM orders_app@'10.1.%'; REVOKE SELECT ON mysqlold.* FROM orders_app@'10.1.%'; DROP DATABASE mysqlold",
    ),
    plant(
        "MY-06",
        "'orders_app'@'10.1.%' on `orders`.`orders`",
        "CREATE USER glass@'10.1.%' IDENTIFIED VIA ed25519 USING PASSWORD('glass'); GRANT SELECT ON `orders`.* TO glass@'10.1.%' WITH GRANT OPTION",
        "GRANT SELECT ON `orders`.`orders` TO orders_app@'10.1.%' WITH GRANT OPTION",
        "REVOKE SELECT, GRANT OPTION ON `orders`.`orders` FROM orders_app@'10.1.%'; DROP USER glass@'10.1.%'",
    ),
    plant(
        "MY-07",
        "'orders_app'@'10.1.%'",
        "CREATE USER mover@'10.1.%' IDENTIFIED VIA ed25519 USING PASSWORD('mover'); GRANT REPLICATION SLAVE ON *.* TO mover@'10.1.%'",
        "GRANT REPLICATION SLAVE ON *.* TO orders_app@'10.1.%'",
        "REVOKE REPLICATION SLAVE ON *.* FROM orders_app@'10.1.%'; DROP USER mover@'10.1.%'",
    ),
    plant(
        "MY-08",
        "'orders_app'@'10.1.%'",
        "GRANT CREATE TEMPORARY TABLES ON *.* TO orders_app@'10.1.%'",
        "GRANT BINLOG ADMIN ON *.* TO orders_app@'10.1.%'",
        "REVOKE BINLOG ADMIN, CREATE TEMPORARY TABLES ON *.* FROM orders_app@'10.1.%'",
    ),
    plant(
        "MY-09",
        "'loose'@'10.1.%'",
        "GRANT SELECT ON `orders`.* TO loose@'10.1.%'",
        "GRANT SELECT ON *.* TO loose@'10.1.%'",
        "REVOKE SELECT ON *.* FROM loose@'10.1.%'; REVOKE SELECT ON `orders`.* FROM loose@'10.1.%'",
    ),
    plant(
        "MY-10",
        "''@'10.1.%'",
        "CREATE USER anonymous@'10.1.%' IDENTIFIED VIA ed25519 USING PASSWORD('named') REQUIRE SSL",
        "CREATE USER ''@'10.1.%' IDENTIFIED VIA ed25519 USING PASSWORD('anon') REQUIRE SSL",
        "DROP USER ''@'10.1.%'; DROP USER anonymous@'10.1.%'",
    ),
    plant(
        "MY-11",
        "'wide'@'%'",
        "CREATE USER narrow@'%.shop.example' IDENTIFIED VIA ed25519 USING PASSWORD('narrow') REQUIRE SSL",
        "CREATE USER wide@'%' IDENTIFIED VIA ed25519 USING PASSWORD('wide') REQUIRE SSL",
        "DROP USER wide@'%'; DROP USER narrow@'%.shop.example'",
    ),
    plant(
        "MY-12",
        "'open'@'10.1.%'",
        "CREATE USER sock@localhost IDENTIFIED VIA mysql_native_password USING 'invalid' OR unix_socket; CREATE USER shut@'10.1.%' ACCOUNT LOCK",
        "CREATE USER open@'10.1.%' REQUIRE SSL",
        "DROP USER open@'10.1.%'; DROP USER sock@localhost; DROP USER shut@'10.1.%'",
    ),
    plant(
        "MY-13",
        "'old'@'10.1.%'",
        "CREATE USER sock@localhost IDENTIFIED VIA mysql_native_password USING 'invalid' OR unix_socket",
        "CREATE USER old@'10.1.%' IDENTIFIED BY 'geheim-9942' REQUIRE SSL",
        "DROP USER old@'10.1.%'; DROP USER sock@localhost",
    ),
    plant(
        "MY-14",
        "'orders_app'@'10.1.%'",
        "CREATE USER here@localhost IDENTIFIED VIA ed25519 USING PASSWORD('here')",
        "ALTER USER orders_app@'10.1.%' REQUIRE NONE",
        "ALTER USER orders_app@'10.1.%' REQUIRE SSL; DROP USER here@localhost",
    ),
    plant(
        "MY-16",
        "local_infile",
        "SET @local_infile = 'ON'",
        "SET GLOBAL local_infile = ON",
        "SET GLOBAL local_infile = OFF",
    ),
    plant(
        "MY-18",
        "'loose'@'10.1.%' on order_",
        "GRANT SELECT ON `svc\\_a`.* TO loose@'10.1.%'; GRANT SELECT ON `performance_schema`.* TO loose@'10.1.%'",
        "GRANT SELECT ON `order_`.* TO loose@'10.1.%'",
        "REVOKE ALL, GRANT OPTION FROM loose@'10.1.%'",
    ),
    plant(
        "MY-19",
        "orders.p",
        "CREATE DEFINER = orders_app@'10.1.%' VIEW orders.v AS SELECT id FROM orders.orders; CREATE PROCEDURE orders.q() SQL SECURITY INVOKER SELECT 1",
        "CREATE PROCEDURE orders.p() SELECT 1",
        "DROP PROCEDURE orders.p; DROP PROCEDURE orders.q; DROP VIEW orders.v",
    ),
    plant(
        "MY-20",
        "orders.g",
        "CREATE DEFINER = orders_app@'10.1.%' VIEW orders.v AS SELECT id FROM orders.orders",
        "CREATE DEFINER = ghost@nowhere VIEW orders.g AS SELECT 1 AS one",
        "DROP VIEW orders.g; DROP VIEW orders.v",
    ),
    // The server notes the option of a proxy among the global rights, too, and leaves it there.
    plant(
        "MY-21",
        "'loose'@'10.1.%' as 'orders_app'@'10.1.%'",
        "GRANT PROXY ON stock_app@'10.1.%' TO loose@'10.1.%'",
        "GRANT PROXY ON orders_app@'10.1.%' TO loose@'10.1.%' WITH GRANT OPTION",
        "REVOKE PROXY ON orders_app@'10.1.%' FROM loose@'10.1.%'; REVOKE PROXY ON stock_app@'10.1.%' FROM loose@'10.1.%'; REVOKE GRANT OPTION ON *.* FROM loose@'10.1.%'",
    ),
    plant(
        "MY-22",
        "'loose'@'10.1.%' in 'idle'",
        "GRANT idle TO orders_app@'10.1.%'",
        "GRANT idle TO loose@'10.1.%' WITH ADMIN OPTION",
        "REVOKE idle FROM loose@'10.1.%'; REVOKE idle FROM orders_app@'10.1.%'",
    ),
    plant(
        "MY-23",
        "max_password_errors",
        "SET GLOBAL max_password_errors = 999",
        "SET GLOBAL max_password_errors = 4000000000",
        "SET GLOBAL max_password_errors = 20",
    ),
    plant(
        "MY-24",
        "'orders_app'@'10.1.%'",
        "ALTER USER loose@'10.1.%' WITH MAX_USER_CONNECTIONS 0",
        "ALTER USER orders_app@'10.1.%' WITH MAX_USER_CONNECTIONS 0",
        "ALTER USER orders_app@'10.1.%' WITH MAX_USER_CONNECTIONS 20",
    ),
    plant(
        "MY-25",
        "audit plugin",
        "INSTALL SONAME 'query_response_time'; UNINSTALL SONAME 'query_response_time'",
        "UNINSTALL SONAME 'server_audit'",
        "INSTALL SONAME 'server_audit'",
    ),
    plant("MY-26", "test", "CREATE DATABASE tests", "CREATE DATABASE test", "DROP DATABASE test; DROP DATABASE tests"),
    plant(
        "MY-27",
        "orders.e",
        "CREATE DEFINER = orders_app@'10.1.%' EVENT orders.e ON SCHEDULE EVERY 1 DAY DO DELETE FROM orders.lines",
        "SET GLOBAL event_scheduler = ON",
        "SET GLOBAL event_scheduler = OFF; DROP EVENT orders.e",
    ),
    plant("MY-27", "init_connect", NOTHING, "SET GLOBAL init_connect = 'SELECT 1'", "SET GLOBAL init_connect = ''"),
    plant(
        "MY-28",
        "far",
        "CREATE DEFINER = orders_app@'10.1.%' VIEW orders.far AS SELECT 'mysql' AS wrapper, 'u' AS username, 'x' AS password",
        "CREATE SERVER far FOREIGN DATA WRAPPER mysql OPTIONS (HOST '10.0.0.1', DATABASE 'd', USER 'u', PASSWORD 'geheim-9942')",
        "DROP SERVER IF EXISTS far; DROP VIEW orders.far",
    ),
    plant(
        "OWN-01",
        "billing_app on orders.orders",
        "GRANT INSERT ON orders.orders TO idle",
        "GRANT INSERT ON orders.orders TO billing_app@'10.1.%'",
        "REVOKE INSERT ON orders.orders FROM billing_app@'10.1.%'; REVOKE INSERT ON orders.orders FROM idle",
    ),
    plant(
        "OWN-01",
        "billing_app on orders.lines",
        "GRANT UPDATE ON `order\\_`.* TO billing_app@'10.1.%'",
        "GRANT UPDATE ON `order_`.* TO billing_app@'10.1.%'",
        "REVOKE UPDATE ON `order_`.* FROM billing_app@'10.1.%'; REVOKE UPDATE ON `order\\_`.* FROM billing_app@'10.1.%'",
    ),
    plant(
        "OWN-02",
        "orders_app on billing.invoices",
        "GRANT SELECT ON `billing\\_x`.* TO orders_app@'10.1.%'",
        "GRANT SELECT (id) ON billing.invoices TO orders_app@'10.1.%'",
        "REVOKE SELECT (id) ON billing.invoices FROM orders_app@'10.1.%'; REVOKE SELECT ON `billing\\_x`.* FROM orders_app@'10.1.%'",
    ),
    plant(
        "OWN-02",
        "orders_app on billing.invoices",
        "GRANT SELECT ON billing.* TO idle",
        "GRANT idle TO orders_app@'10.1.%'",
        "REVOKE idle FROM orders_app@'10.1.%'; REVOKE SELECT ON billing.* FROM idle",
    ),
    plant(
        "OWN-04",
        "stock_app on orders",
        "GRANT EXECUTE ON orders.* TO orders_app@'10.1.%'",
        "GRANT EXECUTE ON orders.* TO stock_app@'10.1.%'",
        "REVOKE EXECUTE ON orders.* FROM stock_app@'10.1.%'; REVOKE EXECUTE ON orders.* FROM orders_app@'10.1.%'",
    ),
    plant(
        "OWN-08",
        "across on billing.invoices",
        "ALTER TABLE orders.`lines` ADD CONSTRAINT within FOREIGN KEY (order_id) REFERENCES orders.orders (id)",
        "ALTER TABLE billing.invoices ADD CONSTRAINT across FOREIGN KEY (order_id) REFERENCES orders.orders (id)",
        "ALTER TABLE billing.invoices DROP FOREIGN KEY across; ALTER TABLE orders.`lines` DROP FOREIGN KEY within",
    ),
    plant(
        "OWN-09",
        "orders.across",
        "CREATE DEFINER = orders_app@'10.1.%' VIEW orders.within AS SELECT o.id FROM orders.orders o JOIN orders.`lines` l ON l.order_id = o.id",
        "CREATE DEFINER = orders_app@'10.1.%' SQL SECURITY INVOKER VIEW orders.across AS SELECT o.id FROM orders.orders o JOIN billing.invoices i ON i.order_id = o.id",
        "DROP VIEW orders.across; DROP VIEW orders.within",
    ),
    plant(
        "OWN-10",
        "orders.numbers",
        "CREATE SEQUENCE orders.numbers; ALTER TABLE orders.orders ALTER id SET DEFAULT nextval(orders.numbers)",
        "ALTER TABLE billing.invoices ALTER id SET DEFAULT nextval(orders.numbers)",
        "ALTER TABLE billing.invoices ALTER id DROP DEFAULT; ALTER TABLE orders.orders ALTER id DROP DEFAULT; DROP SEQUENCE orders.numbers",
    ),
    plant(
        "OWN-11",
        "far",
        "CREATE DEFINER = orders_app@'10.1.%' VIEW orders.far AS SELECT 'mysql' AS wrapper",
        "CREATE SERVER far FOREIGN DATA WRAPPER mysql OPTIONS (HOST '10.0.0.1', DATABASE 'd')",
        "DROP SERVER IF EXISTS far; DROP VIEW orders.far",
    ),
    plant(
        "OWN-15",
        "billing_app through orders.peek to orders.orders",
        "CREATE DEFINER = orders_app@'10.1.%' PROCEDURE orders.fine() SELECT COUNT(*) FROM orders.`lines`; GRANT EXECUTE ON PROCEDURE orders.fine TO billing_app@'10.1.%'",
        "CREATE DEFINER = orders_app@'10.1.%' PROCEDURE orders.peek() SELECT COUNT(*) FROM orders.orders; GRANT EXECUTE ON PROCEDURE orders.peek TO billing_app@'10.1.%'",
        "DROP PROCEDURE orders.peek; DROP PROCEDURE orders.fine",
    ),
    plant(
        "OWN-16",
        "orders.nobodys",
        "CREATE DEFINER = orders_app@'10.1.%' VIEW orders.fine AS SELECT 1 AS one",
        "CREATE TABLE orders.nobodys (id int)",
        "DROP TABLE orders.nobodys; DROP VIEW orders.fine",
    ),
    plant(
        "OWN-19",
        "'twin_b'@'10.1.%'",
        "CREATE USER twin_a@'10.1.%' IDENTIFIED VIA ed25519 USING PASSWORD('same') REQUIRE SSL; CREATE USER twin_a@'10.2.%' IDENTIFIED VIA ed25519 USING PASSWORD('same') REQUIRE SSL",
        "CREATE USER twin_b@'10.1.%' IDENTIFIED VIA ed25519 USING PASSWORD('same') REQUIRE SSL",
        "DROP USER twin_a@'10.1.%'; DROP USER twin_a@'10.2.%'; DROP USER twin_b@'10.1.%'",
    ),
    plant(
        "OWN-23",
        "idle",
        "GRANT idle TO orders_app@'10.1.%'; GRANT idle TO billing_app@'10.1.%'",
        "GRANT SELECT ON orders.`lines` TO idle",
        "REVOKE SELECT ON orders.`lines` FROM idle; REVOKE idle FROM orders_app@'10.1.%'; REVOKE idle FROM billing_app@'10.1.%'",
    ),
];

/// Rules that no defect is planted for here, and why.
pub const ELSEWHERE: &[(&str, &str)] = &[
    ("MY-15", "the lab listens on loopback: a test of its own"),
    ("MY-17", "it is set at the start only: a test of its own"),
    ("OWN-03", "it is about the profile: a test of its own"),
    ("OWN-06", "it needs a table that moved: a test of its own"),
    ("OWN-07", "it needs sessions: a test of its own"),
    ("OWN-13", "it needs the last day to be over and a reader of the log: a test of its own"),
    ("OWN-20", "it needs the last day to be over: a test of its own"),
    ("OWN-21", "it needs the last day to be over: a test of its own"),
    ("OWN-22", "it needs thirty days: a test of its own"),
    ("OWN-24", "it needs an administrator's session: a test of its own"),
    ("OWN-25", "it compares two stores: a test of its own"),
];

/// The same of MySQL alone.
pub const ELSEWHERE_MYSQL: &[(&str, &str)] = &[
    ("MY-25", "no auditing plugin comes with it: judged on altered facts"),
    ("OWN-10", "MySQL has no sequences"),
    ("OWN-19", "hashes have salt, so that nothing tells two alike passwords"),
];

/// What MySQL plants in the place of MariaDB's of the same rule.
const MYSQL_PLANTS: &[Plant] = &[
    plant(
        "MY-12",
        "'open'@'10.1.%'",
        "CREATE USER shut@'10.1.%' ACCOUNT LOCK; CREATE USER closed@'10.1.%' IDENTIFIED BY 'geheim-9942' REQUIRE SSL",
        "CREATE USER open@'10.1.%' REQUIRE SSL",
        "DROP USER open@'10.1.%'; DROP USER closed@'10.1.%'; DROP USER shut@'10.1.%'",
    ),
    // The server has no such plugin any more. What a server that was upgraded keeps is written here as the older one wrote it.
    plant(
        "MY-13",
        "'old'@'10.1.%'",
        "CREATE USER mysql_native_password@'10.1.%' IDENTIFIED BY 'geheim-9942' REQUIRE SSL",
        "CREATE USER old@'10.1.%' IDENTIFIED BY 'geheim-9942' REQUIRE SSL; UPDATE mysql.user SET plugin = 'mysql_native_password', authentication_string = '*2470C0C06DEE42FD1618BBB99005ADCA2EC9D1E1' WHERE User = 'old'; FLUSH PRIVILEGES",
        "DROP USER old@'10.1.%'; DROP USER mysql_native_password@'10.1.%'",
    ),
    plant(
        "MY-23",
        "default_password_lifetime",
        "SET GLOBAL default_password_lifetime = 1",
        "SET GLOBAL default_password_lifetime = 0",
        "SET GLOBAL default_password_lifetime = 365",
    ),
];

/// The defects of a product.
pub fn plants(product: Product) -> Vec<&'static Plant> {
    let is_own = |plant: &&Plant| {
        MYSQL_PLANTS.iter().any(|own| own.rule == plant.rule)
            || ELSEWHERE_MYSQL.iter().any(|(rule, _)| *rule == plant.rule)
    };
    match product {
        Product::MariaDb => PLANTS.iter().collect(),
        Product::Mysql => PLANTS.iter().filter(|plant| !is_own(plant)).chain(MYSQL_PLANTS).collect(),
    }
}

/// What the finding is about: a role of MySQL has a host.
pub fn subject(product: Product, plant: &Plant) -> &'static str {
    match (product, plant.rule) {
        (Product::Mysql, "MY-22") => "'loose'@'10.1.%' in 'idle'@'%'",
        _ => plant.subject,
    }
}

/// A statement of MariaDB's in a product's words.
pub fn in_words_of(product: Product, statement: &str) -> String {
    match product {
        Product::MariaDb => statement.to_owned(),
        Product::Mysql => {
            let statement = statement.replace("BINLOG ADMIN", "BINLOG_ADMIN");
            match statement.split_once("IDENTIFIED VIA ed25519 USING PASSWORD(") {
                Some((before, rest)) => format!("{before}IDENTIFIED BY {}", rest.replacen(')', "", 1)),
                None => statement,
            }
        }
    }
}
