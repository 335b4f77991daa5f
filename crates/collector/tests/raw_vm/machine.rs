//! The machine: runs code on a stack of its own, which is all that it keeps across safepoints.

use crate::{
    compile::{Code, Function, Program},
    objects::{self, Array, Closure, Kinds, Pair, Table, Text, view},
    syntax::Op,
    value::{FALSE, NIL, TRUE, Value, as_double, as_int, decode, double, int, pointer, truth},
};
use mudlark_collector::{
    Config, HeapFull,
    raw::{
        MarkLock, RawGlobals, RawHeap, RawKind, RawMutator, RawRoot, RawScope, RawStack, RawStackId,
        RawVisitor, WeakBox,
    },
};
use std::{
    cell::{Cell, UnsafeCell},
    collections::BTreeMap,
    ffi::c_void,
    ptr::NonNull,
    sync::{
        Mutex,
        atomic::{
            AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
};

/// What is left out, to see that a test can fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rules {
    Kept,
    /// Slots are stored without the barrier.
    NoBarrier,
    /// Tables are changed without a log.
    NoLog,
}

/// A heap, a program, and its globals.
pub(crate) struct World {
    pub(crate) heap: RawHeap,
    pub(crate) kinds: Kinds,
    pub(crate) program: Program,
    pub(crate) rules: Rules,
    /// Tables that were finalized.
    pub(crate) finalized: &'static AtomicU64,
    globals: &'static [AtomicU64],
}

// ---- globals

/// The globals of a machine, which the heap owns as soon as it looks at them.
type Globals = Vec<AtomicU64>;

unsafe extern "C-unwind" fn globals_len(data: *mut c_void) -> usize {
    // SAFETY: E12: what was registered.
    unsafe { &*data.cast::<Globals>() }.len()
}

unsafe extern "C-unwind" fn visit_globals(
    first: usize,
    end: usize,
    visitor: &mut RawVisitor<'_>,
    data: *mut c_void,
) {
    // SAFETY: E12: what was registered.
    let globals = unsafe { &*data.cast::<Globals>() };
    // SAFETY: E2: values lead to objects.
    unsafe { visitor.slots(&globals[first..end], decode) };
}

unsafe extern "C-unwind" fn globals_done(data: *mut c_void) {
    // SAFETY: E12: `World::new` leaked it, and nobody looks any more.
    drop(unsafe { Box::from_raw(data.cast::<Globals>()) });
}

impl World {
    /// A world, and the root of its globals: the world ends before that is dropped.
    pub(crate) fn new(config: Config, program: Program, rules: Rules) -> Option<(World, RawRoot)> {
        let finalized: &'static AtomicU64 = Box::leak(Box::default());
        let heap = RawHeap::new(config).ok()?;
        let kinds = Kinds::register(&heap, finalized);
        let globals: Globals = program.globals.iter().map(|_| AtomicU64::new(NIL)).collect();
        let data = Box::into_raw(Box::new(globals));
        let table = RawGlobals {
            len: globals_len,
            visit: visit_globals,
            done: Some(globals_done),
            data: data.cast(),
        };
        let mut mutator = heap.attach();
        // SAFETY: E1: the functions above; E12: the table is leaked until `globals_done`.
        let Ok(root) = (unsafe { mutator.enter().add_globals(table) }) else {
            // SAFETY: it was not registered.
            drop(unsafe { Box::from_raw(data) });
            return None;
        };
        // SAFETY: the root keeps it for longer than the world lasts.
        let globals = unsafe { &*data };
        Some((World { heap, kinds, program, rules, finalized, globals }, root))
    }
}

// ---- the stack

const STACK_WORDS: usize = 1 << 16;

/// Words of a machine. Written in its scopes only; read by whoever takes a handshake.
struct Stack {
    words: UnsafeCell<Box<[Value]>>,
    top: Cell<usize>,
}

unsafe extern "C-unwind" fn visit_stack(visitor: &mut RawVisitor<'_>, data: *mut c_void) {
    // SAFETY: E12: the machine removes its stack before it is dropped.
    let stack = unsafe { &*data.cast::<Stack>() };
    // SAFETY: E8: the mutator is at a safepoint or outside of its scopes: nobody writes.
    for &value in unsafe { &(&*stack.words.get())[..stack.top.get()] } {
        if let Some(object) = decode(value) {
            // SAFETY: E2: values lead to objects.
            unsafe { visitor.edge(object) };
        }
    }
}

impl Stack {
    fn push(&self, value: Value) {
        let top = self.top.get();
        // SAFETY: E8: the machine is in a scope, and nobody else looks.
        unsafe { (&mut *self.words.get())[top] = value };
        self.top.set(top + 1);
    }

    fn get(&self, index: usize) -> Value {
        assert!(index < self.top.get());
        // SAFETY: E8: as above; nobody writes.
        unsafe { (&*self.words.get())[index] }
    }

    fn set(&self, index: usize, value: Value) {
        assert!(index < self.top.get());
        // SAFETY: E8: as in `push`.
        unsafe { (&mut *self.words.get())[index] = value };
    }

    fn pop(&self) -> Value {
        let value = self.get(self.top.get() - 1);
        self.top.set(self.top.get() - 1);
        value
    }
}

// ---- the machine

/// A mutator that runs code. Pointers are on its stack, or in Rust variables between two safepoints.
pub(crate) struct Machine<'w> {
    world: &'w World,
    scope: RawScope<'w>,
    stack: Box<Stack>,
    id: RawStackId,
}

type Outcome = Result<(), HeapFull>;

impl Drop for Machine<'_> {
    fn drop(&mut self) {
        self.scope.remove_stack(self.id);
    }
}

impl<'w> Machine<'w> {
    pub(crate) fn new(world: &'w World, mutator: &'w mut RawMutator) -> Machine<'w> {
        let words = UnsafeCell::new(vec![NIL; STACK_WORDS].into_boxed_slice());
        let stack = Box::new(Stack { words, top: Cell::new(0) });
        let scope = mutator.enter();
        let data = std::ptr::from_ref(&*stack).cast_mut().cast();
        // SAFETY: E8: the stack is empty, written in scopes of this machine, and removed with it.
        let id = unsafe { scope.add_stack(RawStack { visit: visit_stack, data }) };
        Machine { world, scope, stack, id }
    }

    /// Runs the program from its beginning; gives the text of its result.
    pub(crate) fn run(&mut self) -> Result<String, HeapFull> {
        self.call_global_or_main(None)
    }

    /// Calls a global function without arguments; gives the text of its result.
    pub(crate) fn call(&mut self, name: &str) -> Result<String, HeapFull> {
        self.call_global_or_main(Some(name))
    }

    fn call_global_or_main(&mut self, name: Option<&str>) -> Result<String, HeapFull> {
        self.stack.top.set(0);
        match name {
            None => {
                self.stack.push(NIL);
                let main = self.world.program.main;
                self.body(main, 0)?;
            }
            Some(name) => {
                let global = self.world.program.globals.iter().position(|known| known == name);
                self.eval(&Code::Call(vec![Code::Global(global.expect("a global"))]), 0)?;
            }
        }
        let value = self.stack.get(0);
        let text = self.show(value);
        self.stack.top.set(0);
        Ok(text)
    }

    /// Memory: from the heap, or once more behind a safepoint, or not at all.
    fn retry(
        &mut self,
        alloc: impl Fn(&RawScope<'w>) -> Result<NonNull<u8>, HeapFull>,
    ) -> Result<NonNull<u8>, HeapFull> {
        alloc(&self.scope).or_else(|_| {
            self.scope.safepoint();
            alloc(&self.scope)
        })
    }

    fn alloc(&mut self, kind: RawKind, bytes: usize) -> Result<NonNull<u8>, HeapFull> {
        // SAFETY: E3: the callers fill it at once; E11: a kind of this heap.
        self.retry(|scope| unsafe { scope.alloc_bytes(kind, bytes) })
    }

    /// Evaluates: one value more is on the stack.
    fn eval(&mut self, code: &Code, base: usize) -> Outcome {
        match code {
            Code::Int(value) => self.stack.push(int(*value)),
            Code::Nil => self.stack.push(NIL),
            Code::Truth(value) => self.stack.push(truth(*value)),
            Code::Text(text) => {
                let value = self.new_text(text.len(), |bytes| bytes.copy_from_slice(text.as_bytes()))?;
                self.stack.push(value);
            }
            Code::Push(global, value) => self.push(*global, value, base)?,
            Code::If(parts) => {
                self.eval(&parts[0], base)?;
                let part = if self.stack.pop() == FALSE { &parts[2] } else { &parts[1] };
                self.eval(part, base)?;
            }
            Code::Begin(codes) => self.begin(codes, base)?,
            Code::While(parts) => {
                loop {
                    self.eval(&parts[0], base)?;
                    if self.stack.pop() == FALSE {
                        break;
                    }
                    self.eval(&parts[1], base)?;
                    self.stack.pop();
                    self.scope.poll();
                }
                self.stack.push(NIL);
            }
            Code::Let(values, body) => {
                let top = self.stack.top.get();
                for (value, is_boxed) in values {
                    self.eval(value, base)?;
                    if *is_boxed {
                        self.box_at(self.stack.top.get() - 1)?;
                    }
                }
                self.eval(body, base)?;
                self.keep_result(top);
            }
            Code::Lambda(function, captures) => self.lambda(*function, captures, base)?,
            Code::Call(codes) => {
                let base_of_callee = self.stack.top.get();
                for code in codes {
                    self.eval(code, base)?;
                }
                let closure = self.object(self.stack.get(base_of_callee), self.world.kinds.closure);
                // SAFETY: E2: the object is a closure.
                let function = unsafe { view::<Closure>(closure) }.function as usize;
                let arguments = self.world.program.functions[function].arguments;
                assert_eq!(arguments + 1, codes.len(), "a function of {arguments} arguments was called");
                self.scope.poll();
                self.body(function, base_of_callee)?;
            }
            Code::Op(op, codes) => {
                for code in codes {
                    self.eval(code, base)?;
                }
                let first = self.stack.top.get() - codes.len();
                let value = self.operate(*op, first)?;
                self.stack.top.set(first);
                self.stack.push(value);
            }
            place => self.place(place, base)?,
        }
        Ok(())
    }

    /// Loads and stores of variables.
    fn place(&mut self, code: &Code, base: usize) -> Outcome {
        match code {
            Code::Local(depth) => self.stack.push(self.stack.get(base + depth)),
            Code::Capture(index) => {
                let closure = self.object(self.stack.get(base), self.world.kinds.closure);
                // SAFETY: E2: the object is a closure.
                let capture = unsafe { &objects::captures(closure)[*index] };
                self.stack.push(capture.load(Relaxed));
            }
            Code::Global(global) => self.stack.push(self.world.globals[*global].load(Acquire)),
            Code::Unbox(place) => {
                self.eval(place, base)?;
                let value = self.pair(self.stack.pop()).car.load(Acquire);
                self.stack.push(value);
            }
            Code::SetBox(place, value) => {
                self.eval(place, base)?;
                self.eval(value, base)?;
                let value = self.stack.pop();
                let target = self.stack.pop();
                self.store(&self.pair(target).car, value);
                self.stack.push(NIL);
            }
            Code::SetGlobal(global, value) => {
                self.eval(value, base)?;
                let value = self.stack.pop();
                self.store(&self.world.globals[*global], value);
                self.stack.push(NIL);
            }
            other => unreachable!("{other:?} is no place"),
        }
        Ok(())
    }

    /// The result on top comes down to `index`, in place of all above it.
    fn keep_result(&mut self, index: usize) {
        let result = self.stack.pop();
        self.stack.top.set(index);
        self.stack.push(result);
    }

    fn begin(&mut self, codes: &[Code], base: usize) -> Outcome {
        for (index, code) in codes.iter().enumerate() {
            if index > 0 {
                self.stack.pop();
            }
            self.eval(code, base)?;
        }
        Ok(())
    }

    /// Runs a function whose frame lies at `base`, and leaves its result there.
    fn body(&mut self, function: usize, base: usize) -> Outcome {
        let world = self.world;
        let Function { boxed, body, .. } = &world.program.functions[function];
        for depth in boxed {
            self.box_at(base + depth)?;
        }
        self.eval(body, base)?;
        self.keep_result(base);
        Ok(())
    }

    /// Puts what lies on the stack into a box.
    fn box_at(&mut self, index: usize) -> Outcome {
        let object = self.alloc(self.world.kinds.pair, size_of::<Pair>())?;
        let pair = Pair { car: AtomicU64::new(self.stack.get(index)), cdr: AtomicU64::new(NIL) };
        // SAFETY: E3: the place is new.
        unsafe { object.cast::<Pair>().write(pair) };
        self.stack.set(index, pointer(object));
        Ok(())
    }

    fn lambda(&mut self, function: usize, captures: &[Code], base: usize) -> Outcome {
        let first = self.stack.top.get();
        for capture in captures {
            self.eval(capture, base)?;
        }
        let object = self.alloc(self.world.kinds.closure, objects::words_bytes(captures.len()))?;
        let header = Closure { function: function as u32, captures: captures.len() as u32 };
        // SAFETY: E3: the place is new.
        unsafe { object.cast::<Closure>().write(header) };
        // SAFETY: E3: words are valid whatever is in them, and filled now.
        for (index, capture) in unsafe { objects::captures(object) }.iter().enumerate() {
            capture.store(self.stack.get(first + index), Relaxed);
        }
        self.stack.top.set(first);
        self.stack.push(pointer(object));
        Ok(())
    }

    /// A shared list grows at its head, whoever else pushes.
    fn push(&mut self, global: usize, value: &Code, base: usize) -> Outcome {
        self.eval(value, base)?;
        let object = self.alloc(self.world.kinds.pair, size_of::<Pair>())?;
        let slot = &self.world.globals[global];
        let mut head = slot.load(Acquire);
        let value = AtomicU64::new(self.stack.pop());
        // SAFETY: E3: the place is new.
        unsafe { object.cast::<Pair>().write(Pair { car: value, cdr: AtomicU64::new(head) }) };
        // SAFETY: E2: values lead to objects.
        while let Err(now) = unsafe { self.scope.compare_exchange_slot(slot, head, pointer(object), decode) }
        {
            head = now;
            // Nobody knows the pair yet.
            self.pair(pointer(object)).cdr.store(head, Relaxed);
        }
        self.stack.push(NIL);
        Ok(())
    }

    // ---- objects

    /// The object of a value, which is of this kind.
    fn object(&self, value: Value, kind: RawKind) -> NonNull<u8> {
        let object = decode(value).unwrap_or_else(|| panic!("{value:#x} is no object"));
        // SAFETY: E2: values lead to objects.
        let found = unsafe { self.scope.kind_of(object) };
        assert_eq!(found, Some(kind), "{value:#x} is of another kind");
        object
    }

    fn pair(&self, value: Value) -> &'w Pair {
        // SAFETY: E2: the object is a pair; used before the next safepoint.
        unsafe { view(self.object(value, self.world.kinds.pair)) }
    }

    fn slots(&self, value: Value) -> &'w [AtomicU64] {
        // SAFETY: E2: the object is an array; used before the next safepoint.
        unsafe { objects::slots(self.object(value, self.world.kinds.array)) }
    }

    fn text(&self, value: Value) -> &'w [u8] {
        // SAFETY: E2: the object is a text; used before the next safepoint.
        unsafe { objects::text(self.object(value, self.world.kinds.text)) }
    }

    fn store(&self, slot: &AtomicU64, value: Value) {
        if self.world.rules == Rules::NoBarrier {
            slot.store(value, Release);
        } else {
            // SAFETY: E2: values lead to objects.
            unsafe { self.scope.store_slot(slot, value, decode) };
        }
    }

    fn new_text(&mut self, len: usize, fill: impl FnOnce(&mut [u8])) -> Result<Value, HeapFull> {
        let object = self.alloc(self.world.kinds.text, objects::text_bytes(len))?;
        // SAFETY: E3: the place is new.
        unsafe { object.cast::<Text>().write(Text { len: len as u64 }) };
        // SAFETY: E3: the bytes follow the length.
        let first = unsafe { object.byte_add(size_of::<Text>()) };
        // SAFETY: E3: as above.
        unsafe { first.write_bytes(0, len) };
        // SAFETY: E3: as above, and nobody else knows the text.
        fill(unsafe { NonNull::slice_from_raw_parts(first, len).as_mut() });
        Ok(pointer(object))
    }

    fn new_array(&mut self, len: usize, fill: Value) -> Result<NonNull<u8>, HeapFull> {
        let (kind, bytes) = (self.world.kinds.array, objects::words_bytes(len));
        // SAFETY: E3: zeros are an array without slots, and the length follows at once; E11: a kind of this heap.
        let object = self.retry(|scope| unsafe { scope.alloc_zeroed(kind, bytes) })?;
        // SAFETY: E3: the place is new.
        unsafe { object.cast::<Array>().write(Array { len: len as u64 }) };
        // SAFETY: E3: zeros are values.
        for slot in unsafe { objects::slots(object) } {
            assert_eq!(slot.load(Relaxed), 0, "a new array is not zero");
            slot.store(fill, Relaxed);
        }
        Ok(object)
    }

    fn new_table(&mut self) -> Result<Value, HeapFull> {
        let object = self.alloc(self.world.kinds.table, size_of::<Table>())?;
        let table = Table {
            mark_lock: MarkLock::new(),
            lock: Mutex::new(()),
            entries: UnsafeCell::new(BTreeMap::new()),
            held: UnsafeCell::new(Some(self.scope.account_external(64))),
        };
        // SAFETY: E3: the place is new.
        unsafe { object.cast::<Table>().write(table) };
        Ok(pointer(object))
    }

    /// Runs `change` on the entries of a table, logged or not.
    fn change_table<R>(&self, value: Value, change: impl FnOnce(&mut BTreeMap<i32, Value>) -> R) -> R {
        let kind = self.world.kinds.table;
        let object = self.object(value, kind);
        // SAFETY: E2: the object is a table.
        let table = unsafe { view::<Table>(object) };
        let _locked = table.lock.lock();
        if self.world.rules != Rules::NoLog {
            // SAFETY: E6: this mutator has the lock between mutators.
            unsafe { self.scope.log_object(kind, object) };
        }
        // SAFETY: E6: logged, in this scope.
        let entries = unsafe { &mut *table.entries.get() };
        let result = change(entries);
        // SAFETY: E6: as above.
        if let Some(held) = unsafe { &mut *table.held.get() } {
            held.resize(64 + 16 * entries.len() as u64);
        }
        result
    }

    fn read_table<R>(&self, value: Value, read: impl FnOnce(&BTreeMap<i32, Value>) -> R) -> R {
        // SAFETY: E2: the object is a table.
        let table = unsafe { view::<Table>(self.object(value, self.world.kinds.table)) };
        let _locked = table.lock.lock();
        // SAFETY: E6: this mutator has the lock between mutators.
        read(unsafe { &*table.entries.get() })
    }

    // ---- operations

    /// The operands lie on the stack from `first` on, where they stay until the result is there.
    fn operate(&mut self, op: Op, first: usize) -> Result<Value, HeapFull> {
        let a = if first < self.stack.top.get() { self.stack.get(first) } else { NIL };
        let b = if first + 1 < self.stack.top.get() { self.stack.get(first + 1) } else { NIL };
        let index = || as_int(b).expect("an index") as usize;
        Ok(match op {
            Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Rem | Op::Less => arithmetic(op, a, b),
            Op::Same => truth(a == b),
            Op::IsNull => truth(a == NIL),
            Op::Cons => {
                let object = self.alloc(self.world.kinds.pair, size_of::<Pair>())?;
                let pair = Pair { car: AtomicU64::new(a), cdr: AtomicU64::new(b) };
                // SAFETY: E3: the place is new.
                unsafe { object.cast::<Pair>().write(pair) };
                pointer(object)
            }
            Op::Car => self.pair(a).car.load(Acquire),
            Op::Cdr => self.pair(a).cdr.load(Acquire),
            Op::SetCar => {
                self.store(&self.pair(a).car, b);
                NIL
            }
            Op::SetCdr => {
                self.store(&self.pair(a).cdr, b);
                NIL
            }
            Op::MakeArray => pointer(self.new_array(as_int(a).expect("a length") as usize, b)?),
            Op::ArrayRef => self.slots(a)[index()].load(Acquire),
            Op::ArraySet => {
                self.store(&self.slots(a)[index()], self.stack.get(first + 2));
                NIL
            }
            Op::ArrayLen => int(self.slots(a).len() as i32),
            Op::Append => {
                let (left, right) = (self.text(a).len(), self.text(b).len());
                // The operands may not move, but a safepoint may come: they are on the stack.
                let stack = [a, b].map(|value| self.text(value).to_vec());
                self.new_text(left + right, |bytes| {
                    bytes[..left].copy_from_slice(&stack[0]);
                    bytes[left..].copy_from_slice(&stack[1]);
                })?
            }
            Op::TextLen => int(self.text(a).len() as i32),
            Op::TextRef => int(i32::from(self.text(a)[index()])),
            Op::ToText => {
                let text = as_int(a).expect("an integer").to_string();
                self.new_text(text.len(), |bytes| bytes.copy_from_slice(text.as_bytes()))?
            }
            Op::MakeTable => self.new_table()?,
            Op::TableSet => {
                let value = self.stack.get(first + 2);
                self.change_table(a, |entries| match value {
                    NIL => _ = entries.remove(&as_int(b).expect("a key")),
                    value => _ = entries.insert(as_int(b).expect("a key"), value),
                });
                NIL
            }
            Op::TableGet => {
                self.read_table(a, |entries| entries.get(&as_int(b).expect("a key")).copied().unwrap_or(NIL))
            }
            Op::TableLen => int(self.read_table(a, BTreeMap::len) as i32),
            Op::MakeWeak => {
                let target = decode(a).expect("an object");
                // SAFETY: E2: the object is on the stack.
                pointer(self.retry(|scope| unsafe { scope.alloc_weak(target) }.map(WeakBox::cell))?)
            }
            Op::WeakGet => {
                let cell = decode(a).expect("a weak box");
                // SAFETY: E2: values lead to objects.
                assert_eq!(unsafe { self.scope.kind_of(cell) }, None, "no weak box");
                // SAFETY: E2: only weak boxes have no kind.
                let weak = unsafe { WeakBox::from_cell(cell) };
                // SAFETY: E2: the box is on the stack.
                unsafe { self.scope.upgrade(weak) }.map_or(NIL, pointer)
            }
        })
    }

    // ---- results

    /// A value as a text, with all that it leads to.
    fn show(&self, value: Value) -> String {
        let Some(object) = decode(value) else { return show_word(value) };
        // SAFETY: E2: values lead to objects.
        let kind = unsafe { self.scope.kind_of(object) };
        let kinds = self.world.kinds;
        if kind == Some(kinds.pair) {
            let (mut text, mut rest) = (String::from("("), value);
            while let Some(next) = decode(rest)
                // SAFETY: E2: as above.
                && unsafe { self.scope.kind_of(next) } == Some(kinds.pair)
            {
                let pair = self.pair(rest);
                text += &format!("{} ", self.show(pair.car.load(Acquire)));
                rest = pair.cdr.load(Acquire);
            }
            text + &format!(". {})", self.show(rest))
        } else if kind == Some(kinds.text) {
            format!("{:?}", String::from_utf8_lossy(self.text(value)))
        } else if kind == Some(kinds.array) {
            let slots: Vec<String> =
                self.slots(value).iter().map(|slot| self.show(slot.load(Acquire))).collect();
            format!("[{}]", slots.join(" "))
        } else if kind == Some(kinds.table) {
            let entries = self.read_table(value, Clone::clone);
            let entries: Vec<String> =
                entries.into_iter().map(|(key, value)| format!("{key}: {}", self.show(value))).collect();
            format!("{{{}}}", entries.join(", "))
        } else if kind == Some(kinds.closure) {
            "#function".into()
        } else {
            "#weak".into()
        }
    }
}

fn show_word(value: Value) -> String {
    match (as_int(value), as_double(value)) {
        (Some(value), _) => value.to_string(),
        (_, Some(value)) => format!("{value:?}"),
        _ => ["()", "true", "false"]
            [[NIL, TRUE, FALSE].iter().position(|&known| known == value).expect("a value")]
        .into(),
    }
}

fn arithmetic(op: Op, a: Value, b: Value) -> Value {
    if let (Some(a), Some(b)) = (as_int(a), as_int(b)) {
        return match op {
            Op::Add => int(a.wrapping_add(b)),
            Op::Sub => int(a.wrapping_sub(b)),
            Op::Mul => int(a.wrapping_mul(b)),
            Op::Rem => int(a.wrapping_rem(b)),
            Op::Div => double(f64::from(a) / f64::from(b)),
            _ => truth(a < b),
        };
    }
    let number = |value| as_double(value).or(as_int(value).map(f64::from)).expect("a number");
    let (a, b) = (number(a), number(b));
    match op {
        Op::Add => double(a + b),
        Op::Sub => double(a - b),
        Op::Mul => double(a * b),
        Op::Rem => double(a % b),
        Op::Div => double(a / b),
        _ => truth(a < b),
    }
}
