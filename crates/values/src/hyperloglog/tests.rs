use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

const SPARSE_MAX: usize = 3000;

fn raise_all(bytes: &mut Vec<u8>, raised: &[(u16, u8)], sparse_max: usize) {
    raise(bytes, raised.iter().copied(), sparse_max).unwrap();
}

/// Few registers, so that runs meet.
fn raised() -> impl Strategy<Value = Vec<(u16, u8)>> {
    let near = (0..40u16, 1..6u8);
    let far = (0..REGISTERS as u16, 1..=MAX_VALUE);
    prop_oneof![vec(near.clone(), 0..80), vec(prop_oneof![30 => near, 1 => far], 0..80)]
}

proptest! {
    #[test]
    fn registers_are_raised_in_both_encodings(raised in raised(), sparse_max in prop_oneof![Just(SPARSE_MAX), 1..60usize]) {
        let mut model = [0; REGISTERS];
        raised.iter().for_each(|&(index, value)| model[index as usize] = model[index as usize].max(value));
        let (mut sparse, mut dense) = (empty(), empty());
        raise_all(&mut sparse, &raised, sparse_max);
        raise_all(&mut dense, &raised, 0);
        prop_assert_eq!(encoding(&dense), Ok(Encoding::Dense));
        for bytes in [&sparse, &dense] {
            prop_assert!(registers(bytes).unwrap()[..] == model[..]);
            prop_assert_eq!(count(bytes), Ok(estimate(&model)));
            prop_assert_eq!(cached_count(bytes), None);
        }
        let is_wide = raised.iter().any(|(_, value)| *value > SPARSE_VALUE_MAX);
        prop_assert_eq!(encoding(&sparse) == Ok(Encoding::Dense), is_wide || sparse.len() == HEADER + DENSE_BYTES);
        prop_assert!(encoding(&sparse) == Ok(Encoding::Dense) || sparse.len() <= sparse_max.max(empty().len()));
        make_dense(&mut sparse).unwrap();
        prop_assert!(sparse == dense);
    }

    #[test]
    fn any_bytes_are_survived(mut bytes in vec(any::<u8>(), 0..60), header: bool, index: u16, value: u8) {
        if header {
            let mut sound = empty();
            sound.truncate(HEADER);
            sound.append(&mut bytes);
            bytes = sound;
        }
        let before = bytes.clone();
        let sound = registers(&bytes).is_ok();
        prop_assert_eq!(count(&bytes).is_ok(), sound);
        describe(&bytes);
        cached_count(&bytes);
        let raised = raise(&mut bytes, [(index, value)].into_iter(), SPARSE_MAX);
        prop_assert_eq!(raised.is_ok(), sound);
        prop_assert!(sound || bytes == before);
        if sound {
            prop_assert!(registers(&bytes).unwrap()[index as usize % REGISTERS] >= value & REGISTER_MASK);
        }
    }
}

#[test]
fn the_estimate_is_near() {
    let mut bytes = empty();
    assert_eq!(count(&bytes), Ok(0));
    let mut added = 0u64;
    for checkpoint in [1u64, 10, 100, 1000, 10_000, 100_000] {
        let elements = (added..checkpoint).map(u64::to_le_bytes);
        raise(&mut bytes, elements.map(|element| register_of(&element)), SPARSE_MAX).unwrap();
        added = checkpoint;
        let error = count(&bytes).unwrap().abs_diff(checkpoint);
        assert!(error <= checkpoint / 20, "{error} at {checkpoint}");
    }
    assert_eq!(encoding(&bytes), Ok(Encoding::Dense));
}

#[test]
fn runs_are_described() {
    let mut bytes = empty();
    assert_eq!(describe(&bytes).unwrap(), "Z:16384");
    raise_all(&mut bytes, &[(100, 3), (101, 3), (103, 3), (102, 3), (104, 3)], SPARSE_MAX);
    assert_eq!(describe(&bytes).unwrap(), "Z:100 v:3,4 v:3,1 Z:16279");
    raise_all(&mut bytes, &[(101, 7), (10, 1)], SPARSE_MAX);
    assert_eq!(describe(&bytes).unwrap(), "z:10 v:1,1 Z:89 v:3,1 v:7,1 v:3,3 Z:16279");
    assert_eq!(describe(b"HYLL"), None);
}

#[test]
fn what_is_no_hyperloglog_is_told_apart() {
    assert_eq!(encoding(b""), Err(Invalid::Foreign));
    assert_eq!(encoding(b"HYLL"), Err(Invalid::Foreign));
    let mut bytes = empty();
    bytes[ENCODING] = 2;
    assert_eq!(encoding(&bytes), Err(Invalid::Foreign));
    bytes[ENCODING] = 0;
    assert_eq!(encoding(&bytes), Err(Invalid::Foreign));
    bytes[ENCODING] = 1;
    bytes.push(0);
    assert_eq!(count(&bytes), Err(Invalid::Corrupted));
    bytes.truncate(HEADER + 1);
    assert_eq!(count(&bytes), Err(Invalid::Corrupted));
}
