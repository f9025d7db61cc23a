//! What own commits take for seen while a data set is on its way.
//!
//! What is written meanwhile meets parts of the data set, and not all of it: it may name what only the data set has brought, and
//! a clear kills what is there of it already. So from the beginning on own effects are made as if all of it were here. The first
//! record says so: whoever receives it needs that first. It is not part of what this node is known to have, as it may yet not come.

use effect::{Origin, Stamp, VersionVector};

#[derive(Default)]
pub(crate) struct Assumptions {
    /// In the order in which the data sets began.
    list: Vec<Assumption>,
}

struct Assumption {
    /// Commits with such a context version, or a higher one …
    from: u64,
    /// … and not with this or a higher one, which have seen it. `None`: it is not here yet.
    until: Option<u64>,
    /// A record has said so.
    is_told: bool,
    /// Own effects up to here were made before.
    own_before: Stamp,
    seen: Vec<(Origin, Stamp)>,
}

impl Assumptions {
    /// A data set with this vector begins. `own`: whose commits these are; `vector`: what is here already.
    pub(crate) fn begin(&mut self, context: u64, own: Origin, theirs: &VersionVector, vector: &VersionVector) {
        let is_new = |(origin, stamp): &(Origin, Stamp)| *origin != own && !vector.covers(*origin, *stamp);
        let (own_before, seen) = (vector.get(own), theirs.iter().filter(is_new).collect());
        self.list.push(Assumption { from: context, until: None, is_told: false, own_before, seen });
    }

    /// It is here, and with it all that other ones had begun to bring.
    pub(crate) fn end(&mut self, context: u64) {
        self.list.iter_mut().for_each(|assumption| assumption.until = assumption.until.or(Some(context)));
    }

    /// Fills `assumed` with what a commit of this context version takes for seen, and none before it has told. Commits come in order;
    /// those without effects take nothing for seen.
    pub(crate) fn of_commit(&mut self, context: u64, has_effects: bool, assumed: &mut Vec<(Origin, Stamp)>) {
        assumed.clear();
        self.list.retain(|assumption| assumption.until.is_none_or(|until| context < until));
        let untold = self.list.iter_mut().filter(|of| has_effects && !of.is_told && of.from <= context);
        for assumption in untold {
            assumption.is_told = true;
            assumed.extend(&assumption.seen);
        }
    }

    /// Up to where own effects assume nothing; `None`: none does.
    pub(crate) fn own_before(&self) -> Option<Stamp> {
        self.list.iter().find(|of| of.until.is_none()).map(|of| of.own_before)
    }

    /// What the next commit takes for seen.
    pub(crate) fn current(&self) -> impl Iterator<Item = (Origin, Stamp)> + '_ {
        self.list.iter().filter(|of| of.until.is_none()).flat_map(|of| of.seen.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use effect::NodeId;

    const OWN: Origin = Origin { node: NodeId(1), incarnation: 1 };
    const A: Origin = Origin { node: NodeId(2), incarnation: 1 };
    const B: Origin = Origin { node: NodeId(3), incarnation: 1 };

    fn vector(entries: &[(Origin, u64)]) -> VersionVector {
        let mut vector = VersionVector::new();
        entries.iter().for_each(|(origin, stamp)| vector.advance(*origin, Stamp(*stamp)));
        vector
    }

    fn of_commit(assumptions: &mut Assumptions, context: u64) -> Vec<(Origin, Stamp)> {
        let mut assumed = vec![(OWN, Stamp(99))];
        assumptions.of_commit(context, true, &mut assumed);
        assumed
    }

    #[test]
    fn a_commit_takes_for_seen_what_a_data_set_is_about_to_bring() {
        let mut assumptions = Assumptions::default();
        assumptions.begin(5, OWN, &vector(&[(OWN, 9), (A, 20), (B, 30)]), &vector(&[(OWN, 8), (A, 20), (B, 29)]));
        assert_eq!(assumptions.own_before(), Some(Stamp(8)));
        assert_eq!(of_commit(&mut assumptions, 4), []);
        assert_eq!(of_commit(&mut assumptions, 5), [(B, Stamp(30))]);
        assert_eq!(of_commit(&mut assumptions, 5), [], "it was told");
        // The link broke, and another source has less.
        assumptions.begin(7, OWN, &vector(&[(A, 21), (B, 28)]), &vector(&[(OWN, 10), (A, 20), (B, 27)]));
        assert_eq!(assumptions.current().collect::<Vec<_>>(), [(B, Stamp(30)), (A, Stamp(21)), (B, Stamp(28))]);
        assert_eq!(assumptions.own_before(), Some(Stamp(8)));
        assert_eq!(of_commit(&mut assumptions, 6), []);
        assumptions.end(9);
        assert_eq!((assumptions.current().count(), assumptions.own_before()), (0, None));
        assert_eq!(of_commit(&mut assumptions, 8), [(A, Stamp(21)), (B, Stamp(28))]);
        assumptions.begin(11, OWN, &vector(&[(A, 40)]), &vector(&[(A, 21)]));
        assumptions.end(12);
        assert_eq!(of_commit(&mut assumptions, 12), []);
    }
}
