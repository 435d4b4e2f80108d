//! What only a server of a certain size does not show.

use crate::lab::Lab;
use godwit::stores::OpenOptions;
use godwit::stores::observe::AccessFacts;
use godwit::stores::postgres::store::PostgresStore;
use sqlx::{Connection, Executor, PgConnection};
use std::collections::BTreeSet;
use std::time::Duration;

/// Logins on tables of which each has grants of its own: more pairs than are worth asking for.
const MANY: &str = "
    DO $$ BEGIN
        FOR n IN 1..90 LOOP
            EXECUTE format('CREATE ROLE login_%s LOGIN', n);
            EXECUTE format('CREATE TABLE table_%s (id int)', n);
            EXECUTE format('GRANT SELECT ON table_%s TO login_%s', n, n);
        END LOOP;
    END $$";

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn with_too_many_logins_only_the_declared_ones_are_worked_out() {
    let lab = Lab::private(&["pg1"]);
    let mut admin = PgConnection::connect(&lab.postgres(1)).await.unwrap();
    admin.execute(MANY).await.unwrap();
    let options = OpenOptions {
        id: "lab".into(),
        statement_timeout: Duration::from_secs(20),
        connect_timeout: Duration::from_secs(5),
    };
    let store = PostgresStore::open(options, &lab.postgres(1)).unwrap();
    let read = store.access_facts(&["login_7".to_owned()], &[]).await.unwrap();
    let missing: Vec<_> = read.missing.iter().filter(|missing| missing.id == "postgres.access.many").collect();
    assert_eq!(missing.len(), 1, "{:?}", read.missing);
    assert!(missing[0].what.contains("89 logins"), "{:?}", missing[0]);
    let logins: BTreeSet<&str> = read.value.rights.iter().map(|right| right.login.as_str()).collect();
    assert_eq!(logins, BTreeSet::from(["login_7"]));
}
