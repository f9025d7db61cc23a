//! What there is to know about a run that went wrong.

use super::Record;
use super::client::Sent;
use super::cluster::Cluster;
use super::keeper::DATABASE;
use super::plan::Link;
use crate::{Client, Reply, dump, quote};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

const ABOUT_LISTS: &str = "Where keys were restated (MESH CONFLICTS), a push to a list may be lost or doubled \
                           (docs/decisions/0005-late-records.md). Nothing else is to happen.";

/// What the writers reach, and what the keepers do.
const DATABASES: [&str; 3] = ["0", "1", DATABASE];
/// Commands that are about every key.
const ABOUT_ALL: [&[u8]; 2] = [b"FLUSHDB", b"SWAPDB"];

pub(super) fn write(file: &Path, record: &mut Record, cluster: &mut Cluster) -> io::Result<()> {
    record.history.sort_by_key(|sent| sent.begun);
    let out = &mut BufWriter::new(File::create(file)?);
    let plan = &record.plan;
    writeln!(out, "{plan}\n{:#?}\n", plan.settings)?;
    for Link { node, master, delay } in plan.links.iter().filter(|_| plan.has_proxies) {
        writeln!(out, "Node {node} has node {master} as a master, {} ms away", delay.as_millis())?;
    }
    record.complaints.iter().try_for_each(|complaint| writeln!(out, "{complaint}"))?;
    writeln!(out, "\nEvents, in seconds since the beginning:")?;
    record.events.iter().try_for_each(|event| writeln!(out, "{event}"))?;
    writeln!(out, "\n{ABOUT_LISTS}")?;
    let mut clients = Vec::new();
    for (index, node) in cluster.nodes.iter_mut().enumerate() {
        writeln!(out, "Node {index} is on port {}", node.port)?;
        match node.exit_status().map_or_else(|| node.client(), |status| Err(io::Error::other(status.to_string()))) {
            Ok(client) => clients.push((index, client)),
            Err(error) => writeln!(out, "{error}")?,
        }
    }
    if let Err(error) = ask(out, &mut clients, &record.history) {
        writeln!(out, "a node does not answer: {error}")?;
    }
    out.flush()
}

/// What the nodes say.
fn ask(out: &mut impl Write, clients: &mut [(usize, Client)], history: &[Sent]) -> io::Result<()> {
    for (node, client) in clients.iter_mut() {
        for command in [["MESH", "CONFLICTS"], ["MESH", "NODES"], ["MESH", "LINKS"]] {
            writeln!(out, "Node {node}, {}: {}", command.join(" "), client.call(&command)?)?;
        }
    }
    DATABASES.iter().try_for_each(|database| differences(out, database, clients, history))
}

/// The keys of a database that are not the same everywhere: what each node has, and what was done to them.
fn differences(
    out: &mut impl Write,
    database: &str,
    clients: &mut [(usize, Client)],
    history: &[Sent],
) -> io::Result<()> {
    let mut keys = BTreeSet::new();
    for (_, client) in clients.iter_mut() {
        client.call(&["SELECT", database])?;
        let here = client.call(&["KEYS", "*"])?;
        keys.extend(here.elements().unwrap_or_default().iter().filter_map(Reply::bytes).map(<[u8]>::to_vec));
    }
    for key in keys {
        let digest = |(_, client): &mut (usize, Client)| client.call(&[&b"DEBUG"[..], b"DIGEST-VALUE", &key]);
        let digests = clients.iter_mut().map(digest).collect::<io::Result<BTreeSet<_>>>()?;
        if digests.len() < 2 {
            continue;
        }
        writeln!(out, "\nKey {} of database {database} differs:", quote(&key))?;
        for (node, client) in clients.iter_mut() {
            describe(out, *node, client, &key)?;
        }
        for sent in history {
            show(out, sent, &key)?;
        }
    }
    Ok(())
}

/// A key as a node has it, with the deadlines of elements.
fn describe(out: &mut impl Write, node: usize, client: &mut Client, key: &[u8]) -> io::Result<()> {
    let value = dump::value(client, key)?;
    let kind = client.call(&[b"TYPE", key])?;
    writeln!(out, "  node {node}: {kind} {value}, PTTL {}", client.call(&[b"PTTL", key])?)?;
    let elements: Vec<&Reply> = match kind.bytes() {
        Some(b"set") => value.elements().unwrap_or_default().iter().collect(),
        Some(b"zset") => value.elements().unwrap_or_default().iter().step_by(2).collect(),
        Some(b"hash") => {
            value.elements().unwrap_or_default().iter().filter_map(|pair| pair.elements()?.first()).collect()
        }
        _ => Vec::new(),
    };
    for element in elements.into_iter().filter_map(Reply::bytes) {
        let left = client.call(&[b"PTTL", key, element])?;
        if left != Reply::Integer(-1) {
            writeln!(out, "    PTTL of {}: {left}", quote(element))?;
        }
    }
    Ok(())
}

/// The commands about a key among what went out together.
fn show(out: &mut impl Write, sent: &Sent, key: &[u8]) -> io::Result<()> {
    let is_it = |word: &Vec<u8>| {
        // Nested hashes are named by paths.
        word.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"."))
    };
    for (index, command) in sent.commands.iter().enumerate() {
        if !command.iter().any(is_it) && !ABOUT_ALL.contains(&&*command[0]) {
            continue;
        }
        let (begun, ended) = (sent.begun.as_secs_f64(), sent.ended.as_secs_f64());
        let words: Vec<_> = command.iter().map(|word| String::from_utf8_lossy(word)).collect();
        let reply = match &sent.replies {
            Some(replies) => replies.get(index).or(replies.first()).map_or("none".to_owned(), Reply::to_string),
            None => "none came".to_owned(),
        };
        let within = if sent.in_transaction { ", in MULTI" } else { "" };
        let (node, client) = (sent.node, sent.client);
        let words = words.join(" ");
        writeln!(out, "  {begun:8.3} to {ended:8.3} node {node}, {client}{within} #{index}: {words} -> {reply}")?;
    }
    Ok(())
}
