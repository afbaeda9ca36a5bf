-- query_changes(path): saved queries against the same ones made again. Documented in src/sql/query/query_changes.rs.
CREATE OR REPLACE MACRO geoquilt.main.query_changes(path) AS TABLE
WITH gq_saved AS (
    SELECT query_id, bbox, t_min, t_max, land_fraction FROM read_parquet(path) AS gq_query
    WHERE true OR geo_catalog_check(gq_query, {place: 'query_changes(path)', columns: ['query_id', 'bbox', 't_min', 't_max', 'land_fraction']})
), gq_made AS (
    SELECT query_id, bbox, t_min, t_max, land_fraction FROM geo_replay_queries(path)
)
FROM (
    SELECT 'file' AS side, * FROM (FROM gq_saved EXCEPT ALL FROM gq_made)
    UNION ALL SELECT 'replay', * FROM (FROM gq_made EXCEPT ALL FROM gq_saved)
)
ORDER BY query_id ASC NULLS LAST, side ASC NULLS LAST
