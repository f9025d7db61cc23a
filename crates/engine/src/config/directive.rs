//! How a directive is declared, and how its words become values.

use super::{Config, MemoryShare};
use bitflags::bitflags;
use stdx::{parse_i64, parse_memory_size};

bitflags! {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct DirectiveFlags: u8 {
        /// CONFIG SET is refused: the value is read once, at start.
        const IMMUTABLE = 1;
        /// CONFIG SET needs `enable-protected-configs`.
        const PROTECTED = 1 << 1;
        /// A secret: never to be logged.
        const SENSITIVE = 1 << 2;
        /// CONFIG GET shows it only by its full name.
        const HIDDEN = 1 << 3;
        /// CONFIG SET … yes is refused, as a promise that is not kept. Files that say so are taken, for drop-in's sake.
        const UNAVAILABLE = 1 << 4;
    }
}

/// One directive. Its values stand in `Config::values` as CONFIG GET prints them; `set` stores what code reads.
#[derive(Clone, Copy, Debug)]
pub struct Directive {
    pub name: &'static str,
    /// Names that older or related servers use.
    pub aliases: &'static [&'static str],
    pub kind: Kind,
    /// As a configuration file would write it.
    pub default: &'static str,
    pub flags: DirectiveFlags,
    /// One sentence.
    pub summary: &'static str,
    /// Why it has no effect, if it has none.
    pub without_effect: Option<&'static str>,
}

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Bool(fn(&mut Config, bool)),
    Integer {
        min: i64,
        max: i64,
        set: fn(&mut Config, i64),
    },
    Octal {
        max: i64,
        set: fn(&mut Config, i64),
    },
    /// Bytes, with units.
    Memory {
        min: u64,
        max: u64,
        set: fn(&mut Config, u64),
    },
    /// Bytes, or a percentage of `maxmemory`.
    MemoryOrPercent {
        set: fn(&mut Config, MemoryShare),
    },
    Choice {
        words: &'static [&'static str],
        set: fn(&mut Config, &'static str),
    },
    /// Any number of these words.
    Choices {
        words: &'static [&'static str],
        check: fn(&[&'static str]) -> Result<(), &'static str>,
    },
    Text {
        check: fn(&str) -> Result<(), &'static str>,
        set: fn(&mut Config, &str),
    },
    /// A form of its own, on one or several lines.
    Special(Special),
}

#[derive(Clone, Copy, Debug)]
pub struct Special {
    /// Takes the words of one line. `first`: nothing of this directive was set before in the same source, so a list
    /// starts anew.
    pub set: fn(config: &mut Config, words: &[String], first: bool) -> Result<(), String>,
    /// The words of the lines that would set the present value, without the name; CONFIG GET prints them joined.
    pub lines: fn(&Config) -> Vec<Vec<String>>,
}

/// For directives that no code reads as a field.
pub(super) fn no_bool(_: &mut Config, _: bool) {}
pub(super) fn no_number(_: &mut Config, _: i64) {}
pub(super) fn no_memory(_: &mut Config, _: u64) {}
pub(super) fn no_choice(_: &mut Config, _: &'static str) {}
pub(super) fn no_text(_: &mut Config, _: &str) {}
pub(super) fn any_text(_: &str) -> Result<(), &'static str> {
    Ok(())
}

impl Directive {
    const fn new(name: &'static str, kind: Kind, default: &'static str, summary: &'static str) -> Directive {
        Directive { name, aliases: &[], kind, default, flags: DirectiveFlags::empty(), summary, without_effect: None }
    }

    pub(super) const fn bool(
        name: &'static str,
        default: bool,
        set: fn(&mut Config, bool),
        summary: &'static str,
    ) -> Directive {
        Directive::new(name, Kind::Bool(set), if default { "yes" } else { "no" }, summary)
    }

    /// `range` is inclusive.
    pub(super) const fn integer(
        name: &'static str,
        range: (i64, i64),
        default: &'static str,
        set: fn(&mut Config, i64),
        summary: &'static str,
    ) -> Directive {
        Directive::new(name, Kind::Integer { min: range.0, max: range.1, set }, default, summary)
    }

    pub(super) const fn memory(
        name: &'static str,
        min: u64,
        default: &'static str,
        set: fn(&mut Config, u64),
        summary: &'static str,
    ) -> Directive {
        Directive::new(name, Kind::Memory { min, max: i64::MAX as u64, set }, default, summary)
    }

    pub(super) const fn choice(
        name: &'static str,
        words: &'static [&'static str],
        default: &'static str,
        set: fn(&mut Config, &'static str),
        summary: &'static str,
    ) -> Directive {
        Directive::new(name, Kind::Choice { words, set }, default, summary)
    }

    pub(super) const fn text(
        name: &'static str,
        default: &'static str,
        set: fn(&mut Config, &str),
        summary: &'static str,
    ) -> Directive {
        Directive::new(name, Kind::Text { check: any_text, set }, default, summary)
    }

    pub(super) const fn other(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        summary: &'static str,
    ) -> Directive {
        Directive::new(name, kind, default, summary)
    }

    pub(super) const fn alias(self, aliases: &'static [&'static str]) -> Directive {
        Directive { aliases, ..self }
    }

    pub(super) const fn immutable(self) -> Directive {
        self.with(DirectiveFlags::IMMUTABLE)
    }

    pub(super) const fn protected(self) -> Directive {
        self.with(DirectiveFlags::PROTECTED)
    }

    pub(super) const fn sensitive(self) -> Directive {
        self.with(DirectiveFlags::SENSITIVE)
    }

    pub(super) const fn hidden(self) -> Directive {
        self.with(DirectiveFlags::HIDDEN)
    }

    pub(super) const fn unavailable(self, why: &'static str) -> Directive {
        self.without_effect(why).with(DirectiveFlags::UNAVAILABLE)
    }

    const fn with(self, flags: DirectiveFlags) -> Directive {
        Directive { flags: self.flags.union(flags), ..self }
    }

    /// Known, checked and kept, but nothing acts on it; `why` completes "… has no effect here: ".
    pub(super) const fn without_effect(self, why: &'static str) -> Directive {
        Directive { without_effect: Some(why), ..self }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// Stores the words of one line. Returns the value as CONFIG GET prints it; None for a special one, whose value
    /// is asked of the configuration itself. The error completes "CONFIG SET failed … - ".
    pub(super) fn assign(&self, config: &mut Config, words: &[String], first: bool) -> Result<Option<String>, String> {
        match self.kind {
            Kind::Special(special) => {
                return match words {
                    [one] if one.contains(char::is_whitespace) || one.is_empty() => {
                        let words: Vec<String> = one.split_whitespace().map(str::to_string).collect();
                        (special.set)(config, &words, first)
                    }
                    words => (special.set)(config, words, first),
                }
                .map(|()| None);
            }
            Kind::Choices { words: known, check } => {
                let given: Vec<&str> = words.iter().flat_map(|word| word.split_whitespace()).collect();
                let chosen = given.iter().map(|word| choose(known, word)).collect::<Result<Vec<_>, _>>()?;
                if chosen.is_empty() {
                    return Err(one_of(known));
                }
                check(&chosen)?;
                // In the order in which they are declared, each once.
                let listed: Vec<&str> = known.iter().copied().filter(|word| chosen.contains(word)).collect();
                return Ok(Some(listed.join(" ")));
            }
            _ => {}
        }
        let [word] = words else { return Err("wrong number of arguments".into()) };
        self.assign_word(config, word).map(Some)
    }

    fn assign_word(&self, config: &mut Config, word: &str) -> Result<String, String> {
        Ok(match self.kind {
            Kind::Bool(set) => {
                let on = match word.to_ascii_lowercase().as_str() {
                    "yes" => true,
                    "no" => false,
                    _ => return Err("argument must be 'yes' or 'no'".into()),
                };
                set(config, on);
                if on { "yes" } else { "no" }.to_string()
            }
            Kind::Integer { min, max, set } => {
                let number = parse_i64(word.as_bytes()).ok_or("argument couldn't be parsed into an integer")?;
                set(config, within(number, min, max)?);
                number.to_string()
            }
            Kind::Octal { max, set } => {
                let number =
                    i64::from_str_radix(word, 8).map_err(|_| "argument couldn't be parsed as an octal number")?;
                if !(0..=max).contains(&number) {
                    return Err(format!("argument must be between 0 and {max:o} inclusive"));
                }
                set(config, number);
                format!("{number:o}")
            }
            Kind::Memory { min, max, set } => {
                let bytes = parse_memory_size(word.as_bytes()).ok_or("argument must be a memory value")?;
                set(config, within(bytes, min, max)?);
                bytes.to_string()
            }
            Kind::MemoryOrPercent { set } => {
                let share = memory_or_percent(word)?;
                set(config, share);
                share.to_string()
            }
            Kind::Choice { words, set } => {
                let word = choose(words, word)?;
                set(config, word);
                word.to_string()
            }
            Kind::Text { check, set } => {
                check(word)?;
                set(config, word);
                word.to_string()
            }
            Kind::Choices { .. } | Kind::Special(_) => unreachable!("assigned by all their words"),
        })
    }
}

pub(super) fn within<T: PartialOrd + std::fmt::Display>(number: T, min: T, max: T) -> Result<T, String> {
    match number >= min && number <= max {
        true => Ok(number),
        false => Err(format!("argument must be between {min} and {max} inclusive")),
    }
}

fn choose(words: &'static [&'static str], given: &str) -> Result<&'static str, String> {
    words.iter().find(|word| word.eq_ignore_ascii_case(given)).copied().ok_or_else(|| one_of(words))
}

fn one_of(words: &[&str]) -> String {
    format!("argument(s) must be one of the following: {}", words.join(", "))
}

fn memory_or_percent(word: &str) -> Result<MemoryShare, String> {
    const ERROR: &str = "argument must be a memory or percent value";
    match word.strip_suffix('%') {
        Some(digits) => match parse_i64(digits.as_bytes()) {
            Some(percent @ 0..=100) => Ok(MemoryShare::Percent(percent as u64)),
            Some(101..) => Err("percentage argument must be less or equal to 100".into()),
            _ => Err(ERROR.into()),
        },
        None => Ok(MemoryShare::Bytes(parse_memory_size(word.as_bytes()).ok_or(ERROR)?)),
    }
}
