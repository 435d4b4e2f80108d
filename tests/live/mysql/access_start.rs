//! The access audit on servers that were started so that a rule fails, and on others that look like them and are sound.

use super::bare::Bare;
use super::lab::{Product, each_product};
use crate::planted::{of_findings, subjects};

each_product!(what_is_set_at_the_start_only_is_found_on_servers_that_were_started_so, in a network of its own);
async fn what_is_set_at_the_start_only_is_found_on_servers_that_were_started_so(product: Product) {
    let mut bare = Bare::prepare(product);
    bare.start(&["--bind-address=*", "--secure-file-priv="]).await;
    let open = bare.judged().await;
    assert_eq!(of_findings(&open, "MY-15"), ["fail require_secure_transport"]);
    assert_eq!(of_findings(&open, "MY-17"), ["fail secure_file_priv"]);
    let finding = open.iter().find(|f| f.rule == "MY-15").unwrap();
    bare.run(finding.statement.as_deref().unwrap()).await;
    assert_eq!(of_findings(&bare.judged().await, "MY-15"), ["pass lab"], "its own statement mends it");
    bare.run(finding.undo.as_deref().unwrap()).await;
    assert_eq!(of_findings(&bare.judged().await, "MY-15"), ["fail require_secure_transport"]);

    // This machine's addresses are no network, nor are they for MySQL's second protocol; a place for files that is named is no other one.
    let files = format!("--secure-file-priv={}", bare.files().display());
    let local = ["--bind-address=127.0.0.1,127.0.0.2,::1", &files];
    let second = product.either(&[][..], &["--mysqlx=ON", "--mysqlx-bind-address=127.0.0.1"]);
    bare.start(&[&local[..], second].concat()).await;
    let sound = bare.judged().await;
    assert_eq!(subjects(&sound, "MY-15"), [""; 0]);
    assert_eq!(of_findings(&sound, "MY-17"), ["pass lab"]);
    if product == Product::Mysql {
        // The second protocol has a port and an address of its own.
        bare.start(&[&local[..], &["--mysqlx=ON"]].concat()).await;
        let open = bare.judged().await;
        assert_eq!(of_findings(&open, "MY-15"), ["fail require_secure_transport"]);
        let evidence = &open.iter().find(|f| f.rule == "MY-15").unwrap().evidence;
        assert!(evidence.contains(&"mysqlx_bind_address = *".to_owned()), "{evidence:?}");
    }
    // It would listen on every address, if it listened.
    bare.start(&["--bind-address=*", "--skip-networking", &files]).await;
    assert_eq!(subjects(&bare.judged().await, "MY-15"), [""; 0]);
}
