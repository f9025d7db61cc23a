//! What a client may see go wrong: one enum, one renderer, Redis's exact words.

use keyspace::ValueError;
use resp::{Args, Out};
use std::borrow::Cow;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    Syntax,
    NotInteger,
    NotFloat,
    WrongType,
    NoSuchKey,
    /// A value that is out of its range, "must be positive" where it says so.
    OutOfRange,
    /// The time given to this command (lower case) is none.
    InvalidExpire(&'static str),
    NoAuth,
    WrongPassword,
    ReadOnly,
    OutOfMemory,
    Loading,
    MasterDown,
    ExecAbort,
    /// A text that only one command uses, with its code ("ERR no such key").
    Text(&'static str),
    /// The same with parts known at run time.
    Message(String),
}

/// How many bytes of what the client sent are shown back to it.
const SHOWN_BYTES: usize = 128;

impl Fault {
    /// `name` as in "config|set".
    pub fn wrong_arity(name: &str) -> Fault {
        Fault::Message(format!("ERR wrong number of arguments for '{name}' command"))
    }

    pub fn unknown_command(args: Args<'_>) -> Fault {
        let mut shown = String::new();
        for argument in args.from(1).iter() {
            let room = SHOWN_BYTES.saturating_sub(shown.chars().count());
            if room == 0 {
                break;
            }
            shown.push_str(&format!("'{}' ", printable(argument, room)));
        }
        let name = printable(args.at(0), SHOWN_BYTES);
        Fault::Message(format!("ERR unknown command '{name}', with args beginning with: {shown}"))
    }

    /// `container` is the name as declared, `word` what the client sent.
    pub fn unknown_subcommand(container: &str, word: &[u8]) -> Fault {
        let word = printable(word, SHOWN_BYTES);
        Fault::Message(format!("ERR unknown subcommand '{word}'. Try {} HELP.", container.to_ascii_uppercase()))
    }

    /// The same where it may also be that the number of arguments is wrong.
    pub fn wrong_subcommand(container: &str, word: &[u8]) -> Fault {
        let (word, container) = (printable(word, SHOWN_BYTES), container.to_ascii_uppercase());
        Fault::Message(format!(
            "ERR unknown subcommand or wrong number of arguments for '{word}'. Try {container} HELP."
        ))
    }

    /// The line that the client gets, code first.
    pub fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(match self {
            Fault::Syntax => "ERR syntax error",
            Fault::NotInteger => "ERR value is not an integer or out of range",
            Fault::NotFloat => "ERR value is not a valid float",
            Fault::WrongType => "WRONGTYPE Operation against a key holding the wrong kind of value",
            Fault::NoSuchKey => "ERR no such key",
            Fault::OutOfRange => "ERR value is out of range",
            Fault::InvalidExpire(command) => {
                return Cow::Owned(format!("ERR invalid expire time in '{command}' command"));
            }
            Fault::NoAuth => "NOAUTH Authentication required.",
            Fault::WrongPassword => "WRONGPASS invalid username-password pair or user is disabled.",
            Fault::ReadOnly => "READONLY You can't write against a read only replica.",
            Fault::OutOfMemory => "OOM command not allowed when used memory > 'maxmemory'.",
            Fault::Loading => "LOADING Redis is loading the dataset in memory",
            Fault::MasterDown => "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
            Fault::ExecAbort => "EXECABORT Transaction discarded because of previous errors.",
            Fault::Text(text) => text,
            Fault::Message(text) => text,
        })
    }

    /// The word that errorstats counts.
    pub fn code(&self) -> String {
        let text = self.text();
        text.split(' ').next().unwrap_or("ERR").to_string()
    }

    pub fn render(&self, out: &mut Out) {
        let text = self.text();
        if text.is_ascii() {
            return out.error(text.as_bytes());
        }
        // Characters up to 0xff are bytes of the client, as `printable` made them.
        let mut bytes = Vec::with_capacity(text.len());
        for character in text.chars() {
            match u8::try_from(character) {
                Ok(byte) => bytes.push(byte),
                Err(_) => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        out.error(&bytes);
    }
}

/// At most `limit` bytes of what a client sent, up to the first zero, fit for one line of an error: a character per byte,
/// which `Fault::render` turns back into that byte.
pub fn printable(bytes: &[u8], limit: usize) -> String {
    let shown = bytes.iter().take(limit).take_while(|byte| **byte != 0);
    shown.map(|&byte| if matches!(byte, b'\r' | b'\n') { ' ' } else { char::from(byte) }).collect()
}

impl From<ValueError> for Fault {
    fn from(error: ValueError) -> Fault {
        match error {
            ValueError::WrongType => Fault::WrongType,
            ValueError::NotInteger => Fault::NotInteger,
            ValueError::Overflow => Fault::Text("ERR increment or decrement would overflow"),
            ValueError::NotFloat => Fault::NotFloat,
            ValueError::NanOrInfinity => Fault::Text("ERR increment would produce NaN or Infinity"),
            ValueError::NanScore => Fault::Text("ERR resulting score is not a number (NaN)"),
            ValueError::NotHyperLogLog => Fault::Text("WRONGTYPE Key is not a valid HyperLogLog string value."),
            ValueError::CorruptedHyperLogLog => Fault::Text("INVALIDOBJ Corrupted HLL object detected"),
            ValueError::TooLong => Fault::Text("ERR string exceeds maximum allowed size (proto-max-bulk-len)"),
        }
    }
}
