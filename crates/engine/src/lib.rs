//! Commands: their declarations, the pipeline from request bytes to reply bytes, sessions.
//! Nothing here knows of sockets, files or the wall clock.
//!
//! Start with `pipeline.rs` (the flow of a request) and `commands/` (one file per family).

pub mod arguments;
mod aside;
mod batch;
mod blocking;
pub mod clients;
pub mod command;
pub mod commands;
pub mod config;
mod context;
pub mod documentation;
mod each_key;
mod engine;
mod eviction;
mod expiry;
pub mod fault;
mod gates;
mod histogram;
mod info;
mod key_sizes;
mod keys;
pub mod latency;
mod long_reads;
mod mailbox;
mod monitor;
mod multi;
mod notifications;
mod pipeline;
mod pubsub;
pub mod replication;
mod secrets;
mod services;
mod session;
mod slices;
mod slowlog;
pub mod stats;
pub mod table;
mod tracking;
mod watch;
mod worker;

pub use blocking::{Attempt, Blocking, Wait};
pub use clients::{Client, Connection};
pub use command::{Command, Reply};
pub use config::Config;
pub use context::SessionContext;
pub use engine::{Author, Engine, FLUIDB_VERSION, REDIS_VERSION, Services};
pub use eviction::Room;
pub use fault::Fault;
pub use replication::{Replication, Role};
pub use resp::{Out, counted_for_limit};
pub use services::{CpuTime, Host, Journal, LogLevel, Memory, Now, Process, Shutdown};
pub use session::{Next, Parked, Resume, Session, Turn};
pub use worker::Worker;
