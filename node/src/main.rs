//! The Trestle node.
fn main() {}
