//! Tokens of MESH TOKEN: a version vector as text.

use effect::{NodeId, Origin, Stamp, VersionVector};
use std::fmt;
use std::str::FromStr;

/// `node.incarnation.stamp` in hexadecimal, joined by commas; `-` where nothing was seen.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Token(pub(crate) VersionVector);

/// The text is no token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoToken;

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("-");
        }
        for (index, (origin, stamp)) in self.0.iter().enumerate() {
            let separator = if index > 0 { "," } else { "" };
            write!(f, "{separator}{}.{:x}.{:x}", origin.node, origin.incarnation, stamp.0)?;
        }
        Ok(())
    }
}

impl FromStr for Token {
    type Err = NoToken;

    fn from_str(text: &str) -> Result<Token, NoToken> {
        let mut vector = VersionVector::new();
        for entry in text.split(',').filter(|_| text != "-") {
            let mut parts = entry.split('.').map(|part| u64::from_str_radix(part, 16).map_err(|_| NoToken));
            let mut part = || parts.next().unwrap_or(Err(NoToken));
            let (node, incarnation, stamp) = (part()?, part()?, part()?);
            let incarnation = u32::try_from(incarnation).map_err(|_| NoToken)?;
            if parts.next().is_some() {
                return Err(NoToken);
            }
            vector.advance(Origin { node: NodeId(node), incarnation }, Stamp(stamp));
        }
        Ok(Token(vector))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_refuses_nonsense() {
        let mut vector = VersionVector::new();
        assert_eq!(Token(vector.clone()).to_string().parse(), Ok(Token(vector.clone())));
        vector.advance(Origin { node: NodeId(0xabc), incarnation: 7 }, Stamp::from_ms(1_795_000_000_000));
        vector.advance(Origin { node: NodeId(u64::MAX), incarnation: u32::MAX }, Stamp(1));
        assert_eq!(Token(vector.clone()).to_string().parse(), Ok(Token(vector)));
        for nonsense in ["", "x", "1.2", "1.2.3.4", "1.2.3,", "1.fffffffff.3"] {
            assert_eq!(nonsense.parse::<Token>(), Err(NoToken), "{nonsense}");
        }
    }
}
