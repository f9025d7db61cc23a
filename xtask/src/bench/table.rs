//! Results as a Markdown table.

use super::server::Product;
use std::error::Error;
use std::fmt;

/// One figure, ours beside another.
pub struct Row {
    pub what: String,
    pub unit: &'static str,
    pub ours: f64,
    pub other: f64,
    pub ratio: f64,
    pub target: Target,
}

/// What the figure should be.
#[derive(Clone, Copy)]
pub enum Target {
    /// For comparison only.
    None,
    /// Ours in this unit.
    AtMost(f64),
    /// Ours divided by the other.
    RatioAtMost(f64),
}

impl Row {
    pub fn new(what: String, unit: &'static str, ours: f64, other: f64, target: Target) -> Row {
        Row { what, unit, ours, other, ratio: ours / other, target }
    }

    /// Of rounds in which both were measured one after the other: what slows the machine down for a while slows down both, so
    /// the ratio is the middle one of those within the rounds.
    pub fn of_rounds(what: String, unit: &'static str, rounds: &[(f64, f64)], target: Target) -> Row {
        let middle = |figure: fn(&(f64, f64)) -> f64| median(rounds.iter().map(figure).collect());
        Row {
            ratio: middle(|(ours, other)| ours / other),
            ..Row::new(what, unit, middle(|it| it.0), middle(|it| it.1), target)
        }
    }

    fn is_met(&self) -> bool {
        match self.target {
            Target::None => true,
            Target::AtMost(most) => self.ours <= most,
            Target::RatioAtMost(most) => self.ratio <= most,
        }
    }
}

pub const BESIDE_REDIS: [&str; 2] = ["fluidB", "Redis"];

/// A row for each of `subjects`; `figures`: those of a product, in the same order.
pub fn beside_redis(
    unit: &'static str,
    subjects: impl Iterator<Item = (&'static str, Target)>,
    figures: impl Fn(Product) -> Result<Vec<f64>, Box<dyn Error>>,
) -> Result<Vec<Row>, Box<dyn Error>> {
    let figures = figures(Product::FluidB)?.into_iter().zip(figures(Product::Redis)?);
    let row = |((what, target), (ours, other)): ((&str, _), _)| Row::new(what.into(), unit, ours, other, target);
    Ok(subjects.zip(figures).map(row).collect())
}

pub struct Table {
    /// Heads the two columns of figures.
    pub columns: [&'static str; 2],
    pub rows: Vec<Row>,
}

impl Table {
    pub fn missed(&self) -> usize {
        self.rows.iter().filter(|row| !row.is_met()).count()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| {:<34} | {:>8} | {:>10} | {:>10} | {:>6} | {:<8} |",
            "", "unit", self.columns[0], self.columns[1], "ratio", "target"
        )?;
        writeln!(f, "|{:-<36}|{:->10}|{:->12}|{:->12}|{:->8}|{:-<10}|", "", ":", ":", ":", ":", "")?;
        for row in &self.rows {
            let number = |value: f64| if value >= 1000.0 { format!("{value:.0}") } else { format!("{value:.2}") };
            let ratio = format!("{:.2}", row.ratio);
            let mark = if row.is_met() { "" } else { " !" };
            let target = match row.target {
                Target::None => String::new(),
                Target::AtMost(most) => format!("≤ {most}{mark}"),
                Target::RatioAtMost(most) => format!("× ≤ {most}{mark}"),
            };
            let (what, unit, ours, other) = (&row.what, row.unit, number(row.ours), number(row.other));
            writeln!(f, "| {what:<34} | {unit:>8} | {ours:>10} | {other:>10} | {ratio:>6} | {target:<8} |")?;
        }
        Ok(())
    }
}

/// Measures ours and the other in turns. Each is the first one every second time, so that nothing which goes on steadily
/// favours one of them.
pub fn in_turns<T>(
    rounds: usize,
    ours: impl Fn() -> Result<T, Box<dyn Error>>,
    other: impl Fn() -> Result<T, Box<dyn Error>>,
) -> Result<Vec<(T, T)>, Box<dyn Error>> {
    let round = |round| {
        if round % 2 == 0 {
            let ours = ours()?;
            return Ok((ours, other()?));
        }
        let other = other()?;
        Ok((ours()?, other))
    };
    (0..rounds).map(round).collect()
}

/// The middle of several measurements.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let row = |target| Row::new("x".into(), "us", 1.0, 2.0, target);
        let targets = [Target::None, Target::AtMost(1.0), Target::RatioAtMost(0.4), Target::AtMost(0.9)];
        let table = Table { columns: ["a", "b"], rows: targets.map(row).into() };
        assert_eq!(table.missed(), 2);
        assert_eq!(table.to_string().lines().count(), 6);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        // The machine was slower by half in the second round, and something else ran beside ours in the third.
        let row = Row::of_rounds("x".into(), "us", &[(1.0, 2.0), (1.5, 3.0), (4.0, 2.0)], Target::RatioAtMost(0.5));
        assert_eq!((row.ours, row.other, row.ratio), (1.5, 2.0, 0.5));
    }
}
