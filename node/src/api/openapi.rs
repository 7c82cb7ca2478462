//! The OpenAPI document of both listeners.

use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use super::{admin, events, public};

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
        events::stream,
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
