//! Types that never hold a pointer into the heap: the collector does not look into their values.

use std::{
    alloc::Layout,
    any::TypeId,
    borrow::Cow,
    cell::{Cell, LazyCell, OnceCell, RefCell},
    cmp,
    collections::hash_map::RandomState,
    convert::Infallible,
    ffi::{CStr, CString, OsStr, OsString},
    fmt, fs,
    hash::{BuildHasherDefault, DefaultHasher},
    io,
    marker::{PhantomData, PhantomPinned},
    net::{
        IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, TcpListener, TcpStream, UdpSocket,
    },
    num::{NonZero, ParseFloatError, ParseIntError, TryFromIntError},
    ops::{Deref, DerefMut, RangeFull},
    path::{Path, PathBuf},
    process,
    str::Utf8Error,
    string::FromUtf8Error,
    sync::{Arc, Barrier, Condvar, LazyLock, Mutex, Once, OnceLock, RwLock, Weak, atomic, mpsc},
    task::Waker,
    thread::{JoinHandle, Thread, ThreadId},
    time::{Duration, Instant, SystemTime},
};

use super::{Rebrand, Trace, Visitor};

/// A value of a type that knows nothing of mudlark, made fit for the heap.
///
/// `T: 'static + Send` suffices: no brand is `'static`, so there is no `Gc` in it, and it may be dropped on
/// any thread. In a type of your own, `#[trace(skip)]` on the field does the same. This wrapper is for what
/// stands alone or in a container.
///
/// # Example: a container of foreign values
/// ```
/// use mudlark::{Heap, trace::Static};
/// use std::thread::JoinHandle;
///
/// let heap = Heap::builder().build()?;
/// let threads = heap.attach().enter(|cx| {
///     let threads: Vec<Static<JoinHandle<()>>> = vec![Static(std::thread::spawn(|| ()))];
///     cx.alloc(threads).len()
/// });
/// assert_eq!(threads, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Static<T: ?Sized>(
    /// The value.
    pub T,
);

impl<T: ?Sized> Deref for Static<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized> DerefMut for Static<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> From<T> for Static<T> {
    #[inline]
    fn from(value: T) -> Static<T> {
        Static(value)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for Static<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a type must be, so that the collector need not look into it.
trait Leaf {
    const NEEDS_TRACE: bool;
}

impl<T: ?Sized + Send + 'static> Leaf for T {
    const NEEDS_TRACE: bool = false;
}

/// Implements the traits for types that are `'static` and `Send`, and asserts that they are.
///
/// So there is no `Gc` in them (T1, T6), no brand to replace (B1, B2), nothing for the drop glue to follow
/// (T5), and any thread may drop them (T4). Nothing in them is read (T2, T3, T7). Generic parameters stand in
/// braces before the type.
macro_rules! leaves {
    ($($(#[$attribute:meta])* $({$($generics:tt)+})? $ty:ty),+ $(,)?) => { $(
        $(#[$attribute])*
        // SAFETY: T1-T7: the type is `'static` and `Send`, see the macro.
        unsafe impl<'gc, $($($generics)+)?> Trace<'gc> for $ty {
            const NEEDS_TRACE: bool = <$ty as Leaf>::NEEDS_TRACE;

            #[inline]
            fn trace<V: Visitor>(&self, _: &mut V) {}
        }

        $(#[$attribute])*
        // SAFETY: B1, B2: the type is `'static`, it has no brand.
        unsafe impl<$($($generics)+)?> Rebrand for $ty {
            type With<'gc> = $ty;
        }
    )+ };
}

leaves! {
    mudlark_collector::ExternalBytes,
    {T: ?Sized + Send + 'static} Static<T>,
}

// Numbers, text, and what stands for nothing.
leaves! {
    (), bool, char, f32, f64, Infallible,
    i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize,
    NonZero<i8>, NonZero<i16>, NonZero<i32>, NonZero<i64>, NonZero<i128>, NonZero<isize>,
    NonZero<u8>, NonZero<u16>, NonZero<u32>, NonZero<u64>, NonZero<u128>, NonZero<usize>,
    str, String, CStr, CString, OsStr, OsString, Path, PathBuf,
}

// Small values of the standard library.
leaves! {
    Duration, Instant, SystemTime,
    IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6,
    cmp::Ordering, atomic::Ordering, RangeFull, Layout, RandomState, ThreadId, TypeId,
    DefaultHasher, PhantomPinned, {H: Send + 'static} BuildHasherDefault<H>,
    fmt::Error, ParseFloatError, ParseIntError, TryFromIntError, Utf8Error, FromUtf8Error,
}

// What the system has, and other threads.
leaves! {
    io::Error, io::ErrorKind, fs::File, TcpListener, TcpStream, UdpSocket,
    process::Child, process::ExitStatus, Thread, {T: Send + 'static} JoinHandle<T>, Waker,
    Barrier, Condvar, Once,
    {T: Send + 'static} mpsc::Sender<T>, {T: Send + 'static} mpsc::SyncSender<T>,
    {T: Send + 'static} mpsc::Receiver<T>,
}

// References and shared ownership. The bound `T: 'static` looks redundant beside `&'static T`, and is not:
// that a type implies a bound is a place where the compiler has a hole, and `&'static Gc<'gc, _>` must not
// pass for a leaf.
leaves! {
    {T: ?Sized + Sync + 'static} &'static T,
    {T: ?Sized + ToOwned<Owned: Send> + Sync + 'static} Cow<'static, T>,
    {T: ?Sized + Send + Sync + 'static} Arc<T>,
    {T: ?Sized + Send + Sync + 'static} Weak<T>,
}

// Cells of the standard library: they change behind a `&self`, so what is in them must not matter to the
// collector (T3).
leaves! {
    atomic::AtomicBool,
    #[cfg(target_has_atomic = "8")] atomic::AtomicI8,
    #[cfg(target_has_atomic = "8")] atomic::AtomicU8,
    #[cfg(target_has_atomic = "16")] atomic::AtomicI16,
    #[cfg(target_has_atomic = "16")] atomic::AtomicU16,
    #[cfg(target_has_atomic = "32")] atomic::AtomicI32,
    #[cfg(target_has_atomic = "32")] atomic::AtomicU32,
    #[cfg(target_has_atomic = "64")] atomic::AtomicI64,
    #[cfg(target_has_atomic = "64")] atomic::AtomicU64,
    #[cfg(target_has_atomic = "ptr")] atomic::AtomicIsize,
    #[cfg(target_has_atomic = "ptr")] atomic::AtomicUsize,
    #[diagnostic::do_not_recommend] {T: ?Sized + Send + 'static} Cell<T>,
    #[diagnostic::do_not_recommend] {T: ?Sized + Send + 'static} RefCell<T>,
    #[diagnostic::do_not_recommend] {T: Send + 'static} OnceCell<T>,
    #[diagnostic::do_not_recommend] {T: ?Sized + Send + 'static} Mutex<T>,
    #[diagnostic::do_not_recommend] {T: ?Sized + Send + 'static} RwLock<T>,
    #[diagnostic::do_not_recommend] {T: Send + 'static} OnceLock<T>,
    #[diagnostic::do_not_recommend] {T: Send + 'static, F: Send + 'static} LazyCell<T, F>,
    #[diagnostic::do_not_recommend] {T: Send + 'static, F: Send + 'static} LazyLock<T, F>,
}

// SAFETY: T1-T7: there is no value in it, whatever `T` is.
unsafe impl<'gc, T: ?Sized> Trace<'gc> for PhantomData<T> {
    const NEEDS_TRACE: bool = false;

    #[inline]
    fn trace<V: Visitor>(&self, _: &mut V) {}
}

// SAFETY: B1, B2: `PhantomData` stays, and `T` answers for its own brand.
unsafe impl<T: ?Sized + Rebrand> Rebrand for PhantomData<T> {
    type With<'gc> = PhantomData<T::With<'gc>>;
}
