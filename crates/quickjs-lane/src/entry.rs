//! What an instance keeps of its context between slices: the functions by which it is entered, and the import while
//! it goes on.
#![allow(unsafe_code)]

use std::cell::RefCell;

use rquickjs::{Function, JsLifetime, Object, Promise, Value};

/// Kept as user data of the runtime, which drops it before the engine.
pub(crate) struct Entry<'js> {
    pub(crate) bind: Function<'js>,
    pub(crate) dispatch: Function<'js>,
    pub(crate) deliver: Function<'js>,
    pub(crate) explain: Function<'js>,
    /// Exports of the function's module, and the promise that they are there.
    pub(crate) loading: RefCell<Option<(Object<'js>, Promise<'js>)>>,
    /// Promises that were rejected in this slice and that nobody looks at, with their reasons.
    pub(crate) rejections: RefCell<Vec<(Value<'js>, Value<'js>)>>,
}

// SAFETY: the only lifetime in it is `'js`, and the changed type is the same type with another one.
unsafe impl<'js> JsLifetime<'js> for Entry<'js> {
    type Changed<'to> = Entry<'to>;
}
