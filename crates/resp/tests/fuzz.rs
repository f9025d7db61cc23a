//! Arbitrary bytes never confuse the request decoder: it does not panic, and how they are cut into reads does not matter.

use resp::{Limits, RequestDecoder};

type Requests = Vec<Vec<Vec<u8>>>;

/// Every request and the error that ended them, with at most `step` bytes arriving at a time.
fn decode(input: &[u8], step: usize) -> (Requests, Option<String>) {
    let (mut decoder, mut buffer, mut spans) = (RequestDecoder::new(), Vec::new(), Vec::new());
    let mut requests = Requests::new();
    for chunk in input.chunks(step) {
        buffer.extend_from_slice(chunk);
        loop {
            spans.clear();
            match decoder.next(&mut buffer, &mut spans, &Limits::default()) {
                Ok(Some(request)) => {
                    requests.push(request.args(&buffer, &spans).iter().map(<[u8]>::to_vec).collect());
                }
                Ok(None) => break,
                Err(error) => return (requests, Some(error.to_string())),
            }
        }
        let consumed = decoder.take_consumed();
        assert!(consumed <= buffer.len());
        buffer.drain(..consumed);
    }
    (requests, None)
}

#[test]
fn requests() {
    let corpus: &[&[u8]] = &[
        b"*1\r\n$4\r\nPING\r\n",
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nv\r\nvv\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
        b"*0\r\n*-1\r\n*1\r\n$0\r\n\r\n",
        b"PING\r\nSET key \"a b\\x00\\n\" 'it\\'s'\r\n\r\nGET key\n",
        b"*2\r\n$4\r\nECHO\r\n$20\r\n01234567890123456789\r\n",
    ];
    testkit::fuzz::run(corpus, |input| {
        let whole = decode(input, usize::MAX);
        assert_eq!(decode(input, 1), whole);
        assert_eq!(decode(input, 7), whole);
        assert!(whole.0.iter().all(|request| !request.is_empty()));
    });
}
