//! What changed, as facts: the vocabulary shared by the keyspace (which produces and applies
//! effects), the mesh (which carries them) and, later, the AOF (which stores them).

mod clock;
mod codec;
mod effect;
mod identities;
mod scored;
mod stamp;
mod stream;
mod vector;

pub use clock::Clock;
pub use codec::{DecodeError, EffectReader, EffectWriter, Items, ItemsWriter, put_varint, take_varint};
pub use effect::{Collection, Deadline, Effect, End};
pub use identities::{Creator, Identities, IdentitiesWriter, IdentityRun, Step};
pub use scored::{ScoredItems, ScoredItemsWriter};
pub use stamp::{NodeId, Origin, Stamp};
pub use stream::{Deliveries, DeliveriesWriter, Delivery, EntryId, GroupPosition, Ids};
pub use vector::VersionVector;
