//! Interim; replaced by the PgBouncer admin console client.
use crate::stores::Result;
use std::time::Duration;
pub struct Bouncer;
impl Bouncer {
    pub async fn connect(_url: &str) -> Result<Self> {
        std::future::pending().await
    }
    pub async fn pause(&mut self, _d: &str, _t: Duration) -> Result<()> {
        Ok(())
    }
    pub async fn resume(&mut self, _d: &str) -> Result<()> {
        Ok(())
    }
    pub async fn reload(&mut self) -> Result<()> {
        Ok(())
    }
}
