//! A file follows nobody; what it has is the disk that it grows on.

use super::store::SqliteStore;
use crate::model::observation::Observation;
use crate::model::replication::{Kept, Replication, ReplicationRole};
use crate::stores::Result;
use crate::stores::disk::{Disk, line};
use crate::stores::observe::Replicas;
use async_trait::async_trait;
use chrono::Utc;
use std::path::Path;

#[async_trait]
impl Replicas for SqliteStore {
    async fn replication(&self) -> Result<Observation<Replication>> {
        let path = self.db.canonical();
        let directory = path.parent().unwrap_or(Path::new("/")).display().to_string();
        let retention = vec![line(Kept::Disk, "of the file", Disk::of(&directory))];
        let value = Replication { role: ReplicationRole::Standalone, links: Vec::new(), retention, started_at: None };
        Ok(Observation::whole(value, Utc::now()))
    }
}
