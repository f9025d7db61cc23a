//! Channels and patterns, and who subscribes to them.
//!
//! While nobody subscribes to anything, publishing costs one load.

use crate::clients::{Client, ClientKind};
use crate::engine::Engine;
use crate::mailbox::{Counted, Message, Publication, Subscription};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// By the id of the client.
type Subscribers = BTreeMap<u64, Arc<Client>>;

/// What is subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    Channel,
    ShardChannel,
    Pattern,
}

#[derive(Default)]
pub(crate) struct PubSub {
    /// Topics with subscribers; checked before anything else.
    count: AtomicUsize,
    registry: Mutex<Registry>,
}

#[derive(Default)]
struct Registry {
    channels: HashMap<Arc<[u8]>, Subscribers>,
    shard_channels: HashMap<Arc<[u8]>, Subscribers>,
    patterns: BTreeMap<Arc<[u8]>, Subscribers>,
}

/// What one session subscribes to.
#[derive(Default)]
pub(crate) struct Subscriptions {
    channels: BTreeSet<Arc<[u8]>>,
    shard_channels: BTreeSet<Arc<[u8]>>,
    patterns: BTreeSet<Arc<[u8]>>,
}

impl Subscriptions {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.patterns.is_empty() && self.shard_channels.is_empty()
    }

    /// Of all topics.
    pub(crate) fn total(&self) -> usize {
        self.channels.len() + self.patterns.len() + self.shard_channels.len()
    }

    pub(crate) fn of(&self, topic: Topic) -> &BTreeSet<Arc<[u8]>> {
        match topic {
            Topic::Channel => &self.channels,
            Topic::ShardChannel => &self.shard_channels,
            Topic::Pattern => &self.patterns,
        }
    }

    fn of_mut(&mut self, topic: Topic) -> &mut BTreeSet<Arc<[u8]>> {
        match topic {
            Topic::Channel => &mut self.channels,
            Topic::ShardChannel => &mut self.shard_channels,
            Topic::Pattern => &mut self.patterns,
        }
    }

    /// The number that a confirmation tells: channels and patterns together, shard channels by themselves.
    pub(crate) fn count(&self, topic: Topic) -> usize {
        match topic {
            Topic::Channel | Topic::Pattern => self.channels.len() + self.patterns.len(),
            Topic::ShardChannel => self.shard_channels.len(),
        }
    }
}

impl Registry {
    fn len(&self) -> usize {
        self.channels.len() + self.shard_channels.len() + self.patterns.len()
    }

    fn channels(&self, sharded: bool) -> &HashMap<Arc<[u8]>, Subscribers> {
        if sharded { &self.shard_channels } else { &self.channels }
    }

    fn subscribers(&mut self, topic: Topic, name: &Arc<[u8]>) -> &mut Subscribers {
        match topic {
            Topic::Channel => self.channels.entry(name.clone()).or_default(),
            Topic::ShardChannel => self.shard_channels.entry(name.clone()).or_default(),
            Topic::Pattern => self.patterns.entry(name.clone()).or_default(),
        }
    }

    fn remove(&mut self, topic: Topic, name: &Arc<[u8]>, client: u64) {
        let subscribers = self.subscribers(topic, name);
        subscribers.remove(&client);
        if subscribers.is_empty() {
            match topic {
                Topic::Channel => drop(self.channels.remove(name)),
                Topic::ShardChannel => drop(self.shard_channels.remove(name)),
                Topic::Pattern => drop(self.patterns.remove(name)),
            }
        }
    }

    /// Calls `f` for every subscription that this publication reaches.
    fn for_each_receiver(&self, channel: &[u8], sharded: bool, mut f: impl FnMut(&Client, Subscription)) {
        let by = if sharded { Subscription::ShardChannel } else { Subscription::Channel };
        for client in self.channels(sharded).get(channel).into_iter().flat_map(BTreeMap::values) {
            f(client, by.clone());
        }
        // Patterns do not see shard channels.
        let patterns = self.patterns.iter().filter(|(pattern, _)| !sharded && stdx::glob::matches(pattern, channel));
        for (pattern, subscribers) in patterns {
            subscribers.values().for_each(|client| f(client, Subscription::Pattern(pattern.clone())));
        }
    }
}

impl PubSub {
    pub(crate) fn subscribe(&self, client: &Arc<Client>, own: &mut Subscriptions, topic: Topic, name: &[u8]) {
        let name: Arc<[u8]> = name.into();
        if own.of_mut(topic).insert(name.clone()) {
            let mut registry = self.registry.lock();
            registry.subscribers(topic, &name).insert(client.id, client.clone());
            self.count.store(registry.len(), Relaxed);
            show(client, own);
        }
    }

    pub(crate) fn unsubscribe(&self, client: &Client, own: &mut Subscriptions, topic: Topic, name: &[u8]) {
        if let Some(name) = own.of_mut(topic).take(name) {
            let mut registry = self.registry.lock();
            registry.remove(topic, &name, client.id);
            self.count.store(registry.len(), Relaxed);
            show(client, own);
        }
    }

    /// Ends all subscriptions of a session.
    pub(crate) fn leave(&self, client: &Client, own: &mut Subscriptions) {
        if own.is_empty() {
            return;
        }
        let left = std::mem::take(own);
        let mut registry = self.registry.lock();
        for topic in [Topic::Channel, Topic::ShardChannel, Topic::Pattern] {
            left.of(topic).iter().for_each(|name| registry.remove(topic, name, client.id));
        }
        self.count.store(registry.len(), Relaxed);
        show(client, own);
    }

    /// Channels with subscribers that match, or all.
    pub(crate) fn active_channels(&self, sharded: bool, pattern: Option<&[u8]>) -> Vec<Arc<[u8]>> {
        let registry = self.registry.lock();
        let names = registry.channels(sharded).keys();
        names.filter(|name| pattern.is_none_or(|pattern| stdx::glob::matches(pattern, name))).cloned().collect()
    }

    pub(crate) fn subscriber_count(&self, sharded: bool, channel: &[u8]) -> usize {
        self.registry.lock().channels(sharded).get(channel).map_or(0, BTreeMap::len)
    }

    /// How many topics of this kind have subscribers.
    pub(crate) fn topic_count(&self, topic: Topic) -> usize {
        let registry = self.registry.lock();
        match topic {
            Topic::Channel => registry.channels.len(),
            Topic::ShardChannel => registry.shard_channels.len(),
            Topic::Pattern => registry.patterns.len(),
        }
    }
}

/// Shows to the others what a session subscribes to.
fn show(client: &Client, own: &Subscriptions) {
    let numbers = [
        (&client.channels, own.channels.len()),
        (&client.patterns, own.patterns.len()),
        (&client.shard_channels, own.shard_channels.len()),
    ];
    numbers.into_iter().for_each(|(shown, number)| shown.store(number as u64, Relaxed));
    match client.kind() {
        ClientKind::Normal if !own.is_empty() => client.set_kind(ClientKind::PubSub),
        ClientKind::PubSub if own.is_empty() => client.set_kind(ClientKind::Normal),
        _ => {}
    }
}

impl Engine {
    /// Hands a message to the subscribers at this node; returns how many subscriptions it has reached.
    #[inline]
    pub fn deliver(&self, channel: &[u8], payload: &[u8], sharded: bool) -> usize {
        if self.pubsub.count.load(Relaxed) == 0 { 0 } else { self.deliver_to_some(channel, payload, sharded) }
    }

    fn deliver_to_some(&self, channel: &[u8], payload: &[u8], sharded: bool) -> usize {
        let mut publication = None;
        let mut receivers = 0;
        // Under the lock, so that all subscribers see all publications in one order.
        self.pubsub.registry.lock().for_each_receiver(channel, sharded, |client, by| {
            let publication = publication.get_or_insert_with(|| {
                let publication = Publication { channel: channel.into(), payload: payload.into() };
                Counted::new(self, publication, channel.len() + payload.len())
            });
            self.push(client, Message::Published { publication: publication.clone(), by });
            receivers += 1;
        });
        receivers
    }
}
