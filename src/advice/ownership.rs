//! Who owns what, on one store: physical names to logical ones.

use crate::advice::names;
use crate::model::ids::ServiceId;
use std::collections::BTreeMap;

/// What a table is called in the ownership map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    /// Its logical name: the same on the source and on the target.
    pub logical: String,
    /// Its owner; `None`: no service claims it.
    pub service: Option<ServiceId>,
}

/// The ownership map of one store. Tables that are not in it keep their own name without its schema, and have no owner.
#[derive(Clone, Debug, Default)]
pub struct Ownership {
    /// By folded physical name.
    tables: BTreeMap<String, Owned>,
    /// Folded names by their last part; more than one: a bare name means none of them.
    bare: BTreeMap<String, Vec<String>>,
    /// By logical name: canonical forms can be read again.
    logical: BTreeMap<String, Owned>,
    /// Suffixes of partitions: folded name of the whole, and the suffix in which `#` stands for a digit.
    partitions: Vec<(String, String)>,
    /// Prefixes of Redis keys.
    keys: Vec<(String, ServiceId)>,
}

impl Ownership {
    /// Adds a table or collection under its physical name, as qualified as it is known.
    pub fn table(mut self, physical: &str, logical: &str, service: Option<&ServiceId>) -> Self {
        let folded = names::folded(physical);
        let owned = Owned { logical: logical.to_lowercase(), service: service.cloned() };
        self.logical.insert(owned.logical.clone(), owned.clone());
        if self.tables.insert(folded.clone(), owned).is_none() {
            self.bare.entry(names::bare(physical)).or_default().push(folded);
        }
        self
    }

    /// Declares that `physical` followed by `suffix` is a partition of it; each `#` in the suffix is one digit, such as `_p####_##`.
    pub fn partitions(mut self, physical: &str, suffix: &str) -> Self {
        self.partitions.push((names::folded(physical), suffix.to_lowercase()));
        self
    }

    /// Adds a prefix of Redis keys.
    pub fn keys(mut self, prefix: &str, service: &ServiceId) -> Self {
        self.keys.push((prefix.to_owned(), service.clone()));
        self
    }

    /// What a table is called, by whichever spelling of its name.
    pub fn of(&self, name: &str) -> Owned {
        let folded = names::folded(name);
        if let Some(owned) = self.listed(&folded) {
            return owned.clone();
        }
        for (whole, suffix) in &self.partitions {
            if is_partition(&folded, whole, suffix) || is_partition(&folded, &names::bare(whole), suffix) {
                return self.listed(whole).cloned().unwrap_or_else(|| unowned(whole));
            }
        }
        unowned(&folded)
    }

    /// The owner of a Redis key: that of the longest prefix.
    pub fn of_key(&self, key: &str) -> Option<&ServiceId> {
        let fitting = self.keys.iter().filter(|(prefix, _)| key.starts_with(prefix.as_str()));
        fitting.max_by_key(|(prefix, _)| prefix.len()).map(|(_, service)| service)
    }

    /// All physical names that a service owns, folded.
    pub fn tables_of(&self, service: &ServiceId) -> Vec<&str> {
        let owned = self.tables.iter().filter(|(_, owned)| owned.service.as_ref() == Some(service));
        owned.map(|(name, _)| name.as_str()).collect()
    }

    /// A name that is in the map: as it is, or with what the map does not qualify left out, if that leaves one table.
    fn listed(&self, folded: &str) -> Option<&Owned> {
        if let Some(owned) = self.tables.get(folded).or_else(|| self.logical.get(folded)) {
            return Some(owned);
        }
        let candidates = self.bare.get(folded.rsplit('.').next()?)?;
        let mut fitting = candidates.iter().filter(|name| names::meet(name, folded));
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => self.tables.get(only),
            _ => None,
        }
    }
}

fn unowned(folded: &str) -> Owned {
    Owned { logical: folded.rsplit('.').next().unwrap_or(folded).to_owned(), service: None }
}

fn is_partition(name: &str, whole: &str, suffix: &str) -> bool {
    let Some(rest) = name.strip_prefix(whole) else { return false };
    rest.chars().count() == suffix.chars().count()
        && rest
            .chars()
            .zip(suffix.chars())
            .all(|(is, wanted)| if wanted == '#' { is.is_ascii_digit() } else { is == wanted })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_means_a_table_only_when_it_can_mean_one() {
        let orders = ServiceId::from("orders");
        let map = Ownership::default()
            .table("public.order_line", "orders.order_line", Some(&orders))
            .table("sales.item", "sales.item", None)
            .table("stock.item", "stock.item", None);
        assert_eq!(map.of("Order_Line").logical, "orders.order_line");
        assert_eq!(map.of("\"public\".\"order_line\"").service, Some(orders));
        assert_eq!(map.of("item").logical, "item");
        assert_eq!(map.of("stock.item").logical, "stock.item");
        assert_eq!(map.of("other.order_line").logical, "order_line");
    }

    #[test]
    fn only_declared_partition_suffixes_are_taken_off() {
        let map = Ownership::default().table("public.events", "log.events", None).partitions("public.events", "_p####");
        assert_eq!(map.of("events_p2026").logical, "log.events");
        assert_eq!(map.of("public.events_p2027").logical, "log.events");
        assert_eq!(map.of("events_2026").logical, "events_2026");
        assert_eq!(map.of("users_2009").logical, "users_2009");
    }

    #[test]
    fn a_key_belongs_to_the_longest_prefix() {
        let (cart, lines) = (ServiceId::from("cart"), ServiceId::from("lines"));
        let map = Ownership::default().keys("cart:", &cart).keys("cart:line:", &lines);
        assert_eq!(map.of_key("cart:line:7"), Some(&lines));
        assert_eq!(map.of_key("cart:7"), Some(&cart));
        assert_eq!(map.of_key("carts"), None);
    }
}
