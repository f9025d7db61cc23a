//! SORT: the elements of a list, set or sorted set in order, by themselves or by what other keys say of them.

mod aside;

use self::aside::Sorting;
use super::generic::GENERIC;
use crate::arguments::{Cursor, integer, is};
use crate::aside::{Aside, Locks};
use crate::command::{Argument, Begin, Command, Find, Flags, Handler, KeySpec, Reply};
use crate::context::SessionContext;
use crate::fault::Fault;
use crate::keys::KeyHashes;
use keyspace::{EventClass, KeyType, Scope, Txn, View};
use resp::{Args, Out};
use std::cmp::Ordering;
use std::ops::Range;
use values::List;

pub(super) const COMMANDS: &[&Command] = &[&SORT, &SORT_RO];

const KEY: KeySpec = KeySpec::one(1, &["RO", "access"]);
const ONE: Find = Find::Range { last: 0, step: 1, limit: 0 };
const PATTERNS: KeySpec = KeySpec { flags: &["RO", "access"], begin: Begin::Unknown { last_word: None }, find: ONE };
const DESTINATION: KeySpec =
    KeySpec { flags: &["OW", "update"], begin: Begin::Unknown { last_word: Some("STORE") }, find: ONE };

const COMPLEXITY: &str = "O(N + M*log(M)), N: elements, M: those that are given; O(N) where they are not sorted";

const BY: Argument = pattern("by-pattern", "BY").optional();
const LIMIT: Argument =
    Argument::block("limit", &[Argument::integer("offset"), Argument::integer("count")]).token("LIMIT").optional();
const GET: Argument = pattern("get-pattern", "GET").optional().multiple_token();
const ORDER: Argument =
    Argument::one_of("order", &[Argument::word("asc", "ASC"), Argument::word("desc", "DESC")]).optional();
const SORTING: Argument = Argument::word("sorting", "ALPHA").optional();

const fn pattern(name: &'static str, token: &'static str) -> Argument {
    let mut argument = Argument::new(name, "pattern").token(token);
    argument.key_spec = Some(1);
    argument
}

const SORT: Command = Command {
    name: "sort",
    arity: -2,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
    categories: &["set", "sortedset", "list", "dangerous"],
    keys: &[KEY, PATTERNS, DESTINATION],
    complexity: COMPLEXITY,
    summary: "The elements of a list, set or sorted set in order, or what other keys say of them; stores them as a list.",
    arguments: &[
        Argument::key("key", 0),
        BY,
        LIMIT,
        GET,
        ORDER,
        SORTING,
        Argument::key("destination", 2).token("STORE").optional(),
    ],
    handler: Handler::Session(|context, args, out| sort(context, args, out, true)),
    ..GENERIC
};

const SORT_RO: Command = Command {
    name: "sort_ro",
    arity: -2,
    flags: Flags::READONLY,
    categories: &["set", "sortedset", "list", "dangerous"],
    keys: &[KEY, PATTERNS],
    since: "7.0.0",
    complexity: COMPLEXITY,
    summary: "The elements of a list, set or sorted set in order, or what other keys say of them.",
    arguments: &[Argument::key("key", 0), BY, LIMIT, GET, ORDER, SORTING],
    handler: Handler::Session(|context, args, out| sort(context, args, out, false)),
    ..GENERIC
};

struct Options<'a> {
    by: Option<Pattern<'a>>,
    get: Vec<Pattern<'a>>,
    /// Offset and count as they were given.
    limit: (i64, i64),
    descending: bool,
    alpha: bool,
    store: Option<&'a [u8]>,
}

/// Where something about an element is to be found.
#[derive(Clone, Copy)]
enum Pattern<'a> {
    /// `#`: the element itself.
    Element,
    /// Without `*` there is only one place for all: nothing.
    Nowhere,
    Key {
        before: &'a [u8],
        after: &'a [u8],
        /// Of the hash at the key; else the string.
        field: Option<&'a [u8]>,
    },
}

impl<'a> Pattern<'a> {
    fn parse(text: &'a [u8]) -> Pattern<'a> {
        if text == b"#" {
            return Pattern::Element;
        }
        let Some(star) = text.iter().position(|byte| *byte == b'*') else { return Pattern::Nowhere };
        let (before, after) = (&text[..star], &text[star + 1..]);
        match after.windows(2).position(|pair| pair == b"->") {
            Some(arrow) if arrow + 2 < after.len() => {
                Pattern::Key { before, after: &after[..arrow], field: Some(&after[arrow + 2..]) }
            }
            _ => Pattern::Key { before, after, field: None },
        }
    }

    /// BY `#` names a place without `*`, too.
    fn parse_by(text: &'a [u8]) -> Pattern<'a> {
        match Pattern::parse(text) {
            Pattern::Element => Pattern::Nowhere,
            pattern => pattern,
        }
    }

    /// The key at which it is to be found.
    fn key(self, element: &[u8]) -> Option<Vec<u8>> {
        let Pattern::Key { before, after, .. } = self else { return None };
        Some([before, element, after].concat())
    }

    /// What it says of an element.
    fn value(self, view: &View<'_>, element: &[u8]) -> Option<Vec<u8>> {
        let Pattern::Key { field, .. } = self else {
            return matches!(self, Pattern::Element).then(|| element.to_vec());
        };
        let key = self.key(element)?;
        match field {
            Some(field) => Some(view.hash(&key).ok()??.value(field)?.to_vec()),
            None => Some(view.string(&key).ok()??.to_vec()),
        }
    }
}

impl<'a> Options<'a> {
    fn parse(args: Args<'a>, may_store: bool) -> Result<Options<'a>, Fault> {
        let mut options =
            Options { by: None, get: Vec::new(), limit: (0, -1), descending: false, alpha: false, store: None };
        let mut words = Cursor::new(args, 2);
        while let Some(word) = words.next() {
            let has_value = words.remaining() > 0;
            match word {
                word if is(word, "ASC") => options.descending = false,
                word if is(word, "DESC") => options.descending = true,
                word if is(word, "ALPHA") => options.alpha = true,
                word if is(word, "LIMIT") && words.remaining() > 1 => {
                    options.limit = (integer(words.value()?)?, integer(words.value()?)?);
                }
                word if is(word, "STORE") && has_value && may_store => options.store = words.next(),
                word if is(word, "BY") && has_value => options.by = words.next().map(Pattern::parse_by),
                word if is(word, "GET") && has_value => options.get.extend(words.next().map(Pattern::parse)),
                _ => return Err(Fault::Syntax),
            }
        }
        Ok(options)
    }

    /// Have other keys a say?
    fn is_wide(&self) -> bool {
        self.by.iter().chain(&self.get).any(|pattern| matches!(pattern, Pattern::Key { .. }))
    }

    fn is_unsorted(&self) -> bool {
        matches!(self.by, Some(Pattern::Nowhere))
    }

    /// A list that is kept has an order, and the same one wherever the set comes from.
    fn order_what_is_kept(&mut self) {
        if self.is_unsorted() && self.store.is_some() {
            self.by = None;
            self.alpha = true;
        }
    }

    fn weight(&self, view: &View<'_>, element: &[u8]) -> Result<Weight, Fault> {
        Ok(match (self.by, self.alpha) {
            (None, true) => Weight::Itself,
            (None, false) => Weight::Number(number(element)?),
            (Some(by), true) => Weight::Text(by.value(view, element)),
            // What has no weight weighs nothing.
            (Some(by), false) => Weight::Number(by.value(view, element).map_or(Ok(0.0), |value| number(&value))?),
        })
    }

    /// Which of so many elements are given.
    fn range(&self, len: usize) -> Range<usize> {
        let (offset, count) = self.limit;
        let start = (offset.max(0) as usize).min(len);
        let end = if count < 0 { len } else { start.saturating_add(count as usize).min(len) };
        start..end
    }
}

fn sort(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out, may_store: bool) -> Reply {
    let mut options = Options::parse(args, may_store)?;
    let key = args.at(1);
    let keys: KeyHashes =
        [Some(key), options.store].into_iter().flatten().map(|key| context.engine.keyspace.hash(key)).collect();
    let is_wide = options.is_wide();
    let scope = if is_wide { Scope::All } else { Scope::Keys(&keys) };
    // Who caches what it reads must not hear of a change before it has the reply.
    let may_wait = !context.in_transaction() && context.session.tracking.is_none();
    let mut work = None;
    context.with_scope(scope, |txn| {
        work = if may_wait { txn.peek(|| Sorting::begin(txn, key, &options, out)) } else { None };
        if work.is_some() { Ok(()) } else { run(txn, key, &mut options, out) }
    })?;
    if let Some(work) = work {
        context.go_aside(if is_wide { Locks::All } else { Locks::Keys(keys) }, args, ASIDE, work, out);
    }
    Ok(())
}

const ASIDE: Aside = Aside {
    run: |txn, args, out| run(txn, args.at(1), &mut Options::parse(args, true)?, out),
    begin: |txn, args, out| Sorting::begin(txn, args.at(1), &Options::parse(args, true).ok()?, out),
};

fn run(txn: &mut Txn<'_>, key: &[u8], options: &mut Options<'_>, out: &mut Out) -> Reply {
    let mut elements = load(txn, key, options)?;
    if !options.is_unsorted() {
        elements = sorted(txn, elements, options)?;
    }
    let range = options.range(elements.len());
    let results = elements.drain(range).flat_map(|element| match options.get[..] {
        [] => vec![Some(element)],
        _ => options.get.iter().map(|pattern| pattern.value(txn, &element)).collect(),
    });
    let results: Vec<Option<Vec<u8>>> = results.collect();
    let Some(destination) = options.store else {
        out.array(results.len());
        for result in results {
            match result {
                Some(value) => out.bulk(&value),
                None => out.null(),
            }
        }
        return Ok(());
    };
    let results = results.iter().map(|result| result.as_deref().unwrap_or_default());
    store(txn, destination, List::from_elements(results, txn.encoding_limits()), out);
    Ok(())
}

fn store(txn: &mut Txn<'_>, destination: &[u8], list: List, out: &mut Out) {
    let len = list.len();
    if len > 0 {
        txn.replace_list(destination, list);
        txn.notify(EventClass::LIST, "sortstore", destination);
    } else if txn.delete(destination) {
        txn.notify(EventClass::GENERIC, "del", destination);
    }
    out.integer(len as i64);
}

/// The elements in the order of their collection; where nothing is sorted, the direction counts for what has an order.
fn load(view: &View<'_>, key: &[u8], options: &mut Options<'_>) -> Result<Vec<Vec<u8>>, Fault> {
    let reversed = options.is_unsorted() && options.descending;
    Ok(match view.type_of(key) {
        None => Vec::new(),
        Some(KeyType::List) => {
            let list = view.list(key)?;
            let mut elements: Vec<Vec<u8>> = list.into_iter().flatten().map(|element| element.to_vec()).collect();
            if reversed {
                elements.reverse();
            }
            elements
        }
        Some(KeyType::SortedSet) => {
            let set = view.sorted_set(key)?;
            let mut elements: Vec<Vec<u8>> = set.into_iter().flatten().map(|(member, _)| member.to_vec()).collect();
            if reversed {
                elements.reverse();
            }
            elements
        }
        Some(KeyType::Set) => {
            options.order_what_is_kept();
            let set = view.set(key)?;
            set.into_iter().flatten().map(|member| member.to_vec()).collect()
        }
        Some(_) => return Err(Fault::WrongType),
    })
}

/// What an element is sorted by.
#[derive(Debug)]
enum Weight {
    Number(f64),
    Text(Option<Vec<u8>>),
    Itself,
}

fn sorted(view: &View<'_>, elements: Vec<Vec<u8>>, options: &Options<'_>) -> Result<Vec<Vec<u8>>, Fault> {
    let mut weighted = Vec::with_capacity(elements.len());
    for element in elements {
        weighted.push((options.weight(view, &element)?, element));
    }
    weighted.sort_by(|left, right| {
        let order = compare(left, right);
        if options.descending { order.reverse() } else { order }
    });
    Ok(weighted.into_iter().map(|(_, element)| element).collect())
}

fn compare((weight, element): &(Weight, Vec<u8>), (other_weight, other): &(Weight, Vec<u8>)) -> Ordering {
    match (weight, other_weight) {
        (Weight::Number(left), Weight::Number(right)) => {
            left.partial_cmp(right).unwrap_or(Ordering::Equal).then_with(|| element.cmp(other))
        }
        (Weight::Text(left), Weight::Text(right)) => left.cmp(right),
        _ => element.cmp(other),
    }
}

/// As C reads it: nothing is zero, and spaces may stand before the number.
fn number(text: &[u8]) -> Result<f64, Fault> {
    let trimmed = text.trim_ascii_start();
    if text.is_empty() {
        return Ok(0.0);
    }
    stdx::parse_f64(trimmed).ok_or(Fault::Text("ERR One or more scores can't be converted into double"))
}
