//! Messages: what frames carry. See docs/mesh-protocol.md.

use crate::frame::put_message;
use effect::{DecodeError, NodeId, Origin, Stamp, VersionVector, put_varint, take_varint};

/// First word of the two sides: version of everything that follows the handshake.
pub const PROTOCOL_VERSION: u32 = 2;

/// Types of frames.
pub(crate) mod kind {
    pub(crate) const HELLO: u8 = 1;
    pub(crate) const VECTOR: u8 = 2;
    pub(crate) const SUBSCRIBE: u8 = 3;
    pub(crate) const HOLD: u8 = 4;
    pub(crate) const GAP: u8 = 5;
    pub(crate) const RECORDS: u8 = 6;
    pub(crate) const STATE_REQUEST: u8 = 7;
    pub(crate) const STATE_BEGIN: u8 = 8;
    pub(crate) const STATE_CHUNK: u8 = 9;
    pub(crate) const STATE_END: u8 = 10;
    pub(crate) const BYE: u8 = 11;
    pub(crate) const COMPARE: u8 = 12;
    pub(crate) const COMPARED: u8 = 13;
}

/// How many bytes a message of a peer may have that goes in several frames. `has_data`: it may send records and a data set, and one
/// commit and one key are as large as they are.
pub(crate) fn longest(kind: u8, has_data: bool) -> usize {
    const DATA: usize = u32::MAX as usize;
    /// Half a million lives of nodes.
    const OTHER: usize = 16 << 20;
    match kind {
        kind::RECORDS | kind::STATE_CHUNK if has_data => DATA,
        _ => OTHER,
    }
}

/// A message, borrowed from its frame.
#[derive(Debug, PartialEq)]
pub enum Message<'a> {
    /// First on the link, both ways: who speaks, its wall clock (ms since the Unix epoch) and what it has.
    Hello {
        origin: Origin,
        unix_ms: u64,
        /// The newest effect that the sender has.
        newest: Stamp,
        vector: VersionVector,
    },
    /// The sender's wall clock (ms since the Unix epoch), and the entries of its version vector that changed since
    /// it last told them on this link. From the replica they acknowledge, from the source they announce. Empty:
    /// still there.
    Vector {
        unix_ms: u64,
        changes: VersionVector,
    },
    /// Replica to source: send these origins' records, each after its stamp.
    Subscribe {
        after: VersionVector,
    },
    /// Replica to source: keep these origins' records until they are subscribed to again.
    Hold {
        origins: Vec<Origin>,
    },
    /// Source to replica: these subscriptions ended (or cannot begin), because the relay log begins at the
    /// stamp given.
    Gap {
        floors: VersionVector,
    },
    /// Records; read them with `batch::BatchReader`.
    Records {
        batch: &'a [u8],
    },
    /// Replica to source: send the data set.
    StateRequest,
    /// Source to replica: the data set follows, at least as new as `vector`, with everybody's rows. `effects`: the same without
    /// ticks. `decided`: up to where effects may have become part of it without a trace by the time that it ends. `assumed`: by each origin, as
    /// far as its row does not say it.
    StateBegin {
        vector: VersionVector,
        effects: VersionVector,
        decided: VersionVector,
        assumed: Vec<(Origin, VersionVector)>,
        rows: Vec<(Origin, VersionVector)>,
    },
    /// A piece of the data set, in the keyspace's encoding.
    StateChunk {
        bytes: &'a [u8],
    },
    StateEnd,
    /// Replica to source: what keys are here, as sums of digests by bucket (a power of two); which of those that differ are told of
    /// begins at `start`. See `compare`.
    Compare {
        start: u64,
        sums: Vec<u64>,
    },
    /// Source to replica: of so many buckets the sums differ, and so many keys are not at rest here. When `effects` is all there at the
    /// replica, what the keys of some of them are: (hash, digest and stamp, or zeros where it is not at rest).
    Compared {
        effects: VersionVector,
        differing: u64,
        moving: u64,
        buckets: Vec<u64>,
        keys: Vec<[u64; 3]>,
    },
    /// The sender closes the link, and why.
    Bye {
        reason: &'a [u8],
    },
}

pub(crate) fn put_origin(buffer: &mut Vec<u8>, origin: Origin) {
    buffer.extend_from_slice(&origin.node.0.to_le_bytes());
    put_varint(buffer, u64::from(origin.incarnation));
}

pub(crate) fn take_origin(rest: &mut &[u8]) -> Result<Origin, DecodeError> {
    let node = NodeId(take_u64(rest)?);
    let incarnation = u32::try_from(take_varint(rest)?).map_err(|_| DecodeError::BadNumber)?;
    Ok(Origin { node, incarnation })
}

pub(crate) fn put_u64(buffer: &mut Vec<u8>, value: u64) {
    buffer.extend_from_slice(&value.to_le_bytes());
}

pub(crate) fn take_u64(rest: &mut &[u8]) -> Result<u64, DecodeError> {
    let (bytes, tail) = rest.split_first_chunk::<8>().ok_or(DecodeError::Truncated)?;
    *rest = tail;
    Ok(u64::from_le_bytes(*bytes))
}

/// (origin, stamp)*, to the end.
fn put_vector(buffer: &mut Vec<u8>, vector: &VersionVector) {
    for (origin, stamp) in vector.iter() {
        put_origin(buffer, origin);
        put_u64(buffer, stamp.0);
    }
}

fn take_vector(mut rest: &[u8]) -> Result<VersionVector, DecodeError> {
    let mut vector = VersionVector::new();
    while !rest.is_empty() {
        vector.advance(take_origin(&mut rest)?, Stamp(take_u64(&mut rest)?));
    }
    Ok(vector)
}

/// A vector with its length in bytes before it.
fn put_sized_vector(buffer: &mut Vec<u8>, vector: &VersionVector) {
    let mut encoded = Vec::new();
    put_vector(&mut encoded, vector);
    put_varint(buffer, encoded.len() as u64);
    buffer.extend_from_slice(&encoded);
}

fn take_sized_vector(rest: &mut &[u8]) -> Result<VersionVector, DecodeError> {
    take_vector(take_sized(rest)?)
}

/// Bytes with their length before them.
pub(crate) fn take_sized<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    let length = take_varint(rest)?;
    let length = usize::try_from(length).ok().filter(|length| *length <= rest.len()).ok_or(DecodeError::Truncated)?;
    let (bytes, tail) = rest.split_at(length);
    *rest = tail;
    Ok(bytes)
}

/// What a message of this type must not have left over.
fn nothing_left(rest: &[u8]) -> Result<(), DecodeError> {
    if rest.is_empty() { Ok(()) } else { Err(DecodeError::BadNumber) }
}

impl<'a> Message<'a> {
    /// Appends the message as frames.
    pub fn put(&self, output: &mut Vec<u8>) {
        let mut payload = Vec::new();
        let kind = match self {
            Message::Hello { origin, unix_ms, newest, vector } => {
                put_origin(&mut payload, *origin);
                put_u64(&mut payload, *unix_ms);
                put_varint(&mut payload, newest.0);
                put_vector(&mut payload, vector);
                kind::HELLO
            }
            Message::Vector { unix_ms, changes } => {
                put_varint(&mut payload, *unix_ms);
                put_vector(&mut payload, changes);
                kind::VECTOR
            }
            Message::Subscribe { after } => {
                put_vector(&mut payload, after);
                kind::SUBSCRIBE
            }
            Message::Hold { origins } => {
                for origin in origins {
                    put_origin(&mut payload, *origin);
                }
                kind::HOLD
            }
            Message::Gap { floors } => {
                put_vector(&mut payload, floors);
                kind::GAP
            }
            Message::Records { batch } => return put_message(output, kind::RECORDS, batch),
            Message::StateRequest => kind::STATE_REQUEST,
            Message::StateBegin { vector, effects, decided, assumed, rows } => {
                put_sized_vector(&mut payload, vector);
                put_sized_vector(&mut payload, effects);
                put_sized_vector(&mut payload, decided);
                put_varint(&mut payload, assumed.len() as u64);
                for (origin, row) in assumed.iter().chain(rows) {
                    put_origin(&mut payload, *origin);
                    put_sized_vector(&mut payload, row);
                }
                kind::STATE_BEGIN
            }
            Message::StateChunk { bytes } => return put_message(output, kind::STATE_CHUNK, bytes),
            Message::StateEnd => kind::STATE_END,
            Message::Compare { start, sums } => {
                put_varint(&mut payload, *start);
                sums.iter().for_each(|sum| put_u64(&mut payload, *sum));
                kind::COMPARE
            }
            Message::Compared { effects, differing, moving, buckets, keys } => {
                put_sized_vector(&mut payload, effects);
                for number in [*differing, *moving, buckets.len() as u64].iter().chain(buckets) {
                    put_varint(&mut payload, *number);
                }
                keys.as_flattened().iter().for_each(|number| put_u64(&mut payload, *number));
                kind::COMPARED
            }
            Message::Bye { reason } => return put_message(output, kind::BYE, reason),
        };
        put_message(output, kind, &payload);
    }

    /// Reads the payload of a frame of type `kind`.
    pub fn decode(kind: u8, payload: &'a [u8]) -> Result<Message<'a>, DecodeError> {
        let mut rest = payload;
        let message = match kind {
            kind::HELLO => Message::Hello {
                origin: take_origin(&mut rest)?,
                unix_ms: take_u64(&mut rest)?,
                newest: Stamp(take_varint(&mut rest)?),
                vector: take_vector(rest)?,
            },
            kind::VECTOR => Message::Vector { unix_ms: take_varint(&mut rest)?, changes: take_vector(rest)? },
            kind::SUBSCRIBE => Message::Subscribe { after: take_vector(rest)? },
            kind::HOLD => {
                let mut origins = Vec::new();
                while !rest.is_empty() {
                    origins.push(take_origin(&mut rest)?);
                }
                Message::Hold { origins }
            }
            kind::GAP => Message::Gap { floors: take_vector(rest)? },
            kind::RECORDS => Message::Records { batch: payload },
            kind::STATE_REQUEST => {
                nothing_left(rest)?;
                Message::StateRequest
            }
            kind::STATE_BEGIN => {
                let (vector, effects) = (take_sized_vector(&mut rest)?, take_sized_vector(&mut rest)?);
                let decided = take_sized_vector(&mut rest)?;
                let (mut assumed, mut rows) = (Vec::new(), Vec::new());
                for _ in 0..take_varint(&mut rest)? {
                    assumed.push((take_origin(&mut rest)?, take_sized_vector(&mut rest)?));
                }
                while !rest.is_empty() {
                    rows.push((take_origin(&mut rest)?, take_sized_vector(&mut rest)?));
                }
                Message::StateBegin { vector, effects, decided, assumed, rows }
            }
            kind::STATE_CHUNK => Message::StateChunk { bytes: payload },
            kind::STATE_END => {
                nothing_left(rest)?;
                Message::StateEnd
            }
            kind::COMPARE => {
                let (start, mut sums) = (take_varint(&mut rest)?, Vec::new());
                while !rest.is_empty() {
                    sums.push(take_u64(&mut rest)?);
                }
                Message::Compare { start, sums }
            }
            kind::COMPARED => {
                let effects = take_sized_vector(&mut rest)?;
                let (differing, moving) = (take_varint(&mut rest)?, take_varint(&mut rest)?);
                let (mut buckets, mut keys) = (Vec::new(), Vec::new());
                for _ in 0..take_varint(&mut rest)? {
                    buckets.push(take_varint(&mut rest)?);
                }
                while !rest.is_empty() {
                    keys.push([take_u64(&mut rest)?, take_u64(&mut rest)?, take_u64(&mut rest)?]);
                }
                Message::Compared { effects, differing, moving, buckets, keys }
            }
            kind::BYE => Message::Bye { reason: payload },
            unknown => return Err(DecodeError::UnknownTag(unknown)),
        };
        Ok(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::FrameDecoder;
    use proptest::prelude::*;

    fn vectors() -> impl Strategy<Value = VersionVector> {
        prop::collection::vec((1u64..9, any::<u32>(), any::<u64>()), 0..6).prop_map(|entries| {
            let mut vector = VersionVector::new();
            for (node, incarnation, stamp) in entries {
                vector.advance(Origin { node: NodeId(node), incarnation }, Stamp(stamp));
            }
            vector
        })
    }

    fn round_trip(message: &Message<'_>) {
        let mut stream = Vec::new();
        message.put(&mut stream);
        let mut decoder = FrameDecoder::default();
        decoder.feed(&stream);
        let (kind, payload) = decoder.next_message(|_| usize::MAX).unwrap().unwrap();
        assert_eq!(&Message::decode(kind, payload).unwrap(), message);
    }

    proptest! {
        #[test]
        fn every_message_round_trips(vector in vectors(), row in vectors(), unix_ms in any::<u64>(), bytes in prop::collection::vec(any::<u8>(), 0..50), numbers in prop::collection::vec(any::<u64>(), 0..9)) {
            let origin = Origin { node: NodeId(77), incarnation: 3 };
            let origins = vector.iter().map(|(origin, _)| origin).collect();
            for message in [
                Message::Hello { origin, unix_ms, newest: Stamp(unix_ms), vector: vector.clone() },
                Message::Vector { unix_ms, changes: vector.clone() },
                Message::Subscribe { after: vector.clone() },
                Message::Hold { origins },
                Message::Gap { floors: vector.clone() },
                Message::Records { batch: &bytes },
                Message::StateRequest,
                Message::StateBegin { vector: vector.clone(), effects: row.clone(), decided: row.clone(), assumed: vec![(origin, row.clone())], rows: vec![(origin, row.clone()), (origin, vector)] },
                Message::StateChunk { bytes: &bytes },
                Message::StateEnd,
                Message::Bye { reason: &bytes },
                Message::Compare { start: unix_ms, sums: numbers.clone() },
                Message::Compared { effects: row.clone(), differing: unix_ms, moving: 0, buckets: numbers.clone(), keys: numbers.iter().map(|number| [*number; 3]).collect() },
            ] {
                round_trip(&message);
            }
        }

        #[test]
        fn arbitrary_payloads_never_panic(kind in 0u8..16, payload in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Message::decode(kind, &payload);
        }
    }
}
