//! Very many elements come into a collection, or leave it: that is done to a copy, slice by slice, which then takes its place.

use super::collection::is_long;
use super::copied::{Copied, Remainder};
use crate::aside::Work;
use crate::context::SessionContext;
use crate::fault::Fault;
use keyspace::{EventClass, Txn};
use resp::{Args, Out};
use values::{EncodingLimits, Inserted};

/// A collection so many times larger than what is to be done with it is not copied for that.
const MAX_COPIED_PER_ELEMENT: usize = 10;
/// How many elements a step has.
const STEP_ELEMENTS: usize = 500;

/// What a command does to its collection with each of its arguments from number 2 on.
#[derive(Clone, Copy)]
pub(super) struct Edit {
    /// What an absent key counts as.
    pub(super) empty: fn() -> Copied,
    /// How many arguments belong to an element.
    pub(super) width: usize,
    pub(super) change: fn(&mut Copied, Args<'_>, &EncodingLimits) -> Result<Inserted, Fault>,
    /// Says that it was done, and replies.
    pub(super) finish: fn(&mut Txn<'_>, Args<'_>, Edited, &mut Out),
}

/// How many elements are new (or have left), and how many have changed.
#[derive(Clone, Copy, Default)]
pub(super) struct Edited {
    pub(super) new: usize,
    pub(super) changed: usize,
}

/// So many elements have left: says so, and replies.
pub(super) fn finish_removal(
    txn: &mut Txn<'_>,
    class: EventClass,
    event: &'static str,
    key: &[u8],
    removed: usize,
    out: &mut Out,
) {
    if removed > 0 {
        txn.notify_removal(class, event, key);
    }
    out.integer(removed as i64);
}

/// Such work, as far as it has come.
pub(super) struct Editing {
    edit: Edit,
    collection: Remainder,
    limits: EncodingLimits,
    /// How many elements were looked at.
    done: usize,
    edited: Edited,
    fault: Option<Fault>,
}

impl Editing {
    /// `None` where it is not worth it, or not possible.
    #[inline]
    pub(super) fn begin(txn: &Txn<'_>, args: Args<'_>, edit: Edit) -> Option<Box<dyn Work>> {
        if is_long(args.len()) { Editing::begin_long(txn, args, edit) } else { None }
    }

    #[cold]
    fn begin_long(txn: &Txn<'_>, args: Args<'_>, edit: Edit) -> Option<Box<dyn Work>> {
        let elements = args.from(2);
        let count = elements.len() / edit.width;
        if !is_long(count) || !elements.len().is_multiple_of(edit.width) {
            return None;
        }
        let collection = Remainder::or_empty(txn, args.at(1), edit.empty)?;
        if collection.before.len() > count * MAX_COPIED_PER_ELEMENT {
            return None;
        }
        Some(Box::new(Editing {
            edit,
            collection,
            limits: txn.encoding_limits().clone(),
            done: 0,
            edited: Edited::default(),
            fault: None,
        }))
    }
}

impl Work for Editing {
    fn step(&mut self, args: Args<'_>, _: &mut SessionContext<'_>) -> bool {
        let Editing { edit, collection, limits, done, edited, fault } = self;
        if collection.unshare() {
            return false;
        }
        let elements = args.from(2 + *done * edit.width);
        for element in elements.chunks(edit.width).take(STEP_ELEMENTS) {
            match (edit.change)(&mut collection.rest, element, limits) {
                Ok(Inserted::New) => edited.new += 1,
                Ok(Inserted::Score) => edited.changed += 1,
                Ok(Inserted::Nothing) => {}
                Err(found) => *fault = Some(found),
            }
        }
        *done += STEP_ELEMENTS;
        fault.is_some() || 2 + *done * edit.width >= args.len()
    }

    fn finish(&mut self, txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> bool {
        if let Some(fault) = &self.fault {
            fault.render(out);
            return true;
        }
        let Edited { new, changed } = self.edited;
        let is_done = if new + changed > 0 {
            self.collection.put_in_place(txn, args.at(1))
        } else {
            self.collection.before.is_at(txn, args.at(1))
        };
        if is_done {
            (self.edit.finish)(txn, args, self.edited, out);
        }
        is_done
    }
}
