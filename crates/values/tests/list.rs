//! Lists against a deque.

#![allow(clippy::single_range_in_vec_init)]

use proptest::prelude::*;
use std::collections::VecDeque;
use std::ops::Range;
use values::{Element, Encoding, EncodingLimits, List};

#[derive(Clone, Debug)]
enum Edit {
    PushBack(Vec<Vec<u8>>),
    PushFront(Vec<Vec<u8>>),
    Insert(usize, Vec<u8>),
    Replace(usize, Vec<u8>),
    Remove(Vec<(usize, usize)>),
}

fn element() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => any::<i32>().prop_map(|number| number.to_string().into_bytes()),
        4 => prop::collection::vec(any::<u8>(), 0..40),
        1 => (1000..9000usize).prop_map(|len| vec![b'x'; len]),
    ]
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        2 => prop::collection::vec(element(), 1..12).prop_map(Edit::PushBack),
        2 => prop::collection::vec(element(), 1..12).prop_map(Edit::PushFront),
        3 => (any::<usize>(), element()).prop_map(|(index, element)| Edit::Insert(index, element)),
        2 => (any::<usize>(), element()).prop_map(|(index, element)| Edit::Replace(index, element)),
        2 => prop::collection::vec((0..9usize, 1..6usize), 1..4).prop_map(Edit::Remove),
    ]
}

fn limits() -> impl Strategy<Value = EncodingLimits> {
    (prop_oneof![Just(-1), Just(-2), 0..6i32], prop_oneof![2 => Just(0usize), 1 => 1..30usize]).prop_map(
        |(list_max_listpack_size, list_packed_threshold)| EncodingLimits {
            list_max_listpack_size,
            list_packed_threshold,
            ..EncodingLimits::default()
        },
    )
}

fn slices(elements: &[Vec<u8>]) -> impl Iterator<Item = &[u8]> + Clone {
    elements.iter().map(Vec::as_slice)
}

/// Gaps and lengths as ranges within `len`.
fn ranges(gaps: &[(usize, usize)], len: usize) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut at = 0;
    for (gap, count) in gaps {
        let start = at + gap + usize::from(!ranges.is_empty());
        let end = (start + count).min(len);
        if start < end {
            ranges.push(start..end);
        }
        at = start + count;
    }
    ranges
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_list_is_a_sequence(edits in prop::collection::vec(edit(), 1..60), limits in limits()) {
        let mut list = List::new();
        let mut model: VecDeque<Vec<u8>> = VecDeque::new();
        for edit in edits {
            match edit {
                Edit::PushBack(elements) => {
                    list.push_back(slices(&elements), &limits);
                    model.extend(elements);
                }
                Edit::PushFront(elements) => {
                    list.push_front(slices(&elements), &limits);
                    elements.into_iter().for_each(|element| model.push_front(element));
                }
                Edit::Insert(index, element) => {
                    let index = index % (model.len() + 1);
                    list.insert(index, &element, &limits);
                    model.insert(index, element);
                }
                Edit::Replace(index, element) => {
                    let index = index % (model.len() + 1);
                    prop_assert_eq!(list.replace(index, &element, &limits), index < model.len());
                    if let Some(place) = model.get_mut(index) {
                        *place = element;
                    }
                }
                Edit::Remove(gaps) => {
                    let ranges = ranges(&gaps, model.len());
                    list.remove(&ranges, &limits);
                    for range in ranges.into_iter().rev() {
                        model.drain(range);
                    }
                }
            }
            prop_assert_eq!((list.len(), list.is_empty()), (model.len(), model.is_empty()));
            let middle = model.len() / 2;
            prop_assert_eq!(list.get(middle).map(Element::to_vec), model.get(middle).cloned());
            prop_assert!(list.iter_from(middle).map(Element::to_vec).eq(model.iter().skip(middle).cloned()));
        }
        prop_assert_eq!(list.iter().len(), model.len());
        prop_assert!(list.iter().map(Element::to_vec).eq(model.iter().cloned()));
        prop_assert!(list.iter_back().map(Element::to_vec).eq(model.iter().rev().cloned()));
        for index in 0..=model.len() {
            prop_assert_eq!(list.get(index).map(Element::to_vec), model.get(index).cloned());
        }
        let copy = List::from_elements(model.iter().map(Vec::as_slice), &limits);
        prop_assert!(copy.iter().map(Element::to_vec).eq(model.iter().cloned()));
    }
}

fn repeated(element: &[u8], count: usize) -> impl Iterator<Item = &[u8]> + Clone {
    std::iter::repeat_n(element, count)
}

#[test]
fn the_encoding_follows_the_size() {
    let limits = EncodingLimits { list_max_listpack_size: 4, ..EncodingLimits::default() };
    let mut list = List::new();
    list.push_back(repeated(b"a", 4), &limits);
    assert_eq!(list.encoding(), Encoding::Listpack);
    list.push_front(repeated(b"a", 1), &limits);
    assert_eq!(list.encoding(), Encoding::Quicklist);
    list.remove(&[0..2], &limits);
    assert_eq!(list.encoding(), Encoding::Quicklist, "not below half of the limit yet");
    list.remove(&[0..1], &limits);
    assert_eq!(list.encoding(), Encoding::Listpack);

    let limits = EncodingLimits::default();
    let mut list = List::new();
    list.push_back(repeated(&[b'x'; 8000], 1), &limits);
    assert_eq!(list.encoding(), Encoding::Listpack);
    list.replace(0, &[b'x'; 9000], &limits);
    assert_eq!(list.encoding(), Encoding::Quicklist);
    list.replace(0, b"x", &limits);
    assert_eq!(list.encoding(), Encoding::Listpack);
}

/// Empty elements in one go: none of them counts for Redis's estimate, and there are more than a header can count.
#[test]
fn a_listpack_of_more_elements_than_its_header_counts() {
    let limits = EncodingLimits::default();
    let mut list = List::new();
    list.push_back(repeated(b"", 70_000), &limits);
    assert_eq!((list.encoding(), list.len()), (Encoding::Listpack, 70_000));
    assert_eq!(list.get(69_999), Some(Element::Bytes(b"")));
    list.push_back(repeated(b"last", 1), &limits);
    assert_eq!((list.encoding(), list.len()), (Encoding::Quicklist, 70_001));
    assert_eq!(list.get(70_000), Some(Element::Bytes(b"last")));
    list.remove(&[1..70_000], &limits);
    assert_eq!(list.iter().map(Element::to_vec).collect::<Vec<_>>(), [b"".to_vec(), b"last".to_vec()]);
}

#[test]
fn memory_is_that_of_the_elements() {
    let limits = EncodingLimits::default();
    let mut list = List::new();
    for _ in 0..100_000 {
        list.push_back(repeated(b"fifteen bytes..", 1), &limits);
    }
    let per_element = list.heap_size() as f64 / list.len() as f64;
    assert!(per_element < 17.5, "{per_element}");
}

#[test]
fn a_clone_of_a_long_list_is_not_touched_by_what_happens_to_the_other() {
    const ELEMENTS: usize = 50_000;
    let limits = EncodingLimits::default();
    let element = |number: usize| format!("element:{number}").into_bytes();
    let all: Vec<Vec<u8>> = (0..ELEMENTS).map(element).collect();
    let mut list = List::from_elements(all.iter().map(Vec::as_slice), &limits);
    let clone = list.clone();
    list.remove(&[0..10, 1000..40_000], &limits);
    list.insert(20, b"inserted", &limits);
    list.replace(30, b"replaced", &limits);
    list.push_front([&b"first"[..]].into_iter(), &limits);
    list.push_back([&b"last"[..]].into_iter(), &limits);
    assert_eq!((list.len(), clone.len()), (ELEMENTS - 10 - 39_000 + 3, ELEMENTS));
    assert!(clone.iter().map(|element| element.to_vec()).eq(all));
}
