//! The serving side: subscriptions to the relay log, data sets, and what goes onto a link.

use crate::link::{Downstream, Link, Phase, Side, Transfer};
use crate::log::{Position, RelayLog};
use crate::message::Message;
use crate::rows::Pin;
use crate::store::Store;
use crate::{BatchWriter, LinkId, Mesh, Mode, Now, Record, Severity};
use effect::{Stamp, VersionVector};

/// Size of a batch of records or of a piece of a data set, in bytes; a single large record may exceed it. With a small log
/// pieces are an eighth of it.
const FRAME_BYTES: usize = 32 * 1024;
/// After a transfer its receiver counts as a member for at least this long, while its own stream is on its
/// way to us, in milliseconds.
const PIN_GRACE_MS: u64 = 5_000;
/// Who needs another data set to mend its own, as a link broke, lets others wait for it no longer than this: they may wait
/// for each other, in milliseconds.
pub(crate) const UNSETTLED_MS: u64 = 10_000;
/// How often the others are told of it meanwhile, in milliseconds.
const ANNOUNCE_MS: u64 = 1_000;

impl Mesh {
    pub(crate) fn subscribe(&mut self, id: LinkId, after: &VersionVector) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let mut gaps = VersionVector::new();
        let Some(downstream) = link.downstream_mut() else { return };
        if downstream.subscriptions.is_empty() {
            downstream.position = self.log.end();
        }
        for (origin, after) in after.iter() {
            let floor = self.log.floor(origin);
            if after < floor {
                downstream.subscriptions.remove(&origin);
                gaps.advance(origin, floor);
                continue;
            }
            downstream.subscriptions.insert(origin, after);
            downstream.position = downstream.position.min(self.log.seek(origin, after));
        }
        if let Some(transfer) = downstream.transfer.as_mut().filter(|transfer| transfer.export.is_none()) {
            transfer.keep = self.log.end();
        }
        if !gaps.is_empty() {
            link.send(&Message::Gap { floors: gaps });
        }
    }

    /// Sends the data set to those who wait for it, unless it is half of another one at the moment, of which there may be something
    /// in it without a trace.
    pub(crate) fn begin_transfers(&mut self, store: &dyn Store, now: Now) {
        let begun = self.import.as_ref().and_then(|import| import.begun.as_ref());
        if begun.is_some_and(|begun| !begun.is_traced) {
            return;
        }
        let patience_ms = if self.unsettled { UNSETTLED_MS } else { 0 };
        let has_waited = |since_ms: u64| now.monotonic_ms >= since_ms + patience_ms;
        let waits = |link: &&Link| link.downstream().and_then(|to| to.waits_since_ms).is_some_and(has_waited);
        let waiting: Vec<LinkId> = self.links.values().filter(waits).map(|link| link.id).collect();
        waiting.into_iter().for_each(|id| self.begin_transfer(id, store, now));
    }

    /// The peer wants our data set: it counts from now on as a member that has what we have now, or less where it has
    /// all that is `decided` here: so that is how it stays while the data set is on its way.
    fn begin_transfer(&mut self, id: LinkId, store: &dyn Store, now: Now) {
        // Own effects that assume what is not all here go by the log.
        let own_stamp = self.assumptions.own_before().unwrap_or(self.vector.get(self.own));
        let [vector, effects] = [&self.vector, &self.last_effects].map(|all| {
            let mut vector = all.clone();
            vector.remove(self.own);
            vector.advance(self.own, all.get(self.own).min(own_stamp));
            vector
        });
        // What others have told of us is less.
        let rows = self.rows.iter().filter(|(origin, _)| *origin != self.own);
        let mut rows: Vec<_> = rows.map(|(origin, row)| (origin, row.clone())).collect();
        let mut row = vector.clone();
        row.merge(&self.departures());
        // Who joins, and has not said anything yet, may still bring what is older than what it will be told.
        self.joining.keys().for_each(|joiner| row.advance(*joiner, Stamp::ZERO));
        rows.push((self.own, row));
        let assumed = self.rows.all_assumed();
        let clock = self.watermarks().clock;
        let Some(link) = self.links.get_mut(&id) else { return };
        let mut decided = store.decided();
        let mut has = vector.clone();
        if link.announced.dominates(&decided) {
            has = vector.common(&link.announced);
        }
        decided.merge(&has);
        link.send(&Message::StateBegin { vector: vector.clone(), effects, decided, assumed, rows });
        let text = format!("Sending the data set to replica {}", link.address());
        let joiner = link.peer.filter(|peer| peer.mode != Mode::Classic).map(|peer| peer.origin);
        // Who knows nothing of an origin may still be asked for what is under way elsewhere.
        let recent = self.log.before_newest_quarter();
        let mut after = VersionVector::new();
        for (origin, stamp) in vector.iter() {
            let known = match link.announced.get(origin) {
                _ if joiner.is_none() => stamp,
                Stamp::ZERO => recent.get(origin).max(self.log.floor(origin)),
                known => known,
            };
            after.advance(origin, known);
        }
        let end = self.log.end();
        let keep = after.iter().map(|(origin, stamp)| self.log.seek(origin, stamp)).fold(end, Position::min);
        let announce_ms = now.monotonic_ms + ANNOUNCE_MS;
        let Some(downstream) = link.downstream_mut() else { return };
        downstream.subscriptions.clear();
        downstream.waits_since_ms = None;
        let (pin, export) = (Pin { vector: has, clock }, Some(store.export()));
        downstream.transfer = Some(Box::new(Transfer { export, end, after, keep, vector, pin, ended_ms: 0 }));
        downstream.announce_ms = announce_ms;
        self.counters.state_exports += 1;
        if let Some(joiner) = joiner {
            self.announce_joiner(joiner, now);
        }
        self.log_line(Severity::Notice, text);
    }

    /// A receiver that has it all and speaks for itself needs no pin any more.
    pub(crate) fn release_pins(&mut self, now: Now) {
        let mut released = false;
        let mut joiners = Vec::new();
        for link in self.links.values_mut().filter(|link| link.is_open()) {
            let Link { side: Side::Downstream(downstream), announced, peer: Some(peer), .. } = link else { continue };
            downstream.catches_up_to.take_if(|goal| announced.dominates(goal));
            let joins = downstream.transfer.is_some() || downstream.catches_up_to.is_some();
            if joins && peer.mode != Mode::Classic && now.monotonic_ms >= downstream.announce_ms {
                downstream.announce_ms = now.monotonic_ms + ANNOUNCE_MS;
                joiners.push(peer.origin);
            }
            let transfer = &mut downstream.transfer;
            let done = transfer.as_ref().is_some_and(|transfer| {
                let member = self.rows.get(peer.origin);
                let speaks = member.is_some_and(|row| row.dominates(&transfer.vector));
                let waited = now.monotonic_ms.saturating_sub(transfer.ended_ms) > PIN_GRACE_MS;
                transfer.export.is_none() && announced.dominates(&transfer.vector) && (speaks || waited)
            });
            if done {
                *transfer = None;
                released = true;
            }
        }
        if released {
            self.mark_stable_dirty();
        }
        for joiner in joiners {
            self.announce_joiner(joiner, now);
        }
    }

    /// Appends what the link has to say to `output`, about `budget` bytes at most. True while there is more.
    /// A closing link is forgotten by this.
    pub fn transmit(&mut self, id: LinkId, output: &mut Vec<u8>, budget: usize, now: Now) -> bool {
        let Some(link) = self.links.get_mut(&id) else { return false };
        let start = output.len();
        output.append(&mut link.output);
        let mut more = false;
        if let (Phase::Open, Side::Downstream(downstream)) = (&link.phase, &mut link.side) {
            let room = |output: &Vec<u8>| output.len() - start < budget;
            let piece_bytes = FRAME_BYTES.min(self.log.limit() / 8);
            while room(output) && downstream.send_state(piece_bytes, &self.log, &mut self.batch, output, now) {}
            let sending = downstream.is_sending();
            if !sending {
                downstream.close_gaps(&self.log, output);
                while room(output) {
                    let sent = downstream.send_records(&self.log, &mut self.batch, output);
                    if sent == 0 {
                        break;
                    }
                    self.counters.records_sent += sent;
                }
            }
            more = sending || (!downstream.subscriptions.is_empty() && downstream.position != self.log.end());
        }
        let written = (output.len() - start) as u64;
        if written > 0 {
            link.bytes_sent += written;
            link.sent_ms = now.monotonic_ms;
        }
        if matches!(link.phase, Phase::Closing) {
            self.links.remove(&id);
        }
        more
    }

    /// The links there are, for the driver's walk.
    pub fn links(&self) -> impl Iterator<Item = LinkId> + '_ {
        self.links.keys().copied()
    }
}

impl Downstream {
    /// One piece of the data set, or of the log that goes with it. False where none is being sent.
    fn send_state(
        &mut self,
        piece_bytes: usize,
        log: &RelayLog,
        batch: &mut BatchWriter,
        output: &mut Vec<u8>,
        now: Now,
    ) -> bool {
        let Some(transfer) = &mut self.transfer else { return false };
        let Transfer { export, keep, end, after, vector, .. } = &mut **transfer;
        let Some(walk) = export else { return false };
        if *keep < *end {
            send_batch(keep, *end, log, batch, output, |record| {
                record.last() > after.get(record.origin) && vector.covers(record.origin, record.last())
            });
            return true;
        }
        let mut chunk = Vec::with_capacity(piece_bytes);
        let has_more = walk.go_on(piece_bytes, &mut chunk);
        if !chunk.is_empty() {
            Message::StateChunk { bytes: &chunk }.put(output);
        }
        if !has_more {
            transfer.export = None;
            transfer.ended_ms = now.monotonic_ms;
            Message::StateEnd.put(output);
        }
        true
    }

    /// Ends subscriptions that the log can no longer serve: the link was too slow, or we imported a data set.
    fn close_gaps(&mut self, log: &RelayLog, output: &mut Vec<u8>) {
        let mut gaps = VersionVector::new();
        self.subscriptions.retain(|origin, sent| {
            let floor = log.floor(*origin);
            if *sent < floor {
                gaps.advance(*origin, floor);
            }
            *sent >= floor
        });
        if !gaps.is_empty() {
            Message::Gap { floors: gaps }.put(output);
        }
    }

    /// One batch of records. Returns how many with effects; 0 at the end of the log.
    fn send_records(&mut self, log: &RelayLog, batch: &mut BatchWriter, output: &mut Vec<u8>) -> u64 {
        send_batch(&mut self.position, log.end(), log, batch, output, |record| {
            let after = self.subscriptions.get_mut(&record.origin).filter(|after| record.last() > **after);
            after.map(|after| *after = record.last()).is_some()
        })
    }
}

/// Those of the records from `position` to `end` that are `wanted`, as many as go into one batch. Returns how many of them
/// have effects.
fn send_batch(
    position: &mut Position,
    end: Position,
    log: &RelayLog,
    batch: &mut BatchWriter,
    output: &mut Vec<u8>,
    mut wanted: impl FnMut(&Record<'_>) -> bool,
) -> u64 {
    batch.clear();
    let mut sent = 0;
    *position = (*position).max(log.start());
    while batch.len() < FRAME_BYTES && *position < end {
        let Some((record, next)) = log.read(*position) else { break };
        *position = next;
        if wanted(&record) {
            batch.push(&record);
            sent += u64::from(!record.is_tick());
        }
    }
    if !batch.is_empty() {
        Message::Records { batch: batch.bytes() }.put(output);
    }
    sent
}
