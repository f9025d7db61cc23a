//! What a client may see go wrong: one enum, one renderer, Redis's exact words.

use keyspace::ValueError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    Syntax,
    NotInteger,
    WrongType,
    /// A text that only one command uses, with its code ("ERR no such key").
    Text(&'static str),
    /// The same with parts known at run time.
    Message(String),
}

impl From<ValueError> for Fault {
    fn from(error: ValueError) -> Fault {
        match error {
            ValueError::WrongType => Fault::WrongType,
            ValueError::NotInteger => Fault::NotInteger,
            ValueError::Overflow => Fault::Text("ERR increment or decrement would overflow"),
            ValueError::NotFloat => Fault::Text("ERR value is not a valid float"),
            ValueError::NanOrInfinity => Fault::Text("ERR increment would produce NaN or Infinity"),
            ValueError::TooLong => Fault::Text("ERR string exceeds maximum allowed size (proto-max-bulk-len)"),
        }
    }
}
