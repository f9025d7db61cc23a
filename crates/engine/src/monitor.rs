//! MONITOR: every command, as a line, to the clients that want to see them.

use crate::clients::Client;
use crate::engine::Engine;
use crate::mailbox::{Counted, Message};
use crate::secrets::secret_arguments;
use crate::services::Now;
use crate::table::Entry;
use parking_lot::Mutex;
use resp::Args;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use stdx::quote_word;

/// The clients that watch.
#[derive(Default)]
pub(crate) struct Monitors {
    /// There is one: commands are shown.
    any: AtomicBool,
    clients: Mutex<Vec<Arc<Client>>>,
}

impl Monitors {
    #[inline]
    pub(crate) fn any(&self) -> bool {
        self.any.load(Relaxed)
    }

    /// False where it is one already.
    pub(crate) fn add(&self, client: &Arc<Client>) -> bool {
        if client.monitor.swap(true, Relaxed) {
            return false;
        }
        self.clients.lock().push(client.clone());
        self.any.store(true, Relaxed);
        true
    }

    pub(crate) fn remove(&self, client: &Client) {
        if client.monitor.swap(false, Relaxed) {
            let mut clients = self.clients.lock();
            clients.retain(|monitor| monitor.id != client.id);
            self.any.store(!clients.is_empty(), Relaxed);
        }
    }
}

impl Engine {
    /// Shows a command that `client` has had executed.
    #[cold]
    pub(crate) fn show_to_monitors(&self, client: &Client, db: u32, entry: &Entry, args: Args<'_>, now: Now) {
        let line: Box<str> = line(client, db, entry, args, now).into();
        let bytes = line.len();
        let line = Counted::new(self, line, bytes);
        for monitor in self.monitors.clients.lock().iter() {
            self.push(monitor, Message::Line(line.clone()));
        }
    }
}

fn line(client: &Client, db: u32, entry: &Entry, args: Args<'_>, now: Now) -> String {
    let secrets = secret_arguments(entry, args);
    let connection = &client.connection;
    // Redis names the path of a unix socket behind its kind.
    let address = match connection.address.strip_suffix(":0").filter(|_| connection.unix_socket) {
        Some(path) => format!("unix:{path}"),
        None => connection.address.clone(),
    };
    let mut line = format!("+{}.{:06} [{db} {address}]", now.unix_seconds(), now.unix_us % 1_000_000);
    for (index, argument) in args.iter().enumerate() {
        let shown = if secrets.contains(&index) { b"(redacted)" } else { argument };
        let _ = write!(line, " {}", quote_word(shown));
    }
    line + "\r\n"
}
