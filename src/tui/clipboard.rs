//! Copies text through the terminal (OSC 52): works over SSH, needs no clipboard program, and never reads the clipboard.

/// Largest text that is copied. Terminals cut or ignore longer sequences (xterm and tmux below 100 kB of base64).
pub const MAX_COPIED_BYTES: usize = 70_000;

/// The sequence that puts `text` on the clipboard; `None` when the text is too long for terminals to take.
pub fn osc52(text: &str) -> Option<String> {
    (text.len() <= MAX_COPIED_BYTES).then(|| format!("\u{1b}]52;c;{}\u{7}", base64(text.as_bytes())))
}

/// Base64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, &b| (word << 8) | u32::from(b)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            if at <= chunk.len() {
                out.push(char::from(ALPHABET[(word >> (18 - 6 * at)) as usize & 63]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_matches_the_test_vectors_of_rfc_4648() {
        let vectors =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")];
        for (plain, encoded) in vectors {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn a_text_that_no_terminal_takes_is_refused() {
        assert!(osc52(&"x".repeat(MAX_COPIED_BYTES + 1)).is_none());
        assert_eq!(osc52("foo").as_deref(), Some("\u{1b}]52;c;Zm9v\u{7}"));
    }
}
