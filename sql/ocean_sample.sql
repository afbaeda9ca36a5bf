-- ocean_sample(root, registry): the sample of each row of a registry. Documented in src/sql/ocean/ocean_sample.rs.
--
-- gq_decoded(codes, stretch, zero) are values of codes, in float32 throughout, as NumPy works them out.
CREATE OR REPLACE MACRO geoquilt.main.gq_decoded(codes, stretch, zero) AS list_transform(codes, lambda gq_code: CASE WHEN gq_code <> stretch.nodata THEN
    (stretch.minimum::FLOAT + gq_code / stretch.valid_code_max::FLOAT * (stretch.maximum::FLOAT - stretch.minimum::FLOAT)) - zero::FLOAT END);
-- gq_normal(data, normalise, fill) are temperatures for a model: (K - mean) / std of the published run.
CREATE OR REPLACE MACRO geoquilt.main.gq_normal(data, normalise, fill) AS CASE
    WHEN normalise THEN list_transform(data, lambda gq_value: coalesce(((gq_value + 273.15::FLOAT) - 289.74267177946783::FLOAT) / 10.933397487585731::FLOAT, fill::FLOAT, 0::FLOAT))
    WHEN fill IS NOT NULL THEN list_transform(data, lambda gq_value: coalesce(gq_value, fill::FLOAT))
    ELSE data END;
-- gq_any(data, levels, rows, cols) is whether a pixel has a value on any level.
CREATE OR REPLACE MACRO geoquilt.main.gq_any(data, levels, n_rows, n_cols) AS list_transform(
    geo_time_reduce(data, [levels, n_rows, n_cols], list_transform(range(levels), lambda gq_level: TIMESTAMP '2000-01-01' + to_days(gq_level::INTEGER)), TIMESTAMP '2000-01-01').data,
    lambda gq_value: gq_value IS NOT NULL);
CREATE OR REPLACE MACRO geoquilt.main.ocean_sample(root, registry, normalise := false, fill := NULL) AS TABLE
WITH gq_manifest AS MATERIALIZED (
    SELECT gq_told.mask AS gq_mask, len(gq_told.depth_axis_m) AS gq_levels, gq_told.temperature AS gq_temperature,
           list_filter(gq_told.rasters, lambda gq_raster: gq_raster.product = 'sealevel' AND gq_raster.variable = 'adt')[1].stretch AS gq_height
    FROM (SELECT geo_ocean_manifest(root) AS gq_told)
), gq_rows AS MATERIALIZED (
    SELECT row_number() OVER () AS gq_place, gq_row AS gq_info, gq_row.win AS win, gq_row.date::DATE AS gq_date, gq_row.ostia::VARCHAR AS gq_ostia, gq_row.glorys::VARCHAR AS gq_glorys,
           gq_row.sea_level::VARCHAR AS gq_sea, gq_row.argo_from::DATE AS gq_from, gq_row.argo_to::DATE AS gq_to, gq_row.lat_center::DOUBLE AS gq_lat, gq_row.lon_center::DOUBLE AS gq_lon
    FROM query_table(registry) AS gq_row
    WHERE true OR geo_catalog_check(gq_row, {place: 'ocean_sample(registry)', columns: ['win', 'date', 'ostia', 'glorys', 'sea_level', 'argo_from', 'argo_to', 'lat_center', 'lon_center']})
), gq_casts AS MATERIALIZED (
    SELECT "row", col, date AS gq_cast_date, temp AS gq_temp
    FROM geoquilt.main.ocean_profiles(root), (SELECT min(gq_from) AS gq_first, max(gq_to) AS gq_last FROM gq_rows)
    WHERE date BETWEEN gq_first AND gq_last AND list_count(temp) > 0
), gq_laid AS (
    SELECT gq_place, geoquilt.main.rasterize_points(gq_cast."row", gq_cast.col, gq_temp, gq_row.win).data AS gq_x
    FROM gq_rows AS gq_row
         JOIN geoquilt.main.gq_ocean_cells('gq_rows', 'gq_casts') AS gq_cell
              ON gq_row.win.row_off = gq_row_off AND gq_row.win.col_off = gq_col_off AND gq_row.win.height = gq_height AND gq_row.win.width = gq_width
         JOIN gq_casts AS gq_cast ON gq_cast."row" = gq_cell.gq_row AND gq_cast.col = gq_cell.gq_col AND gq_cast.gq_cast_date BETWEEN gq_row.gq_from AND gq_row.gq_to
    GROUP BY gq_place
), gq_read AS (
    SELECT gq_row.*, gq_levels, gq_mask, gq_row.win.height::BIGINT AS gq_n_rows, gq_row.win.width::BIGINT AS gq_n_cols,
           coalesce(gq_x, list_resize([]::FLOAT[], gq_levels * gq_n_rows * gq_n_cols, NULL)) AS gq_seen,
           coalesce(geoquilt.main.gq_decoded(read_patch(gq_glorys, gq_row.win), gq_temperature, 273.15), list_resize([]::FLOAT[], gq_levels * gq_n_rows * gq_n_cols, NULL)) AS gq_y,
           coalesce(geoquilt.main.gq_decoded(read_patch(gq_ostia, gq_row.win), gq_temperature, 273.15), list_resize([]::FLOAT[], gq_n_rows * gq_n_cols, NULL)) AS gq_sst,
           coalesce(geoquilt.main.gq_decoded(read_patch(gq_sea, gq_row.win), gq_height, 0), list_resize([]::FLOAT[], gq_n_rows * gq_n_cols, NULL)) AS gq_level
    FROM gq_rows AS gq_row CROSS JOIN gq_manifest LEFT JOIN gq_laid USING (gq_place)
), gq_masked AS (
    SELECT *, geoquilt.main.gq_any(gq_seen, gq_levels, gq_n_rows, gq_n_cols) AS gq_seen_any, geoquilt.main.gq_any(gq_y, gq_levels, gq_n_rows, gq_n_cols) AS gq_y_any
    FROM gq_read
)
SELECT geoquilt.main.gq_normal(gq_sst, normalise, fill) || geoquilt.main.gq_normal(gq_level, false, CASE WHEN normalise THEN coalesce(fill, 0) ELSE fill END) AS eo,
       geoquilt.main.gq_normal(gq_seen, normalise, fill) AS x, geoquilt.main.gq_normal(gq_y, normalise, fill) AS y,
       list_transform(gq_seen, lambda gq_value: gq_value IS NOT NULL) AS x_valid_mask, list_transform(gq_y, lambda gq_value: gq_value IS NOT NULL) AS y_valid_mask,
       gq_seen_any AS x_valid_mask_1d, gq_y_any AS y_valid_mask_1d,
       CASE WHEN gq_glorys IS NOT NULL THEN list_transform(gq_y_any, lambda gq_there: gq_there::FLOAT)
            WHEN gq_ostia IS NOT NULL THEN list_transform(gq_sst, lambda gq_value: (gq_value IS NOT NULL)::FLOAT)
            ELSE list_transform(read_patch(gq_mask, win), lambda gq_land: coalesce(gq_land <= 0.5, false)::FLOAT) END AS land_mask,
       gq_date AS date, [gq_lat, gq_lon] AS coords, [gq_levels, gq_n_rows, gq_n_cols] AS shape, gq_info AS info
FROM gq_masked
ORDER BY gq_place ASC NULLS LAST
