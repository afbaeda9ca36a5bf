-- ocean_registry(root): a row a patch and date of an ocean package. Documented in src/sql/ocean/ocean_registry.rs.
--
-- gq_ocean_days(root, ...): the dates of OSTIA that are covered, with a file of each variable, and the days of profiles that count to each.
CREATE OR REPLACE MACRO geoquilt.main.gq_ocean_days(root, coverage, window_days, assign) AS TABLE
WITH gq_manifest AS MATERIALIZED (
    SELECT geo_ocean_manifest(root) AS gq_told
), gq_rasters AS MATERIALIZED (
    SELECT gq_raster.product || '/' || gq_raster.variable AS gq_name, gq_raster.day::DATE AS gq_date, gq_raster.path AS gq_path
    FROM (SELECT unnest(gq_told.rasters) AS gq_raster FROM gq_manifest)
), gq_known AS (
    SELECT list(DISTINCT gq_name) AS gq_names FROM gq_rasters
), gq_needed AS (
    SELECT CASE WHEN coverage IS NULL THEN list_filter(['glorys/thetao', 'sealevel/adt'], lambda gq_one: list_contains(gq_names, gq_one)) ELSE coverage::VARCHAR[] END AS gq_list, gq_names,
           list_filter(gq_list, lambda gq_one: NOT list_contains(gq_names, gq_one)) AS gq_unknown
    FROM gq_known
), gq_dates AS (
    SELECT gq_ostia.gq_date, gq_ostia.gq_path AS gq_ostia_path,
           list_filter(gq_list, lambda gq_one: NOT list_contains(coalesce(gq_there, []), gq_one)) AS gq_missing
    FROM (FROM gq_rasters WHERE gq_name = 'ostia/analysed_sst') AS gq_ostia CROSS JOIN gq_needed
         LEFT JOIN (SELECT gq_date, list(gq_name) AS gq_there FROM gq_rasters GROUP BY gq_date) AS gq_by_day ON gq_by_day.gq_date = gq_ostia.gq_date
), gq_lacks AS (
    SELECT string_agg(gq_one || ' lacks ' || gq_times, ', ' ORDER BY gq_one ASC NULLS LAST) AS gq_told
    FROM (SELECT gq_one, count(*) AS gq_times FROM (SELECT unnest(gq_missing) AS gq_one FROM gq_dates) GROUP BY gq_one)
), gq_counts AS (
    SELECT count(*) AS gq_count, count(*) FILTER (len(gq_missing) = 0) AS gq_complete FROM gq_dates
), gq_guard AS (
    SELECT CASE
        WHEN NOT coalesce(window_days BETWEEN 1 AND 3660, false) THEN
            error('ocean_registry(window_days): ' || coalesce(window_days::VARCHAR, 'NULL') || ' is not valid: must be a number of days from 1 to 3660')
        WHEN NOT coalesce(assign IN ('window', 'nearest'), false) THEN
            error('ocean_registry(assign): "' || coalesce(assign, 'NULL') || '" is not a way to assign profiles: must be window or nearest')
        WHEN len(gq_unknown) > 0 THEN
            error('ocean_registry(coverage): the package has no variable "' || gq_unknown[1] || '"' || chr(10) || 'It has ' || array_to_string(list_sort(gq_names), ', '))
        WHEN gq_complete = 0 THEN
            error('ocean_registry(coverage): none of ' || gq_count || ' dates of ostia/analysed_sst is covered: ' || gq_told)
    END AS gq_mistake
    FROM gq_needed CROSS JOIN gq_counts CROSS JOIN gq_lacks
), gq_covered AS (
    SELECT gq_date, gq_ostia_path, lag(gq_date) OVER gq_order AS gq_before, lead(gq_date) OVER gq_order AS gq_after
    FROM gq_dates WHERE len(gq_missing) = 0 WINDOW gq_order AS (ORDER BY gq_date ASC NULLS LAST)
)
SELECT gq_covered.gq_date AS gq_date, gq_ostia_path,
       (SELECT any_value(gq_path) FROM gq_rasters WHERE gq_name = 'glorys/thetao' AND gq_rasters.gq_date = gq_covered.gq_date) AS gq_glorys_path,
       (SELECT any_value(gq_path) FROM gq_rasters WHERE gq_name = 'sealevel/adt' AND gq_rasters.gq_date = gq_covered.gq_date) AS gq_sea_path,
       CASE WHEN assign = 'window' THEN gq_covered.gq_date - (window_days // 2)::INTEGER
            -- A day as far from two dates counts to the earlier.
            ELSE greatest(gq_covered.gq_date - ((window_days - 1) // 2)::INTEGER, coalesce(gq_covered.gq_date - ((gq_covered.gq_date - gq_before - 1) // 2)::INTEGER, DATE '0001-01-01'))
       END AS gq_from,
       CASE WHEN assign = 'window' THEN gq_covered.gq_date + (window_days // 2)::INTEGER
            ELSE least(gq_covered.gq_date + ((window_days - 1) // 2)::INTEGER, coalesce(gq_covered.gq_date + ((gq_after - gq_covered.gq_date) // 2)::INTEGER, DATE '9999-12-31'))
       END AS gq_to
FROM gq_guard CROSS JOIN gq_covered
WHERE gq_guard.gq_mistake IS NULL;
-- gq_ocean_cells(patches, cells): which patches hold which cells. Rows and columns are looked up alone, so that all joins are by equality.
CREATE OR REPLACE MACRO geoquilt.main.gq_ocean_cells(patches, cells) AS TABLE
WITH gq_patches AS (
    SELECT DISTINCT win.row_off AS gq_row_off, win.col_off AS gq_col_off, win.height AS gq_height, win.width AS gq_width FROM query_table(patches)
), gq_cells AS (
    SELECT DISTINCT "row" AS gq_row, col AS gq_col FROM query_table(cells)
), gq_rows AS MATERIALIZED (
    SELECT gq_row, gq_row_off, gq_height FROM (SELECT DISTINCT gq_row FROM gq_cells) JOIN (SELECT DISTINCT gq_row_off, gq_height FROM gq_patches)
           ON gq_row >= gq_row_off AND gq_row < gq_row_off + gq_height
), gq_cols AS MATERIALIZED (
    SELECT gq_col, gq_col_off, gq_width FROM (SELECT DISTINCT gq_col FROM gq_cells) JOIN (SELECT DISTINCT gq_col_off, gq_width FROM gq_patches)
           ON gq_col >= gq_col_off AND gq_col < gq_col_off + gq_width
)
SELECT gq_row, gq_col, gq_row_off, gq_col_off, gq_height, gq_width
FROM gq_cells JOIN gq_rows USING (gq_row) JOIN gq_cols USING (gq_col) JOIN gq_patches USING (gq_row_off, gq_col_off, gq_height, gq_width);
CREATE OR REPLACE MACRO geoquilt.main.ocean_registry(root, size := 128, stride := 32, max_land_fraction := 0.3, regions := NULL, val_year := 2018, window_days := 7,
        assign := 'window', require_argo := NULL, coverage := NULL) AS TABLE
WITH gq_package AS MATERIALIZED (
    -- Its errors are ours: a raster on another grid.
    SELECT count(*) AS gq_count FROM geoquilt.main.ocean_package(root)
), gq_grid AS MATERIALIZED (
    FROM geoquilt.main.ocean_grid(root, size := size, stride := stride, max_land_fraction := max_land_fraction, regions := regions)
), gq_days AS MATERIALIZED (
    SELECT gq_date AS date, MAP {'ostia': gq_ostia_path, 'glorys': gq_glorys_path, 'sea_level': gq_sea_path, 'from': gq_from::VARCHAR, 'to': gq_to::VARCHAR} AS attributes, gq_from, gq_to
    FROM geoquilt.main.gq_ocean_days(root, coverage, window_days, assign), gq_package WHERE gq_count > 0
), gq_casts AS MATERIALIZED (
    SELECT "row", col, date AS gq_date, count(*) AS gq_count FROM geoquilt.main.ocean_profiles(root) WHERE list_count(temp) > 0 AND date IS NOT NULL GROUP BY ALL
), gq_near AS (
    SELECT gq_cast_day.gq_date AS gq_cast_date, gq_day.date AS gq_date FROM (SELECT DISTINCT gq_date FROM gq_casts) AS gq_cast_day JOIN gq_days AS gq_day
           ON gq_cast_day.gq_date BETWEEN gq_day.gq_from AND gq_day.gq_to
), gq_support AS MATERIALIZED (
    SELECT gq_patch.patch_id AS patch_id, gq_near.gq_date AS date, sum(gq_casts.gq_count) AS support
    FROM gq_casts JOIN geoquilt.main.gq_ocean_cells('gq_grid', 'gq_casts') AS gq_cell ON gq_cell.gq_row = gq_casts."row" AND gq_cell.gq_col = gq_casts.col
         JOIN gq_grid AS gq_patch ON gq_patch.win.row_off = gq_row_off AND gq_patch.win.col_off = gq_col_off
         JOIN gq_near ON gq_near.gq_cast_date = gq_casts.gq_date
    GROUP BY ALL
), gq_wanted AS (
    SELECT regexp_extract_all(require_argo::VARCHAR, '(\w+)''?: *(\w+)', 1) AS gq_keys, regexp_extract_all(lower(require_argo::VARCHAR), '(\w+)''?: *(\w+)', 2) AS gq_values,
           CASE WHEN NOT list_has_all(['train', 'val', 'all'], coalesce(gq_keys, [])) OR NOT list_has_all(['true', 'false'], coalesce(gq_values, [])) THEN
               error('ocean_registry(require_argo): ' || require_argo::VARCHAR || ' is not valid: must be such as {train: false, val: true, ''all'': false}') END AS gq_mistake,
           coalesce(list_contains(gq_keys, 'all') AND gq_values[list_position(gq_keys, 'all')] = 'true', false) AS gq_all
)
SELECT patch_id, date, split, cause, support::BIGINT AS support, t_min, t_max, attributes['ostia'] AS ostia, attributes['glorys'] AS glorys, attributes['sea_level'] AS sea_level,
       attributes['from']::DATE AS argo_from, attributes['to']::DATE AS argo_to,
       COLUMNS(lambda gq_name: gq_name NOT IN ('patch_id', 'date', 'split', 'cause', 'support', 't_min', 't_max', 'attributes', 'fold', 'buffer_folds', 'block', 'path', 'time', 'isel') AND NOT starts_with(gq_name, 'gq_'))
FROM geoquilt.main.patch_registry('gq_grid', 'gq_days', val_year := val_year, support_in := 'gq_support', include_rejected := true, require_support := {
         train: regexp_matches(coalesce(require_argo::VARCHAR, ''), 'train\W+true', 'i'), val: NOT regexp_matches(coalesce(require_argo::VARCHAR, ''), 'val\W+false', 'i')}), gq_wanted
WHERE gq_mistake IS NULL AND (NOT gq_all OR support > 0)
