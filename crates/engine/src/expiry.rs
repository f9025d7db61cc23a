//! Deadlines as clients give them.

use crate::Fault;
use crate::arguments::integer;

/// How the number is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExpiryUnit {
    Seconds,
    Milliseconds,
    UnixSeconds,
    UnixMilliseconds,
}

impl ExpiryUnit {
    /// The unit that an option of SET and GETEX means.
    pub(crate) fn of_option(option: &[u8]) -> Option<ExpiryUnit> {
        let units = [
            ("EX", ExpiryUnit::Seconds),
            ("PX", ExpiryUnit::Milliseconds),
            ("EXAT", ExpiryUnit::UnixSeconds),
            ("PXAT", ExpiryUnit::UnixMilliseconds),
        ];
        units.iter().find(|(word, _)| option.eq_ignore_ascii_case(word.as_bytes())).map(|(_, unit)| *unit)
    }

    fn is_seconds(self) -> bool {
        matches!(self, ExpiryUnit::Seconds | ExpiryUnit::UnixSeconds)
    }

    fn is_relative(self) -> bool {
        matches!(self, ExpiryUnit::Seconds | ExpiryUnit::Milliseconds)
    }

    /// The deadline in Unix milliseconds, which may be negative; `None` where it does not fit.
    pub(crate) fn deadline_ms(self, amount: i64, now_ms: u64) -> Option<i64> {
        let amount_ms = if self.is_seconds() { amount.checked_mul(1000)? } else { amount };
        if self.is_relative() { amount_ms.checked_add(now_ms as i64) } else { Some(amount_ms) }
    }
}

/// The deadline of a string write: the amount must be positive. Unix milliseconds.
pub(crate) fn positive_deadline(
    amount: &[u8],
    unit: ExpiryUnit,
    now_ms: u64,
    command: &'static str,
) -> Result<u64, Fault> {
    let amount = integer(amount)?;
    let deadline = if amount > 0 { unit.deadline_ms(amount, now_ms) } else { None };
    deadline.and_then(|deadline| u64::try_from(deadline).ok()).ok_or(Fault::InvalidExpire(command))
}

/// When the field of a hash gets a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// It has none.
    Nx,
    /// It has one.
    Xx,
    /// It has an earlier one.
    Gt,
    /// It has a later one, or none.
    Lt,
}

impl Condition {
    pub(crate) fn of(word: &[u8]) -> Option<Condition> {
        let conditions = [("NX", Condition::Nx), ("XX", Condition::Xx), ("GT", Condition::Gt), ("LT", Condition::Lt)];
        conditions.iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes())).map(|(_, condition)| *condition)
    }

    pub(crate) fn allows(self, current_ms: Option<u64>, deadline_ms: u64) -> bool {
        match self {
            Condition::Nx => current_ms.is_none(),
            Condition::Xx => current_ms.is_some(),
            Condition::Gt => current_ms.is_some_and(|current_ms| current_ms < deadline_ms),
            Condition::Lt => current_ms.is_none_or(|current_ms| current_ms > deadline_ms),
        }
    }
}
