//! Intersection, union and difference.

use super::SET;
use crate::arguments::{Cursor, is};
use crate::aside::{Aside, Work};
use crate::command::{Argument, Command, Flags, Handler, KeySpec, Reply};
use crate::commands::collection::{Gathered, SLICE_ELEMENTS, is_long, reply_elements};
use crate::context::SessionContext;
use crate::fault::Fault;
use keyspace::{EventClass, Txn, View};
use resp::{Args, Out, Rest};
use values::{Element, EncodingLimits, Set, SetRef};

const OF_KEYS: Command = Command {
    arity: -2,
    flags: Flags::READONLY,
    keys: &[KeySpec::from(1, &["RO", "access"])],
    tips: &["nondeterministic_output_order"],
    arguments: &[Argument::key("key", 0).multiple()],
    ..SET
};

const STORING: Command = Command {
    arity: -3,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
    keys: &[KeySpec::one(1, &["OW", "update"]), KeySpec::from(2, &["RO", "access"])],
    arguments: &[Argument::key("destination", 0), Argument::key("key", 1).multiple()],
    ..SET
};

const INTERSECTION_COMPLEXITY: &str = "O(N*M) at worst, N: members of the smallest set, M: number of sets";
const TOTAL_COMPLEXITY: &str = "O(N), N: members of all the sets";

pub(super) const SDIFF: Command = Command {
    name: "sdiff",
    complexity: TOTAL_COMPLEXITY,
    summary: "The members of the first set that are in none of the others.",
    handler: Handler::Read(|view, args, out| {
        let sets = sets(view, args.from(1).iter())?;
        match Selection::difference(&sets) {
            Some(selection) => reply_selection(selection, out),
            None => reply_members(out, difference(&sets).view()),
        }
        Ok(())
    }),
    ..OF_KEYS
};

pub(super) const SDIFFSTORE: Command = Command {
    name: "sdiffstore",
    complexity: TOTAL_COMPLEXITY,
    summary: "Stores the members of the first set that are in none of the others.",
    handler: Handler::Aside(Aside {
        run: |txn, args, out| {
            let members = difference(&sets(txn, args.from(2).iter())?);
            store(txn, args.at(1), members, "sdiffstore", out)
        },
        begin: |txn, args, _| Storing::begin(txn, args, Selection::difference, "sdiffstore"),
    }),
    ..STORING
};

pub(super) const SINTER: Command = Command {
    name: "sinter",
    complexity: INTERSECTION_COMPLEXITY,
    summary: "The members that all the sets have.",
    handler: Handler::Read(|view, args, out| {
        let sets = sets(view, args.from(1).iter())?;
        if let Some(selection) = Selection::intersection(&sets) {
            reply_selection(selection, out);
            return Ok(());
        }
        let members: Vec<Element<'_>> = intersection(sets).collect();
        out.set(members.len());
        reply_elements(out, members.into_iter());
        Ok(())
    }),
    ..OF_KEYS
};

pub(super) const SINTERCARD: Command = Command {
    name: "sintercard",
    arity: -3,
    flags: Flags::READONLY,
    keys: &[KeySpec::counted(1, &["RO", "access"])],
    since: "7.0.0",
    complexity: INTERSECTION_COMPLEXITY,
    summary: "How many members all the sets have, counted up to a limit.",
    arguments: &[
        Argument::integer("numkeys"),
        Argument::key("key", 0).multiple(),
        Argument::integer("limit").token("LIMIT").optional(),
    ],
    handler: Handler::Read(sintercard),
    ..SET
};

fn sintercard(view: &View<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let key_count = parse_positive(args.at(1))
        .filter(|&count| count > 0)
        .ok_or(Fault::Text("ERR numkeys should be greater than 0"))?;
    if key_count > args.len() - 2 {
        return Err(Fault::Text("ERR Number of keys can't be greater than number of args"));
    }
    let mut limit = 0;
    let mut words = Cursor::new(args, 2 + key_count);
    while let Some(word) = words.next() {
        if !is(word, "LIMIT") {
            return Err(Fault::Syntax);
        }
        limit = parse_positive(words.value()?).ok_or(Fault::Text("ERR LIMIT can't be negative"))?;
    }
    let limit = if limit == 0 { usize::MAX } else { limit };
    let sets = sets(view, args.from(2).iter().take(key_count))?;
    match Selection::intersection(&sets).filter(|_| is_long(limit)) {
        Some(selection) => out.continue_with(Counting { selection, count: 0, limit }),
        None => out.integer(intersection(sets).take(limit).count() as i64),
    }
    Ok(())
}

fn parse_positive(text: &[u8]) -> Option<usize> {
    usize::try_from(stdx::parse_i64(text)?).ok()
}

pub(super) const SINTERSTORE: Command = Command {
    name: "sinterstore",
    complexity: INTERSECTION_COMPLEXITY,
    summary: "Stores the members that all the sets have.",
    handler: Handler::Aside(Aside {
        run: |txn, args, out| {
            let members = set_of(intersection(sets(txn, args.from(2).iter())?));
            store(txn, args.at(1), members, "sinterstore", out)
        },
        begin: |txn, args, _| Storing::begin(txn, args, Selection::intersection, "sinterstore"),
    }),
    ..STORING
};

pub(super) const SUNION: Command = Command {
    name: "sunion",
    complexity: TOTAL_COMPLEXITY,
    summary: "The members that any of the sets has.",
    handler: Handler::Read(|view, args, out| {
        let sets = sets(view, args.from(1).iter())?;
        match Selection::union(&sets) {
            Some(selection) => reply_selection(selection, out),
            None => reply_members(out, union(&sets).view()),
        }
        Ok(())
    }),
    ..OF_KEYS
};

pub(super) const SUNIONSTORE: Command = Command {
    name: "sunionstore",
    complexity: TOTAL_COMPLEXITY,
    summary: "Stores the members that any of the sets has.",
    handler: Handler::Aside(Aside {
        run: |txn, args, out| {
            let members = union(&sets(txn, args.from(2).iter())?);
            store(txn, args.at(1), members, "sunionstore", out)
        },
        begin: |txn, args, _| Storing::begin(txn, args, Selection::union, "sunionstore"),
    }),
    ..STORING
};

/// The sets at `keys`; `None` where there is no such key.
fn sets<'v, 'a>(view: &'v View<'_>, keys: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Option<SetRef<'v>>>, Fault> {
    keys.map(|key| Ok(view.set(key)?)).collect()
}

fn reply_members(out: &mut Out, set: SetRef<'_>) {
    out.set(set.len());
    reply_elements(out, set.iter());
}

/// Replies how many members were stored. `event`: what is said of it.
fn store(txn: &mut Txn<'_>, destination: &[u8], members: Set, event: &'static str, out: &mut Out) -> Reply {
    let replaced = txn.peek_type(destination).is_some();
    let len = members.len();
    txn.store_set(destination, members);
    if len > 0 {
        txn.notify(EventClass::SET, event, destination);
    } else if replaced {
        txn.notify(EventClass::GENERIC, "del", destination);
    }
    out.integer(len as i64);
    Ok(())
}

/// What takes long, made slice by slice of copies of the sets: members of the first `sources` sets that the tested ones have, or
/// have not.
struct Selection {
    sets: Vec<Set>,
    sources: usize,
    /// The tested sets must have a member; else they must not.
    in_all: bool,
    /// Which source is gone through, and from where on.
    source: usize,
    cursor: u64,
}

impl Selection {
    /// `None` where no source is long.
    fn new(sets: Vec<SetRef<'_>>, sources: usize, in_all: bool) -> Option<Selection> {
        if !sets.iter().take(sources).any(|set| is_long(set.len())) {
            return None;
        }
        let sets = sets.into_iter().map(|set| set.contents()).collect();
        Some(Selection { sets, sources, in_all, source: 0, cursor: 0 })
    }

    fn intersection(sets: &[Option<SetRef<'_>>]) -> Option<Selection> {
        let mut sets: Vec<SetRef<'_>> = sets.iter().copied().collect::<Option<_>>()?;
        sets.sort_by_key(|set| set.len());
        Selection::new(sets, 1, true)
    }

    fn difference(sets: &[Option<SetRef<'_>>]) -> Option<Selection> {
        let (first, others) = sets.split_first()?;
        let others = others.iter().flatten().copied();
        Selection::new(std::iter::once((*first)?).chain(others).collect(), 1, false)
    }

    fn union(sets: &[Option<SetRef<'_>>]) -> Option<Selection> {
        let sets: Vec<SetRef<'_>> = sets.iter().flatten().copied().collect();
        let sources = sets.len();
        Selection::new(sets, sources, false)
    }

    /// Gives some more members to `found`. False where there are none any more.
    fn step(&mut self, mut found: impl FnMut(&[u8])) -> bool {
        let Some(source) = self.sets.get(self.source).filter(|_| self.source < self.sources) else { return false };
        // Of a union each member is given by the first set that has it.
        let tested = if self.sources == 1 { &self.sets[1..] } else { &self.sets[..self.source] };
        // Each test takes as long as giving the member does, or as keeping it.
        let count = SLICE_ELEMENTS / (2 + 2 * tested.len()) + 1;
        self.cursor = source.view().scan(self.cursor, count, |member| {
            let is_wanted = match self.in_all {
                true => tested.iter().all(|set| set.contains(member)),
                false => !tested.iter().any(|set| set.contains(member)),
            };
            if is_wanted {
                found(member);
            }
        });
        self.source += usize::from(self.cursor == 0);
        true
    }
}

fn reply_selection(selection: Selection, out: &mut Out) {
    let found = Gathered::new(out);
    out.continue_with(Replying { selection, found });
}

/// A selection that becomes a reply.
struct Replying {
    selection: Selection,
    found: Gathered,
}

impl Rest for Replying {
    fn promised_bytes(&self) -> usize {
        self.found.bytes()
    }

    fn append_slice(&mut self, out: &mut Out) -> bool {
        let Replying { selection, found } = self;
        let goes_on = selection.step(|member| found.bulk(member));
        if !goes_on {
            out.set(found.len());
            found.reply(out);
        }
        goes_on
    }
}

/// A selection that is only counted.
struct Counting {
    selection: Selection,
    count: usize,
    limit: usize,
}

impl Rest for Counting {
    fn append_slice(&mut self, out: &mut Out) -> bool {
        let Counting { selection, count, limit } = self;
        let goes_on = selection.step(|_| *count += 1) && *count < *limit;
        if !goes_on {
            out.integer((*count).min(*limit) as i64);
        }
        goes_on
    }
}

/// A selection that is stored.
struct Storing {
    /// What the keys had.
    copies: Vec<Option<Set>>,
    selection: Selection,
    found: Set,
    limits: EncodingLimits,
    event: &'static str,
}

impl Storing {
    fn begin(
        txn: &Txn<'_>,
        args: Args<'_>,
        select: fn(&[Option<SetRef<'_>>]) -> Option<Selection>,
        event: &'static str,
    ) -> Option<Box<dyn Work>> {
        let sets = sets(txn, args.from(2).iter()).ok()?;
        let selection = select(&sets)?;
        let copies = sets.into_iter().map(|set| set.map(SetRef::contents)).collect();
        let limits = txn.encoding_limits().clone();
        Some(Box::new(Storing { copies, selection, found: Set::new(), limits, event }))
    }
}

impl Work for Storing {
    fn step(&mut self, _: Args<'_>, _: &mut SessionContext<'_>) -> bool {
        let Storing { selection, found, limits, .. } = self;
        !selection.step(|member| {
            found.insert(member, limits);
        })
    }

    fn finish(&mut self, txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> bool {
        let is_current = args.from(2).iter().zip(&self.copies).all(|(key, copy)| txn.is_set(key, copy.as_ref()));
        is_current && store(txn, args.at(1), std::mem::take(&mut self.found), self.event, out).is_ok()
    }
}

/// What all sets have: the members of the smallest that the others have too, small ones asked first.
fn intersection<'s>(sets: Vec<Option<SetRef<'s>>>) -> impl Iterator<Item = Element<'s>> {
    // A set that is not there is empty, and so is the intersection.
    let mut sets: Vec<SetRef<'_>> = sets.into_iter().collect::<Option<_>>().unwrap_or_default();
    sets.sort_by_key(|set| set.len());
    let mut sets = sets.into_iter();
    let smallest = sets.next();
    let others: Vec<SetRef<'_>> = sets.filter(|set| !smallest.is_some_and(|smallest| smallest.is(*set))).collect();
    let members = smallest.into_iter().flatten();
    members.filter(move |member| others.iter().all(|set| set.contains_element(*member)))
}

fn union(sets: &[Option<SetRef<'_>>]) -> Set {
    let mut result = Set::new();
    for set in sets.iter().flatten() {
        insert_all(&mut result, set.iter());
    }
    result
}

/// The first set without the others, by whichever way is less work: asking the others about each member of the first,
/// or removing all that the others have.
fn difference(sets: &[Option<SetRef<'_>>]) -> Set {
    let [Some(first), others @ ..] = sets else { return Set::new() };
    let mut others: Vec<SetRef<'_>> = others.iter().flatten().copied().collect();
    if others.iter().any(|other| other.is(*first)) {
        return Set::new();
    }
    // Asking stops at the first set that has the member, so it is given some advantage.
    let asking = first.len() * (others.len() + 1) / 2;
    let removing = first.len() + others.iter().map(|other| other.len()).sum::<usize>();
    if asking <= removing {
        others.sort_by_key(|other| std::cmp::Reverse(other.len()));
        return set_of(first.iter().filter(|member| !others.iter().any(|other| other.contains_element(*member))));
    }
    let mut result = first.contents();
    for other in others {
        for member in other {
            member.with_bytes(|member| result.remove(member));
        }
        if result.is_empty() {
            break;
        }
    }
    result
}

fn set_of<'a>(members: impl Iterator<Item = Element<'a>>) -> Set {
    let mut set = Set::new();
    insert_all(&mut set, members);
    set
}

/// The limits are of no importance here: what is stored gets the encoding of its keyspace.
fn insert_all<'a>(set: &mut Set, members: impl Iterator<Item = Element<'a>>) {
    let limits = EncodingLimits::default();
    for member in members {
        member.with_bytes(|member| set.insert(member, &limits));
    }
}
