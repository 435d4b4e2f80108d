//! Where a MariaDB or MySQL server is and how to log in: a parsed URL that never shows its password.

use crate::stores::url_part::{decode, encode, split_place};
use secrecy::SecretString;
use std::net::IpAddr;

/// Whether and how a connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Plain.
    Disabled,
    /// Encrypted when the server offers it, without looking at its certificate; plain otherwise. The default on loopback and Unix sockets:
    /// there is no network to listen on, but MySQL's `caching_sha2_password` takes a password in no other way.
    Preferred,
    /// Encrypted or refused, without looking at the certificate.
    Required,
    /// Encrypted, and the certificate must be valid for the host. The default for every host that is not local.
    VerifyIdentity,
}

/// A server, a login, and the database that the store is about.
#[derive(Clone, Debug)]
pub struct Address {
    /// Host name or IP address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Path of a Unix socket; then host and port are not used.
    pub socket: Option<String>,
    /// Login.
    pub user: String,
    /// Password, if the URL has one.
    pub password: Option<SecretString>,
    /// The database that the store is about; `None`: all of the server's.
    pub database: Option<String>,
    /// Encryption.
    pub tls: Tls,
    /// A file with certificates of authorities to trust beside the system's.
    pub authority: Option<String>,
}

impl Address {
    /// Reads a `mysql://` or `mariadb://` URL. Parameters: `ssl-mode`, `ssl-ca`, `socket`, `user`. The error is a sentence that never repeats
    /// the URL, because that may hold a password.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(url: &str) -> Result<Self, String> {
        let rest = url
            .strip_prefix("mysql://")
            .or_else(|| url.strip_prefix("mariadb://"))
            .ok_or("the URL must begin with mysql:// or mariadb://")?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (login, place),
            None => ("", authority),
        };
        let (host, port) = split_place(place)?;
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(decode(password, "password")?)),
            None => (login, None),
        };
        let mut address = Self {
            host: decode(host, "host")?,
            port: port.unwrap_or(3306),
            socket: None,
            user: decode(user, "user")?,
            password: password.map(SecretString::from),
            database: Some(decode(path, "database")?).filter(|database| !database.is_empty()),
            tls: Tls::VerifyIdentity,
            authority: None,
        };
        let tls = address.read_parameters(query)?;
        if address.host.is_empty() {
            "localhost".clone_into(&mut address.host);
        }
        if address.user.is_empty() {
            return Err("the URL names no user: write mysql://USER@HOST/DATABASE".to_owned());
        }
        if [&address.host, &address.user].iter().any(|part| part.contains('\0')) {
            return Err("the URL holds a NUL byte".to_owned());
        }
        address.tls = tls.unwrap_or(if address.is_local() { Tls::Preferred } else { Tls::VerifyIdentity });
        Ok(address)
    }

    /// Reads the query part; returns what `ssl-mode` asks for.
    fn read_parameters(&mut self, query: &str) -> Result<Option<Tls>, String> {
        let mut tls = None;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').ok_or("a parameter in the URL has no value")?;
            let key = decode(key, "parameter")?;
            let value = decode(value, &key)?;
            match key.as_str() {
                "ssl-mode" | "sslmode" | "ssl_mode" => tls = Some(tls_mode(&value)?),
                "ssl-ca" => self.authority = Some(value),
                "socket" => self.socket = Some(value),
                "user" => self.user = value,
                "password" => self.password = Some(SecretString::from(value)),
                other => {
                    return Err(format!(
                        "unknown parameter `{other}` in the URL; known: ssl-mode, ssl-ca, socket, user"
                    ));
                }
            }
        }
        Ok(tls)
    }

    /// The URL without its password, for screens and errors; `scheme` is the engine's word.
    pub fn redacted(&self, scheme: &str) -> String {
        let user = encode(&self.user);
        let database = self.database.as_deref().map(encode).unwrap_or_default();
        match &self.socket {
            Some(socket) => format!("{scheme}://{user}@/{database}?socket={socket}"),
            None if self.host.contains(':') => format!("{scheme}://{user}@[{}]:{}/{database}", self.host, self.port),
            None => format!("{scheme}://{user}@{}:{}/{database}", self.host, self.port),
        }
    }

    /// True when traffic does not leave this machine: a Unix socket, `localhost` or a loopback address.
    pub fn is_local(&self) -> bool {
        self.socket.is_some()
            || self.host.eq_ignore_ascii_case("localhost")
            || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

/// `ssl-mode` as the clients of both products spell it.
fn tls_mode(value: &str) -> Result<Tls, String> {
    match value.to_ascii_lowercase().replace('-', "_").as_str() {
        "disabled" | "disable" => Ok(Tls::Disabled),
        "preferred" | "prefer" => Ok(Tls::Preferred),
        "required" | "require" => Ok(Tls::Required),
        // A chain that is checked without the host name is no protection worth a mode of its own: read as the stricter one.
        "verify_ca" | "verify_identity" | "verify_full" => Ok(Tls::VerifyIdentity),
        _ => Err("unknown `ssl-mode`; known: disabled, preferred, required, verify_identity".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn a_full_url() {
        let a = Address::parse("mariadb://me:p%40ss%2Fw@db.example.org:3307/shop?ssl-ca=/etc/ca.pem").unwrap();
        assert_eq!((a.host.as_str(), a.port, a.user.as_str()), ("db.example.org", 3307, "me"));
        assert_eq!(a.database.as_deref(), Some("shop"));
        assert_eq!(a.password.as_ref().unwrap().expose_secret(), "p@ss/w");
        assert_eq!((a.tls, a.authority.as_deref()), (Tls::VerifyIdentity, Some("/etc/ca.pem")));
        assert_eq!(a.redacted("mariadb"), "mariadb://me@db.example.org:3307/shop");
        assert!(!format!("{a:?}").contains("p@ss"));
    }

    #[test]
    fn only_local_hosts_may_go_without_tls() {
        for url in
            ["mysql://u@127.0.0.1", "mysql://u@localhost/d", "mysql://u@[::1]/d", "mysql://u@/d?socket=/run/m.sock"]
        {
            assert_eq!(Address::parse(url).unwrap().tls, Tls::Preferred, "{url}");
        }
        assert_eq!(Address::parse("mysql://u@10.0.0.1/d").unwrap().tls, Tls::VerifyIdentity);
        assert_eq!(Address::parse("mysql://u@10.0.0.1/d?ssl-mode=REQUIRED").unwrap().tls, Tls::Required);
    }

    #[test]
    fn refusals_never_show_the_password() {
        for url in [
            "postgres://u:secret@h/d",
            "mysql://u:secret@h:port/d",
            "mysql://:secret@h/d",
            "mysql://u:secret@h/d?ssl-mode=maybe",
            "mysql://u:secret@h/d?colour=red",
            "mysql://u:sec%zzret@h/d",
        ] {
            let error = Address::parse(url).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
