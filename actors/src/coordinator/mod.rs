//! The coordinator: runs key generations, signing sessions and payments of the committees that the
//! shared parameters let it coordinate.

pub mod ingress;
pub mod view;
