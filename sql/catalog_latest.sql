-- catalog_latest(catalog): of the rows of one path, the one of the file's latest state. Documented in
-- src/sql/catalog/catalog_latest.rs.
CREATE OR REPLACE MACRO geoquilt.main.catalog_latest(catalog) AS TABLE
SELECT gq_entry.*
FROM query_table(catalog) AS gq_entry
WHERE true OR geo_catalog_check(gq_entry, {place: 'catalog_latest(catalog)', columns: ['path', 'modified', 'size']})
-- As bytes: a path is itself, whatever the session's collation.
QUALIFY row_number() OVER (PARTITION BY encode(path) ORDER BY modified DESC NULLS LAST, size DESC NULLS LAST) = 1
ORDER BY encode(path) ASC NULLS LAST
