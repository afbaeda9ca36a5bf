-- catalog_validate(catalog): what is wrong with it, one row a problem. Documented in src/sql/catalog/catalog_validate.rs.
--
-- A relation without a column path sees the NULL of the same name in gq_absent.
CREATE OR REPLACE MACRO geoquilt.main.catalog_validate(catalog) AS TABLE
WITH gq_entries AS (
    SELECT row_number() OVER () - 1 AS place, gq_found.gq_path::VARCHAR AS path, gq_found.gq_problems AS problems
    FROM (SELECT NULL::VARCHAR AS path) AS gq_absent,
         LATERAL (SELECT path AS gq_path, geo_catalog_problems(gq_entry) AS gq_problems FROM query_table(catalog) AS gq_entry) AS gq_found
), gq_twice AS (
    SELECT place, path, 'stands in ' || count(*) OVER (PARTITION BY path) || ' rows' AS problem, count(*) OVER (PARTITION BY path) AS times
    FROM gq_entries
), gq_columns AS (
    SELECT unnest(geo_catalog_problems(gq_entry, {columns: true})) AS problem
    FROM (SELECT 1 AS one) AS gq_one LEFT JOIN (FROM query_table(catalog) LIMIT 0) AS gq_entry ON true
)
SELECT NULL::BIGINT AS "row", NULL::VARCHAR AS path, problem."column" AS "column", problem.problem AS problem FROM gq_columns
UNION ALL
(SELECT * FROM (
    SELECT place, path, problem."column", problem.problem FROM (SELECT place, path, unnest(problems) AS problem FROM gq_entries)
    UNION ALL
    SELECT place, path, 'path', problem FROM gq_twice WHERE path IS NOT NULL AND times > 1
) ORDER BY place, "column")
