use crate::config::directive::*;

const LATER: &str = "TLS comes with a later version";

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::integer("tls-port", (0, 65535), "0", no_number, "Port for TLS connections.").without_effect(LATER),
    Directive::text("tls-cert-file", "", no_text, "Certificate of the server.").without_effect(LATER),
    Directive::text("tls-key-file", "", no_text, "Key of the server.").without_effect(LATER),
    Directive::text("tls-key-file-pass", "", no_text, "Password of the server's key.")
        .sensitive()
        .without_effect(LATER),
    Directive::text("tls-client-cert-file", "", no_text, "Certificate for links to other servers.")
        .without_effect(LATER),
    Directive::text("tls-client-key-file", "", no_text, "Key for links to other servers.").without_effect(LATER),
    Directive::text("tls-client-key-file-pass", "", no_text, "Password of the key for links.")
        .sensitive()
        .without_effect(LATER),
    Directive::text("tls-dh-params-file", "", no_text, "Parameters of the Diffie-Hellman exchange.")
        .without_effect(LATER),
    Directive::text("tls-ca-cert-file", "", no_text, "Certificates of trusted authorities.").without_effect(LATER),
    Directive::text("tls-ca-cert-dir", "", no_text, "Directory of trusted authorities.").without_effect(LATER),
    Directive::text("tls-allowlist", "", no_text, "Names that KeyDB accepts in certificates of clients.")
        .without_effect(LATER),
    Directive::text("tls-auditlog-blocklist", "", no_text, "Names that KeyDB leaves out of its audit log.")
        .without_effect(LATER),
    Directive::choice(
        "tls-auth-clients",
        &["no", "yes", "optional"],
        "yes",
        no_choice,
        "Whether clients need a certificate.",
    )
    .without_effect(LATER),
    Directive::bool("tls-rotation", false, no_bool, "Let KeyDB read new certificates as they appear.")
        .without_effect(LATER),
    Directive::bool("tls-replication", false, no_bool, "Use TLS on links.").unavailable(LATER),
    Directive::bool("tls-cluster", false, no_bool, "Use TLS on the cluster's bus.").unavailable(LATER),
    Directive::text("tls-protocols", "", no_text, "Versions of TLS that are allowed.").without_effect(LATER),
    Directive::text("tls-ciphers", "", no_text, "Ciphers of TLS 1.2 and below.").without_effect(LATER),
    Directive::text("tls-ciphersuites", "", no_text, "Cipher suites of TLS 1.3.").without_effect(LATER),
    Directive::bool("tls-prefer-server-ciphers", false, no_bool, "Prefer the server's order of ciphers.")
        .without_effect(LATER),
    Directive::bool("tls-session-caching", true, no_bool, "Let clients resume sessions.").without_effect(LATER),
    Directive::integer(
        "tls-session-cache-size",
        (0, i32::MAX as i64),
        "20480",
        no_number,
        "Sessions that are remembered.",
    )
    .without_effect(LATER),
    Directive::integer(
        "tls-session-cache-timeout",
        (0, i32::MAX as i64),
        "300",
        no_number,
        "Seconds for which a session can be resumed.",
    )
    .without_effect(LATER),
    Directive::integer(
        "max-new-tls-connections-per-cycle",
        (1, 1000),
        "1",
        no_number,
        "How many TLS connections Valkey accepts in one turn.",
    )
    .without_effect(LATER),
];
