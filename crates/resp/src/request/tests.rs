use super::*;
use proptest::prelude::*;

type Words = Vec<Vec<u8>>;

/// Decodes `input` as it arrives in pieces, dropping what is consumed after each.
fn decode_pieces(pieces: &[&[u8]], limits: &Limits) -> (Vec<Words>, Option<ProtocolError>) {
    let mut decoder = RequestDecoder::new();
    let (mut buffer, mut requests) = (Vec::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        let mut spans = Vec::new();
        loop {
            match decoder.next(&mut buffer, &mut spans, limits) {
                Ok(Some(request)) => requests.push(request.args(&buffer, &spans).iter().map(<[u8]>::to_vec).collect()),
                Ok(None) => break,
                Err(error) => return (requests, Some(error)),
            }
        }
        buffer.drain(..decoder.take_consumed());
    }
    (requests, None)
}

fn decode(input: &[u8]) -> (Vec<Words>, Option<ProtocolError>) {
    decode_pieces(&[input], &Limits::default())
}

fn words(words: &[&str]) -> Words {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

fn encode(request: &Words) -> Vec<u8> {
    let mut wire = format!("*{}\r\n", request.len()).into_bytes();
    for word in request {
        wire.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        wire.extend_from_slice(word);
        wire.extend_from_slice(b"\r\n");
    }
    wire
}

#[test]
fn a_pipeline_of_bulk_and_inline_requests() {
    let (requests, error) = decode(b"*2\r\n$3\r\nGET\r\n$1\r\na\r\nPING\r\n*1\r\n$4\r\nPING\r\nECHO 'a b'\nEC");
    assert_eq!(requests, [words(&["GET", "a"]), words(&["PING"]), words(&["PING"]), words(&["ECHO", "a b"])]);
    assert_eq!(error, None);
}

#[test]
fn empty_requests_are_passed_over() {
    let (requests, error) = decode(b"\r\n\n*0\r\n*-5\r\n  \r\n*1\r\n$4\r\nPING\r\n");
    assert_eq!((requests, error), (vec![words(&["PING"])], None));
}

#[test]
fn ends_of_lines_are_not_looked_at_closely() {
    let (requests, error) = decode(b"*1\r\n$4\rxPINGxx*1\r\n$4\r\nPING\r\n");
    assert_eq!((requests.len(), error), (2, None));
}

/// Expected values: the replies of Redis 7.0.15.
#[test]
fn errors_have_the_texts_of_redis() {
    let long = |head: &str, filler: &str| [head.as_bytes(), &filler.as_bytes().repeat(70_000)].concat();
    for (input, text) in [
        (b"*2147483648\r\n".to_vec(), "invalid multibulk length"),
        (b"*03\r\n".to_vec(), "invalid multibulk length"),
        (b"*\r\n".to_vec(), "invalid multibulk length"),
        (b"*1\r\nx4\r\n".to_vec(), "expected '$', got 'x'"),
        (b"*1\r\n\r\n".to_vec(), "expected '$', got ' '"),
        (b"*1\r\n$-1\r\n".to_vec(), "invalid bulk length"),
        (b"*1\r\n$abc\r\n".to_vec(), "invalid bulk length"),
        (b"*1\r\n$\r\n".to_vec(), "invalid bulk length"),
        (b"*1\r\n$600000000\r\n".to_vec(), "invalid bulk length"),
        (b"ECHO \"a\"b\n".to_vec(), "unbalanced quotes in request"),
        (long("A", "A"), "too big inline request"),
        (long("*", "1"), "too big mbulk count string"),
        (long("*1\r\n$", "1"), "too big bulk count string"),
    ] {
        let (requests, error) = decode(&[b"*1\r\n$4\r\nPING\r\n".to_vec(), input].concat());
        assert_eq!(requests, [words(&["PING"])]);
        assert_eq!(error.unwrap().to_string(), format!("Protocol error: {text}"));
    }
}

#[test]
fn who_is_not_authenticated_gets_small_requests_only() {
    let limits = Limits { authenticated: false, ..Limits::default() };
    let error = |input: &str| decode_pieces(&[input.as_bytes()], &limits).1.map(|error| error.to_string());
    assert_eq!(error("*11\r\n").unwrap(), "Protocol error: unauthenticated multibulk length");
    assert_eq!(error("*10\r\n"), None);
    assert_eq!(error("*1\r\n$16385\r\n").unwrap(), "Protocol error: unauthenticated bulk length");
    assert_eq!(error("*1\r\n$16384\r\n"), None);
    let whole = encode(&vec![b"a".to_vec(); 11]);
    assert_eq!(decode_pieces(&[&whole], &limits), (vec![], Some(ProtocolError::UnauthenticatedMultibulkLength)));
}

#[test]
fn the_longest_argument_is_configurable() {
    let limits = Limits { max_bulk_len: 3, ..Limits::default() };
    assert_eq!(decode_pieces(&[b"*1\r\n$3\r\nabc\r\n"], &limits).1, None);
    assert_eq!(decode_pieces(&[b"*1\r\n$4\r\nabcd\r\n"], &limits).1, Some(ProtocolError::InvalidBulkLength));
}

#[test]
fn an_announced_length_reserves_nothing_and_says_what_is_missing() {
    let mut decoder = RequestDecoder::new();
    let mut buffer = b"*2147483647\r\n$536870912\r\nabc".to_vec();
    assert_eq!(decoder.next(&mut buffer, &mut Vec::new(), &Limits::default()), Ok(None));
    assert_eq!(decoder.missing_bytes(), (512 << 20) + 2 - 3);
    assert_eq!(decoder.size(), 0);
}

/// A request of 200,000 arguments that arrives in 20,000 pieces: quadratic work would take minutes.
#[test]
fn a_long_request_in_small_pieces_is_read_once() {
    let request: Words = (0..200_000).map(|number: u32| number.to_string().into_bytes()).collect();
    let wire = encode(&request);
    let pieces: Vec<&[u8]> = wire.chunks(wire.len() / 20_000).collect();
    assert_eq!(decode_pieces(&pieces, &Limits::default()), (vec![request], None));
}

#[test]
fn a_first_line_in_two_parts_does_not_confuse_the_next_request() {
    let pieces: [&[u8]; 3] = [b"*1", b"\r\n$4\r\nPING\r\n", b"\n"];
    assert_eq!(decode_pieces(&pieces, &Limits::default()), (vec![words(&["PING"])], None));
}

fn pipelines() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..20),
        prop::collection::vec(prop::sample::select(b"\r\n$*1\"".to_vec()), 0..6),
    ];
    let request = prop_oneof![
        8 => prop::collection::vec(word, 1..5).prop_map(|request| encode(&request)),
        2 => "[A-Z]{1,5}( [a-z]{0,3}| \"a\\\\x41\"| 'b'){0,3}\r?\n".prop_map(String::into_bytes),
        1 => prop::sample::select(vec![b"*0\r\n".to_vec(), b"\r\n".to_vec(), b"*-1\r\n".to_vec()]),
    ];
    prop::collection::vec(request, 0..6).prop_map(|requests| requests.concat())
}

proptest! {
    #[test]
    fn encoded_requests_come_back(requests in prop::collection::vec(prop::collection::vec(any::<Vec<u8>>(), 1..6), 0..6)) {
        let wire: Vec<u8> = requests.iter().flat_map(encode).collect();
        prop_assert_eq!(decode(&wire), (requests, None));
    }

    #[test]
    fn any_split_gives_the_same_requests(wire in pipelines(), junk in any::<Vec<u8>>(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let wire = [wire, junk].concat();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
        cuts.extend([0, wire.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &wire[pair[0]..pair[1]]).collect();
        prop_assert_eq!(decode_pieces(&pieces, &Limits::default()), decode(&wire));
        let bytes: Vec<&[u8]> = wire.chunks(1).collect();
        prop_assert_eq!(decode_pieces(&bytes, &Limits::default()), decode(&wire));
    }

    #[test]
    fn arbitrary_bytes_never_panic(wire: Vec<u8>, dense in "[*$0-9\r\n\"'\\\\x ]{0,60}", authenticated: bool) {
        let limits = Limits { authenticated, ..Limits::default() };
        decode_pieces(&[&wire], &limits);
        decode_pieces(&[dense.as_bytes()], &limits);
    }
}
