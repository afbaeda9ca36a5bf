-- patch_registry(grid, dates): (patch, date) rows with a split. Documented in src/sql/grid/patch_registry.rs.
--
-- A relation may lack a column that is optional here: the subquery then sees the NULL of the same name that
-- stands outside it, in `gq_absent`. Inner names begin with gq_, so that none is a user's relation or column.
--
-- gq_crs_name(c) is a CRS as an error names it: the name within a PROJJSON.
CREATE OR REPLACE MACRO geoquilt.main.gq_crs_name(c) AS CASE
    WHEN starts_with(c, '{') THEN coalesce(nullif(regexp_extract(c, '"name": ?"([^"]*)"', 1), ''), 'a CRS without a name')
    ELSE c
END;
CREATE OR REPLACE MACRO geoquilt.main.patch_registry(grid, dates, val_year := NULL, val_fraction := NULL, seed := 7) AS TABLE
WITH gq_patches AS (
    SELECT gq_kept.* EXCLUDE (gq_status), row_number() OVER (ORDER BY gq_kept.patch_id ASC NULLS LAST) - 1 AS gq_index
    FROM (SELECT NULL::VARCHAR AS status) AS gq_absent,
         LATERAL (SELECT gq_patch.*, status::VARCHAR AS gq_status FROM query_table(grid) AS gq_patch
                  WHERE true OR geo_catalog_check(gq_patch, {place: 'patch_registry(grid)', grid: true})) AS gq_kept
    WHERE gq_status IS DISTINCT FROM 'rejected'
), gq_files AS (
    SELECT coalesce(gq_file.gq_date, gq_file.gq_start)::DATE AS gq_date,
           coalesce(gq_file.gq_start, gq_file.gq_date) AS gq_start,
           coalesce(gq_file.gq_stop, gq_file.gq_date + INTERVAL 1 DAY - INTERVAL 1 MICROSECOND) AS gq_stop,
           gq_file.gq_path, gq_file.gq_attributes, gq_file.gq_crs, gq_file.gq_transform, gq_file.gq_width, gq_file.gq_height, gq_file.gq_is_array,
           gq_file.gq_times, gq_file.gq_time_var
    FROM (SELECT NULL::VARCHAR AS path, NULL::DATE AS date, NULL::TIMESTAMP AS t_min, NULL::TIMESTAMP AS t_max,
                 NULL::MAP(VARCHAR, VARCHAR) AS attributes, NULL::VARCHAR AS crs, NULL::DOUBLE[] AS transform,
                 NULL::BIGINT AS width, NULL::BIGINT AS height, NULL::VARCHAR AS kind,
                 NULL::BIGINT AS n_times, NULL::VARCHAR AS time_var) AS gq_absent,
         LATERAL (SELECT path::VARCHAR AS gq_path, geoquilt.main.gq_utc(date) AS gq_date,
                         geoquilt.main.gq_utc(t_min) AS gq_start, geoquilt.main.gq_utc(t_max) AS gq_stop,
                         attributes AS gq_attributes, crs::VARCHAR AS gq_crs, transform::DOUBLE[] AS gq_transform,
                         width::BIGINT AS gq_width, height::BIGINT AS gq_height, kind::VARCHAR = 'array' AS gq_is_array,
                         CASE WHEN kind::VARCHAR = 'array' AND time_var IS NOT NULL THEN n_times::BIGINT END AS gq_times, time_var::VARCHAR AS gq_time_var
                  FROM query_table(dates) AS gq_row) AS gq_file
), gq_days AS (
    -- A row a date: a file, or a step of an array file's time axis. A file of one step keeps the interval of its row, which
    -- its name may tell; its axis then need not be readable.
    SELECT gq_date, gq_start, gq_stop, gq_path, gq_attributes, gq_crs, gq_transform, gq_width, gq_height, gq_is_array,
           NULL::TIMESTAMP AS gq_time, NULL::BIGINT AS gq_index_in_time, false AS gq_is_step
    FROM gq_files WHERE gq_times IS NULL
    UNION ALL
    SELECT CASE WHEN gq_times = 1 THEN gq_date ELSE gq_step.t_min::DATE END, CASE WHEN gq_times = 1 THEN gq_start ELSE gq_step.t_min END,
           CASE WHEN gq_times = 1 THEN gq_stop ELSE gq_step.t_max END, gq_path, gq_attributes, gq_crs, gq_transform, gq_width, gq_height, gq_is_array,
           gq_step.time, gq_step.index, true
    FROM (SELECT *, unnest(read_times(gq_path, gq_time_var, {undecoded: 'null'})) AS gq_step FROM gq_files WHERE gq_times = 1
          UNION ALL SELECT *, unnest(read_times(gq_path, gq_time_var)) AS gq_step FROM gq_files WHERE gq_times > 1) AS gq_cube
), gq_rasters AS (
    -- The rasters that the files lie on. An array file is read north-up, however it is stored.
    SELECT min(gq_path) AS gq_path, gq_crs, gq_width, gq_height, gq_transform[1] AS gq_x0, gq_transform[2] AS gq_dx,
           CASE WHEN gq_is_array AND gq_transform[6] > 0 THEN gq_transform[4] + gq_height * gq_transform[6] ELSE gq_transform[4] END AS gq_y0,
           CASE WHEN gq_is_array THEN -abs(gq_transform[6]) ELSE gq_transform[6] END AS gq_dy
    FROM gq_days WHERE gq_transform IS NOT NULL
    GROUP BY gq_crs, gq_width, gq_height, gq_transform, gq_is_array
), gq_windows AS (
    SELECT gq_id, gq_index, gq_win, gq_bbox, gq_grid_crs, gq_partial,
           (gq_bbox.xmax - gq_bbox.xmin) / gq_win.width AS gq_px, (gq_bbox.ymax - gq_bbox.ymin) / gq_win.height AS gq_py
    FROM (SELECT NULL::STRUCT(xmin DOUBLE, ymin DOUBLE, xmax DOUBLE, ymax DOUBLE) AS bbox, NULL::VARCHAR AS crs, NULL::BOOLEAN AS is_partial) AS gq_absent,
         LATERAL (SELECT patch_id AS gq_id, gq_index, win AS gq_win, bbox::STRUCT(xmin DOUBLE, ymin DOUBLE, xmax DOUBLE, ymax DOUBLE) AS gq_bbox,
                         crs::VARCHAR AS gq_grid_crs, is_partial::BOOLEAN AS gq_partial
                  FROM gq_patches) AS gq_known
), gq_boxes AS (
    -- Each window as the file has it.
    SELECT gq_raster.*, gq_window.*,
           gq_x0 + gq_win.col_off * gq_dx AS gq_x1, gq_x0 + (gq_win.col_off + gq_win.width) * gq_dx AS gq_x2,
           gq_y0 + gq_win.row_off * gq_dy AS gq_y1, gq_y0 + (gq_win.row_off + gq_win.height) * gq_dy AS gq_y2
    FROM gq_rasters AS gq_raster CROSS JOIN gq_windows AS gq_window
), gq_strays AS (
    SELECT gq_path, gq_index, CASE
        -- geo_project leaves a geometry as it is only where two names stand for one CRS.
        WHEN gq_crs <> gq_grid_crs AND NOT coalesce(TRY(geo_project(geo_box({xmin: 0, ymin: 0, xmax: 1, ymax: 1}), gq_crs, gq_grid_crs)
                                                  = geo_box({xmin: 0, ymin: 0, xmax: 1, ymax: 1})), false) THEN
            'is in ' || geoquilt.main.gq_crs_name(gq_crs) || ', and the grid in ' || geoquilt.main.gq_crs_name(gq_grid_crs)
        -- Pixel sizes of few digits and float32 coordinates part by some hundredths of a pixel over a wide raster.
        WHEN greatest(abs(least(gq_x1, gq_x2) - gq_bbox.xmin) / gq_px, abs(greatest(gq_x1, gq_x2) - gq_bbox.xmax) / gq_px,
                      abs(least(gq_y1, gq_y2) - gq_bbox.ymin) / gq_py, abs(greatest(gq_y1, gq_y2) - gq_bbox.ymax) / gq_py) > 0.05 THEN CASE
            WHEN greatest(abs(abs(gq_dx) - gq_px) * (gq_win.col_off + gq_win.width) / gq_px, abs(abs(gq_dy) - gq_py) * (gq_win.row_off + gq_win.height) / gq_py) > 0.025 THEN
                'has pixels of ' || abs(gq_dx) || ' x ' || abs(gq_dy) || ', and the grid of ' || gq_px || ' x ' || gq_py
            ELSE 'begins at (' || gq_x0 || ', ' || gq_y0 || '), and the grid at (' || (gq_bbox.xmin - gq_win.col_off * gq_px) || ', ' || (gq_bbox.ymax + gq_win.row_off * gq_py) || ')'
        END
        WHEN NOT gq_partial AND (least(gq_win.row_off, gq_win.col_off) < 0 OR gq_win.row_off + gq_win.height > gq_height OR gq_win.col_off + gq_win.width > gq_width) THEN
            'has ' || gq_height || ' rows and ' || gq_width || ' columns, and patch ' || gq_id || ' of the grid reaches to row ' ||
            (gq_win.row_off + gq_win.height) || ' and column ' || (gq_win.col_off + gq_win.width)
    END AS gq_problem
    FROM gq_boxes
), gq_misfit AS (
    SELECT min_by('"' || coalesce(gq_path, 'a row of dates') || '" ' || gq_problem, (gq_path, gq_index)) AS gq_problem FROM gq_strays WHERE gq_problem IS NOT NULL
), gq_years AS (
    SELECT list_sort(list(DISTINCT gq_year), 'ASC', 'NULLS LAST') AS gq_present, (SELECT count(*) FROM gq_days WHERE gq_start IS NULL) AS gq_undated
    FROM (SELECT unnest(range(year(gq_start), year(gq_stop) + 1)) AS gq_year FROM gq_days)
), gq_overlap AS (
    SELECT geo_windows_overlap(list(win)) AS gq_found FROM gq_patches WHERE val_year IS NULL
), gq_guard AS (
    SELECT CASE
        WHEN val_year IS NOT NULL AND val_fraction IS NOT NULL THEN
            error('patch_registry(val_fraction): val_year and val_fraction are two ways to split' || chr(10) || 'Give one of them')
        WHEN (SELECT count(*) <> count(DISTINCT patch_id) FROM gq_patches) THEN
            error('patch_registry(grid): a patch_id stands in several rows' || chr(10) || 'Give a grid, and not a registry, or make the ids unique')
        WHEN NOT coalesce(val_fraction, 0.2) BETWEEN 0 AND 1 THEN
            error('patch_registry(val_fraction): ' || val_fraction || ' is not valid: must be a fraction between 0 and 1')
        WHEN val_year IS NOT NULL AND len(gq_years.gq_present) > 0 AND NOT list_contains(gq_years.gq_present, val_year) THEN
            error('patch_registry(val_year): no date lies in ' || val_year || chr(10) || 'The dates are of ' || array_to_string(gq_years.gq_present, ', '))
        WHEN val_year IS NOT NULL AND gq_years.gq_present = [val_year] AND gq_years.gq_undated = 0 THEN
            error('patch_registry(val_year): every date lies in ' || val_year || ', which leaves none to train on')
        WHEN gq_misfit.gq_problem IS NOT NULL THEN
            error('patch_registry(dates): ' || gq_misfit.gq_problem || chr(10) ||
                  'Take the files of one raster at a time with a grid of their own, or read all of them onto one slice with read_slice')
        WHEN gq_overlap.gq_found THEN
            error('patch_registry(val_year): patches overlap, so a split by patch would put the same pixels into train and val' || chr(10) ||
                  'Give val_year := a year whose dates are all validation, or a grid with stride >= size and edge := ''drop'' or ''overflow''')
    END AS gq_mistake,
    -- The reference rounds half to even and keeps both splits non-empty.
    (SELECT least(greatest(TRY_CAST(round_even(count(*) * coalesce(val_fraction, 0.2), 0) AS BIGINT),
                           CASE WHEN coalesce(val_fraction, 0.2) > 0 THEN 1 ELSE 0 END),
                  greatest(count(*) - 1, 0)) FROM gq_patches) AS gq_n_val,
    (SELECT count(*) FROM gq_patches) AS gq_n_patches
    FROM gq_overlap, gq_years, gq_misfit
), gq_validation AS (
    SELECT unnest(geo_permutation(gq_n_patches, seed)[1:gq_n_val]) AS gq_index FROM gq_guard
)
SELECT gq_patch.patch_id, gq_day.gq_date AS date,
       CASE
           WHEN val_year IS NULL THEN CASE WHEN gq_patch.gq_index IN (SELECT gq_index FROM gq_validation) THEN 'val' ELSE 'train' END
           WHEN gq_day.gq_start IS NULL THEN
               error('patch_registry(val_year): "' || coalesce(gq_day.gq_path, 'a row of dates') || '" is undated, so no year can take it')
           WHEN year(gq_day.gq_start) <> year(gq_day.gq_stop) AND val_year BETWEEN year(gq_day.gq_start) AND year(gq_day.gq_stop) THEN
               error('patch_registry(val_year): "' || coalesce(gq_day.gq_path, 'a row of dates') || '" spans ' || gq_day.gq_start || ' to ' || gq_day.gq_stop ||
                     ', in and out of ' || val_year)
           WHEN year(gq_day.gq_start) = val_year THEN 'val'
           ELSE 'train'
       END AS split,
       gq_day.gq_start AS t_min, gq_day.gq_stop AS t_max, gq_day.gq_path AS path, gq_day.gq_attributes AS attributes,
       gq_day.gq_time AS time,
       -- What read_array takes: rows as the file stores them, and no further than it goes.
       CASE WHEN gq_day.gq_is_step THEN {
           time: gq_day.gq_index_in_time,
           y: CASE WHEN gq_day.gq_transform[6] > 0 THEN
                  [greatest(gq_day.gq_height - gq_patch.win.row_off - gq_patch.win.height, 0), least(gq_day.gq_height - gq_patch.win.row_off, gq_day.gq_height) - 1]
              ELSE [greatest(gq_patch.win.row_off, 0), least(gq_patch.win.row_off + gq_patch.win.height, gq_day.gq_height) - 1] END,
           x: [greatest(gq_patch.win.col_off, 0), least(gq_patch.win.col_off + gq_patch.win.width, gq_day.gq_width) - 1]
       } END AS isel,
       gq_patch.* EXCLUDE (patch_id, gq_index) REPLACE (
           -- The step goes with the window, so that the scalar reads show the same time as the row.
           CASE WHEN gq_patch.win IS NOT NULL THEN {
               row_off: gq_patch.win.row_off::BIGINT, col_off: gq_patch.win.col_off::BIGINT,
               height: gq_patch.win.height::BIGINT, width: gq_patch.win.width::BIGINT,
               step: CASE WHEN gq_day.gq_is_step THEN gq_day.gq_index_in_time END
           } END AS win)
FROM gq_guard CROSS JOIN gq_days AS gq_day CROSS JOIN gq_patches AS gq_patch
WHERE gq_guard.gq_mistake IS NULL
ORDER BY gq_day.gq_start ASC NULLS LAST, gq_day.gq_path ASC NULLS LAST, gq_day.gq_index_in_time ASC NULLS LAST, gq_patch.gq_index ASC NULLS LAST
