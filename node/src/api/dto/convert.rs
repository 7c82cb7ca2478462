//! From what actors say to the shapes of the API.

use bitcoin::consensus::encode::serialize_hex;
use trestle_actors::coordinator::view;
use trestle_keys::{Committee, Scheme};

use super::{
    CoinDto, CommitteeDto, KeyDto, LiveDto, MemberDto, MemberLiveDto, PaymentDto, RecipientDto,
    VersionDto, WalletDto,
};

impl From<&Committee> for CommitteeDto {
    fn from(committee: &Committee) -> Self {
        let scheme = match committee.scheme {
            Scheme::Frost => "frost",
        };
        let member = |member: &trestle_keys::Member| MemberDto {
            index: member.index,
            peer: member.peer.to_string(),
            key: hex::encode(member.key),
            live: None,
        };
        Self {
            name: committee.name.clone(),
            scheme: scheme.into(),
            threshold: committee.threshold,
            members: committee.members.iter().map(member).collect(),
            coordinators: committee.coordinators.iter().map(ToString::to_string).collect(),
            quorums_intersect_honestly: committee.quorums_intersect_honestly(),
            live: None,
        }
    }
}

impl CommitteeDto {
    /// Adds what the coordinator knows.
    #[must_use]
    pub fn with_live(mut self, view: view::CommitteeView) -> Self {
        for member in &mut self.members {
            let known = view.members.iter().find(|known| known.index == member.index);
            member.live = known.map(|known| MemberLiveDto {
                online: known.online,
                height: known.height,
                nonces: known.nonces,
                blamed: known.blamed,
            });
        }
        let keys = view.keys.into_iter().map(KeyDto::from).collect();
        self.live = Some(LiveDto { keys, wallet: view.wallet.into() });
        self
    }
}

impl From<view::KeyView> for KeyDto {
    fn from(key: view::KeyView) -> Self {
        Self {
            key: key.key.to_string(),
            internal: key.internal.to_string(),
            address: key.address.to_string(),
            birth: key.birth,
            took_ms: key.took_ms,
        }
    }
}

impl From<view::WalletView> for WalletDto {
    fn from(wallet: view::WalletView) -> Self {
        Self {
            height: wallet.height,
            spendable_sats: wallet.spendable.to_sat(),
            pending_sats: wallet.pending.to_sat(),
            reserved_sats: wallet.reserved.to_sat(),
            frozen_sats: wallet.frozen.to_sat(),
            bound_sats: wallet.bound.to_sat(),
            coins: wallet.coins.into_iter().map(CoinDto::from).collect(),
        }
    }
}

impl From<view::CoinView> for CoinDto {
    fn from(coin: view::CoinView) -> Self {
        let state = match coin.state {
            view::CoinState::Spendable => "spendable",
            view::CoinState::Pending => "pending",
            view::CoinState::Reserved => "reserved",
            view::CoinState::Frozen => "frozen",
            view::CoinState::Bound => "bound",
        };
        Self {
            outpoint: coin.outpoint.to_string(),
            sats: coin.value.to_sat(),
            height: coin.height,
            state: state.into(),
        }
    }
}

impl From<view::PaymentView> for PaymentDto {
    fn from(payment: view::PaymentView) -> Self {
        let (phase, txid, height) = match &payment.phase {
            view::PaymentPhase::Waiting => ("waiting", None, None),
            view::PaymentPhase::Signing => ("signing", None, None),
            view::PaymentPhase::Broadcast => ("broadcast", None, None),
            view::PaymentPhase::Confirmed { txid, height } => {
                ("confirmed", Some(txid), Some(*height))
            }
            view::PaymentPhase::Settled { txid, height } => ("settled", Some(txid), Some(*height)),
            view::PaymentPhase::Failed => ("failed", None, None),
            view::PaymentPhase::Cancelled => ("cancelled", None, None),
            view::PaymentPhase::UsedBefore { txid, height, .. } => {
                ("used_before", Some(txid), Some(*height))
            }
        };
        Self {
            payment: payment.payment.to_string(),
            committee: payment.committee,
            idempotency_key: payment.idempotency_key,
            recipients: payment
                .recipients
                .iter()
                .map(|(address, value)| RecipientDto {
                    address: address.to_string(),
                    sats: value.to_sat(),
                })
                .collect(),
            phase: phase.into(),
            txid: txid.map(ToString::to_string),
            height,
            anchor: payment.anchor.map(|anchor| anchor.to_string()),
            versions: payment.versions.into_iter().map(VersionDto::from).collect(),
            sign_ms: payment.sign_ms,
            note: payment.note,
            notice: payment.notice,
        }
    }
}

impl From<view::VersionView> for VersionDto {
    fn from(version: view::VersionView) -> Self {
        Self {
            txid: version.txid.to_string(),
            fee_sats: version.fee.to_sat(),
            transaction: serialize_hex(&version.transaction),
        }
    }
}
