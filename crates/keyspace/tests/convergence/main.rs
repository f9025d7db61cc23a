//! Several nodes write at will, see each other's records in any order that respects causality, forget
//! what is stable at any moment at which they may, and end in the state that the contract demands.

#![allow(clippy::single_range_in_vec_init)]

mod model;

use effect::{Collection, Delivery, EffectReader, End, NodeId, Origin, Stamp, VersionVector};
use keyspace::{
    CausalMark, Export, Horizon, Import, Keyspace, NewId, Options, Row, Scope, ScoreCondition, SetDeadline, Switches,
    Txn, Version,
};
use model::{Record, State, Value, score_text};
use proptest::prelude::*;
use values::{Position, StreamId, Trim};

const START_MS: u64 = 1_700_000_000_000;
const KEYS: [&[u8]; 3] = [b"a", b"b", b"c"];
const NAMES: [&[u8]; 3] = [b"x", b"y", b"17"];
const VALUES: [&[u8]; 5] = [b"5", b"-3", b"text", b"2.5", b"9223372036854775807"];
const MAX_LEN: usize = 1 << 20;
const DATABASES: u32 = 2;

/// A node, as far as the keyspace needs one: what the mesh would know is known here.
struct Node {
    keyspace: Keyspace,
    origin: Origin,
    /// Its clock is off by this.
    skew_ms: u64,
    seen: VersionVector,
    /// The context of the newest record of each origin.
    rows: Vec<VersionVector>,
    log: Vec<Record>,
    /// How many records of each node's log have been applied here.
    applied: Vec<usize>,
    /// The others wait for it before they forget anything.
    counts: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Write {
        node: usize,
        db: u32,
        writes: Vec<Write>,
    },
    /// The next record of `from`, if its causes are there.
    Deliver {
        node: usize,
        from: usize,
    },
    Tick {
        node: usize,
    },
    Stabilize {
        node: usize,
    },
    /// The data set of `from` is merged into that of `node`.
    Import {
        node: usize,
        from: usize,
    },
    /// The others stop counting on `node`, of which they have everything. It comes back by an import.
    Leave {
        node: usize,
    },
    Pass {
        ms: u64,
    },
}

#[derive(Clone)]
struct Write {
    kind: u8,
    key: usize,
    name: usize,
    value: usize,
    ms: u64,
}

/// On one line, as a failing history is read.
impl std::fmt::Debug for Write {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Write { kind, key, name, value, ms } = self;
        f.write_str(&format!("kind {kind} key {key} name {name} value {value} ms {ms}"))
    }
}

/// What a history is about: everything, or one type on one key, so that more of it meets.
#[derive(Clone, Copy, Debug)]
struct Topic {
    /// Kinds of writes, and how often they come.
    kinds: &'static [(u32, u8, u8)],
    keys: usize,
}

const TOPICS: [Topic; 6] = [
    Topic { kinds: &[(60, 0, 60), (12, 80, 88)], keys: KEYS.len() },
    Topic { kinds: &[(5, 0, 11), (1, 20, 26)], keys: 1 },
    Topic { kinds: &[(5, 11, 20), (1, 20, 26), (2, 80, 86)], keys: 1 },
    Topic { kinds: &[(5, 26, 32), (1, 20, 26), (1, 86, 88)], keys: 1 },
    Topic { kinds: &[(9, 32, 50), (1, 20, 26)], keys: 1 },
    Topic { kinds: &[(9, 50, 60), (1, 20, 26)], keys: 1 },
];

fn topic() -> impl Strategy<Value = Topic> {
    (0..2 * TOPICS.len()).prop_map(|topic| TOPICS.get(topic).copied().unwrap_or(TOPICS[0]))
}

fn write(topic: Topic) -> impl Strategy<Value = Write> {
    let kinds = topic.kinds.iter().map(|(weight, first, end)| (*weight, (*first..*end).boxed()));
    let kind = proptest::strategy::Union::new_weighted(kinds.collect());
    (kind, 0..topic.keys, 0..NAMES.len(), 0..VALUES.len(), 1..400u64).prop_map(|(kind, key, name, value, ms)| Write {
        kind,
        key,
        name,
        value,
        ms,
    })
}

fn step(nodes: usize, topic: Topic, imports: u32) -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..nodes, prop_oneof![7 => Just(0), 1 => Just(1)], prop::collection::vec(write(topic), 1..3))
            .prop_map(|(node, db, writes)| Step::Write { node, db, writes }),
        5 => (0..nodes, 0..nodes).prop_map(|(node, from)| Step::Deliver { node, from }),
        1 => (0..nodes).prop_map(|node| Step::Tick { node }),
        1 => (0..nodes).prop_map(|node| Step::Stabilize { node }),
        1 => (0..200u64).prop_map(|ms| Step::Pass { ms }),
        imports => (0..nodes, 0..nodes).prop_map(|(node, from)| Step::Import { node, from }),
        imports.div_ceil(2) => (0..nodes).prop_map(|node| Step::Leave { node }),
    ]
}

/// Steps of so many nodes.
fn history(imports: u32) -> impl Strategy<Value = (usize, Vec<Step>)> {
    (2..=4usize, topic())
        .prop_flat_map(move |(count, topic)| (Just(count), prop::collection::vec(step(count, topic, imports), 1..60)))
}

fn bytes_of(name: &'static [u8]) -> impl Iterator<Item = &'static [u8]> + Clone {
    std::iter::once(name)
}

/// One local command; what a server would refuse does nothing.
fn perform(txn: &mut Txn<'_>, write: &Write) {
    let (key, name, value) = (KEYS[write.key], NAMES[write.name], VALUES[write.value]);
    let deadline_ms = txn.now_ms() + write.ms;
    let score = [1.0, 0.1, -1e16, f64::INFINITY, f64::NEG_INFINITY][write.value];
    let delta = [1, -2, 40, 1 << 40, i64::MAX / 2][write.value];
    let registers = [(write.name as u16 * 3, 1 + (write.ms % 34) as u8), (5, 2)];
    let sparse_max = [0, 20, 3000, 3000, 3000][write.value];
    match write.kind {
        0 | 1 => txn.string_set(key, value, SetDeadline::Clear),
        2 => txn.string_set(key, value, SetDeadline::Keep),
        3 => {
            // SET … PXAT may name a time that is past.
            let deadline_ms = if write.ms.is_multiple_of(8) { START_MS - 1 } else { deadline_ms };
            txn.string_set(key, value, SetDeadline::At(deadline_ms));
        }
        4..=6 => drop(txn.string_increment(key, delta)),
        7 => drop(txn.string_increment_float(key, [&b"0.1"[..], b"3", b"-1.5", b"1e3", b"7"][write.value])),
        8 => drop(txn.string_append(key, value, MAX_LEN)),
        9 => drop(txn.string_set_range(key, write.name * 2, value, MAX_LEN)),
        10 if write.ms.is_multiple_of(2) => drop(txn.registers_raise(key, &registers, sparse_max)),
        10 => drop(txn.string_set_bits(key, write.ms % 40, 1 + (write.ms % 12) as u8, write.ms)),
        11 => drop(txn.set_add(key, bytes_of(name))),
        12 => drop(txn.set_add(key, NAMES.into_iter())),
        13 => drop(txn.set_remove(key, bytes_of(name))),
        14 => drop(txn.hash_set(key, std::iter::once((name, value)))),
        15 => drop(txn.hash_set(key, [(name, value), (NAMES[0], value)].into_iter())),
        16 => drop(txn.hash_delete(key, bytes_of(name))),
        17 | 18 => drop(txn.hash_increment(key, name, delta)),
        19 => drop(txn.hash_increment_float(key, name, b"0.25")),
        26 => drop(txn.sorted_set_add(key, &[(name, score)], ScoreCondition::default())),
        27 => drop(txn.sorted_set_add(key, &[(name, score), (NAMES[0], 1.5)], ScoreCondition::default())),
        28 => drop(txn.sorted_set_remove(key, bytes_of(name))),
        29..=31 => drop(txn.sorted_set_increment(key, name, score, ScoreCondition::default())),
        20 => drop(txn.delete(key)),
        21 => txn.expire(key, Some(deadline_ms)),
        22 => txn.expire(key, None),
        23 => txn.copy(key, KEYS[write.name], u32::from(write.value == 0)),
        80..=82 => txn.expire_members(key, Collection::Hash, bytes_of(name), Some(deadline_ms)),
        83 => txn.expire_members(key, Collection::Hash, bytes_of(name), None),
        84 => txn.expire_members(key, Collection::Set, bytes_of(name), Some(deadline_ms)),
        85 => txn.expire_members(key, Collection::Set, bytes_of(name), None),
        86 => txn.expire_members(key, Collection::SortedSet, bytes_of(name), Some(deadline_ms)),
        87 => txn.expire_members(key, Collection::SortedSet, bytes_of(name), None),
        24 if write.name != write.key => txn.rename(key, KEYS[write.name]),
        24 => {}
        32..50 => perform_on_stream(txn, write),
        50..60 => change_list(txn, write),
        _ => match write.ms % 8 {
            0..2 => drop(txn.flush_all()),
            2 => drop(txn.flush_db()),
            3 => txn.swap_db(0, 1),
            _ => {}
        },
    }
}

fn change_list(txn: &mut Txn<'_>, write: &Write) {
    let (key, value) = (KEYS[write.key], VALUES[write.value]);
    let end = if write.name == 0 { End::Head } else { End::Tail };
    let len = txn.list(key).ok().flatten().map_or(0, |list| list.len());
    let place = if len == 0 { 0 } else { write.ms as usize % len };
    // The stamp makes elements of one value different.
    let element = [value, b"@", write.ms.to_string().as_bytes()].concat();
    match write.kind - 50 {
        0..=2 => drop(txn.list_push(key, end, [&element[..], value].into_iter().take(1 + write.value % 2))),
        3 | 4 => drop(txn.list_insert(key, place, end, &element)),
        5 => drop(txn.list_set(key, place, &element)),
        6 if len > 0 => txn.list_remove(key, vec![if write.name == 0 { 0..1 } else { len - 1..len }]),
        7 if len > 0 => txn.list_remove(key, vec![place..place + 1]),
        8 if len > 3 => txn.list_remove(key, vec![0..1, 2..len]),
        9 if len > 0 => {
            txn.list_remove(key, vec![0..1]);
            let _ = txn.list_push(KEYS[write.name], end, std::iter::once(&element[..]));
        }
        _ => {}
    }
}

fn perform_on_stream(txn: &mut Txn<'_>, write: &Write) {
    let (key, name, consumer) = (KEYS[write.key], NAMES[write.name % 2], NAMES[write.value % 2]);
    let id = StreamId::new(START_MS, write.ms % 12);
    let position = Position { last_id: id, entries_read: (!write.ms.is_multiple_of(3)).then_some(write.ms % 7) };
    let has_group = txn.stream(key).is_ok_and(|stream| stream.is_some_and(|stream| stream.group(name).is_some()));
    let fields = [&b"field"[..], VALUES[write.value]];
    // What a server would refuse does nothing.
    let _ = match write.kind {
        32..35 => txn.stream_add(key, NewId::Automatic, true, fields.into_iter()).map(|_| ()),
        35 => txn.stream_add(key, NewId::Exactly(id), true, fields.into_iter()).map(|_| ()),
        36 => txn.stream_delete(key, [id, StreamId::new(START_MS, 1)].into_iter()).map(|_| ()),
        37 => {
            let first = txn.stream(key).ok().flatten().and_then(|stream| stream.first()).map(|first| first.id);
            txn.stream_delete(key, first.into_iter()).map(|_| ())
        }
        38 => txn.stream_trim(key, Trim::MaxLen(write.ms % 3), false, 0).map(|_| ()),
        39 => txn.stream_trim(key, Trim::MinId(id), false, 0).map(|_| ()),
        40 => txn.stream_set_id(key, id, (write.value > 2).then_some(write.ms), StreamId::new(START_MS, 2)),
        41 | 42 => txn.stream_group_create(key, name, position),
        43 => txn.stream_group_set(key, name, position),
        44 => txn.stream_group_destroy(key, name).map(|_| ()),
        45..47 if has_group => {
            let deliveries = [id, StreamId::new(START_MS, write.ms % 5)];
            let deliveries =
                deliveries.map(|id| Delivery { id: id.0, delivered_ms: write.ms, deliveries: write.ms % 4 });
            let position = (write.value > 1).then_some(position);
            txn.stream_deliver(key, name, consumer, position, &deliveries)
        }
        47 if has_group => txn.stream_consumer_delete(key, name, consumer).map(|_| ()),
        _ => txn.stream_acknowledge(key, name, [id].into_iter()).map(|_| ()),
    };
}

struct World {
    nodes: Vec<Node>,
    now_ms: u64,
}

impl World {
    fn new(count: usize) -> World {
        let nodes = (0..count).map(|index| {
            let options = Options { databases: DATABASES, single_threaded: true, hash_secret: 1, seed: 1 };
            let keyspace = Keyspace::new(options);
            // The order of indexes is not the order of origins.
            let origin = Origin { node: NodeId(100 - index as u64), incarnation: 1 };
            keyspace.set_origin(origin);
            keyspace.set_switches(Switches { recording: true, stamping: true, peers: true });
            let (rows, applied) = (vec![VersionVector::new(); count], vec![0; count]);
            let skew_ms = [0, 0, 70, 150][index];
            Node { keyspace, origin, skew_ms, seen: VersionVector::new(), rows, log: Vec::new(), applied, counts: true }
        });
        World { nodes: nodes.collect(), now_ms: START_MS }
    }

    fn run(&mut self, step: &Step) {
        if let Step::Write { node, .. } | Step::Tick { node } | Step::Stabilize { node } = step
            && !self.nodes[*node].counts
        {
            return;
        }
        match step {
            Step::Write { node, db, writes } => self.write(*node, *db, writes),
            Step::Deliver { node, from } => drop(self.deliver(*node, *from)),
            Step::Tick { node } => self.tick(*node),
            Step::Stabilize { node } => self.stabilize(*node),
            Step::Import { node, from } => self.import(*node, *from),
            Step::Leave { node } => self.leave(*node),
            Step::Pass { ms } => self.now_ms += ms,
        }
    }

    fn write(&mut self, index: usize, db: u32, writes: &[Write]) {
        let now_ms = self.now_ms + self.nodes[index].skew_ms;
        let node = &self.nodes[index];
        let mut txn = node.keyspace.begin(Scope::All, db, now_ms);
        writes.iter().for_each(|write| perform(&mut txn, write));
        let committed = txn.commit(|commit| (commit.first, commit.count, commit.effects.to_vec()));
        if let Some((first, count, effects)) = committed {
            self.append(index, first, count, effects);
        }
    }

    fn tick(&mut self, index: usize) {
        let (stamp, _) = self.nodes[index].keyspace.tick(self.now_ms + self.nodes[index].skew_ms);
        self.append(index, stamp, 0, Vec::new());
    }

    fn append(&mut self, index: usize, first: Stamp, count: u64, effects: Vec<u8>) {
        let node = &mut self.nodes[index];
        let context = node.seen.clone();
        node.seen.advance(node.origin, first.plus(count.max(1) - 1));
        node.rows[index] = node.seen.clone();
        node.applied[index] += 1;
        node.log.push(Record { origin: node.origin, first, count, context, effects });
    }

    fn deliver(&mut self, index: usize, from: usize) -> bool {
        let Some(record) = self.nodes[from].log.get(self.nodes[index].applied[from]).cloned() else { return false };
        if index == from || !self.nodes[index].counts || !self.nodes[index].seen.dominates(&record.context) {
            return false;
        }
        let origins: Vec<Origin> = self.nodes.iter().map(|node| node.origin).collect();
        let node = &mut self.nodes[index];
        let mut row = vec![Stamp::ZERO; origins.len() + 1];
        for origin in &origins {
            row[node.keyspace.origin_index(*origin).unwrap().0 as usize] = record.context.get(*origin);
        }
        let origin = node.keyspace.origin_index(record.origin).unwrap();
        let mut txn = node.keyspace.begin(Scope::All, 0, self.now_ms + node.skew_ms);
        let mut stamp = record.first;
        txn.select(0);
        for effect in EffectReader::new(&record.effects).map(Result::unwrap) {
            let _ = txn.apply(&effect, Version { stamp, origin }, Row::Seen(&row)).unwrap();
            if !matches!(effect, effect::Effect::Select { .. }) {
                stamp = stamp.plus(1);
            }
        }
        txn.commit_applied(|_| ());
        node.keyspace.observe(record.first);
        let last = record.first.plus(record.count.max(1) - 1);
        node.seen.advance(record.origin, last);
        node.rows[from] = record.context.clone();
        node.rows[from].advance(record.origin, last);
        node.applied[from] += 1;
        true
    }

    /// At any moment, with what the node knows then.
    fn stabilize(&mut self, index: usize) {
        let node = &self.nodes[index];
        let origins: Vec<Origin> = self.nodes.iter().map(|node| node.origin).collect();
        let counts: Vec<bool> = self.nodes.iter().map(|node| node.counts).collect();
        let counting = origins.iter().zip(&counts).filter(|(_, counts)| **counts);
        let clock = counting.map(|(origin, _)| node.seen.get(*origin)).min().unwrap();
        let mut causal = vec![CausalMark::default(); origins.len() + 1];
        for origin in &origins {
            let at = node.keyspace.origin_index(*origin).unwrap().0 as usize;
            let others =
                node.rows.iter().zip(&origins).zip(&counts).filter(|((_, of), counts)| **counts && *of != origin);
            causal[at].stamp = others.map(|((row, _), _)| row.get(*origin)).min().unwrap_or(node.seen.get(*origin));
        }
        node.keyspace.stabilize(self.now_ms, &Horizon { clock, causal: &causal }, 2, |_| ());
        node.keyspace.expire_due(self.now_ms, 1, |_| ());
    }

    fn leave(&mut self, index: usize) {
        let len = self.nodes[index].log.len();
        let counting = self.nodes.iter().filter(|node| node.counts).count();
        if counting > 1 && self.nodes.iter().all(|node| node.applied[index] == len) {
            self.nodes[index].counts = false;
        }
    }

    /// All of `from`, in small pieces. Writes on both sides go on before and after.
    fn import(&mut self, index: usize, from: usize) {
        if index == from {
            return;
        }
        let sender = &self.nodes[from];
        let from_counts = sender.counts;
        let theirs = sender.seen.clone();
        let (rows, decided) = (sender.rows.clone(), sender.keyspace.decided());
        let (mut chunks, mut export, mut has_more) = (Vec::new(), Export::new(), true);
        while has_more {
            let mut chunk = Vec::new();
            has_more = export.go_on(&sender.keyspace, 1, &mut chunk);
            chunks.push(chunk);
        }
        let node = &mut self.nodes[index];
        let mut import = Import::begin(&node.keyspace, &theirs, &decided, &node.seen, false).unwrap();
        chunks.iter().for_each(|chunk| import.merge(&node.keyspace, chunk, Stamp::MAX, |_| ()).unwrap());
        import.end(&node.keyspace, true, |_| ());
        node.seen.merge(&theirs);
        node.counts |= from_counts;
        for (row, theirs) in node.rows.iter_mut().zip(&rows) {
            row.merge(theirs);
        }
        for origin in 0..self.nodes.len() {
            let seen = self.nodes[index].seen.get(self.nodes[origin].origin);
            let done = self.nodes[origin].log.iter().take_while(|record| record.first <= seen).count();
            self.nodes[index].applied[origin] = self.nodes[index].applied[origin].max(done);
        }
    }

    fn state(&self, index: usize, now_ms: u64) -> State {
        (0..DATABASES).flat_map(|db| self.database(index, db, now_ms)).collect()
    }

    fn database(&self, index: usize, db: u32, now_ms: u64) -> State {
        let txn = self.nodes[index].keyspace.begin(Scope::All, db, now_ms);
        let mut keys = Vec::new();
        let mut cursor = 0;
        loop {
            cursor = txn.scan(cursor, 1000, |key, _| keys.push(key.to_vec()));
            if cursor == 0 {
                break;
            }
        }
        assert!(keys.len() <= txn.db_size());
        keys.into_iter()
            .map(|key| {
                let deadline_ms = txn.deadline_ms(&key).unwrap();
                let value = match txn.type_of(&key).unwrap() {
                    keyspace::KeyType::String => Value::String(txn.string(&key).unwrap().unwrap().to_vec()),
                    keyspace::KeyType::Set => {
                        Value::Set(txn.set(&key).unwrap().unwrap().iter().map(|member| member.to_vec()).collect())
                    }
                    keyspace::KeyType::Hash => {
                        let hash = txn.hash(&key).unwrap().unwrap();
                        Value::Hash(hash.iter().map(|(field, value)| (field.to_vec(), value.to_vec())).collect())
                    }
                    keyspace::KeyType::SortedSet => {
                        let set = txn.sorted_set(&key).unwrap().unwrap();
                        let pairs = set.iter().map(|(member, score)| (member.to_vec(), score_text(score)));
                        Value::SortedSet(pairs.collect())
                    }
                    keyspace::KeyType::Stream => Value::Stream(model::Stream::read(txn.stream(&key).unwrap().unwrap())),
                    keyspace::KeyType::List => {
                        Value::List(txn.list(&key).unwrap().unwrap().iter().map(|element| element.to_vec()).collect())
                    }
                };
                let names: Vec<Vec<u8>> = match &value {
                    Value::Set(set) => set.iter().cloned().collect(),
                    Value::Hash(fields) | Value::SortedSet(fields) => fields.keys().cloned().collect(),
                    Value::String(_) | Value::List(_) | Value::Stream(_) => Vec::new(),
                };
                let of_elements =
                    names.into_iter().filter_map(|name| Some((name.clone(), txn.member_deadline_ms(&key, &name)?)));
                let of_elements = of_elements.collect();
                ((db, key), (value, deadline_ms, of_elements))
            })
            .collect()
    }

    /// Everything reaches everybody, and becomes stable.
    fn settle(&mut self) {
        let count = self.nodes.len();
        let counting = self.nodes.iter().position(|node| node.counts).unwrap();
        (0..count).filter(|node| !self.nodes[*node].counts).collect::<Vec<_>>().into_iter().for_each(|node| {
            self.import(node, counting);
        });
        for _ in 0..3 {
            loop {
                let pairs = (0..count).flat_map(|to| (0..count).map(move |from| (to, from)));
                if !pairs.fold(false, |any, (to, from)| self.deliver(to, from) || any) {
                    break;
                }
            }
            self.now_ms += 1;
            (0..count).for_each(|node| self.tick(node));
        }
        for node in 0..count {
            (0..40).for_each(|_| self.stabilize(node));
        }
    }

    fn check(&mut self) {
        let records: Vec<Record> = self.nodes.iter().flat_map(|node| node.log.clone()).collect();
        self.settle();
        let now_ms = self.nodes.iter().map(|node| node.keyspace.last_stamp().ms()).max().unwrap();
        let expected = model::execute(&records, now_ms);
        for index in 0..self.nodes.len() {
            assert_eq!(self.state(index, now_ms), expected, "node {index} against the model at {now_ms}");
            let digest = |node: &Node| node.keyspace.digest(now_ms);
            assert_eq!(digest(&self.nodes[index]), digest(&self.nodes[0]));
        }
    }
}

/// More with PROPTEST_CASES.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: default.cases.max(2000),
        max_shrink_iters: default.max_shrink_iters.min(20_000),
        failure_persistence: None,
        ..default
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn all_nodes_end_where_the_contract_says((count, steps) in history(0)) {
        let mut world = World::new(count);
        steps.iter().for_each(|step| world.run(step));
        world.check();
    }

    #[test]
    fn whole_data_sets_may_be_merged_at_any_moment((count, steps) in history(1)) {
        let mut world = World::new(count);
        steps.iter().for_each(|step| world.run(step));
        world.check();
    }
}

fn one_write(node: usize, kind: u8, key: usize) -> Step {
    write_with_deadline(node, kind, key, 12)
}

/// A multiple of eight makes SET name one that is past, see `perform`.
fn write_with_deadline(node: usize, kind: u8, key: usize, ms: u64) -> Step {
    Step::Write { node, db: 0, writes: vec![Write { kind, key, name: 0, value: 0, ms }] }
}

fn deliver(node: usize, from: usize) -> Step {
    Step::Deliver { node, from }
}

fn import(node: usize, from: usize) -> Step {
    Step::Import { node, from }
}

fn holds(count: usize, steps: &[Step]) {
    let mut world = World::new(count);
    steps.iter().for_each(|step| world.run(step));
    world.check();
}

const SET: u8 = 0;
const SET_WITH_DEADLINE: u8 = 3;
const INCREMENT: u8 = 4;
const HASH_INCREMENT: u8 = 17;
const SORTED_SET_ADD: u8 = 26;
const SORTED_SET_INCREMENT: u8 = 29;
const FLUSH: u8 = 25;

#[test]
fn what_was_folded_there_is_not_taken_for_cancelled() {
    let steps = [
        one_write(2, SORTED_SET_INCREMENT, 0),
        import(1, 2),
        one_write(1, SET, 1),
        deliver(0, 2),
        one_write(0, SET, 1),
        deliver(0, 1),
        Step::Stabilize { node: 0 },
        import(2, 0),
        import(2, 1),
    ];
    holds(3, &steps);
}

#[test]
fn a_flush_there_cancels_what_it_had_folded() {
    let steps = [
        one_write(0, HASH_INCREMENT, 0),
        deliver(1, 0),
        one_write(1, SET, 1),
        one_write(0, HASH_INCREMENT, 0),
        Step::Stabilize { node: 1 },
        one_write(1, FLUSH, 0),
        import(0, 1),
    ];
    holds(2, &steps);
}

#[test]
fn what_was_folded_on_top_of_a_flush_comes_to_who_was_away() {
    let steps = [
        one_write(0, SET, 0),
        one_write(1, HASH_INCREMENT, 2),
        one_write(0, FLUSH, 0),
        import(1, 0),
        one_write(1, SET, 0),
        Step::Leave { node: 0 },
        Step::Stabilize { node: 1 },
    ];
    holds(2, &steps);
}

#[test]
fn a_deadline_that_came_into_force_does_so_once() {
    let steps = [
        one_write(0, SET_WITH_DEADLINE, 0),
        Step::Pass { ms: 12 },
        one_write(1, SORTED_SET_ADD, 0),
        import(0, 1),
        one_write(0, SET, 1),
        Step::Stabilize { node: 0 },
        import(1, 0),
        import(0, 1),
    ];
    holds(2, &steps);
}

#[test]
fn what_was_cancelled_does_not_make_a_key() {
    let steps = [
        one_write(0, INCREMENT, 0),
        one_write(0, SET, 0),
        import(1, 0),
        write_with_deadline(1, SET_WITH_DEADLINE, 0, 200),
        Step::Leave { node: 0 },
        Step::Stabilize { node: 1 },
        import(1, 0),
    ];
    holds(2, &steps);
}

#[test]
fn an_increment_that_a_losing_clear_had_seen_is_cancelled_by_a_data_set() {
    // 0 has the increment and the newer SET of 2, which had not seen it; 1 has SET it before, having seen it.
    let steps = [
        one_write(0, INCREMENT, 0),
        deliver(1, 0),
        one_write(1, SET, 0),
        one_write(2, SET, 0),
        deliver(1, 2),
        deliver(0, 2),
        import(0, 1),
    ];
    holds(3, &steps);
}
