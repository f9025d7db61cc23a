//! Positions on the earth, kept as the scores of sorted sets (`values::geo`).

use super::collection::reply_element;
use super::sorted_set::{add_pairs, score, store};
use crate::arguments::{Cursor, integer, is};
use crate::command::{Argument, Begin, Command, Find, Flags, Handler, KeySpec, Reply};
use crate::fault::Fault;
use keyspace::{ScoreCondition, Txn, View};
use resp::{Args, Out};
use smallvec::SmallVec;
use values::geo::{Position, Shape};
use values::{Element, EncodingLimits, SortedSet};

pub(super) const COMMANDS: &[&Command] = &[
    &GEOADD,
    &GEODIST,
    &GEOHASH,
    &GEOPOS,
    &GEORADIUS,
    &GEORADIUS_RO,
    &GEORADIUSBYMEMBER,
    &GEORADIUSBYMEMBER_RO,
    &GEOSEARCH,
    &GEOSEARCHSTORE,
];

const GEO: Command = Command {
    group: "geo",
    categories: &["geo"],
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, &["RO", "access"])],
    since: "3.2.0",
    ..Command::BASE
};

const UNIT: Argument = Argument::one_of(
    "unit",
    &[Argument::word("m", "m"), Argument::word("km", "km"), Argument::word("ft", "ft"), Argument::word("mi", "mi")],
);

const GEOADD: Command = Command {
    name: "geoadd",
    arity: -5,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
    keys: &[KeySpec::one(1, &["RW", "update"])],
    time_is_arguments: true,
    complexity: "O(log N) for every member, N: members of the sorted set",
    summary: "Gives members positions.",
    arguments: &[
        Argument::key("key", 0),
        Argument::one_of("condition", &[Argument::word("nx", "NX"), Argument::word("xx", "XX")])
            .since("6.2.0")
            .optional(),
        Argument::word("change", "CH").since("6.2.0").optional(),
        Argument::block(
            "data",
            &[Argument::new("longitude", "double"), Argument::new("latitude", "double"), Argument::string("member")],
        )
        .multiple(),
    ],
    handler: Handler::Write(geoadd),
    ..GEO
};

fn geoadd(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let mut condition = ScoreCondition::default();
    let (mut changes, mut first) = (false, 2);
    while let Some(word) = args.get(first) {
        match word {
            _ if is(word, "NX") => condition.new = true,
            _ if is(word, "XX") => condition.existing = true,
            _ if is(word, "CH") => changes = true,
            _ => break,
        }
        first += 1;
    }
    let count = args.len() - first;
    if count == 0 || !count.is_multiple_of(3) || (condition.new && condition.existing) {
        return Err(Fault::Syntax);
    }
    let mut pairs: SmallVec<[(&[u8], f64); 4]> = SmallVec::new();
    for index in (first..args.len()).step_by(3) {
        pairs.push((args.at(index + 2), position(args.at(index), args.at(index + 1))?.score()));
    }
    add_pairs(txn, args.at(1), &pairs, condition, changes, out)
}

fn position(longitude: &[u8], latitude: &[u8]) -> Result<Position, Fault> {
    let position = Position { longitude: score(longitude)?, latitude: score(latitude)? };
    if !position.is_valid() {
        let Position { longitude, latitude } = position;
        return Err(Fault::Message(format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}")));
    }
    Ok(position)
}

/// How many meters one of it is.
fn unit(word: &[u8]) -> Result<f64, Fault> {
    match word {
        _ if is(word, "M") => Ok(1.0),
        _ if is(word, "KM") => Ok(1000.0),
        _ if is(word, "FT") => Ok(0.3048),
        _ if is(word, "MI") => Ok(1609.34),
        _ => Err(Fault::Text("ERR unsupported unit provided. please use M, KM, FT, MI")),
    }
}

const GEODIST: Command = Command {
    name: "geodist",
    arity: -4,
    summary: "The distance between two members.",
    arguments: &[Argument::key("key", 0), Argument::string("member1"), Argument::string("member2"), UNIT.optional()],
    handler: Handler::Read(geodist),
    ..GEO
};

fn geodist(view: &View<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let meters = match args.len() {
        4 => 1.0,
        5 => unit(args.at(4))?,
        _ => return Err(Fault::Syntax),
    };
    let set = view.sorted_set(args.at(1))?;
    let position = |member| Some(Position::from_score(set?.score(member)?));
    match (position(args.at(2)), position(args.at(3))) {
        (Some(from), Some(to)) => reply_distance(out, from.distance(to) / meters),
        _ => out.null(),
    }
    Ok(())
}

/// With four digits behind the point, rounded to the even one.
fn reply_distance(out: &mut Out, distance: f64) {
    let scaled = (distance * 10_000.0).round_ties_even() as u64;
    out.bulk(format!("{}.{:04}", scaled / 10_000, scaled % 10_000).as_bytes());
}

fn reply_position(out: &mut Out, position: Position) {
    out.array(2);
    out.exact_double(position.longitude);
    out.exact_double(position.latitude);
}

const OF_MEMBERS: Command = Command {
    arity: -2,
    complexity: "O(1) for every member",
    arguments: &[Argument::key("key", 0), Argument::string("member").multiple().optional()],
    ..GEO
};

const GEOHASH: Command = Command {
    name: "geohash",
    summary: "Positions of members as geohash.org writes them.",
    handler: Handler::Read(|view, args, out| {
        for_each_position(view, args, out, |out, position| match position {
            Some(position) => out.bulk(&position.geohash()),
            None => out.null(),
        })
    }),
    ..OF_MEMBERS
};

const GEOPOS: Command = Command {
    name: "geopos",
    summary: "Longitudes and latitudes of members.",
    handler: Handler::Read(|view, args, out| {
        for_each_position(view, args, out, |out, position| match position {
            Some(position) => reply_position(out, position),
            None => out.null_array(),
        })
    }),
    ..OF_MEMBERS
};

fn for_each_position(
    view: &View<'_>,
    args: Args<'_>,
    out: &mut Out,
    reply: impl Fn(&mut Out, Option<Position>),
) -> Reply {
    let set = view.sorted_set(args.at(1))?;
    let members = args.from(2).iter();
    out.array(members.len());
    members.for_each(|member| {
        let score = set.and_then(|set| set.score(member));
        reply(out, score.map(Position::from_score));
    });
    Ok(())
}

/// The search commands differ in how the area is said, and in what may be done with what is found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// GEORADIUS
    AroundPosition,
    /// GEORADIUSBYMEMBER
    AroundMember,
    /// GEOSEARCH, GEOSEARCHSTORE
    Words,
}

#[derive(Clone, Copy)]
struct Style {
    form: Form,
    /// Where the key to be searched stands.
    source: usize,
    /// GEOSEARCHSTORE stores always; GEORADIUS where the client says so; the others never.
    may_store: bool,
}

/// What a client searches for.
struct Search<'a> {
    centre: Option<Position>,
    shape: Option<Shape>,
    /// Meters in the client's unit.
    unit: f64,
    descending: Option<bool>,
    /// 0: all.
    count: usize,
    any: bool,
    with_distance: bool,
    with_hash: bool,
    with_position: bool,
    store_at: Option<&'a [u8]>,
    store_distances: bool,
}

struct Found<'s> {
    member: Element<'s>,
    score: f64,
    position: Position,
    /// Meters.
    distance: f64,
}

impl<'a> Search<'a> {
    fn parse(args: Args<'a>, style: Style, set: Option<&SortedSet>) -> Result<Search<'a>, Fault> {
        let mut search = Search {
            centre: None,
            shape: None,
            unit: 1.0,
            descending: None,
            count: 0,
            any: false,
            with_distance: false,
            with_hash: false,
            with_position: false,
            store_at: None,
            store_distances: false,
        };
        let mut words = Cursor::new(args, style.source + 1);
        match style.form {
            Form::AroundPosition => {
                search.centre = Some(position(words.value()?, words.value()?)?);
                search.parse_radius(words.value()?, words.value()?)?;
            }
            Form::AroundMember => {
                let member = words.value()?;
                let (radius, unit) = (words.value()?, words.value()?);
                if let Some(set) = set {
                    search.centre = Some(position_of(set, member)?);
                    search.parse_radius(radius, unit)?;
                }
            }
            Form::Words if style.may_store => search.store_at = Some(args.at(1)),
            Form::Words => {}
        }
        search.parse_options(&mut words, style, set)?;
        search.check(args, style)?;
        Ok(search)
    }

    fn parse_radius(&mut self, radius: &[u8], unit_word: &[u8]) -> Result<(), Fault> {
        let radius = stdx::parse_f64(radius).ok_or(Fault::Text("ERR need numeric radius"))?;
        if radius < 0.0 {
            return Err(Fault::Text("ERR radius cannot be negative"));
        }
        self.unit = unit(unit_word)?;
        self.shape = Some(Shape::Circle { radius: radius * self.unit });
        Ok(())
    }

    fn parse_box(&mut self, width: &[u8], height: &[u8], unit_word: &[u8]) -> Result<(), Fault> {
        let width = stdx::parse_f64(width).ok_or(Fault::Text("ERR need numeric width"))?;
        let height = stdx::parse_f64(height).ok_or(Fault::Text("ERR need numeric height"))?;
        if width < 0.0 || height < 0.0 {
            return Err(Fault::Text("ERR height or width cannot be negative"));
        }
        self.unit = unit(unit_word)?;
        self.shape = Some(Shape::Box { width: width * self.unit, height: height * self.unit });
        Ok(())
    }

    fn parse_options(&mut self, words: &mut Cursor<'a>, style: Style, set: Option<&SortedSet>) -> Result<(), Fault> {
        let says_area = style.form == Form::Words;
        let (mut by_radius, mut by_box, mut from_member, mut from_position) = (false, false, false, false);
        while let Some(word) = words.next() {
            let remaining = words.remaining();
            match word {
                _ if is(word, "WITHDIST") => self.with_distance = true,
                _ if is(word, "WITHHASH") => self.with_hash = true,
                _ if is(word, "WITHCOORD") => self.with_position = true,
                _ if is(word, "ANY") => self.any = true,
                _ if is(word, "ASC") => self.descending = Some(false),
                _ if is(word, "DESC") => self.descending = Some(true),
                _ if is(word, "COUNT") && remaining >= 1 => {
                    let count = usize::try_from(integer(words.value()?)?).ok().filter(|count| *count > 0);
                    self.count = count.ok_or(Fault::Text("ERR COUNT must be > 0"))?;
                }
                _ if is(word, "STORE") && remaining >= 1 && style.may_store && !says_area => {
                    (self.store_at, self.store_distances) = (Some(words.value()?), false);
                }
                _ if is(word, "STOREDIST") && remaining >= 1 && style.may_store && !says_area => {
                    (self.store_at, self.store_distances) = (Some(words.value()?), true);
                }
                _ if is(word, "STOREDIST") && style.may_store && says_area => self.store_distances = true,
                _ if is(word, "FROMMEMBER") && remaining >= 1 && says_area && !from_position => {
                    let member = words.value()?;
                    from_member = true;
                    // Without a key only the words are checked.
                    let nowhere = Position { longitude: 0.0, latitude: 0.0 };
                    self.centre = Some(set.map_or(Ok(nowhere), |set| position_of(set, member))?);
                }
                _ if is(word, "FROMLONLAT") && remaining >= 2 && says_area && !from_member => {
                    self.centre = Some(position(words.value()?, words.value()?)?);
                    from_position = true;
                }
                _ if is(word, "BYRADIUS") && remaining >= 2 && says_area && !by_box => {
                    self.parse_radius(words.value()?, words.value()?)?;
                    by_radius = true;
                }
                _ if is(word, "BYBOX") && remaining >= 3 && says_area && !by_radius => {
                    self.parse_box(words.value()?, words.value()?, words.value()?)?;
                    by_box = true;
                }
                _ => return Err(Fault::Syntax),
            }
        }
        Ok(())
    }

    fn check(&self, args: Args<'_>, style: Style) -> Result<(), Fault> {
        let says_area = style.form == Form::Words;
        if self.store_at.is_some() && (self.with_distance || self.with_hash || self.with_position) {
            let what = if says_area { "GEOSEARCHSTORE" } else { "STORE option in GEORADIUS" };
            let text = format!("ERR {what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options");
            return Err(Fault::Message(text));
        }
        let name = || crate::fault::printable(args.at(0), 64);
        if says_area && self.centre.is_none() {
            let text = format!("ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for {}", name());
            return Err(Fault::Message(text));
        }
        if says_area && self.shape.is_none() {
            let text = format!("ERR exactly one of BYRADIUS and BYBOX can be specified for {}", name());
            return Err(Fault::Message(text));
        }
        if self.any && self.count == 0 {
            return Err(Fault::Text("ERR the ANY argument requires COUNT argument"));
        }
        Ok(())
    }

    /// What is within, in the order asked for; the nearest first where not all are wanted.
    fn run<'s>(&self, set: &'s SortedSet) -> Vec<Found<'s>> {
        let (Some(centre), Some(shape)) = (self.centre, self.shape) else { return Vec::new() };
        let limit = if self.any { self.count } else { usize::MAX };
        let ranges = shape.score_ranges(centre);
        let within = ranges
            .iter()
            .flat_map(|(from, to)| set.range(set.ranks_between(|score, _| score < *from, |score, _| score < *to)));
        let found = within.filter_map(|(member, score)| {
            let position = Position::from_score(score);
            let distance = shape.distance_within(centre, position)?;
            Some(Found { member, score, position, distance })
        });
        let mut found: Vec<Found<'s>> = found.take(limit).collect();
        let is_sorted = self.descending.is_some() || (self.count > 0 && !self.any);
        if is_sorted {
            found.sort_by(|a, b| a.distance.total_cmp(&b.distance));
            if self.descending == Some(true) {
                found.reverse();
            }
        }
        if self.count > 0 {
            found.truncate(self.count);
        }
        found
    }
}

fn position_of(set: &SortedSet, member: &[u8]) -> Result<Position, Fault> {
    let score = set.score(member).ok_or(Fault::Text("ERR could not decode requested zset member"))?;
    Ok(Position::from_score(score))
}

fn search(view: &View<'_>, args: Args<'_>, out: &mut Out, style: Style) -> Reply {
    let set = view.sorted_set(args.at(style.source))?;
    let search = Search::parse(args, style, set)?;
    reply_found(out, &search, &set.map_or_else(Vec::new, |set| search.run(set)));
    Ok(())
}

fn reply_found(out: &mut Out, search: &Search<'_>, found: &[Found<'_>]) {
    let extras =
        [search.with_distance, search.with_hash, search.with_position].into_iter().filter(|with| *with).count();
    out.array(found.len());
    for Found { member, score, position, distance } in found {
        if extras > 0 {
            out.array(1 + extras);
        }
        reply_element(out, *member);
        if search.with_distance {
            reply_distance(out, distance / search.unit);
        }
        if search.with_hash {
            out.integer(*score as i64);
        }
        if search.with_position {
            reply_position(out, *position);
        }
    }
}

/// The same, or the result becomes a sorted set.
fn search_or_store(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out, style: Style) -> Reply {
    let set = txn.sorted_set(args.at(style.source))?;
    let search = Search::parse(args, style, set)?;
    let found = set.map_or_else(Vec::new, |set| search.run(set));
    let Some(destination) = search.store_at else {
        reply_found(out, &search, &found);
        return Ok(());
    };
    // What is stored gets the encoding of its keyspace.
    let limits = EncodingLimits::default();
    let mut result = SortedSet::new();
    for Found { member, score, distance, .. } in found {
        let score = if search.store_distances { distance / search.unit } else { score };
        member.with_bytes(|member| result.insert(member, score, &limits));
    }
    let event = if style.form == Form::Words { "geosearchstore" } else { "georadiusstore" };
    store(txn, destination, result, event, out);
    Ok(())
}

const COMPLEXITY: &str = "O(N + log M), N: members near the area, M: members of the sorted set";
const WITH_POSITION: Argument = Argument::word("withcoord", "WITHCOORD").optional();
const WITH_DISTANCE: Argument = Argument::word("withdist", "WITHDIST").optional();
const WITH_HASH: Argument = Argument::word("withhash", "WITHHASH").optional();
const ORDER: Argument =
    Argument::one_of("order", &[Argument::word("asc", "ASC"), Argument::word("desc", "DESC")]).optional();
const LIMIT: Argument = Argument::block(
    "count-block",
    &[Argument::integer("count").token("COUNT"), Argument::word("any", "ANY").optional()],
)
.optional();
const LIMIT_OF_POSITION: Argument = Argument::block(
    "count-block",
    &[Argument::integer("count").token("COUNT"), Argument::word("any", "ANY").since("6.2.0").optional()],
)
.optional();
const LONGITUDE: Argument = Argument::new("longitude", "double");
const LATITUDE: Argument = Argument::new("latitude", "double");
const RADIUS: Argument = Argument::new("radius", "double");
const STORE: Argument = Argument::one_of(
    "store",
    &[Argument::key("storekey", 1).token("STORE"), Argument::key("storedistkey", 2).token("STOREDIST")],
)
.optional();
const FROM: Argument = Argument::one_of(
    "from",
    &[
        Argument::string("member").token("FROMMEMBER"),
        Argument::block("fromlonlat", &[LONGITUDE, LATITUDE]).token("FROMLONLAT"),
    ],
);
const BY: Argument = Argument::one_of(
    "by",
    &[
        Argument::block("circle", &[RADIUS.token("BYRADIUS"), UNIT]),
        Argument::block(
            "box",
            &[Argument::new("width", "double").token("BYBOX"), Argument::new("height", "double"), UNIT],
        ),
    ],
);

/// The key of STORE or STOREDIST.
const fn stored(word: &'static str, from: isize) -> KeySpec {
    let find = Find::Range { last: 0, step: 1, limit: 0 };
    KeySpec { flags: &["OW", "update"], begin: Begin::Keyword(word, from), find }
}

const AROUND_POSITION: Style = Style { form: Form::AroundPosition, source: 1, may_store: true };
const AROUND_MEMBER: Style = Style { form: Form::AroundMember, source: 1, may_store: true };

const GEORADIUS: Command = Command {
    name: "georadius",
    arity: -6,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
    keys: &[KeySpec::one(1, &["RO", "access"]), stored("STORE", 6), stored("STOREDIST", 6)],
    deprecated: Some(("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument")),
    complexity: COMPLEXITY,
    summary: "Members within a distance of a position, or stores them.",
    arguments: &[
        Argument::key("key", 0),
        LONGITUDE,
        LATITUDE,
        RADIUS,
        UNIT,
        WITH_POSITION,
        WITH_DISTANCE,
        WITH_HASH,
        LIMIT_OF_POSITION,
        ORDER,
        STORE,
    ],
    handler: Handler::Write(|txn, args, out| search_or_store(txn, args, out, AROUND_POSITION)),
    ..GEO
};

const GEORADIUS_RO: Command = Command {
    name: "georadius_ro",
    arity: -6,
    since: "3.2.10",
    deprecated: Some(("6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument")),
    complexity: COMPLEXITY,
    summary: "Members within a distance of a position.",
    arguments: &[
        Argument::key("key", 0),
        LONGITUDE,
        LATITUDE,
        RADIUS,
        UNIT,
        WITH_POSITION,
        WITH_DISTANCE,
        WITH_HASH,
        LIMIT_OF_POSITION,
        ORDER,
    ],
    handler: Handler::Read(|view, args, out| search(view, args, out, Style { may_store: false, ..AROUND_POSITION })),
    ..GEO
};

const GEORADIUSBYMEMBER: Command = Command {
    name: "georadiusbymember",
    arity: -5,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
    keys: &[KeySpec::one(1, &["RO", "access"]), stored("STORE", 5), stored("STOREDIST", 5)],
    deprecated: Some(("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments")),
    complexity: COMPLEXITY,
    summary: "Members within a distance of another one, or stores them.",
    arguments: &[
        Argument::key("key", 0),
        Argument::string("member"),
        RADIUS,
        UNIT,
        WITH_POSITION,
        WITH_DISTANCE,
        WITH_HASH,
        LIMIT,
        ORDER,
        STORE,
    ],
    handler: Handler::Write(|txn, args, out| search_or_store(txn, args, out, AROUND_MEMBER)),
    ..GEO
};

const GEORADIUSBYMEMBER_RO: Command = Command {
    name: "georadiusbymember_ro",
    arity: -5,
    since: "3.2.10",
    deprecated: Some(("6.2.0", "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments")),
    complexity: COMPLEXITY,
    summary: "Members within a distance of another one.",
    arguments: &[
        Argument::key("key", 0),
        Argument::string("member"),
        RADIUS,
        UNIT,
        WITH_POSITION,
        WITH_DISTANCE,
        WITH_HASH,
        LIMIT,
        ORDER,
    ],
    handler: Handler::Read(|view, args, out| search(view, args, out, Style { may_store: false, ..AROUND_MEMBER })),
    ..GEO
};

const GEOSEARCH: Command = Command {
    name: "geosearch",
    arity: -7,
    since: "6.2.0",
    complexity: COMPLEXITY,
    summary: "Members within a circle or a box around a position or a member.",
    arguments: &[Argument::key("key", 0), FROM, BY, ORDER, LIMIT, WITH_POSITION, WITH_DISTANCE, WITH_HASH],
    handler: Handler::Read(|view, args, out| {
        search(view, args, out, Style { form: Form::Words, source: 1, may_store: false })
    }),
    ..GEO
};

const GEOSEARCHSTORE: Command = Command {
    name: "geosearchstore",
    arity: -8,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
    keys: &[KeySpec::one(1, &["OW", "update"]), KeySpec::one(2, &["RO", "access"])],
    since: "6.2.0",
    complexity: COMPLEXITY,
    summary: "Stores the members within a circle or a box around a position or a member.",
    arguments: &[
        Argument::key("destination", 0),
        Argument::key("source", 1),
        FROM,
        BY,
        ORDER,
        LIMIT,
        Argument::word("storedist", "STOREDIST").optional(),
    ],
    handler: Handler::Write(|txn, args, out| {
        search_or_store(txn, args, out, Style { form: Form::Words, source: 2, may_store: true })
    }),
    ..GEO
};
