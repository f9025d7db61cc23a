//! The relay log: recent records of all origins in the order in which this node applied them.

use crate::Record;
use effect::{Origin, Stamp, VersionVector};
use std::collections::VecDeque;
use stdx::vector_bytes;

/// A chunk is closed when it holds this many bytes, or an eighth of a small log; eviction goes by whole chunks. What the last
/// record makes it exceed this by mostly fits into the allocator's class of 64 KB.
const CHUNK_BYTES: usize = 60 * 1024;

/// Bounded by bytes: the oldest chunks go first.
pub struct RelayLog {
    chunks: VecDeque<Chunk>,
    /// Number of the front chunk; numbers are never used twice.
    front: u64,
    /// What the log and everything before it holds: the last stamp of each origin.
    end: VersionVector,
    /// Holes: what was imported as state up to these stamps cannot be served from here.
    imported: VersionVector,
    bytes: usize,
    /// What the chunks but the last one take.
    closed_memory: usize,
    limit: usize,
    /// Bytes ever appended.
    appended: u64,
    /// Of each origin the last record with effects that is gone.
    evicted: VersionVector,
    has_evicted: bool,
}

/// A place between two records. Ordered as the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    chunk: u64,
    index: usize,
}

struct Chunk {
    /// The last stamp of each origin before this chunk.
    before: VersionVector,
    /// `RelayLog::appended` when the chunk began.
    offset: u64,
    headers: Vec<Header>,
    contexts: Vec<(Origin, Stamp)>,
    effects: Vec<u8>,
}

struct Header {
    origin: Origin,
    previous: Stamp,
    first: Stamp,
    count: u64,
    /// In `Chunk::contexts`: where the context ends, and what is assumed after it.
    context_end: u32,
    assumed_end: u32,
    effects_end: usize,
}

impl Chunk {
    fn new(before: VersionVector, offset: u64) -> Chunk {
        Chunk { before, offset, headers: Vec::new(), contexts: Vec::new(), effects: Vec::new() }
    }

    /// One with room for as much as in the one before it, so that it is not moved while it grows.
    fn after(last: Option<&Chunk>, before: VersionVector, offset: u64, bytes: usize) -> Chunk {
        let (headers, effects) = last.map_or((0, 0), |last| (last.headers.len(), last.effects.len().min(bytes)));
        let (headers, effects) = (Vec::with_capacity(headers), Vec::with_capacity(effects));
        Chunk { headers, effects, ..Chunk::new(before, offset) }
    }

    fn bytes_before(&self, index: usize) -> usize {
        let (contexts_end, effects_end) = self.ends_before(index);
        index * size_of::<Header>() + contexts_end * size_of::<(Origin, Stamp)>() + effects_end
    }

    /// How much of contexts and effects is of records before this one.
    fn ends_before(&self, index: usize) -> (usize, usize) {
        let last = index.checked_sub(1).map(|last| &self.headers[last]);
        last.map_or((0, 0), |header| (header.assumed_end as usize, header.effects_end))
    }

    fn bytes(&self) -> usize {
        self.bytes_before(self.headers.len())
    }

    /// What it takes, room for more included.
    fn memory(&self) -> usize {
        vector_bytes(&self.headers) + vector_bytes(&self.contexts) + vector_bytes(&self.effects)
    }

    /// Nothing comes any more.
    fn close(&mut self) {
        self.headers.shrink_to_fit();
        self.contexts.shrink_to_fit();
        self.effects.shrink_to_fit();
    }

    fn record(&self, index: usize) -> Option<Record<'_>> {
        let header = self.headers.get(index)?;
        let (context_start, effects_start) = self.ends_before(index);
        let context_end = header.context_end as usize;
        Some(Record {
            origin: header.origin,
            previous: header.previous,
            first: header.first,
            count: header.count,
            context: &self.contexts[context_start..context_end],
            assumed: &self.contexts[context_end..header.assumed_end as usize],
            effects: &self.effects[effects_start..header.effects_end],
        })
    }
}

impl RelayLog {
    /// `limit`: bytes to keep, roughly.
    pub fn new(limit: usize) -> RelayLog {
        RelayLog {
            chunks: VecDeque::from([Chunk::new(VersionVector::new(), 0)]),
            front: 0,
            end: VersionVector::new(),
            imported: VersionVector::new(),
            bytes: 0,
            closed_memory: 0,
            limit,
            appended: 0,
            evicted: VersionVector::new(),
            has_evicted: false,
        }
    }

    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Appends a record; drops the oldest chunks where the limit is passed, unless `keep_from` needs them.
    pub fn append(&mut self, record: &Record<'_>, keep_from: Option<Position>) {
        let full = self.chunk_bytes();
        let chunk = match self.chunks.back_mut() {
            Some(chunk) if chunk.headers.is_empty() || chunk.bytes() < full => chunk,
            last => {
                if let Some(last) = last {
                    last.close();
                    self.closed_memory += last.memory();
                }
                let new = Chunk::after(self.chunks.back(), self.end.clone(), self.appended, self.chunk_bytes());
                self.chunks.push_back(new);
                self.chunks.back_mut().expect("just pushed")
            }
        };
        let size = size_of::<Header>() + record.size();
        chunk.contexts.extend_from_slice(record.context);
        let context_end = chunk.contexts.len();
        chunk.contexts.extend_from_slice(record.assumed);
        chunk.effects.extend_from_slice(record.effects);
        chunk.headers.push(Header {
            origin: record.origin,
            previous: record.previous,
            first: record.first,
            count: record.count,
            context_end: context_end as u32,
            assumed_end: chunk.contexts.len() as u32,
            effects_end: chunk.effects.len(),
        });
        self.end.advance(record.origin, record.last());
        self.bytes += size;
        self.appended += size as u64;
        self.evict(keep_from);
    }

    fn chunk_bytes(&self) -> usize {
        CHUNK_BYTES.min(self.limit / 8)
    }

    fn evict(&mut self, keep_from: Option<Position>) {
        // A transfer under way may keep four times as much, not more.
        while self.bytes > self.limit && self.chunks.len() > 1 {
            let wanted = keep_from.is_some_and(|position| position.chunk <= self.front);
            if wanted && self.bytes <= self.limit.saturating_mul(4) {
                return;
            }
            let chunk = self.chunks.pop_front().expect("more than one");
            let records = (0..chunk.headers.len()).filter_map(|index| chunk.record(index));
            records.filter(|record| !record.is_tick()).for_each(|record| {
                self.evicted.advance(record.origin, record.last());
            });
            self.bytes -= chunk.bytes();
            self.closed_memory -= chunk.memory();
            self.front += 1;
            self.has_evicted = true;
        }
    }

    /// Everything of `origin` after this stamp is in the log.
    pub fn floor(&self, origin: Origin) -> Stamp {
        let evicted = self.chunks.front().map_or(Stamp::ZERO, |chunk| chunk.before.get(origin));
        evicted.max(self.imported.get(origin))
    }

    /// Has it lost anything since it was last cleared?
    pub fn has_evicted(&self) -> bool {
        self.has_evicted
    }

    /// Up to this stamp the effects of `origin` were here, and are gone.
    pub fn evicted(&self, origin: Origin) -> Stamp {
        self.evicted.get(origin)
    }

    /// What came before is not in the log: it came as state, or was written while nobody listened.
    pub fn raise_floor(&mut self, origin: Origin, stamp: Stamp) {
        self.imported.advance(origin, stamp);
        self.end.advance(origin, stamp);
    }

    /// Drops everything; what `vector` covers is not in the log.
    pub fn clear(&mut self, vector: &VersionVector) {
        self.front += self.chunks.len() as u64;
        self.chunks = VecDeque::from([Chunk::new(vector.clone(), self.appended)]);
        self.end = vector.clone();
        self.imported = VersionVector::new();
        (self.bytes, self.closed_memory) = (0, 0);
        self.evicted = VersionVector::new();
        self.has_evicted = false;
    }

    /// What had come before the newest part of the log, of about a quarter of its size.
    pub fn before_newest_quarter(&self) -> &VersionVector {
        let begin = self.appended.saturating_sub(self.limit as u64 / 4);
        let chunk = self.chunks.partition_point(|chunk| chunk.offset < begin);
        self.chunks.get(chunk).map_or(&self.end, |chunk| &chunk.before)
    }

    /// What the log and everything before it holds of `origin`.
    pub fn last(&self, origin: Origin) -> Stamp {
        self.end.get(origin)
    }

    /// Takes over what another log has after what is here, as far as it reaches back, and without losing what was appended here
    /// since `appended` was so much.
    pub fn absorb(&mut self, mut tail: RelayLog, appended: u64, keep_from: Option<Position>) {
        // Whole chunks go, so that one more at either end has to fit.
        let wanted = (self.appended - appended) as usize + 2 * self.chunk_bytes();
        tail.limit = self.limit.saturating_sub(wanted);
        tail.evict(None);
        let mut position = tail.start();
        while let Some((record, next)) = tail.read(position) {
            position = next;
            if record.first <= self.last(record.origin) {
                continue;
            }
            if record.previous > self.last(record.origin) {
                self.raise_floor(record.origin, record.previous);
            }
            self.append(&Record { previous: self.last(record.origin), ..record }, keep_from);
        }
    }

    /// Where to read from in order to get everything of `origin` after `after`. Only meaningful where
    /// `floor` is not above `after`.
    pub fn seek(&self, origin: Origin, after: Stamp) -> Position {
        let later = self.chunks.partition_point(|chunk| chunk.before.get(origin) <= after);
        let Some(index) = later.checked_sub(1) else { return self.start() };
        let chunk = &self.chunks[index];
        let within = chunk
            .headers
            .iter()
            .position(|header| header.origin == origin && header.first > after)
            .unwrap_or(chunk.headers.len());
        Position { chunk: self.front + index as u64, index: within }
    }

    /// The oldest place.
    pub fn start(&self) -> Position {
        Position { chunk: self.front, index: 0 }
    }

    /// After the newest record.
    pub fn end(&self) -> Position {
        let index = self.chunks.back().map_or(0, |chunk| chunk.headers.len());
        Position { chunk: self.front + self.chunks.len() as u64 - 1, index }
    }

    /// The record at or after `position`, and the place behind it. `None` at the end. A position that was
    /// evicted reads on at the oldest record: compare with `start` first.
    pub fn read(&self, position: Position) -> Option<(Record<'_>, Position)> {
        let mut position = position.max(self.start());
        loop {
            let chunk = self.chunks.get((position.chunk - self.front) as usize)?;
            if let Some(record) = chunk.record(position.index) {
                return Some((record, Position { index: position.index + 1, ..position }));
            }
            position = Position { chunk: position.chunk + 1, index: 0 };
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes that they take.
    pub fn memory(&self) -> usize {
        self.closed_memory + self.chunks.back().map_or(0, Chunk::memory)
    }

    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Bytes ever appended.
    pub fn appended(&self) -> u64 {
        self.appended
    }

    /// `appended` as it was when the log ended at `position`.
    pub fn offset(&self, position: Position) -> u64 {
        let position = position.max(self.start());
        match self.chunks.get((position.chunk - self.front) as usize) {
            Some(chunk) => chunk.offset + chunk.bytes_before(position.index) as u64,
            None => self.appended,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use effect::NodeId;

    fn origin(node: u64) -> Origin {
        Origin { node: NodeId(node), incarnation: 1 }
    }

    #[test]
    fn its_memory_is_little_more_than_its_bytes() {
        for len in [0, 10, 100, 1000, 4000, 16_000, 30_000, 40_000, 100_000] {
            let log = filled(4 << 20, (20 << 20) / (len as u64 + 60), len);
            let chunks = log.chunks.iter().map(Chunk::memory).sum::<usize>();
            assert_eq!(log.memory(), chunks, "{len}");
            assert!(
                log.memory() >= log.bytes() && log.memory() <= log.bytes() * 5 / 4,
                "{len}: {} {}",
                log.memory(),
                log.bytes()
            );
        }
        let mut log = filled(1 << 20, 1000, 100);
        log.clear(&VersionVector::new());
        assert_eq!(log.memory(), 0);
    }

    /// Appends records of `len` bytes with stamps 1, 2, 3 … from alternating origins.
    fn filled(limit: usize, records: u64, len: usize) -> RelayLog {
        let mut log = RelayLog::new(limit);
        let effects = vec![7; len];
        for stamp in 1..=records {
            let origin = origin(1 + stamp % 2);
            let previous = Stamp(stamp.saturating_sub(2));
            log.append(
                &Record {
                    origin,
                    previous,
                    first: Stamp(stamp),
                    count: 1,
                    context: &[],
                    assumed: &[],
                    effects: &effects,
                },
                None,
            );
        }
        log
    }

    fn rest(log: &RelayLog, mut position: Position, of: Origin) -> Vec<u64> {
        let mut stamps = Vec::new();
        while let Some((record, next)) = log.read(position) {
            if record.origin == of {
                stamps.push(record.first.0);
            }
            position = next;
        }
        stamps
    }

    #[test]
    fn seeks_to_what_follows_a_stamp() {
        let log = filled(usize::MAX, 10_000, 50);
        assert!(log.chunks.len() > 5, "more than one chunk, or the test shows nothing");
        for after in [0, 1, 2, 777, 5_000, 9_999] {
            let found: Vec<u64> =
                rest(&log, log.seek(origin(2), Stamp(after)), origin(2)).into_iter().filter(|s| *s > after).collect();
            let expected: Vec<u64> = (after + 1..=10_000).filter(|s| s % 2 == 1).collect();
            assert_eq!(found, expected, "after {after}");
        }
        assert_eq!(log.read(log.seek(origin(1), Stamp(10_000))), None);
    }

    #[test]
    fn eviction_keeps_the_limit_and_raises_the_floor() {
        let limit = 512 * 1024;
        let log = filled(limit, 20_000, 50);
        assert!(log.bytes() <= limit && log.bytes() > limit / 2);
        for node in [1, 2] {
            let floor = log.floor(origin(node));
            assert!(floor > Stamp::ZERO);
            let kept = rest(&log, log.start(), origin(node));
            assert_eq!(kept.first().copied(), Some(floor.0 + 2), "the record after the floor is the first one kept");
        }
        assert_eq!(log.floor(origin(9)), Stamp::ZERO);
    }

    #[test]
    fn a_reader_that_must_not_lose_its_place_holds_eviction_back_fourfold() {
        let mut log = RelayLog::new(CHUNK_BYTES);
        let start = log.start();
        let effects = [0; 1000];
        for stamp in 1..=1000 {
            let record = Record {
                origin: origin(1),
                previous: Stamp(stamp - 1),
                first: Stamp(stamp),
                count: 1,
                context: &[],
                assumed: &[],
                effects: &effects,
            };
            log.append(&record, Some(start));
            if log.appended() < 4 * CHUNK_BYTES as u64 {
                assert_eq!(log.start(), start);
            }
        }
        assert!(log.bytes() <= 5 * CHUNK_BYTES);
    }

    #[test]
    fn what_another_log_has_more_is_taken_over() {
        let mut log = filled(usize::MAX, 100, 10);
        // Of one origin it begins where ours ends, of the other there is a hole.
        let mut tail = RelayLog::new(usize::MAX);
        for (node, previous, first) in [(1, 98, 100), (1, 100, 102), (1, 102, 104), (2, 111, 113), (2, 113, 115)] {
            let (previous, first) = (Stamp(previous), Stamp(first));
            let record =
                Record { origin: origin(node), previous, first, count: 1, context: &[], assumed: &[], effects: &[] };
            tail.append(&record, None);
        }
        let appended = log.appended();
        log.absorb(tail, appended, None);
        assert_eq!((log.floor(origin(1)), log.floor(origin(2))), (Stamp::ZERO, Stamp(111)));
        assert_eq!((log.last(origin(1)), log.last(origin(2))), (Stamp(104), Stamp(115)));
        assert_eq!(rest(&log, log.seek(origin(1), Stamp(98)), origin(1)), [100, 102, 104]);
        assert_eq!(rest(&log, log.seek(origin(2), Stamp(111)), origin(2)), [113, 115]);
    }

    #[test]
    fn what_is_taken_over_pushes_nothing_out_that_came_meanwhile() {
        let append = |log: &mut RelayLog, node: u64, stamps: std::ops::RangeInclusive<u64>| {
            for stamp in stamps {
                let (previous, first) = (Stamp(stamp - 1), Stamp(stamp));
                let (context, assumed, effects) = (&[], &[], &[7; 50]);
                log.append(
                    &Record { origin: origin(node), previous, first, count: 1, context, assumed, effects },
                    None,
                );
            }
        };
        let limit = 512 * 1024;
        let (mut log, mut tail) = (RelayLog::new(limit), RelayLog::new(limit));
        append(&mut log, 1, 1..=2000);
        let appended = log.appended();
        append(&mut log, 1, 2001..=3000);
        append(&mut tail, 2, 1..=10_000);
        log.absorb(tail, appended, None);
        assert!(log.floor(origin(1)) <= Stamp(2000));
        assert_eq!(log.last(origin(2)), Stamp(10_000));
        assert!(log.floor(origin(2)) < Stamp(8000));
        assert!(log.bytes() <= limit);
    }

    #[test]
    fn clearing_forgets_and_positions_stay_valid() {
        let mut log = filled(usize::MAX, 100, 10);
        let end = log.end();
        assert_eq!(log.offset(end), log.appended());
        let vector: VersionVector = {
            let mut vector = VersionVector::new();
            vector.advance(origin(1), Stamp(100));
            vector
        };
        log.clear(&vector);
        assert_eq!(log.floor(origin(1)), Stamp(100));
        assert!(log.read(end).is_none());
        assert!(end < log.start());
        assert_eq!(log.bytes(), 0);
    }
}
