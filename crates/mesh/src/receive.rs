//! The receiving side: messages, records in causal order, data sets.

use crate::compare::Compared;
use crate::handshake::printable;
use crate::inflow::{Cause, held_size};
use crate::link::{Link, Phase, Side};
use crate::log::RelayLog;
use crate::mesh::{Begun, Import, keep_from};
use crate::message::Message;
use crate::store::Store;
use crate::{BatchReader, LinkId, Mesh, Mode, Now, Record, Severity};
use effect::{Origin, Stamp, VersionVector};
use std::collections::BTreeSet;

/// Lives of nodes that are told apart; the data set has twice as many numbers for them.
const MAX_ORIGINS: usize = 32_768;
/// Records that wait for their causes take at most this many bytes, all origins together.
const HELD_LIMIT: usize = 32 << 20;

impl Mesh {
    /// One message of a peer. An error closes the link.
    pub(crate) fn receive(
        &mut self,
        id: LinkId,
        message: Message<'_>,
        store: &mut dyn Store,
        now: Now,
    ) -> Result<(), String> {
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        let greeting = matches!(link.phase, Phase::Greeting);
        let upstream = matches!(link.side, Side::Upstream(_));
        match message {
            Message::Hello { origin, unix_ms, newest, vector } if greeting => {
                self.hello(id, origin, unix_ms, newest, vector, now)
            }
            Message::Bye { reason } => Err(format!("the peer closed: {}", printable(&String::from_utf8_lossy(reason)))),
            _ if greeting => Err("the first message is not HELLO".to_owned()),
            Message::Vector { unix_ms, changes } => {
                if upstream {
                    self.admit(changes.iter().map(|(origin, _)| origin))?;
                }
                let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
                link.announced.merge(&changes);
                can_be_told_apart(link.announced.len())?;
                let peer = link.peer;
                self.acknowledgements += u64::from(!upstream);
                if let Some(peer) = peer {
                    self.note_clock(peer.origin, unix_ms, now);
                }
                for (origin, stamp) in changes.iter().filter(|_| upstream) {
                    self.expect(origin, stamp, now);
                }
                Ok(())
            }
            Message::Gap { floors } if upstream => {
                for (origin, floor) in floors.iter() {
                    if let Some(inflow) = self.inflows.get_mut(&origin).filter(|inflow| inflow.feeder == Some(id)) {
                        inflow.feeder = None;
                    }
                    if let Some(upstream) = link.upstream_mut() {
                        upstream.gaps.advance(origin, floor);
                    }
                }
                Ok(())
            }
            Message::Records { batch } if upstream => self.receive_batch(id, batch, store, now),
            Message::StateBegin { vector, effects, decided, assumed, rows } if upstream => {
                let is_traced = self.options.mode != Mode::Classic && self.vector.dominates(&decided);
                self.state_begin(id, Begun { vector, effects, assumed, rows, is_traced }, &decided, store, now)
            }
            Message::StateChunk { bytes } if upstream => match &mut self.import {
                Some(Import { link, begun: Some(_), silent_since_ms, .. }) if *link == id => {
                    *silent_since_ms = None;
                    store.import(bytes, self.options.latest_stamp(now))
                }
                _ => Err("a piece of a data set that was not asked for".to_owned()),
            },
            Message::StateEnd if upstream => self.state_end(id, store, now),
            Message::Subscribe { after } if !upstream => {
                self.subscribe(id, &after);
                let subscribed = self.links.get(&id).and_then(Link::downstream).map(|to| to.subscriptions.len());
                can_be_told_apart(subscribed.unwrap_or(0))
            }
            Message::Hold { origins } if !upstream => {
                if let Some(downstream) = link.downstream_mut() {
                    for origin in origins {
                        downstream.subscriptions.remove(&origin);
                    }
                }
                Ok(())
            }
            Message::StateRequest
                if link.downstream().is_some_and(|to| to.waits_since_ms.is_some() || to.is_sending()) =>
            {
                Err("a data set is asked for while it is on its way".to_owned())
            }
            Message::StateRequest if !upstream => {
                if let Some(downstream) = link.downstream_mut() {
                    downstream.waits_since_ms = Some(now.monotonic_ms);
                }
                self.begin_transfers(store, now);
                Ok(())
            }
            Message::Compare { start, sums } if !upstream => self.asked_to_compare(id, start, sums, now),
            Message::Compared { effects, differing, moving, buckets, keys } if upstream => {
                self.compared(id, Compared { effects, differing, moving, buckets, keys }, now);
                Ok(())
            }
            _ => Err("a message that does not belong on this side of a link".to_owned()),
        }
    }

    /// Refuses origins beyond what a node can tell apart.
    fn admit(&self, origins: impl Iterator<Item = Origin>) -> Result<(), String> {
        let strangers: BTreeSet<Origin> = origins.filter(|origin| !self.vector.contains(*origin)).collect();
        if strangers.is_empty() { Ok(()) } else { can_be_told_apart(self.vector.len() + strangers.len()) }
    }

    fn hello(
        &mut self,
        id: LinkId,
        origin: Origin,
        unix_ms: u64,
        newest: Stamp,
        vector: VersionVector,
        now: Now,
    ) -> Result<(), String> {
        let Some(link) = self.links.get(&id) else { return Ok(()) };
        let is_nobody = origin.is_departure() || origin.node == self.own.node;
        if is_nobody || link.peer.is_none_or(|peer| peer.origin != origin) {
            return Err("HELLO of somebody else".to_owned());
        }
        can_be_told_apart(vector.len())?;
        if link.upstream().is_some() {
            self.admit(vector.iter().map(|(origin, _)| origin))?;
        }
        self.come_back(origin.node);
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        link.phase = Phase::Open;
        let upstream = link.upstream().is_some();
        let address = (link.host.clone(), link.port);
        let text = format!("Link with {} {} is up", if upstream { "master" } else { "replica" }, link.address());
        let diverged = upstream && self.options.mode == Mode::Classic && !vector.dominates(&self.vector);
        link.has_effects = newest > Stamp::ZERO;
        link.announced = vector.clone();
        if let Some(goal) = self.to_join.as_mut().filter(|_| upstream) {
            goal.merge(&vector);
        }
        match &mut link.side {
            Side::Upstream(upstream) => upstream.comparisons.due_ms = now.monotonic_ms + self.options.compare_ms,
            Side::Downstream(downstream) => downstream.catches_up_to = Some(self.vector.clone()),
        }
        for (origin, stamp) in vector.iter().filter(|_| upstream) {
            self.expect(origin, stamp, now);
        }
        if let Some(master) = self.masters.iter_mut().find(|master| master.link == Some(id)) {
            master.opened(origin.node, now.monotonic_ms);
        }
        self.note_address(address, origin.node, now);
        self.note_clock(origin, unix_ms, now);
        self.log_line(Severity::Notice, text);
        if diverged && self.import.is_none() {
            self.request_state(id);
        }
        Ok(())
    }

    /// How far ahead a peer's clock is.
    fn note_clock(&mut self, origin: Origin, unix_ms: u64, now: Now) {
        let offset_ms = (unix_ms as i64).wrapping_sub(now.unix_ms as i64);
        self.clock_offsets.insert(origin, (offset_ms, now.monotonic_ms));
    }

    fn receive_batch(&mut self, id: LinkId, batch: &[u8], store: &mut dyn Store, now: Now) -> Result<(), String> {
        let mut reader = BatchReader::new(batch);
        let is_tail = |import: &&mut Import| import.link == id && import.begun.is_some() && !import.replace;
        if let Some(import) = self.import.as_mut().filter(is_tail) {
            import.silent_since_ms = None;
            while let Some(record) = reader.next_record().map_err(|error| error.to_string())? {
                self.receive_tail(&record, store)?;
            }
            return Ok(());
        }
        // What else arrives while a data set does would be counted twice; it is asked for again afterwards.
        if self.import.is_some() || self.unsettled {
            return Ok(());
        }
        let (mut ahead, mut fetched) = (BatchReader::new(batch), 0);
        for number in 0.. {
            if number == fetched {
                fetched += store.fetch_ahead(&mut ahead);
            }
            let Some(record) = reader.next_record().map_err(|error| error.to_string())? else { break };
            self.receive_record(id, &record, store, now)?;
        }
        Ok(())
    }

    fn receive_record(
        &mut self,
        id: LinkId,
        record: &Record<'_>,
        store: &mut dyn Store,
        now: Now,
    ) -> Result<(), String> {
        let (origin, last) = (record.origin, record.last());
        if origin == self.own || origin.is_departure() {
            return Err("a record of our own that we do not know, or of nobody".to_owned());
        }
        self.admit(record.context.iter().chain(record.assumed).map(|(of, _)| *of).chain([origin]))?;
        while !self.has_room(record) && self.prepare_held(store) {
            self.apply_held(store, now);
        }
        if let Some(link) = self.links.get_mut(&id) {
            link.announced.advance(origin, last);
        }
        let applied = self.vector.get(origin);
        let inflow = self.inflows.entry(origin).or_default();
        inflow.received = inflow.received.max(applied);
        if last <= inflow.received {
            self.counters.duplicates += u64::from(!record.is_tick());
            return Ok(());
        }
        if record.previous > inflow.received {
            // Its feeder skipped something, or what waited was given up: ask again.
            inflow.resubscribe = inflow.feeder == Some(id) && inflow.suspended.is_none();
            return Ok(());
        }
        if record.first <= inflow.received {
            return Err("a record overlaps the one before it".to_owned());
        }
        inflow.progress(last, now.monotonic_ms);
        let waiting = !inflow.held.is_empty();
        let mut cause = self.missing_cause(record, now).or(waiting.then_some(Cause::Clock(0)));
        // What is wrong with it `apply` says.
        if cause.is_none() && self.has_room(record) && store.prepare(record) == Ok(false) {
            cause = Some(Cause::Preparation);
        }
        let Some(cause) = cause else {
            self.apply(record, store, now)?;
            self.apply_held(store, now);
            return Ok(());
        };
        self.hold(record, cause, now);
        Ok(())
    }

    /// What a record has to wait for. Ticks wait for no causes, as they change nothing: what stands for many of them
    /// (`bridge_ticks`) may say more than any of them said at its time, so that two would wait for each other. What
    /// comes after them does.
    fn missing_cause(&self, record: &Record<'_>, now: Now) -> Option<Cause> {
        if !record.is_tick() {
            let owed = self.inflows.get(&record.origin).map(|inflow| &inflow.owed[..]).unwrap_or_default();
            let mut causes = record.context.iter().chain(record.assumed).chain(owed);
            if let Some((origin, stamp)) = causes.find(|(origin, stamp)| !self.vector.covers(*origin, *stamp)) {
                return Some(Cause::Missing(*origin, *stamp));
            }
        }
        let ripe_ms = record.last().ms().saturating_sub(self.options.clock_skew_max_ms);
        (record.last() > self.options.latest_stamp(now)).then_some(Cause::Clock(ripe_ms))
    }

    fn hold(&mut self, record: &Record<'_>, cause: Cause, now: Now) {
        let origin = record.origin;
        let (applied, has_room) = (self.vector.get(origin), self.has_room(record));
        let Some(inflow) = self.inflows.get_mut(&origin) else { return };
        self.counters.held_back += u64::from(cause != Cause::Preparation);
        if !has_room {
            // The first of them says what has to come before it makes sense to ask for them again.
            inflow.suspended = inflow.waits_for.or(Some(cause));
            let freed = inflow.drop_held(applied);
            self.held_bytes -= freed;
            if let Some(feeder) = inflow.feeder.and_then(|feeder| self.links.get_mut(&feeder)) {
                feeder.send(&Message::Hold { origins: vec![origin] });
            }
            self.log_line(
                Severity::Warning,
                format!("Too much of {origin:?} waits for its causes: it is fetched again later"),
            );
            return;
        }
        if inflow.held.is_empty() {
            match cause {
                Cause::Clock(ripe_ms) => {
                    let ahead_s =
                        ripe_ms.saturating_sub(now.unix_ms).saturating_add(self.options.clock_skew_max_ms) / 1000;
                    let text = format!("CLOCK: node {origin:?} is {ahead_s} s ahead of this one: its writes wait");
                    self.log_line(Severity::Warning, text);
                }
                Cause::Missing(missing, stamp) => self.expect(missing, stamp, now),
                Cause::Preparation => {}
            }
        }
        let Some(inflow) = self.inflows.get_mut(&origin) else { return };
        inflow.hold(record, cause);
        self.held_bytes += held_size(record);
    }

    /// May it wait, too?
    fn has_room(&self, record: &Record<'_>) -> bool {
        self.held_bytes + held_size(record) <= HELD_LIMIT
    }

    /// Applies a record whose causes are here.
    fn apply(&mut self, record: &Record<'_>, store: &mut dyn Store, now: Now) -> Result<(), String> {
        let (origin, last) = (record.origin, record.last());
        self.hear_alive(origin.node, last);
        let row = self.rows.row_mut(origin);
        for (of, stamp) in record.context.iter().filter(|(of, _)| !of.is_departure()) {
            row.advance(*of, *stamp);
        }
        row.advance(origin, last);
        self.rows.hear(origin, record.is_tick(), now.monotonic_ms);
        self.note_completeness(origin, record.context);
        for (named, _) in record.context.iter().filter(|(of, stamp)| *stamp == Stamp::ZERO && *of != origin) {
            self.note_named(*named, last, now);
        }
        if let Some(inflow) = self.inflows.get_mut(&origin) {
            inflow.owed.retain(|(of, stamp)| !self.vector.covers(*of, *stamp));
            for (of, stamp) in record.context.iter().filter(|(of, stamp)| !self.vector.covers(*of, *stamp)) {
                inflow.owe(*of, *stamp);
            }
        }
        self.rows.assume(origin, record.assumed.iter().copied());
        if !record.is_tick() {
            let applied = match self.rows.assumed_by(origin).cloned() {
                Some(mut seen) => {
                    seen.merge(self.rows.row_mut(origin));
                    store.apply(record, &seen)
                }
                None => store.apply(record, self.rows.row_mut(origin)),
            };
            let context = match applied {
                Ok(context) => context,
                Err(error) => {
                    self.unreceive(origin);
                    return Err(error);
                }
            };
            self.report(context, origin, last, now);
            self.counters.records_applied += 1;
            self.effects_applied += 1;
            self.last_effects.advance(origin, last);
        }
        let record = Record { previous: self.vector.get(origin), ..*record };
        self.vector.advance(origin, last);
        self.log.append(&record, keep_from(&self.links));
        self.mark_stable_dirty();
        Ok(())
    }

    /// A record of this origin could not be applied: nothing behind it may be, until it was sent again and could.
    fn unreceive(&mut self, origin: Origin) {
        let applied = self.vector.get(origin);
        if let Some(inflow) = self.inflows.get_mut(&origin) {
            self.held_bytes -= inflow.drop_held(applied);
            inflow.resubscribe = true;
        }
    }

    /// Applies what waited and may now go, until nothing more moves.
    fn apply_held(&mut self, store: &mut dyn Store, now: Now) {
        loop {
            let Some(origin) = self.ripe_origin(now) else { return };
            let Some(inflow) = self.inflows.get_mut(&origin) else { return };
            if inflow.held.front().is_some_and(|record| store.prepare(&record.borrow()) == Ok(false)) {
                inflow.waits_for = Some(Cause::Preparation);
                continue;
            }
            let Some(record) = inflow.held.pop_front() else { return };
            self.held_bytes -= held_size(&record.borrow());
            if let Err(error) = self.apply(&record.borrow(), store, now) {
                // There is no link to blame: it is asked for again, and closes the link that brings it.
                self.log_line(Severity::Warning, format!("A record that had waited cannot be applied: {error}"));
                continue;
            }
            let next = self.inflows.get(&origin).and_then(|inflow| inflow.held.front());
            let cause = next.and_then(|next| self.missing_cause(&next.borrow(), now));
            let ripe = next.is_some() && cause.is_none();
            if let Some(inflow) = self.inflows.get_mut(&origin) {
                inflow.waits_for = if ripe { Some(Cause::Clock(0)) } else { cause };
            }
        }
    }

    /// An origin whose first waiting record has all its causes here.
    fn ripe_origin(&self, now: Now) -> Option<Origin> {
        if self.held_bytes == 0 {
            return None;
        }
        let ripe = |inflow: &crate::inflow::Inflow| {
            inflow.waits_for.is_some_and(|cause| self.has_come(cause, now))
                && !inflow.is_preparing()
                && inflow.held.front().is_some_and(|record| self.missing_cause(&record.borrow(), now).is_none())
        };
        self.inflows.iter().find(|(_, inflow)| ripe(inflow)).map(|(origin, _)| *origin)
    }

    pub(crate) fn has_come(&self, cause: Cause, now: Now) -> bool {
        match cause {
            Cause::Missing(origin, stamp) => self.vector.covers(origin, stamp),
            Cause::Clock(ripe_ms) => ripe_ms <= now.unix_ms,
            Cause::Preparation => true,
        }
    }

    /// Goes on with what is being prepared; where that is done, the record may go. True where there was any.
    fn prepare_held(&mut self, store: &mut dyn Store) -> bool {
        let mut any = false;
        for inflow in self.inflows.values_mut().filter(|inflow| inflow.is_preparing()) {
            any = true;
            if inflow.held.front().is_none_or(|record| store.prepare(&record.borrow()) != Ok(false)) {
                inflow.waits_for = Some(Cause::Clock(0));
            }
        }
        any
    }

    /// On the timer: what was being prepared, what waited for the clock, and feeders of what is missing.
    pub(crate) fn release_held(&mut self, store: &mut dyn Store, now: Now) {
        if self.held_bytes == 0 {
            return;
        }
        self.prepare_held(store);
        self.apply_held(store, now);
        let missing: Vec<(Origin, Stamp)> = self
            .inflows
            .values()
            .filter_map(|inflow| match inflow.waits_for {
                Some(Cause::Missing(origin, stamp)) => Some((origin, stamp)),
                _ => None,
            })
            .collect();
        for (origin, stamp) in missing {
            self.expect(origin, stamp, now);
        }
    }

    // Data sets

    /// Asks for the data set of a source. Until it is here, records are not taken.
    pub(crate) fn request_state(&mut self, id: LinkId) {
        for (origin, inflow) in &mut self.inflows {
            let freed = inflow.drop_held(self.vector.get(*origin));
            self.held_bytes -= freed;
            inflow.suspended = None;
            if let Some(feeder) = inflow.feeder.take().and_then(|feeder| self.links.get_mut(&feeder)) {
                feeder.send(&Message::Hold { origins: vec![*origin] });
            }
        }
        let Some(link) = self.links.get_mut(&id) else { return };
        link.send(&Message::StateRequest);
        let replace = self.options.mode == Mode::Classic;
        let verb = if replace { "Replacing the data set by" } else { "Merging" };
        let text = format!("{verb} the one of {}", link.address());
        self.import = Some(Import {
            link: id,
            replace,
            begun: None,
            silent_since_ms: None,
            tail: RelayLog::new(self.options.log_bytes),
            appended: self.log.appended(),
        });
        self.log_line(Severity::Notice, text);
    }

    fn state_begin(
        &mut self,
        id: LinkId,
        begun: Begun,
        decided: &VersionVector,
        store: &mut dyn Store,
        now: Now,
    ) -> Result<(), String> {
        let Begun { vector, effects, assumed, rows, .. } = &begun;
        let mentioned =
            rows.iter().chain(assumed).flat_map(|(of, row)| row.iter().map(|(origin, _)| origin).chain([*of]));
        let named = vector.iter().chain(effects.iter()).chain(decided.iter()).map(|(origin, _)| origin);
        self.admit(named.chain(mentioned))?;
        let described: BTreeSet<Origin> = rows.iter().map(|(of, _)| *of).collect();
        if described.len() < rows.len() {
            return Err("a data set with two rows of one node".to_owned());
        }
        if vector.newest() > self.options.latest_stamp(now) {
            let ahead_ms = vector.newest().ms().saturating_sub(now.unix_ms);
            // Our own stamps would be as far ahead from then on, and others would wait for them.
            return Err(format!("CLOCK: its data set is {} s ahead of this node: it has to wait", ahead_ms / 1000));
        }
        let Some(import) = self.import.as_mut().filter(|import| import.link == id && import.begun.is_none()) else {
            return Err("a data set that was not asked for".to_owned());
        };
        if import.replace {
            self.vector = VersionVector::new();
            self.rows.clear();
        }
        // What this node writes meanwhile it has, too.
        let mut ours = self.vector.clone();
        ours.advance(self.own, Stamp::MAX);
        let context = store.import_begin(vector, decided, &ours, import.replace, self.to_join.is_some())?;
        self.assumptions.begin(context, self.own, vector, &self.vector);
        import.begun = Some(begun);
        import.silent_since_ms = None;
        Ok(())
    }

    /// A record that is part of the data set that is being received, for those who follow us.
    fn receive_tail(&mut self, record: &Record<'_>, store: &dyn Store) -> Result<(), String> {
        self.admit(record.context.iter().map(|(of, _)| *of))?;
        store.check(record)?;
        let Some(Import { begun: Some(begun), tail, .. }) = &mut self.import else { return Ok(()) };
        if !begun.vector.contains(record.origin) || !begun.vector.covers(record.origin, record.last()) {
            return Err("a record that is not part of the data set".to_owned());
        }
        tail.append(record, None);
        Ok(())
    }

    fn state_end(&mut self, id: LinkId, store: &mut dyn Store, now: Now) -> Result<(), String> {
        let Some(Import {
            begun: Some(Begun { vector, effects, assumed, mut rows, .. }), replace, tail, appended, ..
        }) = self.import.take_if(|import| import.link == id && import.begun.is_some())
        else {
            return Err("the end of a data set that was not asked for".to_owned());
        };
        let context = store.import_end(true);
        self.assumptions.end(context);
        self.log.absorb(tail, appended, keep_from(&self.links));
        for (origin, stamp) in vector.iter().filter(|(_, stamp)| *stamp > Stamp::ZERO) {
            if origin == self.own {
                continue;
            }
            if self.vector.get(origin) == Stamp::ZERO {
                // Its next record says.
                self.incomplete.insert(origin);
            }
            if !self.vector.covers(origin, stamp) {
                let logged = self.log.last(origin);
                if effects.get(origin) > logged || logged == Stamp::ZERO {
                    self.log.raise_floor(origin, stamp);
                } else if stamp > logged {
                    self.bridge_ticks(origin, stamp, &rows);
                }
                self.vector.advance(origin, stamp);
            }
            self.last_effects.advance(origin, effects.get(origin));
            if effects.get(origin) > Stamp::ZERO {
                self.rows.begin(origin, now.monotonic_ms);
            }
            // All of it, so that everybody sees that we are with them.
            self.report(context, origin, stamp, now);
        }
        if replace {
            self.log.clear(&self.vector);
        }
        for (origin, assumed) in assumed.iter().filter(|(origin, _)| *origin != self.own) {
            self.rows.assume(*origin, assumed.iter());
        }
        self.owe_rows(&rows);
        self.note_all_named(&mut rows, now);
        self.rows.merge(&rows);
        for (origin, inflow) in &mut self.inflows {
            inflow.received = self.vector.get(*origin);
        }
        for link in self.links.values_mut() {
            if let Some(upstream) = link.upstream_mut() {
                upstream.gaps = VersionVector::new();
            }
        }
        self.unsettled = false;
        self.counters.state_imports += 1;
        self.effects_applied += 1;
        self.mark_stable_dirty();
        self.log_line(Severity::Notice, "The data set is complete".to_owned());
        self.begin_transfers(store, now);
        Ok(())
    }

    /// Ticks that came with a data set may have told of effects that its sender lacked, too: what their origins write next waits
    /// for those here as it does there.
    fn owe_rows(&mut self, rows: &[(Origin, VersionVector)]) {
        for (of, row) in rows.iter().filter(|(of, _)| *of != self.own) {
            for (origin, stamp) in row.iter().filter(|(origin, stamp)| !self.vector.covers(*origin, *stamp)) {
                self.inflows.entry(*of).or_default().owe(origin, stamp);
            }
        }
    }

    /// Joiners and departures that somebody had told of before the data set was sent. The latter are taken out: they are no origins.
    fn note_all_named(&mut self, rows: &mut [(Origin, VersionVector)], now: Now) {
        let newest = self.vector.newest();
        for (_, row) in rows {
            let named: Vec<Origin> =
                row.iter().filter(|(_, stamp)| *stamp == Stamp::ZERO).map(|(origin, _)| origin).collect();
            for origin in named {
                if origin.is_departure() {
                    row.remove(origin);
                }
                let is_known = self.vector.get(origin) > Stamp::ZERO;
                if !is_known && !self.rows.has_ended(origin, self.own, &self.vector) {
                    self.note_named(origin, newest, now);
                }
            }
        }
    }

    /// Somebody names an origin of which he has nothing, at this stamp: it joins, or there is none any more of its name.
    fn note_named(&mut self, origin: Origin, at: Stamp, now: Now) {
        if origin.is_departure() {
            self.depart(origin.node, at, now);
        } else {
            self.note_joiner(origin, now);
        }
    }

    /// A data set has brought nothing of `origin` that its sender's log has not, but ticks: one record stands for them in our
    /// log, so that whoever follows us need not take the data set, too. In a ring of links it would go round for ever.
    fn bridge_ticks(&mut self, origin: Origin, stamp: Stamp, rows: &[(Origin, VersionVector)]) {
        let row = rows.iter().find(|(of, _)| *of == origin).map(|(_, row)| row);
        let known = row.into_iter().flat_map(VersionVector::iter).filter(|(of, _)| *of != origin);
        let mut context: Vec<(Origin, Stamp)> = known.filter(|(_, stamp)| *stamp > Stamp::ZERO).collect();
        if self.incomplete.contains(&origin) {
            context.push((origin, Stamp::ZERO));
        }
        let previous = self.log.last(origin);
        let record = Record { origin, previous, first: stamp, count: 0, context: &context, assumed: &[], effects: &[] };
        self.log.append(&record, keep_from(&self.links));
    }

    /// The link broke. What is merged half cannot be told from what the log would bring again.
    pub(crate) fn abandon_import(&mut self, store: &mut dyn Store) {
        if let Some(import) = self.import.take().filter(|import| import.begun.is_some()) {
            store.import_end(false);
            self.unsettled = true;
            if import.replace {
                self.log.clear(&self.vector);
            }
        }
    }

    /// Is this node's clock ahead of most of its peers'?
    pub fn is_clock_outlier(&self, now: Now) -> bool {
        const RECENT_MS: u64 = 10_000;
        let ahead_ms = self.vector.get(self.own).ms().saturating_sub(now.unix_ms) as i64;
        let recent =
            self.clock_offsets.values().filter(|(_, at_ms)| now.monotonic_ms.saturating_sub(*at_ms) < RECENT_MS);
        let (behind, all) = recent.fold((0, 0), |(behind, all), (offset_ms, _)| {
            let outlier = ahead_ms.saturating_sub(*offset_ms) > self.options.clock_skew_max_ms as i64;
            (behind + usize::from(outlier), all + 1)
        });
        behind * 2 > all
    }
}

/// Refuses more origins than a node can tell apart.
fn can_be_told_apart(origins: usize) -> Result<(), String> {
    if origins > MAX_ORIGINS {
        return Err(format!(
            "this mesh has had more than {MAX_ORIGINS} nodes and restarts, more than we can tell apart"
        ));
    }
    Ok(())
}
