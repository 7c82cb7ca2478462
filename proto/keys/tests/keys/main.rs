//! Identities, statements, sealed shares, sealed files and the Taproot key convention, from outside.
#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

mod fixture;
mod frost;
mod identity;
mod sealed;
mod share_box;
mod statements;
mod taproot;
mod vectors;
