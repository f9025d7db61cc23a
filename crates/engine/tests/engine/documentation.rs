//! docs/commands.md is what the table of commands says.

#[test]
fn the_page_of_commands_is_up_to_date() {
    let page = engine::documentation::page();
    let file = include_str!("../../../../docs/commands.md");
    let difference = page.lines().zip(file.lines()).find(|(made, found)| made != found);
    assert!(page == file, "cargo xtask docs brings it up to date; {difference:?} differs first");
}
