use super::*;
use proptest::prelude::*;
use values::EncodingLimits;

/// What an entry should be, kept in the plainest way.
#[derive(Clone, Debug)]
struct Model {
    key: Vec<u8>,
    string: Vec<u8>,
    header: Header,
    recent: bool,
    label: u16,
}

#[derive(Clone, Debug)]
enum Step {
    Replace(Vec<u8>),
    Overwrite(Vec<u8>, Header),
    SetInt(i64),
    Append(Vec<u8>),
    Patch(usize, Vec<u8>),
    Truncate(usize),
    Deadline(Option<u64>),
    Version(Option<Version>),
    Access(u32),
    Recent(bool),
    Label(u16),
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => prop::collection::vec(any::<u8>(), 0..80),
        1 => prop::collection::vec(any::<u8>(), 120..140),
        1 => prop::collection::vec(any::<u8>(), 2000..2200),
        1 => any::<i64>().prop_map(|int| int.to_string().into_bytes()),
    ]
}

fn version() -> impl Strategy<Value = Option<Version>> {
    prop::option::of(
        (any::<u64>(), any::<u16>())
            .prop_map(|(stamp, origin)| Version { stamp: Stamp(stamp), origin: OriginIndex(origin) }),
    )
}

fn header() -> impl Strategy<Value = Header> {
    (any::<Option<u64>>(), version(), 0u32..1 << 24).prop_map(|(deadline_ms, version, access)| Header {
        deadline_ms,
        version,
        access,
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        bytes().prop_map(Step::Replace),
        (bytes(), header()).prop_map(|(bytes, header)| Step::Overwrite(bytes, header)),
        any::<i64>().prop_map(Step::SetInt),
        bytes().prop_map(Step::Append),
        (0usize..200, bytes()).prop_map(|(offset, bytes)| Step::Patch(offset, bytes)),
        (0usize..300).prop_map(Step::Truncate),
        any::<Option<u64>>().prop_map(Step::Deadline),
        version().prop_map(Step::Version),
        (0u32..1 << 24).prop_map(Step::Access),
        any::<bool>().prop_map(Step::Recent),
        any::<u16>().prop_map(Step::Label),
    ]
}

impl Step {
    fn apply(&self, entry: &mut Entry, model: &mut Model) {
        match self {
            Step::Replace(bytes) => {
                entry.replace_string(bytes);
                model.string = bytes.clone();
            }
            Step::Overwrite(bytes, header) => {
                entry.overwrite(NewValue::Bytes(bytes), *header);
                model.string = bytes.clone();
                model.header = *header;
            }
            Step::SetInt(int) => {
                entry.set_int(*int);
                model.string = int.to_string().into_bytes();
            }
            Step::Append(bytes) => {
                model.string.extend_from_slice(bytes);
                assert_eq!(append(entry, bytes), Some(model.string.len()));
            }
            Step::Patch(offset, bytes) => {
                let end = offset + bytes.len();
                model.string.resize(model.string.len().max(end), 0);
                model.string[*offset..end].copy_from_slice(bytes);
                assert_eq!(entry.patch(*offset, bytes), Some(model.string.len()));
            }
            Step::Truncate(len) => {
                entry.truncate(*len);
                model.string.truncate(*len);
            }
            Step::Deadline(deadline_ms) => {
                entry.set_deadline_ms(*deadline_ms);
                model.header.deadline_ms = *deadline_ms;
            }
            Step::Version(version) => {
                entry.set_version(*version);
                model.header.version = *version;
            }
            Step::Access(access) => {
                entry.set_access(*access);
                model.header.access = *access;
            }
            Step::Recent(on) => {
                entry.set_has_recent(*on);
                model.recent = *on;
            }
            Step::Label(label) => {
                entry.set_label(*label);
                model.label = *label;
            }
        }
    }
}

fn append(entry: &mut Entry, bytes: &[u8]) -> Option<usize> {
    entry.patch(entry.string_len()?, bytes)
}

fn string_of(entry: &Entry) -> Vec<u8> {
    match entry.value() {
        ValueRef::Int(int) => int.to_string().into_bytes(),
        ValueRef::Bytes(bytes) => bytes.to_vec(),
        other => panic!("not a string: {other:?}"),
    }
}

fn check(entry: &Entry, model: &Model) {
    assert_eq!(entry.key(), model.key);
    assert_eq!(string_of(entry), model.string);
    assert_eq!(entry.string_len(), Some(model.string.len()));
    assert_eq!(entry.header(), model.header);
    assert_eq!(entry.has_deadline(), model.header.deadline_ms.is_some());
    assert_eq!(entry.has_recent(), model.recent);
    assert_eq!(entry.label(), model.label);
    assert_eq!(entry.key_type(), KeyType::String);
    assert!(entry.heap_size() >= entry.key().len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 256 }))]
    #[test]
    fn an_entry_behaves_as_its_model(
        key in prop_oneof![prop::collection::vec(any::<u8>(), 0..40), prop::collection::vec(any::<u8>(), 100..300)],
        string in bytes(),
        header in header(),
        steps in prop::collection::vec(step(), 0..40),
    ) {
        let mut entry = Entry::new(&key, NewValue::Bytes(&string), header);
        let mut model = Model { key, string, header, recent: false, label: 0 };
        check(&entry, &model);
        for step in &steps {
            step.apply(&mut entry, &mut model);
            check(&entry, &model);
        }
        let value = match entry.into_value() {
            Value::Int(int) => int.to_string().into_bytes(),
            Value::Bytes(bytes) | Value::Verbatim(Verbatim { bytes, .. }) => bytes,
            Value::Long(text) => text.to_vec(),
            other => panic!("not a string: {other:?}"),
        };
        prop_assert_eq!(value, model.string);
    }

    #[test]
    fn printed_len_is_the_length_printed(int in any::<i64>(), shift in 0u32..64) {
        let int = int >> shift;
        prop_assert_eq!(printed_len(int), int.to_string().len());
    }
}

#[test]
fn integers_at_the_limits() {
    for int in [0, -1, 9, 10, i64::MAX, i64::MIN] {
        let entry = Entry::new(b"k", NewValue::Bytes(int.to_string().as_bytes()), Header::default());
        assert!(matches!(entry.value(), ValueRef::Int(found) if found == int));
        assert_eq!(printed_len(int), int.to_string().len());
    }
}

/// The memory targets of the design: 16 bytes of key and of value.
#[test]
fn sizes() {
    let size = |header| Entry::new(&[b'k'; 16], NewValue::Bytes(&[b'v'; 16]), header).heap_size();
    let version = Some(Version { stamp: Stamp(1), origin: OriginIndex(0) });
    assert_eq!(size(Header::default()), 40);
    assert_eq!(size(Header { version, ..Header::default() }), 48);
    assert_eq!(size(Header { deadline_ms: Some(1), ..Header::default() }), 48);
    assert_eq!(size_of::<Option<Entry>>(), 8);
}

#[test]
fn size_classes() {
    let classes: Vec<_> = (1..=320).map(size_class).collect();
    for (size, &class) in (1..).zip(&classes) {
        assert!(class >= size);
    }
    let mut distinct = classes;
    distinct.dedup();
    assert_eq!(distinct, [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320]);
}

/// As redis-server 7.0 answers OBJECT ENCODING.
#[test]
fn encodings() {
    let encoding = |bytes: &[u8]| Entry::new(b"k", NewValue::Bytes(bytes), Header::default()).encoding();
    assert_eq!(encoding(b"12345"), Encoding::Int);
    assert_eq!(encoding(b"-9223372036854775808"), Encoding::Int);
    assert_eq!(encoding(b"012"), Encoding::Embstr);
    assert_eq!(encoding(&[b'x'; 44]), Encoding::Embstr);
    assert_eq!(encoding(&[b'x'; 45]), Encoding::Raw);

    let mut entry = Entry::new(b"k", NewValue::Int(12), Header::default());
    append(&mut entry, b"3");
    assert_eq!(entry.encoding(), Encoding::Raw);
    assert!(matches!(entry.value(), ValueRef::Bytes(b"123")));
    entry.replace_string(b"abc");
    assert_eq!(entry.encoding(), Encoding::Embstr);
}

#[test]
fn a_long_string_grows_in_place() {
    let mut entry = Entry::new(b"k", NewValue::Bytes(&[b'x'; 3000]), Header::default());
    append(&mut entry, &[b'y'; 10_000]);
    let before = entry.heap_size();
    let mut steps = 0;
    for _ in 0..10_000 {
        let old = entry.heap_size();
        append(&mut entry, b"z");
        steps += (entry.heap_size() != old) as usize;
    }
    assert!(entry.heap_size() > before && steps <= 2, "{steps} reallocations");
    assert_eq!(entry.string_len(), Some(23_000));
}

#[test]
fn keys_are_told_apart_at_every_byte() {
    for len in 0..70 {
        let key: Vec<u8> = (0..len).collect();
        let entry = Entry::new(&key, NewValue::Int(1), Header::default());
        assert!(entry.is_key(&key));
        assert!(!entry.is_key(&[&key[..], b"x"].concat()));
        for at in 0..key.len() {
            let mut other = key.clone();
            other[at] ^= 1;
            assert!(!entry.is_key(&other), "byte {at} of {len}");
            assert!(!entry.is_key(&key[..at]));
        }
    }
}

/// Every way for a collection to leave its entry; under Miri also: nothing is lost or freed twice.
#[test]
fn collections_keep_their_place() {
    let limits = EncodingLimits::default();
    let version = Some(Version { stamp: Stamp(7), origin: OriginIndex(1) });
    let mut entry = Entry::new(b"set", NewValue::Set(Set::new()), Header::default());
    for member in [&b"one"[..], b"two", &[b'x'; 100]] {
        assert!(entry.set_mut().unwrap().insert(member, &limits));
    }
    entry.set_deadline_ms(Some(5));
    entry.set_version(version);
    entry.set_deadline_ms(None);
    assert!(matches!(entry.value(), ValueRef::Set(set) if set.len() == 3 && set.contains(b"two")));
    assert_eq!((entry.key_type(), entry.encoding()), (KeyType::Set, Encoding::Hashtable));
    assert_eq!((entry.header().version, entry.string_len(), append(&mut entry, b"x")), (version, None, None));
    assert!(entry.hash_mut().is_none() && entry.heap_size() > 100);

    let mut hash = Hash::new();
    hash.insert(b"field", b"value", &limits);
    entry.overwrite(NewValue::Hash(hash), Header::default());
    assert_eq!((entry.key_type(), entry.encoding()), (KeyType::Hash, Encoding::Listpack));
    assert!(entry.set_mut().is_none());
    assert!(!entry.hash_mut().unwrap().insert(b"field", b"other", &limits));
    assert!(entry.heap_size() < 64, "the hash lies in the entry");
    let Value::Hash(hash) = entry.into_value() else { panic!("a hash went in") };
    assert!(hash.contains(b"field"));

    let mut entry = Entry::new(b"hash", NewValue::Hash(hash), Header::default());
    entry.replace_string(b"a string now");
    assert!(matches!(entry.value(), ValueRef::Bytes(b"a string now")));
    let mut set = Set::new();
    set.insert(b"1", &limits);
    entry.overwrite(NewValue::Set(set), Header::default());
    assert!(matches!(entry.into_value(), Value::Set(set) if set.view().encoding() == Encoding::Intset));
}

/// What may happen to a hash in its entry.
#[derive(Clone, Debug)]
enum HashStep {
    Insert(u8, Vec<u8>),
    Remove(u8),
    /// Of a field; or of the key.
    FieldDeadline(u8, Option<u64>),
    Deadline(Option<u64>),
    Version(Option<Version>),
    /// As if it came from another node.
    Replace,
}

fn hash_step() -> impl Strategy<Value = HashStep> {
    let value = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..30),
        any::<i64>().prop_map(|int| int.to_string().into_bytes()),
        prop::collection::vec(any::<u8>(), 60..70),
    ];
    prop_oneof![
        8 => (0u8..20, value).prop_map(|(field, value)| HashStep::Insert(field, value)),
        3 => (0u8..20).prop_map(HashStep::Remove),
        1 => (0u8..20, any::<Option<u64>>()).prop_map(|(field, at)| HashStep::FieldDeadline(field, at)),
        1 => any::<Option<u64>>().prop_map(HashStep::Deadline),
        1 => version().prop_map(HashStep::Version),
        1 => Just(HashStep::Replace),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 256 }))]
    /// Within the entry or beside it, with whatever comes before it: the hash is the same.
    #[test]
    fn a_hash_in_an_entry_is_a_map(steps in prop::collection::vec(hash_step(), 0..60)) {
        let limits = EncodingLimits::default();
        let mut entry = Entry::new(b"hash", NewValue::Hash(Hash::new()), Header::default());
        let mut model = std::collections::BTreeMap::<Vec<u8>, Vec<u8>>::new();
        for step in steps {
            match step {
                HashStep::Insert(field, value) => {
                    let is_new = model.insert(vec![field], value.clone()).is_none();
                    prop_assert_eq!(entry.hash_mut().unwrap().insert(&[field], &value, &limits), is_new);
                }
                HashStep::Remove(field) => {
                    let was_there = model.remove(&[field][..]).is_some();
                    prop_assert_eq!(entry.hash_mut().unwrap().remove(&[field]), was_there);
                }
                HashStep::FieldDeadline(field, at) => {
                    entry.change_deadlines(|fields| fields.set_deadline_ms(&[field], at)).unwrap();
                    let expected = at.filter(|_| model.contains_key(&[field][..]));
                    prop_assert_eq!(entry.expiring().and_then(|fields| fields.deadline_ms(&[field])), expected);
                }
                HashStep::Deadline(at) => entry.set_deadline_ms(at),
                HashStep::Version(version) => entry.set_version(version),
                HashStep::Replace => {
                    let header = entry.header();
                    let Value::Hash(hash) = entry.into_value() else { panic!("a hash went in") };
                    entry = Entry::new(b"hash", NewValue::Hash(hash), header);
                }
            }
            let ValueRef::Hash(hash) = entry.value() else { panic!("a hash went in") };
            let found: std::collections::BTreeMap<_, _> =
                hash.iter().map(|(field, value)| (field.to_vec(), value.to_vec())).collect();
            prop_assert_eq!((&found, hash.len()), (&model, model.len()));
            prop_assert_eq!((entry.key(), entry.key_type()), (&b"hash"[..], KeyType::Hash));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 256 }))]
    /// The same for a set: integers, then words, then so many of them that it does not fit any more.
    #[test]
    fn a_set_in_an_entry_is_a_set(
        steps in prop::collection::vec((any::<bool>(), prop_oneof!["[0-9]{1,6}", "[0-9]{1,2}", "[a-z]{1,20}"]), 0..80),
        words_from in 0usize..80,
        version in version(),
    ) {
        let limits = EncodingLimits::default();
        let mut entry = Entry::new(b"set", NewValue::Set(Set::new()), Header::default());
        let mut model = std::collections::BTreeSet::<Vec<u8>>::new();
        for (number, (joins, member)) in steps.into_iter().enumerate() {
            let member = if number < words_from { member.len().to_string() } else { member }.into_bytes();
            if joins {
                prop_assert_eq!(entry.set_mut().unwrap().insert(&member, &limits), model.insert(member));
            } else {
                prop_assert_eq!(entry.set_mut().unwrap().remove(&member), model.remove(&member));
            }
            entry.set_version(version.filter(|_| number % 3 == 0));
            let ValueRef::Set(set) = entry.value() else { panic!("a set went in") };
            prop_assert_eq!(set.iter().map(|member| member.to_vec()).collect::<std::collections::BTreeSet<_>>(), model.clone());
            prop_assert!(entry.heap_size() >= model.iter().map(Vec::len).sum::<usize>() / 4);
        }
        let Value::Set(set) = entry.into_value() else { panic!("a set went in") };
        prop_assert!(set.len() == model.len() && model.iter().all(|member| set.contains(member)));
    }
}

#[test]
fn strings_have_no_collection() {
    let mut entry = Entry::new(b"k", NewValue::Bytes(b"v"), Header::default());
    assert!(entry.set_mut().is_none());
    assert!(entry.hash_mut().is_none());
}
