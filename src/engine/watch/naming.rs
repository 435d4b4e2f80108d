//! What statements are called: the ownership map and the declared operations, out of the profile.

use crate::advice::dialect::Dialect;
use crate::advice::hotspots::fingerprint::{Operations, name};
use crate::advice::ownership::Ownership;
use crate::config::profile::{Engine, Pipeline, Profile, TableRule};
use crate::model::ids::StoreId;

/// The language of a store of the profile.
pub fn dialect(profile: &Profile, store: &StoreId) -> Option<Dialect> {
    Dialect::of_engine(engine(profile, store)?.as_str())
}

/// The ownership map of one store: what its tables are called on every store, and whose they are.
///
/// A table of a service is `SERVICE.TABLE`. One that a pipeline moves and nobody owns is called as on the target, so that a table that
/// is renamed on the way is the same table.
pub fn ownership(profile: &Profile, store: &StoreId) -> Ownership {
    let is_keys = matches!(engine(profile, store), Some(Engine::Redis | Engine::Valkey));
    // Whether traffic has moved changes nothing about names.
    let declared = profile.ownership_of(store, |_| None);
    let mut map = Ownership::default();
    for table in &declared.tables {
        map = match is_keys {
            true => map.keys(table.name.trim_end_matches('*'), &table.service),
            false => map.table(&table.name, &logical(&table.service.0, &table.logical), Some(&table.service)),
        };
    }
    for pipeline in profile.pipelines.iter().filter(|_| !is_keys) {
        for rule in &pipeline.tables {
            for physical in physical(pipeline, rule, store) {
                if map.of(physical).service.is_none() {
                    map = map.table(physical, bare(&rule.to), None);
                }
            }
        }
    }
    map
}

/// The logical names of a pipeline's tables, which are the same on both of its stores.
pub fn moved_tables(map: &Ownership, pipeline: &Pipeline, store: &StoreId) -> Vec<String> {
    let names = pipeline.tables.iter().flat_map(|rule| physical(pipeline, rule, store));
    names.map(|physical| map.of(physical).logical).collect()
}

/// The operations that the profile declares, by the names of their statements.
pub fn operations(profile: &Profile) -> Operations {
    let mut operations = Operations::default();
    for operation in &profile.operations {
        for statement in &operation.statements {
            if let Some(dialect) = dialect(profile, &statement.store) {
                let map = ownership(profile, &statement.store);
                operations = operations.declare(&operation.name, &name(dialect, "", &statement.text, &map));
            }
        }
    }
    operations
}

fn engine(profile: &Profile, store: &StoreId) -> Option<Engine> {
    profile.stores.iter().find(|config| config.id == *store).map(|config| config.engine)
}

/// What a rule's table is called on a store: by its name as the source, as the target, or as both.
fn physical<'a>(pipeline: &'a Pipeline, rule: &'a TableRule, store: &StoreId) -> Vec<&'a str> {
    let mut names = Vec::new();
    if pipeline.from == *store {
        names.push(rule.from.as_str());
    }
    if pipeline.to == *store {
        names.push(rule.to.as_str());
    }
    names
}

/// `SERVICE.TABLE`; a service that spells a name with its schema keeps that.
fn logical(service: &str, table: &str) -> String {
    format!("{service}.{}", table.strip_prefix("public.").unwrap_or(table))
}

fn bare(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, table)| table)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_ENGINES: &str = r#"
[migration]
name = "shop"
[stores.legacy]
engine = "postgres"
url = "${LEGACY_URL}"
[stores.orders-db]
engine = "postgres"
url = "${ORDERS_URL}"
[stores.cache]
engine = "redis"
url = "${CACHE_URL}"
[services.orders]
store = "orders-db"
owns = ["orders", "sales.order_line"]
[services.cart]
store = "cache"
owns = ["cart:"]
[pipelines.orders]
from = "legacy"
to = "orders-db"
tables = ["public.orders", { from = "public.order_lines", to = "sales.order_line" }, { from = "public.tags", to = "sales.labels" }]
[[operations]]
name = "open cart"
statements = [{ store = "legacy", text = "SELECT * FROM carts WHERE id = $1" }, { store = "cache", text = "HGETALL cart:?" }]
"#;

    fn read(text: &str) -> Profile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        crate::config::load(file.path()).unwrap_or_else(|problems| panic!("{problems}"))
    }

    #[test]
    fn a_table_has_one_name_on_both_sides_of_its_move() {
        let profile = read(TWO_ENGINES);
        let (source, target) = ("legacy".into(), "orders-db".into());
        let (from, to) = (ownership(&profile, &source), ownership(&profile, &target));
        for (there, here, logical) in [
            ("public.orders", "orders", "orders.orders"),
            ("order_lines", "sales.order_line", "orders.sales.order_line"),
            ("public.tags", "labels", "labels"),
        ] {
            assert_eq!((from.of(there).logical.as_str(), to.of(here).logical.as_str()), (logical, logical));
        }
        let moved = |map: &Ownership, store: &StoreId| moved_tables(map, &profile.pipelines[0], store);
        assert_eq!(moved(&from, &source), moved(&to, &target));
        assert_eq!(ownership(&profile, &"cache".into()).of_key("cart:7").map(|s| s.as_str()), Some("cart"));
    }

    #[test]
    fn a_declared_operation_joins_unlike_languages() {
        let profile = read(TWO_ENGINES);
        let operations = operations(&profile);
        let of = |store: &str, text: &str| {
            let store = store.into();
            let named = name(dialect(&profile, &store).unwrap(), "", text, &ownership(&profile, &store));
            operations.of(&named.fingerprint).map(str::to_owned)
        };
        assert_eq!(of("legacy", "select * from public.carts c where c.id = 5").as_deref(), Some("open cart"));
        assert_eq!(of("cache", "HGETALL cart:?").as_deref(), Some("open cart"));
        assert_eq!(of("legacy", "select * from carts"), None);
    }
}
