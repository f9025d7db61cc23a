//! The arguments of one request, as spans of the buffer that they arrived in.

/// Where an argument lies in its buffer, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub start: u32,
    pub len: u32,
}

/// The arguments of one request; argument 0 is the command's name. Never empty.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    buffer: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Args<'a> {
    /// Every span must lie within `buffer`.
    pub fn new(buffer: &'a [u8], spans: &'a [Span]) -> Args<'a> {
        Args { buffer, spans }
    }

    /// How many arguments, the name included.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Panics where `index >= len`; arity was checked before a handler runs.
    #[inline]
    pub fn at(&self, index: usize) -> &'a [u8] {
        let span = self.spans[index];
        &self.buffer[span.start as usize..(span.start + span.len) as usize]
    }

    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        (index < self.len()).then(|| self.at(index))
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &'a [u8]> + ExactSizeIterator + Clone + use<'a> {
        let buffer = self.buffer;
        self.spans.iter().map(move |span| &buffer[span.start as usize..(span.start + span.len) as usize])
    }

    /// The arguments from `index` on.
    pub fn from(&self, index: usize) -> Args<'a> {
        Args { buffer: self.buffer, spans: &self.spans[index.min(self.spans.len())..] }
    }

    /// The same, `size` at a time.
    pub fn chunks(&self, size: usize) -> impl Iterator<Item = Args<'a>> + use<'a> {
        let buffer = self.buffer;
        self.spans.chunks(size).map(move |spans| Args { buffer, spans })
    }

    pub fn to_owned(&self) -> OwnedArgs {
        let mut owned = OwnedArgs::default();
        for argument in self.iter() {
            owned.push(argument);
        }
        owned
    }
}

/// Arguments that own their bytes: a command queued by MULTI, a rewritten command, a test.
#[derive(Clone, Debug, Default)]
pub struct OwnedArgs {
    buffer: Vec<u8>,
    spans: Vec<Span>,
}

impl OwnedArgs {
    pub fn push(&mut self, argument: &[u8]) {
        self.spans.push(Span { start: self.buffer.len() as u32, len: argument.len() as u32 });
        self.buffer.extend_from_slice(argument);
    }

    pub fn args(&self) -> Args<'_> {
        Args { buffer: &self.buffer, spans: &self.spans }
    }

    /// Bytes held.
    pub fn size(&self) -> usize {
        self.buffer.len() + self.spans.len() * size_of::<Span>()
    }
}

impl<T: AsRef<[u8]>> FromIterator<T> for OwnedArgs {
    fn from_iter<I: IntoIterator<Item = T>>(arguments: I) -> OwnedArgs {
        let mut owned = OwnedArgs::default();
        for argument in arguments {
            owned.push(argument.as_ref());
        }
        owned
    }
}
