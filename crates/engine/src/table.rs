//! The one table of commands: lookup by name without allocating, and what is derived from each
//! declaration once at start (identifier for statistics, full name, categories, key positions).

use crate::command::{Begin, Command, Find, Flags};
use crate::commands::FAMILIES;
use crate::fault::Fault;
use resp::Args;
use std::sync::{LazyLock, OnceLock};

/// Where the keys of a command are, in the form that the hot path wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyShape {
    None,
    /// Exactly one key, at this index.
    One(usize),
    /// All arguments from this index on.
    From(usize),
    /// Whatever the key specifications say.
    Specs,
}

/// A command or subcommand, with what follows from its declaration.
pub struct Entry {
    pub command: &'static Command,
    /// "get", "config|set"
    pub full_name: String,
    /// What clients call it: the last word of the full name, unless rename-command says otherwise.
    name: String,
    /// Position in `Table::entries`: statistics are arrays by it.
    pub id: usize,
    pub keys: KeyShape,
    /// With '@', in Redis's order.
    pub categories: Vec<&'static str>,
    /// With up to so many arguments it takes next to no time.
    short_args: usize,
    /// The name is at most eight letters and nothing else.
    is_short_word: bool,
    /// Identifiers of the subcommands.
    pub subcommands: std::ops::Range<usize>,
}

/// How much time a request takes, as far as one knows beforehand: the clock is not read for short ones alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    Short,
    /// The reply will tell.
    AsItsReply,
    Long,
}

impl Entry {
    /// Of a request with so many arguments.
    #[inline]
    pub fn effort(&self, arguments: usize) -> Effort {
        if arguments <= self.short_args {
            Effort::Short
        } else if self.command.time_is_reply {
            Effort::AsItsReply
        } else {
            Effort::Long
        }
    }

    /// It is neither a subcommand nor has any.
    #[inline]
    pub fn is_found_by_name_alone(&self) -> bool {
        self.subcommands.is_empty() && self.full_name.len() == self.name.len()
    }

    /// It may reach keys that its arguments do not name.
    pub fn reaches_any_key(&self) -> bool {
        self.command.keys.iter().any(|spec| matches!(spec.begin, Begin::Unknown { last_word: None }))
    }

    pub fn has(&self, flags: Flags) -> bool {
        self.command.flags.intersects(flags)
    }
}

/// Every command of the server.
pub struct Table {
    entries: Vec<Entry>,
    /// Open addressing by `slot_of`.
    slots: Vec<Slot>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::build(RENAMED.get().map_or(&[], Vec::as_slice)));
/// Names of commands, each with the one that takes its place.
static RENAMED: OnceLock<Vec<(String, String)>> = OnceLock::new();

/// Gives commands other names, or none (rename-command), before the table is used for the first time: later it does
/// nothing. The names are checked.
pub fn rename_commands(lines: &[Vec<String>]) {
    let pair = |line: &Vec<String>| Some((line.first()?.clone(), line.get(1)?.clone()));
    let _ = RENAMED.set(lines.iter().filter_map(pair).collect());
}

/// Whether commands can have these names. An error is a sentence.
pub(crate) fn check_new_names(lines: &[Vec<String>]) -> Result<(), String> {
    let is_command = |name: &str| every_command().any(|command| command.name.eq_ignore_ascii_case(name));
    let mut renamed: Vec<(String, String)> = Vec::new();
    for line in lines {
        let [from, to] = line.as_slice() else { continue };
        let is_taken = is_command(to) && !renamed.iter().any(|(before, _)| before.eq_ignore_ascii_case(to));
        if !is_command(from) {
            return Err(format!("No such command in rename-command: '{from}'"));
        }
        if is_taken || !to.is_empty() && renamed.iter().any(|(_, name)| name.eq_ignore_ascii_case(to)) {
            return Err(format!("Target command name already exists: '{to}'"));
        }
        if to.len() > LONGEST_NAME {
            return Err(format!("A command's name may have {LONGEST_NAME} letters: '{to}' has more"));
        }
        renamed.push((from.clone(), to.clone()));
    }
    Ok(())
}

fn every_command() -> impl Iterator<Item = &'static Command> {
    FAMILIES.iter().flat_map(|family| family.iter()).copied()
}

/// The table of commands, built on first use.
pub fn table() -> &'static Table {
    &TABLE
}

/// A command that takes as long as it has arguments has taken some microseconds for so many at most.
const SHORT_ARGUMENTS: usize = 32;
const SLOTS: usize = 1024;
/// Names longer than this are no commands.
const LONGEST_NAME: usize = 64;

/// A place in the hash table of names.
#[derive(Clone, Copy, Default)]
struct Slot {
    /// `fold` of the name.
    folded: u64,
    len: u32,
    /// Identifier + 1; 0: free.
    id: u32,
}

/// A number that is equal for names which differ in case only; of names of the same length up to eight
/// letters no two others have the same.
#[inline]
fn fold(name: &[u8]) -> u64 {
    const LOWER_CASE: u64 = 0x2020_2020_2020_2020;
    let word = |bytes: &[u8]| u64::from(u32::from_le_bytes(bytes.try_into().expect("four bytes")));
    let ends = |name: &[u8]| word(&name[..4]) | word(&name[name.len() - 4..]) << 32;
    let bytes = match name.len() {
        0 => 0,
        length @ 1..4 => u64::from(name[0]) | u64::from(name[length / 2]) << 8 | u64::from(name[length - 1]) << 16,
        4..=8 => ends(name),
        length => (ends(&name[..8]) | LOWER_CASE).rotate_left(7) ^ (ends(&name[length - 8..]) | LOWER_CASE),
    };
    bytes | LOWER_CASE
}

#[inline]
fn slot_of(folded: u64, len: usize) -> usize {
    ((folded ^ len as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize % SLOTS
}

impl Table {
    fn build(renamed: &[(String, String)]) -> Table {
        let mut table = Table { entries: Vec::new(), slots: vec![Slot::default(); SLOTS] };
        let mut commands: Vec<&'static Command> = every_command().collect();
        commands.sort_by_key(|command| command.name);
        for command in commands {
            let id = table.entries.len();
            let renamed = renamed.iter().find(|(from, _)| from.eq_ignore_ascii_case(command.name));
            let name = renamed.map_or(command.name, |(_, to)| to);
            table.entries.push(Entry::new(command, None, name, id));
            for subcommand in command.subcommands {
                let id = table.entries.len();
                table.entries.push(Entry::new(subcommand, Some(command), subcommand.name, id));
            }
            table.entries[id].subcommands = id + 1..table.entries.len();
            if name.is_empty() {
                continue;
            }
            let (folded, len) = (fold(name.as_bytes()), name.len());
            let mut slot = slot_of(folded, len);
            while table.slots[slot].id != 0 {
                slot = (slot + 1) % SLOTS;
            }
            table.slots[slot] = Slot { folded, len: len as u32, id: id as u32 + 1 };
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
        let folded = fold(name);
        let mut at = slot_of(folded, name.len());
        loop {
            let slot = self.slots[at];
            let entry = self.entries.get((slot.id as usize).wrapping_sub(1))?;
            // Of a few letters the folded name says all.
            let same = slot.folded == folded
                && slot.len as usize == name.len()
                && (entry.is_short_word || entry.name.as_bytes().eq_ignore_ascii_case(name));
            if same {
                return Some(entry);
            }
            at = (at + 1) % SLOTS;
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
    fn new(command: &'static Command, container: Option<&'static Command>, name: &str, id: usize) -> Entry {
        let full_name = match container {
            Some(container) => format!("{}|{}", container.name, command.name),
            None => command.name.to_string(),
        };
        let keys = key_shape(command);
        let short_args = match keys {
            KeyShape::One(_) if command.complexity == "O(1)" => usize::MAX,
            _ if command.time_is_arguments => SHORT_ARGUMENTS,
            // In its shortest form it concerns one element.
            KeyShape::One(_) if command.flags.contains(Flags::FAST) => command.arity.unsigned_abs() as usize,
            _ => 0,
        };
        let is_short_word = name.len() <= 8 && name.bytes().all(|byte| byte.is_ascii_lowercase());
        Entry {
            command,
            full_name,
            name: name.to_ascii_lowercase(),
            id,
            keys,
            categories: categories(command),
            short_args,
            is_short_word,
            subcommands: id + 1..id + 1,
        }
    }
}

impl KeyShape {
    /// The index of the key, where a request with so many arguments has exactly one.
    #[inline]
    pub(crate) fn only_key(self, arguments: usize) -> Option<usize> {
        match self {
            KeyShape::One(index) => Some(index),
            KeyShape::From(index) if arguments == index + 1 => Some(index),
            KeyShape::From(_) | KeyShape::None | KeyShape::Specs => None,
        }
    }
}

fn key_shape(command: &Command) -> KeyShape {
    match command.keys {
        [] => KeyShape::None,
        [spec] => match (spec.begin, spec.find) {
            (Begin::Index(index), Find::Range { last: 0, .. }) => KeyShape::One(index),
            (Begin::Index(index), Find::Range { last: -1, step: 1, limit: 0 }) => KeyShape::From(index),
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
