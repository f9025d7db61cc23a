//! HELP of every container, from the declarations of its subcommands.

use crate::command::{Argument, Command, Flags, Handler, Reply};
use crate::context::SessionContext;
use crate::table::table;
use resp::{Args, Out};

/// The subcommand of a family, of which the other ones are like `family`.
pub(super) const fn help_of(family: Command) -> Command {
    Command {
        name: "help",
        arity: 2,
        flags: Flags::of(&[Flags::LOADING, Flags::STALE]),
        summary: "Lists the subcommands.",
        handler: Handler::Session(help),
        ..family
    }
}

/// Lists the subcommands of the container that was called.
fn help(_: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let Some(container) = table().command(args.at(0)) else { return Ok(()) };
    let subcommands = container.command.subcommands;
    out.array(1 + 2 * subcommands.len());
    let name = container.command.name.to_ascii_uppercase();
    out.status(&format!("{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    for subcommand in subcommands {
        out.status(&usage(subcommand));
        out.status(&format!("    {}", subcommand.summary));
    }
    Ok(())
}

/// "KILL [ID client-id] …"
pub(crate) fn usage(command: &Command) -> String {
    let mut text = command.name.to_ascii_uppercase();
    for argument in command.arguments {
        text.push(' ');
        text.push_str(&argument_usage(argument));
    }
    text
}

fn argument_usage(argument: &Argument) -> String {
    let nested = |separator: &str| argument.arguments.iter().map(argument_usage).collect::<Vec<_>>().join(separator);
    let value = match argument.kind {
        "pure-token" => String::new(),
        "oneof" => format!("<{}>", nested("|")),
        "block" => nested(" "),
        _ => format!("<{}>", argument.name),
    };
    let words: Vec<String> =
        [argument.token.unwrap_or("").to_string(), value].into_iter().filter(|word| !word.is_empty()).collect();
    let mut text = words.join(" ");
    if argument.multiple {
        text = format!("{text} [{text} ...]");
    }
    if argument.optional { format!("[{text}]") } else { text }
}
