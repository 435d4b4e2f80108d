//! The monitoring roles: everything works with the printed statements and nothing more.

use super::lab::{Client, Place, Product, each_product, look_until, session};
use crate::lab::Lab;
use godwit::model::monitor::{GrantStatement, MonitorRole};
use godwit::model::session::Ending;
use godwit::stores::error::ErrorKind;
use godwit::stores::mysql::store::MysqlStore;
use godwit::stores::observe::{IndexStats, Monitoring, Replicas, Sessions, StatementStats};
use godwit::stores::{Inventory, Probe};
use sqlx::AssertSqlSafe;

const PASSWORD: &str = "correct horse";

/// What only a restart can turn on, and on MySQL nothing stands in for.
const WITHOUT_PERFORMANCE_SCHEMA: [&str; 4] = [
    "mysql.locks.metadata",
    "mysql.sessions.performance_schema",
    "mysql.statements.performance_schema",
    "mysql.indexes.use",
];

async fn make(place: &Place, grants: &[GrantStatement]) {
    let mut admin = Client::connect(&place.url, "").await;
    for grant in grants {
        admin.run(&grant.statement.replace("'PASSWORD'", &format!("'{PASSWORD}'"))).await;
    }
}

fn login(place: &Place, role: MonitorRole) -> MysqlStore {
    place.store_as(role.account(), &PASSWORD.replace(' ', "%20"))
}

/// Everything that the views show, as it would be serialised.
async fn everything(store: &MysqlStore) -> (String, Vec<String>) {
    let activity = store.activity().await.unwrap();
    let replication = store.replication().await.unwrap();
    let statements = store.statements().await.unwrap();
    let indexes = store.indexes().await.unwrap();
    let missing = [&activity.missing, &replication.missing, &statements.missing, &indexes.missing];
    let missing = missing.into_iter().flatten().map(|missing| missing.id.clone()).collect();
    let facts = store.facts().await.unwrap();
    let text = serde_json::to_string(&(activity, replication, statements, indexes, facts)).unwrap();
    (text, missing)
}

/// Hashes as the server keeps them, of this password and of any other: `*` and 40 hex digits on MariaDB, `$A$` with salt on MySQL.
async fn hashes(place: &Place) -> Vec<String> {
    let mut admin = Client::connect(&place.url, "").await;
    let sql = "SELECT authentication_string FROM mysql.user WHERE LENGTH(authentication_string) > 20";
    let found: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut admin.session).await.unwrap();
    let begins = place.product.either("*", "$A$");
    assert!(found.iter().any(|hash| hash.starts_with(begins)), "{found:?}");
    found
}

each_product!(the_watch_role_sees_everything_and_no_row);
async fn the_watch_role_sees_everything_and_no_row(product: Product) {
    for number in [1, 2] {
        let lab = Lab::private(&[product.server(number)]);
        let mut place = Place::on(product, &lab, number).await;
        place.with_orders().await;
        let grants = place.store().grants(MonitorRole::Watch);
        make(&place, &grants).await;
        let store = login(&place, MonitorRole::Watch);
        if number == 2 {
            place.sql.run("SET GLOBAL slow_query_log = ON, GLOBAL log_output = 'TABLE'").await;
            if product == Product::MariaDb {
                place.sql.run("SET GLOBAL userstat = ON").await;
                place.sql.run("INSTALL SONAME 'metadata_lock_info'").await;
            }
        }
        let (text, missing) = everything(&store).await;
        match number {
            1 => assert_eq!(missing, [""; 0]),
            2 if product == Product::Mysql => assert_eq!(missing, WITHOUT_PERFORMANCE_SCHEMA),
            // What only a restart can turn on.
            _ => assert_eq!(missing, ["mariadb.sessions.performance_schema", "mariadb.statements.performance_schema"]),
        }
        assert!(text.contains(&format!("{}.orders", place.database)), "tables are seen");
        for hash in hashes(&place).await {
            assert!(!text.contains(&hash), "a hash is shown");
        }
        assert!(!text.contains(PASSWORD));
        let tables = store.tables().await.unwrap();
        let orders = tables.iter().find(|table| table.name.name == "orders").expect("it is listed");
        assert_eq!(store.has_rows(&orders.name).await.unwrap_err().kind, ErrorKind::Denied, "no row is readable");
        // It sees other logins' statements and cannot stop them.
        place.sql.run("CREATE USER 'app'@'%' IDENTIFIED BY 'x'").await;
        let (_, rest) = place.url.split_once('@').unwrap();
        let busy = Client::connect(&format!("mysql://app:x@{rest}"), "").await.runs("SELECT SLEEP(60)");
        let seen = look_until(&store, "the statement", |activity| {
            activity.sessions.iter().any(|s| s.key.id == busy.id && s.statement.contains("SLEEP"))
        })
        .await;
        let key = session(&seen, &busy.id).key.clone();
        assert_eq!(store.end(&key, Ending::Kill).await.unwrap_err().kind, ErrorKind::Denied);
        // The acting role can; on MySQL not those of an administrator.
        make(&place, &place.store().grants(MonitorRole::Act)).await;
        let acting = login(&place, MonitorRole::Act);
        if product == Product::Mysql {
            let administrators =
                look_until(&store, "it", |a| a.sessions.iter().any(|s| s.key.id == place.sql.id)).await;
            let refused = acting.end(&session(&administrators, &place.sql.id).key, Ending::Kill).await.unwrap_err();
            assert!(refused.kind == ErrorKind::Denied && refused.to_string().contains("SYSTEM_USER"), "{refused}");
        }
        acting.end(&key, Ending::Cancel).await.unwrap();
        let _ = busy.ended().await;
        // What was made goes by the printed way back, in reverse order.
        let mut admin = Client::connect(&place.url, "").await;
        for grant in grants.iter().rev() {
            admin.run(&grant.undo).await;
        }
    }
}

/// Everything that somebody who may end sessions might try, and what refuses it: no right on a database, a table, a routine, or the whole server.
const BEYOND: [&str; 18] = [
    "SELECT * FROM @.orders",
    "INSERT INTO @.orders (id) VALUES (4711)",
    "UPDATE @.orders SET id = 4711",
    "DELETE FROM @.orders",
    "TRUNCATE TABLE @.orders",
    "CREATE TABLE @.theirs (id INT)",
    "CREATE INDEX theirs ON @.orders (id)",
    "DROP TABLE @.orders",
    "DROP DATABASE @",
    "CREATE USER theirs IDENTIFIED BY 'x'",
    "GRANT SELECT ON @.* TO CURRENT_USER()",
    "SELECT * FROM mysql.user",
    "SELECT 1 INTO OUTFILE '/tmp/godwit-theirs'",
    "SET GLOBAL general_log = ON",
    "SET GLOBAL read_only = ON",
    "FLUSH TABLES",
    "CHANGE MASTER TO MASTER_HOST = 'theirs'",
    "SHUTDOWN",
];

each_product!(the_acting_role_ends_sessions_and_does_nothing_else);
async fn the_acting_role_ends_sessions_and_does_nothing_else(product: Product) {
    let lab = Lab::private(&[product.server(1)]);
    let mut place = Place::on(product, &lab, 1).await;
    place.with_orders().await;
    place.sql.run("CREATE USER 'app'@'%' IDENTIFIED BY 'x'").await;
    make(&place, &place.store().grants(MonitorRole::Act)).await;
    let (_, rest) = place.url.split_once('@').unwrap();
    let url = format!("{}://{}:{}@{rest}", product.word(), MonitorRole::Act.account(), PASSWORD.replace(' ', "%20"));
    let mut curious = Client::connect(&url, "").await;
    for statement in BEYOND {
        let statement = statement.replace('@', &place.database);
        let statement = match product {
            Product::MariaDb => statement,
            Product::Mysql => {
                statement.replace("CHANGE MASTER TO MASTER_HOST", "CHANGE REPLICATION SOURCE TO SOURCE_HOST")
            }
        };
        let refused = curious.attempt(&statement).await.err().unwrap_or_else(|| panic!("it may {statement}"));
        let number = refused.as_database_error().map(|e| e.downcast_ref::<sqlx::mysql::MySqlDatabaseError>().number());
        // Denied on a database, for a user, a command on a table, a right that is lacking, an account that may not be made.
        assert!(matches!(number, Some(1044 | 1045 | 1142 | 1227 | 1410)), "{statement}: {refused}");
    }
    let file: Option<Vec<u8>> =
        sqlx::query_scalar("SELECT LOAD_FILE('/etc/passwd')").fetch_one(&mut curious.session).await.unwrap();
    assert_eq!(file, None, "it reads no file");
    // What the right brings along: MariaDB has none that only ends sessions.
    for setting in ["init_connect = ''", "max_connections = 151"] {
        let outcome = curious.attempt(&format!("SET GLOBAL {setting}")).await;
        assert_eq!(outcome.is_ok(), product == Product::MariaDb, "{setting}: {outcome:?}");
    }
    let busy = Client::connect(&format!("{}://app:x@{rest}", product.word()), "").await.runs("SELECT SLEEP(60)");
    let acting = login(&place, MonitorRole::Act);
    let seen = look_until(&place.store(), "the statement", |activity| {
        activity.sessions.iter().any(|s| s.key.id == busy.id && s.statement.contains("SLEEP"))
    })
    .await;
    acting.end(&session(&seen, &busy.id).key, Ending::Kill).await.unwrap();
    let _ = busy.ended().await;
}

each_product!(the_optional_rights_are_optional);
async fn the_optional_rights_are_optional(product: Product) {
    let lab = Lab::private(&[product.server(1)]);
    let mut place = Place::on(product, &lab, 1).await;
    place.with_orders().await;
    let required: Vec<_> =
        place.store().grants(MonitorRole::Watch).into_iter().filter(|grant| grant.required).collect();
    make(&place, &required).await;
    let (text, missing) = everything(&login(&place, MonitorRole::Watch)).await;
    assert_eq!(missing, product.ids(&["mariadb.indexes.sizes"]));
    assert!(text.contains("orders"));
}

/// A line of the audit's view.
#[derive(Debug, sqlx::FromRow)]
struct Seen {
    user: String,
    empty: Option<i64>,
    impossible: Option<i64>,
    alternatives: Option<String>,
}

#[tokio::test]
#[ignore = "needs MariaDB: run tests/run"]
async fn the_audit_role_reads_grants_and_no_hash() {
    let lab = Lab::private(&["maria1"]);
    let mut place = Place::on(Product::MariaDb, &lab, 1).await;
    place.sql.run("CREATE USER 'empty'@'%'").await;
    place
        .sql
        .run("CREATE USER 'socket'@'localhost' IDENTIFIED VIA mysql_native_password USING 'invalid' OR unix_socket")
        .await;
    place.sql.run("CREATE ROLE 'readers'").await;
    make(&place, &place.store().grants(MonitorRole::Audit)).await;
    let (_, rest) = place.url.split_once('@').unwrap();
    let url = format!("mariadb://godwit_audit:{}@{rest}", PASSWORD.replace(' ', "%20"));
    let mut audit = Client::connect(&url, "").await;
    let rows: Vec<Seen> = sqlx::query_as(AssertSqlSafe(
        "SELECT user, CAST(empty_password AS SIGNED) AS empty, CAST(impossible_password AS SIGNED) AS impossible, CAST(alternatives AS CHAR) AS alternatives
           FROM godwit_audit.accounts",
    ))
    .fetch_all(&mut audit.session)
    .await
    .unwrap();
    let of = |user: &str| rows.iter().find(|row| row.user == user).unwrap_or_else(|| panic!("{user}: {rows:?}"));
    assert_eq!((of("empty").empty, of("godwit_audit").empty), (Some(1), Some(0)));
    assert_eq!(of("socket").impossible, Some(1));
    let alternatives = of("socket").alternatives.as_deref();
    assert!(alternatives.is_some_and(|plugins| plugins.contains("unix_socket")), "{:?}", of("socket"));
    let secrets = hashes(&place).await;
    for table in [
        "mysql.db",
        "mysql.tables_priv",
        "mysql.columns_priv",
        "mysql.procs_priv",
        "mysql.roles_mapping",
        "mysql.proxies_priv",
        "godwit_audit.accounts",
    ] {
        let rows =
            sqlx::raw_sql(AssertSqlSafe(format!("SELECT * FROM {table}"))).fetch_all(&mut audit.session).await.unwrap();
        let text = format!("{rows:?}");
        assert!(secrets.iter().all(|hash| !text.contains(hash)), "{table} shows a hash");
    }
    for sql in [
        "SELECT Priv FROM mysql.global_priv",
        "SELECT authentication_string FROM mysql.user",
        "SHOW GRANTS FOR 'empty'@'%'",
    ] {
        assert!(audit.attempt(sql).await.is_err(), "{sql} must be refused");
    }
}

#[tokio::test]
#[ignore = "needs MySQL: run tests/run"]
async fn the_audit_role_reads_grants_and_no_hash_of_mysql() {
    let lab = Lab::private(&["mysql1"]);
    let mut place = Place::on(Product::Mysql, &lab, 1).await;
    place.sql.run("CREATE USER 'second'@'%' IDENTIFIED BY 'one'").await;
    // It keeps two hashes, the older one in User_attributes.
    place.sql.run("ALTER USER 'second'@'%' IDENTIFIED BY 'two' RETAIN CURRENT PASSWORD").await;
    make(&place, &place.store().grants(MonitorRole::Audit)).await;
    let (_, rest) = place.url.split_once('@').unwrap();
    let url = format!("mysql://godwit_audit:{}@{rest}", PASSWORD.replace(' ', "%20"));
    let mut audit = Client::connect(&url, "").await;
    let secrets = hashes(&place).await;
    for table in [
        "mysql.db",
        "mysql.tables_priv",
        "mysql.columns_priv",
        "mysql.procs_priv",
        "mysql.role_edges",
        "mysql.default_roles",
        "mysql.global_grants",
        "mysql.proxies_priv",
    ] {
        let rows =
            sqlx::raw_sql(AssertSqlSafe(format!("SELECT * FROM {table}"))).fetch_all(&mut audit.session).await.unwrap();
        let text = format!("{rows:?}");
        assert!(secrets.iter().all(|hash| !text.contains(hash)), "{table} shows a hash");
    }
    let text = format!(
        "{:?}",
        sqlx::raw_sql("SELECT * FROM godwit_audit.accounts").fetch_all(&mut audit.session).await.unwrap()
    );
    assert!(secrets.iter().all(|hash| !text.contains(hash)), "the view shows a hash");
    for sql in [
        "SELECT Host FROM mysql.user",
        "SELECT authentication_string FROM mysql.user",
        "SELECT User_attributes FROM mysql.user",
        "SELECT * FROM mysql.user",
        "SELECT * FROM mysql.password_history",
        "SHOW CREATE USER 'second'@'%'",
        "SHOW GRANTS FOR 'second'@'%'",
    ] {
        assert!(audit.attempt(sql).await.is_err(), "{sql} must be refused");
    }
}
