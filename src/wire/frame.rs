//! Frames: a four-byte big-endian length, then one JSON value. JSON because an older client must be able to skip what it
//! does not know, and because an operator can read a capture of it.

use crate::model::command::{Answer, Command};
use crate::model::event::Entry;
use crate::model::ids::{Operator, Seq};
use crate::model::role::Role;
use crate::model::sample::Samples;
use crate::model::view::{View, ViewKind};
use bytes::{Buf, BufMut, BytesMut};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;
use tokio_util::codec::{Decoder, Encoder};

/// Version of this protocol. A server refuses a client of another version with a sentence that names both.
pub const PROTOCOL: u32 = 2;

/// Largest frame; a longer one ends the connection instead of filling memory.
pub const MAX_FRAME_BYTES: usize = 16 * 1024 * 1024;

/// From client to engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "frame", rename_all = "snake_case")]
pub enum ClientFrame {
    /// First frame of a connection.
    Hello {
        /// [`PROTOCOL`].
        protocol: u32,
        /// Godwit's version.
        version: String,
        /// `cockpit` or `cli`.
        client: String,
    },
    /// Send journal rows after `since` and all later ones; with `samples`, also readings as they change.
    Subscribe {
        /// Last row that the client has.
        since: Seq,
        /// Whether readings are wanted.
        samples: bool,
    },
    /// Send these views now and whenever they change; replaces what was watched before.
    Watch {
        /// Which; none: no views.
        views: Vec<ViewKind>,
    },
    /// A command; its answer carries the same `id`.
    Command {
        /// Chosen by the client.
        id: u64,
        /// What to do.
        command: Command,
    },
}

/// From engine to client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "frame", rename_all = "snake_case")]
pub enum ServerFrame {
    /// Answer to `Hello`.
    Hello(Welcome),
    /// The connection is refused; it is closed after this frame.
    Refused {
        /// Why.
        why: String,
    },
    /// Journal rows in order, without gaps after the subscription's cursor.
    Entries {
        /// Rows.
        entries: Vec<Entry>,
    },
    /// All readings.
    Samples {
        /// Readings.
        samples: Box<Samples>,
    },
    /// A watched view, whole.
    View {
        /// Its content.
        view: Box<View>,
    },
    /// The answer to a command.
    Answer {
        /// The command's id.
        id: u64,
        /// The answer.
        answer: Box<Answer>,
    },
    /// The engine stops in an orderly way.
    Stopping {
        /// Why.
        why: String,
    },
}

/// What a client learns at the handshake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// The engine's version.
    pub version: String,
    /// Migration name.
    pub migration: String,
    /// Who the engine takes the client for (from the socket's peer credentials).
    pub operator: Operator,
    /// Its role.
    pub role: Role,
    /// Last journal row.
    pub head: Seq,
    /// The engine's process id.
    pub pid: u32,
}

/// A frame that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The socket failed.
    #[error("the connection to the engine failed: {0}")]
    Io(#[from] std::io::Error),
    /// A frame is longer than [`MAX_FRAME_BYTES`].
    #[error("a frame of {0} bytes is longer than the limit of {MAX_FRAME_BYTES}")]
    TooLong(usize),
    /// A frame is not what this version knows.
    #[error("a frame cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
}

/// Codec for one direction: decodes `In`, encodes `Out`.
pub struct FrameCodec<In, Out>(PhantomData<fn(Out) -> In>);

impl<In, Out> Default for FrameCodec<In, Out> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<In: DeserializeOwned, Out> Decoder for FrameCodec<In, Out> {
    type Item = In;
    type Error = FrameError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<In>, FrameError> {
        let Some(prefix) = src.get(..4) else { return Ok(None) };
        let mut length_bytes = [0u8; 4];
        length_bytes.copy_from_slice(prefix);
        let length = u32::from_be_bytes(length_bytes) as usize;
        if length > MAX_FRAME_BYTES {
            return Err(FrameError::TooLong(length));
        }
        if src.len() < 4 + length {
            src.reserve(4 + length - src.len());
            return Ok(None);
        }
        src.advance(4);
        let body = src.split_to(length);
        Ok(Some(serde_json::from_slice(&body)?))
    }
}

impl<In, Out: Serialize> Encoder<Out> for FrameCodec<In, Out> {
    type Error = FrameError;

    fn encode(&mut self, frame: Out, dst: &mut BytesMut) -> Result<(), FrameError> {
        let body = serde_json::to_vec(&frame)?;
        let length = u32::try_from(body.len()).ok().filter(|&n| n as usize <= MAX_FRAME_BYTES);
        let Some(length) = length else { return Err(FrameError::TooLong(body.len())) };
        dst.reserve(4 + body.len());
        dst.put_u32(length);
        dst.put_slice(&body);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Codec = FrameCodec<ServerFrame, ServerFrame>;

    #[test]
    fn a_frame_survives_any_cut() {
        let frame = ServerFrame::Refused { why: "because ü".to_owned() };
        let mut whole = BytesMut::new();
        Codec::default().encode(frame.clone(), &mut whole).unwrap();
        for cut in 0..whole.len() {
            let mut buffer = BytesMut::from(&whole[..cut]);
            assert!(Codec::default().decode(&mut buffer).unwrap().is_none(), "cut at {cut}");
            buffer.extend_from_slice(&whole[cut..]);
            assert_eq!(Codec::default().decode(&mut buffer).unwrap(), Some(frame.clone()));
            assert!(buffer.is_empty());
        }
    }

    #[test]
    fn a_huge_length_is_refused_before_memory_is_taken() {
        let mut buffer = BytesMut::from(&[0xFF, 0xFF, 0xFF, 0xFF, b'{'][..]);
        assert!(matches!(Codec::default().decode(&mut buffer), Err(FrameError::TooLong(_))));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            let mut buffer = BytesMut::from(&bytes[..]);
            let mut client = FrameCodec::<ClientFrame, ServerFrame>::default();
            while let Ok(Some(_)) = client.decode(&mut buffer) {}
        }
    }
}
