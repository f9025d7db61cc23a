//! Streams: every id, every group, every consumer and every pending entry is a register; ids and positions only rise
//! within a life of the key.

use super::{Author, Cut, Merge, Parts};
use crate::KeyType;
use crate::entry::NewValue;
use crate::recent::stream::{GroupRecord, StreamRecord, cut_version, note};
use crate::table::KeyHasher;
use crate::version::{Origins, Version};
use effect::{Deliveries, Delivery, Effect, GroupPosition};
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use values::{Element, EncodingLimits, Group, Position, Stream, StreamId};

/// What an effect does to one register of a stream.
#[derive(Clone, Copy)]
pub(crate) enum Write<'w> {
    /// One more entry was added, ever.
    Added,
    /// How many that were by then.
    EntriesAdded(u64),
    LastId(StreamId),
    MaxDeletedId(StreamId),
    Entry(StreamId, &'w [(Element<'w>, Element<'w>)]),
    Remove(StreamId),
    /// All entries up to and with this one go.
    Trim(StreamId),
    Group(&'w [u8], GroupWrite<'w>),
}

/// The same in a group; all but the first do nothing where there is none.
#[derive(Clone, Copy)]
pub(crate) enum GroupWrite<'w> {
    Create,
    Destroy,
    /// It has read so far at least.
    Raise(Position),
    /// The same by a reader, who was given this; the group is there afterwards.
    Read(Position, Deliveries<'w>),
    /// It has read so far, whatever was before.
    Set(Position),
    Consumer(&'w [u8]),
    DeleteConsumer(&'w [u8]),
    Deliver(&'w [u8], Delivery),
    Acknowledge(StreamId),
}

/// A stream with its registers.
struct Registers<'s, 'a> {
    author: Author<'a>,
    limits: &'s EncodingLimits,
    record: &'s mut StreamRecord,
    stream: &'s mut Stream,
}

impl<H: KeyHasher> Merge<'_, '_, H> {
    /// Writes registers of the stream. `creates`: it is there afterwards, if only empty. Returns how many entries
    /// (members, groups …) came or went.
    pub(crate) fn stream<'w>(&mut self, creates: bool, writes: impl Iterator<Item = Write<'w>>) -> usize {
        if !self.is_plain() {
            return self.with_record(|parts| parts.stream(creates, writes));
        }
        let limits = self.limits;
        self.edit_stream(creates, |stream| writes.map(|write| write.apply(stream, limits)).sum())
    }

    /// Changes a stream where nothing can be late.
    fn edit_stream(&mut self, creates: bool, f: impl FnOnce(&mut Stream) -> usize) -> usize {
        let author = self.author;
        let entry = if creates {
            Some(self.plain_entry(KeyType::Stream, || NewValue::Stream(Stream::new())))
        } else {
            self.entry_mut()
        };
        let Some(mut entry) = entry else { return 0 };
        let Some(stream) = entry.stream_mut() else { return 0 };
        let changed = f(stream);
        author.stamp(&mut entry);
        changed
    }

    /// Adds an entry.
    pub(crate) fn stream_add(&mut self, id: StreamId, fields: &[(Element<'_>, Element<'_>)]) -> usize {
        if !self.is_plain() {
            return self.stream(true, [Write::Added, Write::Entry(id, fields), Write::LastId(id)].into_iter());
        }
        let limits = self.limits;
        self.edit_stream(true, |stream| {
            stream.entries_added += 1;
            stream.insert(id, fields, limits).into()
        })
    }

    /// Does an effect on a stream. Returns how many entries (consumers, groups …) came or went.
    pub(crate) fn stream_effect(&mut self, effect: &Effect<'_>) -> usize {
        let group = |name, write| Write::Group(name, write);
        match *effect {
            Effect::StreamAdd { id, fields, .. } => {
                let fields: SmallVec<[_; 8]> =
                    fields.pairs().map(|(name, value)| (Element::Bytes(name), Element::Bytes(value))).collect();
                self.stream_add(StreamId(id), &fields)
            }
            Effect::StreamDelete { ids, max_deleted_id, .. } => {
                let removes = ids.iter().map(|id| Write::Remove(StreamId(id)));
                self.stream(false, removes.chain([Write::MaxDeletedId(StreamId(max_deleted_id))]))
            }
            Effect::StreamTrim { through, .. } => self.stream(false, std::iter::once(Write::Trim(StreamId(through)))),
            Effect::StreamSetId { last_id, entries_added, max_deleted_id, .. } => {
                let ids = [Write::LastId(StreamId(last_id)), Write::MaxDeletedId(StreamId(max_deleted_id))];
                self.stream(true, ids.into_iter().chain(entries_added.map(Write::EntriesAdded)))
            }
            Effect::StreamGroupCreate { group: name, position, .. } => {
                let raise = GroupWrite::Raise(position_of(position));
                self.stream(true, [group(name, GroupWrite::Create), group(name, raise)].into_iter())
            }
            Effect::StreamGroupSet { group: name, position, .. } => {
                let set = GroupWrite::Set(position_of(position));
                self.stream(true, [group(name, GroupWrite::Create), group(name, set)].into_iter())
            }
            Effect::StreamGroupDestroy { group: name, .. } => {
                self.stream(false, std::iter::once(group(name, GroupWrite::Destroy)))
            }
            Effect::StreamDeliver { group: name, consumer, position, deliveries, .. } => {
                let first = match position {
                    Some(position) => GroupWrite::Read(position_of(position), deliveries),
                    None => GroupWrite::Create,
                };
                let head = [first, GroupWrite::Consumer(consumer)].into_iter();
                let deliveries = deliveries.iter().map(|delivery| GroupWrite::Deliver(consumer, delivery));
                self.stream(true, head.chain(deliveries).map(|write| group(name, write)))
            }
            Effect::StreamConsumerDelete { group: name, consumer, .. } => {
                self.stream(false, std::iter::once(group(name, GroupWrite::DeleteConsumer(consumer))))
            }
            Effect::StreamAcknowledge { group: name, ids, .. } => {
                self.stream(false, ids.iter().map(|id| group(name, GroupWrite::Acknowledge(StreamId(id)))))
            }
            _ => 0,
        }
    }

    /// Notes when a consumer tried to read, and whether it got something: each node for itself.
    pub(crate) fn see_consumer(&mut self, group: &[u8], consumer: &[u8], now_ms: u64, active: bool) {
        if let Some(mut entry) = self.entry_mut()
            && let Some(group) = entry.stream_mut().and_then(|stream| stream.group_mut(group))
            && let Some(consumer) = group.consumer_mut(consumer)
        {
            consumer.seen_ms = now_ms;
            if active {
                consumer.active_ms = Some(now_ms);
            }
        }
    }
}

impl Write<'_> {
    /// Without other writers.
    fn apply(self, stream: &mut Stream, limits: &EncodingLimits) -> usize {
        match self {
            Write::Added => stream.entries_added += 1,
            Write::EntriesAdded(count) => stream.entries_added = count,
            // Without other writers there is nothing that it could have missed. Below an entry it cannot be: the next one would
            // stand behind that.
            Write::LastId(id) => stream.last_id = stream.last().map_or(id, |last| last.id.max(id)),
            Write::MaxDeletedId(id) => stream.max_deleted_id = stream.max_deleted_id.max(id),
            Write::Entry(id, fields) => return stream.insert(id, fields, limits).into(),
            Write::Remove(id) => return stream.remove(id).into(),
            Write::Trim(id) => return stream.remove_through(id),
            Write::Group(name, GroupWrite::Create) => return create_group(stream, name).into(),
            Write::Group(name, GroupWrite::Read(position, _)) => {
                create_group(stream, name);
                return stream.group_mut(name).map_or(0, |group| GroupWrite::Raise(position).apply(group));
            }
            Write::Group(name, GroupWrite::Destroy) => return stream.remove_group(name).is_some().into(),
            Write::Group(name, write) => return stream.group_mut(name).map_or(0, |group| write.apply(group)),
        }
        0
    }
}

fn position_of(position: GroupPosition) -> Position {
    Position { last_id: StreamId(position.last_id), entries_read: position.entries_read }
}

/// True where it is new.
fn create_group(stream: &mut Stream, name: &[u8]) -> bool {
    let is_new = stream.group(name).is_none();
    if is_new {
        stream.insert_group(name, Group::default());
    }
    is_new
}

impl GroupWrite<'_> {
    fn apply(self, group: &mut Group) -> usize {
        match self {
            GroupWrite::Create | GroupWrite::Destroy | GroupWrite::Read(..) => 0,
            GroupWrite::Raise(position) => {
                group.position = position;
                0
            }
            GroupWrite::Set(position) => {
                group.position = position;
                group.retain_skipped(|_| false);
                0
            }
            GroupWrite::Consumer(name) => group.add_consumer(name, 0).into(),
            GroupWrite::DeleteConsumer(name) => group.remove_consumer(name).unwrap_or(0),
            GroupWrite::Deliver(consumer, delivery) => deliver(group, consumer, delivery),
            GroupWrite::Acknowledge(id) => group.acknowledge(id).into(),
        }
    }
}

fn deliver(group: &mut Group, consumer: &[u8], delivery: Delivery) -> usize {
    group.deliver(StreamId(delivery.id), consumer, delivery.delivered_ms, delivery.deliveries);
    1
}

impl<H: KeyHasher> Parts<'_, '_, H> {
    fn stream<'w>(&mut self, creates: bool, writes: impl Iterator<Item = Write<'w>>) -> usize {
        let author = self.author;
        let is_alive = if creates {
            self.create(KeyType::Stream)
        } else {
            author.is_newer_than(self.record.creations.newest_of_others(KeyType::Stream, author.origins))
        };
        let is_admitted = if creates { self.admits_addition() } else { author.is_newer_than(self.record.clear) };
        if !is_alive || !is_admitted {
            return 0;
        }
        let limits = self.limits;
        let mut record = self.record.stream.take().unwrap_or_default();
        let write_all = |stream: &mut Stream| {
            let mut registers = Registers { author, limits, record: &mut record, stream };
            writes.map(|write| registers.write(write)).sum()
        };
        let changed = match self.table.find_mut(self.hash, self.key) {
            Some(mut entry) if entry.key_type() == KeyType::Stream => entry.stream_mut().map_or(0, write_all),
            _ => {
                let mut stream = Stream::new();
                let changed = write_all(&mut stream);
                if creates {
                    // What was deleted while the stream was not there yet.
                    stream.max_deleted_id = record.max_deleted_id.highest().unwrap_or_default();
                    self.insert(NewValue::Stream(stream));
                }
                changed
            }
        };
        self.record.stream = Some(record);
        changed
    }

    /// A cut's part in the stream. `base`: what it is now, but for registers that newer effects wrote.
    pub(super) fn cut_stream(&mut self, cut: Cut<'_>, base: Option<Stream>) {
        if !cut.wins {
            return;
        }
        let origins = self.author.origins;
        let old = match self.table.find_mut(self.hash, self.key) {
            Some(mut entry) => entry.stream_mut().map(std::mem::take),
            None => None,
        };
        let mut record = self.record.stream.take().unwrap_or_default();
        let is_created = origins.newer(self.record.creations.get(KeyType::Stream), cut.at);
        let stays = base.is_some() || (old.is_some() && is_created);
        let had_entry = old.is_some();
        let new = cut_content(&mut record, origins, cut.at, old.unwrap_or_default(), base, self.limits);
        if record.versions().next().is_some() {
            self.record.stream = Some(record);
        }
        if had_entry && stays {
            if let Some(mut entry) = self.table.find_mut(self.hash, self.key)
                && let Some(place) = entry.stream_mut()
            {
                *place = new;
            }
        } else if had_entry {
            self.table.remove(self.hash, self.key);
        } else if stays {
            self.insert(NewValue::Stream(new));
        }
    }
}

/// What is left of a stream: its base, and what is newer than the cut.
fn cut_content(
    record: &mut StreamRecord,
    origins: &Origins,
    at: Version,
    mut old: Stream,
    base: Option<Stream>,
    limits: &EncodingLimits,
) -> Stream {
    // A base that had been read further says nothing of entries that its author had not seen.
    let is_read = base.as_ref().is_some_and(|base| base.groups().len() > 0);
    let states = if is_read { [Some(old.clone()), base.clone()] } else { [None, None] };
    let mut new = base.unwrap_or_default();
    record.ids.retain(|_, version| origins.newer(*version, at));
    record.trims.cut(origins, at);
    record.last_id.cut(origins, at);
    record.max_deleted_id.cut(origins, at);
    let added_after = record.added_after(origins, at);
    record.added.drain(..record.added.len() - added_after as usize);
    cut_version(&mut record.added_set, origins, at);
    if record.added_set == Version::ZERO {
        new.entries_added += added_after;
    } else {
        new.entries_added = old.entries_added;
    }
    new.last_id = new.last_id.max(record.last_id.highest().unwrap_or_default());
    new.max_deleted_id = new.max_deleted_id.max(record.max_deleted_id.highest().unwrap_or_default());
    for id in record.ids.keys() {
        match old.get(*id) {
            Some(entry) => drop(new.insert(*id, &entry.fields.collect::<Vec<_>>(), limits)),
            None => drop(new.remove(*id)),
        }
    }
    for (version, through) in &record.trims.writes {
        trim(&mut new, &record.ids, origins, *version, *through);
    }
    let names = old.groups().chain(new.groups()).map(|(name, _)| name.into());
    let names: BTreeSet<Box<[u8]>> = names.collect();
    for name in names {
        let (old_group, base) = (old.remove_group(&name), new.remove_group(&name));
        let left = match record.groups.get_mut(&name) {
            Some(group) => group.cut_content(origins, at, old_group, base),
            None => base,
        };
        if let Some(left) = left {
            new.insert_group(&name, left);
        }
    }
    record.groups.values_mut().for_each(|group| group.cut(origins, at));
    new.forget_skipped();
    if is_read {
        skip_undelivered(&mut new, &states);
    }
    new
}

/// Removes entries up to `through` that are not newer than `version`; returns how many there were.
fn trim(
    stream: &mut Stream,
    ids: &BTreeMap<StreamId, Version>,
    origins: &Origins,
    version: Version,
    through: StreamId,
) -> usize {
    let is_newer = |id: &StreamId| ids.get(id).is_some_and(|newest| origins.newer(*newest, version));
    if !ids.range(..=through).any(|(id, _)| is_newer(id)) {
        return stream.remove_through(through);
    }
    let entries = stream.range(StreamId::MIN, through).map(|entry| entry.id);
    let old: Vec<StreamId> = entries.filter(|id| !is_newer(id)).collect();
    old.into_iter().filter(|id| stream.remove(*id)).count()
}

impl Registers<'_, '_> {
    fn write(&mut self, write: Write<'_>) -> usize {
        let Author { origins, version, .. } = self.author;
        let Registers { record, stream, limits, .. } = self;
        match write {
            Write::Added => {
                let is_new = record.note_added(origins, version);
                stream.entries_added += u64::from(is_new && !origins.newer(record.added_set, version));
            }
            Write::EntriesAdded(count) => {
                if !origins.newer(record.added_set, version) {
                    record.added_set = version;
                    stream.entries_added = count.saturating_add(record.added_after(origins, version));
                }
            }
            Write::LastId(id) => {
                record.last_id.raise(origins, version, id);
                stream.last_id = stream.last_id.max(id);
            }
            Write::MaxDeletedId(id) => {
                record.max_deleted_id.raise(origins, version, id);
                stream.max_deleted_id = stream.max_deleted_id.max(id);
            }
            Write::Entry(id, fields) => {
                if note(&mut record.ids, origins, id, version) && !record.trims.reached_after(origins, version, id) {
                    let is_late = id < stream.last_id;
                    let is_new = stream.insert(id, fields, limits);
                    if is_late && is_new {
                        skip_entry(stream, id);
                    }
                    return is_new.into();
                }
            }
            Write::Remove(id) => {
                if note(&mut record.ids, origins, id, version) {
                    return stream.remove(id).into();
                }
            }
            Write::Trim(through) => {
                record.trims.raise(origins, version, through);
                return trim(stream, &record.ids, origins, version, through);
            }
            Write::Group(name, write) => return self.write_group(name, write),
        }
        0
    }

    fn write_group(&mut self, name: &[u8], write: GroupWrite<'_>) -> usize {
        let Author { origins, version, .. } = self.author;
        let Registers { record, stream, .. } = self;
        let record = record.group(name);
        if origins.newer(record.destroyed, version) {
            return 0;
        }
        match write {
            GroupWrite::Create => {
                record.created = origins.newest(record.created, version);
                create_group(stream, name).into()
            }
            GroupWrite::Read(position, deliveries) => {
                let before = stream.group(name).map(|group| group.position.last_id);
                record.created = origins.newest(record.created, version);
                let is_new = create_group(stream, name);
                GroupWrite::Raise(position).merge(record, stream.group_mut(name), self.author);
                before.into_iter().for_each(|before| skip_ungiven(stream, name, before, deliveries));
                is_new.into()
            }
            GroupWrite::Destroy => {
                let old = stream.remove_group(name);
                let was_there = old.is_some();
                let left = record.cut_content(origins, version, old, None);
                record.cut(origins, version);
                record.destroyed = version;
                let goes = was_there && left.is_none();
                left.into_iter().for_each(|left| stream.insert_group(name, left));
                goes.into()
            }
            write => write.merge(record, stream.group_mut(name), self.author),
        }
    }
}

impl GroupWrite<'_> {
    /// With other writers; the group may be gone.
    fn merge(self, record: &mut GroupRecord, group: Option<&mut Group>, author: Author<'_>) -> usize {
        let Author { origins, version, .. } = author;
        let mut missing = Group::default();
        let group = group.unwrap_or(&mut missing);
        match self {
            GroupWrite::Create | GroupWrite::Destroy | GroupWrite::Read(..) => 0,
            GroupWrite::Raise(position) => {
                if !origins.newer(record.position_set, version) {
                    record.position.raise(origins, version, position);
                    group.position = group.position.max(position);
                }
                0
            }
            GroupWrite::Set(position) => {
                if !origins.newer(record.position_set, version) {
                    record.position_set = version;
                    record.position.cut(origins, version);
                    group.position = record.position.highest().map_or(position, |raised| raised.max(position));
                    group.retain_skipped(|_| false);
                }
                0
            }
            GroupWrite::Consumer(name) => {
                let presence = record.consumer(name);
                presence.created = origins.newest(presence.created, version);
                let is_alive = !origins.newer(presence.deleted, version);
                (is_alive && group.add_consumer(name, version.stamp.ms())).into()
            }
            GroupWrite::DeleteConsumer(name) => {
                let presence = record.consumer(name);
                if origins.newer(presence.deleted, version) {
                    return 0;
                }
                presence.deleted = version;
                if !origins.newer(presence.created, version) {
                    return group.remove_consumer(name).unwrap_or(0);
                }
                remove_older_pending(record, group, name, origins, version)
            }
            GroupWrite::Deliver(consumer, delivery) => {
                let id = StreamId(delivery.id);
                let is_alive = !origins.newer(record.consumer(consumer).deleted, version);
                if !note(&mut record.pending, origins, id, version) {
                    return 0;
                }
                if is_alive {
                    return deliver(group, consumer, delivery);
                }
                group.acknowledge(id);
                0
            }
            GroupWrite::Acknowledge(id) => {
                (note(&mut record.pending, origins, id, version) && group.acknowledge(id)).into()
            }
        }
    }
}

/// An entry of another node has come in below others: groups that are past it still have to deliver it.
fn skip_entry(stream: &mut Stream, id: StreamId) {
    let past = stream.groups_mut().filter(|(_, group)| id <= group.position.last_id);
    past.for_each(|(_, group)| group.skip(id));
}

/// Groups have skipped what they are past and nobody was given in any of the states of which the stream was made.
pub(crate) fn skip_undelivered(stream: &mut Stream, states: &[Option<Stream>]) {
    let undelivered = |(name, group): (&[u8], &Group)| {
        let mut delivered: Vec<_> = states.iter().flatten().map(|state| delivered(state, name).peekable()).collect();
        let past = stream.range(StreamId::MIN, group.position.last_id).map(|entry| entry.id);
        let is_skipped = |id: &StreamId| {
            let was_delivered = delivered.iter_mut().fold(false, |any, ids| any | comes(ids, *id));
            !was_delivered && group.pending_of(*id).is_none()
        };
        past.filter(is_skipped).collect::<Vec<_>>()
    };
    let skipped: Vec<_> = stream.groups().map(undelivered).collect();
    for ((_, group), skipped) in stream.groups_mut().zip(skipped) {
        group.retain_skipped(|_| false);
        skipped.into_iter().for_each(|id| group.skip(id));
    }
}

/// Is this id the next one? Both those that are asked for and those that come ascend.
fn comes(ids: &mut Peekable<impl Iterator<Item = StreamId>>, id: StreamId) -> bool {
    while ids.next_if(|next| *next < id).is_some() {}
    ids.next_if_eq(&id).is_some()
}

/// Entries that a group is past, but for those that it has skipped, by id.
fn delivered<'s>(stream: &'s Stream, name: &[u8]) -> impl Iterator<Item = StreamId> + use<'s> {
    let group = stream.group(name);
    let past = group.map(|group| stream.range(StreamId::MIN, group.position.last_id));
    let skipped: BTreeSet<StreamId> = group.into_iter().flat_map(Group::skipped).collect();
    past.into_iter().flatten().map(|entry| entry.id).filter(move |id| !skipped.contains(id))
}

/// A reader elsewhere has taken the group past entries that it had not seen, and that are here.
fn skip_ungiven(stream: &mut Stream, name: &[u8], before: StreamId, given: Deliveries<'_>) {
    let Some(group) = stream.group(name) else { return };
    let (Some(first), last) = (before.next(), group.position.last_id) else { return };
    if first > last {
        return;
    }
    let given: SmallVec<[StreamId; 8]> = given.iter().map(|delivery| StreamId(delivery.id)).collect();
    // XCLAIM LASTID moves the position as well, which says nothing of what is below.
    if given.last() != Some(&last) {
        return;
    }
    let mut given = given.into_iter().peekable();
    let entries = stream.range(first, last).map(|entry| entry.id);
    let is_skipped = |id: &StreamId| !comes(&mut given, *id) && group.pending_of(*id).is_none();
    let skipped: Vec<StreamId> = entries.filter(is_skipped).collect();
    if let Some(group) = stream.group_mut(name) {
        skipped.into_iter().for_each(|id| group.skip(id));
    }
}

/// A consumer was deleted, and is there again: what it had before is not pending any more.
fn remove_older_pending(
    record: &GroupRecord,
    group: &mut Group,
    consumer: &[u8],
    origins: &Origins,
    at: Version,
) -> usize {
    let is_older = |id: &StreamId| !record.pending.get(id).is_some_and(|version| origins.newer(*version, at));
    let Some(found) = group.consumer(consumer) else { return 0 };
    let pending = group.pending_at(found, StreamId::MIN..=StreamId::MAX).map(|(id, _)| id);
    let ids: Vec<StreamId> = pending.filter(is_older).collect();
    ids.into_iter().filter(|id| group.acknowledge(*id)).count()
}

impl GroupRecord {
    /// What is left of a group: its base, and what is newer than the cut. The record is not cut itself.
    fn cut_content(&self, origins: &Origins, at: Version, old: Option<Group>, base: Option<Group>) -> Option<Group> {
        if origins.newer(self.destroyed, at) {
            return old;
        }
        let is_created = origins.newer(self.created, at);
        let mut new = if is_created { base.unwrap_or_default() } else { base? };
        let old = old.unwrap_or_default();
        old.skipped().for_each(|id| new.skip(id));
        if origins.newer(self.position_set, at) {
            new.position = old.position;
        } else {
            let newer = self.position.writes.iter().filter(|(version, _)| origins.newer(*version, at));
            new.position = newer.fold(new.position, |position, (_, raised)| position.max(*raised));
        }
        for (name, presence) in &self.consumers {
            if origins.newer(presence.deleted, at) {
                new.remove_consumer(name);
            }
            if let Some(consumer) = old.consumer(name)
                && origins.newer(presence.created, at)
            {
                new.add_consumer(name, consumer.seen_ms);
                if let Some(new) = new.consumer_mut(name) {
                    new.active_ms = new.active_ms.max(consumer.active_ms);
                }
            }
        }
        for (id, _) in self.pending.iter().filter(|(_, version)| origins.newer(**version, at)) {
            match old.pending_of(*id) {
                Some(pending) => new.deliver(*id, &pending.consumer, pending.delivered_ms, pending.deliveries),
                None => drop(new.acknowledge(*id)),
            }
        }
        Some(new)
    }
}
