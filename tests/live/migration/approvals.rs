//! Two people: real Unix users who reach the engine's socket through its group and approve with the command line. Needs root, which may
//! become anybody.

use crate::driver::{Engine, Home};
use crate::migration::shop::{Settings, Shop};
use godwit::model::event::Event;
use godwit::model::ids::PhaseId;
use godwit::model::phase::{PhaseEvent, PhaseStatus};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// The socket's group. `daemon` is in it; the others have it only where a test gives it to them.
const GROUP: &str = "daemon";

/// Runs the command line as a user, in the socket's group or not; gives its exit code and everything that it printed.
fn godwit(shop: &Shop, user: &str, in_group: bool, words: &[&str]) -> (i32, String) {
    let mut command = Command::new("runuser");
    command.args(["-u", user]);
    if in_group {
        command.args(["-G", GROUP]);
    }
    command.arg("--").arg(shop.path().join("godwit")).args(words).args(["--migration", shop.name()]);
    command.env("XDG_STATE_HOME", shop.state()).env("XDG_RUNTIME_DIR", shop.run()).current_dir("/");
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

/// Asserts how a command ended and what it said.
#[track_caller]
fn expect(outcome: (i32, String), code: i32, words: &str) {
    assert!(outcome.0 == code && outcome.1.contains(words), "exit {code} and `{words}` were expected: {outcome:?}");
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root and PostgreSQL: run tests/run as root"]
async fn two_people_approve_and_the_one_who_asked_does_not_count() {
    let shop = Shop::new().await;
    let more = format!(
        "socket_group = \"{GROUP}\"\n[roles]\noperator = [\"root\"]\napprover = [\"root\", \"daemon\", \"nobody\"]\n[phases.assess]\napprovals = 2"
    );
    shop.declare(Settings { more, ..shop.settings() });
    // Everybody can run the program and pass the directories; the engine itself decides about its own.
    std::fs::copy(env!("CARGO_BIN_EXE_godwit"), shop.path().join("godwit")).unwrap();
    std::fs::create_dir(shop.run()).unwrap();
    for path in [shop.path(), &shop.run(), &shop.path().join("godwit")] {
        mode(path, 0o755);
    }
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;

    expect(godwit(&shop, "root", false, &["run", "assess"]), 0, "");
    let assess = PhaseId::from("assess");
    client
        .until("the request", |m| matches!(m.phase(&assess).unwrap().status, PhaseStatus::AwaitingApproval { .. }))
        .await;
    let PhaseStatus::AwaitingApproval { plan, .. } = client.status("assess") else {
        panic!("{:?}", client.status("assess"))
    };
    let approve = ["approve", "assess", "--yes", "--plan", plan.as_str()];
    expect(godwit(&shop, "root", false, &approve), 4, "the requester does not count");
    // Outside of the group nobody reaches the socket; without a role nobody is let in.
    let (code, said) = godwit(&shop, "nobody", false, &approve);
    assert!(code != 0 && said.contains("ermission denied"), "{code}: {said}");
    let (code, said) = godwit(&shop, "postgres", true, &approve);
    assert!(code != 0 && said.contains("[roles]"), "{code}: {said}");
    // One person twice is one person.
    for _ in 0..2 {
        expect(godwit(&shop, "daemon", false, &approve), 0, "1 of 2");
    }
    expect(
        godwit(&shop, "nobody", true, &["approve", "assess", "--yes", "--plan", &plan, "--wait", "--timeout", "60s"]),
        0,
        "",
    );
    client.ended("assess").await;
    assert_eq!(client.status("assess"), PhaseStatus::Succeeded);
    let approvers: Vec<&str> = client
        .log
        .iter()
        .filter_map(|entry| match &entry.event {
            Event::Phase { event: PhaseEvent::Approved { approval, .. }, .. } => Some(approval.by.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(approvers, ["daemon", "daemon", "nobody"]);
    engine.down(&mut client).await;
}
