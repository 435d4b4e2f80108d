//! Defects that are planted, each beside something that looks like it and is sound.

/// One defect. `@` stands for the database's name, which begins the names of its roles.
pub struct Plant {
    /// The rule that must find it.
    pub rule: &'static str,
    /// What the finding is about.
    pub subject: &'static str,
    /// Makes the defect.
    pub plant: &'static str,
    /// Looks like it; no rule may say anything.
    pub decoy: &'static str,
    /// Takes both away.
    pub clear: &'static str,
}

const fn plant(
    rule: &'static str,
    subject: &'static str,
    decoy: &'static str,
    plant: &'static str,
    clear: &'static str,
) -> Plant {
    Plant { rule, subject, plant, decoy, clear }
}

/// All of them.
pub const PLANTS: &[Plant] = &[
    plant("PG-01", "@_loose", "CREATE ROLE @_glass LOGIN SUPERUSER; CREATE ROLE @_super NOLOGIN SUPERUSER", "ALTER ROLE @_loose SUPERUSER", "ALTER ROLE @_loose NOSUPERUSER; DROP ROLE @_glass; DROP ROLE @_super"),
    plant("PG-01", "@_loose", "CREATE ROLE @_super NOLOGIN SUPERUSER", "GRANT @_super TO @_loose", "DROP ROLE @_super"),
    plant("PG-02", "@_loose", "ALTER ROLE @_idle CREATEROLE; CREATE ROLE @_mover LOGIN REPLICATION", "ALTER ROLE @_loose CREATEDB BYPASSRLS", "ALTER ROLE @_loose NOCREATEDB NOBYPASSRLS; ALTER ROLE @_idle NOCREATEROLE; DROP ROLE @_mover"),
    plant("PG-03", "@_loose", "GRANT pg_read_server_files TO @_idle", "GRANT @_idle TO @_loose", "REVOKE @_idle FROM @_loose; REVOKE pg_read_server_files FROM @_idle"),
    plant("PG-04", "@_stock", "GRANT pg_read_all_data TO @_idle; GRANT pg_read_all_settings TO @_stock", "GRANT pg_read_all_data TO @_stock", "REVOKE pg_read_all_data FROM @_idle, @_stock; REVOKE pg_read_all_settings FROM @_stock"),
    plant("PG-05", "@_orders in @_idle", "CREATE ROLE @_mover LOGIN; GRANT @_idle TO @_mover WITH ADMIN OPTION; GRANT @_idle TO @_orders", "GRANT @_idle TO @_orders WITH ADMIN OPTION", "REVOKE @_idle FROM @_orders, @_mover; DROP ROLE @_mover"),
    plant("PG-06", "@", "GRANT TEMPORARY ON DATABASE @ TO @_orders", "GRANT TEMPORARY ON DATABASE @ TO PUBLIC", "REVOKE TEMPORARY ON DATABASE @ FROM PUBLIC, @_orders"),
    plant("PG-07", "orders", "GRANT CREATE ON SCHEMA orders TO @_orders", "GRANT CREATE ON SCHEMA orders TO PUBLIC", "REVOKE CREATE ON SCHEMA orders FROM PUBLIC, @_orders"),
    plant("PG-08", "orders.s", "SET ROLE @_owner; CREATE SEQUENCE orders.s; RESET ROLE; GRANT USAGE ON SEQUENCE orders.s TO @_orders", "GRANT SELECT ON SEQUENCE orders.s TO PUBLIC", "DROP SEQUENCE orders.s"),
    plant("PG-08", "orders.v", "SET ROLE @_owner; CREATE VIEW orders.v AS SELECT 1 AS one; RESET ROLE", "GRANT SELECT, UPDATE ON orders.v TO PUBLIC", "DROP VIEW orders.v"),
    plant("PG-09", "@_orders on orders.orders", "GRANT SELECT ON orders.orders TO @_owner WITH GRANT OPTION", "GRANT SELECT ON orders.orders TO @_orders WITH GRANT OPTION", "REVOKE GRANT OPTION FOR SELECT ON orders.orders FROM @_orders"),
    plant("PG-10", "@_loose on orders.orders.note", "GRANT SELECT (note) ON orders.orders TO @_orders; GRANT SELECT (id) ON orders.lines TO @_billing", "GRANT UPDATE (note) ON orders.orders TO @_loose", "REVOKE ALL (note) ON orders.orders FROM @_loose; REVOKE SELECT (note) ON orders.orders FROM @_orders; GRANT SELECT ON orders.orders TO @_orders; REVOKE SELECT (id) ON orders.lines FROM @_billing; GRANT SELECT ON orders.lines TO @_billing"),
    plant("PG-11", "orders.bad()", "SET ROLE @_owner; CREATE FUNCTION orders.good() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS 'SELECT 1'; CREATE FUNCTION orders.plain() RETURNS int LANGUAGE sql AS 'SELECT 1'; REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA orders FROM PUBLIC; RESET ROLE", "SET ROLE @_owner; CREATE FUNCTION orders.bad() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'; REVOKE EXECUTE ON FUNCTION orders.bad() FROM PUBLIC; RESET ROLE", "DROP FUNCTION orders.bad(), orders.good(), orders.plain()"),
    plant("PG-12", "public.bad()", "CREATE FUNCTION public.good() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS 'SELECT 1'; REVOKE EXECUTE ON FUNCTION public.good() FROM PUBLIC; CREATE FUNCTION public.plain() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE FUNCTION public.bad() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS 'SELECT 1'", "DROP FUNCTION public.bad(), public.good(), public.plain()"),
    plant("PG-13", "orders", "CREATE FUNCTION public.elsewhere() RETURNS int LANGUAGE sql AS 'SELECT 1'; SET ROLE @_owner; CREATE FUNCTION orders.t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; RESET ROLE", "SET ROLE @_owner; CREATE PROCEDURE orders.p() LANGUAGE sql AS 'SELECT 1'; RESET ROLE", "DROP PROCEDURE orders.p(); DROP FUNCTION orders.t(), public.elsewhere()"),
    plant("PG-14", "tables of @_owner in orders to PUBLIC", "ALTER DEFAULT PRIVILEGES FOR ROLE @_owner IN SCHEMA orders GRANT SELECT ON TABLES TO @_orders", "ALTER DEFAULT PRIVILEGES FOR ROLE @_owner IN SCHEMA orders GRANT SELECT ON TABLES TO PUBLIC", "ALTER DEFAULT PRIVILEGES FOR ROLE @_owner IN SCHEMA orders REVOKE SELECT ON TABLES FROM PUBLIC, @_orders"),
    plant("PG-15", "orders.orders", "ALTER TABLE orders.lines ENABLE ROW LEVEL SECURITY", "ALTER TABLE orders.orders OWNER TO @_orders; ALTER TABLE orders.orders ENABLE ROW LEVEL SECURITY", "ALTER TABLE orders.orders DISABLE ROW LEVEL SECURITY; ALTER TABLE orders.lines DISABLE ROW LEVEL SECURITY; ALTER TABLE orders.orders OWNER TO @_owner; GRANT SELECT, INSERT, UPDATE, DELETE ON orders.orders TO @_orders"),
    plant("PG-16", "orders.orders", "SET ROLE @_owner; ALTER TABLE orders.lines ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON orders.lines USING (true); RESET ROLE", "CREATE POLICY p ON orders.orders USING (true)", "DROP POLICY p ON orders.orders; DROP POLICY p ON orders.lines; ALTER TABLE orders.lines DISABLE ROW LEVEL SECURITY"),
    plant("PG-17", "orders.v", "ALTER TABLE orders.orders ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON orders.orders USING (true); SET ROLE @_owner; CREATE VIEW orders.sound WITH (security_invoker = true) AS SELECT id FROM orders.orders; CREATE VIEW orders.other AS SELECT id FROM orders.lines; RESET ROLE", "SET ROLE @_owner; CREATE VIEW orders.v AS SELECT id FROM orders.orders; RESET ROLE", "DROP VIEW orders.v, orders.sound, orders.other; DROP POLICY p ON orders.orders; ALTER TABLE orders.orders DISABLE ROW LEVEL SECURITY"),
    plant("PG-18", "@_orders", "ALTER ROLE @_orders PASSWORD 'x'; ALTER ROLE @_stock VALID UNTIL 'infinity' PASSWORD NULL", "ALTER ROLE @_orders VALID UNTIL 'infinity'", "ALTER ROLE @_orders VALID UNTIL '2027-06-01' PASSWORD NULL; ALTER ROLE @_stock VALID UNTIL '2027-06-01'"),
    plant("PG-19", "@_stock", "ALTER ROLE @_loose CONNECTION LIMIT -1", "ALTER ROLE @_stock CONNECTION LIMIT -1", "ALTER ROLE @_stock CONNECTION LIMIT 20"),
    plant("PG-20", "@_loose", "ALTER ROLE @_orders PASSWORD 'x'; ALTER ROLE @_idle PASSWORD 'md5aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'", "ALTER ROLE @_loose PASSWORD 'md5aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'", "ALTER ROLE @_loose PASSWORD NULL; ALTER ROLE @_orders PASSWORD NULL; ALTER ROLE @_idle PASSWORD NULL"),
    plant("PG-27", "wild", "CREATE TRUSTED LANGUAGE tame HANDLER plpgsql_call_handler", "CREATE LANGUAGE wild HANDLER plpgsql_call_handler", "DROP LANGUAGE wild; DROP LANGUAGE tame"),
    plant("PG-28", "dblink", "CREATE EXTENSION pg_stat_statements", "CREATE EXTENSION dblink", "DROP EXTENSION dblink; DROP EXTENSION pg_stat_statements"),
    plant("PG-29", "PUBLIC on far", "CREATE EXTENSION postgres_fdw", "CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw; CREATE USER MAPPING FOR PUBLIC SERVER far", "DROP EXTENSION postgres_fdw CASCADE"),
    plant("PG-29", "@_orders on far", "CREATE EXTENSION postgres_fdw", "CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw; CREATE USER MAPPING FOR @_orders SERVER far OPTIONS (user 'a', password 'hunter'); CREATE USER MAPPING FOR @_billing SERVER far OPTIONS (user 'a')", "DROP EXTENSION postgres_fdw CASCADE"),
    plant("PG-30", "@_idle in orders", "CREATE TABLE public.x (id int); DROP TABLE public.x; SET ROLE @_owner; CREATE TABLE orders.x (id serial); DROP TABLE orders.x; CREATE VIEW orders.fine AS SELECT 1 AS one; RESET ROLE", "CREATE VIEW orders.v AS SELECT 1 AS one; ALTER VIEW orders.v OWNER TO @_idle", "DROP VIEW orders.v, orders.fine"),
    plant("PG-31", "@_loose statement_timeout", "ALTER ROLE @_loose SET search_path = orders; ALTER ROLE @_orders SET statement_timeout = '5s'", "ALTER ROLE @_loose IN DATABASE @ SET statement_timeout = 0", "ALTER ROLE @_loose RESET ALL; ALTER ROLE @_loose IN DATABASE @ RESET ALL; ALTER ROLE @_orders RESET ALL"),
    plant("PG-32", "guard", "CREATE FUNCTION public.e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER sound ON sql_drop EXECUTE FUNCTION public.e()", "CREATE EVENT TRIGGER guard ON ddl_command_end EXECUTE FUNCTION public.e(); ALTER EVENT TRIGGER guard DISABLE", "DROP EVENT TRIGGER guard; DROP EVENT TRIGGER sound; DROP FUNCTION public.e()"),
    plant("PG-34", "@_orders to @_owner", "GRANT @_idle TO @_billing", "GRANT @_owner TO @_orders; ALTER ROLE @_orders NOINHERIT", "REVOKE @_owner FROM @_orders; ALTER ROLE @_orders INHERIT; REVOKE @_idle FROM @_billing"),
    plant("PG-35", "@_orders log_statement", "GRANT SET ON PARAMETER log_duration TO postgres", "GRANT SET ON PARAMETER log_statement TO @_orders", "REVOKE SET ON PARAMETER log_statement FROM @_orders; REVOKE SET ON PARAMETER log_duration FROM postgres"),
    plant("OWN-01", "@_billing on orders.orders", "GRANT INSERT ON orders.orders TO @_idle; GRANT @_idle TO @_orders", "GRANT INSERT ON orders.orders TO @_billing", "REVOKE INSERT ON orders.orders FROM @_billing, @_idle; REVOKE @_idle FROM @_orders"),
    plant("OWN-01", "@_billing on orders.orders", "GRANT UPDATE ON orders.orders TO @_idle; GRANT TRUNCATE ON billing.invoices TO @_orders", "ALTER ROLE @_billing NOINHERIT; GRANT @_idle TO @_billing", "REVOKE @_idle FROM @_billing; ALTER ROLE @_billing INHERIT; REVOKE UPDATE ON orders.orders FROM @_idle; REVOKE TRUNCATE ON billing.invoices FROM @_orders"),
    plant("OWN-02", "@_orders on billing.invoices", "GRANT SELECT ON billing.invoices TO @_orders", "GRANT USAGE ON SCHEMA billing TO @_orders", "REVOKE USAGE ON SCHEMA billing FROM @_orders; REVOKE SELECT ON billing.invoices FROM @_orders"),
    plant("OWN-04", "@_stock on @", "GRANT CONNECT ON DATABASE @ TO @_loose", "GRANT CONNECT ON DATABASE @ TO @_stock", "REVOKE CONNECT ON DATABASE @ FROM @_stock, @_loose"),
    plant("OWN-05", "@_billing of billing", "ALTER ROLE @_owner CREATEDB", "ALTER TABLE billing.invoices OWNER TO @_billing", "ALTER TABLE billing.invoices OWNER TO @_owner; GRANT SELECT, INSERT, UPDATE, DELETE ON billing.invoices TO @_billing; DROP ROLE IF EXISTS billing_owner; ALTER ROLE @_owner NOCREATEDB"),
    plant("OWN-08", "across on billing.invoices", "ALTER TABLE billing.invoices ADD CONSTRAINT within FOREIGN KEY (order_id) REFERENCES billing.invoices", "ALTER TABLE billing.invoices ADD CONSTRAINT across FOREIGN KEY (order_id) REFERENCES orders.orders", "ALTER TABLE billing.invoices DROP CONSTRAINT across; ALTER TABLE billing.invoices DROP CONSTRAINT within"),
    plant("OWN-09", "orders.across", "SET ROLE @_owner; CREATE VIEW orders.within AS SELECT o.id FROM orders.orders o JOIN orders.lines l ON l.order_id = o.id; RESET ROLE", "SET ROLE @_owner; CREATE VIEW orders.across AS SELECT o.id FROM orders.orders o JOIN billing.invoices i ON i.order_id = o.id; RESET ROLE", "DROP VIEW orders.within, orders.across"),
    plant("OWN-10", "orders.numbers", "SET ROLE @_owner; CREATE SEQUENCE orders.numbers; ALTER TABLE orders.orders ALTER id SET DEFAULT nextval('orders.numbers'); ALTER TABLE orders.lines ALTER id SET DEFAULT nextval('orders.numbers'); RESET ROLE", "ALTER TABLE billing.invoices ALTER id SET DEFAULT nextval('orders.numbers')", "ALTER TABLE billing.invoices ALTER id DROP DEFAULT; ALTER TABLE orders.lines ALTER id DROP DEFAULT; ALTER TABLE orders.orders ALTER id DROP DEFAULT; DROP SEQUENCE orders.numbers"),
    plant("OWN-11", "far", "CREATE EXTENSION postgres_fdw", "CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw", "DROP EXTENSION postgres_fdw CASCADE"),
    plant("OWN-12", "mixed", "CREATE PUBLICATION one FOR TABLE orders.orders, orders.lines", "CREATE PUBLICATION mixed FOR TABLE billing.invoices, orders.orders", "DROP PUBLICATION one; DROP PUBLICATION mixed"),
    plant("OWN-12", "everything", "CREATE PUBLICATION none", "CREATE PUBLICATION everything FOR ALL TABLES", "DROP PUBLICATION none; DROP PUBLICATION everything"),
    plant("OWN-14", "tables of @_owner in orders to @_billing", "ALTER DEFAULT PRIVILEGES FOR ROLE @_owner IN SCHEMA billing GRANT SELECT ON TABLES TO @_billing", "ALTER DEFAULT PRIVILEGES FOR ROLE @_owner IN SCHEMA orders GRANT SELECT ON TABLES TO @_billing", "ALTER DEFAULT PRIVILEGES FOR ROLE @_owner IN SCHEMA orders REVOKE SELECT ON TABLES FROM @_billing; ALTER DEFAULT PRIVILEGES FOR ROLE @_owner IN SCHEMA billing REVOKE SELECT ON TABLES FROM @_billing"),
    plant("OWN-15", "@_billing through orders.peek() to orders.orders", "SET ROLE @_owner; CREATE FUNCTION orders.lines_of() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS 'SELECT count(*) FROM orders.lines'; REVOKE EXECUTE ON FUNCTION orders.lines_of() FROM PUBLIC; GRANT EXECUTE ON FUNCTION orders.lines_of() TO @_billing; RESET ROLE", "SET ROLE @_owner; CREATE FUNCTION orders.peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS 'SELECT count(*) FROM orders.orders'; REVOKE EXECUTE ON FUNCTION orders.peek() FROM PUBLIC; GRANT EXECUTE ON FUNCTION orders.peek() TO @_billing; RESET ROLE", "DROP FUNCTION orders.lines_of(), orders.peek()"),
    plant("OWN-16", "orders.nobodys", "SET ROLE @_owner; CREATE VIEW orders.fine AS SELECT 1 AS one; CREATE SEQUENCE orders.s; RESET ROLE", "SET ROLE @_owner; CREATE TABLE orders.nobodys (id int); RESET ROLE", "DROP TABLE orders.nobodys; DROP VIEW orders.fine; DROP SEQUENCE orders.s"),
    plant("OWN-23", "@_idle", "GRANT @_idle TO @_billing, @_orders", "GRANT SELECT ON orders.lines TO @_idle; REVOKE SELECT ON orders.lines FROM @_billing, @_orders", "GRANT SELECT ON orders.lines TO @_billing, @_orders; REVOKE SELECT ON orders.lines FROM @_idle; REVOKE @_idle FROM @_billing, @_orders"),
];
