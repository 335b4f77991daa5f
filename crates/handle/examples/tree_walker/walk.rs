//! Evaluation. Each call has a frame; what it holds from scope to scope is kept there, and gone when it returns.
//!
//! A result goes into a place that the caller has kept: so it outlives the frame in which it was computed.

use super::syntax::{Expr, Fault, Operator, parse};
use mudlark::{Frame, Gc, GcCell, Local, Mutator, Scope, Trace};

/// Nested calls, at most: they are on Rust's stack.
const DEPTH_MAX: usize = 200;

/// A value of the program.
#[derive(Clone, Copy, Trace)]
pub(crate) enum Value<'gc> {
    Number(i64),
    Function(Gc<'gc, str>, Gc<'gc, Expr<'gc>>, Gc<'gc, Names<'gc>>),
}

/// What names stand for, the innermost first.
#[derive(Trace)]
pub(crate) enum Names<'gc> {
    None,
    Bound { name: Gc<'gc, str>, value: GcCell<Gc<'gc, Value<'gc>>>, outer: Gc<'gc, Names<'gc>> },
}

type Place<'frame> = Local<'frame, Value<'static>>;
type Env<'frame> = Local<'frame, Names<'static>>;
type Code<'frame> = Local<'frame, Expr<'static>>;

/// What is left to do when an expression was looked at.
enum Work<'frame> {
    Done,
    Binary(Operator, Code<'frame>, Code<'frame>),
    If([Code<'frame>; 3]),
    Let(Code<'frame>, Code<'frame>, Env<'frame>),
    Call(Code<'frame>, Code<'frame>),
}

/// Runs a program; its result is a number.
pub(crate) fn run(mutator: &mut Mutator, text: &str) -> Result<i64, Fault> {
    mutator.frame(|frame| {
        let (code, env, result) = frame.enter(|cx| {
            let code = cx.keep(parse(cx, text)?);
            let names = cx.try_alloc(Names::None).map_err(|_| Fault::OutOfMemory)?;
            Ok((code, cx.keep(names), cx.keep(number(cx, 0)?)))
        })?;
        eval(frame, code, env, result, 0)?;
        frame.enter(|cx| as_number(result.get(cx)))
    })
}

fn number<'gc>(cx: &Scope<'gc>, n: i64) -> Result<Gc<'gc, Value<'gc>>, Fault> {
    cx.try_alloc(Value::Number(n)).map_err(|_| Fault::OutOfMemory)
}

fn as_number(value: Gc<'_, Value<'_>>) -> Result<i64, Fault> {
    if let Value::Number(n) = *value { Ok(n) } else { Err(Fault::NoNumber) }
}

/// Evaluates an expression into a place of the caller's.
fn eval(
    frame: &mut Frame<'_>,
    code: Code<'_>,
    env: Env<'_>,
    result: Place<'_>,
    depth: usize,
) -> Result<(), Fault> {
    if depth > DEPTH_MAX {
        return Err(Fault::TooDeep);
    }
    let depth = depth + 1;
    frame.frame(|frame| {
        // One short scope to look, further ones for each piece of work; between them cycles can end.
        match look(frame, code, env, result)? {
            Work::Done => Ok(()),
            Work::Binary(operator, left, right) => {
                let other = frame.enter(|cx| Ok(cx.keep(number(cx, 0)?)))?;
                eval(frame, left, env, result, depth)?;
                eval(frame, right, env, other, depth)?;
                frame.enter(|cx| {
                    let (a, b) = (as_number(result.get(cx))?, as_number(other.get(cx))?);
                    let n = match operator {
                        Operator::Add => a.checked_add(b),
                        Operator::Subtract => a.checked_sub(b),
                        Operator::Multiply => a.checked_mul(b),
                        Operator::Less => Some(i64::from(a < b)),
                    };
                    result.set(cx, number(cx, n.ok_or(Fault::Overflow)?)?);
                    Ok(())
                })
            }
            Work::If([condition, then, otherwise]) => {
                eval(frame, condition, env, result, depth)?;
                let truth = frame.enter(|cx| as_number(result.get(cx)))? != 0;
                eval(frame, if truth { then } else { otherwise }, env, result, depth)
            }
            Work::Let(value, body, inner) => {
                eval(frame, value, inner, result, depth)?;
                frame.enter(|cx| {
                    if let Names::Bound { value, .. } = inner.get(cx).into_ref() {
                        value.set(cx, result.get(cx));
                    }
                });
                eval(frame, body, inner, result, depth)
            }
            Work::Call(function, argument) => {
                let callee = frame.enter(|cx| Ok(cx.keep(number(cx, 0)?)))?;
                eval(frame, function, env, callee, depth)?;
                eval(frame, argument, env, result, depth)?;
                let (body, inner) = frame.enter(|cx| {
                    let Value::Function(name, body, outer) = *callee.get(cx) else {
                        return Err(Fault::NoFunction);
                    };
                    Ok((cx.keep(body), cx.keep(bind(cx, name, result.get(cx), outer)?)))
                })?;
                eval(frame, body, inner, result, depth)
            }
        }
    })
}

fn bind<'gc>(
    cx: &Scope<'gc>,
    name: Gc<'gc, str>,
    value: Gc<'gc, Value<'gc>>,
    outer: Gc<'gc, Names<'gc>>,
) -> Result<Gc<'gc, Names<'gc>>, Fault> {
    let bound = Names::Bound { name, value: GcCell::new(value), outer };
    cx.try_alloc(bound).map_err(|_| Fault::OutOfMemory)
}

/// Does what takes no evaluation, and keeps the parts of what does.
fn look<'frame>(
    frame: &mut Frame<'frame>,
    code: Code<'_>,
    env: Env<'_>,
    result: Place<'_>,
) -> Result<Work<'frame>, Fault> {
    frame.enter(|cx| {
        let value = match code.get(cx).into_ref() {
            Expr::Number(n) => number(cx, *n)?,
            Expr::Name(name) => find(env.get(cx), name)?,
            Expr::Function(parameter, body) => {
                let function = Value::Function(*parameter, *body, env.get(cx));
                cx.try_alloc(function).map_err(|_| Fault::OutOfMemory)?
            }
            Expr::Binary(operator, left, right) => {
                return Ok(Work::Binary(*operator, cx.keep(*left), cx.keep(*right)));
            }
            Expr::If(parts) => return Ok(Work::If(parts.map(|part| cx.keep(part)))),
            Expr::Call(function, argument) => return Ok(Work::Call(cx.keep(*function), cx.keep(*argument))),
            Expr::Let(name, value, body) => {
                // Until it has a value of its own, the name stands for what the place held before.
                let inner = bind(cx, *name, result.get(cx), env.get(cx))?;
                return Ok(Work::Let(cx.keep(*value), cx.keep(*body), cx.keep(inner)));
            }
        };
        result.set(cx, value);
        Ok(Work::Done)
    })
}

fn find<'gc>(mut names: Gc<'gc, Names<'gc>>, wanted: &str) -> Result<Gc<'gc, Value<'gc>>, Fault> {
    while let Names::Bound { name, value, outer } = names.into_ref() {
        if &**name == wanted {
            return Ok(value.get());
        }
        names = *outer;
    }
    Err(Fault::Unbound(wanted.into()))
}
