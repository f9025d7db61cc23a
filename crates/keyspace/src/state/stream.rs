//! What another state of a stream says, done once more on top of it.

use super::place::Place;
use crate::merge::stream::{GroupWrite, Write, skip_undelivered};
use crate::recent::stream::{GroupRecord, StreamRecord};
use crate::version::{Origins, Row, Version};
use effect::Delivery;
use values::{Element, Group, Stream, StreamId};

/// A write of a register, with the version at which it is to be done.
type Stamped<'w> = (Version, Write<'w>);

impl Place<'_> {
    /// A stream that one version describes: it is united with what is here.
    pub(super) fn reapply_whole_stream(&mut self, stream: &Stream, version: Version, row: Row<'_>) {
        let head = [Write::LastId(stream.last_id), Write::MaxDeletedId(stream.max_deleted_id)];
        let head = head.into_iter().chain([Write::EntriesAdded(stream.entries_added)]);
        self.merge(version, row).stream(true, head);
        for entry in stream.range(StreamId::MIN, StreamId::MAX) {
            let fields: Vec<(Element<'_>, Element<'_>)> = entry.fields.collect();
            self.merge(version, row).stream(true, std::iter::once(Write::Entry(entry.id, &fields)));
        }
        for (name, group) in stream.groups() {
            let consumers = group.consumers().map(|(name, _)| GroupWrite::Consumer(name));
            let pending = group.pending(StreamId::MIN..=StreamId::MAX).map(|(id, pending)| {
                let (delivered_ms, deliveries) = (pending.delivered_ms, pending.deliveries);
                GroupWrite::Deliver(&pending.consumer, Delivery { id: id.0, delivered_ms, deliveries })
            });
            let head = [GroupWrite::Create, GroupWrite::Raise(group.position)].into_iter();
            let writes = head.chain(consumers).chain(pending).map(|write| Write::Group(name, write));
            self.merge(version, row).stream(true, writes);
        }
    }

    /// The registers that `unseen` lets through. `stream`: what they describe.
    pub(super) fn reapply_stream(
        &mut self,
        record: &StreamRecord,
        stream: &Stream,
        created: Version,
        row: Row<'_>,
        unseen: impl Fn(Version) -> bool,
    ) {
        if unseen(created) {
            self.merge(created, row).stream(true, std::iter::empty());
        }
        let origins = self.author.origins;
        for (id, version) in record.ids.iter().filter(|(_, version)| unseen(**version)) {
            let fields = stream.get(*id).map(|entry| entry.fields.collect::<Vec<_>>());
            let write = fields.as_ref().map_or(Write::Remove(*id), |fields| Write::Entry(*id, fields));
            self.merge(*version, row).stream(false, std::iter::once(write));
        }
        let mut writes = scalars(record, stream, origins);
        for (name, group) in &record.groups {
            writes.extend(group_writes(name, group, stream.group(name), origins));
        }
        for (version, write) in writes.into_iter().filter(|(version, _)| unseen(*version)) {
            self.merge(version, row).stream(false, std::iter::once(write));
        }
    }
}

impl Place<'_> {
    /// The stream was made of these states of it.
    pub(super) fn skip_undelivered(&mut self, states: &[Option<Stream>]) {
        if states.iter().any(Option::is_some)
            && let Some(mut entry) = self.database.table.find_mut(self.hash, self.key)
            && let Some(stream) = entry.stream_mut()
        {
            skip_undelivered(stream, states);
        }
    }
}

fn scalars<'w>(record: &StreamRecord, stream: &Stream, origins: &Origins) -> Vec<Stamped<'w>> {
    let mut writes: Vec<Stamped<'w>> = record.added.iter().map(|version| (*version, Write::Added)).collect();
    let added_before = stream.entries_added.saturating_sub(record.added_after(origins, record.added_set));
    writes.push((record.added_set, Write::EntriesAdded(added_before)));
    writes.extend(record.last_id.writes.iter().map(|(version, id)| (*version, Write::LastId(*id))));
    writes.extend(record.max_deleted_id.writes.iter().map(|(version, id)| (*version, Write::MaxDeletedId(*id))));
    writes.extend(record.trims.writes.iter().map(|(version, id)| (*version, Write::Trim(*id))));
    writes
}

fn group_writes<'w>(
    name: &'w [u8],
    record: &'w GroupRecord,
    group: Option<&'w Group>,
    origins: &Origins,
) -> Vec<Stamped<'w>> {
    let mut writes = vec![(record.destroyed, GroupWrite::Destroy)];
    // While it is gone, all that is left is what was acknowledged and deleted.
    if origins.newer(record.created, record.destroyed) {
        writes.push((record.created, GroupWrite::Create));
    }
    if let Some(group) = group {
        writes.push((record.position_set, GroupWrite::Set(group.position)));
    }
    writes.extend(record.position.writes.iter().map(|(version, position)| (*version, GroupWrite::Raise(*position))));
    for (name, presence) in &record.consumers {
        writes.push((presence.created, GroupWrite::Consumer(name)));
        writes.push((presence.deleted, GroupWrite::DeleteConsumer(name)));
    }
    for (id, version) in &record.pending {
        let write = match group.and_then(|group| group.pending_of(*id)) {
            None => GroupWrite::Acknowledge(*id),
            Some(pending) => {
                let (delivered_ms, deliveries) = (pending.delivered_ms, pending.deliveries);
                GroupWrite::Deliver(&pending.consumer, Delivery { id: id.0, delivered_ms, deliveries })
            }
        };
        writes.push((*version, write));
    }
    let writes = writes.into_iter().filter(|(version, _)| *version != Version::ZERO);
    writes.map(|(version, write)| (version, Write::Group(name, write))).collect()
}

/// The part of a stream that no newer register describes.
pub(super) fn base_of(stream: &Stream, record: &StreamRecord, clear: Version, origins: &Origins) -> Stream {
    let mut base = stream.clone();
    for id in record.ids.keys() {
        base.remove(*id);
    }
    base.entries_added = base.entries_added.saturating_sub(record.added_after(origins, clear));
    for (name, record) in &record.groups {
        let Some(group) = base.group_mut(name) else { continue };
        for id in record.pending.keys() {
            group.acknowledge(*id);
        }
        for name in record.consumers.keys() {
            if group.consumer(name).is_some_and(|consumer| consumer.pending_count() == 0) {
                group.remove_consumer(name);
            }
        }
    }
    base
}
