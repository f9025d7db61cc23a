//! `cargo xtask record`: golden scripts from a real redis-server.

use crate::Outcome;
use std::fs;
use testkit::{ServerProcess, redis_server, script};

pub fn run(files: &[String]) -> Outcome {
    let program = redis_server().ok_or("redis-server is not installed")?;
    let server = ServerProcess::start(&program, script::SERVER_ARGUMENTS)?;
    for file in files {
        let recorded = script::record(&fs::read_to_string(file)?, &mut server.target()?)
            .map_err(|error| format!("{file}: {error}"))?;
        fs::write(file, recorded)?;
    }
    Ok(())
}
