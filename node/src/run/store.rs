//! Opens the store that the config names.

use std::{io, path::Path, sync::Arc};

use trestle_store::Store;
use zeroize::Zeroizing;

use super::RunError;
use crate::config::{Config, StoreConfig};

pub(super) async fn open(config: &Config) -> Result<Arc<dyn Store>, RunError> {
    let url = url(&config.store, &config.data_dir)?;
    Ok(trestle_store_sql::open(&url).await?)
}

fn url(config: &StoreConfig, data_dir: &Path) -> Result<Zeroizing<String>, RunError> {
    if config.url == "sqlite" {
        let file = data_dir.join("trestle.sqlite");
        return Ok(Zeroizing::new(format!("sqlite:{}", file.display())));
    }
    let password = match (&config.password_file, &config.password_env) {
        (Some(path), _) => secret_line(path, "store.password_file")?,
        (None, Some(name)) => std::env::var(name)
            .map(Zeroizing::new)
            .map_err(|_| RunError::NoVariable(name.clone()))?,
        (None, None) => return Ok(Zeroizing::new(config.url.clone())),
    };
    Ok(with_password(&config.url, &password))
}

// USER@ becomes USER:PASSWORD@; a URL without a user gets the password nowhere, and the server's
// own complaint is the clearest.
fn with_password(url: &str, password: &str) -> Zeroizing<String> {
    let Some((user, rest)) = url.split_once('@') else { return Zeroizing::new(url.to_owned()) };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let mut text = Zeroizing::new(format!("{user}:"));
    for byte in password.bytes() {
        if plain(byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text.push('@');
    text.push_str(rest);
    text
}

/// The first line of a file with a password.
pub(super) fn secret_line(path: &Path, key: &'static str) -> Result<Zeroizing<String>, RunError> {
    let failed = |source: io::Error| RunError::Secret { path: path.to_owned(), key, source };
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(failed)?);
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        let what = "expected a password in the first line";
        return Err(failed(io::Error::new(io::ErrorKind::InvalidData, what)));
    }
    Ok(Zeroizing::new(line.to_owned()))
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;

    #[test]
    fn with_password__should_escape_what_a_url_cannot_hold() {
        let url = with_password("postgres://trestle@localhost:5432/db", "a:b@c/d é");

        assert_eq!(*url, "postgres://trestle:a%3Ab%40c%2Fd%20%C3%A9@localhost:5432/db");
    }
}
