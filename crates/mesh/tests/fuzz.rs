//! Arbitrary frames never confuse a link: nothing panics, how they are cut into reads does not matter, and nothing
//! is allocated beyond what arrived.

use effect::{NodeId, Origin, Stamp, VersionVector};
use mesh::{BatchReader, BatchWriter, FrameDecoder, Message, Record};

fn origin(node: u64) -> Origin {
    Origin { node: NodeId(node), incarnation: 1 }
}

fn vector() -> VersionVector {
    let mut vector = VersionVector::new();
    vector.advance(origin(1), Stamp::from_ms(1_795_000_000_000));
    vector.advance(origin(2), Stamp(77));
    vector
}

/// What decoding found: messages as text, records, and the error that ended it.
fn decode(input: &[u8], step: usize) -> (Vec<String>, usize, Option<String>) {
    let (mut decoder, mut messages, mut records) = (FrameDecoder::default(), Vec::new(), 0);
    for chunk in input.chunks(step) {
        decoder.feed(chunk);
        loop {
            let (kind, payload) = match decoder.next_message(|_| usize::MAX) {
                Ok(Some(message)) => message,
                Ok(None) => break,
                Err(error) => return (messages, records, Some(error.to_string())),
            };
            match Message::decode(kind, payload) {
                Ok(message) => {
                    if let Message::Records { batch } = message {
                        records += count_records(batch);
                    }
                    messages.push(format!("{message:?}"));
                }
                Err(error) => messages.push(error.to_string()),
            }
        }
    }
    (messages, records, None)
}

fn count_records(batch: &[u8]) -> usize {
    let (mut reader, mut count) = (BatchReader::new(batch), 0);
    while let Ok(Some(record)) = reader.next_record() {
        assert!(record.first > record.previous && record.last() >= record.first);
        assert!(record.effects.len() + record.context.len() <= batch.len());
        count += 1;
    }
    count
}

fn message(message: &Message<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.put(&mut bytes);
    bytes
}

fn compared() -> Message<'static> {
    let (buckets, keys) = (vec![1, 63], vec![[u64::MAX, 7, 8], [1, 0, 0]]);
    Message::Compared { effects: vector(), differing: 2, moving: 1, buckets, keys }
}

fn batch() -> Vec<u8> {
    let mut batch = BatchWriter::default();
    let context = [(origin(2), Stamp(76)), (origin(3), Stamp(1 << 40))];
    let effects = b"\x10\x03key\x05value";
    batch.push(&Record {
        origin: origin(1),
        previous: Stamp(5),
        first: Stamp(9),
        count: 1,
        context: &[],
        assumed: &[],
        effects,
    });
    batch.push(&Record {
        origin: origin(1),
        previous: Stamp(9),
        first: Stamp(12),
        count: 3,
        context: &context,
        assumed: &[],
        effects,
    });
    batch.push(&Record {
        origin: origin(2),
        previous: Stamp(1),
        first: Stamp(77),
        count: 0,
        context: &[],
        assumed: &[],
        effects: b"",
    });
    batch.bytes().to_vec()
}

#[test]
fn frames() {
    let records = batch();
    let rows = vec![(origin(1), vector()), (origin(2), VersionVector::new())];
    let corpus = [
        message(&Message::Hello {
            origin: origin(1),
            unix_ms: 1_795_000_000_000,
            newest: Stamp::ZERO,
            vector: vector(),
        }),
        message(&Message::Vector { unix_ms: 1_795_000_000_000, changes: vector() }),
        message(&Message::Subscribe { after: vector() }),
        message(&Message::Hold { origins: vec![origin(1), origin(2)] }),
        message(&Message::Gap { floors: vector() }),
        message(&Message::Records { batch: &records }),
        message(&Message::StateBegin {
            vector: vector(),
            effects: vector(),
            decided: vector(),
            assumed: rows.clone(),
            rows,
        }),
        [message(&Message::StateChunk { bytes: b"piece" }), message(&Message::StateEnd)].concat(),
        message(&Message::Bye { reason: b"reason" }),
        message(&Message::Compare { start: u64::MAX, sums: vec![1; 64] }),
        message(&compared()),
    ];
    let corpus: Vec<&[u8]> = corpus.iter().map(Vec::as_slice).collect();
    testkit::fuzz::run(&corpus, |input| {
        let whole = decode(input, usize::MAX);
        assert_eq!(decode(input, 1), whole);
        assert_eq!(decode(input, 7), whole);
    });
}

/// The payloads alone, so that no checksum stands before the decoders.
#[test]
fn payloads() {
    let records = batch();
    let corpus = [
        message(&Message::Hello { origin: origin(1), unix_ms: 1, newest: Stamp::ZERO, vector: vector() }),
        message(&Message::StateBegin {
            vector: vector(),
            effects: vector(),
            decided: vector(),
            assumed: vec![(origin(2), vector())],
            rows: vec![(origin(1), vector())],
        }),
        message(&Message::Records { batch: &records }),
        message(&Message::Compare { start: 1, sums: vec![1; 64] }),
        message(&compared()),
    ];
    // Without the frame around it: type and length, and the checksum.
    let corpus: Vec<&[u8]> = corpus.iter().map(|frame| &frame[4..frame.len() - 4]).collect();
    testkit::fuzz::run(&corpus, |input| {
        for kind in 0..14 {
            let _ = Message::decode(kind, input);
        }
        count_records(input);
    });
}
