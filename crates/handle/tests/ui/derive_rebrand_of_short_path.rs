//! Promise: what cannot be renamed for another brand is said so. Attack: a bound on `T::Item`.

use mudlark::Trace;

#[derive(Trace)]
struct Peeked<T: Iterator>
where
    T::Item: for<'gc> Trace<'gc>,
{
    peeked: Option<T::Item>,
    rest: T,
}

fn main() {}
