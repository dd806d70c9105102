//! What the tables, constraints, triggers and functions are, in a few words.

use crate::sql::Sql;
use imagxp_database::Result;

/// Three words: what every release of the server prints alike, the release, and definitions as this release prints them.
pub(super) fn of(sql: &mut dyn Sql) -> Result<String> {
    let row = sql.first(FINGERPRINT, &[])?;
    row.map_or_else(|| Ok(String::new()), |mut row| Ok(row.optional_text()?.unwrap_or_default()))
}

const FINGERPRINT: &str = "WITH ours AS ( \
      SELECT oid, relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' \
        AND relname IN ('head', 'account', 'transfer', 'visa', 'event', 'leaf', 'idempotency', 'once', 'operator', 'token', 'signing_key', 'lease') \
    ), parts AS ( \
      SELECT 'column ' || c.relname || '.' || a.attname || ' ' || t.typname || ' ' || a.attnotnull::text AS part, '' AS def \
        FROM pg_attribute a JOIN ours c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid \
        WHERE a.attnum > 0 AND NOT a.attisdropped \
      UNION ALL SELECT 'constraint ' || c.relname || ' ' || k.conname || ' ' || k.convalidated::text || ' ' || k.contype::text || ' ' \
          || coalesce(k.conkey::text, '') || ' ' || (k.conbin IS NOT NULL)::text, pg_get_constraintdef(k.oid) \
        FROM pg_constraint k JOIN ours c ON c.oid = k.conrelid WHERE k.contype NOT IN ('n', 't') \
      UNION ALL SELECT 'domain ' || t.typname || ' ' || k.conname || ' ' || k.convalidated::text, pg_get_constraintdef(k.oid) \
        FROM pg_constraint k JOIN pg_type t ON t.oid = k.contypid WHERE k.connamespace = current_schema()::regnamespace AND k.contype = 'c' \
      UNION ALL SELECT 'index ' || c.relname || ' ' || i.relname || ' ' || x.indisunique::text || ' ' || x.indisvalid::text || ' ' \
          || x.indkey::text || ' ' || (x.indpred IS NOT NULL)::text, pg_get_indexdef(x.indexrelid) \
        FROM pg_index x JOIN ours c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid WHERE x.indisunique \
      UNION ALL SELECT 'trigger ' || c.relname || ' ' || t.tgname || ' ' || t.tgenabled::text || ' ' || t.tgtype::text || ' ' || p.proname, \
          pg_get_triggerdef(t.oid) \
        FROM pg_trigger t JOIN ours c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid WHERE NOT t.tgisinternal \
      UNION ALL SELECT DISTINCT 'function ' || p.proname || ' ' || md5(p.prosrc) || ' ' || coalesce(array_to_string(p.proconfig, ','), ''), '' \
        FROM pg_trigger t JOIN ours c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid WHERE NOT t.tgisinternal \
    ) SELECT md5(string_agg(part, chr(10) ORDER BY part COLLATE \"C\")) || ' ' || current_setting('server_version_num')::int / 10000 || ' ' \
      || md5(string_agg(replace(def, current_schema() || '.', ''), chr(10) ORDER BY part COLLATE \"C\")) FROM parts";
