//! Prints docs/commands.md: `cargo xtask docs` puts it there.

fn main() {
    print!("{}", engine::documentation::page());
}
