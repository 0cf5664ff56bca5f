//! The engine's allocator: Rust's own, counted and bounded by the instance's [`Meter`].
//!
//! rquickjs makes the trait unsafe to implement, because memory safety of the engine rests on it. Every pointer here
//! comes from and goes to [`RustAllocator`]; this type only counts, and says no.
#![allow(unsafe_code)]

use std::ptr;
use std::sync::Arc;

use rquickjs::allocator::{Allocator, RustAllocator};

use crate::memory::Meter;

pub(crate) struct MeteredAllocator {
    pub(crate) meter: Arc<Meter>,
}

// SAFETY: non-null pointers come from `RustAllocator` with the requested size, and go back to it unchanged.
unsafe impl Allocator for MeteredAllocator {
    fn alloc(&mut self, size: usize) -> *mut u8 {
        if !self.meter.may_grow(size) {
            return ptr::null_mut();
        }
        self.counted(RustAllocator.alloc(size))
    }

    fn calloc(&mut self, count: usize, size: usize) -> *mut u8 {
        match count.checked_mul(size) {
            Some(bytes) if self.meter.may_grow(bytes) => self.counted(RustAllocator.calloc(count, size)),
            _ => ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&mut self, pointer: *mut u8) {
        // SAFETY: the engine gives back what it got from this allocator.
        unsafe {
            self.meter.shrank(RustAllocator::usable_size(pointer));
            RustAllocator.dealloc(pointer);
        }
    }

    unsafe fn realloc(&mut self, pointer: *mut u8, new_size: usize) -> *mut u8 {
        if pointer.is_null() {
            return self.alloc(new_size);
        }
        // SAFETY: the engine gives back what it got from this allocator.
        unsafe {
            let before = RustAllocator::usable_size(pointer);
            if new_size > before && !self.meter.may_grow(new_size - before) {
                return ptr::null_mut();
            }
            let moved = RustAllocator.realloc(pointer, new_size);
            if !moved.is_null() {
                self.meter.shrank(before);
                self.meter.grew(RustAllocator::usable_size(moved));
            }
            moved
        }
    }

    unsafe fn usable_size(pointer: *mut u8) -> usize {
        // SAFETY: the engine asks about what it got from this allocator.
        unsafe { RustAllocator::usable_size(pointer) }
    }
}

impl MeteredAllocator {
    fn counted(&self, pointer: *mut u8) -> *mut u8 {
        if !pointer.is_null() {
            // SAFETY: `RustAllocator` has just made it.
            self.meter.grew(unsafe { RustAllocator::usable_size(pointer) });
        }
        pointer
    }
}
