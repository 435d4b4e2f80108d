//! The access audit on servers that were started so that a rule fails, and on others that look like them and are sound.

use super::bare::Bare;
use super::lab::{Server, on_redis_and_valkey, send};
use crate::certificate::Certificate;
use crate::planted::{of_findings, subjects};
use crate::secluded::free_port;
use godwit::model::finding::Finding;

/// Beside loopback an address of nobody, kept for examples: the `-` lets the server start without it. So nothing outside is listened on.
const OUTSIDE: [&str; 3] = ["--bind", "127.0.0.1", "-192.0.2.1"];

async fn what_is_set_at_the_start_only_is_found_on_servers_that_were_started_so(server: Server) {
    let bad = Bare::start(server, &["--enable-debug-command", "local"]).await.judged().await;
    assert_eq!(of_findings(&bad, "RD-10"), ["fail enable-debug-command"]);
    assert_eq!(of_findings(&bad, "RD-12"), ["fail aclfile"]);
    // No configuration file either, but one with the users; and a door that is named and shut.
    let good = Bare::start(server, &["--enable-module-command", "no", "--aclfile", "users.acl"]).await.judged().await;
    assert_eq!(of_findings(&good, "RD-10"), ["pass lab"]);
    assert_eq!(of_findings(&good, "RD-12"), ["pass lab"]);
}

async fn a_server_that_is_open_to_the_network_is_told(server: Server) {
    let mut bare = Bare::start(server, &[&OUTSIDE[..], &["--protected-mode", "no"]].concat()).await;
    let open = bare.judged().await;
    assert_eq!((of_findings(&open, "RD-03"), of_findings(&open, "RD-11")), (fails("protected-mode"), fails("port")));
    let finding = open.iter().find(|f| f.rule == "RD-03").unwrap().clone();
    send(&mut bare.admin, finding.statement.as_deref().unwrap()).await.unwrap();
    assert_eq!(of_findings(&bare.judged().await, "RD-03"), ["pass lab"], "its own statement mends it");
    send(&mut bare.admin, finding.undo.as_deref().unwrap()).await.unwrap();
    assert_eq!(of_findings(&bare.judged().await, "RD-03"), ["fail protected-mode"]);
    send(&mut bare.admin, "ACL SETUSER default resetpass >secret").await.unwrap();
    assert_eq!(of_findings(&bare.judged().await, "RD-03"), ["pass lab"], "it asks for a password");

    // Open as well, to this machine: other addresses of it, an address that it could not have, none at all.
    for bind in [&["127.0.0.1", "127.0.0.2", "-::1"][..], &[""][..]] {
        let options = [&["--protected-mode", "no", "--bind"][..], bind].concat();
        let local = Bare::start(server, &options).await.judged().await;
        for rule in ["RD-03", "RD-11"] {
            assert_eq!(subjects(&local, rule), Vec::<String>::new(), "{rule} on {bind:?}");
        }
        assert_eq!(of_findings(&local, "RD-03"), ["pass lab"], "{bind:?}");
    }
}

async fn a_plain_port_is_told_and_an_encrypted_one_is_not(server: Server) {
    let dir = tempfile::tempdir().unwrap();
    let made = Certificate::make(dir.path());
    let [certificate, key] = [&made.certificate, &made.key].map(|file| file.to_str().unwrap());
    let tls_port = free_port().to_string();
    let encrypted = [
        "--tls-port",
        &tls_port,
        "--tls-cert-file",
        certificate,
        "--tls-key-file",
        key,
        "--tls-ca-cert-file",
        certificate,
    ];
    let both = Bare::start(server, &[&OUTSIDE[..], &encrypted].concat()).await.judged().await;
    assert_eq!(of_findings(&both, "RD-11"), ["fail port"]);
    assert!(sentence(&both, "RD-11").contains("beside the encrypted one"));
    let only = Bare::start(server, &[&OUTSIDE[..], &encrypted, &["--port", "0"]].concat()).await.judged().await;
    assert_eq!(of_findings(&only, "RD-11"), ["pass lab"]);
}

fn fails(subject: &str) -> Vec<String> {
    vec![format!("fail {subject}")]
}

fn sentence<'f>(findings: &'f [Finding], rule: &str) -> &'f str {
    &findings.iter().find(|f| f.rule == rule).unwrap().sentence
}

on_redis_and_valkey!(
    what_is_set_at_the_start_only_is_found_on_servers_that_were_started_so,
    a_server_that_is_open_to_the_network_is_told,
    a_plain_port_is_told_and_an_encrypted_one_is_not
);
