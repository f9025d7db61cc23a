//! Tasks around the code: `cargo xtask TASK`.

mod bench;
mod chaos;
mod client_libraries;
mod docs;
mod falsify;
mod licenses;
mod mesh;
mod process;
mod record;
mod soak;
mod test;

use std::error::Error;
use std::process::ExitCode;

type Outcome = Result<(), Box<dyn Error>>;

/// A task: its name, what it takes, what it does, its function.
struct Task {
    name: &'static str,
    arguments: &'static str,
    summary: &'static str,
    run: fn(&[String]) -> Outcome,
}

const TASKS: &[Task] = &[
    Task {
        name: "bench",
        arguments: "[GROUP ...]",
        summary: "measure beside redis-server: requests, collections, elements, mesh, memory, idle, join, workers, stalls, stalls-multi-master",
        run: bench::run,
    },
    Task {
        name: "chaos",
        arguments: "[--help | OPTION ...]",
        summary: "start nodes, write everywhere, damage them and their links; are all equal in the end, and is nothing lost?",
        run: chaos::run,
    },
    Task { name: "docs", arguments: "", summary: "make docs/commands.md from the table of commands", run: docs::run },
    Task {
        name: "falsify",
        arguments: "[check | RULE ...]",
        summary: "break conflict rules on purpose, and see whether the tests notice; check: only whether it compiles",
        run: falsify::run,
    },
    Task {
        name: "licenses",
        arguments: "",
        summary: "check the licences and sources of all dependencies",
        run: licenses::run,
    },
    Task {
        name: "mesh",
        arguments: "[--nodes N] [--topology mesh|ring|double-ring|chain|star]",
        summary: "start nodes that are masters of each other, and watch them",
        run: mesh::run,
    },
    Task {
        name: "record",
        arguments: "FILE ...",
        summary: "fill in missing replies of golden scripts from the installed redis-server",
        run: record::run,
    },
    Task {
        name: "soak",
        arguments: "[MINUTES]",
        summary: "whether each rule can be broken on purpose; then simulation, differential, chaos and fuzz runs with new seeds, for long",
        run: soak::run,
    },
    Task { name: "test", arguments: "", summary: "install what tests need, build, run everything", run: test::run },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(task) = arguments.first().and_then(|name| TASKS.iter().find(|task| task.name == name)) else {
        eprintln!("usage: cargo xtask TASK\n");
        for task in TASKS {
            eprintln!("  {:<22} {}", format!("{} {}", task.name, task.arguments), task.summary);
        }
        return ExitCode::FAILURE;
    };
    match (task.run)(&arguments[1..]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", task.name);
            ExitCode::FAILURE
        }
    }
}
