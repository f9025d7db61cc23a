//! The engine as its users see it: bytes in, bytes out.

mod aside;
mod documentation;
mod eviction;
mod facts;
mod harness;
mod scripts;
mod sessions;
