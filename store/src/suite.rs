//! The tests every store implementation passes.
