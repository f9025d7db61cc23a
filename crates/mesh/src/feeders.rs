//! Who feeds us what: one source per origin, so that each effect comes once.

use crate::link::Link;
use crate::message::Message;
use crate::{LinkId, Mesh, Now, Severity};
use effect::{Origin, Stamp, VersionVector};
use std::collections::{BTreeMap, BTreeSet};

/// What the sources are to be told.
#[derive(Default)]
struct Requests {
    subscribe: BTreeMap<LinkId, VersionVector>,
    hold: BTreeMap<LinkId, Vec<Origin>>,
}

impl Mesh {
    /// Chooses a feeder for each origin that has none, or a better one. Asks for a data set where no source's
    /// log reaches back to what we have.
    pub(crate) fn assign_feeders(&mut self, now: Now) {
        if self.import.is_some() {
            return;
        }
        if self.unsettled {
            if let Some(id) = self.state_source(None) {
                self.request_state(id);
            }
            return;
        }
        if self.is_blank()
            && self.sources().any(|link| link.has_effects)
            && let Some(id) = self.state_source(None)
        {
            return self.request_state(id);
        }
        let offered = self.sources().flat_map(|link| link.announced.iter().map(|(origin, _)| origin));
        let origins: BTreeSet<Origin> = offered.filter(|origin| *origin != self.own).collect();
        let mut requests = Requests::default();
        for origin in origins {
            if self.assign_feeder(origin, &mut requests, now)
                && let Some(id) = self.state_source(Some(origin))
            {
                self.request_state(id);
                return;
            }
        }
        for (id, origins) in requests.hold {
            if let Some(link) = self.links.get_mut(&id) {
                link.send(&Message::Hold { origins });
            }
        }
        for (id, after) in requests.subscribe {
            if let Some(link) = self.links.get_mut(&id) {
                link.send(&Message::Subscribe { after });
            }
        }
    }

    /// True where only a data set brings us further.
    fn assign_feeder(&mut self, origin: Origin, requests: &mut Requests, now: Now) -> bool {
        let applied = self.vector.get(origin);
        let mut inflow = self.inflows.remove(&origin).unwrap_or_default();
        inflow.received = inflow.received.max(applied);
        let ready = inflow.suspended.is_none_or(|cause| self.has_come(cause, now));
        if ready && inflow.suspended.take().is_some() {
            inflow.resubscribe = true;
        }
        let stalled = inflow.is_stalled(now.monotonic_ms);
        if let Some(feeder) = inflow.feeder.filter(|_| stalled) {
            // Another one is better only if it has more than we got.
            let better =
                self.candidates(origin, inflow.received).any(|(id, has)| id != feeder && has > inflow.received);
            if better {
                inflow.avoid(feeder, now.monotonic_ms);
                let text = format!("{origin:?} stalls on link {feeder}: fetching it from another neighbour");
                self.log_line(Severity::Verbose, text);
            }
        }
        inflow.checked(now.monotonic_ms);
        let best = self.best_feeder(origin, &inflow, now);
        // Those whose logs reach back may be waiting for us.
        let is_ahead = |(_, has): (LinkId, Stamp)| has > inflow.received;
        let may_come = best.is_some()
            && (!inflow.is_stuck(now.monotonic_ms) || self.candidates(origin, inflow.received).any(is_ahead));
        let beyond_logs = !may_come && self.is_offered(origin, inflow.received);
        if best != inflow.feeder || inflow.wants_again(now.monotonic_ms) {
            if let Some(old) = inflow.feeder.filter(|old| Some(*old) != best) {
                requests.hold.entry(old).or_default().push(origin);
                self.counters.feeder_switches += 1;
            }
            if let Some(new) = best.filter(|_| ready) {
                requests.subscribe.entry(new).or_default().advance(origin, inflow.received);
                inflow.resubscribe = false;
                inflow.subscribed_ms = now.monotonic_ms;
            }
            inflow.feeder = best;
        }
        self.inflows.insert(origin, inflow);
        beyond_logs
    }

    /// Open sources whose log reaches back to `received`, and what they have.
    fn candidates(&self, origin: Origin, received: Stamp) -> impl Iterator<Item = (LinkId, Stamp)> + '_ {
        self.links.values().filter(|link| link.is_open()).filter_map(move |link| {
            let upstream = link.upstream()?;
            let reaches = received >= upstream.gaps.get(origin);
            (link.announced.contains(origin) && reaches).then(|| (link.id, link.announced.get(origin)))
        })
    }

    /// The origin itself, else whoever feeds us already, else one that has more than we do, else the nearest.
    fn best_feeder(&self, origin: Origin, inflow: &crate::inflow::Inflow, now: Now) -> Option<LinkId> {
        self.candidates(origin, inflow.received)
            .min_by_key(|(id, has)| {
                let link = &self.links[id];
                let direct = link.peer.is_some_and(|peer| peer.origin == origin);
                let rtt_ms = link.upstream().map_or(u64::MAX, |upstream| upstream.rtt_ms);
                let ahead = *has > inflow.received || !inflow.is_behind();
                (inflow.avoids(*id, now.monotonic_ms), !direct, inflow.feeder != Some(*id), !ahead, rtt_ms, *id)
            })
            .map(|(id, _)| id)
    }

    /// Open links to masters.
    fn sources(&self) -> impl Iterator<Item = &Link> {
        self.links.values().filter(|link| link.is_open() && link.upstream().is_some())
    }

    /// Has some open source more than `received`?
    fn is_offered(&self, origin: Origin, received: Stamp) -> bool {
        self.sources().any(|link| link.announced.get(origin) > received)
    }

    /// Whose data set to ask for: of those that have `wanted`, the one that has most of what all have, the
    /// nearest of those with effects first.
    fn state_source(&self, wanted: Option<Origin>) -> Option<LinkId> {
        let sources: Vec<_> = self.sources().collect();
        let mut all = VersionVector::new();
        for link in &sources {
            all.merge(&link.announced);
        }
        let wanted_of =
            |link: &&&Link| wanted.is_none_or(|origin| link.announced.get(origin) > self.vector.get(origin));
        let lacking = |link: &Link| {
            all.iter().filter(|(origin, stamp)| link.announced.get(*origin).ms() + 1000 < stamp.ms()).count()
        };
        let rtt_ms = |link: &Link| link.upstream().map_or(u64::MAX, |upstream| upstream.rtt_ms);
        let best = sources
            .iter()
            .filter(wanted_of)
            .min_by_key(|link| (lacking(link), !link.has_effects, rtt_ms(link), link.id));
        best.map(|link| link.id)
    }
}
