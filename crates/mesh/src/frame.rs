//! Frames: what the byte stream of a link is cut into. See docs/mesh-protocol.md.
//!
//! `[u32: type << 24 | length][payload][u32: CRC-32 of the first word and the payload]`, little endian.
//! A message longer than a frame goes in several: all but the last have the `CONTINUED` bit.

use std::fmt;

/// The longest payload of one frame, in bytes.
pub const MAX_PAYLOAD: usize = 1 << 20;
const CONTINUED: u8 = 0x80;
const HEADER: usize = 4;
const TRAILER: usize = 4;

/// Why a byte stream is not frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The length field exceeds `MAX_PAYLOAD`.
    TooLong,
    /// A continued message exceeds what one of its type may have.
    Endless,
    /// The checksum does not match.
    Checksum,
    /// A continued message changed its type half-way.
    Mixed,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FrameError::TooLong => "frame too long",
            FrameError::Endless => "message too long",
            FrameError::Checksum => "frame checksum mismatch",
            FrameError::Mixed => "continued frame of another type",
        })
    }
}

impl std::error::Error for FrameError {}

/// Appends a message as one or more frames.
pub fn put_message(output: &mut Vec<u8>, kind: u8, payload: &[u8]) {
    let mut rest = payload;
    loop {
        let (part, tail) = rest.split_at(rest.len().min(MAX_PAYLOAD));
        let kind = if tail.is_empty() { kind } else { kind | CONTINUED };
        let start = output.len();
        output.extend_from_slice(&(u32::from(kind) << 24 | part.len() as u32).to_le_bytes());
        output.extend_from_slice(part);
        let checksum = crc32fast::hash(&output[start..]);
        output.extend_from_slice(&checksum.to_le_bytes());
        rest = tail;
        if rest.is_empty() {
            return;
        }
    }
}

/// Puts messages together again. Holds what was received and not yet taken, nothing more.
#[derive(Default)]
pub struct FrameDecoder {
    buffer: Vec<u8>,
    /// How much of `buffer` was taken.
    taken: usize,
    /// The earlier parts of a continued message, and its type.
    parts: Vec<u8>,
    parts_kind: Option<u8>,
}

impl FrameDecoder {
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.taken > 0 {
            self.buffer.drain(..self.taken);
            self.taken = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message: its type and payload. `None`: more bytes are needed. `longest`: how many bytes a message of a type
    /// may have that goes in several frames.
    pub fn next_message(&mut self, longest: impl Fn(u8) -> usize) -> Result<Option<(u8, &[u8])>, FrameError> {
        // The payload of the previous continued message was handed out; it may go now.
        if self.parts_kind.is_none() {
            self.parts = Vec::new();
        }
        loop {
            let rest = &self.buffer[self.taken..];
            let Some(header) = rest.first_chunk::<HEADER>() else { return Ok(None) };
            let header = u32::from_le_bytes(*header);
            let (kind, length) = ((header >> 24) as u8, (header & 0x00ff_ffff) as usize);
            if length > MAX_PAYLOAD {
                return Err(FrameError::TooLong);
            }
            let end = HEADER + length;
            let Some(checksum) = rest.get(end..end + TRAILER) else { return Ok(None) };
            if crc32fast::hash(&rest[..end]).to_le_bytes() != checksum {
                return Err(FrameError::Checksum);
            }
            let payload = self.taken + HEADER..self.taken + end;
            self.taken += end + TRAILER;
            if self.parts_kind.is_some_and(|begun| begun != kind & !CONTINUED) {
                return Err(FrameError::Mixed);
            }
            if kind & CONTINUED != 0 {
                let kind = kind & !CONTINUED;
                if self.parts.len() + length > longest(kind) {
                    return Err(FrameError::Endless);
                }
                self.parts.extend_from_slice(&self.buffer[payload]);
                self.parts_kind = Some(kind);
                continue;
            }
            if self.parts_kind.take().is_some() {
                self.parts.extend_from_slice(&self.buffer[payload]);
                return Ok(Some((kind, &self.parts)));
            }
            return Ok(Some((kind, &self.buffer[payload])));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode_all(stream: &[u8], step: usize) -> Result<Vec<(u8, Vec<u8>)>, FrameError> {
        let mut decoder = FrameDecoder::default();
        let mut messages = Vec::new();
        for piece in stream.chunks(step.max(1)) {
            decoder.feed(piece);
            while let Some((kind, payload)) = decoder.next_message(|_| 10 * MAX_PAYLOAD)? {
                messages.push((kind, payload.to_vec()));
            }
        }
        Ok(messages)
    }

    #[test]
    fn a_long_message_is_cut_and_put_together() {
        let long: Vec<u8> = (0..3 * MAX_PAYLOAD + 5).map(|i| i as u8).collect();
        let mut stream = Vec::new();
        put_message(&mut stream, 3, &long);
        put_message(&mut stream, 4, b"short");
        assert_eq!(stream.len(), long.len() + 5 + 5 * (HEADER + TRAILER));
        let messages = decode_all(&stream, 100_000).unwrap();
        assert_eq!(messages, vec![(3, long), (4, b"short".to_vec())]);
    }

    #[test]
    fn a_message_ends_before_it_gets_too_long() {
        let mut stream = Vec::new();
        put_message(&mut stream, 3, &vec![1; 3 * MAX_PAYLOAD]);
        for (longest, whole) in [(2 * MAX_PAYLOAD, true), (2 * MAX_PAYLOAD - 1, false)] {
            let mut decoder = FrameDecoder::default();
            decoder.feed(&stream);
            let message = decoder.next_message(|kind| if kind == 3 { longest } else { 0 });
            assert_eq!(message.is_ok_and(|message| message.is_some()), whole);
            assert!(decoder.parts.len() <= longest + MAX_PAYLOAD);
        }
    }

    proptest! {
        #[test]
        fn messages_survive_any_cut(payloads in prop::collection::vec((0u8..0x80, prop::collection::vec(any::<u8>(), 0..300)), 0..8), step in 1usize..97) {
            let mut stream = Vec::new();
            for (kind, payload) in &payloads {
                put_message(&mut stream, *kind, payload);
            }
            prop_assert_eq!(decode_all(&stream, step).unwrap(), payloads);
        }

        #[test]
        fn a_flipped_bit_never_passes(payload in prop::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let mut stream = Vec::new();
            put_message(&mut stream, 5, &payload);
            let index = at.index(stream.len());
            stream[index] ^= 1 << bit;
            let decoded = decode_all(&stream, 64);
            prop_assert!(decoded.is_err() || decoded.unwrap().is_empty());
        }

        #[test]
        fn arbitrary_bytes_never_panic_or_grow(bytes in prop::collection::vec(any::<u8>(), 0..2000), step in 1usize..64) {
            let _ = decode_all(&bytes, step);
        }
    }
}
