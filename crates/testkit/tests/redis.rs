//! The golden scripts say what a real Redis says.

use testkit::{ServerProcess, redis_server, script};

#[test]
fn golden_scripts() {
    let Some(program) = redis_server() else { return };
    let server = ServerProcess::start(&program, script::SERVER_ARGUMENTS).unwrap();
    let report = script::run_folder(script::folder(), &mut server.target().unwrap()).unwrap();
    report.assert_passed();
    assert!(report.commands > 0);
}
