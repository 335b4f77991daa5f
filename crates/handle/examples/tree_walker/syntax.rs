//! Expressions in the heap, and their parser. A program is short, so one scope is enough to read it.

use mudlark::{Gc, Scope, Trace};
use std::{error::Error, fmt, iter::Peekable};

/// What two numbers are combined with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Trace)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Less,
}

/// An expression.
#[derive(Trace)]
pub(crate) enum Expr<'gc> {
    /// `12`
    Number(i64),
    /// `n`
    Name(Gc<'gc, str>),
    /// `(+ a b)`
    Binary(Operator, Gc<'gc, Expr<'gc>>, Gc<'gc, Expr<'gc>>),
    /// `(if condition then otherwise)`: zero is false.
    If([Gc<'gc, Expr<'gc>>; 3]),
    /// `(let name value body)`: functions see their own name.
    Let(Gc<'gc, str>, Gc<'gc, Expr<'gc>>, Gc<'gc, Expr<'gc>>),
    /// `(fn parameter body)`
    Function(Gc<'gc, str>, Gc<'gc, Expr<'gc>>),
    /// `(call function argument)`
    Call(Gc<'gc, Expr<'gc>>, Gc<'gc, Expr<'gc>>),
}

/// A program that is none, or that cannot go on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    Syntax(String),
    Unbound(String),
    NoNumber,
    NoFunction,
    Overflow,
    TooDeep,
    OutOfMemory,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Syntax(word) => write!(f, "did not expect `{word}`"),
            Fault::Unbound(name) => write!(f, "nothing is called `{name}`"),
            other => fmt::Debug::fmt(other, f),
        }
    }
}

impl Error for Fault {}

type Parsed<'gc> = Result<Gc<'gc, Expr<'gc>>, Fault>;

/// Reads an expression.
pub(crate) fn parse<'gc>(cx: &Scope<'gc>, text: &str) -> Parsed<'gc> {
    let text = text.replace('(', " ( ").replace(')', " ) ");
    let mut words = text.split_whitespace().peekable();
    let expr = expression(cx, &mut words)?;
    match words.next() {
        None => Ok(expr),
        Some(word) => Err(Fault::Syntax(word.into())),
    }
}

fn expression<'gc, 't>(cx: &Scope<'gc>, words: &mut Peekable<impl Iterator<Item = &'t str>>) -> Parsed<'gc> {
    let end = || Fault::Syntax("the end".into());
    let word = words.next().ok_or_else(end)?;
    if word != "(" {
        let expr = match word.parse() {
            Ok(number) => Expr::Number(number),
            Err(_) if word == ")" => return Err(Fault::Syntax(word.into())),
            Err(_) => Expr::Name(name(cx, word)?),
        };
        return put(cx, expr);
    }
    let head = words.next().ok_or_else(end)?;
    let binary = |operator| move |left, right| Expr::Binary(operator, left, right);
    let mut next = || expression(cx, words);
    let expr = match head {
        "+" => binary(Operator::Add)(next()?, next()?),
        "-" => binary(Operator::Subtract)(next()?, next()?),
        "*" => binary(Operator::Multiply)(next()?, next()?),
        "<" => binary(Operator::Less)(next()?, next()?),
        "if" => Expr::If([next()?, next()?, next()?]),
        "call" => Expr::Call(next()?, next()?),
        "let" | "fn" => {
            let bound = name(cx, words.next().ok_or_else(end)?)?;
            let first = expression(cx, words)?;
            if head == "fn" {
                Expr::Function(bound, first)
            } else {
                Expr::Let(bound, first, expression(cx, words)?)
            }
        }
        word => return Err(Fault::Syntax(word.into())),
    };
    match words.next() {
        Some(")") => put(cx, expr),
        other => Err(Fault::Syntax(other.unwrap_or("the end").into())),
    }
}

fn put<'gc>(cx: &Scope<'gc>, expr: Expr<'gc>) -> Parsed<'gc> {
    cx.try_alloc(expr).map_err(|_| Fault::OutOfMemory)
}

fn name<'gc>(cx: &Scope<'gc>, word: &str) -> Result<Gc<'gc, str>, Fault> {
    cx.try_alloc_str(word).map_err(|_| Fault::OutOfMemory)
}
