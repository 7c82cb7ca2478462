//! What the AMQP client says, in terms of the port.

use lapin::ErrorKind;
use trestle_actors::ports::PublishError;

use crate::{Settings, topology::Undeclared};

/// Reply codes of AMQP 0-9-1, section 1.2 of its reference.
mod code {
    /// Wrong user or password, or a right is missing.
    pub(super) const ACCESS_REFUSED: u16 = 403;
    /// It stands with other settings.
    pub(super) const PRECONDITION_FAILED: u16 = 406;
    /// No such virtual host, among others.
    pub(super) const NOT_ALLOWED: u16 = 530;
}

/// A failure of the connection or of anything that is not about one message.
pub(crate) fn link(settings: &Settings, error: &lapin::Error) -> PublishError {
    match reply_code(error) {
        Some(code::ACCESS_REFUSED | code::NOT_ALLOWED) => PublishError::Refused {
            broker: settings.broker(),
            user: settings.user().to_owned(),
            vhost: settings.vhost().to_owned(),
            reason: reason(error),
        },
        Some(_) | None => unreachable(settings, reason(error)),
    }
}

/// A failure to declare something.
pub(crate) fn declare(settings: &Settings, undeclared: Undeclared) -> PublishError {
    let Undeclared { what, error } = undeclared;
    if reply_code(&error) == Some(code::PRECONDITION_FAILED) {
        PublishError::Declared { what, reason: reason(&error) }
    } else {
        link(settings, &error)
    }
}

/// No answer in time.
pub(crate) fn silent(settings: &Settings, what: &str) -> PublishError {
    let seconds = settings.patience.as_secs_f32();
    unreachable(settings, format!("no answer within {seconds} s {what}"))
}

fn unreachable(settings: &Settings, reason: String) -> PublishError {
    PublishError::Unreachable { broker: settings.broker(), reason }
}

fn reply_code(error: &lapin::Error) -> Option<u16> {
    if let ErrorKind::ProtocolError(error) = error.kind() { Some(error.get_id()) } else { None }
}

/// The broker's own words where there are some.
fn reason(error: &lapin::Error) -> String {
    if let ErrorKind::ProtocolError(error) = error.kind() {
        error.get_message().as_str().to_owned()
    } else {
        error.to_string()
    }
}
