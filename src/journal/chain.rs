//! The hash chain: each row's hash covers its own content and the hash of the row before it, so that a changed, removed or
//! inserted row shows. It proves order and completeness up to the last row whose hash somebody wrote down elsewhere
//! (reports print it); it does not prove who wrote.

use sha2::{Digest, Sha256};

/// Hash before the first row.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Hash of a row, lower-case hex. Lengths are part of the input so that no two different rows have the same bytes.
pub fn row_hash(previous: &str, seq: u64, at: &str, form: i64, body: &str) -> String {
    let mut hasher = Sha256::new();
    hasher.update(previous.as_bytes());
    hasher.update(seq.to_be_bytes());
    hasher.update((at.len() as u64).to_be_bytes());
    hasher.update(at.as_bytes());
    hasher.update(form.to_be_bytes());
    hasher.update((body.len() as u64).to_be_bytes());
    hasher.update(body.as_bytes());
    hex(&hasher.finalize())
}

/// Lower-case hex of bytes.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
