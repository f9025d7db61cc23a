//! Bytes as text and back, losslessly: what is no UTF-8 (a password may be anything) has stand-ins in the text.

use std::borrow::Cow;

/// The stand-in of the byte 0x80 is this character and 0x80, and so on: the end of the private use planes.
const FIRST: u32 = 0x10_ff00;

fn stand_in(byte: u8) -> char {
    char::from_u32(FIRST + u32::from(byte)).expect("within the last plane")
}

/// The byte that a character stands for.
fn stood_for(character: char) -> Option<u8> {
    u32::from(character).checked_sub(FIRST).and_then(|byte| u8::try_from(byte).ok()).filter(|byte| !byte.is_ascii())
}

/// Text is itself; every byte that is not part of any gets a stand-in. So do the bytes of characters that are stand-ins
/// themselves, so that `bytes_of` gives back just these bytes.
pub fn text_of(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match stood_for(character) {
                None => text.push(character),
                Some(_) => text.extend(character.encode_utf8(&mut [0; 4]).bytes().map(stand_in)),
            }
        }
        text.extend(chunk.invalid().iter().copied().map(stand_in));
    }
    text
}

/// The bytes of which `text_of` made `text`.
pub fn bytes_of(text: &str) -> Cow<'_, [u8]> {
    if text.is_ascii() || !text.contains(|character| stood_for(character).is_some()) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match stood_for(character) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Cow::Owned(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_stays_as_it_is() {
        assert_eq!(text_of("pässword €".as_bytes()), "pässword €");
        assert!(matches!(bytes_of("pässword €"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes: Vec<u8>) {
            let text = text_of(&bytes);
            prop_assert_eq!(&bytes_of(&text)[..], &bytes[..]);
        }

        #[test]
        fn what_looks_like_a_stand_in_comes_back(text in "[\u{10ff00}-\u{10ffff}a]{0,8}") {
            let again = text_of(text.as_bytes());
            prop_assert_eq!(&bytes_of(&again)[..], text.as_bytes());
        }
    }
}
