//! Interrupts: how a program that runs in scopes is asked to stop.

use crate::{heap::Mutator, scope::Scope};
use mudlark_collector::InterruptFlag;
use std::{error::Error, fmt, sync::Arc};

/// Asks the program that runs on a [`Mutator`] to stop: from another thread, a timer, or a signal handler.
///
/// The program notices when it looks: in [`Scope::poll`], or in [`Mutator::enter_loop`]. The wish stays until it is cleared, so a
/// script cannot swallow it by catching one error. Clones are handles to the same wish; they may outlive mutator and heap.
///
/// # Example: a time limit for a script
///
/// ```
/// use mudlark::{Heap, Interrupted};
/// use std::thread;
///
/// let heap = Heap::builder().build()?;
/// let mut mutator = heap.attach();
/// let handle = mutator.interrupt_handle();
/// thread::spawn(move || handle.interrupt());
/// let outcome = mutator.enter(|cx| -> Result<(), Interrupted> {
///     loop {
///         cx.alloc(1);
///         cx.poll()?;
///     }
/// });
/// assert_eq!(outcome, Err(Interrupted));
/// assert!(mutator.interrupt_handle().clear());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct InterruptHandle {
    flag: Arc<InterruptFlag>,
}

impl InterruptHandle {
    /// Asks the program to stop. One atomic store, so a signal handler may do it.
    #[inline]
    pub fn interrupt(&self) {
        self.flag.raise();
    }

    /// Takes the wish back; returns whether there was one.
    #[inline]
    pub fn clear(&self) -> bool {
        self.flag.clear()
    }

    /// Whether the program is asked to stop.
    #[inline]
    pub fn is_interrupted(&self) -> bool {
        self.flag.is_raised()
    }
}

/// The program was asked to stop, by an [`InterruptHandle`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the program was interrupted; clear its interrupt handle before it is run again")
    }
}

impl Error for Interrupted {}

impl Mutator {
    /// What interrupts the program that runs on this mutator, and on threads that share its scopes (see [`Scope::scoped`]).
    pub fn interrupt_handle(&self) -> InterruptHandle {
        InterruptHandle { flag: Arc::clone(self.raw().interrupt_flag()) }
    }
}

impl Scope<'_> {
    /// Looks whether somebody asked the program to stop. Two loads: cheap enough for each jump of an interpreter.
    ///
    /// # Errors
    ///
    /// [`Interrupted`] from an interrupt until it is cleared.
    #[inline(always)]
    pub fn poll(&self) -> Result<(), Interrupted> {
        if self.raw().interrupt_flag().is_raised() { Err(Interrupted) } else { Ok(()) }
    }
}
