//! Commands that read the same of each key that they name. Of very many they read it slice by slice, and what has changed in
//! between once more at the end: all of it is as it was at that moment.

use crate::command::Reply;
use crate::context::{KEYS_FETCHED_AHEAD, SessionContext};
use crate::keys::{KeyHashes, hash_keys};
use crate::long_reads::LongRead;
use crate::slices::{self, Sliced};
use crate::table::Entry;
use keyspace::{Scope, View};
use resp::{Args, Out, OwnedArgs, Rest};
use std::collections::VecDeque;

/// More are read in slices.
const MANY_KEYS: usize = 10_000;
/// How many at a time: so many are locked together.
const SLICE_KEYS: usize = 1000;

/// How such a command is declared. All its arguments are keys.
#[derive(Clone, Copy)]
pub enum EachKey {
    /// The reply has an element for each key.
    Reply(fn(&View<'_>, &[u8], &mut Out)),
    /// The reply is for how many of them this is true.
    Count(fn(&View<'_>, &[u8]) -> bool),
}

impl EachKey {
    /// Appends what there is to reply; returns how many counted.
    fn read(self, view: &View<'_>, keys: Args<'_>, out: &mut Out) -> usize {
        let mut counted = 0;
        for some in keys.chunks(KEYS_FETCHED_AHEAD) {
            if keys.len() > KEYS_FETCHED_AHEAD {
                view.prefetch(some.iter());
            }
            match self {
                EachKey::Reply(reply) => some.iter().for_each(|key| reply(view, key, out)),
                EachKey::Count(counts) => counted += some.iter().filter(|key| counts(view, key)).count(),
            }
        }
        counted
    }

    fn read_all(self, view: &View<'_>, keys: Args<'_>, out: &mut Out) {
        match self {
            EachKey::Reply(_) => {
                out.array(keys.len());
                self.read(view, keys, out);
            }
            EachKey::Count(_) => {
                let counted = self.read(view, keys, out);
                out.integer(counted as i64);
            }
        }
    }
}

impl SessionContext<'_> {
    pub(crate) fn call_each_key(
        &mut self,
        entry: &'static Entry,
        args: Args<'_>,
        first_key: Option<u64>,
        each: EachKey,
        out: &mut Out,
    ) -> Reply {
        // Who caches what it reads must not hear of a change before it has the reply.
        if args.len() <= MANY_KEYS || self.in_transaction() || self.session.tracking.is_some() {
            return self.with_keys(entry, args, first_key, |txn| {
                each.read_all(txn, args.from(1), out);
                Ok(())
            });
        }
        let mut hashes = KeyHashes::new();
        hash_keys(entry, args, |key| self.engine.keyspace.hash(key), &mut hashes);
        let read = LongRead::begin(self.session.engine(), self.session.db);
        let reading = Reading {
            each,
            args: args.to_owned(),
            hashes,
            read,
            parts: VecDeque::new(),
            bytes: 0,
            blank: out.part(),
            limit_bytes: out.limit_bytes,
        };
        slices::run(self, reading, out);
        Ok(())
    }
}

/// As far as it has come.
struct Reading {
    each: EachKey,
    args: OwnedArgs,
    hashes: KeyHashes,
    read: LongRead,
    parts: VecDeque<Part>,
    bytes: u64,
    /// What parts of the reply begin as.
    blank: Out,
    /// A longer reply is not worth going on with; 0: any is.
    limit_bytes: u64,
}

/// What was read of some keys.
struct Part {
    counted: usize,
    reply: Vec<u8>,
}

impl Part {
    fn read(each: EachKey, view: &View<'_>, keys: Args<'_>, out: &Out) -> Part {
        let mut part = out.part();
        let counted = each.read(view, keys, &mut part);
        Part { counted, reply: part.buffer }
    }
}

impl Reading {
    fn is_too_long(&self) -> bool {
        self.limit_bytes > 0 && self.bytes > self.limit_bytes
    }
}

impl Sliced for Reading {
    fn step(&mut self, context: &mut SessionContext<'_>) -> bool {
        let start = self.parts.len() * SLICE_KEYS;
        let keys = self.args.args().from(1 + start).chunks(SLICE_KEYS).next();
        if let (Some(keys), Some(hashes)) = (keys, self.hashes[start..].chunks(SLICE_KEYS).next()) {
            let part = context.with_scope(Scope::Keys(hashes), |txn| Part::read(self.each, txn, keys, &self.blank));
            self.bytes += part.reply.len() as u64;
            self.parts.push_back(part);
        }
        self.is_too_long() || self.parts.len() * SLICE_KEYS >= self.hashes.len()
    }

    fn reply(&mut self, context: &mut SessionContext<'_>, out: &mut Out) -> bool {
        if self.is_too_long() {
            context.engine.close_for_output(&context.session.client, context.now);
            return true;
        }
        let Reading { each, args, hashes, read, parts, .. } = self;
        let keys = args.args().from(1);
        context.with_scope(Scope::Keys(hashes), |txn| {
            let changed = read.take_changed();
            let slices = hashes.chunks(SLICE_KEYS).zip(keys.chunks(SLICE_KEYS)).zip(&mut *parts);
            for ((_, keys), part) in slices.filter(|((hashes, _), _)| changed.concerns(hashes)) {
                *part = txn.peek(|| Part::read(*each, txn, keys, out));
            }
        });
        match each {
            EachKey::Reply(_) => {
                out.array(keys.len());
                out.continue_with(Parts(std::mem::take(parts)));
            }
            EachKey::Count(_) => out.integer(parts.iter().map(|part| part.counted).sum::<usize>() as i64),
        }
        true
    }
}

/// The rest of the reply.
struct Parts(VecDeque<Part>);

impl Rest for Parts {
    fn promised_bytes(&self) -> usize {
        self.0.iter().map(|part| part.reply.len()).sum()
    }

    fn append_slice(&mut self, out: &mut Out) -> bool {
        if let Some(part) = self.0.pop_front() {
            out.buffer.extend_from_slice(&part.reply);
        }
        !self.0.is_empty()
    }
}
