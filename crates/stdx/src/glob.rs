//! Glob patterns as Redis matches them (KEYS, SCAN, PSUBSCRIBE, CONFIG GET):
//! `*` any run of bytes, `?` one byte, `[a-z]` `[^a-z]` one byte of a class, `\x` the byte x itself.

/// Whether the whole of `text` matches `pattern`.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    Matcher { pattern, ignore_case: false }.matches(text)
}

/// The same, with ASCII letters of either case alike.
pub fn matches_ignore_case(pattern: &[u8], text: &[u8]) -> bool {
    Matcher { pattern, ignore_case: true }.matches(text)
}

/// Whether `pattern` can match only one text, because nothing in it is special.
pub fn is_literal(pattern: &[u8]) -> bool {
    !pattern.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\'))
}

/// A pattern with more stars that are not its end matches nothing long enough to come to them, as in Redis.
const MAX_STARS: usize = 1000;

struct Matcher<'a> {
    pattern: &'a [u8],
    ignore_case: bool,
}

impl Matcher<'_> {
    /// Every element but `*` takes exactly one byte, so on a mismatch only the last `*` can usefully take more: the time
    /// is at most the product of the lengths.
    fn matches(&self, text: &[u8]) -> bool {
        // As in Redis, the empty text matches the empty pattern only, not even `*`.
        if text.is_empty() {
            return self.pattern.is_empty();
        }
        let (mut at, mut position) = (0, 0);
        // Where to go on after a mismatch: the element after the last `*`, and the first byte that it has not taken.
        let mut retry: Option<(usize, usize)> = None;
        let mut stars = 0;
        while position < text.len() {
            if self.pattern.get(at) == Some(&b'*') {
                at += self.pattern[at..].iter().take_while(|byte| **byte == b'*').count();
                retry = Some((at, position));
                stars += 1;
                if at == self.pattern.len() || stars > MAX_STARS {
                    return at == self.pattern.len();
                }
                continue;
            }
            match self.element(at, text[position]) {
                Some(next) => {
                    at = next;
                    position += 1;
                }
                None => {
                    let Some((after_star, taken)) = retry else { return false };
                    at = after_star;
                    position = taken + 1;
                    retry = Some((after_star, position));
                }
            }
        }
        self.pattern[at..].iter().all(|byte| *byte == b'*')
    }

    /// The index after the element at `at`, if it matches `byte`.
    fn element(&self, at: usize, byte: u8) -> Option<usize> {
        match *self.pattern.get(at)? {
            b'?' => Some(at + 1),
            b'[' => self.class(at + 1, byte),
            b'\\' if at + 1 < self.pattern.len() => self.same(self.pattern[at + 1], byte).then_some(at + 2),
            literal => self.same(literal, byte).then_some(at + 1),
        }
    }

    /// A class from behind its `[`. One that is not closed ends with the pattern.
    fn class(&self, mut at: usize, byte: u8) -> Option<usize> {
        let negated = self.pattern.get(at) == Some(&b'^');
        at += usize::from(negated);
        let mut found = false;
        loop {
            match self.pattern[at..] {
                [] => break,
                [b'\\', escaped, ..] => {
                    found |= escaped == byte;
                    at += 2;
                }
                [b']', ..] => {
                    at += 1;
                    break;
                }
                [first, b'-', last, ..] => {
                    found |= self.in_range(first.min(last), first.max(last), byte);
                    at += 3;
                }
                [literal, ..] => {
                    found |= self.same(literal, byte);
                    at += 1;
                }
            }
        }
        (found != negated).then_some(at)
    }

    fn in_range(&self, first: u8, last: u8, byte: u8) -> bool {
        match self.ignore_case {
            false => (first..=last).contains(&byte),
            true => (first.to_ascii_lowercase()..=last.to_ascii_lowercase()).contains(&byte.to_ascii_lowercase()),
        }
    }

    #[inline]
    fn same(&self, left: u8, right: u8) -> bool {
        left == right || (self.ignore_case && left.eq_ignore_ascii_case(&right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_an_end_to_stars() {
        assert!(matches("*?".repeat(1000).as_bytes(), &[b'a'; 5000]));
        assert!(!matches("*?".repeat(1001).as_bytes(), &[b'a'; 5000]));
        assert!(matches("*".repeat(5000).as_bytes(), b"a"));
    }
    use proptest::prelude::*;

    fn check(cases: &[(&str, &str, bool)]) {
        for (pattern, text, expected) in cases {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), *expected, "{pattern:?} on {text:?}");
        }
    }

    #[test]
    fn stars_and_question_marks() {
        check(&[
            ("*", "anything", true),
            ("h*llo", "hllo", true),
            ("h*llo", "heeeello", true),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("a*", "a", true),
            ("a**", "a", true),
            ("*a*b*c", "xxaxxbxxc", true),
            ("*a*b*c", "xxaxxbxxcd", false),
            ("", "", true),
            ("", "a", false),
            ("*", "", false),
            ("?", "", false),
        ]);
    }

    #[test]
    fn classes() {
        check(&[
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-c]llo", "hbllo", true),
            ("h[c-a]llo", "hbllo", true),
            ("h[a-c]llo", "hdllo", false),
            ("[a", "a", true),
            ("[a", "b", false),
            ("[a-", "-", true),
            ("[\\]]", "]", true),
            ("[]", "a", false),
            ("[^]", "a", true),
            ("[a-]]", "b", false),
        ]);
    }

    #[test]
    fn escapes() {
        check(&[
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("a\\?b", "a?b", true),
            ("\\", "\\", true),
            ("a\\", "a\\", true),
            ("\\a", "a", true),
        ]);
    }

    #[test]
    fn case_can_be_ignored_except_behind_an_escape_in_a_class() {
        for (pattern, text, expected) in [
            ("HeL*", "hello", true),
            ("[A-C]", "b", true),
            ("[xY]", "y", true),
            ("[\\X]", "x", false),
            ("\\X", "x", true),
            ("[Z-a]", "z", false),
        ] {
            assert_eq!(matches_ignore_case(pattern.as_bytes(), text.as_bytes()), expected, "{pattern:?} on {text:?}");
        }
        assert!(!matches(b"HeL*", b"hello"));
    }

    #[test]
    fn patterns_full_of_stars_take_no_exponential_time() {
        let pattern = [b"*a".repeat(200), b"*b".to_vec()].concat();
        assert!(!matches(&pattern, &vec![b'a'; 20_000]));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(pattern: Vec<u8>, text: Vec<u8>) {
            matches(&pattern, &text);
            matches_ignore_case(&pattern, &text);
        }

        #[test]
        fn an_escaped_text_matches_itself_only(text in "[ -~]{1,12}", other in "[ -~]{1,12}") {
            let escaped: Vec<u8> = text.bytes().flat_map(|byte| [b'\\', byte]).collect();
            prop_assert!(matches(&escaped, text.as_bytes()));
            prop_assert_eq!(matches(&escaped, other.as_bytes()), text == other);
        }

        #[test]
        fn a_prefix_and_a_star_match_like_starts_with(prefix in "[a-c]{0,3}", text in "[a-c]{1,6}") {
            let pattern = format!("{prefix}*");
            prop_assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), text.starts_with(&prefix));
        }
    }
}
