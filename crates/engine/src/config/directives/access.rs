use crate::config::directive::*;
use crate::config::special;

const NO_YES_LOCAL: &[&str] = &["no", "yes", "local"];
const ACL_LATER: &str = "access control lists come with a later version; use requirepass";

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::text(
        "requirepass",
        "",
        |config, password| config.requirepass = password.into(),
        "Password that clients must give, empty for none.",
    )
    .sensitive(),
    Directive::choice(
        "enable-debug-command",
        NO_YES_LOCAL,
        "no",
        |config, access| config.enable_debug_command = access,
        "Who may call DEBUG: nobody, everybody, or clients on this machine.",
    )
    .immutable(),
    Directive::choice(
        "enable-protected-configs",
        NO_YES_LOCAL,
        "no",
        |config, access| config.enable_protected_configs = access,
        "Who may CONFIG SET directives that name files.",
    )
    .immutable(),
    Directive::choice(
        "enable-module-command",
        NO_YES_LOCAL,
        "no",
        |config, access| config.enable_module_command = access,
        "Who may call MODULE LOAD and UNLOAD, which fail: there are no modules.",
    )
    .immutable(),
    Directive::other("user", Kind::Special(special::USER), "", "A user with its rules.")
        .immutable()
        .hidden()
        .sensitive()
        .without_effect(ACL_LATER),
    Directive::text("aclfile", "", no_text, "File that holds the users.").immutable().without_effect(ACL_LATER),
    Directive::choice(
        "acl-pubsub-default",
        &["allchannels", "resetchannels"],
        "resetchannels",
        no_choice,
        "Channels that a new user may reach.",
    )
    .without_effect(ACL_LATER),
    Directive::integer("acllog-max-len", (0, i64::MAX), "128", no_number, "Entries that ACL LOG keeps.")
        .without_effect(ACL_LATER),
    Directive::other(
        "rename-command",
        Kind::Special(special::RENAME_COMMAND),
        "",
        "Gives a command another name, or none.",
    )
    .immutable()
    .hidden(),
    Directive::other("loadmodule", Kind::Special(special::LOADMODULE), "", "Module to load at the start.")
        .immutable()
        .hidden()
        .without_effect("modules for Redis cannot be loaded"),
];
