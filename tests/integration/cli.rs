//! The program as scripts see it: exit codes, no terminal, a real engine on small SQLite stores.

use super::small::{Small, awaited_plan, wait_until};
use serde_json::Value;

#[test]
fn a_wrong_command_line_is_code_2_and_help_is_code_0() {
    let small = Small::new();
    small.run(&["--help"]).expect(0);
    small.run(&["--version"]).expect(0);
    small.run(&["no-such-command"]).expect(2);
    small.run(&["pause"]).expect(2);
    small.run(&["approve", "cutover", "--yes"]).expect(2).says("--plan");
    small.run(&["verify", "--repair"]).expect(2).says("--all");
    small.run(&["status", "--migration", "../etc"]).expect(2).says("not a migration's name");
    small.on(&["report", "-o", "x.pdf"]).expect(2).says(".html");
}

#[test]
fn without_an_engine_every_command_ends_at_once_with_code_3() {
    let small = Small::new();
    for words in [
        &["status"][..],
        &["lag"],
        &["progress"],
        &["gates"],
        &["log"],
        &["log", "--check"],
        &["log", "--follow"],
        &["plan", "build"],
        &["run", "build"],
        &["approve", "build", "--yes", "--plan", "0123456789ab"],
        &["withdraw", "build"],
        &["pause", "build"],
        &["resume", "--pipeline", "items"],
        &["retry", "build"],
        &["rollback", "build", "--yes", "--plan", "0123456789ab"],
        &["skip", "build", "--why", "x", "--yes"],
        &["verify", "--wait"],
        &["throttle", "items", "workers", "1"],
        &["hotspots"],
        &["indexes"],
        &["down", "--yes"],
        &["report", "-o", "/dev/null/x.txt"],
    ] {
        small.on(words).expect(3);
    }
    small.run(&["status"]).expect(3).says("godwit up");
    small.on(&["attach"]).expect(2).says("terminal");
}

#[test]
fn a_broken_profile_is_code_7_with_the_place_of_the_problem() {
    let small = Small::new();
    let path = small.path("broken.toml");
    std::fs::write(&path, "[migration]\nname = \"x\"\nnmae = \"y\"\n").unwrap();
    let words = ["check", "-p", path.to_str().unwrap()];
    small.run(&words).expect(7).says("nmae");
    small.run(&["up", "-p", "/nonexistent.toml"]).expect(7).says("/nonexistent.toml");
}

#[test]
fn a_store_is_assessed_without_an_engine() {
    let small = Small::new();
    let inventory = small.on(&["assess", "old", "--json"]).expect(0).json();
    assert_eq!(inventory["schema"], "godwit.assess/1");
    assert_eq!(inventory["tables"][0]["name"]["name"], "items");
    assert_eq!(inventory["tables"][0]["identity"], serde_json::json!({"key": ["id"]}));
    small.on(&["assess", "nowhere"]).expect(2).says("old, new");
    let checks = small.on(&["check", "--json"]).expect(0).json();
    assert_eq!((checks["schema"].as_str(), checks["failed"].as_u64()), (Some("godwit.check/1"), Some(0)));
}

#[test]
fn a_phase_is_carried_through_by_a_script_and_told_afterwards() {
    let small = Small::new();
    small.up();
    // A second `up` finds the engine.
    small.on(&["up"]).expect(0).says("running already");
    // The only engine needs no name.
    let status = small.run(&["status", "--json"]).expect(0).json();
    assert_eq!((status["schema"].as_str(), status["migration"].as_str()), (Some("godwit.status/1"), Some("small")));
    for (command, schema) in [("lag", "godwit.lag/1"), ("progress", "godwit.progress/1"), ("gates", "godwit.gates/1")] {
        assert_eq!(small.on(&[command, "--json"]).expect(0).json()["schema"], schema);
        small.on(&[command]).expect(0);
    }

    // An engine without statistics says so, and a comparison that cannot be made is unknown, not empty.
    let spots = small.on(&["hotspots", "--order", "mean", "--json"]).expect(0).json();
    assert_eq!((spots["schema"].as_str(), spots["order"].as_str()), (Some("godwit.hotspots/1"), Some("mean")));
    assert!(spots["stores"]["old"]["absent"].as_str().unwrap().contains("no statement statistics"), "{spots}");
    let sides = small.on(&["hotspots", "--compare", "--json"]).expect(0).json();
    assert_eq!(
        (sides["schema"].as_str(), &sides["unknown"][0]),
        (Some("godwit.hotspots.compare/1"), &serde_json::json!("items"))
    );
    small.on(&["hotspots", "--compare", "nothing"]).expect(2).says("items");
    small.on(&["hotspots", "nowhere"]).expect(2).says("old");
    small.on(&["hotspots", "--order", "weight"]).expect(2).says("total, mean or calls");
    assert_eq!(small.on(&["indexes", "--json"]).expect(0).json()["schema"], "godwit.indexes/1");
    small.on(&["indexes", "nowhere"]).expect(2).says("old");

    small.on(&["approve", "assess", "--yes", "--plan", "0123456789ab"]).expect(4).says("godwit run assess");
    small.on(&["approve", "nonsense", "--yes", "--plan", "0123456789ab"]).expect(4).says("assess");
    small.on(&["run", "backfill"]).expect(4);
    small.on(&["run", "assess"]).expect(0);
    let plan = awaited_plan(&small, "assess");
    // Nobody to ask, and consent to no plan or another one.
    small.on(&["approve", "assess"]).expect(2).says("--yes --plan");
    small.on(&["approve", "assess", "--yes", "--plan", "0123456789ab"]).expect(4).says(&plan[..12]);
    small.on(&["approve", "assess", "--yes", "--plan", &plan[..4]]).expect(2).says("too short");
    // A decision on what was seen long ago.
    small.on(&["approve", "assess", "--yes", "--plan", &plan, "--expect-seq", "1"]).expect(4);
    small.on(&["approve", "assess", "--yes", "--plan", &plan[..12], "--wait", "--timeout", "30s"]).expect(0);

    let rows = small.on(&["log", "--json"]).expect(0);
    let last: Value = serde_json::from_str(rows.stdout.lines().last().unwrap()).unwrap();
    assert!(last["seq"].as_u64().unwrap() > 5);
    let after = (last["seq"].as_u64().unwrap() - 2).to_string();
    assert_eq!(small.on(&["log", "--since", &after]).expect(0).stdout.lines().count(), 2);
    let chain = small.on(&["log", "--check", "--json"]).expect(0).json();
    assert_eq!(chain["head_hash"].as_str().unwrap().len(), 64);
    for ending in ["txt", "json", "html"] {
        let path = small.path(&format!("report.{ending}"));
        small.on(&["report", "-o", path.to_str().unwrap()]).expect(0);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(chain["head_hash"].as_str().unwrap()), "{ending}");
    }

    small.on(&["down"]).expect(2).says("--yes");
    small.on(&["down", "--yes"]).expect(0);
    let told = small.on(&["status", "--json"]).expect(3).json();
    assert_eq!(
        (told["engine"]["answers"].as_bool(), told["phases"][0]["status"].as_str()),
        (Some(false), Some("succeeded"))
    );
    small.on(&["log"]).expect(0);
    small.on(&["log", "--check"]).expect(0);
}

#[test]
fn production_wants_the_name_typed_and_fails_with_a_sentence_where_nobody_can_type() {
    let small = Small::with_env("production");
    small.up();
    small.on(&["run", "assess"]).expect(0);
    let plan = awaited_plan(&small, "assess");
    small.on(&["approve", "assess", "--yes", "--plan", &plan]).expect(2).says("--confirm assess");
    small.on(&["approve", "assess", "--yes", "--plan", &plan, "--confirm", "build"]).expect(4);
    small.on(&["approve", "assess", "--yes", "--plan", &plan, "--confirm", "assess", "--wait"]).expect(0);
    small.on(&["down", "--yes"]).expect(2).says("--confirm small");
    small.on(&["down", "--yes", "--confirm", "small"]).expect(0);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let small = Small::new();
    small.up();
    let profile = small.profile();
    let mut child = small.command(&["log", "--follow", "-p", profile.to_str().unwrap()]).spawn().unwrap();
    // The reader leaves before it has read anything; the writer notices at its next row.
    drop(child.stdout.take());
    small.on(&["run", "assess"]).expect(0);
    let status = wait_until("the log to end", || child.try_wait().unwrap());
    let mut stderr = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut stderr).unwrap();
    assert_eq!((status.code(), stderr.as_str()), (Some(0), ""));
}

#[test]
fn an_engine_that_cannot_start_says_why() {
    let small = Small::new();
    // A state directory that others may enter is refused by the engine.
    let state = small.path("state/godwit/small");
    std::fs::create_dir_all(&state).unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o755)).unwrap();
    small.on(&["up"]).expect(9).says("chmod 700");
}

#[test]
fn two_engines_for_one_migration_are_one_too_many() {
    let small = Small::new();
    small.up();
    small.on(&["engine"]).expect(9).says("another engine owns the migration small");
    assert!(small.path("state/godwit/small/engine.log").exists());
}
