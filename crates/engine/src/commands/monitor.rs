//! MONITOR: shows every command that the server executes.

use super::server::SERVER;
use crate::command::{Command, Flags, Handler, Reply};
use crate::context::SessionContext;
use crate::fault::Fault;
use resp::{Args, Out};

pub(super) const COMMANDS: &[&Command] = &[&MONITOR];

const MONITOR: Command = Command {
    name: "monitor",
    flags: Flags::of(&[Flags::ADMIN, Flags::NOSCRIPT, Flags::LOADING, Flags::STALE]),
    summary: "Shows every command from now on, as it is executed.",
    handler: Handler::Session(monitor),
    ..SERVER
};

fn monitor(context: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    if context.in_transaction() {
        return Err(Fault::Text("ERR MONITOR isn't allowed for DENY BLOCKING client"));
    }
    // Asked a second time, Redis does not answer.
    if context.engine.monitors.add(&context.session.client) {
        out.ok();
    }
    Ok(())
}
