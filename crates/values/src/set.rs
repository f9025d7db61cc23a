//! Sets: intset, listpack or hash table.

mod view;

pub use view::{SetIter, SetRef};

use crate::expiring::{Deadlines, Elements};
use crate::table::Table;
use crate::{Element, EncodingLimits, Intset, Listpack};
use stdx::parse_i64;

/// A set of byte strings. Where it lives is decided as Redis 7.2 does: integers in an intset, few
/// and short members in a listpack, everything else in a hash table; never back.
/// Members may have deadlines (`Expiring`).
#[derive(Clone, Debug)]
pub struct Set {
    form: Form,
    deadlines: Option<Box<Deadlines<()>>>,
}

/// A small set without deadlines.
pub enum PackedSet {
    Intset(Intset),
    Listpack(Listpack),
}

#[derive(Clone, Debug)]
enum Form {
    Intset(Intset),
    Listpack(Listpack),
    Table(Box<Table<false>>),
}

impl Default for Set {
    fn default() -> Set {
        Set::new()
    }
}

impl Set {
    pub fn new() -> Set {
        Set { form: Form::Intset(Intset::new()), deadlines: None }
    }

    #[inline]
    pub fn view(&self) -> SetRef<'_> {
        SetRef::Whole(self)
    }

    /// Where there is no more to the set than an intset or a listpack of at most `max_len` bytes: that.
    pub fn into_packed(self, max_len: usize) -> Result<PackedSet, Set> {
        match self {
            Set { form: Form::Intset(intset), deadlines: None } if intset.as_bytes().len() <= max_len => {
                Ok(PackedSet::Intset(intset))
            }
            Set { form: Form::Listpack(listpack), deadlines: None } if listpack.as_bytes().len() <= max_len => {
                Ok(PackedSet::Listpack(listpack))
            }
            set => Err(set),
        }
    }

    pub fn len(&self) -> usize {
        self.view().len()
    }

    pub fn is_empty(&self) -> bool {
        self.view().is_empty()
    }

    pub fn contains(&self, member: &[u8]) -> bool {
        self.view().contains(member)
    }

    pub fn iter(&self) -> SetIter<'_> {
        self.view().iter()
    }

    /// True where the member is new.
    pub fn insert(&mut self, member: &[u8], limits: &EncodingLimits) -> bool {
        if let Form::Intset(intset) = &self.form
            && intset.is_empty()
        {
            self.form = Form::for_first(member, limits);
        }
        match &mut self.form {
            Form::Intset(intset) => match parse_i64(member) {
                Some(value) => {
                    let is_new = intset.insert(value);
                    if intset.len() > limits.set_max_intset_entries {
                        self.convert_to_table(0);
                    }
                    is_new
                }
                None => {
                    self.leave_intset(member, limits);
                    self.insert(member, limits)
                }
            },
            Form::Listpack(listpack) => {
                if listpack.find(member, 1).is_some() {
                    return false;
                }
                if listpack.len() < limits.set_max_listpack_entries
                    && member.len() <= limits.set_max_listpack_value
                    && listpack.has_room_for(member.len())
                {
                    listpack.push(member);
                    return true;
                }
                self.convert_to_table(1);
                self.insert(member, limits)
            }
            Form::Table(table) => table.insert(member, &[]),
        }
    }

    /// True where the member was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        if let Some(deadlines) = &mut self.deadlines {
            deadlines.forget(member);
        }
        self.remove_from_form(member)
    }

    fn remove_from_form(&mut self, member: &[u8]) -> bool {
        match &mut self.form {
            Form::Intset(intset) => parse_i64(member).is_some_and(|value| intset.remove(value)),
            Form::Listpack(listpack) => {
                let found = listpack.find(member, 1);
                if let Some(offset) = found {
                    listpack.remove(offset, 1);
                }
                found.is_some()
            }
            Form::Table(table) => table.remove(member),
        }
    }

    /// A member that is no integer comes into an intset: it becomes a listpack where everything fits
    /// into one, or else a table.
    fn leave_intset(&mut self, member: &[u8], limits: &EncodingLimits) {
        let Form::Intset(intset) = &self.form else { return };
        let longest = [0, intset.len().saturating_sub(1)].map(|index| Element::Int(intset.at(index)).byte_len());
        if intset.len() < limits.set_max_listpack_entries
            && member.len().max(longest[0]).max(longest[1]) <= limits.set_max_listpack_value
        {
            let mut listpack = Listpack::new();
            for value in intset.iter() {
                Element::Int(value).with_bytes(|member| listpack.push(member));
            }
            self.form = Form::Listpack(listpack);
        } else {
            self.convert_to_table(1);
        }
    }

    fn convert_to_table(&mut self, additional: usize) {
        let mut table = Table::with_capacity(self.len() + additional);
        for member in self.iter() {
            member.with_bytes(|member| table.insert(member, &[]));
        }
        self.form = Form::Table(Box::new(table));
    }

    /// Copies one part of what clones share, as the first write to it would. False where there is no such part.
    pub fn unshare(&mut self, part: usize) -> bool {
        let Form::Table(table) = &mut self.form else { return false };
        table.unshare(part)
    }

    /// Has the set the encoding of a large one, and would it have, however it were made?
    pub fn is_large(&self, limits: &EncodingLimits) -> bool {
        let small = limits.set_max_listpack_entries.max(limits.set_max_intset_entries);
        matches!(self.form, Form::Table(_)) && self.len() > small
    }

    /// Bytes on the heap, as MEMORY USAGE counts.
    pub fn heap_size(&self) -> usize {
        let form = match &self.form {
            Form::Intset(intset) => intset.heap_size(),
            Form::Listpack(listpack) => listpack.heap_size(),
            Form::Table(table) => size_of::<Table<false>>() + table.heap_size(),
        };
        form + self.deadlines.as_ref().map_or(0, |deadlines| deadlines.heap_size())
    }
}

impl Elements for Set {
    type Value = ();

    fn deadlines(&self) -> Option<&Deadlines<()>> {
        self.deadlines.as_deref()
    }

    fn deadlines_mut(&mut self) -> &mut Option<Box<Deadlines<()>>> {
        &mut self.deadlines
    }

    fn has(&self, member: &[u8]) -> bool {
        self.contains(member)
    }

    fn take(&mut self, member: &[u8]) -> Option<()> {
        self.remove_from_form(member).then_some(())
    }

    fn put_back(&mut self, member: &[u8], (): (), limits: &EncodingLimits) {
        self.insert(member, limits);
    }
}

impl Form {
    /// The empty form for a set whose first member this will be.
    fn for_first(member: &[u8], limits: &EncodingLimits) -> Form {
        if limits.set_max_intset_entries > 0 && parse_i64(member).is_some() {
            Form::Intset(Intset::new())
        } else if limits.set_max_listpack_entries > 0 {
            Form::Listpack(Listpack::new())
        } else {
            Form::Table(Box::new(Table::with_capacity(1)))
        }
    }
}
