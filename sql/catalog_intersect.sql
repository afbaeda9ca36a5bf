-- catalog_intersect(a, b): pairs of rows with what they share. Documented in src/sql/algebra/catalog_intersect.rs.
CREATE OR REPLACE MACRO geoquilt.main.catalog_intersect(a, b, spatial_only := false) AS TABLE
WITH gq_left AS MATERIALIZED (
    SELECT row_number() OVER () AS gq_index, gq_entry.*
    FROM query_table(a) AS gq_entry
    WHERE true OR geo_catalog_check(gq_entry, {place: 'catalog_intersect(a)'})
), gq_crs AS (
    SELECT coalesce(any_value(ST_CRS(geometry)), 'OGC:CRS84') AS crs FROM gq_left
), gq_right AS MATERIALIZED (
    -- gq_image is the geometry in the left catalog's CRS, where that is another.
    SELECT row_number() OVER () AS gq_index, gq_entry.*,
           CASE WHEN coalesce(ST_CRS(gq_entry.geometry), 'OGC:CRS84') <> gq_crs.crs THEN
               geo_project(gq_entry.geometry, coalesce(ST_CRS(gq_entry.geometry), 'OGC:CRS84'), gq_crs.crs)
           END AS gq_image
    FROM query_table(b) AS gq_entry, gq_crs
    WHERE true OR geo_catalog_check(gq_entry, {place: 'catalog_intersect(b)'})
), gq_left_boxes AS (
    SELECT gq_index AS place, {xmin: bbox.xmin::DOUBLE, ymin: bbox.ymin::DOUBLE, xmax: bbox.xmax::DOUBLE, ymax: bbox.ymax::DOUBLE} AS bbox,
           CASE WHEN spatial_only THEN 0 WHEN isfinite(t_min::TIMESTAMP) THEN epoch_us(t_min::TIMESTAMP) END AS t_min,
           CASE WHEN spatial_only THEN 0 WHEN isfinite(t_max::TIMESTAMP) THEN epoch_us(t_max::TIMESTAMP) END AS t_max
    FROM gq_left
    WHERE geometry IS NOT NULL
), gq_right_boxes AS (
    SELECT gq_index AS place, CASE WHEN gq_image IS NULL THEN
               {xmin: bbox.xmin::DOUBLE, ymin: bbox.ymin::DOUBLE, xmax: bbox.xmax::DOUBLE, ymax: bbox.ymax::DOUBLE}
           ELSE geo_bbox(gq_image) END AS bbox,
           CASE WHEN spatial_only THEN 0 WHEN isfinite(t_min::TIMESTAMP) THEN epoch_us(t_min::TIMESTAMP) END AS t_min,
           CASE WHEN spatial_only THEN 0 WHEN isfinite(t_max::TIMESTAMP) THEN epoch_us(t_max::TIMESTAMP) END AS t_max
    FROM gq_right
    WHERE geometry IS NOT NULL
), gq_shares AS (
    SELECT gq_l.*, COLUMNS(gq_r.* EXCLUDE (gq_index, gq_image)) AS 'right_\0',
           geo_intersection(gq_l.geometry, coalesce(gq_r.gq_image, gq_r.geometry::GEOMETRY)) AS gq_shared,
           CASE WHEN spatial_only THEN gq_l.t_min ELSE greatest(gq_l.t_min, gq_r.t_min) END AS gq_start,
           CASE WHEN spatial_only THEN gq_l.t_max ELSE least(gq_l.t_max, gq_r.t_max) END AS gq_stop
    FROM geoquilt.main.catalog_pairs('gq_left_boxes', 'gq_right_boxes') AS gq_pairs
    JOIN gq_left AS gq_l ON gq_l.gq_index = gq_pairs.a_place
    JOIN gq_right AS gq_r ON gq_r.gq_index = gq_pairs.b_place
)
SELECT * EXCLUDE (gq_index, gq_shared, gq_start, gq_stop)
       REPLACE (ST_SetCRS(gq_shared, coalesce(ST_CRS(geometry), '')) AS geometry, geo_bbox(gq_shared) AS bbox, gq_start AS t_min, gq_stop AS t_max)
FROM gq_shares
WHERE gq_shared IS NOT NULL
