//! Bytes to and from a server: TCP or Unix socket, with or without TLS.

use super::failure::{Failure, Outcome};
use crate::stores::postgres::address::{Address, Tls};
use socket2::{SockRef, TcpKeepalive};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{self, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// A stream in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// The stream of one connection.
pub type Transport = Box<dyn Duplex>;

/// A silent peer is asked after this time whether it is still there, then every [`KEEPALIVE_INTERVAL`], and given up after three tries.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 3;

/// Connects and, where the address asks for it, negotiates TLS.
pub async fn dial(address: &Address) -> Outcome<Transport> {
    if address.is_socket() {
        let stream = UnixStream::connect(address.socket_path()).await?;
        return Ok(Box::new(stream));
    }
    let mut stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
    stream.set_nodelay(true)?;
    let keepalive =
        TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL).with_retries(KEEPALIVE_RETRIES);
    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    if address.tls == Tls::Disable {
        return Ok(Box::new(stream));
    }
    let mut request = bytes::BytesMut::with_capacity(8);
    postgres_protocol::message::frontend::ssl_request(&mut request);
    stream.write_all(&request).await?;
    // Exactly one byte is read: more would be plain text that somebody put before the handshake (CVE-2021-23222).
    match (stream.read_u8().await?, address.tls) {
        (b'S', mode) => encrypt(stream, &address.host, mode).await,
        (b'N', Tls::Prefer) => Ok(Box::new(stream)),
        (b'N', _) => {
            Err(Failure::Tls("the server does not offer it; set ssl = on there, or sslmode=disable here".into()))
        }
        _ => Err(Failure::Protocol(
            "the answer to the TLS request is neither S nor N; is this a PostgreSQL port?".into(),
        )),
    }
}

async fn encrypt(stream: TcpStream, host: &str, mode: Tls) -> Outcome<Transport> {
    let config = if mode == Tls::VerifyFull { verified_config()? } else { unverified_config()? };
    let name = ServerName::try_from(host.to_owned()).map_err(|e| Failure::Tls(e.to_string()))?;
    let stream = TlsConnector::from(config).connect(name, stream).await.map_err(|e| Failure::Tls(e.to_string()))?;
    Ok(Box::new(stream))
}

/// Certificates are checked against the system's roots, which are read once.
fn verified_config() -> Outcome<Arc<ClientConfig>> {
    static CONFIG: OnceLock<Result<Arc<ClientConfig>, String>> = OnceLock::new();
    let build = || {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            let why = found.errors.first().map_or_else(String::new, |e| format!(" ({e})"));
            return Err(format!("no root certificates on this machine{why}; set SSL_CERT_FILE"));
        }
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map(|builder| Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
            .map_err(|e| e.to_string())
    };
    CONFIG.get_or_init(build).clone().map_err(Failure::Tls)
}

/// For `sslmode=prefer` and `require`: encryption without proof of whom we talk to, as the operator asked.
fn unverified_config() -> Outcome<Arc<ClientConfig>> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| Failure::Tls(e.to_string()))?;
    let verifier = Arc::new(AnyCertificate { provider });
    Ok(Arc::new(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()))
}

/// Accepts every certificate, but still proves that the peer holds its key.
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
