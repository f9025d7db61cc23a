//! Peers that send nonsense: an error closes the link, and nothing else happens.

use crate::causes::{begin_data_set, vector};
use crate::network::{EPOCH_MS, ToyStore, options, origin};
use effect::{Stamp, VersionVector};
use mesh::{Action, BatchWriter, FrameDecoder, Input, LinkId, MasterState, Mesh, Message, Now, Record};
use proptest::prelude::*;

const NOW: Now = Now { unix_ms: EPOCH_MS, monotonic_ms: 1 };

/// A mesh with a link that is open: accepted (we serve) or dialled (we receive).
pub fn open_link(upstream: bool) -> (Mesh, ToyStore, LinkId) {
    let mut mesh = Mesh::new(origin(0, 1), options(), 1, NOW);
    let mut store = ToyStore::default();
    mesh.activate(Stamp::ZERO);
    let link = if upstream {
        mesh.add_master("peer", 1, NOW);
        mesh.turn(&mut store, NOW);
        let link = dialled(&mut mesh);
        mesh.handle(link, Input::Connected, &mut store, NOW);
        let replies = b"+PONG\r\n+OK\r\n+OK\r\n+MESH 2 0000000000000002 1 multi-master 0000000000000022\r\n";
        mesh.handle(link, Input::Received { bytes: replies }, &mut store, NOW);
        link
    } else {
        mesh.accept(&["2", "0000000000000002", "1", "multi-master", "0000000000000022"], "peer", 1, NOW)
    };
    let mut vector = VersionVector::new();
    vector.advance(origin(1, 1), Stamp(5));
    send(
        &mut mesh,
        &mut store,
        link,
        &Message::Hello { origin: origin(1, 1), unix_ms: EPOCH_MS, newest: Stamp::ZERO, vector },
    );
    assert!(!is_closed(&mut mesh), "the link is up");
    (mesh, store, link)
}

pub fn send(mesh: &mut Mesh, store: &mut ToyStore, link: LinkId, message: &Message<'_>) {
    let mut bytes = Vec::new();
    message.put(&mut bytes);
    mesh.handle(link, Input::Received { bytes: &bytes }, store, NOW);
}

/// What a mesh sends behind the last word of its handshake, which says which process it is.
pub fn frames_of(output: &[u8]) -> &[u8] {
    const LAST: &[u8] = b"multi-master\r\n$16\r\n0000000000000001\r\n";
    let end = output.windows(LAST.len()).position(|window| window == LAST).map_or(0, |at| at + LAST.len());
    &output[end..]
}

fn dialled(mesh: &mut Mesh) -> LinkId {
    std::iter::from_fn(|| mesh.poll_action())
        .find_map(|action| if let Action::Dial { link, .. } = action { Some(link) } else { None })
        .expect("dials")
}

pub fn is_closed(mesh: &mut Mesh) -> bool {
    std::iter::from_fn(|| mesh.poll_action()).any(|action| matches!(action, Action::Close { .. }))
}

#[test]
fn a_message_of_the_wrong_side_closes_the_link() {
    for (upstream, message) in [
        (true, Message::StateRequest),
        (true, Message::Subscribe { after: VersionVector::new() }),
        (true, Message::StateEnd),
        (true, Message::StateChunk { bytes: b"x" }),
        (false, Message::Records { batch: b"" }),
        (false, Message::StateEnd),
        (false, Message::Hello { origin: origin(1, 1), unix_ms: 0, newest: Stamp::ZERO, vector: VersionVector::new() }),
    ] {
        let (mut mesh, mut store, link) = open_link(upstream);
        send(&mut mesh, &mut store, link, &message);
        assert!(is_closed(&mut mesh), "{message:?}");
        let mut last = Vec::new();
        mesh.transmit(link, &mut last, 1 << 20, NOW);
        assert_eq!(mesh.links().count(), 0);
    }
}

/// A data directory was copied: what one of them has written would be taken for what the other had.
#[test]
fn two_servers_of_one_name_are_not_linked_at_once() {
    let twin = |process| ["2", "0000000000000002", "1", "multi-master", process];
    let reply_to = |mesh: &mut Mesh, words: &[&str]| {
        let link = mesh.accept(words, "other", 2, NOW);
        let mut reply = Vec::new();
        mesh.transmit(link, &mut reply, 1 << 20, NOW);
        String::from_utf8_lossy(&reply[..20]).into_owned()
    };
    for upstream in [true, false] {
        let (mut mesh, ..) = open_link(upstream);
        assert!(reply_to(&mut mesh, &twin("0000000000000022")).starts_with("+MESH"), "the same process");
        assert!(reply_to(&mut mesh, &twin("0000000000000023")).starts_with("-ERR two servers"));
        let later = ["2", "0000000000000002", "2", "multi-master", "0000000000000023"];
        assert!(reply_to(&mut mesh, &later).starts_with("+MESH"), "a later life");
        let own = |process| ["2", "0000000000000001", "1", "multi-master", process];
        assert!(reply_to(&mut mesh, &own("0000000000000001")).starts_with("-ERR Can't replicate"));
        assert!(reply_to(&mut mesh, &own("0000000000000002")).starts_with("-ERR two servers"));
    }
}

/// The same where this side dials: it tries again, and says why there is no link.
#[test]
fn a_master_of_a_name_that_is_linked_already_is_told_apart() {
    let (mut mesh, mut store, _) = open_link(false);
    mesh.add_master("copy", 1, NOW);
    mesh.turn(&mut store, NOW);
    let link = dialled(&mut mesh);
    mesh.handle(link, Input::Connected, &mut store, NOW);
    let replies = b"+PONG\r\n+OK\r\n+OK\r\n+MESH 2 0000000000000002 1 multi-master 0000000000000099\r\n";
    mesh.handle(link, Input::Received { bytes: replies }, &mut store, NOW);
    assert!(is_closed(&mut mesh));
    let status = mesh.status(NOW);
    let master = &status.masters[0];
    assert!(!master.is_myself && format!("{master:?}").contains("two servers have the same node id"), "{master:?}");
}

/// Only what a source sends can be that long.
#[test]
fn a_message_without_an_end_closes_the_link() {
    let long = vec![7; 19 << 20];
    for (upstream, message, closes) in [
        (false, Message::StateChunk { bytes: &long }, true),
        (false, Message::Records { batch: &long }, true),
        (false, Message::Bye { reason: &long }, true),
        (true, Message::Bye { reason: &long }, true),
        (true, Message::StateChunk { bytes: &long }, false),
        (true, Message::Records { batch: &long }, false),
    ] {
        let (mut mesh, mut store, link) = open_link(upstream);
        let mut frames = Vec::new();
        message.put(&mut frames);
        // All but the last frame.
        mesh.handle(link, Input::Received { bytes: &frames[..18 << 20] }, &mut store, NOW);
        assert_eq!(is_closed(&mut mesh), closes, "upstream {upstream}");
    }
}

#[test]
fn more_lives_than_can_be_told_apart_close_the_link() {
    let lives_of = |node, count: u32| {
        let mut vector = VersionVector::new();
        (1..=count).for_each(|life| vector.advance(origin(node, life), Stamp(5)));
        vector
    };
    let (lives, others) = (|count| lives_of(2, count), |count| lives_of(3, count));
    let state_begin = |vector, decided, assumed, rows| Message::StateBegin {
        vector,
        effects: VersionVector::new(),
        decided,
        assumed,
        rows,
    };
    let announce = |changes| Message::Vector { unix_ms: EPOCH_MS, changes };
    let subscribe = |after| Message::Subscribe { after };
    for (upstream, messages) in [
        (true, [announce(lives(30_000)), announce(others(10_000))]),
        (false, [announce(lives(30_000)), announce(others(10_000))]),
        (false, [subscribe(lives(30_000)), subscribe(others(10_000))]),
    ] {
        let (mut mesh, mut store, link) = open_link(upstream);
        send(&mut mesh, &mut store, link, &messages[0]);
        assert!(!is_closed(&mut mesh));
        send(&mut mesh, &mut store, link, &messages[1]);
        assert!(is_closed(&mut mesh), "they count together");
    }
    for message in [
        Message::Vector { unix_ms: EPOCH_MS, changes: lives(33_000) },
        state_begin(lives(33_000), VersionVector::new(), vec![], vec![]),
        state_begin(VersionVector::new(), lives(33_000), vec![], vec![]),
        state_begin(VersionVector::new(), VersionVector::new(), vec![], vec![(origin(1, 1), lives(33_000))]),
        state_begin(VersionVector::new(), VersionVector::new(), vec![(origin(1, 1), lives(33_000))], vec![]),
    ] {
        let (mut mesh, mut store, link) = open_link(true);
        send(&mut mesh, &mut store, link, &message);
        let reasons = std::iter::from_fn(|| mesh.poll_action()).filter_map(|action| match action {
            Action::Log { text, .. } => Some(text),
            _ => None,
        });
        assert!(reasons.into_iter().any(|text| text.contains("more than we can tell apart")));
    }
}

#[test]
fn a_data_set_of_the_future_has_to_wait() {
    let latest = Stamp::last_of_ms(EPOCH_MS + options().clock_skew_max_ms);
    for (newest, is_refused) in [(latest, false), (latest.plus(1), true), (Stamp::MAX, true)] {
        let mut opened = open_link(true);
        begin_data_set(&mut opened, &vector(&[(1, newest.0)]), vec![]);
        assert_eq!(is_closed(&mut opened.0), is_refused, "{newest:?}");
    }
}

#[test]
fn records_that_come_with_a_data_set_must_be_part_of_it() {
    let mut vector = VersionVector::new();
    vector.advance(origin(1, 1), Stamp(5));
    for (last, effects, is_refused) in [(5, vec![], false), (6, vec![], true), (5, vec![0xff], true)] {
        let (mut mesh, mut store, link) = open_link(true);
        send(&mut mesh, &mut store, link, &Message::Gap { floors: vector.clone() });
        send(
            &mut mesh,
            &mut store,
            link,
            &Message::StateBegin {
                vector: vector.clone(),
                effects: vector.clone(),
                decided: VersionVector::new(),
                assumed: Vec::new(),
                rows: Vec::new(),
            },
        );
        assert!(!is_closed(&mut mesh));
        let mut batch = BatchWriter::default();
        let first = Stamp(last);
        batch.push(&Record {
            origin: origin(1, 1),
            previous: Stamp(3),
            first,
            count: 1,
            context: &[],
            assumed: &[],
            effects: &effects,
        });
        send(&mut mesh, &mut store, link, &Message::Records { batch: batch.bytes() });
        assert_eq!(is_closed(&mut mesh), is_refused, "{last} {effects:?}");
    }
}

#[test]
fn a_data_set_that_is_on_its_way_cannot_be_asked_for_again() {
    let (mut mesh, mut store, link) = open_link(false);
    send(&mut mesh, &mut store, link, &Message::StateRequest);
    assert!(!is_closed(&mut mesh));
    send(&mut mesh, &mut store, link, &Message::StateRequest);
    assert!(is_closed(&mut mesh));
}

#[test]
fn a_record_in_our_own_name_closes_the_link() {
    let (mut mesh, mut store, link) = open_link(true);
    let mut batch = BatchWriter::default();
    let own = Record {
        origin: origin(0, 1),
        previous: Stamp(0),
        first: Stamp(9),
        count: 1,
        context: &[],
        assumed: &[],
        effects: b"",
    };
    batch.push(&own);
    send(&mut mesh, &mut store, link, &Message::Records { batch: batch.bytes() });
    assert!(is_closed(&mut mesh));
}

#[test]
fn a_record_that_cannot_be_applied_closes_the_link() {
    let (mut mesh, mut store, link) = open_link(true);
    let mut batch = BatchWriter::default();
    let broken = Record {
        origin: origin(1, 1),
        previous: Stamp(0),
        first: Stamp(5),
        count: 1,
        context: &[],
        assumed: &[],
        effects: b"\xee",
    };
    batch.push(&broken);
    send(&mut mesh, &mut store, link, &Message::Records { batch: batch.bytes() });
    assert!(is_closed(&mut mesh));
    assert_eq!(mesh.vector().get(origin(1, 1)), Stamp(0));
    // It is not taken for received when the link is back: nothing behind it is applied.
    let mut after = VersionVector::new();
    after.advance(origin(1, 1), Stamp(0));
    assert!(subscriptions_after_reconnect(&mut mesh, &mut store).contains(&after));
}

/// What a dialled mesh asks its peer for after the link broke.
fn subscriptions_after_reconnect(mesh: &mut Mesh, store: &mut ToyStore) -> Vec<VersionVector> {
    let now = Now { monotonic_ms: 60_000, ..NOW };
    mesh.turn(store, now);
    let link = dialled(mesh);
    mesh.handle(link, Input::Connected, store, now);
    let mut bytes = b"+PONG\r\n+OK\r\n+OK\r\n+MESH 2 0000000000000002 1 multi-master 0000000000000022\r\n".to_vec();
    let mut vector = VersionVector::new();
    vector.advance(origin(1, 1), Stamp(5));
    Message::Hello { origin: origin(1, 1), unix_ms: EPOCH_MS, newest: Stamp::ZERO, vector }.put(&mut bytes);
    mesh.handle(link, Input::Received { bytes: &bytes }, store, now);
    let mut output = Vec::new();
    mesh.transmit(link, &mut output, 1 << 20, now);
    let mut decoder = FrameDecoder::default();
    decoder.feed(frames_of(&output));
    let mut subscriptions = Vec::new();
    while let Some((kind, payload)) = decoder.next_message(|_| usize::MAX).unwrap() {
        if let Ok(Message::Subscribe { after }) = Message::decode(kind, payload) {
            subscriptions.push(after);
        }
    }
    subscriptions
}

#[test]
fn a_hole_in_a_stream_is_asked_for_again() {
    let (mut mesh, mut store, link) = open_link(true);
    let mut output = Vec::new();
    mesh.transmit(link, &mut output, 1 << 20, NOW);
    let mut batch = BatchWriter::default();
    batch.push(&Record {
        origin: origin(1, 1),
        previous: Stamp(7),
        first: Stamp(9),
        count: 0,
        context: &[],
        assumed: &[],
        effects: b"",
    });
    send(&mut mesh, &mut store, link, &Message::Records { batch: batch.bytes() });
    assert!(!is_closed(&mut mesh));
    assert_eq!(mesh.vector().get(origin(1, 1)), Stamp(0), "not applied");
    output.clear();
    let later = Now { monotonic_ms: 250, ..NOW };
    assert!(mesh.deadline_ms().unwrap() <= later.monotonic_ms);
    mesh.turn(&mut store, later);
    mesh.transmit(link, &mut output, 1 << 20, later);
    let mut expected = Vec::new();
    let mut after = VersionVector::new();
    after.advance(origin(1, 1), Stamp(0));
    Message::Subscribe { after }.put(&mut expected);
    assert!(output.ends_with(&expected));
}

fn payloads() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    prop::collection::vec((0u8..14, prop::collection::vec(any::<u8>(), 0..60)), 1..6)
}

proptest! {
    #[test]
    fn frames_of_nonsense_never_panic(upstream in any::<bool>(), frames in payloads(), step in 1usize..50) {
        let (mut mesh, mut store, link) = open_link(upstream);
        let mut stream = Vec::new();
        for (kind, payload) in &frames {
            let start = stream.len();
            stream.extend_from_slice(&(u32::from(*kind) << 24 | payload.len() as u32).to_le_bytes());
            stream.extend_from_slice(payload);
            let checksum = crc32fast::hash(&stream[start..]);
            stream.extend_from_slice(&checksum.to_le_bytes());
        }
        for bytes in stream.chunks(step) {
            mesh.handle(link, Input::Received { bytes }, &mut store, NOW);
            let later = Now { monotonic_ms: 2_000, ..NOW };
            mesh.turn(&mut store, later);
            let mut output = Vec::new();
            mesh.transmit(link, &mut output, 1 << 20, later);
            prop_assert!(output.len() < 1 << 20);
        }
    }

    #[test]
    fn bytes_of_nonsense_never_panic(upstream in any::<bool>(), bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        let (mut mesh, mut store, link) = open_link(upstream);
        mesh.handle(link, Input::Received { bytes: &bytes }, &mut store, NOW);
    }

    #[test]
    fn words_of_nonsense_are_refused(words in prop::collection::vec(".{0,20}", 0..6)) {
        let mut mesh = Mesh::new(origin(0, 1), options(), 1, NOW);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let link = mesh.accept(&words, "peer", 1, NOW);
        let mut reply = Vec::new();
        mesh.transmit(link, &mut reply, 1000, NOW);
        prop_assert!(reply.starts_with(b"-ERR"));
    }
}

#[test]
fn a_source_that_does_not_send_its_data_set_is_given_up() {
    // Nothing of it, its beginning, a piece now and then; always something else.
    for (begins, pieces, is_given_up) in [(false, false, true), (true, false, true), (true, true, false)] {
        let mut node = open_link(true);
        if begins {
            begin_data_set(&mut node, &vector(&[(1, 9)]), vec![]);
        } else {
            send(&mut node.0, &mut node.1, node.2, &Message::Gap { floors: vector(&[(1, 9)]) });
        }
        let (mesh, store, link) = &mut node;
        assert!(mesh.status(NOW).masters[0].state == MasterState::Sync);
        for seconds in 1..=12 {
            let now = Now { monotonic_ms: NOW.monotonic_ms + seconds * 1000, unix_ms: NOW.unix_ms + seconds * 1000 };
            let mut bytes = Vec::new();
            Message::Vector { unix_ms: now.unix_ms, changes: VersionVector::new() }.put(&mut bytes);
            if pieces && seconds % 4 == 0 {
                Message::StateChunk { bytes: b"" }.put(&mut bytes);
            }
            mesh.handle(*link, Input::Received { bytes: &bytes }, store, now);
            mesh.turn(store, now);
        }
        assert_eq!(is_closed(mesh), is_given_up, "{begins} {pieces}");
        assert_eq!(mesh.status(NOW).masters[0].state == MasterState::Sync, !is_given_up);
    }
}
