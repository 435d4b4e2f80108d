//! What the engine refuses, in which words, and that a refusal or a roll back leaves alone what is not its own.

use crate::harness::{Client, Engine, Home, PHASES, Process, Shop};
use godwit::engine::serve;
use godwit::model::command::{Action, Answer, Command};
use godwit::model::ids::PhaseId;
use godwit::model::phase::PhaseStatus;
use godwit::model::plan::Direction;
use godwit::model::reason::FailurePolicy;
use sqlx::{Executor, Row};

fn id(phase: &str) -> PhaseId {
    PhaseId::from(phase)
}

/// Asks for a phase's plan and returns its hash.
async fn request(client: &mut Client, phase: &str) -> String {
    match client.act(Action::Run { phase: id(phase) }).await.unwrap() {
        Answer::Planned { plan, .. } => {
            client
                .until("the request", |m| {
                    matches!(m.phase(&id(phase)).unwrap().status, PhaseStatus::AwaitingApproval { .. })
                })
                .await;
            plan.hash
        }
        other => panic!("{other:?}"),
    }
}

/// Names of everything in a database, SQLite's own objects left out.
async fn objects(shop: &Shop, file: &str) -> Vec<String> {
    let mut db = shop.open(file).await;
    sqlx::query("SELECT type || ' ' || name FROM sqlite_master WHERE name NOT LIKE 'sqlite%' ORDER BY 1")
        .fetch_all(&mut db)
        .await
        .unwrap()
        .iter()
        .map(|r| r.get(0))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_on_an_old_view_is_refused_with_what_changed() {
    let shop = Shop::new().await;
    let engine = Engine::start(&shop);
    let (mut mina, mut olaf) = (engine.client().await, engine.client().await);
    let seen = olaf.state.head;
    let hash = request(&mut mina, "assess").await;
    let stale = Command { expected_seq: Some(seen), confirm: None, action: Action::Run { phase: id("assess") } };
    let why = olaf.ask(stale).await.unwrap_err();
    assert!(why.contains("assess changed meanwhile: it is awaiting approval"), "{why}");
    // The refusal changed nothing: the plan that was seen can still be approved.
    mina.act(Action::Approve { phase: id("assess"), plan: hash }).await.unwrap();
    mina.ended("assess").await;
    assert_eq!(mina.status("assess"), PhaseStatus::Succeeded);
    engine.down(&mut mina).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_plan_that_stands_can_be_approved() {
    let shop = Shop::new().await;
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    let approve = |phase: &str, plan: &str| Action::Approve { phase: id(phase), plan: plan.to_owned() };

    let why = client.act(approve("assess", "0123456789abcdef")).await.unwrap_err();
    assert!(why.contains("assess is ready: there is nothing to approve"), "{why}");
    client.run("assess").await;

    let hash = request(&mut client, "build").await;
    for wrong in ["0123456789abcdef", &hash[..8], ""] {
        let why = client.act(approve("build", wrong)).await.unwrap_err();
        assert!(why.contains("read it again before approving"), "{wrong}: {why}");
    }
    // The source's schema changes between the print and the approval.
    shop.open("monolith").await.execute("ALTER TABLE customers ADD COLUMN vip INTEGER").await.unwrap();
    let why = client.act(approve("build", &hash)).await.unwrap_err();
    assert!(why.contains("the plan of build changed after it was approved"), "{why}");
    client.until("the void", |m| m.phase(&id("build")).unwrap().status == PhaseStatus::Ready).await;
    let new = request(&mut client, "build").await;
    assert_ne!(new, hash);
    // Twelve characters name a plan.
    client.act(approve("build", &new[..12])).await.unwrap();
    client.ended("build").await;
    assert_eq!(client.status("build"), PhaseStatus::Succeeded);
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phase_out_of_turn_or_behind_a_red_gate_does_not_start() {
    let shop = Shop::new().await;
    let profile = std::fs::read_to_string(shop.profile()).unwrap();
    std::fs::write(shop.profile(), format!("{profile}\n[phases.build]\ngates = {{ verified_within = \"10m\" }}\n"))
        .unwrap();
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    let why = client.act(Action::Run { phase: id("verify") }).await.unwrap_err();
    assert!(why.contains("verify: a phase that is pending cannot be requested"), "{why}");
    client.run("assess").await;
    let why = client.act(Action::Run { phase: id("build") }).await.unwrap_err();
    assert!(why.contains("build is blocked: verified_within: some table was never compared completely"), "{why}");
    client.until("the block", |m| matches!(m.phase(&id("build")).unwrap().status, PhaseStatus::Blocked { .. })).await;
    let why = client.act(Action::Approve { phase: id("build"), plan: "0123456789ab".to_owned() }).await.unwrap_err();
    assert!(why.contains("build is blocked: there is nothing to approve"), "{why}");
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn skips_and_roll_backs_need_a_reason_and_the_right_plan() {
    let shop = Shop::new().await;
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    let skip = |phase: &str, why: &str| Action::Skip { phase: id(phase), why: why.to_owned() };
    for phase in ["build", "backfill", "sync", "cutover"] {
        let why = client.act(skip(phase, "in a hurry")).await.unwrap_err();
        assert!(why.contains(&format!("{phase} cannot be skipped: later phases stand on it")), "{why}");
    }
    let why = client.act(skip("assess", "  ")).await.unwrap_err();
    assert!(why.contains("say why"), "{why}");
    client.accepted(skip("assess", "done last week")).await.unwrap();
    client.run("build").await;

    let before = objects(&shop, "customers").await;
    let back = |plan: &str| Action::Rollback { phase: id("build"), plan: plan.to_owned() };
    let Answer::Planned { plan, .. } =
        client.act(Action::Plan { phase: id("build"), direction: Direction::Forward }).await.unwrap()
    else {
        panic!("no plan")
    };
    for wrong in ["0123456789abcdef", &plan.hash] {
        let why = client.act(back(wrong)).await.unwrap_err();
        assert!(why.contains("the roll back plan of build is") && why.contains("--rollback"), "{why}");
    }
    let why = client.act(Action::Rollback { phase: id("sync"), plan: plan.hash }).await.unwrap_err();
    assert!(why.contains("cannot be rolled back"), "{why}");
    assert_eq!(client.status("build"), PhaseStatus::Succeeded);
    assert_eq!(objects(&shop, "customers").await, before);
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_roll_back_of_the_build_takes_everything_along_and_nothing_else() {
    let shop = Shop::new().await;
    shop.open("customers")
        .await
        .execute("CREATE TABLE tickets(id INTEGER PRIMARY KEY, text TEXT); INSERT INTO tickets VALUES (1, 'keep me')")
        .await
        .unwrap();
    let (monolith, customers) = (objects(&shop, "monolith").await, objects(&shop, "customers").await);
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    for phase in &PHASES[..5] {
        client.run(phase).await;
    }
    let rows = shop.rows("monolith", "orders").await;
    client.roll_back("build").await.unwrap();
    assert_eq!(client.status("build"), PhaseStatus::RolledBack);
    assert_eq!(client.status("verify"), PhaseStatus::Pending);
    assert_eq!(objects(&shop, "customers").await, customers);
    assert_eq!(objects(&shop, "orders").await, Vec::<String>::new());
    assert_eq!(objects(&shop, "monolith").await, monolith);
    assert_eq!(shop.rows("customers", "tickets").await, ["1|'keep me'"]);
    assert_eq!(shop.rows("monolith", "orders").await, rows);

    // And up again, as if nothing had been.
    for phase in &PHASES[1..5] {
        client.run(phase).await;
    }
    shop.assert_equal().await;
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_was_there_before_stops_the_build_and_is_never_touched() {
    let shop = Shop::new().await;
    let mut target = shop.open("customers").await;
    target
        .execute(
            "CREATE TABLE customers(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO customers VALUES (7, 'not yours')",
        )
        .await
        .unwrap();
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    client.run("assess").await;
    client.begin("build").await.unwrap();
    client.ended("build").await;
    let PhaseStatus::Failed { reason, policy } = client.status("build") else { panic!("{:?}", client.status("build")) };
    assert!(reason.what.contains("customers exists already and Godwit did not make it"), "{reason}");
    assert!(reason.next.contains("rename or remove it yourself, then retry"), "{reason}");
    assert_eq!(policy, FailurePolicy::Mend);

    // Taking the failed build back leaves it alone as well.
    client.roll_back("build").await.unwrap();
    assert_eq!(shop.rows("customers", "customers").await, ["7|'not yours'"]);
    client.begin("build").await.unwrap();
    client.ended("build").await;
    target.execute("ALTER TABLE customers RENAME TO customers_before").await.unwrap();
    client.accepted(Action::Retry { phase: id("build") }).await.unwrap();
    client.ended("build").await;
    assert_eq!(client.status("build"), PhaseStatus::Succeeded);
    client.run("backfill").await;
    client.roll_back("build").await.unwrap();
    assert_eq!(shop.rows("customers", "customers_before").await, ["7|'not yours'"]);
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_in_a_table_that_godwit_made_stop_the_backfill() {
    let shop = Shop::new().await;
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    client.run("assess").await;
    client.run("build").await;
    let mut target = shop.open("customers").await;
    target.execute("INSERT INTO customers(id, name) VALUES (7000, 'too early')").await.unwrap();
    client.begin("backfill").await.unwrap();
    client.ended("backfill").await;
    let PhaseStatus::Failed { reason, .. } = client.status("backfill") else {
        panic!("{:?}", client.status("backfill"))
    };
    assert!(reason.what.contains("customers"), "{reason}");
    assert!(!reason.next.is_empty(), "{reason}");
    assert!(shop.rows("customers", "customers").await.iter().any(|r| r.contains("too early")), "the row is gone");
    target.execute("DELETE FROM customers WHERE id = 7000").await.unwrap();
    client.accepted(Action::Retry { phase: id("backfill") }).await.unwrap();
    client.ended("backfill").await;
    assert_eq!(client.status("backfill"), PhaseStatus::Succeeded);
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_engine_is_refused_and_a_killed_ones_lock_is_free() {
    let shop = Shop::new().await;
    let mut first = Process::start(&shop);
    let mut client = first.client().await;
    client.run("assess").await;
    let why = serve(shop.options()).await.unwrap_err().to_string();
    let pid = client.state.engine.as_ref().unwrap().pid;
    assert!(why.contains(&format!("another engine owns the migration shop: pid {pid} of ")), "{why}");
    // The refused one did not disturb the owner.
    client.run("build").await;
    first.kill().await;

    let mut third = Process::start(&shop);
    let mut after = third.client().await;
    assert_eq!(after.status("build"), PhaseStatus::Succeeded);
    assert_ne!(after.state.engine.as_ref().unwrap().pid, pid);
    // The old client asks for what it missed and ends with the same state as one that read everything.
    let caught_up = client.reconnect(&shop.place()).await;
    let head = caught_up.state.head;
    after.until("the same head", |m| m.head >= head).await;
    assert_eq!(caught_up.state, after.state);
    let numbers: Vec<u64> = caught_up.log.iter().map(|e| e.seq.0).collect();
    assert_eq!(numbers, (1..=head.0).collect::<Vec<u64>>());
    third.down(&mut after).await;
}
