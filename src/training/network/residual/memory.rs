//! Memory for planes.
//!
//! In: how many values. Out: that many, zero. Never: growth.
//!
//! A shard goes through some forty megabytes for each batch, plane beside plane; in pages of the ordinary size the processor
//! spends a twentieth of its time on finding them. So the system is asked for large ones, and where it has none, ordinary
//! ones do.

use std::ops::{Deref, DerefMut};

use memmap2::MmapMut;
use pulp::bytemuck;

/// A fixed number of values.
#[derive(Debug)]
pub struct Memory {
    map: MmapMut,
    len: usize,
}

impl Memory {
    /// So many zeros.
    ///
    /// # Panics
    ///
    /// When the system has no memory left, as any allocation does.
    pub fn zeros(len: usize) -> Self {
        let bytes = (len * size_of::<f32>()).max(1);
        let memory = MmapMut::map_anon(bytes)
            .unwrap_or_else(|error| panic!("no memory for {bytes} bytes of planes: {error}"));
        // Only a wish: without it all is as before, a little slower.
        #[cfg(target_os = "linux")]
        let _ = memory.advise(memmap2::Advice::HugePage);
        Self { map: memory, len }
    }
}

impl Deref for Memory {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        bytemuck::cast_slice(&self.map[..self.len * size_of::<f32>()])
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [f32] {
        bytemuck::cast_slice_mut(&mut self.map[..self.len * size_of::<f32>()])
    }
}
