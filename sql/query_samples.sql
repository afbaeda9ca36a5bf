-- query_samples(queries, catalog, variables): the arrays of each query. Documented in src/sql/query/query_samples.rs.
--
-- gq_size_of(sizes, variable) are the rows and columns that are asked for; NULL leaves a variable's own.
CREATE OR REPLACE MACRO geoquilt.main.gq_size_of(sizes, variable) AS coalesce((sizes::MAP(VARCHAR, BIGINT[]))[variable], (sizes::MAP(VARCHAR, BIGINT[]))['default']);
-- gq_first_cell(from, origin, step) is the first pixel whose centre lies at or behind a place, gq_last_cell the last one at or before it.
CREATE OR REPLACE MACRO geoquilt.main.gq_first_cell(place, origin, step) AS ceil((place - origin) / step - 0.5 - 1e-9);
CREATE OR REPLACE MACRO geoquilt.main.gq_last_cell(place, origin, step) AS floor((place - origin) / step - 0.5 + 1e-9);
CREATE OR REPLACE MACRO geoquilt.main.query_samples(queries, catalog, variables, sizes := NULL, aggregation := 'mean') AS TABLE
WITH gq_asked AS (
    SELECT gq_given.inputs AS gq_inputs, gq_given.targets AS gq_targets FROM (SELECT variables::STRUCT(inputs VARCHAR[], targets VARCHAR[]) AS gq_given)
), gq_wanted AS MATERIALIZED (
    SELECT DISTINCT gq_variable FROM (SELECT unnest(gq_inputs) AS gq_variable FROM gq_asked UNION ALL SELECT unnest(gq_targets) FROM gq_asked)
), gq_queries AS MATERIALIZED (
    SELECT row_number() OVER () AS gq_place, gq_row.query_id AS query_id, {xmin: gq_row.bbox.xmin::DOUBLE, ymin: gq_row.bbox.ymin::DOUBLE, xmax: gq_row.bbox.xmax::DOUBLE, ymax: gq_row.bbox.ymax::DOUBLE} AS bbox,
           gq_row.t_min::TIMESTAMP AS t_min, gq_row.t_max::TIMESTAMP AS t_max,
           -- The east side, beyond 180 where the box crosses the antimeridian.
           CASE WHEN gq_row.bbox.xmin > gq_row.bbox.xmax THEN gq_row.bbox.xmax::DOUBLE + 360 ELSE gq_row.bbox.xmax::DOUBLE END AS gq_east
    FROM query_table(queries) AS gq_row
    WHERE true OR geo_catalog_check(gq_row, {place: 'query_samples(queries)', columns: ['query_id', 'bbox', 't_min', 't_max']})
), gq_files AS MATERIALIZED (
    SELECT row_number() OVER () AS gq_place, gq_entry.path::VARCHAR AS gq_path, gq_entry.variable::VARCHAR AS gq_variable, gq_entry.bbox AS gq_bbox, gq_entry.crs::VARCHAR AS gq_crs,
           gq_entry.transform::DOUBLE[] AS gq_transform, gq_entry.t_min::TIMESTAMP AS gq_start, gq_entry.t_max::TIMESTAMP AS gq_stop
    FROM query_table(catalog) AS gq_entry
    WHERE (true OR geo_catalog_check(gq_entry, {place: 'query_samples(catalog)', columns: ['path', 'variable', 'bbox', 'crs', 'transform', 't_min', 't_max']})) AND gq_entry.variable::VARCHAR IN (SELECT gq_variable FROM gq_wanted)
), gq_strange AS (
    SELECT min('"' || gq_path || '" ' || CASE
        WHEN gq_transform IS NULL OR len(gq_transform) <> 6 OR gq_transform[6] = 0 THEN 'has no transform, so that its pixels have no place'
        WHEN gq_crs NOT IN ('EPSG:4326', 'OGC:CRS84') THEN 'is in ' || geoquilt.main.gq_crs_name(gq_crs) || ', and queries are in degrees' END) AS gq_fault
    FROM gq_files
), gq_absent AS (
    SELECT min(gq_variable) AS gq_name, (SELECT string_agg(DISTINCT variable::VARCHAR, ', ' ORDER BY variable::VARCHAR ASC NULLS LAST) FROM query_table(catalog)) AS gq_known
    FROM gq_wanted WHERE gq_variable NOT IN (SELECT gq_variable FROM gq_files)
), gq_guard AS (
    SELECT CASE
        WHEN NOT coalesce(aggregation IN ('mean', 'first', 'last', 'stack'), false) THEN
            error('query_samples(aggregation): "' || coalesce(aggregation, 'NULL') || '" is not a way to make steps one: must be mean, first, last or stack')
        WHEN (SELECT count(*) FROM gq_wanted) = 0 THEN error('query_samples(variables): names no variable' || chr(10) || 'Give such as {inputs: [''l4_sst''], targets: [''l4_ssh'']}')
        WHEN gq_name IS NOT NULL THEN error('query_samples(variables): no row of the catalog has the variable "' || gq_name || '"' || chr(10) || 'It has ' || coalesce(gq_known, 'none'))
        WHEN gq_fault IS NOT NULL THEN error('query_samples(catalog): ' || gq_fault || chr(10) || 'Warp it onto degrees first')
        WHEN NOT coalesce(list_bool_and(list_transform(map_values(sizes::MAP(VARCHAR, BIGINT[])), lambda gq_size: coalesce(len(gq_size) = 2 AND list_min(gq_size) BETWEEN 1 AND 1048576, false))), true) THEN
            error('query_samples(sizes): ' || (sizes::MAP(VARCHAR, BIGINT[]))::VARCHAR || ' is not valid: must be rows and columns by variable, such as {''default'': [64, 64]}')
    END AS gq_mistake
    FROM gq_strange CROSS JOIN gq_absent
), gq_query_boxes AS (
    -- Whole turns find files that count to 360, and what lies over the antimeridian.
    SELECT gq_place AS place, {xmin: bbox.xmin + gq_turn, ymin: bbox.ymin, xmax: gq_east + gq_turn, ymax: bbox.ymax} AS bbox,
           CASE WHEN isfinite(t_min) THEN epoch_us(t_min) END AS t_min, CASE WHEN isfinite(t_max) THEN epoch_us(t_max) END AS t_max
    FROM gq_queries, (VALUES (-360), (0), (360)) AS gq_turns(gq_turn)
), gq_file_boxes AS (
    SELECT gq_place AS place, {xmin: gq_bbox.xmin::DOUBLE, ymin: gq_bbox.ymin::DOUBLE, xmax: gq_bbox.xmax::DOUBLE, ymax: gq_bbox.ymax::DOUBLE} AS bbox,
           CASE WHEN isfinite(gq_start) THEN epoch_us(gq_start) END AS t_min, CASE WHEN isfinite(gq_stop) THEN epoch_us(gq_stop) END AS t_max
    FROM gq_files
), gq_found AS MATERIALIZED (
    SELECT DISTINCT gq_query.gq_place AS gq_place, gq_file.gq_variable, gq_file.gq_start, gq_file.gq_path, gq_file.gq_transform, gq_file.gq_crs
    FROM geoquilt.main.catalog_pairs('gq_query_boxes', 'gq_file_boxes') AS gq_pair
         JOIN gq_queries AS gq_query ON gq_query.gq_place = gq_pair.a_place JOIN gq_files AS gq_file ON gq_file.gq_place = gq_pair.b_place
), gq_steps AS (
    SELECT gq_place, gq_variable, gq_start, list(gq_path ORDER BY encode(gq_path) ASC NULLS LAST) AS gq_paths FROM gq_found GROUP BY ALL
), gq_grids AS (
    -- The pixels of the variable's own grid whose centres lie in the box.
    SELECT gq_place, gq_variable, min_by(gq_transform, encode(gq_path)) AS gq_grid, min_by(gq_crs, encode(gq_path)) AS gq_crs FROM gq_found GROUP BY ALL
), gq_cells AS (
    SELECT gq_grid.*, abs(gq_grid[2]) AS gq_dx, abs(gq_grid[6]) AS gq_dy, least(gq_grid[1], gq_grid[1] + gq_grid[2]) AS gq_x0, greatest(gq_grid[4], gq_grid[4] + gq_grid[6]) AS gq_y0,
           geoquilt.main.gq_first_cell(gq_query.bbox.xmin, gq_x0, gq_dx) AS gq_left, geoquilt.main.gq_last_cell(gq_query.gq_east, gq_x0, gq_dx) AS gq_right,
           geoquilt.main.gq_first_cell(gq_y0 - gq_query.bbox.ymax, 0, gq_dy) AS gq_top, geoquilt.main.gq_last_cell(gq_y0 - gq_query.bbox.ymin, 0, gq_dy) AS gq_bottom,
           gq_query.t_min AS t_min, gq_query.t_max AS t_max
    FROM gq_grids AS gq_grid JOIN gq_queries AS gq_query USING (gq_place)
), gq_boxes AS (
    SELECT gq_place, gq_variable, gq_crs, t_min, t_max, gq_dx, gq_dy,
           {xmin: gq_x0 + gq_left * gq_dx, ymin: gq_y0 - (gq_bottom + 1) * gq_dy, xmax: gq_x0 + (gq_right + 1) * gq_dx, ymax: gq_y0 - gq_top * gq_dy} AS gq_box
    FROM gq_cells WHERE gq_right >= gq_left AND gq_bottom >= gq_top
), gq_slices AS (
    SELECT gq_box.*, geo_slice(gq_box, [gq_dx, gq_dy], gq_crs, t_min, t_max) AS gq_slice FROM gq_boxes AS gq_box
), gq_reads AS (
    SELECT gq_place, gq_variable, gq_start, gq_paths, gq_slice, read_slice(gq_paths, gq_slice, {bands: 1, boundless: true}) AS gq_read
    FROM gq_steps JOIN gq_slices USING (gq_place, gq_variable)
), gq_series AS (
    SELECT gq_place, gq_variable, any_value(gq_slice) AS gq_slice, flatten(list(gq_paths)) AS gq_paths, any_value(gq_read.shape[2])::BIGINT AS gq_n_rows, any_value(gq_read.shape[3])::BIGINT AS gq_n_cols,
           list(gq_read.data ORDER BY gq_start ASC NULLS LAST) AS gq_data, list(coalesce(gq_start, TIMESTAMP '1970-01-01') ORDER BY gq_start ASC NULLS LAST) AS gq_times
    FROM gq_reads GROUP BY gq_place, gq_variable
), gq_reduced AS (
    SELECT *, CASE WHEN aggregation = 'stack' THEN len(gq_times) ELSE 1 END AS gq_n,
           CASE aggregation WHEN 'first' THEN gq_data[1] WHEN 'last' THEN gq_data[-1] WHEN 'stack' THEN flatten(gq_data)
                ELSE CASE WHEN len(gq_times) = 1 THEN gq_data[1]
                          ELSE geo_time_reduce(list_transform(flatten(gq_data), lambda gq_value: CASE WHEN NOT isnan(gq_value) THEN gq_value END),
                                               [len(gq_times), gq_n_rows, gq_n_cols], gq_times, gq_times[1]).data::FLOAT[] END END AS gq_field
    FROM gq_series
), gq_sized AS (
    SELECT gq_place, gq_variable, gq_paths, gq_slice.bbox AS gq_box,
           coalesce(geoquilt.main.gq_size_of(sizes, gq_variable), [gq_n_rows, gq_n_cols]) AS gq_size,
           CASE WHEN geoquilt.main.gq_size_of(sizes, gq_variable) = [gq_n_rows, gq_n_cols] OR geoquilt.main.gq_size_of(sizes, gq_variable) IS NULL THEN gq_field
                ELSE geo_resize(gq_field, [gq_n, gq_n_rows, gq_n_cols], geoquilt.main.gq_size_of(sizes, gq_variable)) END AS gq_field, gq_n
    FROM gq_reduced
), gq_arrays AS (
    SELECT gq_place, gq_variable, gq_paths, {
        data: gq_field, shape: CASE WHEN aggregation = 'stack' THEN [gq_n] ELSE [] END || gq_size,
        lats: list_transform(range(gq_size[1]), lambda gq_i: gq_box.ymax - (gq_i + 0.5) * (gq_box.ymax - gq_box.ymin) / gq_size[1]),
        lons: list_transform(range(gq_size[2]), lambda gq_i: gq_box.xmin + (gq_i + 0.5) * (gq_box.xmax - gq_box.xmin) / gq_size[2])
    } AS gq_array
    FROM gq_sized
), gq_samples AS (
    SELECT gq_place, map_from_entries(list({k: gq_variable, v: gq_array})) AS gq_all, len(list_distinct(flatten(list(gq_paths)))) AS gq_n_files FROM gq_arrays GROUP BY gq_place
)
SELECT gq_query.query_id AS query_id,
       map_from_entries(list_transform(gq_inputs, lambda gq_name: {k: gq_name, v: gq_all[gq_name]})) AS inputs,
       map_from_entries(list_transform(coalesce(gq_targets, []), lambda gq_name: {k: gq_name, v: gq_all[gq_name]})) AS targets,
       list_filter(list_transform(gq_inputs || coalesce(gq_targets, []), lambda gq_name: {lat: gq_all[gq_name].lats, lon: gq_all[gq_name].lons}), lambda gq_one: gq_one.lat IS NOT NULL)[1] AS coords,
       {bbox: gq_query.bbox, time_range: [gq_query.t_min, gq_query.t_max], n_files: coalesce(gq_n_files, 0)} AS metadata
FROM gq_guard CROSS JOIN gq_asked CROSS JOIN gq_queries AS gq_query LEFT JOIN gq_samples USING (gq_place)
WHERE gq_guard.gq_mistake IS NULL
ORDER BY gq_query.gq_place ASC NULLS LAST
