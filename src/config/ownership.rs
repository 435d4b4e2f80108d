//! The ownership map of a store, out of a profile.

use super::profile::{Engine, Profile, Service};
use crate::model::access::declared::{DeclaredService, DeclaredTable, StoreMap};
use crate::model::ids::{PipelineId, StoreId};
use chrono::{DateTime, Utc};

impl Profile {
    /// What the profile declares of a store. `moved` says when a pipeline's traffic went to its target; `None`: it did not yet.
    pub fn ownership_of(&self, store: &StoreId, moved: impl Fn(&PipelineId) -> Option<DateTime<Utc>>) -> StoreMap {
        let qualified = |name: &str| {
            let engine = self.stores.iter().find(|s| s.id == *store).map(|s| s.engine);
            // A name without a schema means `public`, as it does for pipelines.
            if engine == Some(Engine::Postgres) && !name.contains('.') {
                format!("public.{name}")
            } else {
                name.to_owned()
            }
        };
        let mut tables: Vec<DeclaredTable> = Vec::new();
        let mut add = |name: &str, service: &Service, logical: &str, moved_at, is_expected| {
            let name = qualified(name);
            if tables.iter().all(|table| table.name != name) {
                tables.push(DeclaredTable {
                    name,
                    logical: logical.to_owned(),
                    service: service.id.clone(),
                    moved_at,
                    is_expected,
                });
            }
        };
        for pipeline in self.pipelines.iter().filter(|p| p.from == *store || p.to == *store) {
            let moved_at = moved(&pipeline.id);
            for rule in &pipeline.tables {
                let Some((service, logical)) = self.owner_of(&[&rule.to, bare(&rule.to), &rule.from, bare(&rule.from)])
                else {
                    continue;
                };
                if pipeline.from == *store {
                    add(&rule.from, service, logical, moved_at, moved_at.is_none());
                }
                if pipeline.to == *store {
                    // It is built on the way; after the switch it must be there.
                    add(&rule.to, service, logical, None, moved_at.is_some());
                }
            }
        }
        for service in self.services.iter().filter(|service| service.store == *store) {
            for owned in &service.owns {
                let is_moved_here =
                    self.pipelines.iter().filter(|p| p.to == *store).flat_map(|p| &p.tables).any(|rule| {
                        [rule.to.as_str(), bare(&rule.to), rule.from.as_str(), bare(&rule.from)]
                            .contains(&owned.as_str())
                    });
                if !is_moved_here {
                    add(owned, service, owned, None, true);
                }
            }
        }
        let service = |s: &Service| DeclaredService {
            id: s.id.clone(),
            home: s.store.clone(),
            accounts: s.accounts.clone(),
            allowed_reads: s.allowed_reads.clone(),
            until: s.until,
        };
        StoreMap {
            services: self.services.iter().map(service).collect(),
            tables,
            break_glass: self.access.break_glass.clone(),
            migration: self.access.migration.clone(),
            until: self.access.until,
            ignore: self.access.ignore.clone(),
        }
    }

    /// The service that owns a table under one of its spellings, and how it spells it.
    fn owner_of(&self, spellings: &[&str]) -> Option<(&Service, &str)> {
        spellings.iter().find_map(|spelling| {
            self.services.iter().find_map(|service| {
                service.owns.iter().find(|owned| owned == spelling).map(|owned| (service, owned.as_str()))
            })
        })
    }
}

/// The name without its schema.
fn bare(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, table)| table)
}
