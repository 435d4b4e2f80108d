//! Whole profiles: the examples load, the broken ones say what their golden texts say, and nothing panics or hangs.

use super::load::{check, load_with};
use super::problem::ProfileProblems;
use super::profile::{Profile, Route, SecretSource};
use super::source::Surroundings;
use crate::model::finding::Severity;
use crate::model::phase::PhaseKind;
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Set to write the golden texts instead of comparing them; then read the difference.
const BLESS: &str = "GODWIT_BLESS";

const SHOP: &str = include_str!("../../profiles/shop.toml");
const DEMO: &str = include_str!("../../profiles/demo.toml");
const PGBOUNCER: &str = include_str!("../../profiles/pgbouncer.toml");

const MINIMAL: &str = r#"
[migration]
name = "small"
[stores.a]
engine = "sqlite"
url = "sqlite:a.db"
[stores.b]
engine = "sqlite"
url = "sqlite:b.db"
[pipelines.p]
from = "a"
to = "b"
tables = ["t"]
"#;

fn environment(name: &str) -> Option<String> {
    (name == "GODWIT_DEMO_DIR").then(|| "/tmp/godwit-demo".to_owned())
}

fn read(text: &str) -> Result<Profile, ProfileProblems> {
    let around = Surroundings { base: Path::new("/etc/godwit"), lookup: &environment };
    check(text, Path::new("test.toml"), String::new(), around)
}

fn problems(text: &str) -> String {
    read(text).map(|_| String::new()).unwrap_or_else(|problems| problems.to_string())
}

#[test]
fn the_examples_load() {
    for name in ["shop", "demo", "pgbouncer"] {
        let path = format!("profiles/{name}.toml");
        let profile = load_with(Path::new(&path), &environment).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(profile.digest.len(), 64, "{name}");
    }
}

#[test]
fn the_shop_is_read_as_written() {
    let shop = read(SHOP).unwrap();
    assert!(shop.migration.is_production());
    let stores: Vec<&str> = shop.stores.iter().map(|store| store.id.as_str()).collect();
    assert_eq!(stores, ["legacy", "orders-db", "customers-db"], "file order");
    assert_eq!(shop.stores[2].url, SecretSource::File("/run/secrets/customers-url".into()));
    let rule = &shop.pipelines[1].tables[0];
    assert_eq!((rule.from.as_str(), rule.to.as_str()), ("public.clients", "public.customers"));
    assert_eq!(rule.rename, [("mail".to_owned(), "email".to_owned())]);
    assert_eq!(rule.exclude, ["legacy_flags"]);
    assert_eq!(shop.pipelines[0].throttle.source_load, Some(0.7));
    let cutover = shop.phases.iter().find(|phase| phase.kind == PhaseKind::Cutover).unwrap();
    assert_eq!(cutover.approvals, 2);
    assert_eq!(cutover.pipelines.len(), 2, "all, because none is named");
    assert_eq!(cutover.gates.runway, Some(Duration::from_secs(3_600)));
    assert_eq!(cutover.window.as_ref().unwrap().zone, chrono_tz::Asia::Seoul);
}

#[test]
fn each_store_has_its_ownership_map() {
    let text = SHOP.replace(
        "accounts = [\"customers_app\"]",
        "accounts = [\"customers_app\"]\nallowed_reads = [\"orders\"]\nuntil = \"2026-12-31\"",
    );
    let waived = "\n[access]\nmigration = [\"godwit\"]\n[[waivers]]\nrule = \"PG-08\"\nstore = \"legacy\"\nsubject = \"public.clients\"\nwho = \"mina\"\nuntil = \"2026-12-31\"\nwhy = \"later\"\n";
    let shop = read(&(text + waived)).unwrap();
    assert_eq!((shop.waivers.len(), shop.access.migration.as_slice()), (1, ["godwit".to_owned()].as_slice()));
    let moved = chrono::DateTime::<chrono::Utc>::UNIX_EPOCH;
    let map =
        |store: &str| shop.ownership_of(&store.into(), |pipeline| (pipeline.as_str() == "customers").then_some(moved));
    let told = |store: &str| -> Vec<String> {
        let tables = map(store).tables;
        tables
            .iter()
            .map(|t| format!("{} {} of {} {:?} {}", t.name, t.logical, t.service, t.moved_at.is_some(), t.is_expected))
            .collect()
    };
    assert_eq!(
        told("legacy"),
        [
            "public.orders orders of orders false true",
            "public.order_lines order_lines of orders false true",
            "public.clients customers of customers true false"
        ]
    );
    assert_eq!(
        told("orders-db"),
        ["public.orders orders of orders false false", "public.order_lines order_lines of orders false false"]
    );
    assert_eq!(told("customers-db"), ["public.customers customers of customers false true"]);
    let legacy = map("legacy");
    let customers = legacy.service_of("customers_app").unwrap();
    let day = |text: &str| text.parse::<chrono::NaiveDate>().unwrap();
    let orders = legacy.table("\"public\".orders").unwrap();
    assert!(
        legacy.may_read(customers, orders, day("2026-12-31")) && !legacy.may_read(customers, orders, day("2027-01-01"))
    );
}

#[test]
fn variables_in_paths_are_expanded() {
    let demo = read(DEMO).unwrap();
    let cutover = demo.phases.iter().find(|phase| phase.kind == PhaseKind::Cutover).unwrap();
    assert_eq!(cutover.routes, [Route::File { path: "/tmp/godwit-demo/route.json".into() }]);
    assert_eq!(demo.stores[0].url, SecretSource::Template("sqlite:${GODWIT_DEMO_DIR}/monolith.db".to_owned()));
}

#[test]
fn saying_nothing_gives_the_default_ladder() {
    let profile = read(MINIMAL).unwrap();
    let kinds: Vec<PhaseKind> = profile.phases.iter().map(|phase| phase.kind).collect();
    assert_eq!(kinds, PhaseKind::LADDER);
    assert_eq!(profile.stores[0].url, SecretSource::Template("sqlite:/etc/godwit/a.db".to_owned()));
    assert_eq!(profile.migration.downtime_budget, Duration::from_secs(3));
    let cutover = &profile.phases[7];
    assert_eq!(cutover.gates.lag, Some(Duration::from_secs(1)));
    assert_eq!(cutover.gates.drift, Some(0));
    assert_eq!(profile.phases[8].soak, Duration::from_secs(86_400));
    assert!(profile.roles.is_empty());
}

#[test]
fn written_gates_keep_the_defaults_of_the_others() {
    let profile = read(&format!("{MINIMAL}[phases.cutover]\ngates = {{ lag = \"5s\" }}\n")).unwrap();
    let gates = &profile.phases[7].gates;
    assert_eq!((gates.lag, gates.drift), (Some(Duration::from_secs(5)), Some(0)));
}

#[test]
fn phases_can_be_dropped_ordered_and_added() {
    let ladder = r#"
[phases.first-look]
kind = "verify"
[phases.tune]
enabled = false
[ladder]
order = ["backfill", "first-look", "sync", "verify", "secure", "cutover"]
"#;
    let profile = read(&format!("{MINIMAL}{ladder}")).unwrap();
    let names: Vec<&str> = profile.phases.iter().map(|phase| phase.id.as_str()).collect();
    assert_eq!(names, ["backfill", "first-look", "sync", "verify", "secure", "cutover"]);
    assert_eq!(profile.phases[1].kind, PhaseKind::Verify);
}

#[test]
fn pipelines_can_be_cut_over_one_after_the_other() {
    let two = MINIMAL.to_owned()
        + "[pipelines.q]\nfrom = \"a\"\nto = \"b\"\ntables = [\"u\"]\n\
           [phases.cutover-p]\nkind = \"cutover\"\npipelines = [\"p\"]\n[phases.cutover-q]\nkind = \"cutover\"\npipelines = [\"q\"]\n\
           [ladder]\norder = [\"backfill\", \"sync\", \"verify\", \"cutover-p\", \"cutover-q\", \"watch\"]\n";
    let profile = read(&two).unwrap();
    assert_eq!(profile.phases[4].pipelines, ["q".into()]);
    assert!(problems(&two.replace("pipelines = [\"q\"]", "pipelines = [\"p\"]")).contains("twice"));
}

#[test]
fn a_replica_is_of_a_primary_and_nothing_moves_over_it() {
    let text = |of: &str, engine: &str| {
        format!(
            "{MINIMAL}[stores.pg]\nengine = \"postgres\"\nurl = \"postgres://u@h/d\"\n\
             [stores.standby]\nengine = \"{engine}\"\nurl = \"{engine}://u@h2/d\"\nreplica_of = \"{of}\"\n\
             [stores.far]\nengine = \"postgres\"\nurl = \"postgres://u@h3/d\"\n"
        )
    };
    let stores = read(&text("pg", "postgres")).unwrap().stores;
    let replicas: Vec<_> = stores.iter().map(|store| store.replica_of.as_ref().map(|of| of.as_str())).collect();
    assert_eq!(replicas, [None, None, None, Some("pg"), None]);
    for (text, told) in [
        (text("nobody", "postgres"), "no store `nobody`"),
        (text("standby", "postgres"), "its own replica"),
        (text("pg", "mysql"), "Only replicas of PostgreSQL"),
        (text("a", "postgres"), "Only replicas of PostgreSQL"),
        (text("pg", "postgres") + "replica_of = \"standby\"\n", "Name the primary"),
        (text("pg", "postgres").replace("from = \"a\"", "from = \"standby\""), "is a replica: name `pg`"),
        (text("pg", "postgres") + "[services.s]\nstore = \"standby\"\nowns = [\"t\"]\n", "is a replica: name `pg`"),
    ] {
        assert!(problems(&text).contains(told), "{told}: {}", problems(&text));
    }
}

#[test]
fn gates_over_the_stores_are_read_as_written_and_have_no_defaults() {
    let text = format!(
        "{MINIMAL}[phases.cutover]\ngates = {{ access = \"no high\", no_foreign_writer = \"24h\", indexes = \"none missing\", hotspot_regression = 1.5 }}\n"
    );
    let profile = read(&text).unwrap();
    let gates = &profile.phases[7].gates;
    assert_eq!((gates.access, gates.indexes, gates.hotspot_regression), (Some(Severity::High), true, Some(1.5)));
    assert_eq!(gates.no_foreign_writer, Some(Duration::from_secs(86_400)));
    assert_eq!(gates.drift, Some(0), "the others keep their defaults");
    let gates = &read(MINIMAL).unwrap().phases[7].gates;
    assert!(
        gates.access.is_none()
            && gates.no_foreign_writer.is_none()
            && !gates.indexes
            && gates.hotspot_regression.is_none()
    );
}

#[test]
fn a_phase_names_the_findings_that_it_builds() {
    let text = format!("{MINIMAL}[phases.tune]\nindexes = [\"IX-FK:b:t.fk\", \"IX-NEW:t (a::text)\"]\n");
    let profile = read(&text).unwrap();
    let tune = profile.phases.iter().find(|phase| phase.kind == PhaseKind::Tune).unwrap();
    let names: Vec<String> = tune.indexes.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["IX-FK:b:t.fk", "IX-NEW:t (a::text)"]);
    assert_eq!(tune.indexes[0].store.as_ref().map(|store| store.as_str()), Some("b"));
}

#[test]
fn broken_profiles_say_what_is_wrong() {
    let mut broken: Vec<PathBuf> = fs::read_dir("profiles/broken")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "toml"))
        .collect();
    broken.sort();
    assert!(broken.len() >= 40, "{} broken profiles", broken.len());
    for path in broken {
        let problems = load_with(&path, &environment).expect_err(&path.display().to_string());
        let said = format!("{problems}\n");
        assert!(!said.contains("hunter"), "{} tells a password:\n{said}", path.display());
        assert!(problems.problems.is_sorted_by_key(|problem| problem.at), "{}", path.display());
        let golden = path.with_extension("txt");
        if std::env::var_os(BLESS).is_some() {
            fs::write(&golden, &said).unwrap();
            continue;
        }
        let expected =
            fs::read_to_string(&golden).unwrap_or_else(|_| panic!("{}: run once with {BLESS}=1", golden.display()));
        assert_eq!(said, expected, "{}; {BLESS}=1 rewrites it", golden.display());
    }
}

#[test]
fn files_that_are_no_profiles_have_one_problem() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p.toml");
    let sentence = |content: &[u8]| {
        fs::write(&path, content).unwrap();
        load_with(&path, &environment).unwrap_err().problems.remove(0)
    };
    let binary = sentence(b"[migration]\nname = \"\xff\"");
    assert_eq!(binary.at, Some((2, 9)));
    assert!(binary.sentence.contains("UTF-8"));
    assert!(sentence(&vec![b'#'; 300_000]).sentence.contains("more than 256 KB"));
    assert!(load_with(&dir.path().join("none.toml"), &environment).unwrap_err().to_string().contains("cannot be read"));
    assert!(load_with(dir.path(), &environment).is_err());
}

#[test]
fn nothing_secret_is_shown_by_debug() {
    let text = PGBOUNCER.replace("${PGBOUNCER_PASSWORD}", "hunter2");
    let problems = read(&text).unwrap_err();
    assert!(!format!("{problems:?}").contains("hunter2"));
    assert!(problems.problems.iter().any(|problem| problem.key == "phases.cutover.route.pgbouncer"));
}

/// Every key that is read stands in the operator's reference.
#[test]
fn the_reference_has_every_key() {
    let reference = include_str!("../../docs/operator/profile.md");
    let readers = [
        include_str!("raw.rs"),
        include_str!("raw/access.rs"),
        include_str!("raw/operation.rs"),
        include_str!("raw/phase.rs"),
    ]
    .concat();
    let mut keys = 0;
    for call in [
        "text",
        "texts",
        "duration",
        "size",
        "integer",
        "number",
        "boolean",
        "parsed",
        "arguments",
        "pairs",
        "table",
        "texts_or_tables",
        "one_or_more_tables",
    ] {
        for rest in readers.split(&format!("t.{call}(\"")).skip(1) {
            let key = rest.split('"').next().unwrap();
            let explained = [format!("`{key}`"), format!("`[{key}]`"), format!("`[[{key}]]`")]
                .iter()
                .any(|form| reference.contains(form));
            assert!(explained, "docs/operator/profile.md does not explain `{key}`");
            keys += 1;
        }
    }
    assert!(keys > 40, "{keys} keys found: has raw.rs changed its form?");
}

/// A limit for one profile, generous for a busy machine: the point is that no input makes it grow without bound.
const PROMPTLY: Duration = Duration::from_secs(20);

#[test]
fn many_names_that_do_not_resolve_do_not_hang() {
    let mut text = MINIMAL.to_owned();
    for i in 0..2_500 {
        text.push_str(&format!("[services.service-{i}]\nstore = \"store-number-{i}\"\nowns = [\"table_{i}\"]\n"));
    }
    let started = Instant::now();
    let problems = read(&text).unwrap_err();
    assert_eq!(problems.problems.len() + problems.more, 2_500);
    assert!(started.elapsed() < PROMPTLY);
    let nested = format!("x = {}1{}", "[".repeat(50_000), "]".repeat(50_000));
    assert!(read(&nested).is_err());
    assert!(started.elapsed() < PROMPTLY);
}

fn corpus() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just(SHOP), Just(DEMO), Just(PGBOUNCER), Just(MINIMAL)]
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,300}") {
        let _ = problems(&text);
    }

    #[test]
    fn toml_shaped_text_is_read_or_refused(text in "((\\[{1,2}(migration|stores|stores\\.a|phases\\.cutover|ladder|x\\.\"y z\")\\]{1,2}|(name|url|engine|route|gates|order|tables) = (\"[a-z:/${}@?=]{0,9}\"|[0-9.]{1,5}|\\[\\]|\\{ (lag|from|file) = \"1s\" \\}|true))\n){0,12}") {
        let _ = problems(&text);
    }

    #[test]
    fn mutated_profiles_are_read_or_refused(text in corpus(), cuts in proptest::collection::vec((any::<prop::sample::Index>(), 0usize..30, "[\\PC\n]{0,6}"), 1..6)) {
        let mut chars: Vec<char> = text.chars().collect();
        for (at, length, put) in cuts {
            let start = at.index(chars.len() + 1);
            let end = (start + length).min(chars.len());
            chars.splice(start..end, put.chars());
        }
        let mutated: String = chars.into_iter().collect();
        if let Err(problems) = read(&mutated) {
            prop_assert!(!problems.problems.is_empty());
            prop_assert!(problems.problems.iter().all(|p| p.at.is_some_and(|(line, column)| line >= 1 && column >= 1)));
            prop_assert!(!problems.to_string().chars().any(|c| c.is_control() && c != '\n'));
        }
    }

    #[test]
    fn a_password_is_refused_wherever_it_stands(password in "[A-Z][A-Z0-9]{11}", form in 0usize..4) {
        let url = match form {
            0 => format!("postgres://app:{password}@db/x"),
            1 => format!("postgres://app@db/x?password={password}"),
            2 => format!("postgres://db/x?sslmode=require&user=a&PASSWORD={password}"),
            _ => format!("postgres://app:{password}/{password}@db/x"),
        };
        let said = problems(&SHOP.replace("${SHOP_LEGACY_URL}", &url));
        prop_assert!(said.contains("A password is written in this URL"), "{}", said);
        prop_assert!(!said.contains(&password), "{}", said);
    }
}
