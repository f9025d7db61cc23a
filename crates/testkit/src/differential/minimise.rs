//! From a stream that differs to a short one that differs too.

use super::Operation;
use std::io;

/// Replays are cheap, but not free: at most so many.
const MAX_REPLAYS: usize = 300;

/// Leaves out ever smaller runs of operations, as long as what is left still differs.
pub(super) fn minimise(
    mut stream: Vec<Operation>,
    mut what: String,
    mut play: impl FnMut(&[Operation]) -> io::Result<Option<String>>,
) -> (Vec<Operation>, String) {
    let mut run = stream.len() / 2;
    let mut replays = 0;
    while run > 0 {
        let mut start = 0;
        while start < stream.len() && replays < MAX_REPLAYS {
            let end = (start + run).min(stream.len());
            let shorter: Vec<Operation> = [&stream[..start], &stream[end..]].concat();
            replays += 1;
            match play(&shorter) {
                Ok(Some(still)) => (stream, what) = (shorter, still),
                Ok(None) => start = end,
                // The server is gone: what is left is what killed it, or nearly.
                Err(_) => return (stream, what),
            }
        }
        run /= 2;
    }
    (stream, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::differential::Comparison;

    #[test]
    fn finds_the_two_that_matter() {
        let operation = |number: usize| Operation {
            connection: 0,
            arguments: vec![number.to_string().into_bytes()],
            comparison: Comparison::Exact,
            rest_ms: 0,
        };
        let differs = |part: &[Operation]| {
            let has = |number: &str| part.iter().any(|operation| operation.arguments[0] == number.as_bytes());
            Ok((has("17") && has("80")).then(String::new))
        };
        let (left, _) = minimise((0..100).map(operation).collect(), String::new(), differs);
        assert_eq!(left.len(), 2);
    }
}
