//! One node without its IO: engine, keyspace and mesh, wired together.
//!
//! The process around it (the server's reactor, or the simulator) drives it like this:
//!
//! - Client bytes go to sessions of `engine()`; any worker thread may run them. What they commit
//!   lands in the journal.
//! - All links belong to one thread, the *mesh owner*. Once per iteration of its event loop, and
//!   whenever `deadline_ms` has come or another worker's `has_work` said true, it calls `turn`, which drains
//!   the journal and runs the timers, and then for every link whose output buffer is short `transmit`,
//!   and last `poll_action` until it is empty.
//! - What happens on a link's socket is told with `handle`. A client session that turned out to be
//!   another node asking for our stream (`MESH LINK`) becomes a link with `accept`; what its socket delivers
//!   from then on goes to `handle`.
//!
//! ```text
//! loop {
//!     wait for sockets, at most until node.deadline_ms();
//!     for each readable link { node.handle(link, Input::Received { bytes }, now) }
//!     run the sessions of this thread;
//!     node.turn(now);
//!     for each link { if its output holds less than 64 KiB { node.transmit(link, &mut output, 64 KiB, now) } }
//!     while let Some(action) = node.poll_action() { dial, close, log }
//! }
//! ```

pub use mesh::{Action, Input, LinkId, Now, Severity};

/// What a session that becomes a link says about itself: the arguments of its `MESH LINK` and the
/// REPLCONFs before it.
#[derive(Clone, Debug, Default)]
pub struct LinkRequest {
    /// The arguments after `MESH LINK`.
    pub arguments: Vec<Vec<u8>>,
    /// The peer's address as its socket has it, without the port.
    pub peer_host: String,
    /// REPLCONF listening-port; 0 where it said nothing.
    pub listening_port: u16,
}

/// See the module's documentation. All methods may be called from any thread, but those about links
/// are meant for the mesh owner.
pub struct Node {}

impl Node {
    /// A client session turned into a link. What the session had received after `MESH LINK` is to be
    /// handed to `handle` next.
    pub fn accept(&self, request: LinkRequest, now: Now) -> LinkId {
        let _ = (request, now);
        todo!()
    }

    /// Something happened on a link.
    pub fn handle(&self, link: LinkId, input: Input<'_>, now: Now) {
        let _ = (link, input, now);
        todo!()
    }

    /// Takes over what sessions have committed and asked for, and runs the timers that are due.
    pub fn turn(&self, now: Now) {
        let _ = now;
        todo!()
    }

    /// Appends what the link has to say to `output`, about `budget` bytes at most. True while there is more.
    pub fn transmit(&self, link: LinkId, output: &mut Vec<u8>, budget: usize, now: Now) -> bool {
        let _ = (link, output, budget, now);
        todo!()
    }

    /// What the outside has to do; ask until `None`.
    pub fn poll_action(&self) -> Option<Action> {
        todo!()
    }

    /// When `turn` has to be called at the latest, in `Now::monotonic_ms`.
    pub fn deadline_ms(&self) -> Option<u64> {
        todo!()
    }

    /// Has a session left something for `turn`? A worker that is not the mesh owner asks after each of its
    /// turns and wakes the owner.
    pub fn has_work(&self) -> bool {
        todo!()
    }
}
