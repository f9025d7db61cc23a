//! Reading the arguments of a request, with the faults that clients know.

use crate::Fault;
use keyspace::StringRef;
use resp::Args;

/// A signed integer in its canonical decimal form.
#[inline]
pub fn integer(argument: &[u8]) -> Result<i64, Fault> {
    stdx::parse_i64(argument).ok_or(Fault::NotInteger)
}

/// How long to wait, given in seconds: milliseconds, `None` for ever.
pub fn timeout_ms(argument: &[u8]) -> Result<Option<u64>, Fault> {
    let seconds = stdx::parse_f64(argument).ok_or(Fault::Text("ERR timeout is not a float or out of range"))?;
    let ms = (seconds * 1000.0).ceil();
    if ms > i64::MAX as f64 / 1000.0 {
        return Err(Fault::Text("ERR timeout is out of range"));
    }
    if ms < 0.0 {
        return Err(Fault::Text("ERR timeout is negative"));
    }
    Ok(Some(ms as u64).filter(|ms| *ms > 0))
}

/// The number of one of `databases` databases.
pub fn database_index(argument: &[u8], databases: u32) -> Result<u32, Fault> {
    let number = i32::try_from(integer(argument)?)
        .map_err(|_| Fault::Text("ERR value is out of range, value must between -2147483648 and 2147483647"))?;
    u32::try_from(number).ok().filter(|&number| number < databases).ok_or(Fault::Text("ERR DB index is out of range"))
}

/// True where `argument` is `word`, in any case.
#[inline]
pub fn is(argument: &[u8], word: &str) -> bool {
    argument.eq_ignore_ascii_case(word.as_bytes())
}

/// The arguments of a request one after the other, for options that stand in any order.
pub struct Cursor<'a> {
    args: Args<'a>,
    next: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(args: Args<'a>, first: usize) -> Cursor<'a> {
        Cursor { args, next: first }
    }

    /// The value of an option; a syntax error where there is none.
    pub fn value(&mut self) -> Result<&'a [u8], Fault> {
        self.next().ok_or(Fault::Syntax)
    }

    pub fn remaining(&self) -> usize {
        self.args.len() - self.next
    }
}

impl<'a> Iterator for Cursor<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let argument = self.args.get(self.next)?;
        self.next += 1;
        Some(argument)
    }
}

/// The bytes of a string value; `digits` holds those of an integer.
#[inline]
pub fn bytes<'a>(value: StringRef<'a>, digits: &'a mut itoa::Buffer) -> &'a [u8] {
    match value {
        StringRef::Bytes(bytes) => bytes,
        StringRef::Int(number) => digits.format(number).as_bytes(),
    }
}
