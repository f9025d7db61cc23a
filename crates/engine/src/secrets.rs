//! Which arguments of a request are passwords, or may be: they never reach a log.

use crate::arguments::is;
use crate::config::{DirectiveFlags, find_directive};
use crate::table::Entry;
use resp::Args;

/// The indexes of the secret arguments of a request.
pub(crate) fn secret_arguments(entry: &Entry, args: Args<'_>) -> Vec<usize> {
    let all = 0..args.len();
    match entry.full_name.as_str() {
        "auth" => (1..args.len()).collect(),
        // AUTH user password, wherever it stands.
        "hello" => all.filter(|&at| (1..=2).any(|back| at > back && is(args.at(at - back), "AUTH"))).collect(),
        "config|set" => all.skip(3).step_by(2).filter(|&at| is_sensitive(args.at(at - 1))).collect(),
        _ => Vec::new(),
    }
}

fn is_sensitive(name: &[u8]) -> bool {
    let directive = std::str::from_utf8(name).ok().and_then(find_directive);
    directive.is_some_and(|(_, directive)| directive.flags.contains(DirectiveFlags::SENSITIVE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::table;
    use resp::OwnedArgs;

    fn secrets(line: &str) -> Vec<String> {
        let args: OwnedArgs = line.split(' ').collect();
        let entry = table().find(args.args()).unwrap();
        let text = |index| String::from_utf8_lossy(args.args().at(index)).into_owned();
        secret_arguments(entry, args.args()).into_iter().map(text).collect()
    }

    /// At least what Redis 7.2 hides (`redactClientCommandArgument`).
    #[test]
    fn passwords_wherever_they_stand() {
        assert_eq!(secrets("AUTH s1"), ["s1"]);
        assert_eq!(secrets("auth user s1"), ["user", "s1"]);
        assert_eq!(secrets("AUTH user s1 s2"), ["user", "s1", "s2"]);
        assert_eq!(secrets("HELLO 3 AUTH user s1 SETNAME x"), ["user", "s1"]);
        assert_eq!(secrets("HELLO 2 setname x auth user s1"), ["user", "s1"]);
        assert_eq!(secrets("HELLO auth user s1"), ["user", "s1"]);
        assert_eq!(secrets("HELLO 3 AUTH"), [""; 0]);
        assert_eq!(secrets("CONFIG SET maxmemory 0 requirepass s1 MASTERAUTH s2"), ["s1", "s2"]);
        assert_eq!(secrets("CONFIG SET masteruser joe"), ["joe"]);
        assert_eq!(secrets("CONFIG GET requirepass"), [""; 0]);
        assert_eq!(secrets("SET auth s1"), [""; 0]);
    }
}
