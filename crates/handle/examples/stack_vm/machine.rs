//! The machine: its state is one object behind one root, and everything else hangs on that.
//!
//! | what | where | why |
//! |---|---|---|
//! | stack, frames, handlers | vectors in one `GcRefCell` | borrowed once for some hundred instructions, so its barrier is paid once |
//! | functions | plain Rust, behind an `Arc` | they hold no pointer |
//! | arrays | a vector in a `GcRefCell`, and [`ExternalBytes`] for its memory | so that it counts against the hard limit |
//! | faults | plain numbers | to raise and to catch one takes no memory |

use super::code::{Op, Program};
use mudlark::{
    ExitHint, ExternalBytes, Fuel, Gc, GcRefCell, Heap, InterruptHandle, Mutator, RefMut, Root, Scope,
    Stopped, Trace,
};
use std::{
    ops::ControlFlow::{self, Break, Continue},
    sync::Arc,
};

/// Instructions between two looks at whether the scope should be left.
const STEP_OPS: u64 = 256;
/// Values on the stack, at most.
const STACK_MAX: usize = 10_000;

/// Why a program cannot go on. It can catch it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Trace)]
pub(crate) enum Fault {
    /// The heap is full, or its hard limit met.
    OutOfMemory,
    /// An operand has the wrong type.
    Type,
    /// There is no such element.
    Bounds,
    /// An integer is too large.
    Overflow,
    /// Calls are nested too deep.
    Stack,
    /// The program said so.
    Thrown,
}

/// A value of the program.
#[derive(Clone, Copy, Trace)]
enum Value<'gc> {
    Nil,
    Bool(bool),
    Int(i64),
    Fault(Fault),
    Text(Gc<'gc, str>),
    Array(Gc<'gc, Array<'gc>>),
    Variable(Gc<'gc, GcRefCell<Value<'gc>>>),
    Closure(Gc<'gc, Closure<'gc>>),
}

#[derive(Trace)]
struct Closure<'gc> {
    function: usize,
    captured: Gc<'gc, [Value<'gc>]>,
}

#[derive(Trace)]
struct Array<'gc> {
    items: GcRefCell<Items<'gc>>,
}

#[derive(Trace)]
struct Items<'gc> {
    values: Vec<Value<'gc>>,
    held: ExternalBytes,
}

/// A call under way.
#[derive(Clone, Copy, Trace)]
struct Frame<'gc> {
    closure: Gc<'gc, Closure<'gc>>,
    /// The next instruction.
    at: usize,
    /// Where its locals begin on the stack.
    base: usize,
    /// Where they end, and what it computes with begins.
    floor: usize,
}

/// Where a fault goes.
#[derive(Clone, Copy, Trace)]
struct Handler {
    frames: usize,
    stack: usize,
    target: usize,
}

#[derive(Trace)]
struct State<'gc> {
    stack: Vec<Value<'gc>>,
    frames: Vec<Frame<'gc>>,
    handlers: Vec<Handler>,
}

/// What the root leads to.
#[derive(Trace)]
struct Machine<'gc> {
    state: GcRefCell<State<'gc>>,
}

/// The result of a program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// It returned this, as a text.
    Returned(String),
    /// Nobody caught a fault.
    Failed(Fault),
}

/// A program with its machine.
pub(crate) struct Vm {
    mutator: Mutator,
    program: Arc<Program>,
    machine: Root<Machine<'static>>,
}

impl Vm {
    /// A machine that is about to begin.
    pub(crate) fn new(heap: &Heap, program: Program) -> Vm {
        let mut mutator = heap.attach();
        let machine = mutator.enter(|cx| {
            let main = cx.alloc(Closure { function: 0, captured: cx.alloc_slice_copy(&[]) });
            let state = State {
                stack: vec![Value::Nil; program[0].locals],
                frames: vec![Frame { closure: main, at: 0, base: 0, floor: program[0].locals }],
                handlers: Vec::new(),
            };
            cx.root(cx.alloc(Machine { state: GcRefCell::new(state) }))
        });
        Vm { mutator, program: Arc::new(program), machine }
    }

    /// What interrupts [`Vm::run`].
    pub(crate) fn interrupt_handle(&self) -> InterruptHandle {
        self.mutator.interrupt_handle()
    }

    /// Runs the program, or goes on with it, until it is done, the fuel is used up, or somebody interrupts. An instruction takes one
    /// unit of fuel.
    pub(crate) fn run(&mut self, fuel: &mut Fuel) -> Result<Outcome, Stopped> {
        let Vm { mutator, program, machine } = self;
        mutator.enter_loop(fuel, |cx, fuel| {
            let machine = machine.get(cx).into_ref();
            step(cx, program, &mut machine.state.borrow_mut(cx), fuel)
        })
    }
}

/// Some hundred instructions: fewer if there is reason to leave the scope. The first one is paid for.
fn step<'gc>(
    cx: &Scope<'gc>,
    program: &Program,
    state: &mut RefMut<'_, State<'gc>>,
    fuel: &mut Fuel,
) -> ControlFlow<Outcome> {
    for op in 0..STEP_OPS {
        if op > 0 && !fuel.burn(1) {
            break;
        }
        match state.op(cx, program) {
            Ok(Continue(())) => {}
            Ok(Break(result)) => return Break(Outcome::Returned(show(result))),
            Err(fault) => {
                state.catch(fault)?;
                // If memory is short, there is a hint; a cycle can end when the scope does.
            }
        }
        if cx.exit_hint() != ExitHint::None {
            break;
        }
    }
    Continue(())
}

fn show(value: Value<'_>) -> String {
    match value {
        Value::Nil => "nil".into(),
        Value::Bool(truth) => truth.to_string(),
        Value::Int(n) => n.to_string(),
        Value::Fault(fault) => format!("{fault:?}"),
        Value::Text(text) => text.to_string(),
        Value::Array(array) => format!("array of {}", array.items.borrow().values.len()),
        Value::Variable(_) => "variable".into(),
        Value::Closure(closure) => format!("closure of function {}", closure.function),
    }
}

impl<'gc> State<'gc> {
    fn push(&mut self, value: Value<'gc>) -> Result<(), Fault> {
        if self.stack.len() >= STACK_MAX {
            return Err(Fault::Stack);
        }
        self.stack.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Value<'gc>, Fault> {
        let last = self.top(1)?;
        let value = self.stack[last];
        self.stack.truncate(last);
        Ok(value)
    }

    /// Where the last `count` values begin that the running call has computed.
    fn top(&self, count: usize) -> Result<usize, Fault> {
        let floor = self.frames.last().map_or(0, |frame| frame.floor);
        self.stack.len().checked_sub(count).filter(|&at| at >= floor).ok_or(Fault::Stack)
    }

    fn pop_int(&mut self) -> Result<i64, Fault> {
        if let Value::Int(n) = self.pop()? { Ok(n) } else { Err(Fault::Type) }
    }

    /// Goes to the innermost handler. Takes no memory of the heap.
    fn catch(&mut self, fault: Fault) -> ControlFlow<Outcome> {
        let Some(Handler { frames, stack, target }) = self.handlers.pop() else {
            return Break(Outcome::Failed(fault));
        };
        self.frames.truncate(frames);
        self.stack.truncate(stack);
        self.stack.push(Value::Fault(fault));
        self.frames.last_mut().expect("a handler's frame is there").at = target;
        Continue(())
    }

    /// One instruction. At the end of the program, its result.
    fn op(&mut self, cx: &Scope<'gc>, program: &Program) -> Result<ControlFlow<Value<'gc>>, Fault> {
        let frame = self.frames.last_mut().expect("a program that is not done has a frame");
        let Frame { closure, at, base, .. } = *frame;
        let Some(op) = program[closure.function].ops.get(at) else { return self.leave(Value::Nil) };
        frame.at += 1;
        match op {
            Op::Nil => self.push(Value::Nil)?,
            Op::Int(n) => self.push(Value::Int(*n))?,
            Op::Load(local) => self.push(self.stack[base + local])?,
            Op::Store(local) => self.stack[base + local] = self.pop()?,
            Op::Pop => drop(self.pop()?),
            Op::Add => self.arithmetic(i64::checked_add)?,
            Op::Sub => self.arithmetic(i64::checked_sub)?,
            Op::Mul => self.arithmetic(i64::checked_mul)?,
            Op::Less => {
                let (b, a) = (self.pop_int()?, self.pop_int()?);
                self.push(Value::Bool(a < b))?;
            }
            Op::Equal => {
                let (b, a) = (self.pop_int()?, self.pop_int()?);
                self.push(Value::Bool(a == b))?;
            }
            Op::Jump(to) => self.jump(*to),
            Op::JumpUnless(to) => match self.pop()? {
                Value::Bool(true) => {}
                Value::Bool(false) => self.jump(*to),
                _ => return Err(Fault::Type),
            },
            Op::Captured(n) => self.push(*closure.captured.get(*n).ok_or(Fault::Bounds)?)?,
            Op::Call(arguments) => self.call(program, *arguments)?,
            Op::Return => {
                let result = self.pop()?;
                return self.leave(result);
            }
            Op::Try(_) if self.handlers.len() >= STACK_MAX => return Err(Fault::Stack),
            Op::Try(target) => {
                let (frames, stack) = (self.frames.len(), self.stack.len());
                self.handlers.push(Handler { frames, stack, target: *target });
            }
            Op::EndTry => drop(self.handlers.pop()),
            Op::Throw => return Err(Fault::Thrown),
            _ => self.object_op(cx, op)?,
        }
        Ok(Continue(()))
    }

    /// The instructions that make or change objects.
    fn object_op(&mut self, cx: &Scope<'gc>, op: &Op) -> Result<(), Fault> {
        match op {
            Op::String(text) => {
                let text = cx.try_alloc_str(text).map_err(|_| Fault::OutOfMemory)?;
                self.push(Value::Text(text))
            }
            Op::Concat => {
                let (b, a) = (self.pop()?, self.pop()?);
                let text = show(a) + &show(b);
                let text = cx.try_alloc_str(&text).map_err(|_| Fault::OutOfMemory)?;
                self.push(Value::Text(text))
            }
            Op::Array => {
                let items = Items { values: Vec::new(), held: cx.account_external(0) };
                let array = Array { items: GcRefCell::new(items) };
                self.push(Value::Array(cx.try_alloc(array).map_err(|_| Fault::OutOfMemory)?))
            }
            Op::Push => {
                let (value, array) = (self.pop()?, self.pop()?);
                let Value::Array(array) = array else { return Err(Fault::Type) };
                array.items.borrow_mut(cx).push(cx, value)
            }
            Op::Element => {
                let (n, array) = (self.pop_int()?, self.pop()?);
                let Value::Array(array) = array else { return Err(Fault::Type) };
                let index = usize::try_from(n).map_err(|_| Fault::Bounds)?;
                let value = array.items.borrow().values.get(index).copied();
                self.push(value.ok_or(Fault::Bounds)?)
            }
            Op::Variable => {
                let value = self.pop()?;
                let variable = cx.try_alloc(GcRefCell::new(value)).map_err(|_| Fault::OutOfMemory)?;
                self.push(Value::Variable(variable))
            }
            Op::GetVariable => match self.pop()? {
                Value::Variable(variable) => self.push(*variable.borrow()),
                _ => Err(Fault::Type),
            },
            Op::SetVariable => {
                let (value, variable) = (self.pop()?, self.pop()?);
                let Value::Variable(variable) = variable else { return Err(Fault::Type) };
                *variable.borrow_mut(cx) = value;
                self.push(value)
            }
            Op::Closure(function, captured) => {
                let first = self.top(*captured)?;
                let values = cx.try_alloc_slice_copy(&self.stack[first..]).map_err(|_| Fault::OutOfMemory)?;
                let closure = cx.try_alloc(Closure { function: *function, captured: values });
                let closure = closure.map_err(|_| Fault::OutOfMemory)?;
                self.stack.truncate(first);
                self.push(Value::Closure(closure))
            }
            _ => unreachable!("`op` does the others"),
        }
    }

    fn arithmetic(&mut self, operate: fn(i64, i64) -> Option<i64>) -> Result<(), Fault> {
        let (b, a) = (self.pop_int()?, self.pop_int()?);
        self.push(Value::Int(operate(a, b).ok_or(Fault::Overflow)?))
    }

    fn jump(&mut self, to: usize) {
        self.frames.last_mut().expect("somebody jumps").at = to;
    }

    fn call(&mut self, program: &Program, arguments: usize) -> Result<(), Fault> {
        let callee = self.top(arguments + 1)?;
        let Value::Closure(closure) = self.stack[callee] else { return Err(Fault::Type) };
        let function = &program[closure.function];
        if function.arguments != arguments {
            return Err(Fault::Type);
        }
        for _ in arguments..function.locals {
            self.push(Value::Nil)?;
        }
        let base = callee + 1;
        self.frames.push(Frame { closure, at: 0, base, floor: base + function.locals });
        Ok(())
    }

    /// Ends the running call. At the end of `main`, the program.
    fn leave(&mut self, result: Value<'gc>) -> Result<ControlFlow<Value<'gc>>, Fault> {
        let frame = self.frames.pop().expect("somebody returns");
        let frames = self.frames.len();
        self.handlers.retain(|handler| handler.frames <= frames);
        if self.frames.is_empty() {
            return Ok(Break(result));
        }
        // The closure lies below its arguments.
        self.stack.truncate(frame.base - 1);
        self.push(result)?;
        Ok(Continue(()))
    }
}

impl<'gc> Items<'gc> {
    /// Appends, if the vector's memory may grow.
    fn push(&mut self, cx: &Scope<'gc>, value: Value<'gc>) -> Result<(), Fault> {
        let len = self.values.len();
        if len == self.values.capacity() {
            let more = (len.max(4) * size_of::<Value<'_>>()) as u64;
            // Asks only: what is granted is counted with what is held already.
            let granted = cx.try_account_external(more).map_err(|_| Fault::OutOfMemory)?;
            self.held.resize(self.held.bytes() + granted.bytes());
            drop(granted);
            self.values.reserve_exact(len.max(4));
        }
        self.values.push(value);
        Ok(())
    }
}
