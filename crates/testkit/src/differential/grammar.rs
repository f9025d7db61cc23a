//! A small grammar of command lines: `SET string value [NX|XX] [EX seconds|KEEPTTL]`.
//! Lower-case words are random arguments (`generator`), others and those with a star stand for themselves, `[ ]` is optional,
//! `( )` groups, `|` separates alternatives, a trailing `+` repeats one to four times.

#[derive(Debug, PartialEq)]
pub(super) enum Node {
    Literal(&'static str),
    Random(&'static str),
    Sequence(Vec<Node>),
    OneOf(Vec<Node>),
    Optional(Box<Node>),
    Repeated(Box<Node>),
}

/// Panics on a malformed grammar: they are all constants of this crate.
pub(super) fn parse(text: &'static str) -> Node {
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
