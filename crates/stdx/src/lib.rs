//! Small tools that several crates share: hashing, glob patterns, numbers as Redis reads and prints them.

mod disposal;
mod equal;
mod fence;
mod float;
mod float_text;
mod foreign;
pub mod glob;
pub mod hash;
mod integer;
pub mod long_double;
mod memory_size;
mod prefetch;
mod size_class;
mod words;

pub use disposal::{discard, disposed, reset_disposed, set_disposal};
pub use equal::equal;
pub use fence::{heavy_fence, light_fence, prepare_fences};
pub use float::{FloatBuffer, FloatFormat, parse_f64};
pub use foreign::{bytes_of, text_of};
pub use integer::{parse_i64, parse_u64};
pub use long_double::LongDouble;
pub use memory_size::parse_memory_size;
pub use prefetch::prefetch;
pub use size_class::{size_class, vector_bytes};
pub use words::{UnbalancedQuotes, quote_word, split_words};
