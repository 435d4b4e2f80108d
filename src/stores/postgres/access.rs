//! Rights of a service's login on its own tables.

use crate::model::table::TableName;
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::postgres::quote;
use crate::stores::postgres::relation::{name_arrays, schema_of};
use crate::stores::postgres::sequences;
use crate::stores::postgres::store::PostgresStore;
use crate::stores::{Access, Result};
use async_trait::async_trait;
use std::collections::BTreeSet;

/// What a service does with its own tables.
const TABLE_RIGHTS: [&str; 4] = ["SELECT", "INSERT", "UPDATE", "DELETE"];

/// GRANT and the REVOKE that takes exactly it back.
fn grant(rights: &str, object: &str, account: &str) -> (String, String) {
    let account = quote::ident(account);
    (format!("GRANT {rights} ON {object} TO {account}"), format!("REVOKE {rights} ON {object} FROM {account}"))
}

#[async_trait]
impl Access for PostgresStore {
    async fn grants(&self, account: &str, tables: &[TableName]) -> Result<Vec<(String, String)>> {
        let connector = self.connector();
        if !self.account_exists(account).await? {
            return Err(connector
                .error(Operation::Inspect, ErrorKind::NotFound, "there is no such role: create it, then retry")
                .about(account.to_owned()));
        }
        let mut connection = connector.acquire(Operation::Inspect).await?;
        let failed = connector.failed(Operation::Inspect);
        let mut statements = Vec::new();
        let schemas: BTreeSet<&str> = tables.iter().map(schema_of).collect();
        for schema in schemas {
            let (allowed,): (bool,) = sqlx::query_as("SELECT has_schema_privilege($1, $2, 'USAGE')")
                .bind(account)
                .bind(schema)
                .fetch_one(&mut *connection)
                .await
                .map_err(|e| failed(e).about(schema.to_owned()))?;
            if !allowed {
                statements.push(grant("USAGE", &format!("SCHEMA {}", quote::ident(schema)), account));
            }
        }
        let (schemas, names) = name_arrays(tables);
        let missing: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT want.schema, want.name, string_agg(r.name, ', ' ORDER BY r.n)
               FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS want (schema, name, position)
               JOIN pg_namespace ns ON ns.nspname = want.schema
               JOIN pg_class c ON c.relnamespace = ns.oid AND c.relname = want.name
               CROSS JOIN unnest($4::text[]) WITH ORDINALITY AS r (name, n)
              WHERE NOT has_table_privilege($1, c.oid, r.name)
              GROUP BY want.position, want.schema, want.name ORDER BY want.position",
        )
        .bind(account)
        .bind(schemas)
        .bind(names)
        .bind(TABLE_RIGHTS.map(str::to_owned).to_vec())
        .fetch_all(&mut *connection)
        .await
        .map_err(&failed)?;
        for (schema, name, rights) in missing {
            let table = format!("TABLE {}", quote::table(&TableName::in_schema(&schema, &name)));
            statements.push(grant(&rights, &table, account));
        }
        let uses = sequences::uses(&mut connection, tables).await.map_err(&failed)?;
        // Identity columns draw numbers without any right on their sequence; a default needs USAGE.
        let sequences: BTreeSet<TableName> =
            uses.iter().filter(|u| u.dependency != "i").map(|u| u.sequence()).collect();
        for sequence in sequences {
            let name = quote::table(&sequence);
            let (allowed,): (bool,) = sqlx::query_as("SELECT has_sequence_privilege($1, $2::regclass, 'USAGE')")
                .bind(account)
                .bind(&name)
                .fetch_one(&mut *connection)
                .await
                .map_err(|e| failed(e).about(sequence.to_string()))?;
            if !allowed {
                statements.push(grant("USAGE", &format!("SEQUENCE {name}"), account));
            }
        }
        Ok(statements)
    }

    async fn account_exists(&self, account: &str) -> Result<bool> {
        let connector = self.connector();
        let mut connection = connector.acquire(Operation::Inspect).await?;
        let (exists,): (bool,) = sqlx::query_as("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)")
            .bind(account)
            .fetch_one(&mut *connection)
            .await
            .map_err(connector.failed(Operation::Inspect))?;
        Ok(exists)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_undo_takes_back_exactly_what_was_granted() {
        let (grant, revoke) = grant("SELECT, INSERT", "TABLE \"public\".\"t\"", "we\"ird");
        assert_eq!(grant, "GRANT SELECT, INSERT ON TABLE \"public\".\"t\" TO \"we\"\"ird\"");
        assert_eq!(revoke, "REVOKE SELECT, INSERT ON TABLE \"public\".\"t\" FROM \"we\"\"ird\"");
    }
}
