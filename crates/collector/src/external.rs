//! Memory outside of the heap that objects hold: it paces cycles and counts against the memory limit.

use crate::{
    alloc_slow::{FullCause, HeapFull},
    heap::Core,
    local::Local,
    mutator::Mutator,
};
use mudlark_arena::sync::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;

/// What a mutator may owe for its collections, in bytes: less than it takes of the heap with one region.
const STEP_BYTES: u64 = 2048;

/// Says that an object holds so many bytes outside of the heap. To be kept in the object: when it dies, the bytes are gone.
#[derive(Debug)]
pub struct ExternalBytes {
    /// Shared with the heap, which may end before the object does.
    held: Arc<AtomicU64>,
    bytes: u64,
}

impl ExternalBytes {
    pub(crate) fn new(held: &Arc<AtomicU64>, bytes: u64) -> ExternalBytes {
        held.fetch_add(bytes, Relaxed);
        ExternalBytes { held: Arc::clone(held), bytes }
    }

    /// How many bytes it says.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Says another number from now on: the buffer has grown, or shrunk. Whoever has a scope takes its `resize_external`, which pays
    /// for what is more.
    pub fn resize(&mut self, bytes: u64) {
        if bytes >= self.bytes {
            self.held.fetch_add(bytes - self.bytes, Relaxed);
        } else {
            self.held.fetch_sub(self.bytes - bytes, Relaxed);
        }
        self.bytes = bytes;
    }
}

/// The account of a buffer that grows and shrinks: nothing before the first byte.
#[derive(Default, Debug)]
pub struct ExternalAccount(Option<ExternalBytes>);

impl ExternalAccount {
    /// An account that says nothing.
    pub const fn new() -> ExternalAccount {
        ExternalAccount(None)
    }

    /// How many bytes it says.
    pub fn bytes(&self) -> u64 {
        self.0.as_ref().map_or(0, ExternalBytes::bytes)
    }

    /// Says another number, for the heap whose bytes are counted in `held`. Returns how many more that heap holds now.
    fn set(&mut self, held: &Arc<AtomicU64>, bytes: u64) -> u64 {
        if self.bytes() == bytes {
            return 0;
        }
        // A value without pointers can have come from another heap.
        if let Some(external) = self.0.as_mut().filter(|external| Arc::ptr_eq(&external.held, held)) {
            let before = external.bytes;
            external.resize(bytes);
            bytes.saturating_sub(before)
        } else {
            self.0 = (bytes > 0).then(|| ExternalBytes::new(held, bytes));
            bytes
        }
    }
}

impl Drop for ExternalBytes {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes, Relaxed);
    }
}

impl Core {
    /// Counts bytes outside of the heap that an object will hold.
    pub fn external_bytes(&self, bytes: u64) -> ExternalBytes {
        ExternalBytes::new(self.pace.external_held(), bytes)
    }
}

impl Local {
    /// Counts bytes outside of the heap that an object will hold, and pays for them like for an allocation.
    pub fn account_external(&self, mutator: &Mutator, bytes: u64) -> ExternalBytes {
        let held = self.core().external_bytes(bytes);
        self.pay_external(mutator, bytes);
        held
    }

    /// Counts bytes outside of the heap that an object will hold, unless the hard limit stands against it.
    ///
    /// # Errors
    ///
    /// [`HeapFull`] when there is a hard limit, and no room for so many bytes below it.
    pub fn try_account_external(&self, mutator: &Mutator, bytes: u64) -> Result<ExternalBytes, HeapFull> {
        let wanted = usize::try_from(bytes).unwrap_or(usize::MAX);
        match self.core().refuses(wanted) {
            Some(cause) => Err(self.full(mutator, wanted, cause)),
            None => Ok(self.account_external(mutator, bytes)),
        }
    }

    /// Counts another number from now on, and pays for what is more like for an allocation.
    pub fn resize_external(&self, mutator: &Mutator, held: &mut ExternalBytes, bytes: u64) {
        let more = bytes.saturating_sub(held.bytes);
        held.resize(bytes);
        self.pay_external(mutator, more);
    }

    /// Counts another number in an account from now on, whatever it comes to. Returns what is to be [paid](Local::pay_counted) for it.
    ///
    /// Runs nothing but the count, so the account may lie where other code would find it.
    #[inline]
    pub fn count_external(&self, account: &mut ExternalAccount, bytes: u64) -> u64 {
        account.set(self.core().pace.external_held(), bytes)
    }

    /// The same before a buffer grows to `bytes`, if they find room below the maximum heap.
    ///
    /// # Errors
    ///
    /// When what the heap holds, inside and outside, would become more than its maximum or its hard limit. Nothing has happened, and a cycle is asked for.
    #[inline]
    pub fn count_growth(
        &self,
        mutator: &Mutator,
        account: &mut ExternalAccount,
        bytes: u64,
    ) -> Result<u64, HeapFull> {
        let core = self.core();
        let more = bytes.saturating_sub(account.bytes());
        let wanted = usize::try_from(more).unwrap_or(usize::MAX);
        let is_beyond = core.counted_bytes().saturating_add(more) > core.max_heap() as u64;
        if let Some(cause) = core.refuses(wanted).or(is_beyond.then_some(FullCause::Limit)) {
            return Err(self.full(mutator, usize::try_from(bytes).unwrap_or(usize::MAX), cause));
        }
        Ok(self.count_external(account, bytes))
    }

    /// Pays for bytes that were counted, in steps of 2 KiB: a buffer that begins small grows often. May mark and sweep.
    #[inline]
    pub fn pay_counted(&self, mutator: &Mutator, more: u64) {
        let unpaid = self.unpaid.get().saturating_add(more);
        if unpaid < STEP_BYTES {
            self.unpaid.set(unpaid);
        } else {
            self.unpaid.set(0);
            self.pay_external(mutator, unpaid);
        }
    }

    /// What it becomes when the system's allocator gives no memory for a buffer that was counted.
    pub fn refused_external(&self, mutator: &Mutator, bytes: usize) -> HeapFull {
        self.full(mutator, bytes, FullCause::System)
    }

    fn pay_external(&self, mutator: &Mutator, more: u64) {
        if more > 0 && !self.core().birthplace.is_elsewhere() {
            self.pay(mutator, usize::try_from(more).unwrap_or(usize::MAX));
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Goal: an account counts in the heap that it was settled in last. Method: two heaps' counters, one account.
    #[test]
    fn an_account_moves_between_heaps() {
        let [one, two] = [0, 0].map(|zero: u64| Arc::new(AtomicU64::new(zero)));
        let counted = || (one.load(Relaxed), two.load(Relaxed));
        let mut account = ExternalAccount::new();
        assert_eq!((account.set(&one, 0), counted()), (0, (0, 0)));
        assert_eq!((account.set(&one, 10), counted()), (10, (10, 0)));
        assert_eq!((account.set(&one, 30), counted()), (20, (30, 0)));
        assert_eq!((account.set(&one, 5), counted()), (0, (5, 0)));
        assert_eq!((account.set(&two, 7), counted()), (7, (0, 7)));
        drop(account);
        assert_eq!(counted(), (0, 0));
    }
}
