//! The commands: one file per family, each with its functions, their declarations and one slice of
//! them in alphabetical order.

mod connection;
mod string;
mod transactions;

use crate::command::Command;

/// Every family.
pub(crate) const FAMILIES: &[&[&Command]] = &[connection::COMMANDS, string::COMMANDS, transactions::COMMANDS];
