-- Roles and databases for Dagster's and Label Studio's own state. Run once, as a superuser:
--   sudo -u postgres psql -v ON_ERROR_STOP=1 -f databases.sql
-- Roles are named after the services' users, so that PostgreSQL's `peer` lets them in by the socket, without a password.
-- Where it is on another machine, give each one: \password canonry

CREATE ROLE canonry LOGIN;
CREATE DATABASE dagster OWNER canonry;
REVOKE ALL ON DATABASE dagster FROM PUBLIC;

CREATE ROLE labelstudio LOGIN;
CREATE DATABASE labelstudio OWNER labelstudio;
REVOKE ALL ON DATABASE labelstudio FROM PUBLIC;
