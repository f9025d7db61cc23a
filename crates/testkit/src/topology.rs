//! Who is whose master.

/// Which nodes are masters of which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// Everyone of everyone.
    Mesh,
    /// Each of the next one.
    Ring,
    /// Neighbours of each other, around.
    DoubleRing,
    /// Neighbours of each other.
    Chain,
    /// The first one of all others, and they of it.
    Star,
}

impl Topology {
    pub const ALL: [Topology; 5] =
        [Topology::Mesh, Topology::Ring, Topology::DoubleRing, Topology::Chain, Topology::Star];

    pub fn name(self) -> &'static str {
        match self {
            Topology::Mesh => "mesh",
            Topology::Ring => "ring",
            Topology::DoubleRing => "double-ring",
            Topology::Chain => "chain",
            Topology::Star => "star",
        }
    }

    pub fn from_name(name: &str) -> Option<Topology> {
        Topology::ALL.into_iter().find(|topology| topology.name() == name)
    }

    /// The masters of node `index` of `count`.
    pub fn masters(self, index: usize, count: usize) -> Vec<usize> {
        let (before, after) = ((index + count - 1) % count, (index + 1) % count);
        (0..count)
            .filter(|&other| other != index)
            .filter(|&other| match self {
                Topology::Mesh => true,
                Topology::Ring => other == before,
                Topology::DoubleRing => other == before || other == after,
                Topology::Chain => other.abs_diff(index) == 1,
                Topology::Star => other == 0 || index == 0,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masters(topology: Topology, count: usize) -> Vec<Vec<usize>> {
        (0..count).map(|index| topology.masters(index, count)).collect()
    }

    #[test]
    fn topologies_of_four() {
        assert_eq!(masters(Topology::Mesh, 4), [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]);
        assert_eq!(masters(Topology::Ring, 4), [[3], [0], [1], [2]]);
        assert_eq!(masters(Topology::DoubleRing, 4), [[1, 3], [0, 2], [1, 3], [0, 2]]);
        assert_eq!(masters(Topology::Chain, 4), [vec![1], vec![0, 2], vec![1, 3], vec![2]]);
        assert_eq!(masters(Topology::Star, 4), [vec![1, 2, 3], vec![0], vec![0], vec![0]]);
    }

    #[test]
    fn one_node_has_no_masters() {
        assert!(Topology::ALL.into_iter().all(|topology| topology.masters(0, 1).is_empty()));
    }
}
