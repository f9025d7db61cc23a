//! Collections that are built of their encoding little by little.

use super::stream::{Builder, Reader};
use super::{decode_deadline, tag};
use crate::entry::Value;
use effect::{DecodeError, take_varint};
use values::{EncodingLimits, Expiring, Hash, List, Set, SortedSet};

/// A collection, as far as it has come.
pub(crate) struct Assembly {
    form: Form,
    /// How much of the encoding is read, or of its next piece.
    at: usize,
}

enum Form {
    Set(Set, HasDeadlines),
    Hash(Hash, HasDeadlines),
    List(List),
    SortedSet(SortedSet, HasDeadlines),
    Stream(Box<(Reader, Builder)>),
    /// Only in pieces.
    String(Vec<u8>),
}

type HasDeadlines = bool;

impl Assembly {
    /// `None` for what has no elements.
    pub(crate) fn begin(encoded: &[u8]) -> Option<Assembly> {
        let form = match *encoded.first()? {
            number @ (tag::SET | tag::EXPIRING_SET) => Form::Set(Set::new(), number == tag::EXPIRING_SET),
            number @ (tag::HASH | tag::EXPIRING_HASH) => Form::Hash(Hash::new(), number == tag::EXPIRING_HASH),
            number @ (tag::SORTED_SET | tag::EXPIRING_SORTED_SET) => {
                Form::SortedSet(SortedSet::new(), number == tag::EXPIRING_SORTED_SET)
            }
            tag::LIST => Form::List(List::new()),
            tag::STREAM => Form::Stream(Box::default()),
            _ => return None,
        };
        Some(Assembly { form, at: 1 })
    }

    /// The same for an encoding that comes in pieces, of which this is the first: strings, too.
    pub(crate) fn of_pieces(first: &[u8]) -> Option<Assembly> {
        let is_string = first.first() == Some(&tag::STRING);
        if is_string { Some(Assembly { form: Form::String(Vec::new()), at: 1 }) } else { Assembly::begin(first) }
    }

    /// Adds the next piece, which ends where an element does (`Progress::go_on`).
    pub(crate) fn add_piece(&mut self, piece: &[u8], limits: &EncodingLimits) -> Result<(), DecodeError> {
        let rest = &mut piece.get(std::mem::take(&mut self.at)..).unwrap_or_default();
        self.read(rest, usize::MAX, limits).map(drop)
    }

    /// Need no more pieces come?
    pub(crate) fn is_whole(&self) -> bool {
        if let Form::Stream(stream) = &self.form { stream.0.is_at_end() } else { true }
    }

    /// Adds up to `count` elements. True when nothing is left of the encoding, which is the same as before.
    pub(crate) fn go_on(&mut self, encoded: &[u8], count: usize, limits: &EncodingLimits) -> Result<bool, DecodeError> {
        let rest = &mut encoded.get(self.at..).unwrap_or_default();
        let is_over = self.read(rest, count, limits)?;
        self.at = encoded.len() - rest.len();
        if is_over || !rest.is_empty() { Ok(is_over) } else { Err(DecodeError::Truncated) }
    }

    /// Takes up to `count` elements off the front of `rest`, as far as there are. True where it need not go on.
    fn read(&mut self, rest: &mut &[u8], count: usize, limits: &EncodingLimits) -> Result<bool, DecodeError> {
        match &mut self.form {
            Form::Stream(stream) => {
                let (reader, builder) = &mut **stream;
                return reader.go_on(rest, count, &mut |part| builder.add(part, limits));
            }
            Form::String(bytes) => bytes.extend_from_slice(std::mem::take(rest)),
            _ => {
                for _ in 0..count {
                    if rest.is_empty() {
                        break;
                    }
                    self.add(rest, limits)?;
                }
            }
        }
        Ok(rest.is_empty())
    }

    /// Adds the next element.
    fn add(&mut self, rest: &mut &[u8], limits: &EncodingLimits) -> Result<(), DecodeError> {
        let element = take_bytes(rest)?;
        match &mut self.form {
            Form::Set(set, has_deadlines) => {
                set.insert(element, limits);
                take_deadline(rest, *has_deadlines, element, set)
            }
            Form::Hash(hash, has_deadlines) => {
                hash.insert(element, take_bytes(rest)?, limits);
                take_deadline(rest, *has_deadlines, element, hash)
            }
            Form::SortedSet(set, has_deadlines) => {
                // Beside a deadline the score is an item like others.
                if *has_deadlines && take_varint(rest)? != size_of::<f64>() as u64 {
                    return Err(DecodeError::BadNumber);
                }
                let (score, tail) = rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
                *rest = tail;
                let score = f64::from_le_bytes(*score);
                if score.is_nan() {
                    return Err(DecodeError::BadNumber);
                }
                set.insert(element, score, limits);
                take_deadline(rest, *has_deadlines, element, set)
            }
            Form::List(list) => {
                list.push_back(std::iter::once(element), limits);
                Ok(())
            }
            Form::Stream(_) | Form::String(_) => Ok(()),
        }
    }

    pub(crate) fn finish(self, limits: &EncodingLimits) -> Value {
        match self.form {
            Form::Set(set, _) => Value::Set(set),
            Form::Hash(hash, _) => Value::Hash(hash),
            Form::List(mut list) => {
                // Only now it is as long as its encoding has to be right for.
                list.push_back(std::iter::empty(), limits);
                Value::List(list)
            }
            Form::SortedSet(set, _) => Value::SortedSet(set),
            Form::Stream(stream) => Value::Stream(stream.1.finish()),
            Form::String(bytes) => Value::Bytes(bytes),
        }
    }
}

pub(super) fn take_bytes<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    let len = usize::try_from(take_varint(rest)?).map_err(|_| DecodeError::Truncated)?;
    let (bytes, tail) = rest.split_at_checked(len).ok_or(DecodeError::Truncated)?;
    *rest = tail;
    Ok(bytes)
}

fn take_deadline(
    rest: &mut &[u8],
    has_deadlines: HasDeadlines,
    element: &[u8],
    collection: &mut dyn Expiring,
) -> Result<(), DecodeError> {
    if has_deadlines {
        collection.set_deadline_ms(element, decode_deadline(take_bytes(rest)?)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Progress, decode, encoded};
    use super::*;
    use values::{Element, Group, Position, Stream, StreamId};

    /// One of each kind, with so many elements.
    fn collections(count: u64, limits: &EncodingLimits) -> Vec<Value> {
        let (mut set, mut numbers, mut hash, mut sorted_set) = (Set::new(), Set::new(), Hash::new(), SortedSet::new());
        let mut stream = Stream::new();
        let names: Vec<Vec<u8>> = (0..count).map(|n| format!("element {n}").into_bytes()).collect();
        for (n, name) in (0..count).zip(&names) {
            set.insert(name, limits);
            numbers.insert(n.to_string().as_bytes(), limits);
            hash.insert(name, b"value", limits);
            sorted_set.insert(name, n as f64 / 2.0, limits);
            stream.insert(StreamId::new(n + 1, 0), &[(Element::Bytes(name), Element::Int(1))], limits);
        }
        stream.entries_added = count + 7;
        let mut group = Group::new(Position { last_id: StreamId::new(2, 0), entries_read: Some(2) });
        group.add_consumer(b"consumer", 5);
        group.deliver(StreamId::new(1, 0), b"consumer", 5, 1);
        stream.insert_group(b"group", group);
        let (mut expiring_set, mut expiring_hash, mut expiring_sorted_set) =
            (set.clone(), hash.clone(), sorted_set.clone());
        for elements in [&mut expiring_set as &mut dyn Expiring, &mut expiring_hash, &mut expiring_sorted_set] {
            names.iter().step_by(2).for_each(|name| elements.set_deadline_ms(name, Some(1 << 40)));
        }
        let list = List::from_elements(names.iter().map(Vec::as_slice), limits);
        vec![
            Value::Set(set),
            Value::Set(numbers),
            Value::Set(expiring_set),
            Value::Hash(hash),
            Value::Hash(expiring_hash),
            Value::SortedSet(sorted_set),
            Value::SortedSet(expiring_sorted_set),
            Value::List(list),
            Value::Stream(stream),
        ]
    }

    /// What OBJECT ENCODING hangs on.
    fn encoding(value: &Value) -> String {
        match value {
            Value::Set(set) => format!("{:?}", set.view().encoding()),
            Value::Hash(hash) => format!("{:?}", hash.view().encoding()),
            Value::List(list) => format!("{:?}", list.encoding()),
            Value::SortedSet(set) => format!("{:?}", set.encoding()),
            other => format!("{:?}", std::mem::discriminant(other)),
        }
    }

    #[test]
    fn what_is_built_little_by_little_is_what_is_built_at_once() {
        let limits = EncodingLimits::default();
        for value in [0, 1, 10, 1000].into_iter().flat_map(|count| collections(count, &limits)) {
            let bytes = encoded(value.view());
            let at_once = decode(&bytes).expect("what was encoded").build(&limits);
            for step in [1, 7, 5000] {
                let mut assembly = Assembly::begin(&bytes).expect("it has elements");
                while !assembly.go_on(&bytes, step, &limits).expect("what was encoded") {}
                let built = assembly.finish(&limits);
                assert!(encoded(built.view()) == encoded(at_once.view()), "by {step}: {} bytes", bytes.len());
                assert_eq!(encoding(&built), encoding(&at_once));
            }
        }
    }

    #[test]
    fn what_comes_in_pieces_is_what_comes_at_once() {
        let limits = EncodingLimits::default();
        let text = |count: u64| Value::Bytes(vec![b'x'; count as usize]);
        for value in [0, 1, 10, 1000].into_iter().flat_map(|count| {
            let mut values = collections(count, &limits);
            values.push(text(count));
            values
        }) {
            let whole = encoded(value.view());
            let at_once = decode(&whole).expect("what was encoded").build(&limits);
            for piece_bytes in [1, 100, 5000, usize::MAX] {
                let (mut progress, mut pieces) = (Progress::default(), Vec::<Vec<u8>>::new());
                let mut is_over = false;
                while !is_over {
                    let mut piece = Vec::new();
                    is_over = progress.go_on(value.view(), piece_bytes, &mut piece);
                    pieces.push(piece);
                }
                assert_eq!(pieces.concat(), whole);
                assert!(pieces.iter().all(|piece| piece.len() < 10_000 || piece_bytes > 10_000));
                let mut assembly = Assembly::of_pieces(&pieces[0]).expect("it is no integer");
                pieces.iter().for_each(|piece| assembly.add_piece(piece, &limits).expect("what was encoded"));
                assert!(assembly.is_whole());
                let built = assembly.finish(&limits);
                assert!(encoded(built.view()) == encoded(at_once.view()), "by {piece_bytes}: {} bytes", whole.len());
                assert_eq!(encoding(&built), encoding(&at_once));
            }
        }
    }

    #[test]
    fn a_stream_of_which_pieces_lack_is_not_whole() {
        let limits = EncodingLimits::default();
        let (mut progress, mut first) = (Progress::default(), Vec::new());
        let value = collections(100, &limits).pop().expect("the stream");
        assert!(!progress.go_on(value.view(), 100, &mut first));
        let mut assembly = Assembly::of_pieces(&first).expect("it is a stream");
        assembly.add_piece(&first, &limits).expect("what was encoded");
        assert!(!assembly.is_whole());
        assert_eq!(assembly.add_piece(&first, &limits), Err(DecodeError::Truncated));
    }

    #[test]
    fn a_broken_encoding_is_refused() {
        let limits = EncodingLimits::default();
        for value in collections(20, &limits) {
            let bytes = encoded(value.view());
            for len in 1..bytes.len() {
                let mut assembly = Assembly::begin(&bytes[..len]).expect("it has elements");
                let end = loop {
                    match assembly.go_on(&bytes[..len], 3, &limits) {
                        Ok(false) => {}
                        end => break end.is_ok(),
                    }
                };
                assert_eq!(end, decode(&bytes[..len]).is_ok(), "{len} bytes of {}", encoding(&value));
            }
        }
    }
}
