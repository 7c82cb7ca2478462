//! The OpenAPI document of all listeners.

use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use super::{admin, covenant, events, public, staking};

/// The document, at `/openapi.json`, with its UI at `/docs`.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "Trestle node",
        description = "Reads are on the public listener. Paths tagged admin are on the admin listener and need its bearer token. The path tagged covenant is on a covenant member's own listener, with a token of its own."
    ),
    paths(
        public::healthz,
        public::readyz,
        public::prometheus,
        public::node,
        public::committees,
        public::committee,
        public::payments,
        public::payment,
        events::events,
        staking::params::healthcheck,
        staking::delegations::staker_delegations,
        staking::delegations::delegation,
        staking::unbonding::unbonding,
        staking::unbonding::unbonding_eligibility,
        staking::params::global_params,
        staking::providers::finality_providers,
        staking::stats::overall_stats,
        staking::stats::staker_stats,
        staking::address::delegation_check,
        staking::address::pubkey_lookup,
        staking::events::staking_events,
        staking::events::staking_events_page,
        covenant::sign,
        admin::dkg,
        admin::sign,
        admin::pay,
        admin::cancel,
        admin::release,
        admin::freeze,
        admin::unfreeze,
        admin::rescan,
    ),
    modifiers(&Tokens)
)]
pub struct ApiDoc;

struct Tokens;

impl Modify for Tokens {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = document.components.get_or_insert_default();
        for name in ["admin_token", "covenant_token"] {
            components.add_security_scheme(name, SecurityScheme::Http(scheme.clone()));
        }
    }
}
