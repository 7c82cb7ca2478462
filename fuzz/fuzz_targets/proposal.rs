//! Any payment proposal: what a coordinator shows a member.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trestle_chain::policy::Proposal;
use trestle_wire::{codec, committee::payment::PaymentProposal};

fuzz_target!(|bytes: &[u8]| {
    let Ok(wire) = codec::decode::<PaymentProposal>(bytes) else { return };
    if let Ok(proposal) = Proposal::parse(&wire) {
        assert_eq!(proposal.outpoints().first(), Some(&proposal.anchor()));
    }
});
