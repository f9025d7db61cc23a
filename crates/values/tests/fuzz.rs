//! Arbitrary bytes are no danger as listpacks and intsets: they are refused, or safe to read and to change.

use values::{Element, Intset, Listpack};

fn listpack_of(elements: &[&[u8]]) -> Vec<u8> {
    let mut listpack = Listpack::new();
    elements.iter().for_each(|element| listpack.push(element));
    listpack.as_bytes().to_vec()
}

fn check_listpack(bytes: &[u8]) {
    let Ok(mut listpack) = Listpack::from_bytes(bytes.to_vec()) else { return };
    let elements: Vec<Vec<u8>> = listpack.iter().map(Element::to_vec).collect();
    assert_eq!(elements.len(), listpack.len());
    let mut backwards = Vec::new();
    let mut at = listpack.end();
    while let Some(previous) = listpack.previous(at) {
        backwards.push(listpack.get(previous).expect("an entry").to_vec());
        at = previous;
    }
    assert!(backwards.iter().rev().eq(&elements));
    if let Some(first) = listpack.offset_of(0) {
        listpack.replace(first, b"replaced");
        listpack.insert(first, b"-1");
        listpack.remove(first, 2);
    }
    assert!(listpack.iter().map(Element::to_vec).eq(elements.into_iter().skip(1)));
}

/// The same entries with a header that fits them, so that mutations get past it.
fn with_header(bytes: &[u8]) -> Vec<u8> {
    let entries = bytes.get(6..bytes.len().saturating_sub(1)).unwrap_or_default();
    let total = entries.len() as u32 + 7;
    [&total.to_le_bytes()[..], &[0xff, 0xff], entries, &[0xff]].concat()
}

#[test]
fn listpacks() {
    let corpus = [
        listpack_of(&[]),
        listpack_of(&[b"0", b"127", b"-1", b"4095", b"-32768", b"8388607", b"-2147483648", b"9223372036854775807"]),
        listpack_of(&[b"a", b"", &[b'x'; 63], &[b'y'; 64], &[b'z'; 200]]),
        listpack_of(&[&[b'l'; 4000], b"1"]),
    ];
    let corpus: Vec<&[u8]> = corpus.iter().map(Vec::as_slice).collect();
    testkit::fuzz::run(&corpus, |input| {
        check_listpack(input);
        check_listpack(&with_header(input));
    });
}

#[test]
fn intsets() {
    let corpus: [&[u8]; 3] = [
        &[2, 0, 0, 0, 3, 0, 0, 0, 0xff, 0xff, 5, 0, 0x2c, 1],
        &[4, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0x80, 1, 0, 0, 0],
        &[8, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8],
    ];
    testkit::fuzz::run(&corpus, |input| {
        let Ok(mut intset) = Intset::from_bytes(input.to_vec()) else { return };
        let integers: Vec<i64> = intset.iter().collect();
        assert!(integers.is_sorted_by(|a, b| a < b));
        assert!(integers.iter().all(|&value| intset.contains(value)));
        intset.insert(i64::MIN);
        intset.insert(0);
        assert_eq!(Intset::from_bytes(intset.as_bytes().to_vec()), Ok(intset));
    });
}
