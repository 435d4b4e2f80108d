//! MY-28: servers elsewhere with a stored password.

use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::model::access::mysql::MysqlFacts;
use crate::model::access::postgres::Readable;

/// MY-28.
pub fn passwords(_: &Case<'_>, facts: &MysqlFacts) -> Judgement {
    let servers = match &facts.servers {
        Readable::Read(servers) => servers,
        Readable::Hidden(why) => return Judgement::hidden(why),
    };
    if servers.iter().any(|server| server.has_password.is_none()) {
        return Judgement::hidden(
            "servers elsewhere are there, and whether passwords are stored with them was not read",
        );
    }
    let stored = servers.iter().filter(|server| server.has_password == Some(true));
    stored
        .map(|server| {
            Failure::new(
                &server.name,
                format!("the password for {} is stored in clear with server {}", server.target, server.name),
            )
            .mended_for_good(
                format!("DROP SERVER {}", server.name),
                "tables on it stop working; its password is not kept",
            )
        })
        .collect()
}
