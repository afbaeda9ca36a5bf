-- catalog_difference(a, b): what a has and b lacks. Documented in src/sql/algebra/catalog_difference.rs.
CREATE OR REPLACE MACRO geoquilt.main.catalog_difference(a, b, spatial_only := false) AS TABLE
WITH gq_left AS MATERIALIZED (
    SELECT row_number() OVER () AS gq_index, gq_entry.*
    FROM query_table(a) AS gq_entry
    WHERE true OR geo_catalog_check(gq_entry, {place: 'catalog_difference(a)'})
), gq_crs AS (
    SELECT coalesce(any_value(ST_CRS(geometry)), 'OGC:CRS84') AS crs FROM gq_left
), gq_right AS MATERIALIZED (
    SELECT row_number() OVER () AS place, t_min, t_max,
           CASE WHEN coalesce(ST_CRS(gq_entry.geometry), 'OGC:CRS84') <> gq_crs.crs THEN
               geo_project(gq_entry.geometry, coalesce(ST_CRS(gq_entry.geometry), 'OGC:CRS84'), gq_crs.crs)
           ELSE gq_entry.geometry::GEOMETRY END AS shape
    FROM query_table(b) AS gq_entry, gq_crs
    WHERE true OR geo_catalog_check(gq_entry, {place: 'catalog_difference(b)'})
), gq_left_boxes AS (
    SELECT gq_index AS place, {xmin: bbox.xmin::DOUBLE, ymin: bbox.ymin::DOUBLE, xmax: bbox.xmax::DOUBLE, ymax: bbox.ymax::DOUBLE} AS bbox,
           CASE WHEN spatial_only THEN 0 WHEN isfinite(t_min::TIMESTAMP) THEN epoch_us(t_min::TIMESTAMP) END AS t_min,
           CASE WHEN spatial_only THEN 0 WHEN isfinite(t_max::TIMESTAMP) THEN epoch_us(t_max::TIMESTAMP) END AS t_max
    FROM gq_left
    WHERE geometry IS NOT NULL
), gq_right_boxes AS (
    SELECT place, geo_bbox(shape) AS bbox,
           CASE WHEN spatial_only THEN 0 WHEN isfinite(t_min::TIMESTAMP) THEN epoch_us(t_min::TIMESTAMP) END AS t_min,
           CASE WHEN spatial_only THEN 0 WHEN isfinite(t_max::TIMESTAMP) THEN epoch_us(t_max::TIMESTAMP) END AS t_max
    FROM gq_right
    WHERE shape IS NOT NULL
), gq_cover AS (
    SELECT gq_pairs.a_place AS place, list(gq_right.shape) AS shapes
    FROM geoquilt.main.catalog_pairs('gq_left_boxes', 'gq_right_boxes') AS gq_pairs JOIN gq_right ON gq_right.place = gq_pairs.b_place
    GROUP BY gq_pairs.a_place
), gq_rests AS (
    SELECT gq_left.*, gq_cover.shapes IS NULL AS gq_whole,
           CASE WHEN gq_cover.shapes IS NOT NULL THEN geo_difference(gq_left.geometry, gq_cover.shapes) END AS gq_rest
    FROM gq_left LEFT JOIN gq_cover ON gq_cover.place = gq_left.gq_index
)
SELECT * EXCLUDE (gq_index, gq_whole, gq_rest)
       REPLACE (CASE WHEN gq_whole THEN geometry ELSE ST_SetCRS(gq_rest, coalesce(ST_CRS(geometry), '')) END AS geometry,
                CASE WHEN gq_whole THEN bbox ELSE geo_bbox(gq_rest) END AS bbox)
FROM gq_rests
WHERE gq_whole OR gq_rest IS NOT NULL
ORDER BY gq_index ASC NULLS LAST
