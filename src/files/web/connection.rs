//! Connections: one pool for the process, in which whoever waits looks whether its query was interrupted.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::time as wait;
use ureq::unversioned::transport::{
    Buffers, ConnectProxyConnector, ConnectionDetails, Connector, NextTimeout, RustlsConnector, TcpConnector,
    Transport,
};
use ureq::{Agent, Error, Timeout};

use crate::workers;

/// Who waits looks so often whether the query was interrupted.
const SOON: Duration = Duration::from_millis(50);
/// One try to connect: nothing ends it before.
const ONE_TRY: Duration = Duration::from_millis(900);
/// Connections that wait for the next request.
const IDLE: usize = 256;
const IDLE_AGE: Duration = Duration::from_secs(15);
/// How long the addresses of a host hold.
const NAMES_HOLD: Duration = Duration::from_secs(30);
/// What an interrupted request ends by.
pub(super) const INTERRUPTED: &str = "the query was interrupted";

/// The connections of this process. A process that was forked has its own: those of the one before are still in use there.
pub(super) fn pool() -> Agent {
    static POOL: Mutex<Option<(u32, Agent)>> = Mutex::new(None);
    let process = std::process::id();
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    match &*pool {
        Some((owner, agent)) if *owner == process => return agent.clone(),
        _ => {}
    }
    let agent = new_pool();
    // To close them would say good-bye in the other process's name.
    if let Some(others) = pool.replace((process, agent.clone())) {
        std::mem::forget(others);
    }
    agent
}

fn new_pool() -> Agent {
    let roots = certificates().map_or(RootCerts::WebPki, |own| RootCerts::Specific(Arc::new(own)));
    let idle = IDLE.min(crate::files::most_open() / 4).max(1);
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_idle_connections(idle)
        .max_idle_connections_per_host(idle)
        .max_idle_age(IDLE_AGE)
        .user_agent(concat!("geoquilt/", env!("CARGO_PKG_VERSION")))
        .accept_encoding("identity")
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .build();
    let connector =
        ().chain(ConnectProxyConnector::default()).chain(Watching).chain(RustlsConnector::default());
    Agent::with_parts(config, connector, Names::default())
}

/// The certificates that this machine trusts: those that the environment names, or the system's. Without any, those that
/// Mozilla's browser trusts are taken.
fn certificates() -> Option<Vec<Certificate<'static>>> {
    const SYSTEM: [&str; 3] =
        ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
    let named = ["SSL_CERT_FILE", "CURL_CA_BUNDLE"].into_iter().find_map(std::env::var_os);
    let mut files: Vec<&Path> = named.iter().map(Path::new).collect();
    files.extend(SYSTEM.map(Path::new).iter().filter(|_| named.is_none()));
    files.into_iter().find_map(|file| {
        let text = std::fs::read(file).ok()?;
        let found = parse_pem(&text).filter_map(|item| match item.ok()? {
            PemItem::Certificate(certificate) => Some(certificate),
            _ => None,
        });
        let found: Vec<Certificate<'static>> = found.collect();
        (!found.is_empty()).then_some(found)
    })
}

fn interrupted() -> Error {
    Error::Io(io::Error::other(INTERRUPTED))
}

/// Connects, and gives connections that are watched.
#[derive(Debug)]
struct Watching;

impl<In: Transport> Connector<In> for Watching {
    type Out = Watched<<TcpConnector as Connector<In>>::Out>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        mut chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        let (begin, all) = (Instant::now(), *details.timeout.after);
        loop {
            let left = all.saturating_sub(begin.elapsed());
            let timeout = NextTimeout { after: left.min(ONE_TRY).into(), ..details.timeout };
            let once = ConnectionDetails {
                uri: details.uri,
                addrs: details.addrs.clone(),
                config: details.config,
                request_level: details.request_level,
                resolver: details.resolver,
                now: wait::Instant::now(),
                timeout,
                current_time: details.current_time.clone(),
                run_connector: details.run_connector.clone(),
                register_shutdown: details.register_shutdown.clone(),
            };
            match TcpConnector::default().connect(&once, chained.take()) {
                Err(Error::Timeout(_)) if workers::is_interrupted() => return Err(interrupted()),
                Err(Error::Timeout(_)) if begin.elapsed() < all => {}
                Err(Error::Timeout(_)) => return Err(Error::Timeout(Timeout::Connect)),
                other => return Ok(other?.map(Watched)),
            }
        }
    }
}

/// A connection whose reader looks now and then whether anybody still waits for it.
#[derive(Debug)]
struct Watched<T>(T);

impl<T: Transport> Transport for Watched<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.0.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.0.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let timeout = timeout.for_read();
        let (begin, all) = (Instant::now(), *timeout.after);
        loop {
            let left = all.saturating_sub(begin.elapsed());
            if left.is_zero() {
                return Err(Error::Timeout(timeout.reason));
            }
            // The same wait each time, so that the socket need not be told of another.
            let step = NextTimeout { after: SOON.into(), per_read: None, ..timeout };
            match self.0.await_input(step) {
                Err(Error::Timeout(_)) if workers::is_interrupted() => return Err(interrupted()),
                Err(Error::Timeout(_)) => {}
                other => return other,
            }
        }
    }

    fn is_open(&mut self) -> bool {
        self.0.is_open()
    }

    fn is_tls(&self) -> bool {
        self.0.is_tls()
    }
}

/// The addresses of hosts, asked for once in a while.
#[derive(Debug, Default)]
struct Names(Mutex<HashMap<String, (Instant, Vec<SocketAddr>)>>);

impl Names {
    fn known(&self, name: &str) -> Option<Vec<SocketAddr>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(name)
            .filter(|(when, _)| when.elapsed() < NAMES_HOLD)
            .map(|(_, addresses)| addresses.clone())
    }
}

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let name = uri.scheme().zip(uri.authority());
        let name = name.and_then(|(scheme, authority)| DefaultResolver::host_and_port(scheme, authority));
        let name = name.ok_or(Error::HostNotFound)?;
        let found = match (self.known(&name), name.parse()) {
            (Some(known), _) => known,
            (None, Ok(address)) => vec![address],
            (None, Err(_)) => {
                let found = ask(&name, *timeout.after)?;
                let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                known.retain(|_, (when, _)| when.elapsed() < NAMES_HOLD);
                known.insert(name, (Instant::now(), found.clone()));
                found
            }
        };
        let mut addresses = self.empty();
        config
            .ip_family()
            .keep_wanted(found.into_iter())
            .take(16)
            .for_each(|address| addresses.push(address));
        if addresses.is_empty() { Err(Error::HostNotFound) } else { Ok(addresses) }
    }
}

/// Asks the system, which knows no end of it, on a thread of its own.
fn ask(name: &str, all: Duration) -> Result<Vec<SocketAddr>, Error> {
    let (tell, told) = mpsc::channel();
    let (begin, asked) = (Instant::now(), name.to_string());
    std::thread::Builder::new().spawn(move || {
        let found = asked.to_socket_addrs().map(Iterator::collect);
        // Nobody may wait any more.
        drop(tell.send(found));
    })?;
    loop {
        match told.recv_timeout(SOON) {
            Ok(found) => return found.map_err(|_| Error::HostNotFound),
            Err(RecvTimeoutError::Disconnected) => return Err(Error::HostNotFound),
            Err(RecvTimeoutError::Timeout) if workers::is_interrupted() => return Err(interrupted()),
            Err(RecvTimeoutError::Timeout) if begin.elapsed() >= all => {
                return Err(Error::Timeout(Timeout::Resolve));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}
