-- patch_registry(grid, dates): (patch, date) rows with a split. Documented in src/sql/splits/patch_registry.rs.
--
-- A relation may lack a column that is optional here: the subquery then sees the NULL of the same name that
-- stands outside it, in `gq_absent`. Inner names begin with gq_, so that none is a user's relation or column.
--
-- gq_crs_name(c) is a CRS as an error names it: the name within a PROJJSON.
CREATE OR REPLACE MACRO geoquilt.main.gq_crs_name(c) AS CASE
    WHEN starts_with(c, '{') THEN coalesce(nullif(regexp_extract(c, '"name": ?"([^"]*)"', 1), ''), 'a CRS without a name')
    ELSE c
END;
-- gq_year_list(y) are the years that a number or a list of numbers names.
CREATE OR REPLACE MACRO geoquilt.main.gq_year_list(y) AS coalesce(regexp_extract_all(y::VARCHAR, '-?\d+')::BIGINT[], []::BIGINT[]);
-- gq_raster_name(path, driver, built_with) is what read_patch reads of an array file whose catalog is of one of its variables: the
-- file may hold others. NULL where the catalog does not tell.
CREATE OR REPLACE MACRO geoquilt.main.gq_raster_name(path, driver, built_with) AS
CASE driver WHEN 'netCDF' THEN 'NETCDF:"' || path || '":' WHEN 'HDF5' THEN 'HDF5:"' || path || '"://' END ||
regexp_replace(nullif(regexp_extract(built_with, '''variables'': \[''?([^],'']+)''?\]', 1), ''), '^(.*/)', CASE driver WHEN 'netCDF' THEN '/\1' ELSE '\1' END);
-- gq_dated(dates, place): a row a date, that is a file, or a step of an array file's time axis. A file of one step keeps the interval of
-- its row, which its name may tell; its axis then need not be readable.
CREATE OR REPLACE MACRO geoquilt.main.gq_dated(dates, place) AS TABLE
WITH gq_files AS (
    SELECT coalesce(gq_file.gq_date, gq_file.gq_start)::DATE AS gq_date,
           coalesce(gq_file.gq_start, gq_file.gq_date) AS gq_start,
           coalesce(gq_file.gq_stop, gq_file.gq_date + INTERVAL 1 DAY - INTERVAL 1 MICROSECOND) AS gq_stop,
           gq_file.gq_path, gq_file.gq_raster, gq_file.gq_attributes, gq_file.gq_crs, gq_file.gq_transform, gq_file.gq_width, gq_file.gq_height, gq_file.gq_is_array,
           gq_file.gq_times, gq_file.gq_time_var, gq_file.gq_variable, gq_file.gq_held
    FROM (SELECT NULL::VARCHAR AS path, NULL::DATE AS date, NULL::TIMESTAMP AS t_min, NULL::TIMESTAMP AS t_max,
                 NULL::MAP(VARCHAR, VARCHAR) AS attributes, NULL::VARCHAR AS crs, NULL::DOUBLE[] AS transform,
                 NULL::BIGINT AS width, NULL::BIGINT AS height, NULL::VARCHAR AS kind,
                 NULL::BIGINT AS n_times, NULL::VARCHAR AS time_var, NULL::VARCHAR AS variable, NULL::DOUBLE AS support,
                 NULL::VARCHAR AS driver, NULL::VARCHAR AS built_with) AS gq_absent,
         LATERAL (SELECT path::VARCHAR AS gq_path,
                         coalesce(CASE WHEN kind::VARCHAR = 'array' THEN geoquilt.main.gq_raster_name(path::VARCHAR, driver::VARCHAR, built_with::VARCHAR) END, path::VARCHAR) AS gq_raster,
                         geoquilt.main.gq_utc(date) AS gq_date,
                         geoquilt.main.gq_utc(t_min) AS gq_start, geoquilt.main.gq_utc(t_max) AS gq_stop,
                         attributes AS gq_attributes, crs::VARCHAR AS gq_crs, transform::DOUBLE[] AS gq_transform,
                         width::BIGINT AS gq_width, height::BIGINT AS gq_height, kind::VARCHAR = 'array' AS gq_is_array,
                         CASE WHEN kind::VARCHAR = 'array' AND time_var IS NOT NULL THEN n_times::BIGINT END AS gq_times, time_var::VARCHAR AS gq_time_var,
                         variable::VARCHAR AS gq_variable, support::DOUBLE AS gq_held
                  FROM query_table(dates) AS gq_row
                  WHERE true OR geo_catalog_check(gq_row, {place: place, columns: ['path|date|t_min']})) AS gq_file
)
SELECT gq_date, gq_start, gq_stop, gq_path, gq_raster, gq_attributes, gq_crs, gq_transform, gq_width, gq_height, gq_is_array, gq_variable, gq_held,
       NULL::TIMESTAMP AS gq_time, NULL::BIGINT AS gq_index_in_time, false AS gq_is_step
FROM gq_files WHERE gq_times IS NULL
UNION ALL
SELECT CASE WHEN gq_times = 1 THEN gq_date ELSE gq_step.t_min::DATE END, CASE WHEN gq_times = 1 THEN gq_start ELSE gq_step.t_min END,
       CASE WHEN gq_times = 1 THEN gq_stop ELSE gq_step.t_max END, gq_path, gq_raster, gq_attributes, gq_crs, gq_transform, gq_width, gq_height, gq_is_array,
       gq_variable, gq_held, gq_step.time, gq_step.index, true
FROM (SELECT *, unnest(read_times(gq_path, gq_time_var, {undecoded: 'null'})) AS gq_step FROM gq_files WHERE gq_times = 1
      UNION ALL SELECT *, unnest(read_times(gq_path, gq_time_var)) AS gq_step FROM gq_files WHERE gq_times > 1) AS gq_cube;
CREATE OR REPLACE MACRO geoquilt.main.patch_registry(grid, dates, val_year := NULL, val_fraction := NULL, test_year := NULL, test_fraction := NULL,
        folds := NULL, block := NULL, min_gap := NULL, coverage := NULL, coverage_by := 'day', require_support := NULL, support_in := NULL,
        include_rejected := false, seed := 7) AS TABLE
WITH gq_patches AS (
    -- Columns that are the registry's own give way to them.
    SELECT COLUMNS(lambda gq_name: lower(gq_name) NOT IN ('gq_status', 'fold', 'buffer_folds', 'split_by', 'cause', 'block', 'support')),
           row_number() OVER (ORDER BY patch_id ASC NULLS LAST) - 1 AS gq_index
    FROM (SELECT gq_kept.*
          FROM (SELECT NULL::VARCHAR AS status, NULL::DOUBLE AS support) AS gq_absent,
               LATERAL (SELECT gq_patch.*, status::VARCHAR AS gq_status, support::DOUBLE AS gq_held FROM query_table(grid) AS gq_patch
                        WHERE true OR geo_catalog_check(gq_patch, {place: 'patch_registry(grid)', grid: true})) AS gq_kept) AS gq_known
    WHERE gq_status IS DISTINCT FROM 'rejected'
), gq_all_days AS (
    -- Rows are sorted by two numbers: texts as keys take far longer.
    SELECT *, row_number() OVER (ORDER BY gq_start ASC NULLS LAST, gq_path ASC NULLS LAST, gq_index_in_time ASC NULLS LAST) AS gq_day_id
    FROM geoquilt.main.gq_dated(dates, 'patch_registry(dates)')
), gq_covers AS (
    SELECT DISTINCT gq_variable, gq_date, gq_start, gq_stop FROM geoquilt.main.gq_dated(coalesce(coverage, dates), 'patch_registry(coverage)')
    WHERE coverage IS NOT NULL AND gq_variable IS NOT NULL
), gq_variables AS (
    SELECT DISTINCT gq_variable FROM gq_covers
), gq_lacking AS (
    -- Dates that lack a variable. What is undated is there at any time.
    SELECT gq_day_id, list(gq_variable ORDER BY gq_variable ASC NULLS LAST) AS gq_missing
    FROM (SELECT gq_day_id, gq_variables.gq_variable FROM gq_all_days CROSS JOIN gq_variables WHERE gq_start IS NOT NULL
          EXCEPT SELECT gq_day_id, gq_cover.gq_variable FROM gq_all_days AS gq_day JOIN gq_covers AS gq_cover ON gq_day.gq_date = gq_cover.gq_date
                 WHERE coverage_by = 'day'
          EXCEPT SELECT gq_day_id, gq_cover.gq_variable FROM gq_all_days AS gq_day JOIN gq_covers AS gq_cover
                        ON gq_cover.gq_start <= coalesce(gq_day.gq_stop, gq_day.gq_start) AND coalesce(gq_cover.gq_stop, gq_cover.gq_start) >= gq_day.gq_start
                 WHERE coverage_by = 'interval'
          EXCEPT SELECT gq_day_id, gq_cover.gq_variable FROM gq_all_days AS gq_day CROSS JOIN gq_covers AS gq_cover WHERE gq_cover.gq_start IS NULL) AS gq_absences
    GROUP BY gq_day_id
), gq_days AS (
    SELECT gq_day.*, gq_lacking.gq_missing, geoquilt.main.gq_year_list(val_year) AS gq_val, geoquilt.main.gq_year_list(test_year) AS gq_test,
           range(year(gq_start), year(coalesce(gq_stop, gq_start)) + 1) AS gq_span
    FROM gq_all_days AS gq_day LEFT JOIN gq_lacking USING (gq_day_id)
), gq_rasters AS (
    -- The rasters that the files lie on. An array file is read north-up, however it is stored.
    SELECT min(gq_path) AS gq_path, gq_crs, gq_width, gq_height, gq_transform[1] AS gq_x0, gq_transform[2] AS gq_dx,
           CASE WHEN gq_is_array AND gq_transform[6] > 0 THEN gq_transform[4] + gq_height * gq_transform[6] ELSE gq_transform[4] END AS gq_y0,
           CASE WHEN gq_is_array THEN -abs(gq_transform[6]) ELSE gq_transform[6] END AS gq_dy
    FROM gq_all_days WHERE gq_transform IS NOT NULL
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
    SELECT min_by(coalesce('"' || gq_path || '"', 'a row') || ' ' || gq_problem, (gq_path, gq_index)) AS gq_problem FROM gq_strays WHERE gq_problem IS NOT NULL
), gq_years AS (
    SELECT list_sort(list(DISTINCT gq_year), 'ASC', 'NULLS LAST') AS gq_present, (SELECT count(*) FROM gq_all_days WHERE gq_start IS NULL) AS gq_undated
    FROM (SELECT unnest(range(year(gq_start), year(gq_stop) + 1)) AS gq_year FROM gq_all_days)
), gq_wanted AS (
    SELECT CASE WHEN val_year IS NOT NULL THEN 0 ELSE coalesce(val_fraction::DOUBLE, CASE WHEN folds IS NULL THEN 0.2 ELSE 0 END) END AS gq_val,
           coalesce(test_fraction::DOUBLE, 0) AS gq_test, gq_val > 0 OR gq_test > 0 OR folds IS NOT NULL AS gq_by_place,
           geoquilt.main.gq_year_list(val_year) AS gq_val_years, geoquilt.main.gq_year_list(test_year) AS gq_test_years,
           gq_val_years || gq_test_years AS gq_held_years
), gq_overlap AS (
    SELECT geo_windows_overlap(list(win)) AS gq_found FROM gq_patches, gq_wanted WHERE gq_by_place AND block IS NULL AND min_gap IS NULL
), gq_covered AS (
    SELECT count(*) AS gq_count, count(*) FILTER (gq_missing IS NULL) AS gq_complete, (SELECT count(*) FROM gq_variables) AS gq_n_variables,
           (SELECT string_agg(gq_missing_one || ' in ' || gq_times, ', ' ORDER BY gq_missing_one ASC NULLS LAST)
            FROM (SELECT gq_missing_one, count(*) AS gq_times FROM (SELECT unnest(gq_missing) AS gq_missing_one FROM gq_lacking) GROUP BY ALL)) AS gq_told
    FROM gq_days
), gq_guard AS (
    SELECT CASE
        WHEN val_year IS NOT NULL AND val_fraction IS NOT NULL THEN
            error('patch_registry(val_fraction): val_year and val_fraction are two ways to split' || chr(10) || 'Give one of them')
        WHEN test_year IS NOT NULL AND test_fraction IS NOT NULL THEN
            error('patch_registry(test_fraction): test_year and test_fraction are two ways to split' || chr(10) || 'Give one of them')
        WHEN folds IS NOT NULL AND (val_fraction IS NOT NULL OR val_year IS NOT NULL) THEN
            error('patch_registry(folds): folds and val_fraction or val_year are two ways to validate' || chr(10) || 'Give one of them')
        WHEN val_year IS NOT NULL AND test_fraction IS NOT NULL THEN
            error('patch_registry(test_fraction): val_year splits by time, and test_fraction by place' || chr(10) ||
                  'Give test_year beside val_year, or val_fraction beside test_fraction')
        WHEN NOT gq_by_place AND (block IS NOT NULL OR min_gap IS NOT NULL) THEN
            error('patch_registry(' || CASE WHEN block IS NULL THEN 'min_gap' ELSE 'block' END || '): the split is by time alone, so that patches of all splits lie on each other' || chr(10) ||
                  'Split by val_fraction, test_fraction or folds, or leave it out')
        WHEN (SELECT count(*) <> count(DISTINCT patch_id) FROM gq_patches) THEN
            error('patch_registry(grid): a patch_id stands in several rows' || chr(10) || 'Give a grid, and not a registry, or make the ids unique')
        WHEN NOT coalesce(val_fraction, 0.2) BETWEEN 0 AND 1 THEN
            error('patch_registry(val_fraction): ' || val_fraction || ' is not valid: must be a fraction between 0 and 1')
        WHEN NOT coalesce(test_fraction, 0.2) BETWEEN 0 AND 1 THEN
            error('patch_registry(test_fraction): ' || test_fraction || ' is not valid: must be a fraction between 0 and 1')
        WHEN gq_wanted.gq_val + gq_wanted.gq_test > 1 THEN
            error('patch_registry(test_fraction): val_fraction and test_fraction are ' || (gq_wanted.gq_val + gq_wanted.gq_test) || ' together, which is above 1')
        WHEN NOT coalesce(folds, 2) BETWEEN 2 AND 1000000 THEN
            error('patch_registry(folds): ' || folds || ' is not valid: must be at least 2')
        WHEN seed IS NULL OR seed < 0 THEN
            error('patch_registry(seed): ' || coalesce(seed::VARCHAR, 'NULL') || ' is not valid: must be 0 or above')
        WHEN NOT coalesce(min_gap::DOUBLE >= 0 AND isfinite(min_gap::DOUBLE), true) THEN
            error('patch_registry(min_gap): ' || min_gap || ' is not valid: must be a distance in metres, 0 or above')
        WHEN NOT coalesce(block::DOUBLE BETWEEN 0.1 AND 40000, true) THEN
            error('patch_registry(block): ' || block || ' is not valid: must be the side of a block of EPSG:6933 in kilometres, between 0.1 and 40000')
        WHEN block IS NOT NULL AND (SELECT count(*) FROM gq_windows WHERE gq_bbox IS NULL) > 0 THEN
            error('patch_registry(block): the grid has no bbox, so that no patch has a place' || chr(10) || 'Give a grid with bbox and crs, as geo_patch_grid does')
        WHEN block IS NOT NULL AND (SELECT count(DISTINCT coalesce(gq_grid_crs, 'OGC:CRS84')) FROM gq_windows) > 1
          OR min_gap IS NOT NULL AND (SELECT count(DISTINCT coalesce(gq_grid_crs, 'OGC:CRS84')) FROM gq_windows) > 1 THEN
            error('patch_registry(grid): patches are in several CRSs' || chr(10) || 'Give the patches of one CRS at a time')
        WHEN NOT coalesce(coverage_by IN ('day', 'interval'), false) THEN
            error('patch_registry(coverage_by): "' || coalesce(coverage_by, 'NULL') || '" is not a way to cover a date' || chr(10) || 'One of: day, interval')
        WHEN coverage IS NOT NULL AND gq_covered.gq_n_variables = 0 THEN
            error('patch_registry(coverage): no row names a variable' || chr(10) || 'Give a catalog with a column variable, such as attributes[''variable''] AS variable')
        WHEN gq_covered.gq_count > 0 AND gq_covered.gq_complete = 0 THEN
            error('patch_registry(coverage): none of ' || gq_covered.gq_count || ' dates has a file of every variable; missing are ' || gq_covered.gq_told ||
                  CASE WHEN coverage_by = 'day' THEN chr(10) || 'For files that span more than a day give coverage_by := ''interval''' ELSE '' END)
        WHEN require_support IS NOT NULL AND NOT regexp_full_match(typeof(require_support), 'STRUCT\(("?(train|val|test)"? BOOLEAN(, )?)+\)', 'i') THEN
            error('patch_registry(require_support): ' || require_support || ' is not valid: must be a struct such as {train: false, val: true} with true or false for train, val and test')
        WHEN require_support IS NOT NULL AND support_in IS NULL
             AND (SELECT count(gq_held) FROM gq_all_days) = 0 AND (SELECT count(gq_held) FROM gq_patches) = 0 THEN
            error('patch_registry(require_support): neither dates nor grid have a column support' || chr(10) ||
                  'Name a relation with patch_id, date and support: support_in := ''counts''')
        WHEN len(gq_held_years) > 0 AND len(gq_years.gq_present) > 0 AND NOT list_has_all(gq_years.gq_present, gq_held_years) THEN
            error('patch_registry(' || CASE WHEN list_has_all(gq_years.gq_present, gq_val_years) THEN 'test_year' ELSE 'val_year' END || '): no date lies in ' ||
                  list_filter(gq_held_years, lambda gq_year: NOT list_contains(gq_years.gq_present, gq_year))[1] ||
                  chr(10) || 'The dates are of ' || array_to_string(gq_years.gq_present, ', '))
        WHEN list_has_any(gq_val_years, gq_test_years) THEN
            error('patch_registry(test_year): ' || list_intersect(gq_val_years, gq_test_years)[1] || ' is a val_year too')
        WHEN len(gq_held_years) > 0 AND list_has_all(gq_held_years, gq_years.gq_present) AND gq_years.gq_undated = 0 AND len(gq_years.gq_present) > 0 THEN
            error('patch_registry(' || CASE WHEN val_year IS NULL THEN 'test_year' ELSE 'val_year' END || '): every date lies in ' || array_to_string(gq_held_years, ', ') || ', which leaves none to train on')
        WHEN gq_misfit.gq_problem IS NOT NULL THEN
            error('patch_registry(dates): ' || gq_misfit.gq_problem || chr(10) ||
                  'Take the files of one raster at a time with a grid of their own, or read all of them onto one slice with read_slice')
        WHEN gq_overlap.gq_found THEN
            error('patch_registry(grid): patches overlap, so a split by patch would put the same pixels into train and val' || chr(10) ||
                  'Give val_year := a year whose dates are all validation, block := the side of blocks that go to one split whole, or a grid with stride >= size and edge := ''drop'' or ''overflow''')
    END AS gq_mistake
    FROM gq_overlap, gq_years, gq_misfit, gq_wanted, gq_covered
), gq_places AS (
    SELECT list({'win': {'row_off': gq_win.row_off::BIGINT, 'col_off': gq_win.col_off::BIGINT, 'height': gq_win.height::BIGINT, 'width': gq_win.width::BIGINT},
                 'bbox': gq_bbox, 'block': gq_block} ORDER BY gq_index ASC NULLS LAST) AS gq_list,
           min(coalesce(gq_grid_crs, CASE WHEN block IS NOT NULL THEN 'OGC:CRS84' END)) AS gq_crs
    FROM (SELECT *, CASE WHEN block::DOUBLE BETWEEN 0.1 AND 40000 THEN geo_block(geo_box(gq_bbox), gq_grid_crs, block::DOUBLE) END AS gq_block FROM gq_windows)
), gq_parts AS (
    -- A row a patch, none where the split is by time alone.
    SELECT unnest(range(len(gq_list))) AS gq_index, unnest(gq_list).block AS gq_block,
           unnest(geo_patch_split(gq_list, gq_crs, {'val_fraction': gq_wanted.gq_val, 'test_fraction': gq_wanted.gq_test, 'folds': folds::BIGINT,
                                                    'min_gap': min_gap::DOUBLE, 'seed': seed::BIGINT}, {place: 'patch_registry'})) AS gq_part
    FROM gq_guard, gq_wanted, gq_places
    WHERE gq_guard.gq_mistake IS NULL AND gq_by_place AND len(gq_list) > 0
), gq_split_patches AS (
    SELECT gq_patch.*, gq_block, coalesce(gq_part.split, 'train') AS gq_split, gq_part.fold AS gq_fold, gq_part.buffer_folds AS gq_buffer_folds, gq_part.cause AS gq_why
    FROM gq_patches AS gq_patch LEFT JOIN gq_parts USING (gq_index)
), gq_split_days AS (
    SELECT gq_days.*, CASE
        WHEN val_year IS NULL AND test_year IS NULL THEN NULL
        WHEN gq_start IS NULL THEN
            error('patch_registry(dates): ' || coalesce('"' || gq_path || '"', 'a row') || ' is undated, so that neither a val_year nor a test_year can take it' || chr(10) ||
                  'Tell the time of each file, by filename_regex or time_tag of geo_catalog_build, or leave the row out')
        WHEN list_has_all(gq_val, gq_span) THEN 'val'
        WHEN list_has_all(gq_test, gq_span) THEN 'test'
        WHEN list_has_any(gq_val || gq_test, gq_span) THEN
            error('patch_registry(dates): ' || coalesce('"' || gq_path || '"', 'a row') || ' spans ' || gq_start || ' to ' || gq_stop || ', in and out of the ' ||
                  CASE WHEN list_has_any(gq_val, gq_span) THEN 'val_year ' ELSE 'test_year ' END || list_intersect(gq_val || gq_test, gq_span)[1] || chr(10) ||
                  'Leave the row out, or hold out a year that no row reaches across')
    END AS gq_by_year
    FROM gq_guard, gq_days WHERE gq_guard.gq_mistake IS NULL
), gq_uncovered AS (
    SELECT min('patch_registry(coverage): none of ' || gq_count || ' dates of ' || coalesce(gq_by_year, 'train') || ' has a file of every variable') AS gq_problem
    FROM (SELECT gq_by_year, count(*) AS gq_count, count(*) FILTER (gq_missing IS NULL) AS gq_complete FROM gq_split_days GROUP BY gq_by_year)
    WHERE gq_complete = 0
), gq_supports AS (
    SELECT gq_support.gq_id, gq_support.gq_date, sum(gq_support.gq_count) AS gq_count
    FROM (SELECT NULL::BIGINT AS patch_id, NULL::DATE AS date, NULL::DOUBLE AS support) AS gq_absent,
         LATERAL (SELECT patch_id AS gq_id, geoquilt.main.gq_utc(date)::DATE AS gq_date, support::DOUBLE AS gq_count FROM query_table(coalesce(support_in, grid)) AS gq_row
                  WHERE true OR geo_catalog_check(gq_row, {place: 'patch_registry(support_in)', columns: CASE WHEN support_in IS NULL THEN ['patch_id'] ELSE ['patch_id', 'date', 'support'] END})) AS gq_support
    WHERE support_in IS NOT NULL
    GROUP BY ALL
), gq_needed AS (
    SELECT list_filter(['train', 'val', 'test'], lambda gq_split: regexp_matches(require_support::VARCHAR, gq_split || '\W+true', 'i')) AS gq_needs
), gq_totals AS (
    -- How many rows each split has, and how many with support, without a look at each row.
    SELECT coalesce(gq_by_year, gq_split) AS gq_of, sum(gq_n_days * gq_n_patches) AS gq_rows,
           sum(CASE WHEN coalesce(gq_day_has, gq_patch_has, false) THEN gq_n_days * gq_n_patches ELSE 0 END) AS gq_with
    FROM (SELECT gq_by_year, gq_held > 0 AS gq_day_has, count(*) AS gq_n_days FROM gq_split_days WHERE gq_missing IS NULL AND require_support IS NOT NULL GROUP BY ALL)
         CROSS JOIN (SELECT gq_split, gq_held > 0 AS gq_patch_has, count(*) AS gq_n_patches FROM gq_split_patches WHERE require_support IS NOT NULL GROUP BY ALL)
    GROUP BY ALL
), gq_observed AS (
    SELECT coalesce(gq_by_year, gq_split) AS gq_of, count(*) AS gq_with
    FROM gq_supports JOIN gq_split_patches AS gq_patch ON gq_patch.patch_id = gq_supports.gq_id JOIN gq_split_days AS gq_day ON gq_day.gq_date = gq_supports.gq_date
    WHERE gq_count > 0 AND gq_missing IS NULL
    GROUP BY ALL
), gq_unsupported AS (
    SELECT min('patch_registry(require_support): none of ' || gq_rows::BIGINT || ' rows of ' || gq_of || ' has support') AS gq_problem
    FROM gq_totals LEFT JOIN gq_observed USING (gq_of), gq_needed
    WHERE list_contains(gq_needs, gq_of) AND CASE WHEN support_in IS NULL THEN gq_totals.gq_with ELSE coalesce(gq_observed.gq_with, 0) END = 0
), gq_second_guard AS (
    SELECT CASE WHEN gq_uncovered.gq_problem IS NOT NULL THEN error(gq_uncovered.gq_problem)
                WHEN gq_unsupported.gq_problem IS NOT NULL THEN error(gq_unsupported.gq_problem) END AS gq_mistake
    FROM gq_uncovered, gq_unsupported
), gq_rows AS (
    SELECT gq_day.*, gq_patch.* EXCLUDE (gq_held) REPLACE (
               -- The step goes with the window, so that the scalar reads show the same time as the row.
               CASE WHEN gq_patch.win IS NOT NULL THEN {
                   row_off: gq_patch.win.row_off::BIGINT, col_off: gq_patch.win.col_off::BIGINT,
                   height: gq_patch.win.height::BIGINT, width: gq_patch.win.width::BIGINT,
                   step: CASE WHEN gq_day.gq_is_step THEN gq_day.gq_index_in_time END
               } END AS win), coalesce(gq_by_year, gq_split) AS gq_of,
           CASE WHEN support_in IS NULL THEN coalesce(gq_day.gq_held, gq_patch.gq_held) ELSE coalesce(gq_count, 0) END AS gq_support,
           CASE
               WHEN gq_missing IS NOT NULL THEN 'coverage: ' || array_to_string(gq_missing, ', ')
               WHEN NOT coalesce(gq_support > 0, false) AND list_contains(gq_needs, gq_of) THEN 'support'
           END AS gq_cause
    FROM gq_guard CROSS JOIN gq_second_guard CROSS JOIN gq_needed CROSS JOIN gq_split_days AS gq_day CROSS JOIN gq_split_patches AS gq_patch
         LEFT JOIN gq_supports ON gq_supports.gq_id = gq_patch.patch_id AND gq_supports.gq_date = gq_day.gq_date
    WHERE gq_guard.gq_mistake IS NULL AND gq_second_guard.gq_mistake IS NULL
)
SELECT gq_row.patch_id, gq_row.gq_date AS date,
       CASE WHEN gq_cause IS NULL THEN gq_of ELSE 'rejected' END AS split,
       CASE WHEN gq_cause IS NULL AND gq_by_year IS NULL THEN gq_fold END AS fold,
       CASE WHEN gq_cause IS NULL AND gq_by_year IS NULL AND gq_fold IS NOT NULL THEN gq_buffer_folds END AS buffer_folds,
       CASE WHEN val_year IS NOT NULL OR gq_by_year IS NOT NULL THEN 'time' ELSE 'place' END AS split_by,
       coalesce(gq_cause, CASE WHEN gq_by_year IS NULL THEN gq_why END) AS cause,
       gq_block AS block, gq_support AS support,
       gq_row.gq_start AS t_min, gq_row.gq_stop AS t_max, gq_row.gq_raster AS path, gq_row.gq_attributes AS attributes,
       gq_row.gq_time AS time,
       -- What read_array takes: rows as the file stores them, and no further than it goes.
       CASE WHEN gq_row.gq_is_step THEN {
           time: gq_row.gq_index_in_time,
           y: CASE WHEN gq_row.gq_transform[6] > 0 THEN
                  [greatest(gq_row.gq_height - gq_row.win.row_off - gq_row.win.height, 0), least(gq_row.gq_height - gq_row.win.row_off, gq_row.gq_height) - 1]
              ELSE [greatest(gq_row.win.row_off, 0), least(gq_row.win.row_off + gq_row.win.height, gq_row.gq_height) - 1] END,
           x: [greatest(gq_row.win.col_off, 0), least(gq_row.win.col_off + gq_row.win.width, gq_row.gq_width) - 1]
       } END AS isel,
       COLUMNS(lambda gq_name: lower(gq_name) <> 'patch_id' AND NOT starts_with(gq_name, 'gq_'))
FROM gq_rows AS gq_row
WHERE gq_cause IS NULL OR include_rejected
ORDER BY gq_row.gq_day_id ASC NULLS LAST, gq_row.gq_index ASC NULLS LAST
