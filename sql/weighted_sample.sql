-- weighted_sample(relation, weight, n): rows drawn by a column. Documented in src/sql/sampling/weighted_sample.rs.
CREATE OR REPLACE MACRO geoquilt.main.weighted_sample(relation, weight, n, seed := 7, replace := false) AS TABLE
WITH gq_rows AS MATERIALIZED (
    SELECT row_number() OVER () - 1 AS gq_index, geo_row_number(gq_row, {name: weight, place: 'weighted_sample(weight)'}) AS gq_weight, gq_row.*
    FROM query_table(relation) AS gq_row
), gq_choice AS (
    SELECT CASE WHEN n IS NULL THEN error('weighted_sample(n): NULL is not valid: must be how many rows are drawn')
                ELSE geo_choice(coalesce(list(gq_weight ORDER BY gq_index ASC NULLS LAST), []::DOUBLE[]), n::BIGINT, seed::BIGINT, replace::BOOLEAN, {place: 'weighted_sample', noun: 'rows'}) END AS gq_places
    FROM gq_rows
), gq_drawn AS (
    SELECT unnest(gq_places) AS gq_place, generate_subscripts(gq_places, 1) AS gq_draw FROM gq_choice
)
SELECT gq_row.* EXCLUDE (gq_index, gq_weight)
FROM gq_drawn JOIN gq_rows AS gq_row ON gq_row.gq_index = gq_place
ORDER BY gq_draw ASC NULLS LAST
