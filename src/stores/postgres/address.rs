//! Where a PostgreSQL server is and how to log in: a parsed URL that never shows its password.

use crate::stores::url_part::{decode, encode, split_place};
use secrecy::SecretString;
use std::borrow::Cow;
use std::net::IpAddr;

/// Whether and how a connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Plain. The default on loopback and Unix sockets, where there is no network to listen on.
    Disable,
    /// Encrypted when the server offers it, without looking at its certificate; plain otherwise.
    Prefer,
    /// Encrypted or refused, without looking at the certificate.
    Require,
    /// Encrypted, and the certificate must be valid for the host. The default for every host that is not local.
    VerifyFull,
}

/// A server, a database in it and a login.
#[derive(Clone, Debug)]
pub struct Address {
    /// Host name, IP address, or the directory of a Unix socket (then it begins with `/`).
    pub host: String,
    /// TCP port, also part of the socket's file name.
    pub port: u16,
    /// Login.
    pub user: String,
    /// Password, if the URL has one.
    pub password: Option<SecretString>,
    /// Database; the login's name when the URL has none, as libpq does.
    pub database: String,
    /// Encryption.
    pub tls: Tls,
    /// What the server shows in `pg_stat_activity`; `godwit` unless the URL says otherwise.
    pub application_name: String,
}

impl Address {
    /// Reads a `postgres://` or `postgresql://` URL. Parameters: `sslmode`, `host` (a socket directory or a host), `port`, `user`, `dbname`,
    /// `application_name`. The error is a sentence that never repeats the URL, because that may hold a password.
    pub fn parse(url: &str) -> Result<Self, String> {
        let rest = url
            .strip_prefix("postgres://")
            .or_else(|| url.strip_prefix("postgresql://"))
            .ok_or("the URL must begin with postgres:// or postgresql://")?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, authority),
        };
        let (host, port) = split_place(place)?;
        let mut address = Self {
            host: decode(host, "host")?,
            port: port.unwrap_or(5432),
            user: String::new(),
            password: None,
            database: decode(path, "database")?,
            tls: Tls::VerifyFull,
            application_name: "godwit".to_owned(),
        };
        if let Some(login) = login {
            let (user, password) = match login.split_once(':') {
                Some((user, password)) => (user, Some(password)),
                None => (login, None),
            };
            address.user = decode(user, "user")?;
            address.password = password.map(|p| decode(p, "password")).transpose()?.map(SecretString::from);
        }
        let tls = address.read_parameters(query)?;
        if address.host.is_empty() {
            "localhost".clone_into(&mut address.host);
        }
        if address.user.is_empty() {
            return Err("the URL names no user: write postgres://USER@HOST/DATABASE".to_owned());
        }
        if address.database.is_empty() {
            address.database = address.user.clone();
        }
        if [&address.host, &address.user, &address.database].iter().any(|part| part.contains('\0')) {
            return Err("the URL holds a NUL byte".to_owned());
        }
        address.tls = tls.unwrap_or(if address.is_local() { Tls::Disable } else { Tls::VerifyFull });
        if address.is_socket() {
            address.tls = Tls::Disable;
        }
        Ok(address)
    }

    /// Reads the query part; returns what `sslmode` asks for.
    fn read_parameters(&mut self, query: &str) -> Result<Option<Tls>, String> {
        let mut tls = None;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').ok_or("a parameter in the URL has no value")?;
            let key = decode(key, "parameter")?;
            let value = decode(value, &key)?;
            match key.as_str() {
                "sslmode" => tls = Some(tls_mode(&value)?),
                "host" => self.host = value,
                "port" => self.port = value.parse().map_err(|_| "`port` in the URL is not a port number".to_owned())?,
                "user" => self.user = value,
                "password" => self.password = Some(SecretString::from(value)),
                "dbname" => self.database = value,
                "application_name" => self.application_name = value,
                other => {
                    return Err(format!(
                        "unknown parameter `{other}` in the URL; known: sslmode, host, port, user, dbname, application_name"
                    ));
                }
            }
        }
        Ok(tls)
    }

    /// The URL without its password, for screens and errors.
    pub fn redacted(&self) -> String {
        let host = if self.is_socket() {
            return format!(
                "postgres://{}@/{}?host={}&port={}",
                encode(&self.user),
                encode(&self.database),
                self.host,
                self.port
            );
        } else if self.host.contains(':') {
            Cow::Owned(format!("[{}]", self.host))
        } else {
            Cow::Borrowed(self.host.as_str())
        };
        format!("postgres://{}@{host}:{}/{}", encode(&self.user), self.port, encode(&self.database))
    }

    /// True when the host is a Unix socket directory.
    pub fn is_socket(&self) -> bool {
        self.host.starts_with('/')
    }

    /// True when traffic does not leave this machine: a Unix socket, `localhost` or a loopback address.
    pub fn is_local(&self) -> bool {
        self.is_socket()
            || self.host.eq_ignore_ascii_case("localhost")
            || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// The socket's file, for a Unix socket directory.
    pub fn socket_path(&self) -> String {
        format!("{}/.s.PGSQL.{}", self.host.trim_end_matches('/'), self.port)
    }
}

/// `sslmode` as libpq spells it.
fn tls_mode(value: &str) -> Result<Tls, String> {
    match value {
        "disable" => Ok(Tls::Disable),
        // `allow` begins plain, which helps nobody; it is read as `prefer`.
        "allow" | "prefer" => Ok(Tls::Prefer),
        "require" => Ok(Tls::Require),
        // A chain that is checked without the host name is no protection worth a mode of its own: read as the stricter one.
        "verify-ca" | "verify-full" => Ok(Tls::VerifyFull),
        other => Err(format!("unknown sslmode `{other}`; known: disable, prefer, require, verify-full")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    fn parse(url: &str) -> Address {
        Address::parse(url).unwrap()
    }

    #[test]
    fn a_full_url() {
        let a = parse("postgresql://me:p%40ss%2Fw@db.example.org:6543/shop?application_name=x");
        assert_eq!(
            (a.host.as_str(), a.port, a.user.as_str(), a.database.as_str()),
            ("db.example.org", 6543, "me", "shop")
        );
        assert_eq!(a.password.as_ref().unwrap().expose_secret(), "p@ss/w");
        assert_eq!(a.tls, Tls::VerifyFull);
        assert_eq!(a.application_name, "x");
        assert_eq!(a.redacted(), "postgres://me@db.example.org:6543/shop");
        assert!(!format!("{a:?}").contains("p@ss"));
    }

    #[test]
    fn local_hosts_need_no_tls() {
        for host in ["127.0.0.1", "localhost", "[::1]", "127.8.0.1"] {
            let a = parse(&format!("postgres://u@{host}/d"));
            assert!(a.is_local(), "{host}");
            assert_eq!(a.tls, Tls::Disable);
        }
        assert_eq!(parse("postgres://u@127.0.0.1/d?sslmode=require").tls, Tls::Require);
        assert_eq!(parse("postgres://u@10.0.0.1/d?sslmode=disable").tls, Tls::Disable);
    }

    #[test]
    fn sockets() {
        let a = parse("postgres://u@/d?host=/run/pg&port=5555");
        assert_eq!(a.socket_path(), "/run/pg/.s.PGSQL.5555");
        assert!(a.is_local() && a.tls == Tls::Disable);
        assert_eq!(parse("postgres://u@%2Frun%2Fpg:5556/d").socket_path(), "/run/pg/.s.PGSQL.5556");
    }

    #[test]
    fn defaults() {
        let a = parse("postgres://u@");
        assert_eq!((a.host.as_str(), a.port, a.database.as_str()), ("localhost", 5432, "u"));
    }

    #[test]
    fn refusals_never_show_the_password() {
        for url in [
            "mysql://u:secret@h/d",
            "postgres://u:secret@h:port/d",
            "postgres://u:sec%zzret@h/d",
            "postgres://:secret@h/d",
            "postgres://u:secret@h/d?sslmode=maybe",
            "postgres://u:secret@h/d?colour=red",
            "postgres://u:secret@a,b/d",
            "postgres://u:secret@[::1/d",
        ] {
            let error = Address::parse(url).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
