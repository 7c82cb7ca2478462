//! The OpenAPI document of both listeners.

use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use super::{admin, events, public, staking};

/// The document, at `/openapi.json`, with its UI at `/docs`.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "Trestle node",
        description = "Reads are on the public listener. Paths tagged admin are on the admin listener and need its bearer token."
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
        admin::dkg,
        admin::sign,
        admin::pay,
        admin::cancel,
        admin::freeze,
        admin::unfreeze,
        admin::rescan,
    ),
    modifiers(&AdminToken)
)]
pub struct ApiDoc;

struct AdminToken;

impl Modify for AdminToken {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("admin_token", SecurityScheme::Http(scheme));
    }
}
