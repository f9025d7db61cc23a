//! Mesh and keyspace behind one lock: everything about links happens here.

use crate::journal::{Commits, Journal};
use crate::store::KeyspaceStore;
use effect::VersionVector;
use keyspace::Keyspace;
use mesh::{Action, Input, LinkId, Mesh, Now, Status};
use std::sync::Arc;

pub(crate) struct Machine {
    pub(crate) mesh: Mesh,
    store: KeyspaceStore,
    keyspace: Arc<Keyspace>,
    journal: Arc<Journal>,
    commits: Commits,
    /// The last reading of the clocks that was handed in.
    now: Now,
    /// Writes of clients wait for what the masters have.
    pub(crate) holds_writes: bool,
}

impl Machine {
    pub(crate) fn new(
        mesh: Mesh,
        store: KeyspaceStore,
        keyspace: Arc<Keyspace>,
        journal: Arc<Journal>,
        now: Now,
    ) -> Machine {
        Machine { mesh, store, keyspace, journal, commits: Commits::default(), now, holds_writes: false }
    }

    pub(crate) fn store_mut(&mut self) -> &mut KeyspaceStore {
        &mut self.store
    }

    pub(crate) fn status(&self) -> Status {
        self.mesh.status(self.now)
    }

    pub(crate) fn seen(&self) -> VersionVector {
        self.mesh.seen()
    }

    pub(crate) fn handle(&mut self, link: LinkId, input: Input<'_>, now: Now) {
        self.now = now;
        self.take_commits(now);
        self.mesh.handle(link, input, &mut self.store, now);
    }

    pub(crate) fn transmit(&mut self, link: LinkId, output: &mut Vec<u8>, budget: usize, now: Now) -> bool {
        self.mesh.transmit(link, output, budget, now)
    }

    pub(crate) fn turn(&mut self, now: Now) {
        self.now = now;
        self.store.settle_doubts(self.mesh.vector(), || self.mesh.announced(), now);
        self.take_commits(now);
        self.mesh.turn(&mut self.store, now);
        self.store.turn(now);
    }

    /// When `turn` has to be called at the latest, in `Now::monotonic_ms`.
    pub(crate) fn deadline_ms(&self) -> Option<u64> {
        self.store.deadline_ms().into_iter().chain(self.mesh.deadline_ms()).min()
    }

    pub(crate) fn remove_master(&mut self, host: &str, port: u16, now: Now) {
        self.mesh.remove_master(host, port, &mut self.store, now);
    }

    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        self.mesh.poll_action()
    }

    /// Hands the sessions' commits to the mesh, and a tick where one is due.
    fn take_commits(&mut self, now: Now) {
        // The tick's stamp comes first: all commits with smaller stamps are in the journal by then.
        let mut tick = self.mesh.wants_tick(now).then(|| self.keyspace.tick(now.unix_ms));
        self.journal.take(&mut self.commits);
        for commit in self.commits.iter() {
            if let Some((stamp, context)) = tick.take_if(|(stamp, _)| *stamp < commit.first) {
                self.mesh.commit(stamp, 0, context, &[], now);
            }
            // What was written before there were peers is not in the log: it goes out as state.
            if commit.first > self.mesh.vector().get(self.mesh.own()) {
                self.mesh.commit(commit.first, commit.count, commit.context, commit.effects, now);
            }
        }
        self.commits.clear();
        if let Some((stamp, context)) = tick {
            self.mesh.commit(stamp, 0, context, &[], now);
        }
    }
}
