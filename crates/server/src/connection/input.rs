//! Bytes between the socket and the session.

/// Bytes that were received and not yet executed: the beginning of a request, mostly nothing.
#[derive(Default)]
pub struct Input {
    /// All of it is initialised; `start..end` counts.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    const MIN_BYTES: usize = 16 * 1024;

    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[self.start..self.end]
    }

    pub fn len(&self) -> usize {
        self.end - self.start
    }

    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub fn capacity(&self) -> usize {
        self.buffer.len()
    }

    pub fn push(&mut self, bytes: &[u8]) {
        if self.buffer.len() - self.end < bytes.len() {
            self.make_room(bytes.len().max(self.len()));
        }
        self.buffer[self.end..self.end + bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
    }

    /// Room to read into; `filled` says how much of it was used. `missing`: so many bytes were announced, which is
    /// believed as far as a multiple of what was really received. What is not filled is no memory yet: the system gives
    /// pages when they are written.
    pub fn room(&mut self, missing: usize) -> &mut [u8] {
        const BELIEVED: usize = 8;
        if self.buffer.len() - self.end < missing.clamp(1, Input::MIN_BYTES / 2) {
            let wanted = missing.min(BELIEVED * self.len()) + Input::MIN_BYTES;
            // A request of many arguments lacks a little many times; one that lacks much will be complete with that.
            self.make_room(if missing < self.len() / 8 { wanted.max(self.len()) } else { wanted });
        }
        &mut self.buffer[self.end..]
    }

    pub fn filled(&mut self, count: usize) {
        self.end += count;
    }

    /// Forgets bytes at the front; the memory goes with the last of them.
    pub fn consume(&mut self, count: usize) {
        self.start += count;
        if self.is_empty() {
            *self = Input::default();
        }
    }

    fn make_room(&mut self, bytes: usize) {
        let len = self.len();
        if self.start > 0 && (self.buffer.len() - len) >= bytes.max(len) {
            self.buffer.copy_within(self.start..self.end, 0);
        } else {
            let mut larger = vec![0; (len + bytes).max(Input::MIN_BYTES)];
            larger[..len].copy_from_slice(self.bytes());
            self.buffer = larger;
        }
        self.start = 0;
        self.end = len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever is pushed, read into and consumed: what is left is what a queue of bytes would hold.
        #[test]
        fn input_is_a_queue_of_bytes(steps in prop::collection::vec((0usize..40_000, 0usize..40_000, any::<bool>()), 0..30)) {
            let mut input = Input::default();
            let mut model: Vec<u8> = Vec::new();
            let (mut next, mut most) = (0u8, 0);
            for (add, remove, by_reading) in steps {
                let bytes: Vec<u8> = (0..add).map(|_| { next = next.wrapping_add(1); next }).collect();
                if by_reading {
                    let mut rest = &bytes[..];
                    while !rest.is_empty() {
                        let room = input.room(remove);
                        let count = room.len().min(rest.len());
                        room[..count].copy_from_slice(&rest[..count]);
                        input.filled(count);
                        rest = &rest[count..];
                    }
                } else {
                    input.push(&bytes);
                }
                model.extend_from_slice(&bytes);
                most = most.max(model.len());
                let remove = remove.min(model.len());
                input.consume(remove);
                model.drain(..remove);
                prop_assert_eq!(input.bytes(), &model[..]);
                most = if model.is_empty() { 0 } else { most };
                prop_assert!(input.capacity() <= 9 * most + 2 * Input::MIN_BYTES);
            }
        }
    }
}
