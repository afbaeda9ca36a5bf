-- patch_registry(grid, dates): (patch, date) rows with a split. Documented in src/sql/grid/patch_registry.rs.
--
-- A relation may lack a column that is optional here: the subquery then sees the NULL of the same name that
-- stands outside it, in `absent`.
CREATE OR REPLACE MACRO geoquilt.main.patch_registry(grid, dates, val_year := NULL, val_fraction := NULL, seed := 7) AS TABLE
WITH patches AS (
    SELECT kept.* EXCLUDE (kept_status), row_number() OVER (ORDER BY kept.patch_id) - 1 AS place
    FROM (SELECT NULL::VARCHAR AS status) AS absent,
         LATERAL (SELECT *, status AS kept_status FROM query_table(grid) AS gq_patch
                  WHERE true OR geo_catalog_check(gq_patch, {place: 'patch_registry(grid)', grid: true})) AS kept
    WHERE kept_status IS DISTINCT FROM 'rejected'
), days AS (
    SELECT coalesce(file.date_column, file.start_column)::DATE AS date,
           coalesce(file.start_column, file.date_column) AS t_min,
           coalesce(file.stop_column, file.date_column + INTERVAL 1 DAY - INTERVAL 1 MICROSECOND) AS t_max,
           file.path_column AS path,
           file.attributes_column AS attributes,
           file.crs_column::VARCHAR AS crs, file.transform_column::DOUBLE[] AS transform, file.width_column AS width, file.height_column AS height,
           file.kind_column = 'array' AS is_array
    FROM (SELECT NULL::VARCHAR AS path, NULL::DATE AS date, NULL::TIMESTAMP AS t_min, NULL::TIMESTAMP AS t_max,
                 NULL::MAP(VARCHAR, VARCHAR) AS attributes, NULL::VARCHAR AS crs, NULL::DOUBLE[] AS transform,
                 NULL::BIGINT AS width, NULL::BIGINT AS height, NULL::VARCHAR AS kind) AS absent,
         LATERAL (SELECT path AS path_column, geoquilt.main.gq_utc(date) AS date_column,
                         geoquilt.main.gq_utc(t_min) AS start_column, geoquilt.main.gq_utc(t_max) AS stop_column,
                         attributes AS attributes_column, crs AS crs_column, transform AS transform_column,
                         width AS width_column, height AS height_column, kind AS kind_column
                  FROM query_table(dates)) AS file
), rasters AS (
    -- The rasters that the files lie on. An array file is read north-up, however it is stored.
    SELECT min(path) AS path, crs, width, height, transform[1] AS x0, transform[2] AS dx,
           CASE WHEN is_array AND transform[6] > 0 THEN transform[4] + height * transform[6] ELSE transform[4] END AS y0,
           CASE WHEN is_array THEN -abs(transform[6]) ELSE transform[6] END AS dy
    FROM days WHERE transform IS NOT NULL GROUP BY ALL
), windows AS (
    SELECT patch_id, place, win, box AS bbox, box_crs AS crs, partial AS is_partial,
           (box.xmax - box.xmin) / win.width AS px, (box.ymax - box.ymin) / win.height AS py
    FROM (SELECT NULL::STRUCT(xmin DOUBLE, ymin DOUBLE, xmax DOUBLE, ymax DOUBLE) AS bbox, NULL::VARCHAR AS crs, NULL::BOOLEAN AS is_partial) AS absent,
         LATERAL (SELECT patch_id, place, win, bbox::STRUCT(xmin DOUBLE, ymin DOUBLE, xmax DOUBLE, ymax DOUBLE) AS box, crs::VARCHAR AS box_crs, is_partial::BOOLEAN AS partial
                  FROM patches) AS known
), boxes AS (
    -- Each window as the file has it.
    SELECT r.*, w.* EXCLUDE (crs), w.crs AS grid_crs,
           r.x0 + w.win.col_off * r.dx AS x1, r.x0 + (w.win.col_off + w.win.width) * r.dx AS x2,
           r.y0 + w.win.row_off * r.dy AS y1, r.y0 + (w.win.row_off + w.win.height) * r.dy AS y2
    FROM rasters AS r CROSS JOIN windows AS w
), strays AS (
    SELECT path, place, CASE
        -- geo_project leaves a geometry as it is only where two names stand for one CRS.
        WHEN crs <> grid_crs AND NOT coalesce(TRY(geo_project(geo_box({xmin: 0, ymin: 0, xmax: 1, ymax: 1}), crs, grid_crs)
                                                  = geo_box({xmin: 0, ymin: 0, xmax: 1, ymax: 1})), false) THEN
            'is in ' || crs || ', and the grid in ' || grid_crs
        -- Pixel sizes of few digits and float32 coordinates part by some hundredths of a pixel over a wide raster.
        WHEN greatest(abs(least(x1, x2) - bbox.xmin) / px, abs(greatest(x1, x2) - bbox.xmax) / px,
                      abs(least(y1, y2) - bbox.ymin) / py, abs(greatest(y1, y2) - bbox.ymax) / py) > 0.05 THEN CASE
            WHEN greatest(abs(abs(dx) - px) * (win.col_off + win.width) / px, abs(abs(dy) - py) * (win.row_off + win.height) / py) > 0.025 THEN
                'has pixels of ' || abs(dx) || ' x ' || abs(dy) || ', and the grid of ' || px || ' x ' || py
            ELSE 'begins at (' || x0 || ', ' || y0 || '), and the grid at (' || (bbox.xmin - win.col_off * px) || ', ' || (bbox.ymax + win.row_off * py) || ')'
        END
        WHEN NOT is_partial AND (least(win.row_off, win.col_off) < 0 OR win.row_off + win.height > height OR win.col_off + win.width > width) THEN
            'has ' || height || ' rows and ' || width || ' columns, and patch ' || patch_id || ' of the grid reaches to row ' ||
            (win.row_off + win.height) || ' and column ' || (win.col_off + win.width)
    END AS problem
    FROM boxes
), misfit AS (
    SELECT min_by('"' || coalesce(path, 'a row of dates') || '" ' || problem, (path, place)) AS problem FROM strays WHERE problem IS NOT NULL
), years AS (
    SELECT list_sort(list(DISTINCT year)) AS present, (SELECT count(*) FROM days WHERE t_min IS NULL) AS undated
    FROM (SELECT unnest(range(year(t_min), year(t_max) + 1)) AS year FROM days)
), overlap AS (
    SELECT geo_windows_overlap(list(win)) AS found FROM patches WHERE val_year IS NULL
), guard AS (
    SELECT CASE
        WHEN val_year IS NOT NULL AND val_fraction IS NOT NULL THEN
            error('patch_registry(val_fraction): val_year and val_fraction are two ways to split' || chr(10) || 'Give one of them')
        WHEN (SELECT count(*) <> count(DISTINCT patch_id) FROM patches) THEN
            error('patch_registry(grid): a patch_id stands in several rows' || chr(10) || 'Give a grid, and not a registry, or make the ids unique')
        WHEN NOT coalesce(val_fraction, 0.2) BETWEEN 0 AND 1 THEN
            error('patch_registry(val_fraction): ' || val_fraction || ' is not valid: must be a fraction between 0 and 1')
        WHEN val_year IS NOT NULL AND len(years.present) > 0 AND NOT list_contains(years.present, val_year) THEN
            error('patch_registry(val_year): no date lies in ' || val_year || chr(10) || 'The dates are of ' || array_to_string(years.present, ', '))
        WHEN val_year IS NOT NULL AND years.present = [val_year] AND years.undated = 0 THEN
            error('patch_registry(val_year): every date lies in ' || val_year || ', which leaves none to train on')
        WHEN misfit.problem IS NOT NULL THEN
            error('patch_registry(dates): ' || misfit.problem || chr(10) ||
                  'Take the files of one raster at a time with a grid of their own, or read all of them onto one slice with read_slice')
        WHEN overlap.found THEN
            error('patch_registry(val_year): patches overlap, so a split by patch would put the same pixels into train and val' || chr(10) ||
                  'Give val_year := a year whose dates are all validation, or a grid with stride >= size and edge := ''drop'' or ''overflow''')
    END AS mistake,
    -- The reference rounds half to even and keeps both splits non-empty.
    (SELECT least(greatest(TRY_CAST(round_even(count(*) * coalesce(val_fraction, 0.2), 0) AS BIGINT),
                           CASE WHEN coalesce(val_fraction, 0.2) > 0 THEN 1 ELSE 0 END),
                  greatest(count(*) - 1, 0)) FROM patches) AS n_val,
    (SELECT count(*) FROM patches) AS n_patches
    FROM overlap, years, misfit
), validation AS (
    SELECT unnest(geo_permutation(n_patches, seed)[1:n_val]) AS place FROM guard
)
SELECT p.patch_id, d.date,
       CASE
           WHEN val_year IS NULL THEN CASE WHEN p.place IN (SELECT place FROM validation) THEN 'val' ELSE 'train' END
           WHEN d.t_min IS NULL THEN
               error('patch_registry(val_year): "' || coalesce(d.path, 'a row of dates') || '" is undated, so no year can take it')
           WHEN year(d.t_min) <> year(d.t_max) AND val_year BETWEEN year(d.t_min) AND year(d.t_max) THEN
               error('patch_registry(val_year): "' || coalesce(d.path, 'a row of dates') || '" spans ' || d.t_min || ' to ' || d.t_max ||
                     ', in and out of ' || val_year)
           WHEN year(d.t_min) = val_year THEN 'val'
           ELSE 'train'
       END AS split,
       d.t_min, d.t_max, d.path, d.attributes, p.* EXCLUDE (patch_id, place)
FROM guard CROSS JOIN days AS d CROSS JOIN patches AS p
WHERE guard.mistake IS NULL
ORDER BY d.t_min, d.path, p.place
