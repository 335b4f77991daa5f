//! Programs that run in steps: fuel, and a loop that leaves its scope only when that is worth it.

use crate::{heap::Mutator, interrupt::Interrupted, scope::Scope};
use mudlark_collector::ExitHint;
use std::{error::Error, fmt, ops::ControlFlow};

/// How many steps a program may still take. What a step is, the program says.
///
/// # Example: a budget
///
/// ```
/// use mudlark::Fuel;
///
/// let mut fuel = Fuel::new(3);
/// assert!(fuel.burn(2));
/// assert!(!fuel.burn(2));
/// assert!(fuel.is_empty());
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fuel {
    left: u64,
}

impl Fuel {
    /// So many steps.
    ///
    /// # Example: so many steps and no more
    ///
    /// ```
    /// use mudlark::Fuel;
    ///
    /// let mut fuel = Fuel::new(2);
    /// assert_eq!([fuel.burn(1), fuel.burn(1), fuel.burn(1)], [true, true, false]);
    /// ```
    pub const fn new(steps: u64) -> Fuel {
        Fuel { left: steps }
    }

    /// More steps than a program takes in a lifetime.
    ///
    /// # Example: a program that is trusted
    ///
    /// ```
    /// use mudlark::Fuel;
    ///
    /// let mut fuel = Fuel::unlimited();
    /// assert!(fuel.burn(1 << 40) && !fuel.is_empty());
    /// ```
    pub const fn unlimited() -> Fuel {
        Fuel { left: u64::MAX }
    }

    /// Takes some steps off. `false` if there were fewer; then none is left.
    ///
    /// # Example: a step that costs what it does
    ///
    /// ```
    /// use mudlark::Fuel;
    ///
    /// let (text, mut fuel) = ("a long text", Fuel::new(20));
    /// assert!(fuel.burn(text.len() as u64));
    /// assert!(!fuel.burn(text.len() as u64), "the second copy is too much");
    /// assert_eq!(fuel.left(), 0);
    /// ```
    #[inline(always)]
    pub fn burn(&mut self, steps: u64) -> bool {
        let enough = self.left >= steps;
        self.left = self.left.saturating_sub(steps);
        enough
    }

    /// Adds steps.
    ///
    /// # Example: once more
    ///
    /// ```
    /// use mudlark::Fuel;
    ///
    /// let mut fuel = Fuel::new(1);
    /// assert!(fuel.burn(1) && !fuel.burn(1));
    /// fuel.refill(1);
    /// assert!(fuel.burn(1));
    /// ```
    pub fn refill(&mut self, steps: u64) {
        self.left = self.left.saturating_add(steps);
    }

    /// Steps left.
    ///
    /// # Example: what a program took
    ///
    /// ```
    /// use mudlark::Fuel;
    ///
    /// let mut fuel = Fuel::new(100);
    /// fuel.burn(30);
    /// assert_eq!(100 - fuel.left(), 30);
    /// ```
    pub const fn left(&self) -> u64 {
        self.left
    }

    /// Whether none is left.
    ///
    /// # Example: until it is used up
    ///
    /// ```
    /// use mudlark::Fuel;
    ///
    /// let (mut fuel, mut steps) = (Fuel::new(3), 0);
    /// while !fuel.is_empty() {
    ///     fuel.burn(1);
    ///     steps += 1;
    /// }
    /// assert_eq!(steps, 3);
    /// ```
    #[inline(always)]
    pub const fn is_empty(&self) -> bool {
        self.left == 0
    }
}

/// Why [`Mutator::enter_loop`] stopped before the program was done. It can be called again to go on.
///
/// # Example: a scheduler of scripts
///
/// ```
/// use mudlark::{Fuel, Heap, Stopped};
/// use std::ops::ControlFlow;
///
/// let heap = Heap::builder().build()?;
/// let mut mutator = heap.attach();
/// let mut run = |fuel: u64| mutator.enter_loop::<()>(&mut Fuel::new(fuel), |_, _| ControlFlow::Continue(()));
/// match run(10) {
///     Err(Stopped::OutOfFuel) => println!("the next one's turn"),
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stopped {
    /// The fuel is used up.
    OutOfFuel,
    /// Somebody interrupted the program.
    Interrupted,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stopped::OutOfFuel => f.write_str("the program has used up its fuel; refill it to go on"),
            Stopped::Interrupted => Interrupted.fmt(f),
        }
    }
}

impl Error for Stopped {}

impl From<Interrupted> for Stopped {
    fn from(Interrupted: Interrupted) -> Stopped {
        Stopped::Interrupted
    }
}

impl Scope<'_> {
    /// Whether it is worth while to leave the scope now: the hint for a program that could. One load.
    ///
    /// A scope may go on regardless; then a cycle takes longer, and the heap grows meanwhile.
    ///
    /// # Example: a long computation in short scopes
    ///
    /// ```
    /// use mudlark::{ExitHint, Heap};
    ///
    /// let heap = Heap::builder().gc_percent(50).build()?;
    /// let mut mutator = heap.attach();
    /// let mut made = 0_u64;
    /// while made < 1_000_000 {
    ///     mutator.enter(|cx| {
    ///         while made < 1_000_000 && cx.exit_hint() == ExitHint::None {
    ///             cx.alloc([made; 4]);
    ///             made += 1;
    ///         }
    ///     });
    /// }
    /// assert!(heap.stats().in_use_bytes < 16 << 20);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline(always)]
    pub fn exit_hint(&self) -> ExitHint {
        self.raw().exit_hint()
    }
}

impl Mutator {
    /// Runs a program step by step, in as few scopes as the collector is content with.
    ///
    /// `step` is called again and again, in one scope as long as there is no reason to leave it ([`Scope::exit_hint`]), then in
    /// the next one. So it keeps nothing from call to call but in a [`Root`](crate::Root). A step may be one instruction; better
    /// it is some hundreds, that end early when there is a hint. Each call takes one unit of fuel; what it does beyond, it burns itself.
    ///
    /// # Errors
    ///
    /// [`Stopped`] when the fuel is used up or an [`InterruptHandle`](crate::InterruptHandle) was used: looked at between steps. The
    /// program is in the root as the last step left it, and can go on.
    ///
    /// # Panics
    ///
    /// As [`Mutator::enter`].
    ///
    /// # Example: count to a million, in pieces
    ///
    /// ```
    /// use mudlark::{Fuel, Heap, Root, Stopped};
    /// use std::ops::ControlFlow::{Break, Continue};
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let counter: Root<u64> = mutator.enter(|cx| cx.root(cx.alloc(0_u64)));
    /// let mut count = |fuel: &mut Fuel| {
    ///     mutator.enter_loop(fuel, |cx, fuel| {
    ///         let mut n = *counter.get(cx);
    ///         while n < 1_000_000 && n % 100 != 99 && fuel.burn(1) {
    ///             n += 1;
    ///         }
    ///         counter.set(cx, cx.alloc(n + 1));
    ///         if n < 1_000_000 { Continue(()) } else { Break(n) }
    ///     })
    /// };
    /// assert_eq!(count(&mut Fuel::new(1000)), Err(Stopped::OutOfFuel));
    /// assert_eq!(count(&mut Fuel::unlimited()), Ok(1_000_000));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn enter_loop<R>(
        &mut self,
        fuel: &mut Fuel,
        mut step: impl for<'gc> FnMut(&Scope<'gc>, &mut Fuel) -> ControlFlow<R>,
    ) -> Result<R, Stopped> {
        loop {
            let end = self.enter(|cx| {
                loop {
                    if let Err(interrupted) = cx.poll() {
                        return Some(Err(interrupted.into()));
                    }
                    if !fuel.burn(1) {
                        return Some(Err(Stopped::OutOfFuel));
                    }
                    if let ControlFlow::Break(result) = step(cx, fuel) {
                        return Some(Ok(result));
                    }
                    if cx.exit_hint() != ExitHint::None {
                        return None;
                    }
                }
            });
            if let Some(end) = end {
                return end;
            }
        }
    }

    /// Runs what may take long and needs no heap, like reading from a socket: outside of scopes, where no cycle waits for this thread.
    ///
    /// A mutator outside of its scopes is always like that. This says so in the program, keeps the mutator from being
    /// entered meanwhile, and finds the mistake of blocking inside a scope of another mutator.
    ///
    /// # Panics
    ///
    /// In a scope of this heap on this thread: all cycles would wait for what blocks.
    ///
    /// # Example: wait for a message
    ///
    /// ```
    /// use mudlark::Heap;
    /// use std::sync::mpsc::channel;
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let (sender, receiver) = channel();
    /// std::thread::spawn(move || sender.send("hello"));
    /// let text = mutator.blocking(|| receiver.recv())?;
    /// mutator.enter(|cx| assert_eq!(&*cx.alloc_str(text), "hello"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn blocking<R>(&mut self, wait: impl FnOnce() -> R) -> R {
        self.heap().assert_not_entered_here("block");
        wait()
    }
}
