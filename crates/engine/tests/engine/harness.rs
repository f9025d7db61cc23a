//! An engine in this process: sessions driven by bytes, a clock that only moves when it is told to.

use engine::{
    Config, Connection as Peer, CpuTime, Engine, Fault, Host, Journal, LogLevel, Memory, Next, Now, Process,
    Replication, Role, Services, Session, Shutdown, Worker,
};
use keyspace::{Commit, Keyspace, Options};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testkit::{Connection, Product, Reply, Target};

/// 2023-11-14, in microseconds.
const START_US: u64 = 1_700_000_000_000_000;

#[derive(Default)]
pub struct TestHost {
    elapsed_us: Mutex<u64>,
    /// How far the clock goes on when it is read for nanoseconds.
    pub reading_us: Mutex<u64>,
    woken: Mutex<Vec<u64>>,
    pub shutdowns: Mutex<Vec<Shutdown>>,
    /// Bytes in use, where a test wants to say.
    pub used_memory: Mutex<Option<Box<dyn Fn() -> u64 + Send>>>,
    process: Process,
}

impl TestHost {
    fn advance(&self, duration_us: u64) {
        *self.elapsed_us.lock().unwrap() += duration_us;
    }
}

impl Host for TestHost {
    fn now(&self) -> Now {
        let elapsed_us = *self.elapsed_us.lock().unwrap();
        Now { unix_us: START_US + elapsed_us, monotonic_us: elapsed_us }
    }

    fn monotonic_ns(&self) -> u64 {
        self.advance(*self.reading_us.lock().unwrap());
        self.now().monotonic_us * 1000
    }

    fn used_memory(&self) -> u64 {
        self.used_memory.lock().unwrap().as_ref().map_or(1 << 20, |used| used())
    }

    fn memory(&self) -> Memory {
        Memory { used: 1 << 20, peak: 1 << 20, resident: 1 << 21, startup: 1 << 19, ..Memory::default() }
    }

    fn cpu_time(&self) -> CpuTime {
        CpuTime::default()
    }

    fn process(&self) -> &Process {
        &self.process
    }

    fn wake(&self, client: &engine::Client) {
        self.woken.lock().unwrap().push(client.id);
    }

    fn sleep(&self, duration: Duration) {
        self.advance(duration.as_micros() as u64);
    }

    fn shutdown(&self, shutdown: Shutdown) -> Result<(), Fault> {
        self.shutdowns.lock().unwrap().push(shutdown);
        Ok(())
    }

    fn abort_shutdown(&self) -> Result<(), Fault> {
        Err(Fault::Text("ERR No shutdown in progress."))
    }

    fn log(&self, _: LogLevel, _: std::fmt::Arguments<'_>) {}

    fn purge_memory(&self) {}
}

/// A node without others.
struct Alone;

impl Replication for Alone {
    fn role(&self) -> Role {
        Role::Master
    }

    fn master_link_up(&self) -> bool {
        true
    }

    fn info(&self, _: Now, text: &mut String) {
        text.push_str("role:master\r\nconnected_slaves:0\r\n");
    }

    fn acknowledged(&self, _: effect::Stamp) -> usize {
        0
    }

    fn backlog_bytes(&self) -> u64 {
        0
    }
}

/// Every commit, as it was handed over.
#[derive(Default)]
pub struct Recorder {
    pub commits: Mutex<Vec<Vec<u8>>>,
}

impl Journal for Recorder {
    fn commit(&self, commit: &Commit<'_>) {
        self.commits.lock().unwrap().push(commit.effects.to_vec());
    }
}

struct Slot {
    session: Session,
    input: Vec<u8>,
    next: Next,
    turns: usize,
}

struct Inner {
    worker: Worker,
    slots: BTreeMap<u64, Slot>,
}

/// One node with one worker.
#[derive(Clone)]
pub struct Server {
    pub engine: Arc<Engine>,
    pub host: Arc<TestHost>,
    pub recorder: Arc<Recorder>,
    inner: Rc<RefCell<Inner>>,
}

impl Server {
    pub fn new(config: Config) -> Server {
        let host = Arc::new(TestHost::default());
        let recorder = Arc::new(Recorder::default());
        let options = Options { databases: 16, single_threaded: true, hash_secret: 1, seed: 1 };
        let services = Services { host: host.clone(), replication: Arc::new(Alone), journal: recorder.clone() };
        let engine = Engine::new(Arc::new(Keyspace::new(options)), config, services);
        let inner = Inner { worker: Worker::new(&engine), slots: BTreeMap::new() };
        Server { engine, host, recorder, inner: Rc::new(RefCell::new(inner)) }
    }

    pub fn client(&self) -> Client {
        let number = self.engine.clients.len();
        let connection = Peer {
            address: format!("127.0.0.1:{}", 50_000 + number),
            local_address: "127.0.0.1:6379".into(),
            local: true,
            ..Peer::default()
        };
        let session = Session::new(&self.engine, connection, self.host.now());
        let id = session.client.id;
        self.inner.borrow_mut().slots.insert(id, Slot { session, input: Vec::new(), next: Next::Read, turns: 0 });
        Client { server: self.clone(), id }
    }

    pub fn advance(&self, duration: Duration) {
        self.host.advance(duration.as_micros() as u64);
        self.run();
    }

    /// Lets every session do what it can at this moment.
    fn run(&self) {
        let now = self.host.now();
        let mut inner = self.inner.borrow_mut();
        let Inner { worker, slots } = &mut *inner;
        let mut woken = std::mem::take(&mut *self.host.woken.lock().unwrap());
        loop {
            for (id, slot) in slots.iter_mut() {
                let due = matches!(slot.next, Next::Blocked { deadline_us: Some(us) } if us <= now.monotonic_us);
                if due || woken.contains(id) {
                    slot.next = slot.session.resume(worker, now);
                    slot.turns += 1;
                }
                while matches!(slot.next, Next::Read | Next::Again) {
                    let turn = slot.session.feed(worker, &mut slot.input, now);
                    slot.input.drain(..turn.consumed);
                    slot.next = turn.next;
                    slot.turns += 1;
                    if turn.next == Next::Read {
                        break;
                    }
                }
            }
            woken = std::mem::take(&mut *self.host.woken.lock().unwrap());
            if woken.is_empty() {
                return;
            }
        }
    }

    /// The nearest deadline of a blocked session.
    fn deadline_us(&self) -> Option<u64> {
        let inner = self.inner.borrow();
        let deadline = |slot: &Slot| if let Next::Blocked { deadline_us } = slot.next { deadline_us } else { None };
        inner.slots.values().filter_map(deadline).min()
    }
}

/// One connection to a `Server`.
pub struct Client {
    server: Server,
    pub id: u64,
}

impl Client {
    pub fn call<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Reply {
        self.send(&testkit::request(arguments)).unwrap();
        self.receive().unwrap()
    }

    /// A command of words without spaces.
    pub fn words(&mut self, words: &str) -> Reply {
        self.call(&words.split(' ').collect::<Vec<_>>())
    }

    /// What is to be executed as soon as anybody has a turn.
    pub fn queue(&mut self, words: &str) {
        let request = testkit::request(&words.split(' ').collect::<Vec<_>>());
        if let Some(slot) = self.server.inner.borrow_mut().slots.get_mut(&self.id) {
            slot.input.extend_from_slice(&request);
        }
    }

    /// A reply that is there already.
    pub fn poll(&mut self) -> Option<Reply> {
        self.server.run();
        let mut inner = self.server.inner.borrow_mut();
        let slot = inner.slots.get_mut(&self.id)?;
        let (reply, length) = testkit::decode(&slot.session.out.buffer).expect("well-formed replies")?;
        slot.session.out.buffer.drain(..length);
        Some(reply)
    }

    /// How often it had a turn so far.
    pub fn turns(&self) -> usize {
        self.server.inner.borrow().slots[&self.id].turns
    }

    pub fn next(&self) -> Next {
        self.server.inner.borrow().slots[&self.id].next
    }
}

impl Connection for Client {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(slot) = self.server.inner.borrow_mut().slots.get_mut(&self.id) {
            slot.input.extend_from_slice(bytes);
        }
        self.server.run();
        Ok(())
    }

    /// Where nothing is there yet, time passes until a deadline comes.
    fn receive(&mut self) -> io::Result<Reply> {
        loop {
            if let Some(reply) = self.poll() {
                return Ok(reply);
            }
            let now_us = self.server.host.now().monotonic_us;
            match self.server.deadline_us() {
                Some(deadline_us) if deadline_us > now_us => {
                    self.server.advance(Duration::from_micros(deadline_us - now_us));
                }
                _ => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }

    fn is_closed(&mut self) -> bool {
        self.server.run();
        self.next() == Next::Close
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.server.inner.borrow_mut().slots.remove(&self.id);
    }
}

impl Target for Server {
    fn product(&self) -> Product {
        Product::FluidB
    }

    fn connect(&mut self) -> io::Result<Box<dyn Connection>> {
        Ok(Box::new(self.client()))
    }

    fn wait(&mut self, duration: Duration) {
        self.advance(duration);
    }
}
