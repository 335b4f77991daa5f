//! Steps that change edges.

use super::{
    Change,
    machine::{Machine, Registers, at, bush_at, pair_at, row_at, vault_at, watch_at},
    model::Shape,
    objects::{Any, Vault},
};
use mudlark::{Gc, GcWeak, Scope};

impl Machine {
    pub(super) fn change<'gc>(&mut self, cx: &Scope<'gc>, registers: &Registers<'gc>, change: Change) {
        match change {
            Change::Next { of, to, clear } => {
                let to = pair_at(registers, to).filter(|_| !clear);
                let (cell, target) = (to.map(|(pair, _)| pair), to.map(|(_, id)| id));
                let Some(&(any, id)) = at(registers, of) else { return };
                match (any, &mut self.model.objects[id]) {
                    (Any::Pair(pair), Shape::Pair { next, .. }) => {
                        pair.next.set(cx, cell);
                        *next = target;
                    }
                    (Any::Big(big), Shape::Big { next, .. }) => {
                        big.next.set(cx, cell);
                        *next = target;
                    }
                    _ => {}
                }
            }
            Change::Bush { of, to, clear } => {
                let Some((pair, id)) = pair_at(registers, of) else { return };
                let to = bush_at(registers, to).filter(|_| !clear);
                pair.bush.set(cx, to.map(|(bush, _)| bush));
                if let Shape::Pair { bush, .. } = &mut self.model.objects[id] {
                    *bush = to.map(|(_, id)| id);
                }
            }
            Change::Slot { of, slot, to, clear } => {
                let Some((row, id)) = row_at(registers, of) else { return };
                if row.is_empty() {
                    return;
                }
                // Both ends, and anywhere.
                let index = match slot % 4 {
                    0 => row.len() - 1,
                    1 => 0,
                    _ => usize::from(slot) % row.len(),
                };
                let to = pair_at(registers, to).filter(|_| !clear);
                row[index].set(cx, to.map(|(pair, _)| pair));
                if let Shape::Row { slots } = &mut self.model.objects[id] {
                    slots[index] = to.map(|(_, id)| id);
                }
            }
            Change::Watch { of, to, clear } => {
                let Some((watch, id)) = watch_at(registers, of) else { return };
                let to = pair_at(registers, to).filter(|_| !clear);
                // A heap that is full has no room for a weak pointer.
                let weak = to.map(|(pair, to)| GcWeak::try_new(cx, pair).map(|weak| (weak, to)));
                let Ok(weak) = weak.transpose() else { return };
                watch.weak.set(cx, weak.map(|(weak, _)| weak));
                if let Shape::Watch { target, .. } = &mut self.model.objects[id] {
                    *target = weak.map(|(_, to)| to);
                }
            }
            Change::Resize { of, bytes } => {
                let Some(&(Any::Buffer(buffer), id)) = at(registers, of) else { return };
                let now = u64::from(bytes) << 4;
                buffer.held.borrow_mut(cx).resize(now);
                self.model.objects[id] = Shape::Buffer { bytes: now };
            }
            Change::Store { .. } | Change::Take { .. } | Change::Swap { .. } | Change::LeakGuard { .. } => {
                self.change_vault(cx, registers, change);
            }
            Change::Replace { .. } | Change::SwapNext { .. } | Change::ExchangeNext { .. } => {
                self.change_next(cx, registers, change);
            }
            bushes => self.change_bush(cx, registers, bushes),
        }
    }

    /// The other ways to change the cell `next`.
    fn change_next<'gc>(&mut self, cx: &Scope<'gc>, registers: &Registers<'gc>, change: Change) {
        let (Change::Replace { of, to: with }
        | Change::SwapNext { of, other: with }
        | Change::ExchangeNext { of, to: with, .. }) = change
        else {
            return;
        };
        let Some(((pair, id), (with, with_id))) = pair_at(registers, of).zip(pair_at(registers, with)) else {
            return;
        };
        let old_id = *self.model.next(id);
        let given = match change {
            Change::Replace { .. } => {
                *self.model.next(id) = Some(with_id);
                pair.next.replace(cx, Some(with))
            }
            Change::SwapNext { .. } => {
                *self.model.next(id) = *self.model.next(with_id);
                *self.model.next(with_id) = old_id;
                pair.next.swap(cx, &with.next);
                with.next.get()
            }
            Change::ExchangeNext { expected, none, .. } => {
                let expected = pair_at(registers, expected).filter(|_| !none);
                let is_equal = old_id == expected.map(|(_, id)| id);
                let expected = expected.map(|(pair, _)| pair);
                let outcome = pair.next.compare_exchange(cx, expected, Some(with));
                assert_eq!(outcome.is_ok(), is_equal, "the cell of {id}");
                if is_equal {
                    *self.model.next(id) = Some(with_id);
                }
                outcome.unwrap_or_else(|other| other)
            }
            _ => return,
        };
        assert_eq!(given.map(|pair| pair.id), old_id, "what was in the cell of {id}");
    }

    fn change_bush<'gc>(&mut self, cx: &Scope<'gc>, registers: &Registers<'gc>, change: Change) {
        let (Change::Push { of, .. }
        | Change::PushNew { of }
        | Change::Pop { of }
        | Change::Pour { of, .. }
        | Change::Leak { of }) = change
        else {
            return;
        };
        let Some((bush, id)) = bush_at(registers, of) else { return };
        let Ok(mut items) = bush.items.try_borrow_mut(cx) else {
            assert!(
                matches!(self.model.objects[id], Shape::Bush { leaked: true, .. }),
                "{id} is not borrowed"
            );
            return;
        };
        match change {
            Change::Push { item, .. } => {
                let Some(&(any, item)) = at(registers, item) else { return };
                items.push(any);
                self.model.bush_items(id).push(item);
            }
            Change::PushNew { .. } => {
                let item = self.model.add(Shape::Leaf);
                if let Some(leaf) = self.leaf(cx, item) {
                    items.push(Any::Leaf(leaf));
                    self.model.bush_items(id).push(item);
                }
            }
            Change::Pop { .. } => {
                assert_eq!(items.pop().is_some(), self.model.bush_items(id).pop().is_some());
            }
            Change::Pour { to, .. } => {
                let Some((other, to)) = bush_at(registers, to) else { return };
                // The same bush is refused here, being borrowed.
                let Ok(mut others) = other.items.try_borrow_mut(cx) else { return };
                others.append(&mut items);
                let mut poured = std::mem::take(self.model.bush_items(id));
                self.model.bush_items(to).append(&mut poured);
            }
            _ => {
                std::mem::forget(items);
                if let Shape::Bush { leaked, .. } = &mut self.model.objects[id] {
                    *leaked = true;
                }
            }
        }
    }

    fn change_vault<'gc>(&mut self, cx: &Scope<'gc>, registers: &Registers<'gc>, change: Change) {
        let (Change::Store { of, .. }
        | Change::Take { of, .. }
        | Change::Swap { of }
        | Change::LeakGuard { of, .. }) = change
        else {
            return;
        };
        let Some((vault, id)) = vault_at(registers, of) else { return };
        let Shape::Vault { items, leaked, .. } = &mut self.model.objects[id] else {
            panic!("{id} is no vault")
        };
        match change {
            Change::Store { item, table, .. } => {
                let Some(&(any, item)) = at(registers, item) else { return };
                if with_items(cx, vault, table, leaked, |stored| stored.push(any)).is_some() {
                    items[usize::from(table)].push(item);
                }
            }
            Change::Take { table, .. } => {
                if let Some(taken) = with_items(cx, vault, table, leaked, |stored| stored.pop().is_some()) {
                    assert_eq!(taken, items[usize::from(table)].pop().is_some(), "{id}");
                }
            }
            Change::Swap { .. } => {
                // The one guard is out while the other is taken.
                let swapped = with_items(cx, vault, false, leaked, |mutex| {
                    with_items(cx, vault, true, leaked, |table| std::mem::swap(mutex, table)).is_some()
                });
                if swapped == Some(true) {
                    items.reverse();
                }
            }
            Change::LeakGuard { table, .. } => {
                leaked[usize::from(table)] = true;
                if table {
                    vault.table.try_write(cx).into_iter().for_each(std::mem::forget);
                } else {
                    vault.mutex.try_lock(cx).into_iter().for_each(std::mem::forget);
                }
            }
            _ => {}
        }
    }
}

/// Runs `change` on what is under the mutex or in the table; `None` if a guard was forgotten, which is what the model says.
fn with_items<'gc, R>(
    cx: &Scope<'gc>,
    vault: Gc<'gc, Vault<'gc>>,
    table: bool,
    leaked: &[bool; 2],
    change: impl FnOnce(&mut Vec<Any<'gc>>) -> R,
) -> Option<R> {
    let changed = if table {
        vault.table.try_write(cx).map(|mut guard| change(&mut guard))
    } else {
        vault.mutex.try_lock(cx).map(|mut guard| change(&mut guard))
    };
    assert_eq!(changed.is_none(), leaked[usize::from(table)], "{} is locked", vault.id);
    changed
}
