//! Clients of one node: two that write whatever comes, one that waits.

use super::commands::{Command, Commands};
use crate::{Client, Connection, Reply, connect, request};
use rand::Rng;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use std::{io, thread};

const COMMANDS_MAX: usize = 30;
/// A client rests after what it has sent, this long at most: nodes are to be busy, not more.
const REST_MAX: Duration = Duration::from_millis(25);
/// After an error: the node is away.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// Commands that went out together.
pub(super) struct Sent {
    /// Since the beginning of the run.
    pub begun: Duration,
    pub ended: Duration,
    pub node: usize,
    pub client: &'static str,
    pub in_transaction: bool,
    pub commands: Vec<Command>,
    /// None where no replies came.
    pub replies: Option<Vec<Reply>>,
}

/// A client, and until when it works.
pub(super) struct Worker<'a> {
    pub node: usize,
    pub client: &'static str,
    pub port: u16,
    pub began: Instant,
    pub ended: &'a AtomicBool,
}

impl Worker<'_> {
    /// Calls `turn` with a connection until the end, and makes a new one after an error.
    pub(super) fn work(&self, mut turn: impl FnMut(&mut Client) -> io::Result<()>) {
        let mut connection = None;
        while !self.ended.load(Relaxed) {
            let worked = match &mut connection {
                Some(client) => turn(client),
                none => connect(self.port).map(|client| *none = Some(client)),
            };
            if worked.is_err() {
                connection = None;
                thread::sleep(RETRY_INTERVAL);
            }
        }
    }

    /// Pipelines and transactions, until the end.
    pub(super) fn write(&self, mut commands: Commands) -> Vec<Sent> {
        let mut history = Vec::new();
        self.work(|client| {
            let in_transaction = commands.random().random_ratio(1, 5);
            let count = commands.random().random_range(1..COMMANDS_MAX);
            let group = (0..count).map(|_| commands.next()).collect();
            self.send(client, group, in_transaction, &mut history)?;
            thread::sleep(REST_MAX.mul_f64(commands.random().random()));
            Ok(())
        });
        history
    }

    /// Commands that wait, one after the other, until the end.
    pub(super) fn wait(&self, mut commands: Commands) -> Vec<Sent> {
        let mut history = Vec::new();
        self.work(|client| self.send(client, vec![commands.next_waiting()], false, &mut history));
        history
    }

    fn send(
        &self,
        client: &mut Client,
        commands: Vec<Command>,
        in_transaction: bool,
        history: &mut Vec<Sent>,
    ) -> io::Result<()> {
        let begun = self.began.elapsed();
        let outcome = exchange(client, &commands, in_transaction);
        let (failed, replies) = match outcome {
            Ok(replies) => (Ok(()), Some(replies)),
            Err(error) => (Err(error), None),
        };
        let (node, name, ended) = (self.node, self.client, self.began.elapsed());
        history.push(Sent { begun, ended, node, client: name, in_transaction, commands, replies });
        failed
    }
}

/// Sends commands together, and gives a reply of each; of a transaction that failed only its own.
pub(super) fn exchange(client: &mut Client, commands: &[Command], in_transaction: bool) -> io::Result<Vec<Reply>> {
    let mut bytes: Vec<u8> = commands.iter().flat_map(|command| request(command)).collect();
    if in_transaction {
        bytes = [request(&["MULTI"]), bytes, request(&["EXEC"])].concat();
    }
    client.send(&bytes)?;
    let around = if in_transaction { 2 } else { 0 };
    let mut replies = (0..commands.len() + around).map(|_| client.receive()).collect::<io::Result<Vec<_>>>()?;
    if in_transaction {
        return Ok(match replies.pop() {
            Some(Reply::Array(replies)) => replies,
            refused => refused.into_iter().collect(),
        });
    }
    Ok(replies)
}
