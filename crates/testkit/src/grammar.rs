//! A small grammar of command lines: `SET string value [NX|XX] [EX seconds|KEEPTTL]`.
//! Lower-case words are random arguments (`Source`), others and those with a star stand for themselves, `[ ]` is optional,
//! `( )` groups, `|` separates alternatives, a trailing `+` repeats one to four times.

use rand::Rng;
use rand::rngs::SmallRng;

#[derive(Debug, PartialEq)]
pub(crate) enum Node {
    Literal(&'static str),
    Random(&'static str),
    Sequence(Vec<Node>),
    OneOf(Vec<Node>),
    Optional(Box<Node>),
    Repeated(Box<Node>),
}

/// Where random arguments come from.
pub(crate) trait Source {
    fn random(&mut self) -> &mut SmallRng;
    /// An argument of this kind: the grammar's word.
    fn argument(&mut self, kind: &'static str) -> Vec<u8>;
}

impl Node {
    /// The words of one command line.
    pub(crate) fn expand(&self, source: &mut impl Source, words: &mut Vec<Vec<u8>>) {
        match self {
            Node::Literal(word) => words.push(word.as_bytes().to_vec()),
            Node::Random(kind) => words.push(source.argument(kind)),
            Node::Sequence(nodes) => nodes.iter().for_each(|node| node.expand(source, words)),
            Node::OneOf(nodes) => {
                let index = source.random().random_range(0..nodes.len());
                nodes[index].expand(source, words);
            }
            Node::Optional(node) => {
                if source.random().random_ratio(1, 2) {
                    node.expand(source, words);
                }
            }
            Node::Repeated(node) => {
                let most = if source.random().random_ratio(3, 100) { 40 } else { 4 };
                for _ in 0..source.random().random_range(1..=most) {
                    node.expand(source, words);
                }
            }
        }
    }
}

/// The names of commands that a line may be, of containers with every literal word that may be a subcommand: "xgroup|create".
pub(crate) fn names(line: &str) -> Vec<String> {
    let words = line.split([' ', '(', ')', '[', ']', '|']).filter(|word| !word.is_empty());
    let words: Vec<String> = words.map(str::to_ascii_lowercase).collect();
    // Alternatives come first where the name is one of them.
    let names = if line.starts_with('(') { words.clone() } else { words[..1].to_vec() };
    let subcommands = words[1..].iter().map(|word| format!("{}|{word}", words[0])).collect();
    [names, subcommands].concat()
}

/// Panics on a malformed grammar: they are all constants of this crate.
pub(crate) fn parse(text: &'static str) -> Node {
    let mut tokens = tokens(text);
    tokens.reverse();
    let node = alternatives(&mut tokens);
    assert!(tokens.is_empty(), "unbalanced: {text}");
    node
}

fn tokens(text: &'static str) -> Vec<&'static str> {
    let mut tokens = Vec::new();
    for word in text.split(' ') {
        let mut rest = word;
        while !rest.is_empty() {
            let end = rest.find(|c| "[]()|+".contains(c)).unwrap_or(rest.len()).max(1);
            tokens.push(&rest[..end]);
            rest = &rest[end..];
        }
    }
    tokens
}

/// Tokens are taken from the end.
fn alternatives(tokens: &mut Vec<&'static str>) -> Node {
    let mut choices = vec![sequence(tokens)];
    while tokens.last() == Some(&"|") {
        tokens.pop();
        choices.push(sequence(tokens));
    }
    if choices.len() == 1 { choices.remove(0) } else { Node::OneOf(choices) }
}

fn sequence(tokens: &mut Vec<&'static str>) -> Node {
    let mut nodes = Vec::new();
    while let Some(token) = tokens.pop_if(|token| !["]", ")", "|"].contains(token)) {
        let node = match token {
            "[" => Node::Optional(Box::new(enclosed(tokens, "]"))),
            "(" => enclosed(tokens, ")"),
            "+" => Node::Repeated(Box::new(nodes.pop().expect("something before +"))),
            _ if token.starts_with(|c: char| c.is_ascii_lowercase()) && !token.contains('*') => Node::Random(token),
            _ => Node::Literal(token),
        };
        nodes.push(node);
    }
    Node::Sequence(nodes)
}

fn enclosed(tokens: &mut Vec<&'static str>, close: &str) -> Node {
    let node = alternatives(tokens);
    assert_eq!(tokens.pop(), Some(close));
    node
}

#[cfg(test)]
mod tests {
    use super::Node::*;
    use super::*;

    #[test]
    fn nesting() {
        let expected = Sequence(vec![
            Literal("A"),
            Repeated(Box::new(Sequence(vec![Random("key"), Random("value")]))),
            Optional(Box::new(OneOf(vec![Sequence(vec![Literal("NX")]), Sequence(vec![Literal("EX"), Random("n")])]))),
        ]);
        assert_eq!(parse("A (key value)+ [NX|EX n]"), expected);
    }
}
