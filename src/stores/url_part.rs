//! The parts of a store's URL: places, percent-encoding. Each error is a sentence that repeats nothing of the URL.

/// Splits `host:port`, `[::1]:port` or a percent-encoded socket directory.
pub(crate) fn split_place(place: &str) -> Result<(&str, Option<u16>), String> {
    let (host, port) = if let Some(rest) = place.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or("the IPv6 address in the URL is not closed with ]")?;
        (host, rest.strip_prefix(':'))
    } else {
        match place.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        }
    };
    if host.contains(',') {
        return Err("several hosts in one URL are not supported: name the primary".to_owned());
    }
    match port {
        None | Some("") => Ok((host, None)),
        Some(port) => {
            port.parse().map(|port| (host, Some(port))).map_err(|_| "the port in the URL is not a number".to_owned())
        }
    }
}

/// Percent-decoding; `what` names the part in the error.
pub(crate) fn decode(text: &str, what: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut input = text.bytes();
    while let Some(byte) = input.next() {
        if byte == b'%' {
            let digit = |d: Option<u8>| d.and_then(|d| char::from(d).to_digit(16));
            match (digit(input.next()), digit(input.next())) {
                // Two hex digits always fit a byte.
                (Some(high), Some(low)) => bytes.push((high * 16 + low) as u8),
                _ => return Err(format!("the {what} in the URL has a `%` that is not followed by two hex digits")),
            }
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).map_err(|_| format!("the {what} in the URL is not UTF-8"))
}

/// Percent-encodes what would be read as URL syntax.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || matches!(c, '%' | '@' | ':' | '/' | '?' | '#' | ' ') {
            let mut buffer = [0; 4];
            for byte in c.encode_utf8(&mut buffer).bytes() {
                out.push_str(&format!("%{byte:02X}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_decodes() {
        for text in ["a@b:c/d", "ß %", "plain"] {
            assert_eq!(decode(&encode(text), "text").as_deref(), Ok(text));
        }
    }

    #[test]
    fn places_are_split() {
        assert_eq!(split_place("h:1"), Ok(("h", Some(1))));
        assert_eq!(split_place("[::1]:2"), Ok(("::1", Some(2))));
        assert!(split_place("a,b").is_err() && split_place("h:x").is_err());
    }
}
