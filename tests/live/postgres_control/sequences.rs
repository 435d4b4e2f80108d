//! Sequences move past what was handed out, and never back (S01, S02, S03).

use super::lab::{Lab, SERVER_1, SERVER_2, public, same};
use godwit::stores::error::ErrorKind;
use godwit::stores::{MapSide, SequenceState, Sequences};

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn every_kind_of_sequence_moves_past_the_maximum() {
    let (mut source, mut target) = (Lab::create(SERVER_1).await, Lab::create(SERVER_2).await);
    let schema = "CREATE SEQUENCE shared; CREATE SEQUENCE down INCREMENT -1;
         CREATE TABLE t (id serial PRIMARY KEY, i int GENERATED ALWAYS AS IDENTITY, s bigint DEFAULT nextval('shared'), d int DEFAULT nextval('down'), other serial)";
    source.run(schema).await;
    target.run(schema).await;
    source.run("INSERT INTO t (s) SELECT nextval('shared') FROM generate_series(1, 5); INSERT INTO t (id) VALUES (1000); SELECT setval('shared', 500)").await;
    // The target has had numbers of its own: further along than the source's.
    target.run("SELECT setval('t_i_seq', 900)").await;
    let map = same("t", &[("id", "integer"), ("i", "integer"), ("s", "bigint"), ("d", "integer")], &[0]);
    let states = source.store.read(std::slice::from_ref(&map), MapSide::Source).await.unwrap();
    let seen: Vec<(&str, i64, i64)> =
        states.iter().map(|s| (s.name.name.as_str(), s.high_water, s.increment)).collect();
    assert_eq!(
        seen,
        [("down", -6, -1), ("shared", 500, 1), ("t_i_seq", 6, 1), ("t_id_seq", 1000, 1)],
        "`other` is not mapped"
    );
    target.store.advance_past(&states).await.unwrap();
    target.store.advance_past(&states).await.unwrap();
    let next = target
        .text("SELECT concat_ws(' ', nextval('t_id_seq'), nextval('t_i_seq'), nextval('shared'), nextval('down'))")
        .await;
    assert_eq!(next, "1001 901 501 -7");
    source.finish().await;
    target.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_used_up_or_missing_sequence_is_an_error_that_says_so() {
    let mut lab = Lab::create(SERVER_1).await;
    lab.run("CREATE SEQUENCE small AS smallint; CREATE SEQUENCE ring MAXVALUE 3 CYCLE; SELECT setval('ring', 2)").await;
    let state = |name: &str, high_water| SequenceState {
        name: public(name),
        counterpart: public(name),
        high_water,
        increment: 1,
    };
    let error = lab.store.advance_past(&[state("small", 40_000)]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Rejected);
    assert!(error.to_string().contains("32767"), "{error}");
    lab.store.advance_past(&[state("ring", 3)]).await.unwrap();
    assert_eq!(lab.text("SELECT nextval('ring')").await, "1");
    assert_eq!(lab.store.advance_past(&[state("nope", 1)]).await.unwrap_err().kind, ErrorKind::NotFound);
    lab.finish().await;
}
