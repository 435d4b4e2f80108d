//! Log locations in PostgreSQL's text form, `16/B374D848`.

use crate::model::change::Position;
use crate::stores::error::ErrorKind;
use crate::stores::postgres::wire::link::Link;
use crate::stores::{Result, error::Operation};

/// Reads the text form.
pub fn parse(text: &str) -> Option<u64> {
    let (high, low) = text.split_once('/')?;
    let part = |hex: &str| if hex.len() <= 8 { u32::from_str_radix(hex, 16).ok() } else { None };
    Some(u64::from(part(high)?) << 32 | u64::from(part(low)?))
}

/// Reads a location that a server sent and that must be there.
pub fn from_server(link: &Link, operation: Operation, text: Option<&str>) -> Result<Position> {
    text.and_then(parse).map(Position::Lsn).ok_or_else(|| {
        link.error(
            operation,
            ErrorKind::Protocol,
            format!("the server gave no log position where one belongs ({text:?})"),
        )
    })
}

/// The number in a PostgreSQL position; a position of another engine is a defect of the caller.
pub fn number(link: &Link, operation: Operation, position: Position) -> Result<u64> {
    match position {
        Position::Lsn(lsn) => Ok(lsn),
        Position::LogRow(_) => {
            Err(link.error(operation, ErrorKind::Protocol, format!("{position} is not a position in a PostgreSQL log")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips() {
        for lsn in [0, 1, 0xFFFF_FFFF, 0x16_B374_D848, u64::MAX] {
            assert_eq!(parse(&Position::Lsn(lsn).to_string()), Some(lsn));
        }
        for bad in ["", "16", "16/", "/16", "x/1", "1/123456789", "+1/2/3"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
