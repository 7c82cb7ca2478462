//! People: they ask for a key and for payments, and ask again when they get no answer.

use bitcoin::{Address, Amount, FeeRate, Network, ScriptBuf};
use tokio::sync::oneshot::{self, error::TryRecvError};
use trestle_actors::coordinator::{
    CoordinatorInput,
    ingress::{Denied, Request},
    view::{CommitteeView, KeyView, PayRequest, PaymentPhase, PaymentView},
};
use trestle_wire::Hash32;

use super::{NAME, World, node::Role};

type Answer<T> = oneshot::Receiver<Result<T, Denied>>;

/// What people want, and what they have heard.
#[derive(Default)]
pub(crate) struct Client {
    /// Whether a key is wanted and not there yet.
    wants_key: bool,
    asked_key: Option<Answer<KeyView>>,
    /// The last reason why there is no key.
    pub(crate) denied: Option<Denied>,
    /// The key.
    pub(crate) key: Option<KeyView>,
    pub(crate) payments: Vec<Wanted>,
}

/// A payment that somebody wants.
pub(crate) struct Wanted {
    pub(crate) request: PayRequest,
    pub(crate) script: ScriptBuf,
    asked: Option<Answer<PaymentView>>,
    /// Its id, once it is accepted.
    pub(crate) id: Option<Hash32>,
}

impl Client {
    /// The recipient of each payment: a script that nobody else pays.
    pub(crate) fn scripts(&self) -> Vec<(String, ScriptBuf)> {
        let one = |wanted: &Wanted| (wanted.request.idempotency_key.clone(), wanted.script.clone());
        self.payments.iter().map(one).collect()
    }
}

impl World {
    /// Somebody wants a key, and asks until there is one.
    pub(crate) fn want_key(&mut self) {
        self.client.wants_key = true;
        self.ask_again();
    }

    /// Asks for a key once.
    pub(crate) fn ask_key_once(&mut self) {
        let (reply, answer) = oneshot::channel();
        self.client.asked_key = Some(answer);
        self.coordinator(CoordinatorInput::Request(Request::Dkg(NAME.into(), reply)));
    }

    /// Somebody wants a payment, and asks until it is accepted.
    pub(crate) fn want_payment(&mut self, sats: u64, rate: Option<u32>) {
        let number = self.client.payments.len();
        let mut program = [0xA0; 20];
        program[0] = u8::try_from(number).expect("a simulation has few payments");
        let address = Address::from_script(
            &ScriptBuf::new_p2wpkh(&bitcoin::WPubkeyHash::from(
                bitcoin::hashes::hash160::Hash::from_bytes_ref(&program).to_owned(),
            )),
            Network::Regtest,
        );
        let address = address.expect("a witness program has an address");
        let script = address.script_pubkey();
        let request = PayRequest {
            committee: NAME.into(),
            idempotency_key: format!("payment {number}"),
            recipients: vec![(address, Amount::from_sat(sats))],
            fee_rate: rate.map(FeeRate::from_sat_per_vb_u32),
        };
        self.client.payments.push(Wanted { request, script, asked: None, id: None });
        self.ask_again();
    }

    /// Somebody wants what was paid last once more, under another id.
    pub(crate) fn want_the_same_again(&mut self) {
        let last = self.client.payments.last().expect("something was paid");
        let mut request = last.request.clone();
        request.idempotency_key.push_str(" again");
        let script = last.script.clone();
        self.client.payments.push(Wanted { request, script, asked: None, id: None });
        self.ask_again();
    }

    /// Runs until there is a key, and until everyone knows it.
    pub(crate) fn must_make_key(&mut self) {
        self.want_key();
        let made = self.run_until(120_000, |world| world.client.key.is_some());
        assert!(made, "no key: {:?}", self.client.denied);
        self.run(2_000);
    }

    /// Gives the committee confirmed coins of these amounts.
    pub(crate) fn must_fund(&mut self, coins: &[u64]) {
        coins.iter().for_each(|sats| self.fund(*sats));
        self.mine();
        self.run(2_000);
    }

    /// Pays the committee, from outside.
    pub(crate) fn fund(&mut self, sats: u64) {
        let key = self.client.key.as_ref().expect("the committee has a key");
        let script = key.address.script_pubkey();
        self.ground.bitcoind.chain().fund(&script, Amount::from_sat(sats));
    }

    /// Asks for every payment that is not accepted.
    pub(crate) fn ask_for_payments(&mut self) {
        self.ask_again();
    }

    /// Asks again for what was not answered.
    pub(super) fn ask_again(&mut self) {
        if !matches!(self.nodes[0].role, Role::Coordinator(_)) {
            return;
        }
        if self.client.wants_key && self.client.key.is_none() && self.client.asked_key.is_none() {
            self.ask_key_once();
        }
        for number in 0..self.client.payments.len() {
            let wanted = &mut self.client.payments[number];
            if wanted.id.is_none() && wanted.asked.is_none() {
                let (reply, answer) = oneshot::channel();
                wanted.asked = Some(answer);
                let request = Request::Pay(wanted.request.clone(), reply);
                self.coordinator(CoordinatorInput::Request(request));
            }
        }
    }

    /// Takes in what the coordinator has answered.
    pub(super) fn hear_answers(&mut self) {
        let client = &mut self.client;
        if let Some(answer) = &mut client.asked_key {
            match answer.try_recv() {
                Ok(Ok(view)) => client.key = Some(view),
                Ok(Err(denied)) => client.denied = Some(denied),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Closed) => {}
            }
            client.asked_key = None;
        }
        for wanted in &mut client.payments {
            let Some(answer) = &mut wanted.asked else { continue };
            match answer.try_recv() {
                Ok(Ok(view)) => wanted.id = Some(view.payment),
                Ok(Err(_)) | Err(TryRecvError::Closed) => {}
                Err(TryRecvError::Empty) => continue,
            }
            wanted.asked = None;
        }
    }

    /// Asks what needs no session; `None` while the coordinator is down.
    pub(crate) fn ask<T>(
        &mut self,
        request: impl FnOnce(oneshot::Sender<Result<T, Denied>>) -> Request,
    ) -> Option<T> {
        let (reply, mut answer) = oneshot::channel();
        self.coordinator(CoordinatorInput::Request(request(reply)));
        answer.try_recv().ok()?.ok()
    }

    /// The committee as the coordinator sees it.
    pub(crate) fn view(&mut self) -> Option<CommitteeView> {
        self.ask(|reply| Request::Committees(Some(NAME.into()), reply))?.pop()
    }

    /// Where each payment is; `None` for one that is not accepted.
    pub(crate) fn phases(&mut self) -> Vec<Option<PaymentPhase>> {
        let ids: Vec<Option<Hash32>> =
            self.client.payments.iter().map(|wanted| wanted.id).collect();
        let phase = |id| self.ask(|reply| Request::Payment(id, reply)).map(|view| view.phase);
        let mut phase = phase;
        ids.into_iter().map(|id| id.and_then(&mut phase)).collect()
    }

    /// Asks anew, as another payment to the same recipient, for each that has failed for good.
    pub(crate) fn pay_failed_again(&mut self) {
        let phases = self.phases();
        for (wanted, phase) in self.client.payments.iter_mut().zip(phases) {
            if phase == Some(PaymentPhase::Failed) {
                wanted.request.idempotency_key.push_str(" again");
                wanted.id = None;
            }
        }
        self.ask_again();
    }

    /// Whether the best chain pays every payment.
    pub(crate) fn all_paid(&self) -> bool {
        (0..self.client.payments.len()).all(|number| self.is_paid(number))
    }

    /// Whether a payment is in the chain, by its number.
    pub(crate) fn is_paid(&self, number: usize) -> bool {
        let script = &self.client.payments[number].script;
        self.ground.bitcoind.chain().transactions().any(|transaction| {
            transaction.output.iter().any(|output| output.script_pubkey == *script)
        })
    }
}

impl Wanted {
    /// A payment that a played coordinator makes: known here only by what it pays.
    pub(crate) fn played(name: &str, script: ScriptBuf) -> Self {
        let request = PayRequest {
            committee: NAME.into(),
            idempotency_key: name.into(),
            recipients: Vec::new(),
            fee_rate: None,
        };
        Self { request, script, asked: None, id: None }
    }
}
