//! Numbers of a registered type.

/// What objects of one registered type there are. Those in open regions of mutators are not counted yet.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct RawTypeStats {
    /// The name that the type was registered with.
    pub name: String,
    /// Objects in cells that were allocated since birth.
    pub allocated: u64,
    /// Objects in cells that were found dead since birth.
    pub freed: u64,
    /// Blocks of such cells.
    pub blocks: u64,
    /// Large objects, of more than 8 KiB, that no sweep found dead yet.
    pub large_objects: u64,
    /// Bytes of their blocks.
    pub large_bytes: u64,
}
