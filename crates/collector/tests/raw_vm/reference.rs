//! The same language in plain Rust: names in maps, values behind `Rc`. It shares nothing with the machine but the syntax.

use crate::syntax::{Form, Op};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap},
    rc::{Rc, Weak},
};

#[derive(Clone)]
enum Value {
    Nil,
    Truth(bool),
    Int(i32),
    Double(f64),
    Pair(Rc<[RefCell<Value>; 2]>),
    Text(Rc<str>),
    Array(Rc<Vec<RefCell<Value>>>),
    Table(Rc<RefCell<BTreeMap<i32, Value>>>),
    Function(Rc<Function>),
    /// Of pairs only.
    Weak(Weak<[RefCell<Value>; 2]>),
}

struct Function {
    arguments: Vec<String>,
    body: Vec<Form>,
    scope: Rc<Scope>,
}

/// Names, and where to look further.
struct Scope {
    names: RefCell<HashMap<String, Value>>,
    outer: Option<Rc<Scope>>,
}

impl Scope {
    fn within(outer: &Rc<Scope>) -> Rc<Scope> {
        Rc::new(Scope { names: RefCell::default(), outer: Some(Rc::clone(outer)) })
    }

    fn get(&self, name: &str) -> Option<Value> {
        let found = self.names.borrow().get(name).cloned();
        found.or_else(|| self.outer.as_ref()?.get(name))
    }

    fn set(&self, name: &str, value: Value) {
        if self.names.borrow().contains_key(name) {
            self.names.borrow_mut().insert(name.to_owned(), value);
        } else {
            self.outer.as_ref().expect("the name is defined").set(name, value);
        }
    }

    fn define(&self, name: &str, value: Value) {
        self.names.borrow_mut().insert(name.to_owned(), value);
    }
}

/// Runs programs.
pub(crate) struct Reference {
    globals: Rc<Scope>,
    /// Tables that were made.
    pub(crate) tables: Cell<u64>,
}

impl Reference {
    pub(crate) fn new() -> Reference {
        let globals = Rc::new(Scope { names: RefCell::default(), outer: None });
        Reference { globals, tables: Cell::new(0) }
    }

    /// Runs a program; gives the text of its result.
    pub(crate) fn run(&self, forms: &[Form]) -> String {
        let globals = Rc::clone(&self.globals);
        show(&self.all(forms, &globals))
    }

    fn all(&self, forms: &[Form], scope: &Rc<Scope>) -> Value {
        forms.iter().fold(Value::Nil, |_, form| self.eval(form, scope))
    }

    fn eval(&self, form: &Form, scope: &Rc<Scope>) -> Value {
        match form {
            Form::Int(value) => Value::Int(*value),
            Form::Text(text) => Value::Text(text.as_str().into()),
            Form::Name(name) => match name.as_str() {
                "nil" => Value::Nil,
                "true" => Value::Truth(true),
                "false" => Value::Truth(false),
                name => scope.get(name).unwrap_or_else(|| panic!("{name} is not defined")),
            },
            Form::List(list) => self.list(list, scope),
        }
    }

    fn function(&self, arguments: &[Form], body: &[Form], scope: &Rc<Scope>) -> Value {
        let arguments = arguments.iter().map(|name| name.name().to_owned()).collect();
        Value::Function(Rc::new(Function { arguments, body: body.to_vec(), scope: Rc::clone(scope) }))
    }

    fn list(&self, list: &[Form], scope: &Rc<Scope>) -> Value {
        let rest = &list[1..];
        let head = if let Form::Name(name) = &list[0] { name.as_str() } else { "" };
        match head {
            "define" => {
                let (name, value) = match &rest[0] {
                    Form::List(head) => (head[0].name(), self.function(&head[1..], &rest[1..], scope)),
                    name => (name.name(), self.eval(&rest[1], scope)),
                };
                self.globals.define(name, value);
                Value::Nil
            }
            "set!" => {
                let value = self.eval(&rest[1], scope);
                scope.set(rest[0].name(), value);
                Value::Nil
            }
            "push!" => {
                let value = self.eval(&rest[1], scope);
                let list = self.globals.get(rest[0].name()).expect("a global");
                self.globals.define(rest[0].name(), pair(value, list));
                Value::Nil
            }
            "if" => match self.eval(&rest[0], scope) {
                Value::Truth(false) => rest.get(2).map_or(Value::Nil, |form| self.eval(form, scope)),
                _ => self.eval(&rest[1], scope),
            },
            "begin" => self.all(rest, scope),
            "while" => {
                while !matches!(self.eval(&rest[0], scope), Value::Truth(false)) {
                    self.all(&rest[1..], scope);
                }
                Value::Nil
            }
            "let" => {
                let inner = Scope::within(scope);
                for binding in rest[0].list() {
                    let value = self.eval(&binding.list()[1], &inner);
                    inner.define(binding.list()[0].name(), value);
                }
                self.all(&rest[1..], &inner)
            }
            "lambda" => self.function(rest[0].list(), &rest[1..], scope),
            name => {
                if let Some((op, _)) = Op::of(name) {
                    let operands: Vec<Value> = rest.iter().map(|form| self.eval(form, scope)).collect();
                    return self.operate(op, &operands);
                }
                let Value::Function(function) = self.eval(&list[0], scope) else { panic!("no function") };
                let inner = Scope::within(&function.scope);
                for (name, form) in function.arguments.iter().zip(rest) {
                    let value = self.eval(form, scope);
                    inner.define(name, value);
                }
                self.all(&function.body, &inner)
            }
        }
    }

    fn operate(&self, op: Op, operands: &[Value]) -> Value {
        match (op, operands) {
            (Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Rem | Op::Less, [a, b]) => arithmetic(op, a, b),
            (Op::Same, [a, b]) => Value::Truth(is_same(a, b)),
            (Op::IsNull, [a]) => Value::Truth(matches!(a, Value::Nil)),
            (Op::Cons, [a, b]) => pair(a.clone(), b.clone()),
            (Op::Car, [Value::Pair(pair)]) => pair[0].borrow().clone(),
            (Op::Cdr, [Value::Pair(pair)]) => pair[1].borrow().clone(),
            (Op::SetCar, [Value::Pair(pair), value]) => change(&pair[0], value),
            (Op::SetCdr, [Value::Pair(pair), value]) => change(&pair[1], value),
            (Op::MakeArray, [Value::Int(len), fill]) => {
                Value::Array(Rc::new((0..*len).map(|_| RefCell::new(fill.clone())).collect()))
            }
            (Op::ArrayRef, [Value::Array(array), Value::Int(index)]) => {
                array[*index as usize].borrow().clone()
            }
            (Op::ArraySet, [Value::Array(array), Value::Int(index), value]) => {
                change(&array[*index as usize], value)
            }
            (Op::ArrayLen, [Value::Array(array)]) => Value::Int(array.len() as i32),
            (Op::Append, [Value::Text(a), Value::Text(b)]) => Value::Text(format!("{a}{b}").into()),
            (Op::TextLen, [Value::Text(text)]) => Value::Int(text.len() as i32),
            (Op::TextRef, [Value::Text(text), Value::Int(index)]) => {
                Value::Int(i32::from(text.as_bytes()[*index as usize]))
            }
            (Op::ToText, [Value::Int(value)]) => Value::Text(value.to_string().into()),
            (Op::MakeTable, []) => {
                self.tables.set(self.tables.get() + 1);
                Value::Table(Rc::default())
            }
            (Op::TableSet, [Value::Table(table), Value::Int(key), Value::Nil]) => {
                table.borrow_mut().remove(key);
                Value::Nil
            }
            (Op::TableSet, [Value::Table(table), Value::Int(key), value]) => {
                table.borrow_mut().insert(*key, value.clone());
                Value::Nil
            }
            (Op::TableGet, [Value::Table(table), Value::Int(key)]) => {
                table.borrow().get(key).cloned().unwrap_or(Value::Nil)
            }
            (Op::TableLen, [Value::Table(table)]) => Value::Int(table.borrow().len() as i32),
            (Op::MakeWeak, [Value::Pair(pair)]) => Value::Weak(Rc::downgrade(pair)),
            (Op::WeakGet, [Value::Weak(weak)]) => weak.upgrade().map_or(Value::Nil, Value::Pair),
            _ => panic!("{op:?} has other operands"),
        }
    }
}

fn pair(a: Value, b: Value) -> Value {
    Value::Pair(Rc::new([RefCell::new(a), RefCell::new(b)]))
}

fn change(place: &RefCell<Value>, value: &Value) -> Value {
    let old = place.replace(value.clone());
    // Long lists must not be dropped by recursion.
    let mut doomed = vec![old];
    while let Some(value) = doomed.pop() {
        if let Value::Pair(pair) = value
            && let Ok(pair) = Rc::try_unwrap(pair)
        {
            doomed.extend(pair.map(RefCell::into_inner));
        }
    }
    Value::Nil
}

fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Nil, Value::Nil) => true,
        (Value::Int(a), Value::Int(b)) => a == b,
        (Value::Truth(a), Value::Truth(b)) => a == b,
        (Value::Pair(a), Value::Pair(b)) => Rc::ptr_eq(a, b),
        _ => false,
    }
}

fn arithmetic(op: Op, a: &Value, b: &Value) -> Value {
    if let (Value::Int(a), Value::Int(b)) = (a, b) {
        return match op {
            Op::Add => Value::Int(a.wrapping_add(*b)),
            Op::Sub => Value::Int(a.wrapping_sub(*b)),
            Op::Mul => Value::Int(a.wrapping_mul(*b)),
            Op::Rem => Value::Int(a.wrapping_rem(*b)),
            Op::Div => Value::Double(f64::from(*a) / f64::from(*b)),
            _ => Value::Truth(a < b),
        };
    }
    let number = |value: &Value| match value {
        Value::Int(value) => f64::from(*value),
        Value::Double(value) => *value,
        _ => panic!("a number was expected"),
    };
    let (a, b) = (number(a), number(b));
    match op {
        Op::Add => Value::Double(a + b),
        Op::Sub => Value::Double(a - b),
        Op::Mul => Value::Double(a * b),
        Op::Rem => Value::Double(a % b),
        Op::Div => Value::Double(a / b),
        _ => Value::Truth(a < b),
    }
}

fn show(value: &Value) -> String {
    match value {
        Value::Nil => "()".into(),
        Value::Truth(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Double(value) => format!("{value:?}"),
        Value::Pair(_) => {
            let (mut text, mut rest) = (String::from("("), value.clone());
            while let Value::Pair(pair) = &rest {
                text += &format!("{} ", show(&pair[0].borrow()));
                let next = pair[1].borrow().clone();
                rest = next;
            }
            text + &format!(". {})", show(&rest))
        }
        Value::Text(text) => format!("{text:?}"),
        Value::Array(array) => {
            let slots: Vec<String> = array.iter().map(|slot| show(&slot.borrow())).collect();
            format!("[{}]", slots.join(" "))
        }
        Value::Table(table) => {
            let entries: Vec<String> =
                table.borrow().iter().map(|(key, value)| format!("{key}: {}", show(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Function(_) => "#function".into(),
        Value::Weak(_) => "#weak".into(),
    }
}
