//! The language: lists in parentheses, numbers, texts, names.

/// What is read.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Form {
    Int(i32),
    Text(String),
    Name(String),
    List(Vec<Form>),
}

impl Form {
    pub(crate) fn name(&self) -> &str {
        match self {
            Form::Name(name) => name,
            other => panic!("a name was expected: {other:?}"),
        }
    }

    pub(crate) fn list(&self) -> &[Form] {
        match self {
            Form::List(forms) => forms,
            other => panic!("a list was expected: {other:?}"),
        }
    }
}

/// Reads all forms of a program.
pub(crate) fn read(program: &str) -> Vec<Form> {
    let mut open: Vec<Vec<Form>> = vec![Vec::new()];
    let mut rest = program.trim_start();
    while let Some(first) = rest.chars().next() {
        let mut used = 1;
        match first {
            '(' => open.push(Vec::new()),
            ')' => {
                let list = open.pop().expect("a parenthesis is open");
                open.last_mut().expect("a parenthesis is open").push(Form::List(list));
            }
            '"' => {
                let end = rest[1..].find('"').expect("a text ends") + 1;
                open.last_mut().expect("at top").push(Form::Text(rest[1..end].to_owned()));
                used = end + 1;
            }
            _ => {
                used = rest.find([' ', '\n', '(', ')']).unwrap_or(rest.len());
                let word = &rest[..used];
                let form = word.parse().map_or_else(|_| Form::Name(word.to_owned()), Form::Int);
                open.last_mut().expect("at top").push(form);
            }
        }
        rest = rest[used..].trim_start();
    }
    let top = open.pop().expect("at top");
    assert!(open.is_empty(), "a parenthesis is still open");
    top
}

/// What is built in, and how many operands it takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Op {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    Less,
    Same,
    Cons,
    Car,
    Cdr,
    SetCar,
    SetCdr,
    IsNull,
    MakeArray,
    ArrayRef,
    ArraySet,
    ArrayLen,
    Append,
    TextLen,
    TextRef,
    ToText,
    MakeTable,
    TableSet,
    TableGet,
    TableLen,
    MakeWeak,
    WeakGet,
}

const OPS: [(&str, Op, usize); 27] = [
    ("+", Op::Add, 2),
    ("-", Op::Sub, 2),
    ("*", Op::Mul, 2),
    ("/", Op::Div, 2),
    ("rem", Op::Rem, 2),
    ("<", Op::Less, 2),
    ("eq?", Op::Same, 2),
    ("cons", Op::Cons, 2),
    ("car", Op::Car, 1),
    ("cdr", Op::Cdr, 1),
    ("set-car!", Op::SetCar, 2),
    ("set-cdr!", Op::SetCdr, 2),
    ("null?", Op::IsNull, 1),
    ("make-array", Op::MakeArray, 2),
    ("aref", Op::ArrayRef, 2),
    ("aset!", Op::ArraySet, 3),
    ("alen", Op::ArrayLen, 1),
    ("append", Op::Append, 2),
    ("tlen", Op::TextLen, 1),
    ("tref", Op::TextRef, 2),
    ("text", Op::ToText, 1),
    ("table", Op::MakeTable, 0),
    ("put!", Op::TableSet, 3),
    ("get", Op::TableGet, 2),
    ("count", Op::TableLen, 1),
    ("weak", Op::MakeWeak, 1),
    ("strong", Op::WeakGet, 1),
];

impl Op {
    /// The operation of this name.
    pub(crate) fn of(name: &str) -> Option<(Op, usize)> {
        OPS.iter().find(|(known, _, _)| *known == name).map(|&(_, op, operands)| (op, operands))
    }
}
