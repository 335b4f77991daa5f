//! From forms to a tree in which every name is a place.
//!
//! A frame lies on the stack: the closure, the arguments, then what is bound or computed, each at a depth that is known here.
//! Variables that are assigned live in boxes (pairs), so that closures can capture them.

use crate::syntax::{Form, Op};
use std::collections::HashMap;

#[derive(Clone, Debug)]
pub(crate) enum Code {
    Int(i32),
    Nil,
    Truth(bool),
    Text(String),
    /// A place of the frame.
    Local(usize),
    Capture(usize),
    Global(usize),
    /// What the box holds that the code gives.
    Unbox(Box<Code>),
    /// Changes what the box holds.
    SetBox(Box<Code>, Box<Code>),
    SetGlobal(usize, Box<Code>),
    /// Puts a value on top of a shared list: a global that others push to as well.
    Push(usize, Box<Code>),
    If(Box<[Code; 3]>),
    Begin(Vec<Code>),
    While(Box<[Code; 2]>),
    /// Binds values, in boxes where it says so, and then runs.
    Let(Vec<(Code, bool)>, Box<Code>),
    Lambda(usize, Vec<Code>),
    Call(Vec<Code>),
    Op(Op, Vec<Code>),
}

#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) arguments: usize,
    /// Which arguments are put into boxes.
    pub(crate) boxed: Vec<usize>,
    pub(crate) body: Code,
}

/// A program.
#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(crate) functions: Vec<Function>,
    /// The names of globals.
    pub(crate) globals: Vec<String>,
    /// What runs at first: a function without arguments.
    pub(crate) main: usize,
}

#[derive(Clone, Debug)]
struct Variable {
    name: String,
    depth: usize,
    is_boxed: bool,
}

/// The function that is compiled.
#[derive(Default)]
struct Frame {
    variables: Vec<Variable>,
    depth: usize,
    captures: Vec<(String, bool)>,
}

pub(crate) struct Compiler {
    program: Program,
    globals: HashMap<String, usize>,
    frames: Vec<Frame>,
}

/// Compiles forms: definitions of globals, and what runs.
pub(crate) fn compile(forms: &[Form]) -> Program {
    let mut compiler = Compiler { program: Program::default(), globals: HashMap::new(), frames: Vec::new() };
    for form in forms {
        if let Some(name) = defined(form) {
            let index = compiler.globals.len();
            compiler.globals.insert(name.to_owned(), index);
            compiler.program.globals.push(name.to_owned());
        }
    }
    compiler.frames.push(Frame { depth: 1, ..Frame::default() });
    let body = compiler.all(forms);
    compiler.program.main = compiler.program.functions.len();
    compiler.program.functions.push(Function { arguments: 0, boxed: Vec::new(), body });
    compiler.program
}

/// What a form defines: `(define name value)` or `(define (name arguments) body)`.
fn defined(form: &Form) -> Option<&str> {
    let Form::List(list) = form else { return None };
    match list.as_slice() {
        [Form::Name(define), Form::List(head), ..] if define == "define" => Some(head[0].name()),
        [Form::Name(define), name, _] if define == "define" => Some(name.name()),
        _ => None,
    }
}

/// Whether `(set! name ...)` occurs.
fn is_assigned(name: &str, forms: &[Form]) -> bool {
    forms.iter().any(|form| match form {
        Form::List(list) => match list.as_slice() {
            [Form::Name(set), Form::Name(target), value] if set == "set!" => {
                target == name || is_assigned(name, std::slice::from_ref(value))
            }
            list => is_assigned(name, list),
        },
        _ => false,
    })
}

impl Compiler {
    fn frame(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("a function is compiled")
    }

    /// Forms in succession; the last one counts.
    fn all(&mut self, forms: &[Form]) -> Code {
        match forms {
            [] => Code::Nil,
            [form] => self.form(form),
            forms => Code::Begin(forms.iter().map(|form| self.form(form)).collect()),
        }
    }

    /// Operands: each lies on the stack while the next is computed.
    fn operands(&mut self, forms: &[Form]) -> Vec<Code> {
        let depth = self.frame().depth;
        let mut codes = Vec::new();
        for form in forms {
            let code = self.form(form);
            codes.push(code);
            self.frame().depth += 1;
        }
        self.frame().depth = depth;
        codes
    }

    fn form(&mut self, form: &Form) -> Code {
        match form {
            Form::Int(value) => Code::Int(*value),
            Form::Text(text) => Code::Text(text.clone()),
            Form::Name(name) => match name.as_str() {
                "nil" => Code::Nil,
                "true" => Code::Truth(true),
                "false" => Code::Truth(false),
                name => self.load(name),
            },
            Form::List(list) => self.list(list),
        }
    }

    fn list(&mut self, list: &[Form]) -> Code {
        let Form::Name(head) = &list[0] else { return Code::Call(self.operands(list)) };
        let rest = &list[1..];
        match head.as_str() {
            "define" => {
                let value = match &rest[0] {
                    Form::List(head) => self.lambda(&head[1..], &rest[1..]),
                    _ => self.form(&rest[1]),
                };
                Code::SetGlobal(
                    self.globals[defined(&Form::List(list.to_vec())).expect("a definition")],
                    Box::new(value),
                )
            }
            "set!" => self.assign(rest[0].name(), &rest[1]),
            "push!" => {
                let global = self.globals[rest[0].name()];
                Code::Push(global, Box::new(self.form(&rest[1])))
            }
            "if" => Code::If(Box::new(
                [0, 1, 2].map(|index| rest.get(index).map_or(Code::Nil, |form| self.form(form))),
            )),
            "begin" => self.all(rest),
            "while" => {
                let condition = self.form(&rest[0]);
                Code::While(Box::new([condition, self.all(&rest[1..])]))
            }
            "let" => self.bind(rest[0].list(), &rest[1..]),
            "lambda" => self.lambda(rest[0].list(), &rest[1..]),
            name => match Op::of(name) {
                Some((op, operands)) => {
                    assert_eq!(operands, rest.len(), "{name}");
                    Code::Op(op, self.operands(rest))
                }
                None => Code::Call(self.operands(list)),
            },
        }
    }

    fn bind(&mut self, bindings: &[Form], body: &[Form]) -> Code {
        let (depth, count) = (self.frame().depth, self.frame().variables.len());
        let mut values = Vec::new();
        for binding in bindings {
            let [name, value] = binding.list() else { panic!("a binding is a name and a value") };
            let is_boxed = is_assigned(name.name(), body);
            values.push((self.form(value), is_boxed));
            let frame = self.frame();
            frame.variables.push(Variable { name: name.name().to_owned(), depth: frame.depth, is_boxed });
            frame.depth += 1;
        }
        let body = self.all(body);
        let frame = self.frame();
        frame.variables.truncate(count);
        frame.depth = depth;
        Code::Let(values, Box::new(body))
    }

    fn lambda(&mut self, arguments: &[Form], body: &[Form]) -> Code {
        let mut frame = Frame { depth: 1 + arguments.len(), ..Frame::default() };
        let mut boxed = Vec::new();
        for (index, argument) in arguments.iter().enumerate() {
            let (name, depth) = (argument.name().to_owned(), index + 1);
            let is_boxed = is_assigned(&name, body);
            if is_boxed {
                boxed.push(depth);
            }
            frame.variables.push(Variable { name, depth, is_boxed });
        }
        self.frames.push(frame);
        let body = self.all(body);
        let frame = self.frames.pop().expect("pushed above");
        self.program.functions.push(Function { arguments: arguments.len(), boxed, body });
        let function = self.program.functions.len() - 1;
        let level = self.frames.len();
        let captures = frame.captures.iter();
        let captures =
            captures.map(|(name, _)| self.place(name, level - 1).expect("it was found").0).collect();
        Code::Lambda(function, captures)
    }

    /// Where a variable is, seen from a frame, and whether in a box. It is captured on the way.
    fn place(&mut self, name: &str, level: usize) -> Option<(Code, bool)> {
        let frame = &self.frames[level];
        if let Some(variable) = frame.variables.iter().rev().find(|variable| variable.name == name) {
            return Some((Code::Local(variable.depth), variable.is_boxed));
        }
        if let Some(index) = frame.captures.iter().position(|(captured, _)| captured == name) {
            return Some((Code::Capture(index), frame.captures[index].1));
        }
        let (_, is_boxed) = self.place(name, level.checked_sub(1)?)?;
        let frame = &mut self.frames[level];
        frame.captures.push((name.to_owned(), is_boxed));
        Some((Code::Capture(frame.captures.len() - 1), is_boxed))
    }

    fn load(&mut self, name: &str) -> Code {
        match self.place(name, self.frames.len() - 1) {
            Some((place, true)) => Code::Unbox(Box::new(place)),
            Some((place, false)) => place,
            None => Code::Global(*self.globals.get(name).unwrap_or_else(|| panic!("{name} is not defined"))),
        }
    }

    fn assign(&mut self, name: &str, value: &Form) -> Code {
        match self.place(name, self.frames.len() - 1) {
            Some((place, is_boxed)) => {
                assert!(is_boxed, "assigned variables have boxes");
                self.frame().depth += 1;
                let value = self.form(value);
                self.frame().depth -= 1;
                Code::SetBox(Box::new(place), Box::new(value))
            }
            None => Code::SetGlobal(self.globals[name], Box::new(self.form(value))),
        }
    }
}
