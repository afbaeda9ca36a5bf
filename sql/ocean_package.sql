-- ocean_package(root): the catalog of an ocean package. Documented in src/sql/ocean/ocean_package.rs.
--
-- gq_literal(path) is a path as a glob that matches it alone.
CREATE OR REPLACE MACRO geoquilt.main.gq_literal(path) AS regexp_replace(path, '([\[*?])', '[\1]', 'g');
-- gq_raster_paths(manifest) are its rasters, as globs.
CREATE OR REPLACE MACRO geoquilt.main.gq_raster_paths(manifest) AS list_transform(
    [struct_extract(manifest, 'mask')] || list_transform(struct_extract(manifest, 'rasters'), lambda gq_raster: struct_extract(gq_raster, 'path'))
        || list_transform(list_filter(struct_extract(manifest, 'files'), lambda gq_file: struct_extract(gq_file, 'part') = 'masks'), lambda gq_file: struct_extract(gq_file, 'path')),
    lambda gq_path: geoquilt.main.gq_literal(gq_path));
CREATE OR REPLACE MACRO geoquilt.main.ocean_package(root) AS TABLE
WITH gq_manifest AS MATERIALIZED (
    SELECT geo_ocean_manifest(root) AS gq_told
), gq_facts AS (
    -- Without the lists: each row of a join would hold them.
    SELECT gq_told.mask AS gq_mask, len(gq_told.depth_axis_m) AS gq_n_levels FROM gq_manifest
), gq_named AS MATERIALIZED (
    SELECT 1 AS gq_part_number, 'rasters' AS part, gq_raster.product AS product, gq_raster.variable AS variable, gq_raster.day::DATE AS date,
           gq_raster.stretch AS stretch, gq_raster.path AS gq_path
    FROM (SELECT unnest(gq_told.rasters) AS gq_raster FROM gq_manifest)
    UNION ALL SELECT 2, 'argo', 'argo', NULL, NULL, NULL, gq_told.argo FROM gq_manifest
    UNION ALL SELECT 3, 'masks', NULL, 'land', NULL, NULL, gq_told.mask FROM gq_manifest
), gq_files AS (
    FROM gq_named
    UNION ALL SELECT 4, gq_file.part, NULL, NULL, NULL, NULL, gq_file.path FROM (SELECT unnest(gq_told.files) AS gq_file FROM gq_manifest)
    WHERE gq_file.path NOT IN (SELECT gq_path FROM gq_named)
), gq_headers AS MATERIALIZED (
    FROM geo_catalog_build(geoquilt.main.gq_raster_paths(geo_ocean_manifest(root)), kind := 'raster')
), gq_grid AS (
    SELECT gq_mask, gq_n_levels, gq_header.crs AS gq_crs, gq_header.transform AS gq_transform, gq_header.width AS gq_width, gq_header.height AS gq_height
    FROM gq_headers AS gq_header JOIN gq_facts ON gq_header.path = gq_mask
), gq_faults AS (
    SELECT min('"' || gq_header.path || '" ' || CASE
        WHEN gq_header.crs <> gq_crs THEN 'is in ' || gq_header.crs || ', and the mask "' || gq_mask || '" in ' || gq_crs
        WHEN (gq_header.height, gq_header.width) <> (gq_height, gq_width) THEN
            'has ' || gq_header.height || ' x ' || gq_header.width || ' pixels, and the mask "' || gq_mask || '" ' || gq_height || ' x ' || gq_width
        WHEN list_max(list_transform(range(1, 7), lambda gq_i: abs(gq_header.transform[gq_i] - gq_transform[gq_i]))) > 1e-6 * abs(gq_transform[2]) THEN
            'lies at ' || gq_header.transform::VARCHAR || ', and the mask "' || gq_mask || '" at ' || gq_transform::VARCHAR
        WHEN product = 'glorys' AND len(gq_header.bands) <> gq_n_levels THEN
            'has ' || len(gq_header.bands) || ' bands, and depth_axis_m ' || gq_n_levels || ' depths'
        WHEN product <> 'glorys' AND len(gq_header.bands) <> 1 THEN 'has ' || len(gq_header.bands) || ' bands, where one is one date''s field'
    END) AS gq_fault
    FROM gq_named JOIN gq_headers AS gq_header ON gq_header.path = gq_path CROSS JOIN gq_grid
    WHERE part = 'rasters'
), gq_guard AS (
    SELECT CASE WHEN gq_fault IS NOT NULL THEN
        error('ocean_package(root): ' || gq_fault || chr(10) || 'All rasters of a package lie on the grid of its mask: warp it, with COPY ... (TEMPLATE mask)')
    END AS gq_mistake FROM gq_faults
)
SELECT part, product, variable, date, stretch, gq_header.* REPLACE (
           gq_path AS path, CASE WHEN date IS NULL THEN gq_header.t_min ELSE date::TIMESTAMP END AS t_min,
           CASE WHEN date IS NULL THEN gq_header.t_max ELSE date + INTERVAL 1 DAY - INTERVAL 1 MICROSECOND END AS t_max)
FROM gq_guard CROSS JOIN gq_files LEFT JOIN gq_headers AS gq_header ON gq_header.path = gq_path
WHERE gq_guard.gq_mistake IS NULL
ORDER BY gq_part_number ASC NULLS LAST, part ASC NULLS LAST, encode(product) ASC NULLS LAST, encode(variable) ASC NULLS LAST, date ASC NULLS LAST, encode(gq_path) ASC NULLS LAST
