//! Positions on the earth as the scores of a sorted set: longitude and latitude, 26 bits each, interleaved, so that what
//! is near has near scores. The format is Redis's; distances are those on a sphere (haversine).

/// Bits per coordinate of a score.
const STEP_MAX: u32 = 26;
const LONGITUDES: Interval = Interval { min: -180.0, max: 180.0 };
/// What the web's Mercator maps show.
const LATITUDES: Interval = Interval { min: -85.05112878, max: 85.05112878 };
/// Of geohashes as text.
const ALL_LATITUDES: Interval = Interval { min: -90.0, max: 90.0 };
/// Quadratic mean radius of WGS-84.
const EARTH_RADIUS_M: f64 = 6372797.560856;
/// Half of the equator on the Mercator map.
const MERCATOR_MAX_M: f64 = 20037726.37;
const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
const TEXT_LEN: usize = 11;

#[derive(Clone, Copy)]
struct Interval {
    min: f64,
    max: f64,
}

/// In degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    pub longitude: f64,
    pub latitude: f64,
}

/// What a search covers, in meters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    Circle { radius: f64 },
    Box { width: f64, height: f64 },
}

/// A cell of the grid that has `2^step` cells in either direction.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cell {
    bits: u64,
    step: u32,
}

/// What a cell covers.
struct Area {
    longitudes: Interval,
    latitudes: Interval,
}

impl Interval {
    fn contains(self, value: f64) -> bool {
        (self.min..=self.max).contains(&value)
    }

    fn len(self) -> f64 {
        self.max - self.min
    }

    /// Which of `2^step` parts `value` is in.
    fn part_of(self, value: f64, step: u32) -> u32 {
        ((value - self.min) / self.len() * (1u64 << step) as f64) as u32
    }

    fn part(self, index: u32, step: u32) -> Interval {
        let edge = |index: u64| self.min + index as f64 / (1u64 << step) as f64 * self.len();
        Interval { min: edge(index.into()), max: edge(u64::from(index) + 1) }
    }

    fn middle_within(self, whole: Interval) -> f64 {
        ((self.min + self.max) / 2.0).clamp(whole.min, whole.max)
    }
}

/// `even` gets the even bits, `odd` the odd ones.
fn interleave(even: u32, odd: u32) -> u64 {
    let spread = |value: u32| {
        let mut bits = u64::from(value);
        for (shift, mask) in [
            (16, 0x0000_ffff_0000_ffff),
            (8, 0x00ff_00ff_00ff_00ff),
            (4, 0x0f0f_0f0f_0f0f_0f0f),
            (2, 0x3333_3333_3333_3333),
            (1, 0x5555_5555_5555_5555),
        ] {
            bits = (bits | bits << shift) & mask;
        }
        bits
    };
    spread(even) | spread(odd) << 1
}

/// The even bits and the odd ones.
fn separate(bits: u64) -> (u32, u32) {
    let gather = |bits: u64| {
        let mut bits = bits & 0x5555_5555_5555_5555;
        for (shift, mask) in [
            (1, 0x3333_3333_3333_3333),
            (2, 0x0f0f_0f0f_0f0f_0f0f),
            (4, 0x00ff_00ff_00ff_00ff),
            (8, 0x0000_ffff_0000_ffff),
            (16, 0x0000_0000_ffff_ffff),
        ] {
            bits = (bits | bits >> shift) & mask;
        }
        bits as u32
    };
    (gather(bits), gather(bits >> 1))
}

impl Cell {
    fn of(position: Position, latitudes: Interval, step: u32) -> Cell {
        let latitude = latitudes.part_of(position.latitude, step);
        let longitude = LONGITUDES.part_of(position.longitude, step);
        Cell { bits: interleave(latitude, longitude), step }
    }

    fn area(self) -> Area {
        let (latitude, longitude) = separate(self.bits);
        Area { longitudes: LONGITUDES.part(longitude, self.step), latitudes: LATITUDES.part(latitude, self.step) }
    }

    /// The cell so many columns to the east and rows to the north, around the edges of the map.
    fn neighbour(self, east: i32, north: i32) -> Cell {
        let (latitude, longitude) = separate(self.bits);
        let mask = ((1u64 << self.step) - 1) as u32;
        let bits = interleave(latitude.wrapping_add_signed(north) & mask, longitude.wrapping_add_signed(east) & mask);
        Cell { bits, step: self.step }
    }

    /// The scores within: from the first one to below the second one.
    fn scores(self) -> (f64, f64) {
        let shift = 2 * (STEP_MAX - self.step);
        ((self.bits << shift) as f64, ((self.bits + 1) << shift) as f64)
    }
}

/// A score as the bits of a cell. Of scores that stand for no position it is what Redis on x86-64 makes of them.
fn to_bits(score: f64) -> u64 {
    const BEYOND: f64 = u64::MAX as f64;
    match score {
        score if score < 0.0 => score as i64 as u64,
        score if score < BEYOND => score as u64,
        _ => 0,
    }
}

impl Position {
    /// Whether it is on the map.
    pub fn is_valid(self) -> bool {
        LONGITUDES.contains(self.longitude) && LATITUDES.contains(self.latitude)
    }

    /// The position that a score stands for: the middle of its cell.
    pub fn from_score(score: f64) -> Position {
        let Area { longitudes, latitudes } = Cell { bits: to_bits(score), step: STEP_MAX }.area();
        Position { longitude: longitudes.middle_within(LONGITUDES), latitude: latitudes.middle_within(LATITUDES) }
    }

    /// Of a valid position.
    pub fn score(self) -> f64 {
        Cell::of(self, LATITUDES, STEP_MAX).bits as f64
    }

    /// As geohash.org writes it. The last letter stands for bits that there are not.
    pub fn geohash(self) -> [u8; TEXT_LEN] {
        let bits = Cell::of(self, ALL_LATITUDES, STEP_MAX).bits;
        let mut text = [ALPHABET[0]; TEXT_LEN];
        for (index, letter) in text[..TEXT_LEN - 1].iter_mut().enumerate() {
            *letter = ALPHABET[(bits >> (52 - 5 * (index + 1)) & 0x1f) as usize];
        }
        text
    }

    /// In meters.
    pub fn distance(self, other: Position) -> f64 {
        let half_sine = |from: f64, to: f64| ((radians(to) - radians(from)) / 2.0).sin();
        let v = half_sine(self.longitude, other.longitude);
        if v == 0.0 {
            return distance_of_latitudes(self.latitude, other.latitude);
        }
        let u = half_sine(self.latitude, other.latitude);
        let a = u * u + radians(self.latitude).cos() * radians(other.latitude).cos() * v * v;
        2.0 * EARTH_RADIUS_M * a.sqrt().asin()
    }
}

fn radians(degrees: f64) -> f64 {
    degrees * (std::f64::consts::PI / 180.0)
}

fn degrees(radians: f64) -> f64 {
    radians / (std::f64::consts::PI / 180.0)
}

fn distance_of_latitudes(from: f64, to: f64) -> f64 {
    EARTH_RADIUS_M * (radians(to) - radians(from)).abs()
}

impl Shape {
    /// The distance of `position` from the centre, if it is within.
    pub fn distance_within(self, centre: Position, position: Position) -> Option<f64> {
        match self {
            Shape::Circle { radius } => Some(centre.distance(position)).filter(|distance| *distance <= radius),
            Shape::Box { width, height } => {
                let beside = Position { longitude: centre.longitude, latitude: position.latitude };
                let is_within = distance_of_latitudes(position.latitude, centre.latitude) <= height / 2.0
                    && position.distance(beside) <= width / 2.0;
                is_within.then(|| centre.distance(position))
            }
        }
    }

    /// Ranges of scores (the upper ends are without) that together hold everything within, in the order in which
    /// Redis looks through them: the centre's cell and its neighbours.
    pub fn score_ranges(self, centre: Position) -> Vec<(f64, f64)> {
        let bounds = self.bounds(centre);
        let mut step = self.estimated_step(centre.latitude);
        let mut cell = Cell::of(centre, LATITUDES, step);
        if step > 1 && !covers(cell, &bounds) {
            step -= 1;
            cell = Cell::of(centre, LATITUDES, step);
        }
        let area = cell.area();
        // A neighbour is of no use where the centre's cell reaches beyond the bounds on that side.
        let is_useful = |east: i32, north: i32| {
            step < 2
                || !((north < 0 && area.latitudes.min < bounds.latitudes.min)
                    || (north > 0 && area.latitudes.max > bounds.latitudes.max)
                    || (east < 0 && area.longitudes.min < bounds.longitudes.min)
                    || (east > 0 && area.longitudes.max > bounds.longitudes.max))
        };
        let order = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];
        let mut cells: Vec<Cell> = Vec::new();
        for (east, north) in order.into_iter().filter(|(east, north)| is_useful(*east, *north)) {
            let neighbour = cell.neighbour(east, north);
            // Around a coarse grid one comes to the same cell again; only the one before is looked at, and never the
            // centre's, as in Redis.
            if cells.len() < 2 || cells.last() != Some(&neighbour) {
                cells.push(neighbour);
            }
        }
        cells.into_iter().map(Cell::scores).collect()
    }

    /// The coordinates between which everything within lies.
    fn bounds(self, centre: Position) -> Area {
        let (half_width, half_height) = match self {
            Shape::Circle { radius } => (radius, radius),
            Shape::Box { width, height } => (width / 2.0, height / 2.0),
        };
        let latitude_delta = degrees(half_height / EARTH_RADIUS_M);
        // Towards the pole the same width spans more degrees.
        let edge =
            if centre.latitude < 0.0 { centre.latitude - latitude_delta } else { centre.latitude + latitude_delta };
        let longitude_delta = degrees(half_width / EARTH_RADIUS_M / radians(edge).cos());
        let around = |middle: f64, delta: f64| Interval { min: middle - delta, max: middle + delta };
        Area {
            longitudes: around(centre.longitude, longitude_delta),
            latitudes: around(centre.latitude, latitude_delta),
        }
    }

    /// How fine a grid may be for a cell and its neighbours to cover the shape, as a rule.
    fn estimated_step(self, latitude: f64) -> u32 {
        let mut radius = match self {
            Shape::Circle { radius } => radius,
            Shape::Box { width, height } => ((width / 2.0).powi(2) + (height / 2.0).powi(2)).sqrt(),
        };
        if radius == 0.0 {
            return STEP_MAX;
        }
        let mut step = 1;
        while radius < MERCATOR_MAX_M {
            radius *= 2.0;
            step += 1;
        }
        step -= 2;
        step -= i32::from(latitude.abs() > 66.0) + i32::from(latitude.abs() > 80.0);
        step.clamp(1, STEP_MAX as i32) as u32
    }
}

/// Whether a cell and its neighbours reach as far as the bounds.
fn covers(cell: Cell, bounds: &Area) -> bool {
    cell.neighbour(0, 1).area().latitudes.max >= bounds.latitudes.max
        && cell.neighbour(0, -1).area().latitudes.min <= bounds.latitudes.min
        && cell.neighbour(1, 0).area().longitudes.max >= bounds.longitudes.max
        && cell.neighbour(-1, 0).area().longitudes.min <= bounds.longitudes.min
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PALERMO: Position = Position { longitude: 13.361389, latitude: 38.115556 };
    const CATANIA: Position = Position { longitude: 15.087269, latitude: 37.502669 };

    /// Scores and distances that a Redis gives.
    #[test]
    fn the_format_is_that_of_redis() {
        assert_eq!((PALERMO.score(), CATANIA.score()), (3479099956230698.0, 3479447370796909.0));
        let [from, to] = [PALERMO, CATANIA].map(|position| Position::from_score(position.score()));
        assert_eq!(format!("{:.4}", from.distance(to)), "166274.1516");
        assert_eq!((&from.geohash(), &to.geohash()), (b"sqc8b49rny0", b"sqdtr74hyu0"));
    }

    fn position() -> impl Strategy<Value = Position> {
        (-180.0..180.0f64, -85.0..85.0f64).prop_map(|(longitude, latitude)| Position { longitude, latitude })
    }

    proptest! {
        #[test]
        fn a_score_stands_for_what_is_near(position in position()) {
            prop_assert!(position.distance(Position::from_score(position.score())) < 1.0);
        }

        #[test]
        fn bits_come_apart_again(even: u32, odd: u32) {
            prop_assert_eq!(separate(interleave(even, odd)), (even, odd));
        }

        /// Away from the poles, where Redis's estimate does not hold everywhere.
        #[test]
        fn ranges_hold_all_that_is_within(
            centre in (-150.0..150.0f64, -60.0..60.0f64), offset in (-3.0..3.0f64, -3.0..3.0f64), radius in 1.0..400_000.0f64,
        ) {
            let centre = Position { longitude: centre.0, latitude: centre.1 };
            let other = Position { longitude: centre.longitude + offset.0, latitude: centre.latitude + offset.1 };
            let other = Position::from_score(other.score());
            for shape in [Shape::Circle { radius }, Shape::Box { width: radius, height: radius * 2.0 }] {
                if shape.distance_within(centre, other).is_some() {
                    let score = other.score();
                    prop_assert!(shape.score_ranges(centre).iter().any(|(from, to)| (*from..*to).contains(&score)));
                }
            }
        }

        #[test]
        fn nothing_panics(score: f64, radius: f64, width: f64, position in position()) {
            let at = Position::from_score(score);
            at.geohash();
            for shape in [Shape::Circle { radius: radius.abs() }, Shape::Box { width: width.abs(), height: radius.abs() }] {
                shape.distance_within(at, position);
                prop_assert!(!shape.score_ranges(at).is_empty());
            }
        }
    }
}
