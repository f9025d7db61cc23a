//! Drives two servers with one stream.

use super::compare::{equal, sorted};
use super::generator::{CONNECTIONS, Generator, LISTENER};
use super::{Comparison, Operation, listener, minimise};
use crate::dump;
use crate::script::Protocol;
use crate::{Client, Connection, Reply, ServerProcess, quote, request};
use std::time::{Duration, Instant};
use std::{fmt, io};

/// Deadlines computed from "now" on two servers are this much apart at most, with a pause of the machine.
const DEADLINE_TOLERANCE_MS: u64 = 5000;
/// Expired keys are looked for ten times a second; a busy machine takes longer.
const EXPIRY_TIMEOUT: Duration = Duration::from_secs(3);
/// The final state is read after as many operations.
const STREAM_LEN: usize = 2000;

/// Which streams to run.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The first stream's; the next ones count up.
    pub seed: u64,
    /// Ends after whichever comes first.
    pub operations: usize,
    pub duration: Duration,
}

/// What ran without a difference.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub streams: usize,
    pub operations: usize,
}

/// Two servers that do not agree.
#[derive(Debug)]
pub struct Difference {
    pub seed: u64,
    /// The shortest stream found that shows it.
    pub operations: Vec<Operation>,
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}\nafter:", self.seed, self.what)?;
        for operation in &self.operations {
            let words: Vec<String> = operation.arguments.iter().map(|word| quote(word)).collect();
            writeln!(f, "  {}> {}", ["a", "b", "listener"][operation.connection], words.join(" "))?;
        }
        Ok(())
    }
}

/// Runs streams on both servers until one differs. The outer error: a server is gone.
pub fn run(left: &ServerProcess, right: &ServerProcess, settings: Settings) -> io::Result<Result<Tally, Difference>> {
    let started = Instant::now();
    let mut tally = Tally::default();
    while tally.operations < settings.operations && started.elapsed() < settings.duration {
        let seed = settings.seed + tally.streams as u64;
        let stream = stream(seed);
        if let Some(what) = play(left, right, seed, &stream)? {
            let (operations, what) = minimise::minimise(stream, what, |part| play(left, right, seed, part));
            return Ok(Err(Difference { seed, operations, what }));
        }
        tally.streams += 1;
        tally.operations += stream.len();
    }
    Ok(Ok(tally))
}

fn stream(seed: u64) -> Vec<Operation> {
    let mut generator = Generator::new(seed);
    let mut operations = Vec::with_capacity(STREAM_LEN + 100);
    while operations.len() < STREAM_LEN {
        let (connection, len) = generator.batch();
        operations.extend((0..len).map(|_| generator.next(connection)));
    }
    operations
}

/// Plays a stream on fresh data; returns the first difference, in words.
fn play(left: &ServerProcess, right: &ServerProcess, seed: u64, stream: &[Operation]) -> io::Result<Option<String>> {
    let mut pair = Pair {
        left: Side::open(left, seed)?,
        right: Side::open(right, seed)?,
        queued: Default::default(),
        means_nothing: false,
    };
    let mut rest = stream;
    while let Some(first) = rest.first() {
        let together = rest.iter().take_while(|next| next.connection == first.connection && next.is_plain()).count();
        let (batch, after) = rest.split_at(together.max(1));
        let difference = if first.is_plain() { pair.batch(batch)? } else { pair.single(first)? };
        if difference.is_some() || pair.means_nothing {
            return Ok(difference.filter(|_| !pair.means_nothing));
        }
        rest = after;
    }
    if let Some(what) = pair.listen(None)? {
        return Ok(Some(what));
    }
    let (left, right) = (dump::dump(&mut left.client()?)?, dump::dump(&mut right.client()?)?);
    Ok(dump::difference(&left, &right, DEADLINE_TOLERANCE_MS).map(|what| format!("the states differ: {what}")))
}

/// The connections to one server.
struct Side {
    connections: Vec<Client>,
}

impl Side {
    /// Empties the server and opens connections; the seed chooses the protocol and the limits of encodings.
    fn open(server: &ServerProcess, seed: u64) -> io::Result<Side> {
        let mut control = server.client()?;
        control.call(&["FLUSHALL"])?;
        let small = seed.is_multiple_of(3);
        for (name, normal, limited) in [
            ("hash-max-listpack-entries", "128", "8"),
            ("hash-max-listpack-value", "64", "10"),
            ("zset-max-listpack-entries", "128", "7"),
            ("zset-max-listpack-value", "64", "9"),
            ("set-max-intset-entries", "512", "6"),
            ("list-max-listpack-size", "-2", "3"),
            // An error before 7.2, where there is no such encoding.
            ("set-max-listpack-entries", "128", "5"),
        ] {
            control.call(&["CONFIG", "SET", name, if small { limited } else { normal }])?;
        }
        let events = if seed % 4 < 2 { "KEA" } else { "" };
        control.call(&["CONFIG", "SET", "notify-keyspace-events", events])?;
        let protocol = if seed.is_multiple_of(2) { Protocol::Resp2 } else { Protocol::Resp3 };
        let mut connections = Vec::new();
        for _ in 0..=LISTENER {
            let mut client = server.client()?;
            if protocol == Protocol::Resp3 {
                client.call(&["HELLO", "3"])?;
            }
            connections.push(client);
        }
        Ok(Side { connections })
    }

    fn call(&mut self, connection: usize, arguments: &[Vec<u8>]) -> io::Result<Reply> {
        self.connections[connection].call(arguments)
    }

    /// Follows a cursor to its end; the elements of all replies, sorted, each once.
    fn iterate(&mut self, operation: &Operation, cursor_at: usize) -> io::Result<Reply> {
        let mut arguments = operation.arguments.clone();
        let mut all = Vec::new();
        loop {
            let reply = self.call(operation.connection, &arguments)?;
            let Some([cursor, page]) = reply.elements() else { return Ok(reply) };
            let page = page.elements().unwrap_or_default();
            let width = if arguments[0].eq_ignore_ascii_case(b"HSCAN") { 2 } else { 1 };
            all.extend(page.chunks(width).map(|item| Reply::Array(item.to_vec())));
            match cursor.bytes() {
                Some(b"0") | None => break,
                Some(cursor) => arguments[cursor_at] = cursor.to_vec(),
            }
        }
        all.sort();
        all.dedup();
        Ok(Reply::Array(all))
    }
}

struct Pair {
    left: Side,
    right: Side,
    /// Comparisons of what each connection has queued since MULTI.
    queued: [Option<Vec<Comparison>>; CONNECTIONS],
    /// Something random is queued: the generator does not do that, but the minimiser may leave out an EXEC.
    means_nothing: bool,
}

impl Pair {
    /// Sends all at once to both, then compares reply by reply.
    fn batch(&mut self, batch: &[Operation]) -> io::Result<Option<String>> {
        let connection = batch[0].connection;
        let bytes: Vec<u8> = batch.iter().flat_map(|operation| request(&operation.arguments)).collect();
        self.left.connections[connection].send(&bytes)?;
        self.right.connections[connection].send(&bytes)?;
        for operation in batch {
            let left = self.left.connections[connection].receive()?;
            let right = self.right.connections[connection].receive()?;
            let queued = self.follow(operation, &left);
            if !equal(operation.comparison, &queued, &left, &right) {
                return Ok(Some(disagreement(operation, &left, &right)));
            }
        }
        Ok(None)
    }

    /// Keeps track of queued commands; for EXEC, returns how their replies compare.
    fn follow(&mut self, operation: &Operation, reply: &Reply) -> Vec<Comparison> {
        let queued = &mut self.queued[operation.connection];
        let name = operation.arguments[0].to_ascii_uppercase();
        match (name.as_slice(), reply) {
            (b"EXEC" | b"DISCARD", reply)
                if *reply != Reply::Status(b"QUEUED".to_vec()) && operation.arguments.len() == 1 =>
            {
                return queued.take().unwrap_or_default();
            }
            (b"MULTI", Reply::Status(_)) => *queued = Some(Vec::new()),
            (_, Reply::Status(status)) if status == b"QUEUED" => {
                if let Some(queued) = queued {
                    queued.push(operation.comparison);
                }
            }
            _ => {}
        }
        Vec::new()
    }

    /// What the listener says, and what it has heard.
    fn listen(&mut self, operation: Option<&Operation>) -> io::Result<Option<String>> {
        let leaves_all = operation.is_some_and(|operation| operation.arguments.len() == 1);
        let mut heard = Vec::new();
        for side in [&mut self.left, &mut self.right] {
            let client = &mut side.connections[LISTENER];
            if let Some(operation) = operation {
                client.send(&request(&operation.arguments))?;
            }
            heard.push(listener::arrange(listener::drain(client)?, leaves_all));
        }
        let (left, right) = (&heard[0], &heard[1]);
        let show = |replies: &[Reply]| replies.iter().map(|reply| format!("\n    {reply}")).collect::<String>();
        let different = [("replied", &left.1, &right.1), ("was sent", &left.0, &right.0)]
            .into_iter()
            .find(|(_, left, right)| left != right);
        Ok(different.map(|(how, left, right)| format!("the listener {how}{}\n  and{}", show(left), show(right))))
    }

    /// A command whose comparison needs more commands, or a rest.
    fn single(&mut self, operation: &Operation) -> io::Result<Option<String>> {
        if operation.connection == LISTENER {
            return self.listen(Some(operation));
        }
        let (left, right, same) = match operation.comparison {
            Comparison::Iteration(cursor_at) => {
                let (left, right) =
                    (self.left.iterate(operation, cursor_at)?, self.right.iterate(operation, cursor_at)?);
                let same = left == right;
                (left, right, same)
            }
            comparison => {
                let left = self.left.call(operation.connection, &operation.arguments)?;
                let right = self.right.call(operation.connection, &operation.arguments)?;
                self.follow(operation, &left);
                let is_queued = left == Reply::Status(b"QUEUED".to_vec());
                self.means_nothing |= is_queued;
                let is_plain = left.is_error() || right.is_error() || is_queued;
                let same = if is_plain {
                    left == right
                } else {
                    match comparison {
                        Comparison::Pop => self.popped(operation, &left, &right)?,
                        Comparison::Sample => self.sampled(operation, &left, &right)?,
                        Comparison::RandomKey => (left == Reply::Null) == (right == Reply::Null),
                        _ => equal(comparison, &[], &left, &right),
                    }
                };
                (left, right, same)
            }
        };
        if !same {
            return Ok(Some(disagreement(operation, &left, &right)));
        }
        if operation.rest_ms > 0 && !self.settle(operation)? {
            return Ok(Some("one side does not remove what has expired".to_owned()));
        }
        Ok(None)
    }

    /// Lets a short deadline pass, and waits until both sides have removed the key: each does so in its own time, and
    /// DBSIZE counts it until then.
    fn settle(&mut self, operation: &Operation) -> io::Result<bool> {
        std::thread::sleep(Duration::from_millis(operation.rest_ms));
        for side in [&mut self.left, &mut self.right] {
            // Redis removes what it finds expired.
            side.call(operation.connection, &[b"EXISTS".to_vec(), operation.arguments[1].clone()])?;
        }
        let started = Instant::now();
        while started.elapsed() < EXPIRY_TIMEOUT {
            let left = self.left.call(operation.connection, &[b"DBSIZE".to_vec()])?;
            if left == self.right.call(operation.connection, &[b"DBSIZE".to_vec()])? {
                return Ok(true);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(false)
    }

    /// What was popped and what is left must be the same set together. Then the key goes, on both sides.
    fn popped(&mut self, operation: &Operation, left: &Reply, right: &Reply) -> io::Result<bool> {
        let key = &operation.arguments[1];
        let mut wholes = Vec::new();
        for (side, popped) in [(&mut self.left, left), (&mut self.right, right)] {
            let rest = side.call(operation.connection, &[b"SMEMBERS".to_vec(), key.clone()])?;
            let mut whole = items(popped);
            whole.extend(items(&rest));
            whole.sort();
            wholes.push(whole);
            side.call(operation.connection, &[b"DEL".to_vec(), key.clone()])?;
        }
        Ok(same_shape(left, right) && wholes[0] == wholes[1])
    }

    /// As many on both sides, and all of them among what the other side holds.
    fn sampled(&mut self, operation: &Operation, left: &Reply, right: &Reply) -> io::Result<bool> {
        let read: &[&[u8]] = match operation.arguments[0].to_ascii_uppercase().as_slice() {
            b"HRANDFIELD" => &[b"HKEYS"],
            b"ZRANDMEMBER" => &[b"ZRANGE", b"0", b"-1"],
            _ => &[b"SMEMBERS"],
        };
        let mut read: Vec<Vec<u8>> = read.iter().map(|word| word.to_vec()).collect();
        read.insert(1, operation.arguments[1].clone());
        let members = self.left.call(operation.connection, &read)?;
        let members = sorted(&members);
        let members = members.elements().unwrap_or_default();
        let all_members = items(right).iter().all(|item| members.binary_search(item).is_ok());
        Ok(same_shape(left, right) && all_members)
    }
}

/// The elements of an aggregate, or the scalar itself; nothing for null.
fn items(reply: &Reply) -> Vec<Reply> {
    match reply {
        Reply::Null | Reply::NullArray => Vec::new(),
        Reply::Array(elements) | Reply::Set(elements) => elements.clone(),
        scalar => vec![scalar.clone()],
    }
}

/// The same type, and as many elements.
fn same_shape(left: &Reply, right: &Reply) -> bool {
    std::mem::discriminant(left) == std::mem::discriminant(right) && items(left).len() == items(right).len()
}

fn disagreement(operation: &Operation, left: &Reply, right: &Reply) -> String {
    let words: Vec<String> = operation.arguments.iter().map(|word| quote(word)).collect();
    format!("{} answered\n  {left}\n  {right}", words.join(" "))
}
