//! Requests decoded ahead of their execution.

use crate::table::{Entry, KeyShape, table};
use keyspace::Keyspace;
use resp::{Args, Limits, ProtocolError, RequestDecoder, Span};
use std::cell::Cell;

/// One decoded request.
pub(crate) struct Request {
    request: resp::Request,
    /// Where it ends in the input.
    pub(crate) end: usize,
    /// `None`: no such command.
    pub(crate) entry: Option<&'static Entry>,
    /// Hash of the key, where the command has exactly one.
    pub(crate) first_key: Option<u64>,
    /// The same command as the one before, about the same key and with as many arguments: they are a run.
    pub(crate) goes_on: bool,
    /// It was refused or queued: it does not count as executed.
    pub(crate) has_not_run: Cell<bool>,
}

impl Request {
    /// The indexes of the key and of an element in its collection.
    fn element(&self) -> Option<(usize, usize)> {
        match self.entry {
            Some(Entry { keys: KeyShape::One(key), command, .. }) => Some((*key, command.element?)),
            _ => None,
        }
    }
}

/// Reused from batch to batch.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) requests: Vec<Request>,
    spans: Vec<Span>,
}

impl Batch {
    /// Takes up to `max_requests` complete requests and looks up their commands. True where there may be
    /// more. After an error the requests before it are still to be executed.
    pub(crate) fn decode(
        &mut self,
        decoder: &mut RequestDecoder,
        input: &mut [u8],
        limits: &Limits,
        max_requests: usize,
    ) -> Result<bool, ProtocolError> {
        self.requests.clear();
        self.spans.clear();
        while self.requests.len() < max_requests {
            // An inline request cannot be decoded twice, so nothing may stop in front of one that is.
            if !self.requests.is_empty() && input.get(decoder.position()).is_some_and(|&byte| byte != b'*') {
                return Ok(true);
            }
            let Some(request) = decoder.next(input, &mut self.spans, limits)? else {
                return Ok(false);
            };
            let entry = self.entry_of(&request, input);
            self.requests.push(Request {
                request,
                end: decoder.position(),
                entry,
                first_key: None,
                goes_on: false,
                has_not_run: Cell::new(false),
            });
        }
        Ok(true)
    }

    fn entry_of(&self, request: &resp::Request, input: &[u8]) -> Option<&'static Entry> {
        let args = request.args(input, &self.spans);
        // Pipelines often repeat a command.
        let previous =
            self.requests.last().filter(|previous| stdx::equal(self.args(previous, input).at(0), args.at(0)));
        match previous.and_then(|previous| previous.entry) {
            Some(entry) if entry.is_found_by_name_alone() => Some(entry),
            _ => table().find(args).ok(),
        }
    }

    /// Hashes the keys, and starts to load what the requests will touch where there are several.
    pub(crate) fn prefetch(&mut self, keyspace: &Keyspace, db: u32, input: &[u8]) {
        let mut previous: Option<(&Entry, &[u8], usize, u64)> = None;
        for request in &mut self.requests {
            let args = request.request.args(input, &self.spans);
            let key = request.entry.and_then(|entry| {
                let key = args.get(entry.keys.only_key(args.len())?)?;
                Some((entry, key, args.len()))
            });
            previous = key.map(|(entry, key, arguments)| match previous {
                Some((of, before, count, hash)) if stdx::equal(before, key) => {
                    request.goes_on = std::ptr::eq(of, entry) && count == arguments;
                    (entry, key, arguments, hash)
                }
                _ => (entry, key, arguments, keyspace.hash(key)),
            });
            request.first_key = previous.map(|(.., hash)| hash);
        }
        if self.requests.len() > 1 {
            keyspace.prefetch(db, self.requests.iter().filter_map(|request| request.first_key));
            if self.requests.iter().any(|request| request.element().is_some()) {
                keyspace.prefetch_elements(
                    db,
                    self.requests.iter().filter_map(|request| {
                        let (key, element) = request.element()?;
                        let args = self.args(request, input);
                        Some((request.first_key?, args.get(key)?, args.get(element)?))
                    }),
                );
            }
        }
    }

    /// Is there such a request, and does it go on with what the one before does?
    #[inline]
    pub(crate) fn goes_on(&self, index: usize) -> bool {
        self.requests.get(index).is_some_and(|request| request.goes_on)
    }

    /// Gives back what a request of very many arguments needed.
    pub(crate) fn shrink(&mut self) {
        const KEPT_SPANS: usize = 16 * 1024;
        if self.spans.capacity() > KEPT_SPANS {
            self.spans = Vec::new();
        }
    }

    pub(crate) fn args<'a>(&'a self, request: &Request, input: &'a [u8]) -> Args<'a> {
        request.request.args(input, &self.spans)
    }
}
