//! A client of each node that only adds, in a database of its own, and remembers what was acknowledged: all of it has to be
//! there in the end, once.

use super::client::{Worker, exchange};
use super::commands::Command;
use crate::{Client, Reply};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use std::{io, thread};

/// Where nobody else writes.
pub(super) const DATABASE: &str = "2";
/// Keys of each type.
const SLOTS: usize = 5;
/// Elements that a complaint names.
const SHOWN_MAX: usize = 5;
const REST: Duration = Duration::from_millis(5);

/// What was added to all keys of a slot in one go.
pub(super) struct Addition {
    slot: usize,
    /// Unlike any other.
    element: String,
    amount: i64,
    /// When it was sent, since the beginning of the run.
    begun: Duration,
    acknowledged: bool,
}

/// What a keeper did, and the first reply that was none.
#[derive(Default)]
pub(super) struct Ledger {
    pub additions: Vec<Addition>,
    pub refused: Option<Reply>,
}

impl Ledger {
    pub(super) fn acknowledged(&self) -> usize {
        self.additions.iter().filter(|addition| addition.acknowledged).count()
    }
}

impl Addition {
    fn commands(&self, number: i64) -> Vec<Command> {
        let Addition { slot, element, amount, .. } = self;
        let push = if number % 2 == 0 { "RPUSH" } else { "LPUSH" };
        let lines = [
            format!("INCRBY counter{slot} {amount}"),
            format!("SADD set{slot} {element}"),
            format!("{push} list{slot} {element}"),
            format!("HSET hash{slot} {element} {number}"),
            format!("ZINCRBY zset{slot} 1 m"),
            format!("HINCRBY counts{slot} f 1"),
            format!("XADD stream{slot} * element {element}"),
            format!("SET {element} {number}"),
        ];
        lines.iter().map(|line| words(line).into_iter().map(|word| word.as_bytes().to_vec()).collect()).collect()
    }
}

/// Adds until the end.
pub(super) fn keep(worker: &Worker<'_>, seed: u64) -> Ledger {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut ledger = Ledger::default();
    let mut number = 0;
    worker.work(|client| {
        number += 1;
        let element = format!("{}:{number}", worker.node);
        let slot = random.random_range(0..SLOTS);
        let begun = worker.began.elapsed();
        ledger.additions.push(Addition { slot, element, amount: number % 7, begun, acknowledged: false });
        let addition = ledger.additions.last_mut().expect("just pushed");
        // Each time, as the connection may be another one.
        client.call(&["SELECT", DATABASE])?;
        let replies = exchange(client, &addition.commands(number), random.random())?;
        let refused = replies.into_iter().find(Reply::is_error);
        addition.acknowledged = refused.is_none();
        ledger.refused = ledger.refused.take().or(refused);
        thread::sleep(REST);
        Ok(())
    });
    ledger
}

/// What is wrong with what a node has of all that the keepers have added. `killed`: whose ledger may say too much.
pub(super) fn complaints(client: &mut Client, ledgers: &[Ledger], killed: &[bool]) -> io::Result<Vec<String>> {
    client.call(&["SELECT", DATABASE])?;
    let refused = ledgers.iter().filter_map(|ledger| ledger.refused.as_ref());
    let mut complaints: Vec<String> = refused.map(|reply| format!("a keeper was refused: {reply}")).collect();
    for number in 0..SLOTS {
        let slot = Slot::of(number, ledgers, killed);
        complaints.extend(slot.counted(client)?);
        complaints.extend(slot.kept(client)?);
    }
    Ok(complaints)
}

/// What has to be in the keys of a slot.
struct Slot<'a> {
    number: usize,
    /// What was acknowledged by nodes that were never killed.
    sure: Vec<&'a Addition>,
    /// That, and what may have arrived.
    possible: Vec<&'a Addition>,
}

impl<'a> Slot<'a> {
    fn of(number: usize, ledgers: &'a [Ledger], killed: &[bool]) -> Slot<'a> {
        let mut slot = Slot { number, sure: Vec::new(), possible: Vec::new() };
        for (ledger, killed) in ledgers.iter().zip(killed) {
            for addition in ledger.additions.iter().filter(|addition| addition.slot == number) {
                slot.possible.push(addition);
                if addition.acknowledged && !killed {
                    slot.sure.push(addition);
                }
            }
        }
        slot
    }

    /// Every increment counts once.
    fn counted(&self, client: &mut Client) -> io::Result<Vec<String>> {
        let slot = self.number;
        let mut complaints = Vec::new();
        for (command, is_sum) in [
            (format!("GET counter{slot}"), true),
            (format!("ZSCORE zset{slot} m"), false),
            (format!("HGET counts{slot} f"), false),
        ] {
            let total = |additions: &[&Addition]| -> i64 {
                additions.iter().map(|addition| if is_sum { addition.amount } else { 1 }).sum()
            };
            let (least, most) = (total(&self.sure), total(&self.possible));
            let reply = client.call(&words(&command))?;
            let got = if reply == Reply::Null { 0 } else { text(&reply).parse().unwrap_or(-1) };
            if !(least..=most).contains(&got) {
                complaints.push(format!("{command} gives {reply}, not {least} to {most}"));
            }
        }
        Ok(complaints)
    }

    /// Every element is there once, and no other.
    fn kept(&self, client: &mut Client) -> io::Result<Vec<String>> {
        let slot = self.number;
        let mut complaints = Vec::new();
        for command in [
            format!("SMEMBERS set{slot}"),
            format!("LRANGE list{slot} 0 -1"),
            format!("HKEYS hash{slot}"),
            format!("XRANGE stream{slot} - +"),
        ] {
            let reply = client.call(&words(&command))?;
            let found: Vec<String> = reply.elements().unwrap_or_default().iter().map(element).collect();
            complaints.extend(self.compare(&command, &found));
        }
        let strings: Vec<&str> = self.sure.iter().map(|addition| addition.element.as_str()).collect();
        let reply = client.call(&[&["EXISTS"], &strings[..]].concat())?;
        if !strings.is_empty() && reply != Reply::Integer(strings.len() as i64) {
            complaints.push(format!("of {} strings {reply} are there", strings.len()));
        }
        Ok(complaints)
    }

    fn compare(&self, command: &str, found: &[String]) -> Vec<String> {
        let sent = |additions: &[&'a Addition]| -> BTreeMap<&'a str, Duration> {
            additions.iter().map(|addition| (addition.element.as_str(), addition.begun)).collect()
        };
        let (sure, possible) = (sent(&self.sure), sent(&self.possible));
        let unique: BTreeSet<&str> = found.iter().map(String::as_str).collect();
        let some = |which: Vec<&str>, what: &str| {
            let shown = which.iter().take(SHOWN_MAX).map(|element| match possible.get(element) {
                Some(begun) => format!("{element} of {:.3} s", begun.as_secs_f64()),
                None => element.to_string(),
            });
            let text = format!("{} of {} {what}: {}", which.len(), sure.len(), shown.collect::<Vec<_>>().join(", "));
            (!which.is_empty()).then(|| format!("{command}: {text}"))
        };
        let lost = some(sure.keys().filter(|element| !unique.contains(*element)).copied().collect(), "are lost");
        let strange = unique.iter().filter(|element| !possible.contains_key(*element)).copied().collect();
        let strange = some(strange, "nobody has added");
        let twice = found.len() - unique.len();
        let twice = (twice > 0).then(|| format!("{command}: {twice} of {} are there twice", sure.len()));
        [lost, strange, twice].into_iter().flatten().collect()
    }
}

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

fn text(reply: &Reply) -> String {
    String::from_utf8_lossy(reply.bytes().unwrap_or_default()).into_owned()
}

/// The element, or the one value of an entry of a stream.
fn element(reply: &Reply) -> String {
    match reply.elements() {
        Some([_, fields]) => fields.elements().unwrap_or_default().last().map_or_else(String::new, text),
        _ => text(reply),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_doubled_or_invented_is_told() {
        let addition = |element: &str, acknowledged| Addition {
            slot: 0,
            element: element.to_owned(),
            amount: 1,
            begun: Duration::ZERO,
            acknowledged,
        };
        let of = |elements: &[(&str, bool)]| Ledger {
            additions: elements.iter().map(|(element, acknowledged)| addition(element, *acknowledged)).collect(),
            refused: None,
        };
        let ledgers = [of(&[("0:1", true), ("0:2", false)]), of(&[("1:1", true)])];
        let slot = Slot::of(0, &ledgers, &[false, true]);
        let compare = |found: &[&str]| {
            let found: Vec<String> = found.iter().map(|element| element.to_string()).collect();
            slot.compare("LRANGE", &found)
        };
        assert_eq!(compare(&["0:1"]), Vec::<String>::new());
        assert_eq!(compare(&["1:1", "0:2", "0:1"]), Vec::<String>::new());
        assert_eq!(compare(&["0:2"]), ["LRANGE: 1 of 1 are lost: 0:1 of 0.000 s"]);
        assert_eq!(compare(&["0:1", "0:1"]), ["LRANGE: 1 of 1 are there twice"]);
        assert_eq!(compare(&["0:1", "0:3"]), ["LRANGE: 1 of 1 nobody has added: 0:3"]);
    }
}
