//! KeyDB's nested hashes: values under dotted paths, `key.field.field`.
//!
//! A path's first word is a key. What lies deeper is kept in the hash at that key, a field for each value, named by
//! the rest of the path; a list is one field, whose name ends with a dot, as no path does. So nested hashes are merged,
//! copied and expire as hashes do, and HGETALL shows what they are made of. Where two nodes made something a value and a
//! hash at the same time, the value hides what lies below it.

use crate::arguments::is;
use crate::command::{Argument, Command, Flags, Handler, Reply};
use crate::context::SessionContext;
use crate::fault::Fault;
use effect::{Items, ItemsWriter};
use keyspace::{EventClass, KeyType, SetDeadline, Txn, View};
use resp::{Args, Out};
use std::collections::BTreeMap;
use values::HashRef;

pub(super) const COMMANDS: &[&Command] = &[&KEYDB_NHGET, &KEYDB_NHSET];

const NESTED: Command = Command { group: "hash", categories: &["hash"], since: "6.0.0", ..Command::BASE };

/// How many words a path may have.
const DEPTH_MAX: usize = 64;

/// A path, checked: no word of it is empty.
#[derive(Clone, Copy)]
struct Path<'a> {
    key: &'a [u8],
    /// Empty where the path is only a key.
    rest: &'a [u8],
}

impl<'a> Path<'a> {
    fn parse(text: &'a [u8]) -> Result<Path<'a>, Fault> {
        let words = text.split(|byte| *byte == b'.');
        if words.clone().count() > DEPTH_MAX || words.clone().any(<[u8]>::is_empty) {
            return Err(Fault::Syntax);
        }
        let key = words.clone().next().unwrap_or_default();
        Ok(Path { key, rest: text.get(key.len() + 1..).unwrap_or_default() })
    }

    /// The field of a list, and the beginning of what lies below.
    fn below(self) -> Vec<u8> {
        if self.rest.is_empty() { Vec::new() } else { [self.rest, b"."].concat() }
    }

    /// Whether a field is a value on the way to this one.
    fn leads_through(self, field: &[u8]) -> bool {
        let name = field.strip_suffix(b".").unwrap_or(field);
        self.rest.len() > name.len() && self.rest.starts_with(name) && self.rest[name.len()] == b'.'
    }
}

const KEYDB_NHSET: Command = Command {
    name: "keydb.nhset",
    arity: -3,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
    complexity: "O(N), N: values in the whole nested hash",
    summary: "Sets what is under a dotted path of nested hashes; several values make a list.",
    arguments: &[Argument::string("path"), Argument::string("value").multiple()],
    handler: Handler::Session(nhset),
    ..NESTED
};

fn nhset(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let path = Path::parse(args.at(1))?;
    let values: Vec<&[u8]> = args.from(2).iter().collect();
    let replaced = context.with_key(path.key, |txn| set(txn, path, &values))?;
    out.integer(i64::from(replaced));
    Ok(())
}

/// True where something was there.
fn set(txn: &mut Txn<'_>, path: Path<'_>, values: &[&[u8]]) -> Result<bool, Fault> {
    let key = path.key;
    let there = txn.peek_type(key);
    if path.rest.is_empty() {
        match values {
            [value] => {
                txn.string_set(key, value, SetDeadline::Clear);
                txn.notify(EventClass::STRING, "set", key);
            }
            _ => {
                txn.store_list(key, values.iter().copied());
                txn.notify(EventClass::LIST, "rpush", key);
            }
        }
        return Ok(there.is_some());
    }
    if there.is_some_and(|there| there != KeyType::Hash) {
        txn.delete(key);
    }
    let below = path.below();
    let (mut gone, mut replaced): (Vec<Vec<u8>>, bool) = (Vec::new(), false);
    if let Some(hash) = txn.hash(key)? {
        hash.for_each(|field, _| {
            let is_replaced = field == path.rest || field.starts_with(&below);
            replaced |= is_replaced;
            if is_replaced || path.leads_through(field) {
                gone.push(field.to_vec());
            }
        });
    }
    let (field, value) = match values {
        [value] => (path.rest, value.to_vec()),
        _ => (&below[..], list_value(values)),
    };
    // In this order the hash is never empty, which would end its life and its deadline.
    txn.hash_set(key, std::iter::once((field, &value[..])))?;
    txn.hash_delete(key, gone.iter().map(Vec::as_slice).filter(|gone| *gone != field))?;
    txn.notify(EventClass::HASH, "hset", key);
    Ok(replaced)
}

fn list_value(values: &[&[u8]]) -> Vec<u8> {
    let mut items = ItemsWriter::new();
    values.iter().for_each(|value| items.push(value));
    items.items().encoded().to_vec()
}

const KEYDB_NHGET: Command = Command {
    name: "keydb.nhget",
    arity: -2,
    flags: Flags::READONLY,
    complexity: "O(N), N: values in the whole nested hash",
    summary: "What is under a dotted path of nested hashes, as arrays or as JSON.",
    arguments: &[
        Argument::one_of("format", &[Argument::word("json", "JSON"), Argument::word("resp", "RESP")]).optional(),
        Argument::string("path"),
    ],
    handler: Handler::Session(nhget),
    ..NESTED
};

fn nhget(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let as_json = match args.len() {
        2 => false,
        3 if is(args.at(1), "JSON") => true,
        3 if is(args.at(1), "RESP") => false,
        _ => return Err(Fault::Syntax),
    };
    let path = Path::parse(args.at(args.len() - 1))?;
    let node = context.with_key(path.key, |txn| Node::read(txn, path))?.ok_or(Fault::NoSuchKey)?;
    if as_json {
        let mut json = Vec::new();
        node.write_json(&mut json);
        out.bulk(&json);
    } else {
        node.reply(out);
    }
    Ok(())
}

/// What is under a path.
enum Node {
    Text(Vec<u8>),
    List(Vec<Vec<u8>>),
    Branch(BTreeMap<Vec<u8>, Node>),
}

impl Node {
    fn read(view: &View<'_>, path: Path<'_>) -> Result<Option<Node>, Fault> {
        Ok(match view.peek_type(path.key) {
            Some(KeyType::Hash) => view.hash(path.key)?.and_then(|hash| Node::within(hash, path)),
            _ if !path.rest.is_empty() => None,
            Some(KeyType::String) => view.string(path.key)?.map(|value| Node::Text(value.to_vec())),
            Some(KeyType::List) => {
                let list = view.list(path.key)?;
                Some(Node::List(list.into_iter().flatten().map(|element| element.to_vec()).collect()))
            }
            Some(_) => return Err(Fault::WrongType),
            None => None,
        })
    }

    fn within(hash: HashRef<'_>, path: Path<'_>) -> Option<Node> {
        let below = path.below();
        if !path.rest.is_empty() {
            if let Some(value) = hash.value(path.rest) {
                return Some(Node::Text(value.to_vec()));
            }
            if let Some(value) = hash.value(&below) {
                return Some(value.with_bytes(Node::list));
            }
        }
        let mut fields = BTreeMap::new();
        hash.for_each(|field, value| {
            if let Some(name) = field.strip_prefix(&below[..]) {
                fields.insert(name.to_vec(), value.to_vec());
            }
        });
        let mut branch = BTreeMap::new();
        // A value comes before what lies below it.
        fields.iter().for_each(|(name, value)| Node::insert(&mut branch, name, value));
        (!branch.is_empty()).then_some(Node::Branch(branch))
    }

    fn insert(mut branch: &mut BTreeMap<Vec<u8>, Node>, name: &[u8], value: &[u8]) {
        let mut words = name.splitn(DEPTH_MAX, |byte| *byte == b'.').peekable();
        while let Some(word) = words.next() {
            let node = match words.peek() {
                None => Node::Text(value.to_vec()),
                Some([]) => Node::list(value),
                Some(_) => Node::Branch(BTreeMap::new()),
            };
            match branch.entry(word.to_vec()).or_insert(node) {
                Node::Branch(deeper) => branch = deeper,
                Node::Text(_) | Node::List(_) => return,
            }
        }
    }

    fn list(encoded: &[u8]) -> Node {
        match Items::new(encoded) {
            Ok(items) => Node::List(items.iter().map(<[u8]>::to_vec).collect()),
            // Somebody else wrote the field.
            Err(_) => Node::Text(encoded.to_vec()),
        }
    }

    /// Pairs; a single one is not wrapped once more.
    fn reply(&self, out: &mut Out) {
        match self {
            Node::Text(text) => out.bulk(text),
            Node::List(elements) => {
                out.array(elements.len());
                elements.iter().for_each(|element| out.bulk(element));
            }
            Node::Branch(branch) => {
                if branch.len() > 1 {
                    out.array(branch.len());
                }
                for (name, node) in branch {
                    out.array(2);
                    out.bulk(name);
                    node.reply(out);
                }
            }
        }
    }

    fn write_json(&self, json: &mut Vec<u8>) {
        match self {
            Node::Text(text) => write_json_text(text, json),
            Node::List(elements) => {
                let write = |element: &Vec<u8>, json: &mut Vec<u8>| write_json_text(element, json);
                write_json_items(b"[]", elements.iter(), json, write);
            }
            Node::Branch(branch) => write_json_items(b"{}", branch.iter(), json, |(name, node), json| {
                write_json_text(name, json);
                json.extend_from_slice(b" : ");
                node.write_json(json);
            }),
        }
    }
}

fn write_json_items<T>(
    brackets: &[u8; 2],
    items: impl Iterator<Item = T>,
    json: &mut Vec<u8>,
    write: impl Fn(T, &mut Vec<u8>),
) {
    json.push(brackets[0]);
    for (index, item) in items.enumerate() {
        if index > 0 {
            json.push(b',');
        }
        write(item, json);
    }
    json.push(brackets[1]);
}

fn write_json_text(text: &[u8], json: &mut Vec<u8>) {
    json.push(b'"');
    for &byte in text {
        match byte {
            b'"' | b'\\' => json.extend_from_slice(&[b'\\', byte]),
            0..0x20 => json.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => json.push(byte),
        }
    }
    json.push(b'"');
}
