//! The digest of DEBUG DIGEST: the same on two servers with the same data, whatever the order of keys
//! and elements, and the same as Redis's.

use keyspace::{KeyType, StringRef, View};
use sha1::{Digest as _, Sha1};

const LENGTH: usize = 20;
/// How many keys a step of the walk asks for.
const WALK_STEP: usize = 1000;

/// Twenty bytes that elements are added to.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Digest([u8; LENGTH]);

impl Digest {
    /// Adds an element; the order of additions does not matter.
    fn add(&mut self, bytes: &[u8]) {
        for (byte, hashed) in self.0.iter_mut().zip(Sha1::digest(bytes)) {
            *byte ^= hashed;
        }
    }

    /// Adds an element whose place matters.
    fn append(&mut self, bytes: &[u8]) {
        self.add(bytes);
        self.0 = Sha1::digest(self.0).into();
    }

    pub(super) fn hexadecimal(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The value of a key, and whether it has a deadline; nothing where there is no key.
    pub(super) fn add_value(&mut self, view: &View<'_>, key: &[u8]) {
        let Some(key_type) = view.type_of(key) else { return };
        // Redis's numbers of the types.
        let number: u32 = match key_type {
            KeyType::String => 0,
            KeyType::Set => 2,
            KeyType::Hash => 4,
        };
        self.append(&number.to_be_bytes());
        match key_type {
            KeyType::String => match view.string(key) {
                Ok(Some(StringRef::Bytes(bytes))) => self.append(bytes),
                Ok(Some(StringRef::Int(number))) => self.append(itoa::Buffer::new().format(number).as_bytes()),
                _ => {}
            },
            KeyType::Set => {
                if let Ok(Some(set)) = view.set(key) {
                    set.for_each(|member| self.add(member));
                }
            }
            KeyType::Hash => {
                if let Ok(Some(hash)) = view.hash(key) {
                    hash.for_each(|field, value| {
                        let mut pair = Digest::default();
                        pair.append(field);
                        pair.append(value);
                        self.add(&pair.0);
                    });
                }
            }
        }
        if view.deadline_ms(key).flatten().is_some() {
            self.add(b"!!expire!!");
        }
    }

    /// Every key of the view's database.
    pub(super) fn add_database(&mut self, view: &View<'_>) {
        if view.db_size() == 0 {
            return;
        }
        self.append(&view.db().to_be_bytes());
        let mut cursor = 0;
        loop {
            cursor = view.scan(cursor, WALK_STEP, |key, _| {
                let mut entry = Digest::default();
                entry.append(key);
                entry.add_value(view, key);
                self.add(&entry.0);
            });
            if cursor == 0 {
                return;
            }
        }
    }
}
