//! The commands: one file per family, each with its functions, their declarations and one slice of
//! them in alphabetical order.

mod bitmap;
mod client;
mod cluster;
mod collection;
mod command;
mod config;
mod connection;
mod copied;
mod debug;
mod edited;
mod expire;
mod field_expiry;
mod generic;
mod geo;
mod hash;
pub(crate) mod help;
mod hyperloglog;
mod keys;
mod latency;
mod lcs;
mod list;
mod long_string;
mod memory;
mod mesh;
mod module;
mod monitor;
mod nested_hash;
mod object;
mod pubsub;
mod random;
mod replication;
mod scan;
mod server;
mod set;
mod slowlog;
mod sort;
mod sorted_set;
mod stream;
mod string;
mod tracking;
mod transactions;

use crate::command::Command;

/// Every family.
pub(crate) const FAMILIES: &[&[&Command]] = &[
    bitmap::COMMANDS,
    client::COMMANDS,
    cluster::COMMANDS,
    command::COMMANDS,
    config::COMMANDS,
    connection::COMMANDS,
    debug::COMMANDS,
    expire::COMMANDS,
    field_expiry::COMMANDS,
    generic::COMMANDS,
    geo::COMMANDS,
    hash::COMMANDS,
    hyperloglog::COMMANDS,
    keys::COMMANDS,
    latency::COMMANDS,
    list::COMMANDS,
    memory::COMMANDS,
    mesh::COMMANDS,
    module::COMMANDS,
    monitor::COMMANDS,
    nested_hash::COMMANDS,
    object::COMMANDS,
    pubsub::COMMANDS,
    replication::COMMANDS,
    server::COMMANDS,
    set::COMMANDS,
    slowlog::COMMANDS,
    sort::COMMANDS,
    sorted_set::COMMANDS,
    stream::COMMANDS,
    string::COMMANDS,
    transactions::COMMANDS,
];
