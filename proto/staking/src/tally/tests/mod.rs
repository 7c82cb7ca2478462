#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

mod demo;
mod figures;
mod index;
mod naive;
mod overflow;
mod properties;

use super::*;
use crate::{
    delegation::{ProviderKey, StakerKey},
    params::Cap,
};

fn must<T>(result: Result<T, TallyError>) -> T {
    result.expect("the figures belong together")
}

fn share(value: u64, overflow: bool) -> Share {
    Share { staker: StakerKey([1; 32]), provider: ProviderKey([2; 32]), value, overflow }
}
