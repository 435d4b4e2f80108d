//! The engine as the wire's server sees it.

use crate::engine::authority;
use crate::engine::commands;
use crate::engine::core::CoreRef;
use crate::model::command::{Answer, Command};
use crate::model::event::Entry;
use crate::model::ids::{Operator, Seq};
use crate::model::role::Role;
use crate::model::sample::{Presence, Samples};
use crate::model::view::{View, ViewKind};
use crate::wire::server::Backend;
use async_trait::async_trait;
use chrono::Utc;
use std::collections::BTreeMap;
use tokio::sync::watch;

/// Adapter from [`Backend`] to the core.
pub struct EngineLink {
    core: CoreRef,
    own_uid: u32,
    head: watch::Receiver<Seq>,
}

impl EngineLink {
    /// An adapter; a small task turns changes of state into a changing head.
    pub fn new(core: CoreRef) -> Self {
        let mut states = core.dispatcher.watch();
        let (publish, head) = watch::channel(states.borrow().head);
        tokio::spawn(async move {
            while states.changed().await.is_ok() {
                let now = states.borrow_and_update().head;
                publish.send_replace(now);
            }
        });
        Self { core, own_uid: nix::unistd::getuid().as_raw(), head }
    }
}

#[async_trait]
impl Backend for EngineLink {
    fn admit(&self, uid: u32, gid: u32) -> Result<(Operator, Role), String> {
        let operator = authority::user_name(uid);
        match authority::role(&self.core.profile.roles, self.own_uid, uid, gid) {
            Some(role) => Ok((operator, role)),
            None => Err(format!("{operator} has no role in this migration: add the user to [roles] in the profile")),
        }
    }

    fn identity(&self) -> (String, u32) {
        (self.core.profile.migration.name.clone(), std::process::id())
    }

    fn head(&self) -> watch::Receiver<Seq> {
        self.head.clone()
    }

    async fn entries(&self, since: Seq, limit: u64) -> Result<Vec<Entry>, String> {
        self.core.dispatcher.read_since(since, limit).await
    }

    fn samples(&self) -> watch::Receiver<Samples> {
        self.core.samples.subscribe()
    }

    fn view_versions(&self) -> watch::Receiver<BTreeMap<ViewKind, u64>> {
        self.core.views.versions()
    }

    fn view(&self, kind: ViewKind) -> View {
        self.core.views.view(kind)
    }

    async fn answer(&self, by: &Operator, role: Role, command: Command) -> Answer {
        commands::answer(&self.core, by, role, command).await
    }

    fn presence(&self, operator: &Operator, role: Role, client: &str, came: bool) {
        self.core.samples.send_modify(|samples| {
            if came {
                let client = crate::stores::sanitise::clean(client);
                samples.present.push(Presence { operator: operator.to_string(), role, client, since: Utc::now() });
            } else if let Some(at) =
                samples.present.iter().position(|p| p.operator == operator.as_str() && p.client == client)
            {
                samples.present.remove(at);
            }
        });
    }

    fn stopping(&self) -> watch::Receiver<Option<String>> {
        self.core.stop.subscribe()
    }
}
