-- catalog_latest(catalog): of the rows of one path, the one of the file's latest state. Documented in
-- src/sql/catalog_upkeep.rs.
CREATE OR REPLACE MACRO geoquilt.main.catalog_latest(catalog) AS TABLE
SELECT *
FROM query_table(catalog)
QUALIFY row_number() OVER (PARTITION BY path ORDER BY modified DESC NULLS LAST, size DESC NULLS LAST) = 1
ORDER BY path
