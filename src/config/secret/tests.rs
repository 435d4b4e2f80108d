use super::*;
use crate::config::profile::Engine;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

fn environment(name: &str) -> Option<String> {
    match name {
        "URL" => Some("postgres://app:p%40ss@db/shop\n".to_owned()),
        "PASSWORD" => Some("p@ss/w#rd %".to_owned()),
        "HOST" => Some("db.example".to_owned()),
        "EMPTY" => Some(" ".to_owned()),
        _ => None,
    }
}

fn template(text: &str) -> Result<String, String> {
    let source = SecretSource::Template(text.to_owned());
    resolve_with(&source, &environment).map(|s| s.expose_secret().to_owned()).map_err(|p| p.to_string())
}

fn shell(script: &str) -> SecretSource {
    SecretSource::Command(vec!["sh".into(), "-c".into(), script.into()])
}

#[test]
fn templates_are_filled_and_passwords_encoded() {
    assert_eq!(template("${URL}").unwrap(), "postgres://app:p%40ss@db/shop");
    assert_eq!(
        template("postgres://app:${PASSWORD}@${HOST}/x").unwrap(),
        "postgres://app:p%40ss%2Fw%23rd%20%25@db.example/x"
    );
    assert_eq!(
        template("postgres://app@h/x?password=${PASSWORD}").unwrap(),
        "postgres://app@h/x?password=p%40ss%2Fw%23rd%20%25"
    );
    assert!(template("${NO_SUCH}").unwrap_err().contains("NO_SUCH"));
    assert!(template("${EMPTY}").unwrap_err().contains("empty"));
}

#[test]
fn a_file_must_be_closed_to_others() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("url");
    std::fs::write(&path, "  postgres://app:pw@db/shop\n").unwrap();
    let source = SecretSource::File(path.clone());
    for mode in [0o640, 0o604, 0o620, 0o666] {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        let problem = resolve(&source).unwrap_err().to_string();
        assert!(problem.contains(&format!("chmod 600 {}", path.display())), "{problem}");
        assert!(!problem.contains("pw"), "{problem}");
    }
    for mode in [0o600, 0o400] {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        assert_eq!(resolve(&source).unwrap().expose_secret(), "postgres://app:pw@db/shop");
    }
}

#[test]
fn what_is_no_secret_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let problem = |path: PathBuf| resolve(&SecretSource::File(path)).unwrap_err();
    assert!(matches!(problem(dir.path().join("none")), SecretProblem::File { .. }));
    assert!(matches!(problem(dir.path().to_owned()), SecretProblem::NotAFile { .. }));
    let pipe = dir.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
    assert!(matches!(problem(pipe), SecretProblem::NotAFile { .. }));
    for (name, content) in
        [("binary", &b"\xff\xfe"[..]), ("lines", b"a\nb"), ("empty", b"\n"), ("long", &[b'x'; 70_000])]
    {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        assert!(matches!(problem(path), SecretProblem::NotText { .. } | SecretProblem::Empty { .. }), "{name}");
    }
}

#[test]
fn a_command_gives_its_first_line() {
    assert_eq!(resolve(&shell("echo ' secret '; echo second")).unwrap().expose_secret(), "secret");
    assert_eq!(resolve(&shell("printf secret")).unwrap().expose_secret(), "secret");
    // More output than a pipe holds does not block it.
    assert_eq!(resolve(&shell("echo secret; seq 100000; seq 100000 >&2")).unwrap().expose_secret(), "secret");
    // A process that stays behind with the pipes open is not waited for.
    let started = Instant::now();
    assert_eq!(resolve(&shell("sleep 5 & echo secret")).unwrap().expose_secret(), "secret");
    assert!(started.elapsed() < Duration::from_secs(4));
}

#[test]
fn a_failing_command_says_why_but_not_what() {
    let problem = resolve(&shell("echo hunter2; printf 'no key \\033[31mhunter2\\nfor postgres://a:b@c.' >&2; exit 3"))
        .unwrap_err()
        .to_string();
    assert_eq!(
        problem,
        "The secret command `sh` failed with exit status: 3: no key \\u{1b}[31m*** for postgres://a:***@c."
    );
    let problem = resolve(&SecretSource::Command(vec!["/no/such/program".into()])).unwrap_err().to_string();
    assert!(problem.contains("/no/such/program") && problem.contains("cannot be started"), "{problem}");
    assert!(matches!(resolve(&shell("true")), Err(SecretProblem::Empty { .. })));
}

#[test]
fn a_command_that_hangs_is_ended_with_what_it_started() {
    let argv = ["sh", "-c", "echo secret; sleep 60 & sleep 60; echo"].map(str::to_owned);
    let started = Instant::now();
    let problem = command::first_line(&argv, Duration::from_millis(200)).unwrap_err();
    assert!(matches!(problem, SecretProblem::TimedOut { .. }));
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_store_url_must_fit_its_engine() {
    let store = |engine, url: &str| StoreConfig {
        id: "orders-db".into(),
        engine,
        url: SecretSource::Template(url.to_owned()),
        statement_timeout: Duration::from_secs(1),
        connect_timeout: Duration::from_secs(1),
        replica_of: None,
    };
    assert!(resolve_store_url_with(&store(Engine::Postgres, "${URL}"), &environment).is_ok());
    let problem = resolve_store_url_with(&store(Engine::Sqlite, "${URL}"), &environment).unwrap_err().to_string();
    assert!(problem.contains("orders-db") && problem.contains("${URL}") && problem.contains("sqlite:"), "{problem}");
    assert!(!problem.contains("p%40ss"), "{problem}");
    assert!(resolve_store_url_with(&store(Engine::Sqlite, "sqlite:${HOST}/x"), &environment).is_err());
}

#[test]
fn debug_shows_no_secret() {
    let secret = template("${URL}").map(SecretString::from).unwrap();
    assert!(!format!("{secret:?}").contains("p%40ss"));
}
