//! The dialling side's way from a fresh connection to frames: Redis's replication handshake, then
//! `MESH LINK`. Bytes in, bytes out.

use effect::{NodeId, Origin};
use std::collections::VecDeque;
use std::fmt;

use crate::message::PROTOCOL_VERSION;

/// Longest reply line that is looked at, in bytes.
const MAX_LINE: usize = 1024;

/// What kind of node speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A plain master, or a read-only replica whose data set a master replaces.
    Classic,
    /// `active-replica yes`: writable, merges its one master.
    Active,
    /// `multi-master yes`: writable, merges any number of masters.
    MultiMaster,
}

impl Mode {
    /// The word used in `MESH LINK`.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Classic => "classic",
            Mode::Active => "active-replica",
            Mode::MultiMaster => "multi-master",
        }
    }

    fn from_name(name: &str) -> Option<Mode> {
        [Mode::Classic, Mode::Active, Mode::MultiMaster].into_iter().find(|mode| mode.name() == name)
    }
}

/// How one side introduces itself: `<protocol version> <node> <incarnation> <mode> <process>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Introduction {
    pub version: u32,
    pub origin: Origin,
    pub mode: Mode,
    /// Drawn at random when it started: two that have the same name, as the file with it was copied, differ in this.
    pub process: u64,
}

impl Introduction {
    /// Reads the five words.
    pub fn parse<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<Introduction> {
        let version = words.next()?.parse().ok()?;
        let node = NodeId(hexadecimal(words.next()?)?);
        let incarnation = words.next()?.parse().ok()?;
        let mode = Mode::from_name(words.next()?)?;
        let process = hexadecimal(words.next()?)?;
        Some(Introduction { version, origin: Origin { node, incarnation }, mode, process })
    }

    /// The five words.
    pub fn words(&self) -> [String; 5] {
        let Origin { node, incarnation } = self.origin;
        let (version, process) = (self.version.to_string(), format!("{:016x}", self.process));
        [version, node.to_string(), incarnation.to_string(), self.mode.name().to_owned(), process]
    }

    pub fn new(origin: Origin, mode: Mode, process: u64) -> Introduction {
        Introduction { version: PROTOCOL_VERSION, origin, mode, process }
    }

    /// May a node link with this peer? Not under the name of both.
    pub fn check(&self, peer: &Introduction) -> Result<(), HandshakeError> {
        match (self.origin.node == peer.origin.node, self.process == peer.process) {
            (false, _) => Ok(()),
            (true, true) => Err(HandshakeError::Myself),
            (true, false) => Err(HandshakeError::Twin),
        }
    }

    /// Another one under the same name. They must not meet anywhere: what one has written would be taken for what the other had.
    pub fn is_twin_of(&self, other: &Introduction) -> bool {
        self.origin == other.origin && self.process != other.process
    }
}

fn hexadecimal(word: &str) -> Option<u64> {
    if word.len() == 16 { u64::from_str_radix(word, 16).ok() } else { None }
}

/// How to log in (masteruser, masterauth).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    pub user: Option<Vec<u8>>,
    pub password: Option<Vec<u8>>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Credentials {{ user: {:?}, password: {} }}",
            self.user,
            self.password.as_ref().map_or("none", |_| "set")
        )
    }
}

/// Why there is no link. Texts go to the log and into INFO; no secret is in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandshakeError {
    /// The credentials were refused, in the peer's words.
    Authentication(String),
    /// The peer does not know `MESH`.
    NotFluidB,
    /// The peer is this very node.
    Myself,
    /// The peer has the name of this node, or of another one that is linked here.
    Twin,
    /// It refused, in its own words.
    Refused(String),
    /// Its replies are not what they should be.
    Unintelligible,
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HandshakeError::Authentication(text) => write!(f, "Unable to AUTH to MASTER: {text}"),
            HandshakeError::NotFluidB => write!(f, "the master does not speak fluidB's replication protocol"),
            HandshakeError::Myself => write!(f, "Can't replicate from myself"),
            HandshakeError::Twin => write!(
                f,
                "two servers have the same node id: a copied data directory? Stop one, remove its fluidB-PORT.node, start it again"
            ),
            HandshakeError::Refused(text) => write!(f, "the master refused: {text}"),
            HandshakeError::Unintelligible => write!(f, "unintelligible reply from the master"),
        }
    }
}

impl std::error::Error for HandshakeError {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Ping,
    Auth,
    /// REPLCONF: nice to have.
    Optional,
    Link,
}

/// The dialling side of the handshake.
#[derive(Debug)]
pub struct Handshake {
    own: Introduction,
    credentials: Credentials,
    listening_port: u16,
    /// Replies not yet here, in order.
    expected: VecDeque<Step>,
    input: Vec<u8>,
}

impl Handshake {
    /// `listening_port`: where this node serves, for the master's INFO. Appends the first request.
    pub fn begin(own: Introduction, credentials: Credentials, listening_port: u16, output: &mut Vec<u8>) -> Handshake {
        put_request(output, &["PING"]);
        Handshake { own, credentials, listening_port, expected: VecDeque::from([Step::Ping]), input: Vec::new() }
    }

    /// Takes what arrived. `Some`: the peer speaks frames from now on; `take_rest` gives its first ones.
    pub fn feed(&mut self, bytes: &[u8], output: &mut Vec<u8>) -> Result<Option<Introduction>, HandshakeError> {
        self.input.extend_from_slice(bytes);
        while let Some(&step) = self.expected.front() {
            let Some(end) = self.input.iter().position(|byte| *byte == b'\n') else {
                return if self.input.len() > MAX_LINE { Err(HandshakeError::Unintelligible) } else { Ok(None) };
            };
            let line = String::from_utf8_lossy(&self.input[..end]).trim_end().to_owned();
            self.input.drain(..=end);
            self.expected.pop_front();
            if let Some(introduction) = self.reply(step, &line, output)? {
                return Ok(Some(introduction));
            }
        }
        Ok(None)
    }

    /// What came after the last reply, once `feed` said that the peer speaks frames.
    pub fn take_rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.input)
    }

    fn reply(&mut self, step: Step, line: &str, output: &mut Vec<u8>) -> Result<Option<Introduction>, HandshakeError> {
        let error = line.strip_prefix('-').map(|text| self.without_secrets(step, text));
        match (step, error) {
            (_, None) if !line.starts_with('+') => return Err(HandshakeError::Unintelligible),
            (Step::Ping, Some(text)) if !wants_authentication(&text) => return Err(HandshakeError::Refused(text)),
            (Step::Ping, _) => self.introduce(output),
            (Step::Auth, Some(text)) => return Err(HandshakeError::Authentication(text)),
            (Step::Link, Some(text)) if text.contains("unknown command") => return Err(HandshakeError::NotFluidB),
            (Step::Link, Some(text)) if text.contains("myself") => return Err(HandshakeError::Myself),
            (Step::Link, Some(text)) => return Err(HandshakeError::Refused(text)),
            (Step::Link, None) => {
                let words = line.strip_prefix("+MESH ").ok_or(HandshakeError::Unintelligible)?;
                let peer = Introduction::parse(words.split(' ')).ok_or(HandshakeError::Unintelligible)?;
                self.own.check(&peer)?;
                return Ok(Some(peer));
            }
            (Step::Auth | Step::Optional, _) => {}
        }
        Ok(None)
    }

    /// What the peer says of our request may quote it: Redis does so with the arguments of a command that it does not know.
    fn without_secrets(&self, step: Step, text: &str) -> String {
        let password = self.credentials.password.as_deref().filter(|password| !password.is_empty());
        if password.is_some_and(|password| text.contains(&*String::from_utf8_lossy(password))) {
            return "an error that quotes the password".to_owned();
        }
        let unquoted = match step {
            Step::Auth => text.split(['\'', '"', '`']).next().unwrap_or_default().trim_end(),
            _ => text,
        };
        printable(unquoted)
    }

    /// Everything after PING, in one flight.
    fn introduce(&mut self, output: &mut Vec<u8>) {
        if let Some(password) = &self.credentials.password {
            match &self.credentials.user {
                Some(user) => put_request(output, &[&b"AUTH"[..], user, password]),
                None => put_request(output, &[&b"AUTH"[..], password]),
            }
            self.expected.push_back(Step::Auth);
        }
        put_request(output, &["REPLCONF", "listening-port", &self.listening_port.to_string()]);
        put_request(output, &["REPLCONF", "capa", "eof", "capa", "psync2"]);
        let [version, node, incarnation, mode, process] = self.own.words();
        put_request(output, &["MESH", "LINK", &version, &node, &incarnation, &mode, &process]);
        self.expected.extend([Step::Optional, Step::Optional, Step::Link]);
    }
}

/// What a server says to a PING before AUTH (Redis and older ones).
fn wants_authentication(text: &str) -> bool {
    ["NOAUTH", "NOPERM", "ERR operation not permitted"].iter().any(|prefix| text.starts_with(prefix))
}

/// A peer's words as they may stand in a log: without control characters, and not endless.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

fn put_request(output: &mut Vec<u8>, words: &[impl AsRef<[u8]>]) {
    output.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words.iter().map(AsRef::as_ref) {
        output.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        output.extend_from_slice(word);
        output.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: u64) -> Introduction {
        Introduction::new(Origin { node: NodeId(id), incarnation: 2 }, Mode::MultiMaster, 0xabc)
    }

    fn run(
        password: Option<&str>,
        replies: &[u8],
        step: usize,
    ) -> (Result<Option<Introduction>, HandshakeError>, String, Vec<u8>) {
        let mut output = Vec::new();
        let credentials = Credentials { user: None, password: password.map(|password| password.as_bytes().to_owned()) };
        let mut handshake = Handshake::begin(node(1), credentials, 7000, &mut output);
        let mut result = Ok(None);
        for piece in replies.chunks(step) {
            match result {
                Ok(None) => result = handshake.feed(piece, &mut output),
                _ => handshake.input.extend_from_slice(piece),
            }
        }
        (result, String::from_utf8(output).unwrap(), handshake.take_rest())
    }

    #[test]
    fn the_whole_way_with_a_password() {
        let replies =
            b"-NOAUTH Authentication required.\r\n+OK\r\n+OK\r\n+OK\r\n+MESH 2 00000000000000ff 9 multi-master 00000000000000aa\r\nrest";
        for step in [1, 7, 1000] {
            let (result, sent, rest) = run(Some("secret"), replies, step);
            let peer = result.unwrap().unwrap();
            assert_eq!(peer.origin, Origin { node: NodeId(0xff), incarnation: 9 });
            assert_eq!(rest, b"rest");
            assert!(sent.starts_with("*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n"));
            assert!(sent.ends_with("*7\r\n$4\r\nMESH\r\n$4\r\nLINK\r\n$1\r\n2\r\n$16\r\n0000000000000001\r\n$1\r\n2\r\n$12\r\nmulti-master\r\n$16\r\n0000000000000abc\r\n"));
        }
    }

    #[test]
    fn refusals_are_told_apart_and_keep_the_secret() {
        let wrong = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
        let (result, ..) = run(Some("secret"), format!("-NOAUTH x\r\n{wrong}").as_bytes(), 100);
        let error = result.unwrap_err();
        assert!(matches!(error, HandshakeError::Authentication(_)));
        assert!(error.to_string().starts_with("Unable to AUTH to MASTER: WRONGPASS"), "{error}");
        assert!(!error.to_string().contains("secret"));

        // As Redis says it where AUTH was renamed; long arguments are cut.
        for (quoted, told) in [("secret", "an error that quotes the password"), ("sec", "ERR unknown command")] {
            let reply = format!("+PONG\r\n-ERR unknown command 'AUTH', with args beginning with: '{quoted}' \r\n");
            let (result, ..) = run(Some("secret"), reply.as_bytes(), 100);
            assert_eq!(result, Err(HandshakeError::Authentication(told.to_owned())));
        }
        let (result, ..) = run(Some("secret"), b"+PONG\r\n+OK\r\n+OK\r\n+OK\r\n-ERR I know secret!\r\n", 100);
        assert_eq!(result, Err(HandshakeError::Refused("an error that quotes the password".to_owned())));

        let unknown = b"+PONG\r\n+OK\r\n+OK\r\n-ERR unknown command 'MESH', with args beginning with: \r\n";
        assert_eq!(run(None, unknown, 100).0, Err(HandshakeError::NotFluidB));
        let own = b"+PONG\r\n+OK\r\n+OK\r\n+MESH 2 0000000000000001 9 classic 0000000000000abc\r\n";
        assert_eq!(run(None, own, 100).0, Err(HandshakeError::Myself));
        let copy = b"+PONG\r\n+OK\r\n+OK\r\n+MESH 2 0000000000000001 2 classic 0000000000000abd\r\n";
        assert_eq!(run(None, copy, 100).0, Err(HandshakeError::Twin));
        assert_eq!(run(None, b"HTTP/1.1 400 Bad Request\r\n", 100).0, Err(HandshakeError::Unintelligible));
        assert_eq!(run(None, &[b'x'; 5000], 100).0, Err(HandshakeError::Unintelligible));
        let loading = run(None, b"-LOADING still\r\n", 100).0;
        assert_eq!(loading, Err(HandshakeError::Refused("LOADING still".to_owned())));
    }
}
