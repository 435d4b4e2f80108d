//! The access audit on servers that were started so that a rule fails, and on others that look like them and are sound.

use super::bare::Bare;
use crate::planted::{of_findings, subjects};

const EVERYWHERE: &str = "--bind_ip_all";

#[tokio::test]
#[ignore = "needs MongoDB and a network of its own: run tests/run"]
async fn a_server_that_takes_plain_connections_from_the_network_is_told() {
    let plain = Bare::start(&[EVERYWHERE]).await.judged().await;
    assert_eq!(of_findings(&plain, "MG-09"), ["fail net.tls.mode"]);
    assert_eq!(subjects(&plain, "MG-10"), [""; 0], "where nothing is encrypted no protocol is too old");
    let both = Bare::encrypted("allowTLS", &["--bind_ip", "127.0.0.1,192.0.2.1"]).await.judged().await;
    assert_eq!(of_findings(&both, "MG-09"), ["fail net.tls.mode"]);
    let only = Bare::encrypted("requireTLS", &[EVERYWHERE, "--tlsDisabledProtocols", "TLS1_0,TLS1_1"]).await;
    let only = only.judged().await;
    assert_eq!((of_findings(&only, "MG-09"), of_findings(&only, "MG-10")), (passes(), passes()));
    // This machine's own addresses are no network.
    let local = Bare::start(&["--bind_ip", "127.0.0.1,127.0.0.2,localhost"]).await.judged().await;
    assert_eq!(subjects(&local, "MG-09"), [""; 0]);
}

#[tokio::test]
#[ignore = "needs MongoDB and a network of its own: run tests/run"]
async fn protocols_that_are_really_open_are_told() {
    for (disabled, open) in [(None, "TLS1_1"), (Some("none"), "TLS1_0, TLS1_1")] {
        let options: Vec<&str> = disabled.into_iter().flat_map(|names| ["--tlsDisabledProtocols", names]).collect();
        let findings = Bare::encrypted("allowTLS", &options).await.judged().await;
        let finding = findings.iter().find(|f| f.rule == "MG-10").unwrap();
        assert_eq!(finding.sentence, format!("outdated protocols are allowed: {open}"), "{disabled:?}");
        assert_eq!(of_findings(&findings, "MG-10"), ["fail net.tls.disabledProtocols"]);
        assert_eq!(subjects(&findings, "MG-09"), [""; 0], "it listens on this machine only");
    }
}

fn passes() -> Vec<String> {
    vec!["pass lab".to_owned()]
}
