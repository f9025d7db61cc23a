//! One link: what both sides have in common, and what each has of its own.

use crate::LinkId;
use crate::compare::{Answer, Comparisons};
use crate::frame::FrameDecoder;
use crate::handshake::{Handshake, Introduction};
use crate::log::Position;
use crate::message::{self, Message};
use crate::rows::Pin;
use crate::store::Export;
use effect::{Origin, Stamp, VersionVector};
use std::collections::BTreeMap;

/// A link does not pile up more than this of its own messages while its peer does not read, in bytes.
/// Records and state are not counted: they are made when there is room.
const OUTPUT_LIMIT: usize = 256 * 1024;

pub(crate) struct Link {
    pub(crate) id: LinkId,
    pub(crate) phase: Phase,
    pub(crate) side: Side,
    /// The peer's address, for INFO and the log. Of a downstream link the port is where it listens.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) peer: Option<Introduction>,
    pub(crate) decoder: FrameDecoder,
    /// Messages to send before anything else.
    pub(crate) output: Vec<u8>,
    /// There were effects at the peer when the link came up.
    pub(crate) has_effects: bool,
    /// What the peer has, as it told.
    pub(crate) announced: VersionVector,
    /// What we told the peer that we have.
    pub(crate) told: VersionVector,
    pub(crate) told_ms: u64,
    /// `Mesh::effects_applied` when we told.
    pub(crate) told_effects: u64,
    pub(crate) opened_ms: u64,
    pub(crate) heard_ms: u64,
    pub(crate) sent_ms: u64,
    pub(crate) bytes_received: u64,
    pub(crate) bytes_sent: u64,
}

pub(crate) enum Phase {
    /// Waits for `Input::Connected`.
    Dialing,
    Handshaking(Handshake),
    /// Frames flow, but the peer's HELLO is not here.
    Greeting,
    Open,
    /// To be forgotten when `output` is written.
    Closing,
}

pub(crate) enum Side {
    Upstream(Upstream),
    Downstream(Downstream),
}

/// The peer feeds us.
#[derive(Default)]
pub(crate) struct Upstream {
    /// Round trip of the handshake, in milliseconds.
    pub(crate) rtt_ms: u64,
    /// Origins whose records the peer does not have from the beginning, with where its log begins.
    pub(crate) gaps: VersionVector,
    pub(crate) comparisons: Comparisons,
}

/// We feed the peer.
#[derive(Default)]
pub(crate) struct Downstream {
    /// Origins that it wants, and the last stamp that it was sent.
    pub(crate) subscriptions: BTreeMap<Origin, Stamp>,
    /// Everything before is sent, or not wanted.
    pub(crate) position: Position,
    pub(crate) transfer: Option<Box<Transfer>>,
    /// Since when it waits for the data set, which is half of another one at the moment (monotonic).
    pub(crate) waits_since_ms: Option<u64>,
    /// What we had when it came, until it has that, too.
    pub(crate) catches_up_to: Option<VersionVector>,
    /// When to tell the others of it again.
    pub(crate) announce_ms: u64,
    /// What it has asked for to compare.
    pub(crate) answer: Option<Box<Answer>>,
}

impl Downstream {
    /// Is a data set on its way?
    pub(crate) fn is_sending(&self) -> bool {
        self.transfer.as_ref().is_some_and(|transfer| transfer.export.is_some())
    }
}

/// The data set on its way to a downstream peer.
pub(crate) struct Transfer {
    /// `None`: all is sent.
    pub(crate) export: Option<Box<dyn Export>>,
    /// Where the log ended when it began. What it has up to there, and the peer lacks after `after`, goes first.
    pub(crate) end: Position,
    pub(crate) after: VersionVector,
    /// What of the log was sent so; what follows is kept until the peer subscribes.
    pub(crate) keep: Position,
    /// What the peer has when it is done.
    pub(crate) vector: VersionVector,
    pub(crate) pin: Pin,
    pub(crate) ended_ms: u64,
}

impl Link {
    pub(crate) fn new(id: LinkId, side: Side, host: String, port: u16, now_ms: u64) -> Link {
        Link {
            id,
            phase: Phase::Dialing,
            side,
            host,
            port,
            peer: None,
            decoder: FrameDecoder::default(),
            output: Vec::new(),
            has_effects: false,
            announced: VersionVector::new(),
            told: VersionVector::new(),
            told_ms: now_ms,
            told_effects: 0,
            opened_ms: now_ms,
            heard_ms: now_ms,
            sent_ms: now_ms,
            bytes_received: 0,
            bytes_sent: 0,
        }
    }

    /// How many bytes a message of the peer may have that goes in several frames. Data comes from sources only, and not before they have
    /// introduced themselves.
    pub(crate) fn longest_message(&self, kind: u8) -> usize {
        message::longest(kind, self.is_open() && matches!(self.side, Side::Upstream(_)))
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    pub(crate) fn send(&mut self, message: &Message<'_>) {
        message.put(&mut self.output);
    }

    /// Is there room for a message that can wait?
    pub(crate) fn has_room(&self) -> bool {
        self.output.len() < OUTPUT_LIMIT
    }

    pub(crate) fn upstream(&self) -> Option<&Upstream> {
        match &self.side {
            Side::Upstream(upstream) => Some(upstream),
            Side::Downstream(_) => None,
        }
    }

    pub(crate) fn upstream_mut(&mut self) -> Option<&mut Upstream> {
        match &mut self.side {
            Side::Upstream(upstream) => Some(upstream),
            Side::Downstream(_) => None,
        }
    }

    pub(crate) fn downstream(&self) -> Option<&Downstream> {
        match &self.side {
            Side::Downstream(downstream) => Some(downstream),
            Side::Upstream(_) => None,
        }
    }

    pub(crate) fn downstream_mut(&mut self) -> Option<&mut Downstream> {
        match &mut self.side {
            Side::Downstream(downstream) => Some(downstream),
            Side::Upstream(_) => None,
        }
    }

    /// "10.0.0.2:6379", for the log.
    pub(crate) fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}
