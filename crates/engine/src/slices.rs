//! Work that takes long and that nothing holds: it goes on slice by slice, and others have their turns in between.

use crate::context::SessionContext;
use crate::session::{Parked, Resume};
use resp::Out;
use std::sync::atomic::Ordering::Relaxed;

/// For how long to go on at a time.
const SLICE_NS: u64 = 1_000_000;

/// Such work, as far as it has come.
pub(crate) trait Sliced: Send {
    /// Does a little more. True at the end.
    fn step(&mut self, context: &mut SessionContext<'_>) -> bool;
    /// Replies; false where there is more to be done before.
    fn reply(&mut self, context: &mut SessionContext<'_>, out: &mut Out) -> bool;
}

/// Does it, now as far as one slice goes. Not within EXEC.
pub(crate) fn run(context: &mut SessionContext<'_>, work: impl Sliced + 'static, out: &mut Out) {
    let mut parked = InSlices(work);
    if parked.resume(context, out, Resume::Woken) {
        return;
    }
    context.park(Box::new(parked), None);
    // It does not wait for anything.
    context.session.client.blocked.store(false, Relaxed);
}

struct InSlices<W>(W);

impl<W: Sliced> Parked for InSlices<W> {
    fn resume(&mut self, context: &mut SessionContext<'_>, out: &mut Out, _: Resume) -> bool {
        let started_ns = context.engine.host.monotonic_ns();
        while !(self.0.step(context) && self.0.reply(context, out)) {
            if context.engine.host.monotonic_ns() - started_ns >= SLICE_NS {
                context.engine.host.wake(&context.session.client);
                return false;
            }
        }
        true
    }
}
