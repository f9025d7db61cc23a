//! Lists in the model: elements with their names, executed literally.

use effect::{Creator, End, Identities, Items, Origin, Stamp, Step};

/// Who put an element into a list, when, and which one of those that came with it.
type Name = (Option<Origin>, Stamp, i64);

/// What was removed stays in its place, for those who name it afterwards.
struct Element {
    name: Name,
    value: Option<Vec<u8>>,
}

#[derive(Default)]
pub struct List {
    elements: Vec<Element>,
}

fn names(identities: &Identities<'_>, author: Origin) -> Vec<Name> {
    let of_run = |run: effect::IdentityRun| {
        let origin = match run.creator {
            Creator::Author => Some(author),
            Creator::Origin(origin) => Some(origin),
            Creator::Nobody => None,
            Creator::Position => unreachable!("there are others"),
        };
        (0..run.count).map(move |at| match run.step {
            Step::Index => (origin, run.stamp, run.index + at as i64),
            Step::Later => (origin, run.stamp.plus(at), run.index),
            Step::Earlier => (origin, Stamp(run.stamp.0 - at), run.index),
        })
    };
    identities.iter().flat_map(of_run).collect()
}

impl List {
    /// What a Put made.
    pub fn new(values: Vec<Vec<u8>>, origin: Origin, stamp: Stamp) -> List {
        let element = |(index, value)| Element { name: (Some(origin), stamp, index), value: Some(value) };
        List { elements: (0..).zip(values).map(element).collect() }
    }

    pub fn push(&mut self, end: End, values: &Items<'_>, origin: Origin, stamp: Stamp) {
        for (number, value) in (0..).zip(values.iter()) {
            let (place, index) = match end {
                End::Head => (0, -1 - number),
                End::Tail => (self.elements.len(), number),
            };
            self.elements.insert(place, Element { name: (Some(origin), stamp, index), value: Some(value.to_vec()) });
        }
    }

    pub fn insert(&mut self, anchor: &Identities<'_>, toward: End, value: &[u8], origin: Origin, stamp: Stamp) {
        let anchor = names(anchor, origin)[0];
        let place = match (self.elements.iter().position(|element| element.name == anchor), toward) {
            (Some(place), End::Head) => place,
            (Some(place), End::Tail) => place + 1,
            (None, End::Head) => 0,
            (None, End::Tail) => self.elements.len(),
        };
        self.elements.insert(place, Element { name: (Some(origin), stamp, 0), value: Some(value.to_vec()) });
    }

    pub fn remove(&mut self, elements: &Identities<'_>, author: Origin) {
        self.named(elements, author).for_each(|element| element.value = None);
    }

    pub fn set(&mut self, element: &Identities<'_>, value: &[u8], author: Origin) {
        self.named(element, author).for_each(|element| element.value = Some(value.to_vec()));
    }

    fn named(&mut self, identities: &Identities<'_>, author: Origin) -> impl Iterator<Item = &mut Element> {
        let names = names(identities, author);
        self.elements.iter_mut().filter(move |element| element.value.is_some() && names.contains(&element.name))
    }

    pub fn into_values(self) -> Vec<Vec<u8>> {
        self.elements.into_iter().filter_map(|element| element.value).collect()
    }
}
