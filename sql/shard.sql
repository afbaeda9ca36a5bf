-- shard(registry, k, n): the k-th of n parts of a registry. Documented in src/sql/splits/shard.rs.
CREATE OR REPLACE MACRO geoquilt.main.shard(registry, k, n) AS TABLE
WITH gq_rows AS (
    SELECT gq_known.*
    FROM (SELECT NULL::BIGINT AS block, NULL::VARCHAR AS path,
                 NULL::STRUCT(row_off BIGINT, col_off BIGINT, height BIGINT, width BIGINT) AS win) AS gq_absent,
         LATERAL (SELECT gq_row.*, CASE WHEN block IS NOT NULL THEN 'block ' || block ELSE path::VARCHAR END AS gq_unit,
                         coalesce(win.height::DOUBLE * win.width, 1) AS gq_pixels
                  FROM (SELECT gq_entry.*, row_number() OVER () AS gq_place FROM query_table(registry) AS gq_entry
                        WHERE true OR geo_catalog_check(gq_entry, {place: 'shard(registry)', columns: ['path|block']})) AS gq_row) AS gq_known
), gq_units AS (
    SELECT gq_unit, sum(gq_pixels) AS gq_weight FROM gq_rows GROUP BY gq_unit
), gq_listed AS (
    SELECT coalesce(list(gq_unit ORDER BY gq_unit ASC NULLS LAST), []) AS gq_names, coalesce(list(gq_weight ORDER BY gq_unit ASC NULLS LAST), []) AS gq_weights,
           count(*) FILTER (gq_unit IS NULL) AS gq_nameless
    FROM gq_units
), gq_guard AS (
    SELECT CASE
        WHEN NOT coalesce(n >= 1 AND n = floor(n), false) THEN error('shard(n): ' || coalesce(n::VARCHAR, 'NULL') || ' is not valid: must be a whole number of at least 1')
        WHEN NOT coalesce(k >= 0 AND k < n AND k = floor(k), false) THEN
            error('shard(k): ' || coalesce(k::VARCHAR, 'NULL') || ' is not valid: must be a whole number from 0 to ' || (n - 1))
        WHEN gq_nameless > 0 THEN
            error('shard(registry): a row has neither a path nor a block to go by' || chr(10) || 'Give a registry with a column path, or one that patch_registry made with block := ...')
        WHEN n > len(gq_names) AND len(gq_names) > 0 THEN
            error('shard(n): ' || n || ' parts of ' || len(gq_names) || ' files or blocks leave parts empty' || chr(10) || 'Give at most ' || len(gq_names) || ' parts')
    END AS gq_mistake, gq_names, gq_weights
    FROM gq_listed
), gq_part AS (
    SELECT gq_unit FROM (
        SELECT unnest(gq_names) AS gq_unit, unnest(geo_deal(gq_weights, n::BIGINT)) AS gq_dealt FROM gq_guard WHERE gq_mistake IS NULL)
    WHERE gq_dealt IS NOT DISTINCT FROM k
)
SELECT gq_row.* EXCLUDE (gq_unit, gq_pixels, gq_place)
FROM gq_rows AS gq_row SEMI JOIN gq_part ON gq_row.gq_unit = gq_part.gq_unit
ORDER BY gq_place ASC NULLS LAST
