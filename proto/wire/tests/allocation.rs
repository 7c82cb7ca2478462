//! What a hostile length can make a decoder allocate, measured.

#![expect(non_snake_case, reason = "test names read subject__should_do_x")]
#![expect(unsafe_code, reason = "a global allocator that counts cannot be written without")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
};

use trestle_wire::{Envelope, Message, message::KINDS};

/// The system's allocator, which remembers the largest request.
struct Watched;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps `alloc_zeroed`'s contract.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Ordering::Relaxed);
        // SAFETY: the caller keeps `realloc`'s contract.
        unsafe { System.realloc(pointer, layout, size) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps `dealloc`'s contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

// The only test of this file: another one beside it would be counted too.
#[test]
fn claimed_length__should_not_be_allocated_before_the_bytes_are_there() {
    let lengths = [
        vec![0xfb, 0xff, 0xff],
        vec![0xfc, 0, 0, 0x40, 0],
        vec![0xfc, 0xff, 0xff, 0xff, 0xff],
        vec![0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        vec![0xfd; 9],
    ];
    for length in lengths {
        // given: a claimed length at every place where a short message can have one
        for at in 0..120 {
            let mut bytes = vec![1; at];
            bytes.extend(&length);
            bytes.extend([0; 40]);

            // when
            LARGEST.store(0, Ordering::Relaxed);
            for (application, kind, _) in KINDS {
                drop(Message::decode_body(*application, *kind, &bytes));
            }
            drop(Envelope::from_bytes(&bytes));

            // then
            let largest = LARGEST.load(Ordering::Relaxed);
            assert!(largest <= 64 * 1024, "{largest} bytes for {length:02x?} at {at}");
        }
    }
}
