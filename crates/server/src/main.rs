//! `fluidB-server`: the process around the engine. It reads the configuration, listens, runs one reactor per worker
//! thread, and ends on a signal.

mod allocator;
mod connection;
mod crash;
mod crew;
mod disposal;
mod files;
mod host;
mod hub;
mod hugepages;
mod identity;
mod jemalloc;
mod links;
mod listener;
mod log;
mod moderation;
mod reactor;
mod scaling;
mod serve;
mod signals;
mod slots;
mod stream;
mod supervisor;
mod sys;

use engine::config::{self, CommandLine, ConfigError, Loaded};
use engine::{Config, FLUIDB_VERSION};
use std::process::ExitCode;

const HELP: &str = "\
Usage: fluidB-server [CONFIG|-] [--directive value ...]
       fluidB-server -v or --version
       fluidB-server -h or --help

Examples:
       fluidB-server (the defaults)
       echo 'maxmemory 128mb' | fluidB-server -
       fluidB-server /etc/fluidB/6379.conf
       fluidB-server --port 7777
       fluidB-server --multi-master yes --replicaof 10.0.0.3 6379 --replicaof 10.0.0.4 6379
       fluidB-server /etc/fluidB/6379.conf --loglevel verbose
";

fn main() -> ExitCode {
    match CommandLine::parse(std::env::args_os().skip(1).map(|argument| stdx::text_of(argument.as_encoded_bytes()))) {
        CommandLine::ShowVersion => {
            let bits = usize::BITS;
            println!("fluidB server v={FLUIDB_VERSION} malloc={} bits={bits}", allocator::NAME);
            ExitCode::SUCCESS
        }
        CommandLine::ShowHelp => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        CommandLine::Run { file, directives } => run(file.as_deref(), &directives),
    }
}

fn run(file: Option<&str>, directives: &[Vec<String>]) -> ExitCode {
    sys::reserve_title_space();
    let mut loaded = match config::load(file, directives, &mut files::read_with_includes) {
        Ok(loaded) => loaded,
        Err(error) => return fail(&error.to_string()),
    };
    engine::table::rename_commands(&loaded.config.rename_command);
    log::set_level(loaded.config.loglevel);
    crash::install_report();
    // Seen from the folder in which the process was started, so before it moves to `dir`.
    let config_file = file.filter(|file| *file != "-").map(absolute).unwrap_or_default();
    if let Err(error) = settle_down(&mut loaded) {
        return fail(&error.to_string());
    }
    let Loaded { mut config, notices, .. } = loaded;
    let supervised = supervisor::is_supervised(config.supervised);
    if config.daemonize && !supervised {
        if let Err(error) = sys::daemonize() {
            return fail(&format!("Cannot run in the background (daemonize): {error}"));
        }
        supervisor::name_pid_file(&mut config);
    }
    introduce(&config, &config_file, &notices);
    match serve::serve(config, config_file, supervised) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::warning!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Moves to the folder of `dir` and makes sure that there is a log.
fn settle_down(loaded: &mut Loaded) -> Result<(), ConfigError> {
    std::env::set_current_dir(files::path_of(&loaded.config.dir))
        .map_err(|error| loaded.refusal("dir", format!("Can't chdir to '{}': {error}", loaded.config.dir)))?;
    log::set_file(&loaded.config.logfile)
        .map_err(|error| loaded.refusal("logfile", format!("Can't open the log file: {error}")))?;
    if let Ok(folder) = std::env::current_dir() {
        // CONFIG GET shows where the process works, whatever path led there.
        let _ = loaded.config.set("dir", &stdx::text_of(folder.as_os_str().as_encoded_bytes()));
    }
    Ok(())
}

/// What the log begins with.
fn introduce(config: &Config, config_file: &str, notices: &[String]) {
    log::warning!("oO0OoO0OoO0Oo fluidB is starting oO0OoO0OoO0Oo");
    log::warning!("fluidB version={FLUIDB_VERSION}, bits={}, pid={}, just started", usize::BITS, std::process::id());
    match config_file {
        "" => log::warning!("No configuration file: the defaults and the command line count"),
        file => log::warning!("Configuration loaded from {file}"),
    }
    for notice in notices {
        log::warning!("{notice}");
    }
    host::show_title(config, config_file);
}

fn absolute(path: &str) -> String {
    std::path::absolute(files::path_of(path))
        .map_or_else(|_| path.to_owned(), |path| stdx::text_of(path.as_os_str().as_encoded_bytes()))
}

fn fail(message: &str) -> ExitCode {
    eprintln!("\n{message}");
    ExitCode::FAILURE
}
