-- query_batch(samples): the samples of queries as one batch, a row a variable. Documented in src/sql/query/query_batch.rs.
--
-- gq_padded(data, shape, sides) are pixels with zeros behind them, up to the sides of a batch.
CREATE OR REPLACE MACRO geoquilt.main.gq_padded(data, shape, sides) AS CASE WHEN shape = sides THEN data ELSE list_transform(range(list_product(sides)::BIGINT), lambda gq_at: CASE
    WHEN gq_at % sides[-1] < shape[-1] AND (gq_at // sides[-1]) % sides[-2] < shape[-2] AND gq_at // (sides[-1] * sides[-2]) < (CASE WHEN len(shape) > 2 THEN shape[1] ELSE 1 END) THEN
        data[((gq_at // (sides[-1] * sides[-2])) * shape[-2] + (gq_at // sides[-1]) % sides[-2]) * shape[-1] + gq_at % sides[-1] + 1]
    ELSE 0 END) END;
CREATE OR REPLACE MACRO geoquilt.main.query_batch(samples) AS TABLE
WITH gq_samples AS MATERIALIZED (
    SELECT row_number() OVER () AS gq_place, gq_row.query_id AS gq_id, gq_row.inputs AS gq_inputs, gq_row.targets AS gq_targets FROM query_table(samples) AS gq_row
    WHERE true OR geo_catalog_check(gq_row, {place: 'query_batch(samples)', columns: ['query_id', 'inputs', 'targets']})
), gq_parts AS MATERIALIZED (
    SELECT 'inputs' AS gq_role, gq_place, gq_id, gq_i, map_keys(gq_inputs)[gq_i] AS gq_variable, map_values(gq_inputs)[gq_i] AS gq_array
    FROM (SELECT *, unnest(range(1, cardinality(gq_inputs)::BIGINT + 1)) AS gq_i FROM gq_samples)
    UNION ALL
    SELECT 'targets', gq_place, gq_id, gq_i, map_keys(gq_targets)[gq_i], map_values(gq_targets)[gq_i]
    FROM (SELECT *, unnest(range(1, cardinality(gq_targets)::BIGINT + 1)) AS gq_i FROM gq_samples)
), gq_ranks AS (
    SELECT min('query_batch(samples): "' || gq_variable || '" has ' || gq_least || ' dimensions in one sample, and ' || gq_most || ' in another') AS gq_fault
    FROM (SELECT gq_variable, min(len(gq_array.shape)) AS gq_least, max(len(gq_array.shape)) AS gq_most FROM gq_parts WHERE gq_array IS NOT NULL GROUP BY gq_role, gq_variable)
    WHERE gq_least <> gq_most
), gq_guard AS (
    SELECT CASE WHEN gq_fault IS NOT NULL THEN error(gq_fault) END AS gq_mistake FROM gq_ranks
), gq_sides AS (
    SELECT gq_role, gq_variable, min(gq_i) AS gq_i, [max(gq_array.shape[1]), max(gq_array.shape[2])] || CASE WHEN max(len(gq_array.shape)) > 2 THEN [max(gq_array.shape[3])] ELSE [] END AS gq_sides
    FROM gq_parts GROUP BY ALL
)
SELECT gq_role AS role, gq_variable AS variable,
       flatten(list(geoquilt.main.gq_padded(gq_array.data, gq_array.shape, gq_sides) ORDER BY gq_place ASC NULLS LAST) FILTER (gq_array IS NOT NULL)) AS data,
       CASE WHEN count(gq_array) > 0 THEN [count(gq_array)] || any_value(gq_sides) END AS shape,
       min_by(gq_array.lats, gq_place) FILTER (gq_array IS NOT NULL) AS lats, min_by(gq_array.lons, gq_place) FILTER (gq_array IS NOT NULL) AS lons,
       coalesce(list(gq_id ORDER BY gq_place ASC NULLS LAST) FILTER (gq_array IS NOT NULL), []) AS kept, coalesce(list(gq_id ORDER BY gq_place ASC NULLS LAST) FILTER (gq_array IS NULL), []) AS dropped
FROM gq_guard CROSS JOIN gq_parts JOIN gq_sides USING (gq_role, gq_variable)
WHERE gq_guard.gq_mistake IS NULL
GROUP BY gq_role, gq_variable
ORDER BY gq_role ASC NULLS LAST, min(gq_sides.gq_i) ASC NULLS LAST
