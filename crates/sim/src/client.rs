//! A client of a node: what it sends, what comes back, what comes unasked.

use engine::{Connection, Engine, Next, Now, Session, Worker};
use keyspace::KeyType;
use resp::Value;
use std::sync::Arc;

pub struct Client {
    session: Session,
    /// The command that waits.
    waiting: Option<Vec<String>>,
}

impl Client {
    pub fn new(engine: &Arc<Engine>, now: Now) -> Client {
        Client { session: Session::new(engine, Connection::default(), now), waiting: None }
    }

    /// Sends commands in one go; the replies as bytes.
    pub fn send<W: AsRef<str>, C: AsRef<[W]>>(&mut self, worker: &mut Worker, commands: &[C], now: Now) -> Vec<u8> {
        let next = self.feed(worker, commands, now);
        assert_eq!(next, Next::Read);
        std::mem::take(&mut self.session.out.buffer)
    }

    /// Sends a command that may have to wait, where none does.
    pub fn wait(&mut self, worker: &mut Worker, command: Vec<String>, now: Now) {
        if self.waiting.is_none() {
            let next = self.feed(worker, &[&command], now);
            self.waiting = (next != Next::Read).then_some(command);
            self.session.out.buffer.clear();
        }
    }

    /// The command that waits may have its reply by now.
    pub fn wait_on(&mut self, worker: &mut Worker, now: Now) {
        if self.waiting.is_some() && self.session.resume(worker, now) == Next::Read {
            self.waiting = None;
            self.session.out.buffer.clear();
        }
    }

    /// What is waited for, and the keys that may have it.
    pub fn awaited(&self) -> (KeyType, &[String]) {
        let Some(words) = &self.waiting else { return (KeyType::List, &[]) };
        match words[0].as_str() {
            "BLPOP" | "BRPOP" => (KeyType::List, &words[1..words.len() - 1]),
            "BLMOVE" | "BRPOPLPUSH" => (KeyType::List, &words[1..2]),
            "BLMPOP" => (KeyType::List, &words[3..5]),
            "BZPOPMIN" | "BZPOPMAX" => (KeyType::SortedSet, &words[1..words.len() - 1]),
            "BZMPOP" => (KeyType::SortedSet, &words[3..4]),
            _ => (KeyType::Stream, &[]),
        }
    }

    /// What has come unasked since: the words of each message.
    pub fn hear(&mut self, worker: &mut Worker, now: Now) -> Vec<Vec<String>> {
        self.session.resume(worker, now);
        let (mut at, mut messages) = (0, Vec::new());
        while let Some((message, length)) = Value::decode(&self.session.out.buffer[at..]).expect("replies") {
            let mut words = Vec::new();
            collect(&message, &mut words);
            messages.push(words);
            at += length;
        }
        self.session.out.buffer.clear();
        messages
    }

    fn feed<W: AsRef<str>, C: AsRef<[W]>>(&mut self, worker: &mut Worker, commands: &[C], now: Now) -> Next {
        let mut input = Vec::new();
        for words in commands {
            input.extend_from_slice(format!("*{}\r\n", words.as_ref().len()).as_bytes());
            for word in words.as_ref() {
                let word = word.as_ref();
                input.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
            }
        }
        let turn = self.session.feed(worker, &mut input, now);
        assert_eq!(turn.consumed, input.len());
        turn.next
    }
}

/// The strings in a message, in order.
fn collect(message: &Value, words: &mut Vec<String>) {
    match message {
        Value::Bulk(text) => words.push(String::from_utf8_lossy(text).into_owned()),
        Value::Array(parts) | Value::Push(parts) => parts.iter().for_each(|part| collect(part, words)),
        _ => {}
    }
}
