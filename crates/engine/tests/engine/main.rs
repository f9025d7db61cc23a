//! The engine as its users see it: bytes in, bytes out.

mod documentation;
mod eviction;
mod facts;
mod harness;
mod scripts;
mod sessions;
