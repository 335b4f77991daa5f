//! Instructions, and an assembler for them. Nothing here knows of a heap.

use std::{collections::HashMap, fmt};

/// One instruction. `a b -- c` says what it takes from the stack and leaves there.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// `-- nil`
    Nil,
    /// `-- n`
    Int(i64),
    /// `-- text`: a new string.
    String(String),
    /// `-- value` of a local.
    Load(usize),
    /// `value --`
    Store(usize),
    /// `value --`
    Pop,
    /// `a b -- a+b`
    Add,
    /// `a b -- a-b`
    Sub,
    /// `a b -- a*b`
    Mul,
    /// `a b -- a<b`
    Less,
    /// `a b -- a=b`
    Equal,
    /// `a b -- text`: a new string of both.
    Concat,
    /// `--`
    Jump(usize),
    /// `condition --`
    JumpUnless(usize),
    /// `-- array`
    Array,
    /// `array value --`: appends.
    Push,
    /// `array n -- value`
    Element,
    /// `value -- variable`: a place that closures share.
    Variable,
    /// `variable -- value`
    GetVariable,
    /// `variable value -- value`
    SetVariable,
    /// `captured... -- closure` of a function and so many values.
    Closure(usize, usize),
    /// `-- value` that the running closure has captured.
    Captured(usize),
    /// `closure arguments... -- result`
    Call(usize),
    /// `result --`, to the caller.
    Return,
    /// From here on, a fault continues at the target, with the fault on the stack.
    Try(usize),
    /// Ends the innermost `Try`.
    EndTry,
    /// `--`: a fault.
    Throw,
}

/// A function.
#[derive(Clone, Default, Debug)]
pub(crate) struct Function {
    /// Arguments, which are the first locals.
    pub(crate) arguments: usize,
    /// Locals, arguments among them.
    pub(crate) locals: usize,
    /// What it does.
    pub(crate) ops: Vec<Op>,
}

/// Functions; the first one is `main`.
pub(crate) type Program = Vec<Function>;

/// A line that is no instruction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SyntaxError {
    line: usize,
    message: String,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for SyntaxError {}

/// What stands for jump targets until all labels are known.
const UNKNOWN: usize = usize::MAX;

/// Turns a text into functions. A line is `fn name arguments`, `local name`, `label:`, or an instruction, perhaps behind a label; `;`
/// begins a comment. Strings are words, with `_` for a space.
pub(crate) fn assemble(text: &str) -> Result<Program, SyntaxError> {
    let functions = text.lines().filter_map(|line| line.trim().strip_prefix("fn "));
    let names: Vec<&str> = functions.filter_map(|rest| rest.split_whitespace().next()).collect();
    let mut program = Program::new();
    let mut body = Body::default();
    for (line, text) in text.lines().enumerate() {
        let mut words = text.split(';').next().unwrap_or_default().split_whitespace().peekable();
        let fail = |message: String| SyntaxError { line: line + 1, message };
        let Some(mut first) = words.next() else { continue };
        if let Some(label) = first.strip_suffix(':') {
            body.labels.insert(label, body.function.ops.len());
            let Some(next) = words.next() else { continue };
            first = next;
        }
        let words: Vec<&str> = words.collect();
        match (first, &words[..]) {
            ("fn", [_, arguments]) => {
                if line > 0 && !body.is_empty() {
                    program.push(std::mem::take(&mut body).finish().map_err(fail)?);
                }
                body.function.arguments = arguments.parse().map_err(|_| fail("not a number".into()))?;
                body.function.locals = body.function.arguments;
                body.has_begun = true;
            }
            ("local", [name]) => {
                body.locals.insert(name, body.function.locals);
                body.function.locals += 1;
            }
            _ => {
                let op = body.op(&names, first, &words).ok_or_else(|| fail(format!("what is `{text}`")))?;
                body.function.ops.push(op);
            }
        }
    }
    program.push(body.finish().map_err(|message| SyntaxError { line: text.lines().count(), message })?);
    Ok(program)
}

/// A function that is being read.
#[derive(Default)]
struct Body<'t> {
    function: Function,
    has_begun: bool,
    locals: HashMap<&'t str, usize>,
    labels: HashMap<&'t str, usize>,
    /// Jumps, and where they go.
    jumps: Vec<(usize, &'t str)>,
}

impl<'t> Body<'t> {
    fn is_empty(&self) -> bool {
        !self.has_begun
    }

    fn op(&mut self, names: &[&str], name: &str, words: &[&'t str]) -> Option<Op> {
        if let ("jump" | "jump_unless" | "try", [label]) = (name, words) {
            self.jumps.push((self.function.ops.len(), label));
        }
        Some(match (name, words) {
            ("nil", []) => Op::Nil,
            ("int", [n]) => Op::Int(n.parse().ok()?),
            ("string", [text]) => Op::String(text.replace('_', " ")),
            ("load", [local]) => Op::Load(self.local(local)?),
            ("store", [local]) => Op::Store(self.local(local)?),
            ("pop", []) => Op::Pop,
            ("add", []) => Op::Add,
            ("sub", []) => Op::Sub,
            ("mul", []) => Op::Mul,
            ("less", []) => Op::Less,
            ("equal", []) => Op::Equal,
            ("concat", []) => Op::Concat,
            ("jump", [_]) => Op::Jump(UNKNOWN),
            ("jump_unless", [_]) => Op::JumpUnless(UNKNOWN),
            ("array", []) => Op::Array,
            ("push", []) => Op::Push,
            ("element", []) => Op::Element,
            ("variable", []) => Op::Variable,
            ("get_variable", []) => Op::GetVariable,
            ("set_variable", []) => Op::SetVariable,
            ("closure", [function, captured]) => {
                let function = names.iter().position(|name| name == function)?;
                Op::Closure(function, captured.parse().ok()?)
            }
            ("captured", [n]) => Op::Captured(n.parse().ok()?),
            ("call", [n]) => Op::Call(n.parse().ok()?),
            ("return", []) => Op::Return,
            ("try", [_]) => Op::Try(UNKNOWN),
            ("end_try", []) => Op::EndTry,
            ("throw", []) => Op::Throw,
            _ => return None,
        })
    }

    /// A local by name, an argument by number.
    fn local(&self, word: &str) -> Option<usize> {
        let argument = || word.parse().ok().filter(|&n| n < self.function.arguments);
        self.locals.get(word).copied().or_else(argument)
    }

    fn finish(mut self) -> Result<Function, String> {
        for (at, label) in self.jumps {
            let target = *self.labels.get(label).ok_or_else(|| format!("no label `{label}`"))?;
            match &mut self.function.ops[at] {
                Op::Jump(to) | Op::JumpUnless(to) | Op::Try(to) => *to = target,
                _ => unreachable!("only jumps were noted"),
            }
        }
        Ok(self.function)
    }
}
