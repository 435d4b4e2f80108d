//! Addresses that a server listens on or that clients come from: whether they leave this machine.

use std::net::IpAddr;

/// `localhost`, or an address that no other machine can reach: all of 127.0.0.0/8, `::1`, and the former written as IPv6.
pub fn is_loopback(address: &str) -> bool {
    let address = address.trim().trim_start_matches('[').trim_end_matches(']');
    address.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_this_machine_is_known_and_nothing_else() {
        for address in ["127.0.0.1", "127.8.0.2", "::1", "[::1]", "::ffff:127.0.0.1", " localhost", "LOCALHOST"] {
            assert!(is_loopback(address), "{address}");
        }
        for address in ["", "*", "::", "0.0.0.0", "10.0.0.1", "127.0.0.1.example.org", "local", "128.0.0.1"] {
            assert!(!is_loopback(address), "{address}");
        }
    }
}
