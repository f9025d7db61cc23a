//! What an allocator makes of a request for memory.

/// The allocation that `bytes` take: jemalloc's size classes, in steps of 8 bytes up to 64, then four per doubling.
#[inline]
pub fn size_class(bytes: usize) -> usize {
    let step = if bytes <= 64 { 8 } else { 1 << ((bytes - 1).ilog2() - 2) };
    bytes.next_multiple_of(step)
}

/// What the elements of a vector take, room for more included.
pub fn vector_bytes<T>(vector: &Vec<T>) -> usize {
    size_class(vector.capacity() * size_of::<T>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_classes_are_those_of_the_allocator() {
        let classes = [0, 1, 8, 9, 64, 65, 80, 81, 128, 129, 160, 161, 1024, 1025].map(size_class);
        assert_eq!(classes, [0, 8, 8, 16, 64, 80, 80, 96, 128, 160, 160, 192, 1024, 1280]);
    }

    #[test]
    fn room_for_more_counts() {
        assert_eq!(vector_bytes::<u64>(&Vec::new()), 0);
        assert_eq!(vector_bytes(&Vec::<u64>::with_capacity(9)), 80);
    }
}
