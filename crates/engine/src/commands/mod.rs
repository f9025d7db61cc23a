//! The commands: one file per family, each with its functions, their declarations and one slice of
//! them in alphabetical order.

mod bitmap;
mod client;
mod collection;
mod connection;
mod expire;
mod generic;
mod hash;
mod help;
mod lcs;
mod mesh;
mod object;
mod replication;
mod scan;
mod set;
mod string;
mod transactions;

use crate::command::Command;

/// Every family.
pub(crate) const FAMILIES: &[&[&Command]] = &[
    bitmap::COMMANDS,
    client::COMMANDS,
    connection::COMMANDS,
    expire::COMMANDS,
    generic::COMMANDS,
    hash::COMMANDS,
    mesh::COMMANDS,
    object::COMMANDS,
    replication::COMMANDS,
    set::COMMANDS,
    string::COMMANDS,
    transactions::COMMANDS,
];
