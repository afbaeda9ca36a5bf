-- catalog_pairs(a, b): which boxes of two relations meet. Documented in src/sql/algebra/catalog_pairs.rs.
--
-- A hash join on the cells of space and time that the boxes cover. Cells of level 0 are about as wide as most boxes,
-- and larger boxes live on higher levels, where cells are four times as wide each time: see src/map/cells.rs. A box
-- that is not finite has no pair: it would stretch the grid until one cell held everything.
CREATE OR REPLACE MACRO geoquilt.main.catalog_pairs(a, b) AS TABLE
WITH gq_a AS MATERIALIZED (
    SELECT place, bbox, t_min, t_max FROM query_table(a) AS gq_box
    WHERE (true OR geo_catalog_check(gq_box, {place: 'catalog_pairs(a)', columns: ['place', 'bbox', 't_min', 't_max']}))
      AND isfinite(bbox.xmin + bbox.ymin + bbox.xmax + bbox.ymax)
), gq_b AS MATERIALIZED (
    SELECT place, bbox, t_min, t_max FROM query_table(b) AS gq_box
    WHERE (true OR geo_catalog_check(gq_box, {place: 'catalog_pairs(b)', columns: ['place', 'bbox', 't_min', 't_max']}))
      AND isfinite(bbox.xmin + bbox.ymin + bbox.xmax + bbox.ymax)
), gq_sizes AS (
    SELECT bbox, t_min, t_max, greatest(bbox.xmax - bbox.xmin, bbox.ymax - bbox.ymin) AS side, t_max::DOUBLE - t_min AS span
    FROM (FROM gq_a UNION ALL FROM gq_b)
), gq_whole AS (
    SELECT min(bbox.xmin) AS xmin, min(bbox.ymin) AS ymin, min(t_min)::DOUBLE AS t_min,
           greatest(max(bbox.xmax) - min(bbox.xmin), max(bbox.ymax) - min(bbox.ymin)) AS width,
           greatest(max(t_max)::DOUBLE - min(t_min), 0) AS duration,
           3 * least(quantile_disc(side, 0.98), 4 * quantile_disc(side, 0.5)) AS cell,
           3 * least(quantile_disc(span, 0.98), 4 * quantile_disc(span, 0.5)) AS step
    FROM gq_sizes
), gq_grid AS (
    SELECT {xmin: xmin, ymin: ymin, t_min: coalesce(t_min, 0),
            cell: coalesce(nullif(greatest(cell, width / 65000), 0), 1),
            step: coalesce(nullif(greatest(step, duration / 65000), 0), 1)} AS grid
    FROM gq_whole
), gq_levels AS (
    SELECT grid, (SELECT bit_or(geo_box_levels(bbox, t_min, t_max, grid)) FROM gq_a) AS a_levels,
           (SELECT bit_or(geo_box_levels(bbox, t_min, t_max, grid)) FROM gq_b) AS b_levels
    FROM gq_grid
), gq_a_cells AS (
    SELECT place, bbox.xmin AS xmin, bbox.ymin AS ymin, bbox.xmax AS xmax, bbox.ymax AS ymax,
           coalesce(t_min, -9223372036854775807) AS t_min, coalesce(t_max, 9223372036854775807) AS t_max,
           unnest(geo_box_cells(bbox, t_min, t_max, grid, b_levels, 'left')) AS code
    FROM gq_a, gq_levels
), gq_b_cells AS (
    SELECT place, bbox.xmin AS xmin, bbox.ymin AS ymin, bbox.xmax AS xmax, bbox.ymax AS ymax,
           coalesce(t_min, -9223372036854775807) AS t_min, coalesce(t_max, 9223372036854775807) AS t_max,
           unnest(geo_box_cells(bbox, t_min, t_max, grid, a_levels, 'right')) AS code
    FROM gq_b, gq_levels
)
SELECT gq_l.place AS a_place, gq_r.place AS b_place
FROM gq_a_cells AS gq_l JOIN gq_b_cells AS gq_r ON gq_l.code >> 3 = gq_r.code >> 3
WHERE gq_l.xmin < gq_r.xmax AND gq_r.xmin < gq_l.xmax AND gq_l.ymin < gq_r.ymax AND gq_r.ymin < gq_l.ymax
  AND gq_l.t_min <= gq_r.t_max AND gq_r.t_min <= gq_l.t_max
  -- The one cell, of those that both cover, in which the pair counts.
  AND (gq_l.code | gq_r.code) & 7 = 7
