//! `trestle committee cancel`.

use std::fmt::Write as _;

use clap::Args;
use serde_json::json;

use super::{
    CliError,
    client::{NodeArgs, committee_name},
    output::Output,
    pay::payment_text,
};
use crate::api::dto::PaymentDto;

/// A payment to be given up.
#[derive(Debug, Args)]
pub(super) struct CancelArgs {
    /// The committee that pays.
    #[arg(value_parser = committee_name)]
    name: String,
    /// The payment: the --id of the request, or the payment's own id.
    #[arg(long, value_name = "ID")]
    id: String,
    #[command(flatten)]
    node: NodeArgs,
}

pub(super) async fn cancel(output: &Output, args: CancelArgs) -> Result<(), CliError> {
    let path = format!("/v1/committees/{}/payments/{}/cancel", args.name, in_path(&args.id));
    let payment: PaymentDto = args.node.connect()?.post(&path, &json!({})).await?;
    output.result(&payment, payment_text)
}

/// Text as one segment of a path (RFC 3986, 2.1).
fn in_path(text: &str) -> String {
    let mut path = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(path, "%{byte:02X}");
        }
    }
    path
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;

    #[test]
    fn in_path__should_leave_one_segment() {
        assert_eq!(in_path("invoice-17"), "invoice-17");
        assert_eq!(in_path("a/b ?ö"), "a%2Fb%20%3F%C3%B6");
    }
}
