//! Steps that change collections.

use super::{
    Shelve,
    machine::{Machine, Registers, at},
    model::Shape,
    objects::{Any, Id, Shelf},
};
use mudlark::{ByAddress, Gc, Scope};

/// Keys of maps.
const KEYS: u8 = 64;

impl Machine {
    pub(super) fn shelve<'gc>(&mut self, cx: &Scope<'gc>, registers: &mut Registers<'gc>, step: Shelve) {
        match step {
            Shelve::Push { of, .. }
            | Shelve::Pop { of }
            | Shelve::Insert { of, .. }
            | Shelve::Remove { of, .. }
            | Shelve::SwapRemove { of, .. }
            | Shelve::Replace { of, .. }
            | Shelve::Exchange { of, .. }
            | Shelve::Truncate { of, .. } => {
                let Some((shelf, id)) = self.find_shelf(cx, registers, of) else { return };
                self.change_list(cx, registers, (shelf, id), step);
            }
            Shelve::Put { of, .. } | Shelve::TakeOut { of, .. } | Shelve::Retain { of } => {
                let Some((shelf, id)) = self.find_shelf(cx, registers, of) else { return };
                self.change_map(cx, registers, (shelf, id), step);
            }
            Shelve::Add { of, .. } | Shelve::Discard { of, .. } => {
                let Some((shelf, id)) = self.find_shelf(cx, registers, of) else { return };
                self.change_set(cx, registers, (shelf, id), step);
            }
            Shelve::Clear { of } => {
                let Some((shelf, id)) = self.find_shelf(cx, registers, of) else { return };
                shelf.list.clear(cx);
                shelf.map.clear(cx);
                shelf.set.clear(cx);
                if let Shape::Shelf { list, map, set, .. } = &mut self.model.objects[id] {
                    list.clear();
                    map.clear();
                    set.clear();
                }
            }
        }
    }

    fn change_list<'gc>(
        &mut self,
        cx: &Scope<'gc>,
        registers: &Registers<'gc>,
        (shelf, id): (Gc<'gc, Shelf<'gc>>, Id),
        step: Shelve,
    ) {
        let Shape::Shelf { list, .. } = &mut self.model.objects[id] else { panic!("{id} is no shelf") };
        let place_in = |place: u8| usize::from(place).checked_rem(list.len());
        let gone = match step {
            Shelve::Push { item, .. } => {
                let Some(&(any, item)) = at(registers, item) else { return };
                if shelf.list.try_push(cx, any).is_ok() {
                    list.push(item);
                }
                return;
            }
            Shelve::Insert { place, item, .. } => {
                let (Some(&(any, item)), Ok(())) = (at(registers, item), shelf.list.try_reserve(cx, 1))
                else {
                    return;
                };
                let place = usize::from(place) % (list.len() + 1);
                shelf.list.insert(cx, place, any);
                list.insert(place, item);
                return;
            }
            Shelve::Exchange { one, other, .. } => {
                let (Some(one), Some(other)) = (place_in(one), place_in(other)) else { return };
                shelf.list.swap(cx, one, other);
                list.swap(one, other);
                return;
            }
            Shelve::Truncate { len, .. } => {
                shelf.list.truncate(cx, usize::from(len % 32));
                shelf.list.shrink_to_fit(cx);
                list.truncate(usize::from(len % 32));
                return;
            }
            Shelve::Pop { .. } => shelf.list.pop(cx).zip(list.pop()),
            Shelve::Remove { place, .. } => {
                place_in(place).map(|place| (shelf.list.remove(cx, place), list.remove(place)))
            }
            Shelve::SwapRemove { place, .. } => {
                place_in(place).map(|place| (shelf.list.swap_remove(cx, place), list.swap_remove(place)))
            }
            Shelve::Replace { place, item, .. } => {
                let (Some(place), Some(&(any, item))) = (place_in(place), at(registers, item)) else {
                    return;
                };
                Some((shelf.list.replace(cx, place, any), std::mem::replace(&mut list[place], item)))
            }
            _ => None,
        };
        self.check_taken(cx, gone);
    }

    fn change_map<'gc>(
        &mut self,
        cx: &Scope<'gc>,
        registers: &Registers<'gc>,
        (shelf, id): (Gc<'gc, Shelf<'gc>>, Id),
        step: Shelve,
    ) {
        let Shape::Shelf { map, .. } = &mut self.model.objects[id] else { panic!("{id} is no shelf") };
        let (old, old_id) = match step {
            Shelve::Put { key, item, .. } => {
                let Some(&(any, item)) = at(registers, item) else { return };
                let Ok(old) = shelf.map.try_insert(cx, key % KEYS, any) else { return };
                (old, map.insert(key % KEYS, item))
            }
            Shelve::TakeOut { key, .. } => (shelf.map.remove(cx, &(key % KEYS)), map.remove(&(key % KEYS))),
            _ => {
                shelf.map.retain(cx, |key, _| key % 2 == 0);
                shelf.map.shrink_to_fit(cx);
                map.retain(|key, _| key % 2 == 0);
                return;
            }
        };
        assert_eq!(old.is_some(), old_id.is_some(), "what was in the map of {id}");
        self.check_taken(cx, old.zip(old_id));
    }

    fn change_set<'gc>(
        &mut self,
        cx: &Scope<'gc>,
        registers: &mut Registers<'gc>,
        (shelf, id): (Gc<'gc, Shelf<'gc>>, Id),
        step: Shelve,
    ) {
        let (Shelve::Add { pair, .. } | Shelve::Discard { pair, .. }) = step else { return };
        let Some((pair, pair_id)) = self.find_pair(cx, registers, pair) else { return };
        let Shape::Shelf { set, .. } = &mut self.model.objects[id] else { panic!("{id} is no shelf") };
        let pair = ByAddress(pair);
        assert_eq!(shelf.set.contains(&pair), set.contains(&pair_id), "the set of {id}");
        if let Shelve::Add { .. } = step {
            if let Ok(is_new) = shelf.set.try_insert(cx, pair) {
                assert_eq!(is_new, set.insert(pair_id), "the set of {id}");
            }
        } else {
            assert_eq!(shelf.set.remove(cx, &pair), set.remove(&pair_id), "the set of {id}");
        }
    }

    /// What was taken out of a collection is what the model says.
    fn check_taken<'gc>(&self, cx: &Scope<'gc>, taken: Option<(Any<'gc>, Id)>) {
        if let Some((any, id)) = taken {
            self.edges(cx, any, id);
        }
    }
}
