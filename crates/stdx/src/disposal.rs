//! Where large things are dropped: freeing millions of allocations takes long, and nobody has to wait for it.

use std::sync::OnceLock;

type Disposal = fn(Box<dyn Send>);

static DISPOSAL: OnceLock<Disposal> = OnceLock::new();

/// From now on `disposal` drops what is discarded, on another thread for instance. Only the first call counts.
pub fn set_disposal(disposal: Disposal) {
    let _ = DISPOSAL.set(disposal);
}

/// Drops something large where that keeps nobody waiting; here and now unless the process knows better.
pub fn discard<T: Send + 'static>(garbage: T) {
    match DISPOSAL.get() {
        Some(disposal) => disposal(Box::new(garbage)),
        None => drop(garbage),
    }
}
