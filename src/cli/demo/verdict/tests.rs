use super::*;

fn verdict() -> Verdict {
    Verdict {
        acknowledged: 5,
        lost: 0,
        duplicated: 0,
        drift: Some(0),
        longest_wait_ms: 12,
        cutovers: 2,
        rollbacks: 1,
        given_up: 0,
        stale_reads: 0,
        expected_switches: Some((2, 1)),
        notes: Vec::new(),
    }
}

#[test]
fn the_line_is_the_documented_one() {
    assert_eq!(
        verdict().to_string(),
        "demo: acknowledged 5, lost 0, duplicated 0, drift 0, longest write wait 12 ms, cutovers 2, rollbacks 1, verdict OK"
    );
}

#[test]
fn each_count_alone_makes_it_fail() {
    for spoil in [
        (|v: &mut Verdict| v.acknowledged = 0) as fn(&mut Verdict),
        |v| v.lost = 1,
        |v| v.duplicated = 1,
        |v| v.drift = Some(1),
        |v| v.given_up = 1,
        |v| v.stale_reads = 1,
        |v| v.cutovers = 1,
    ] {
        let mut spoilt = verdict();
        spoil(&mut spoilt);
        assert_eq!(spoilt.exit(), Exit::Finding, "{spoilt}");
        assert!(spoilt.to_string().ends_with("verdict FAILED"), "{spoilt}");
    }
    assert_eq!(verdict().exit(), Exit::Ok);
}

#[test]
fn switches_are_counted_as_the_applications_saw_them() {
    let route = |epoch, serves| Record::Route { epoch, serves, at_ms: 0 };
    let records = [
        route(0, Serves::Source),
        route(1, Serves::Target),
        route(2, Serves::Target),
        route(3, Serves::Source),
        route(4, Serves::Target),
    ];
    assert_eq!(switches(&records), (2, 1));
}
