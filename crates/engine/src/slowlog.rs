//! The slow log: the last commands that took longer than a threshold.

use crate::services::Now;
use parking_lot::Mutex;
use resp::Args;
use std::collections::VecDeque;

/// How many arguments, and how many bytes of each, an entry keeps.
const ARGUMENTS_MAX: usize = 32;
const ARGUMENT_BYTES_MAX: usize = 128;

/// One slow command.
#[derive(Clone, Debug)]
pub struct SlowLogEntry {
    pub id: u64,
    pub unix_seconds: u64,
    pub duration_us: u64,
    pub arguments: Vec<Vec<u8>>,
    pub client_address: String,
    pub client_name: String,
}

#[derive(Default)]
struct Ring {
    next_id: u64,
    entries: VecDeque<SlowLogEntry>,
}

#[derive(Default)]
pub struct SlowLog {
    ring: Mutex<Ring>,
}

impl SlowLog {
    /// `secrets`: indexes of arguments that nobody may read here.
    pub fn record(
        &self,
        duration_us: u64,
        args: Args<'_>,
        secrets: &[usize],
        client: &crate::Client,
        now: Now,
        max_len: usize,
    ) {
        if max_len == 0 {
            return;
        }
        let arguments = shorten(args, secrets);
        let client_name = client.names.lock().name.clone();
        let mut ring = self.ring.lock();
        let id = ring.next_id;
        ring.next_id += 1;
        ring.entries.push_front(SlowLogEntry {
            id,
            unix_seconds: now.unix_seconds(),
            duration_us,
            arguments,
            client_address: client.connection.address.clone(),
            client_name,
        });
        ring.entries.truncate(max_len);
    }

    /// Newest first.
    pub fn newest(&self, count: usize) -> Vec<SlowLogEntry> {
        self.ring.lock().entries.iter().take(count).cloned().collect()
    }

    pub fn len(&self) -> usize {
        self.ring.lock().entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn reset(&self) {
        self.ring.lock().entries.clear();
    }
}

fn shorten(args: Args<'_>, secrets: &[usize]) -> Vec<Vec<u8>> {
    let shown = if args.len() > ARGUMENTS_MAX { ARGUMENTS_MAX - 1 } else { args.len() };
    let show = |(index, argument)| {
        if secrets.contains(&index) { b"(redacted)".to_vec() } else { shorten_argument(argument) }
    };
    let mut arguments: Vec<Vec<u8>> = args.iter().enumerate().take(shown).map(show).collect();
    if shown < args.len() {
        arguments.push(format!("... ({} more arguments)", args.len() - shown).into_bytes());
    }
    arguments
}

fn shorten_argument(argument: &[u8]) -> Vec<u8> {
    if argument.len() <= ARGUMENT_BYTES_MAX {
        return argument.to_vec();
    }
    let mut short = argument[..ARGUMENT_BYTES_MAX].to_vec();
    short.extend_from_slice(format!("... ({} more bytes)", argument.len() - ARGUMENT_BYTES_MAX).as_bytes());
    short
}
