//! The golden scripts against the built server.

use std::path::Path;
use testkit::{ServerProcess, script};

#[test]
fn golden_scripts() {
    let program = Path::new(env!("CARGO_BIN_EXE_fluidB-server"));
    let server = ServerProcess::start(program, script::SERVER_ARGUMENTS).unwrap();
    let report = script::run_folder(script::folder(), &mut server.target().unwrap()).unwrap();
    report.assert_passed();
}
