//! The one table of commands: lookup by name without allocating, and what is derived from each
//! declaration once at start (identifier for statistics, full name, categories, key positions).

use crate::command::{Begin, Command, Find, Flags};
use crate::commands::FAMILIES;
use crate::fault::Fault;
use resp::Args;
use std::sync::LazyLock;

/// Where the keys of a command are, in the form that the hot path wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyShape {
    None,
    /// Exactly one key, at this index.
    One(usize),
    /// Whatever the key specifications say.
    Specs,
}

/// A command or subcommand, with what follows from its declaration.
pub struct Entry {
    pub command: &'static Command,
    /// "get", "config|set"
    pub full_name: String,
    /// Position in `Table::entries`: statistics are arrays by it.
    pub id: usize,
    pub keys: KeyShape,
    /// With '@', in Redis's order.
    pub categories: Vec<&'static str>,
    /// Takes so little time that the clock is not read for it alone.
    pub short: bool,
    /// Identifiers of the subcommands.
    pub subcommands: std::ops::Range<usize>,
}

impl Entry {
    pub fn has(&self, flags: Flags) -> bool {
        self.command.flags.intersects(flags)
    }
}

/// Every command of the server.
pub struct Table {
    entries: Vec<Entry>,
    /// Open addressing by `name_hash`; 0 is free, otherwise identifier + 1.
    slots: Vec<u16>,
}

static TABLE: LazyLock<Table> = LazyLock::new(Table::build);

/// The table of commands, built on first use.
pub fn table() -> &'static Table {
    &TABLE
}

const SLOTS: usize = 2048;
/// Names longer than this are no commands.
const LONGEST_NAME: usize = 32;

/// Equal for names that differ in case only.
#[inline]
fn name_hash(name: &[u8]) -> usize {
    let mut hash = name.len() as u64;
    let mut chunks = name.chunks_exact(8);
    for chunk in &mut chunks {
        hash = mix(hash, u64::from_le_bytes(chunk.try_into().expect("eight bytes")));
    }
    let rest = chunks.remainder();
    let mut tail = 0;
    for &byte in rest {
        tail = tail << 8 | u64::from(byte);
    }
    (mix(hash, tail) >> 48) as usize % SLOTS
}

#[inline]
fn mix(hash: u64, word: u64) -> u64 {
    const LOWER_CASE: u64 = 0x2020_2020_2020_2020;
    (hash ^ (word | LOWER_CASE)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

impl Table {
    fn build() -> Table {
        let mut table = Table { entries: Vec::new(), slots: vec![0; SLOTS] };
        let mut commands: Vec<&'static Command> = FAMILIES.iter().flat_map(|family| family.iter()).copied().collect();
        commands.sort_by_key(|command| command.name);
        for command in commands {
            let id = table.entries.len();
            table.entries.push(Entry::new(command, None, id));
            for subcommand in command.subcommands {
                let id = table.entries.len();
                table.entries.push(Entry::new(subcommand, Some(command), id));
            }
            table.entries[id].subcommands = id + 1..table.entries.len();
            let mut slot = name_hash(command.name.as_bytes());
            while table.slots[slot] != 0 {
                slot = (slot + 1) % SLOTS;
            }
            table.slots[slot] = id as u16 + 1;
        }
        table
    }

    /// Every command and subcommand; a container stands before its subcommands.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The commands without the subcommands.
    pub fn commands(&self) -> impl Iterator<Item = &Entry> {
        let mut next = 0;
        std::iter::from_fn(move || {
            let entry = self.entries.get(next)?;
            next = entry.subcommands.end;
            Some(entry)
        })
    }

    pub fn subcommands(&self, container: &Entry) -> &[Entry] {
        &self.entries[container.subcommands.clone()]
    }

    /// A command by its name, in any case.
    #[inline]
    pub fn command(&self, name: &[u8]) -> Option<&Entry> {
        if name.len() > LONGEST_NAME {
            return None;
        }
        let mut slot = name_hash(name);
        loop {
            let entry = self.entries.get((self.slots[slot] as usize).wrapping_sub(1))?;
            if entry.command.name.as_bytes().eq_ignore_ascii_case(name) {
                return Some(entry);
            }
            slot = (slot + 1) % SLOTS;
        }
    }

    /// A command by its full name, "config|set" for a subcommand.
    pub fn by_full_name(&self, name: &[u8]) -> Option<&Entry> {
        match name.iter().position(|&byte| byte == b'|') {
            None => self.command(name),
            Some(bar) => self.subcommand(self.command(&name[..bar])?, &name[bar + 1..]),
        }
    }

    fn subcommand(&self, container: &Entry, word: &[u8]) -> Option<&Entry> {
        self.subcommands(container).iter().find(|entry| entry.command.name.as_bytes().eq_ignore_ascii_case(word))
    }

    /// The command, or subcommand, that a request names.
    #[inline]
    pub fn find(&self, args: Args<'_>) -> Result<&Entry, Fault> {
        let entry = self.command(args.at(0)).ok_or_else(|| Fault::unknown_command(args))?;
        if entry.command.subcommands.is_empty() || args.len() < 2 {
            return Ok(entry);
        }
        self.subcommand(entry, args.at(1)).ok_or_else(|| Fault::unknown_subcommand(entry.command.name, args.at(1)))
    }
}

impl Entry {
    fn new(command: &'static Command, container: Option<&'static Command>, id: usize) -> Entry {
        let full_name = match container {
            Some(container) => format!("{}|{}", container.name, command.name),
            None => command.name.to_string(),
        };
        let keys = key_shape(command);
        let short = matches!(keys, KeyShape::One(_)) && command.complexity == "O(1)";
        Entry { command, full_name, id, keys, categories: categories(command), short, subcommands: id + 1..id + 1 }
    }
}

fn key_shape(command: &Command) -> KeyShape {
    match command.keys {
        [] => KeyShape::None,
        [spec] => match (spec.begin, spec.find) {
            (Begin::Index(index), Find::Range { last: 0, .. }) => KeyShape::One(index),
            _ => KeyShape::Specs,
        },
        _ => KeyShape::Specs,
    }
}

/// The categories that follow from flags, and those declared.
fn categories(command: &Command) -> Vec<&'static str> {
    let implied = [
        (Flags::WRITE, "write"),
        (Flags::READONLY, "read"),
        (Flags::ADMIN, "admin"),
        (Flags::ADMIN, "dangerous"),
        (Flags::PUBSUB, "pubsub"),
        (Flags::FAST, "fast"),
        (Flags::BLOCKING, "blocking"),
    ];
    let scripting = command.categories.contains(&"scripting");
    let mut all: Vec<&'static str> = command.categories.to_vec();
    for (flag, category) in implied {
        let read_only_script = category == "read" && scripting;
        if command.flags.contains(flag) && !read_only_script && !all.contains(&category) {
            all.push(category);
        }
    }
    if !command.flags.contains(Flags::FAST) {
        all.push("slow");
    }
    all.sort_by_key(|category| CATEGORIES.iter().position(|known| known == category));
    all
}

/// Every category, in the order in which Redis lists them.
pub const CATEGORIES: &[&str] = &[
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];
