//! What policies answer: sizes that nobody has checked yet, with the terms that led to them.

/// A size as a policy gives it. The guard checks it before anything goes by it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Target {
    /// So many bytes.
    Bytes(f64),
    /// No bound from this policy: only limits make cycles begin.
    Unbounded,
}

/// A named number of a formula.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct Term {
    /// What it is.
    pub name: &'static str,
    /// How much.
    pub value: f64,
}

/// How many terms an answer can name.
pub const TERMS_MAX: usize = 4;

/// The formula of an answer, and its numbers. Unused terms have empty names.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct Formula {
    /// The formula in words.
    pub text: &'static str,
    /// Its numbers.
    pub terms: [Term; TERMS_MAX],
}

impl Formula {
    /// A formula with the first few of these terms; what is too much is left out.
    pub fn new(text: &'static str, named: &[(&'static str, f64)]) -> Formula {
        let mut terms = [Term::default(); TERMS_MAX];
        for (term, &(name, value)) in terms.iter_mut().zip(named) {
            *term = Term { name, value };
        }
        Formula { text, terms }
    }

    /// The terms that are used.
    pub fn terms(&self) -> impl Iterator<Item = &Term> {
        self.terms.iter().filter(|term| !term.name.is_empty())
    }
}
