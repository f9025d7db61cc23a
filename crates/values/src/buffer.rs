//! Buffers that grow and shrink by the allocator's size classes, not by doubling: a small
//! collection costs what it holds.

use stdx::size_class;

/// Makes room for `additional` more bytes.
pub(crate) fn reserve<T>(buffer: &mut Vec<T>, additional: usize) {
    let needed = buffer.len() + additional;
    if needed > buffer.capacity() {
        buffer.reserve_exact(size_class(needed * size_of::<T>()) / size_of::<T>() - buffer.len());
    }
}

/// Gives memory back where more than half of it is unused.
pub(crate) fn shrink<T>(buffer: &mut Vec<T>) {
    let wanted = size_class(buffer.len() * size_of::<T>()) / size_of::<T>();
    if buffer.capacity() * size_of::<T>() > 64 && buffer.capacity() >= 2 * wanted {
        buffer.shrink_to(wanted);
    }
}

/// Makes the `old_len` bytes at `at` into `new_len` bytes, moving what follows. What the range
/// holds afterwards is for the caller to write.
pub(crate) fn resize_range(buffer: &mut Vec<u8>, at: usize, old_len: usize, new_len: usize) {
    let len = buffer.len();
    if new_len > old_len {
        reserve(buffer, new_len - old_len);
        buffer.resize(len + new_len - old_len, 0);
        buffer.copy_within(at + old_len..len, at + new_len);
    } else if new_len < old_len {
        buffer.copy_within(at + old_len..len, at + new_len);
        buffer.truncate(len - (old_len - new_len));
        shrink(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_grows_and_shrinks_in_place() {
        let mut buffer = b"abcdef".to_vec();
        resize_range(&mut buffer, 2, 1, 3);
        assert_eq!((&buffer[..2], &buffer[5..]), (&b"ab"[..], &b"def"[..]));
        resize_range(&mut buffer, 2, 3, 0);
        assert_eq!(buffer, b"abdef");
    }
}
