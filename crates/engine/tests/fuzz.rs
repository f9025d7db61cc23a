//! Arbitrary bytes as a configuration file: it is understood or refused, and what is understood survives CONFIG REWRITE.

use engine::config::{Appended, Config, ConfigError, Loaded, directives, load, rewrite};

fn read(text: &[u8]) -> Result<Loaded, ConfigError> {
    load(Some("file"), &[], &mut |path: &str| match path {
        "file" => Ok(vec![("file".to_string(), text.to_vec())]),
        _ => Err("no such file".to_string()),
    })
}

fn values(config: &Config) -> Vec<Option<String>> {
    directives().iter().map(|directive| config.get(directive.name)).collect()
}

#[test]
fn config_files() {
    let corpus: &[&[u8]] = &[
        b"port 6379\nrequirepass mypassword123\nmulti-master yes\nreplicaof 10.0.0.3 6379\nreplicaof 10.0.0.4 6379\n",
        b"# comment\n\nsave 900 1\nsave 300 10\nsave \"\"\nmaxmemory 1gb\nmaxmemory-clients 5%\nunixsocketperm 700\n",
        b"client-output-buffer-limit replica 256mb 64mb 60\nlatency-tracking-info-percentiles 50 99.9\nhz 10\n",
        b"bind 127.0.0.1 -::1\nuser alice on \">pass word\" ~*\nnotify-keyspace-events KEA\nshutdown-on-sigint save now\n",
        b"requirepass \"a\\x00\\xff\\n\\\"\"\nmasterauth 'it\\'s'\ninclude other\nlogfile \"\"\r\nslave-read-only no\n",
    ];
    testkit::fuzz::run(corpus, |input| {
        let Ok(Loaded { config, .. }) = read(input) else { return };
        // Writing and comparing costs ten times as much as reading: one input in eight is enough.
        if !input.len().is_multiple_of(8) {
            return;
        }
        let text = rewrite(&config, input, Appended::Changes);
        let again = read(&text).unwrap_or_else(|error| panic!("{error}\nin {:?}", String::from_utf8_lossy(&text)));
        assert_eq!(values(&again.config), values(&config), "{:?}", String::from_utf8_lossy(&text));
    });
}
