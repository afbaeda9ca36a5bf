-- catalog_validate(catalog): what is wrong with it, one row a problem. Documented in src/sql/catalog/catalog_validate.rs.
--
-- A relation without a column path sees the NULL of the same name in gq_absent.
CREATE OR REPLACE MACRO geoquilt.main.catalog_validate(catalog) AS TABLE
WITH gq_entries AS (
    SELECT gq_found.gq_index, gq_found.gq_path::VARCHAR AS gq_path, gq_found.gq_problems AS gq_problems
    FROM (SELECT NULL::VARCHAR AS path) AS gq_absent,
         LATERAL (SELECT gq_index, path AS gq_path, geo_catalog_problems(gq_entry) AS gq_problems
                  FROM (SELECT *, row_number() OVER () - 1 AS gq_index FROM query_table(catalog)) AS gq_entry) AS gq_found
), gq_twice AS (
    SELECT gq_index, gq_path, 'stands in ' || count(*) OVER (PARTITION BY encode(gq_path)) || ' rows' AS gq_problem, count(*) OVER (PARTITION BY encode(gq_path)) AS gq_times
    FROM gq_entries
), gq_columns AS (
    SELECT unnest(geo_catalog_problems(gq_entry, {columns: true})) AS gq_problem
    FROM (SELECT 1 AS gq_one) AS gq_single LEFT JOIN (FROM query_table(catalog) LIMIT 0) AS gq_entry ON true
)
SELECT NULL::BIGINT AS "row", NULL::VARCHAR AS path, gq_problem."column" AS "column", gq_problem.problem AS problem FROM gq_columns
UNION ALL
(SELECT * FROM (
    SELECT gq_index, gq_path, gq_problem."column" AS gq_column, gq_problem.problem FROM (SELECT gq_index, gq_path, unnest(gq_problems) AS gq_problem FROM gq_entries)
    UNION ALL
    SELECT gq_index, gq_path, 'path', gq_problem FROM gq_twice WHERE gq_path IS NOT NULL AND gq_times > 1
) ORDER BY gq_index ASC NULLS LAST, encode(gq_column) ASC NULLS LAST)
