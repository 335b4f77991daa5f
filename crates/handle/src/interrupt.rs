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
    ///
    /// # Example: a button
    ///
    /// ```
    /// use mudlark::{Heap, Interrupted};
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let button = mutator.interrupt_handle();
    /// assert_eq!(mutator.enter(|cx| cx.poll()), Ok(()));
    /// button.interrupt();
    /// assert_eq!(mutator.enter(|cx| cx.poll()), Err(Interrupted));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn interrupt(&self) {
        self.flag.raise();
    }

    /// Takes the wish back; returns whether there was one.
    ///
    /// # Example: before the next script
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let handle = mutator.interrupt_handle();
    /// handle.interrupt();
    /// assert!(handle.clear() && !handle.clear());
    /// assert!(mutator.enter(|cx| cx.poll()).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn clear(&self) -> bool {
        self.flag.clear()
    }

    /// Whether the program is asked to stop.
    ///
    /// # Example: asked from outside
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let handle = mutator.interrupt_handle();
    /// assert!(!handle.is_interrupted());
    /// mutator.interrupt_handle().interrupt();
    /// assert!(handle.is_interrupted(), "both are handles to one wish");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn is_interrupted(&self) -> bool {
        self.flag.is_raised()
    }
}

/// The program was asked to stop, by an [`InterruptHandle`].
///
/// # Example: an error among others
///
/// ```
/// use mudlark::Heap;
/// use std::error::Error;
///
/// fn shout(cx: &mudlark::Scope<'_>, text: &str) -> Result<u64, Box<dyn Error>> {
///     cx.poll()?;
///     Ok(text.parse::<u64>()?)
/// }
///
/// let heap = Heap::builder().build()?;
/// let mut mutator = heap.attach();
/// mutator.interrupt_handle().interrupt();
/// let error = mutator.enter(|cx| shout(cx, "7").map_err(|error| error.to_string())).unwrap_err();
/// assert!(error.starts_with("the program was interrupted"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
    ///
    /// # Example: for a timer
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let handle = mutator.interrupt_handle();
    /// let timer = std::thread::spawn(move || handle.interrupt());
    /// mutator.enter(|cx| while cx.poll().is_ok() {});
    /// timer.join().expect("no panic");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    ///
    /// # Example: each turn of a loop
    ///
    /// ```
    /// use mudlark::{Heap, Interrupted};
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let handle = mutator.interrupt_handle();
    /// let mut turns = 0;
    /// let outcome = mutator.enter(|cx| -> Result<(), Interrupted> {
    ///     loop {
    ///         cx.poll()?;
    ///         turns += 1;
    ///         if turns == 3 {
    ///             handle.interrupt();
    ///         }
    ///     }
    /// });
    /// assert_eq!((outcome, turns), (Err(Interrupted), 3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline(always)]
    pub fn poll(&self) -> Result<(), Interrupted> {
        if self.raw().interrupt_flag().is_raised() { Err(Interrupted) } else { Ok(()) }
    }
}
