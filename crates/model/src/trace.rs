//! A counterexample as a story.

use crate::{
    model::{Model, Next},
    state::{Mutator, NONE, Op, Pair, Set, State},
    step::{Pointer, Step},
};
use std::fmt;

/// How a state comes about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trace {
    /// The heap at the beginning.
    pub begin: State,
    /// Each step with the state it leads to.
    pub steps: Vec<(Step, State)>,
}

impl Trace {
    /// The state it leads to.
    pub fn end(&self) -> &State {
        self.steps.last().map_or(&self.begin, |(_, state)| state)
    }
}

impl Model {
    /// Plays a path of canonical states again, with the names of the first one all the way.
    pub(crate) fn trace(&self, path: &[u128]) -> Trace {
        let begin = State::unpack(path[0]);
        let mut trace = Trace { begin, steps: Vec::new() };
        let mut next = Next::default();
        for &wanted in &path[1..] {
            self.successors(trace.end(), &mut next);
            let found = next.steps.iter().find(|(_, state)| self.canonical(state) == wanted);
            trace.steps.push(*found.expect("states with other names take the same steps"));
        }
        trace
    }
}

struct Objects(Set);

impl fmt::Display for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, object) in self.0.iter().enumerate() {
            write!(f, "{}{}", if index > 0 { " " } else { "" }, Pointer(object))?;
        }
        f.write_str("}")
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: roots", self.phase)?;
        for root in self.roots {
            write!(f, " {}", Pointer(root))?;
        }
        if self.weak != NONE {
            write!(f, ", weak {}", Pointer(self.weak))?;
        }
        if self.value != NONE {
            write!(f, " => {}", Pointer(self.value))?;
        }
        if self.pair != Pair::Done {
            write!(f, ", pair {:?}", self.pair)?;
        }
        for object in Set::ALL.iter() {
            if self.alive.has(object) {
                write!(f, ", {}.field = {}", Pointer(object), Pointer(self.word(object)))?;
            }
        }
        let freed = Set::ALL.minus(self.alive);
        if !freed.is_empty() {
            write!(f, ", free {}", Objects(freed))?;
        }
        for (name, set) in [
            ("filling", self.filling),
            ("finished", self.finished),
            ("born after the turn", self.fresh.minus(freed)),
            ("stamped", self.stamped),
            ("queued", self.queue),
        ] {
            if !set.is_empty() {
                write!(f, ", {name} {}", Objects(set))?;
            }
        }
        for (index, mutator) in self.mutators.iter().enumerate() {
            if index >= 2 && *mutator == Mutator::default() {
                continue;
            }
            write!(f, "; mutator {} holds {}", index + 1, Objects(mutator.held))?;
            for (name, set) in [("buffer", mutator.buffer), ("window", mutator.window)] {
                if !set.is_empty() {
                    write!(f, ", {name} {}", Objects(set))?;
                }
            }
            if mutator.stack != NONE {
                write!(f, ", stack {}", Pointer(mutator.stack))?;
            }
            if mutator.op != Op::None {
                write!(f, ", in {:?}", mutator.op)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "     {}", self.begin)?;
        for (index, (step, _)) in self.steps.iter().enumerate() {
            writeln!(f, "{:4}. {step}", index + 1)?;
        }
        write!(f, "     {}", self.end())
    }
}
