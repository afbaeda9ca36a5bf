-- slice_files(slices, catalog): the files of each slice, by place and time. Documented in src/sql/sampling/slice_files.rs.
CREATE OR REPLACE MACRO geoquilt.main.slice_files(slices, catalog) AS TABLE
WITH gq_slices AS MATERIALIZED (
    SELECT row_number() OVER () AS gq_index, gq_row.* FROM query_table(slices) AS gq_row
    WHERE true OR geo_catalog_check(gq_row, {place: 'slice_files(slices)', columns: ['slice']})
), gq_files AS MATERIALIZED (
    SELECT row_number() OVER () AS gq_place, gq_entry.path AS gq_path, gq_entry.geometry AS gq_geometry, gq_entry.bbox AS gq_bbox,
           gq_entry.t_min::TIMESTAMP AS gq_start, gq_entry.t_max::TIMESTAMP AS gq_stop
    FROM query_table(catalog) AS gq_entry
    WHERE (true OR geo_catalog_check(gq_entry, {place: 'slice_files(catalog)', paths: true})) AND gq_entry.geometry IS NOT NULL
), gq_crs AS (
    SELECT coalesce(any_value(ST_CRS(gq_geometry)), 'OGC:CRS84') AS gq_name FROM gq_files
), gq_shapes AS MATERIALIZED (
    -- A slice's sides are short: three points on each are enough to find the files under it.
    SELECT gq_index AS gq_place, gq_slice.slice.t_min AS gq_start, gq_slice.slice.t_max AS gq_stop,
           geo_project(geo_box(gq_slice.slice.bbox), gq_slice.slice.crs, gq_name, {densify: 5}) AS gq_geometry
    FROM gq_slices AS gq_slice, gq_crs
    WHERE gq_slice.slice IS NOT NULL
), gq_slice_boxes AS (
    SELECT gq_place AS place, geo_bbox(gq_geometry) AS bbox,
           CASE WHEN isfinite(gq_start) THEN epoch_us(gq_start) END AS t_min, CASE WHEN isfinite(gq_stop) THEN epoch_us(gq_stop) END AS t_max
    FROM gq_shapes
), gq_file_boxes AS (
    SELECT gq_place AS place, {xmin: gq_bbox.xmin::DOUBLE, ymin: gq_bbox.ymin::DOUBLE, xmax: gq_bbox.xmax::DOUBLE, ymax: gq_bbox.ymax::DOUBLE} AS bbox,
           CASE WHEN isfinite(gq_start) THEN epoch_us(gq_start) END AS t_min, CASE WHEN isfinite(gq_stop) THEN epoch_us(gq_stop) END AS t_max
    FROM gq_files
), gq_found AS (
    SELECT gq_pairs.a_place AS gq_place,
           list(gq_file.gq_path ORDER BY gq_file.gq_start ASC NULLS LAST, encode(gq_file.gq_path) ASC NULLS LAST) AS gq_paths,
           list(gq_file.gq_start ORDER BY gq_file.gq_start ASC NULLS LAST, encode(gq_file.gq_path) ASC NULLS LAST) AS gq_times
    FROM geoquilt.main.catalog_pairs('gq_slice_boxes', 'gq_file_boxes') AS gq_pairs
    JOIN gq_shapes AS gq_shape ON gq_shape.gq_place = gq_pairs.a_place
    JOIN gq_files AS gq_file ON gq_file.gq_place = gq_pairs.b_place
    WHERE geo_intersects(gq_shape.gq_geometry, gq_file.gq_geometry)
    GROUP BY gq_pairs.a_place
)
SELECT gq_slice.* EXCLUDE (gq_index), coalesce(gq_paths, []::VARCHAR[]) AS paths, coalesce(gq_times, []::TIMESTAMP[]) AS times
FROM gq_slices AS gq_slice LEFT JOIN gq_found ON gq_found.gq_place = gq_slice.gq_index
ORDER BY gq_slice.gq_index ASC NULLS LAST
