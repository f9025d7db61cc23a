//! The connection that subscribes: what reached it on each of two servers must be the same.

use crate::{Client, Connection, Reply, request};
use std::io;

/// Everything up to the answer to a PING that is sent now.
pub(super) fn drain(client: &mut Client) -> io::Result<Vec<Reply>> {
    const MARK: &[u8] = b"up to here";
    client.send(&request(&[b"PING", MARK]))?;
    let mut received = Vec::new();
    loop {
        let reply = client.receive()?;
        // A subscriber of RESP2 gets an array.
        let last = reply.elements().and_then(<[Reply]>::last).unwrap_or(&reply);
        if last.bytes() == Some(MARK) {
            return Ok(received);
        }
        received.push(reply);
    }
}

/// Makes comparable what was received: messages by channel, as patterns that match one message come in any order; replies as
/// they came, unless they say what all was unsubscribed from, also in any order. Since 7.2 a consumer that gets nothing is made,
/// too, and events say so.
pub(super) fn arrange(received: Vec<Reply>, unsubscribes_from_all: bool) -> (Vec<Reply>, Vec<Reply>) {
    let (mut messages, mut replies): (Vec<_>, Vec<_>) = received.into_iter().partition(is_message);
    messages.retain(|message| !is_of_consumer(message));
    messages.sort_by(|left, right| origin(left).cmp(&origin(right)));
    if unsubscribes_from_all {
        replies = replies.iter().flat_map(|reply| reply.elements().unwrap_or_default().to_vec()).collect();
        replies.sort();
    }
    (messages, replies)
}

fn is_message(reply: &Reply) -> bool {
    let kind = reply.elements().and_then(<[Reply]>::first).and_then(Reply::bytes);
    matches!(kind, Some(b"message" | b"pmessage" | b"smessage"))
}

fn is_of_consumer(message: &Reply) -> bool {
    let mut words = message.elements().unwrap_or_default().iter().filter_map(Reply::bytes);
    words.any(|word| word.ends_with(b"xgroup-createconsumer"))
}

/// All but the payload.
fn origin(message: &Reply) -> Option<&[Reply]> {
    message.elements()?.split_last().map(|(_, origin)| origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(words: &[&str]) -> Reply {
        Reply::Push(words.iter().map(|word| Reply::Bulk(word.as_bytes().to_vec())).collect())
    }

    #[test]
    fn messages_of_one_channel_keep_their_order() {
        let sent = [push(&["message", "b", "1"]), push(&["message", "a", "2"]), push(&["message", "b", "0"])];
        let (messages, replies) = arrange(sent.to_vec(), false);
        assert_eq!(messages, [sent[1].clone(), sent[0].clone(), sent[2].clone()]);
        assert!(replies.is_empty());
    }

    #[test]
    fn channels_are_left_in_any_order() {
        let left = vec![push(&["unsubscribe", "a", "1"]), push(&["unsubscribe", "b", "0"])];
        let right = vec![push(&["unsubscribe", "b", "1"]), push(&["unsubscribe", "a", "0"])];
        assert_eq!(arrange(left.clone(), true), arrange(right.clone(), true));
        assert_ne!(arrange(left, false), arrange(right, false));
    }
}
