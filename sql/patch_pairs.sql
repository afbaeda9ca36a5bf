-- patch_pairs(registry, min_interval): one place at two dates. Documented in src/sql/sampling/patch_pairs.rs.
--
-- No pair is made before it is drawn: of each row is counted how many later ones of its place lie as far away, which stand in one run
-- of the order by time, and a number of all pairs leads to its row and to the place in that run.
CREATE OR REPLACE MACRO geoquilt.main.patch_pairs(registry, min_interval, max_interval := NULL, n := NULL, seed := 7) AS TABLE
WITH gq_rows AS MATERIALIZED (
    SELECT row_number() OVER () AS gq_index, gq_row.* FROM query_table(registry) AS gq_row
    WHERE true OR geo_catalog_check(gq_row, {place: 'patch_pairs(registry)', columns: ['patch_id|bbox', 't_min']})
), gq_guard AS (
    SELECT CASE
        WHEN NOT coalesce(min_interval::INTERVAL > INTERVAL 0 DAY, false) THEN
            error('patch_pairs(min_interval): ' || coalesce(min_interval::VARCHAR, 'NULL') || ' is not valid: must be above zero, so that a pair has two dates')
        WHEN max_interval::INTERVAL < min_interval::INTERVAL THEN
            error('patch_pairs(max_interval): ' || max_interval::VARCHAR || ' is below min_interval, ' || min_interval::VARCHAR)
        ELSE coalesce(max_interval::INTERVAL, INTERVAL 200000 YEAR)
    END AS gq_most
), gq_dated AS MATERIALIZED (
    -- One place is one patch of a registry, in one split; of a catalog, one box.
    SELECT gq_found.*
    FROM (SELECT NULL::BIGINT AS patch_id, NULL::STRUCT(xmin DOUBLE, ymin DOUBLE, xmax DOUBLE, ymax DOUBLE) AS bbox, NULL::VARCHAR AS split, NULL::VARCHAR AS path) AS gq_absent,
         LATERAL (SELECT gq_index AS gq_number, encode(coalesce(patch_id::VARCHAR, bbox::VARCHAR) || coalesce(' ' || split::VARCHAR, '')) AS gq_place,
                         t_min::TIMESTAMP AS gq_at, encode(path::VARCHAR) AS gq_path
                  FROM gq_rows AS gq_row) AS gq_found
    WHERE gq_place IS NOT NULL AND isfinite(gq_at)
), gq_ranked AS MATERIALIZED (
    SELECT *, row_number() OVER (PARTITION BY gq_place ORDER BY gq_at ASC NULLS LAST, gq_path ASC NULLS LAST, gq_number ASC NULLS LAST) AS gq_rank
    FROM gq_dated
), gq_runs AS (
    SELECT gq_place, gq_rank, gq_number, gq_at,
           count(*) OVER gq_ahead AS gq_count, min(gq_rank) OVER gq_ahead AS gq_first
    FROM gq_ranked, gq_guard
    WINDOW gq_ahead AS (PARTITION BY gq_place ORDER BY gq_at ASC NULLS LAST RANGE BETWEEN min_interval::INTERVAL FOLLOWING AND gq_most FOLLOWING)
), gq_starts AS MATERIALIZED (
    SELECT *, (sum(gq_count) OVER (ORDER BY gq_place ASC NULLS LAST, gq_rank ASC NULLS LAST ROWS UNBOUNDED PRECEDING))::BIGINT - gq_count AS gq_start
    FROM gq_runs WHERE gq_count > 0
), gq_total AS (
    SELECT coalesce(sum(gq_count), 0)::BIGINT AS gq_pairs FROM gq_starts
), gq_chosen AS (
    SELECT unnest(gq_list) AS gq_choice, generate_subscripts(gq_list, 1) - 1 AS gq_draw
    FROM (SELECT CASE WHEN n IS NULL THEN range(0, 2 * gq_pairs, 2)
                 ELSE geo_choice(2 * gq_pairs, n::BIGINT, seed::BIGINT, false, {place: 'patch_pairs', noun: 'pairs, each in both directions,'}) END AS gq_list
          FROM gq_total)
), gq_found AS (
    SELECT gq_draw, gq_choice % 2 = 1 AS gq_turned, gq_run.gq_number AS gq_earlier, gq_partner.gq_number AS gq_later, gq_run.gq_at AS gq_from, gq_partner.gq_at AS gq_to
    FROM (SELECT *, gq_choice // 2 AS gq_pair FROM gq_chosen) AS gq_one
    ASOF JOIN gq_starts AS gq_run ON gq_one.gq_pair >= gq_run.gq_start
    JOIN gq_ranked AS gq_partner ON gq_partner.gq_place = gq_run.gq_place AND gq_partner.gq_rank = gq_run.gq_first + gq_one.gq_pair - gq_run.gq_start
)
SELECT gq_draw AS pair_id, CASE WHEN gq_turned THEN gq_from - gq_to ELSE gq_to - gq_from END AS gap,
       gq_a.* EXCLUDE (gq_index), COLUMNS(gq_b.* EXCLUDE (gq_index)) AS 'positive_\0'
FROM gq_found
JOIN gq_rows AS gq_a ON gq_a.gq_index = CASE WHEN gq_turned THEN gq_later ELSE gq_earlier END
JOIN gq_rows AS gq_b ON gq_b.gq_index = CASE WHEN gq_turned THEN gq_earlier ELSE gq_later END
ORDER BY gq_draw ASC NULLS LAST
