-- patch_stats(registry, split, once, bands, scaled, nodata, mergeable): statistics of the pixels of a registry's rows. Documented in src/sql/stitch/patch_stats.rs.
CREATE OR REPLACE MACRO geoquilt.main.patch_stats(registry, split := 'train', once := false, bands := NULL, scaled := false, nodata := NULL, mergeable := false) AS TABLE
WITH gq_rows AS (
    -- Windows over cubes name a step, others have no such field.
    SELECT gq_row.path AS gq_path, gq_row.win AS gq_win, regexp_extract(gq_row.win::VARCHAR, '''step'': (\d+)', 1) AS gq_step
    FROM query_table(registry) AS gq_row
    WHERE (true OR geo_catalog_check(gq_row, {place: 'patch_stats(registry)', columns: ['path', 'win', 'split']})) AND gq_row.split = split
),
gq_parts AS (
    SELECT gq_path, {row_off: gq_part.row_off, col_off: gq_part.col_off, height: gq_part.height, width: gq_part.width, step: TRY_CAST(gq_step AS BIGINT)} AS gq_win
    FROM (SELECT gq_path, gq_step, unnest(geo_distinct_windows(list({row_off: gq_win.row_off::BIGINT, col_off: gq_win.col_off::BIGINT, height: gq_win.height::BIGINT, width: gq_win.width::BIGINT}))) AS gq_part
          FROM gq_rows WHERE once GROUP BY gq_path, gq_step)
)
SELECT coalesce(
    (SELECT gq_patch_stats(gq_path, gq_win, {'bands': bands, 'scaled': scaled, 'nodata': nodata}, false, mergeable, current_setting('geoquilt_threads')::UBIGINT, current_setting('geoquilt_aggregate_mb')::UBIGINT, gq_query())
     FROM gq_rows WHERE NOT once),
    -- What is left of a window that hangs over may lie beyond the raster.
    (SELECT gq_patch_stats(gq_path, gq_win, {'bands': bands, 'scaled': scaled, 'nodata': nodata}, true, mergeable, current_setting('geoquilt_threads')::UBIGINT, current_setting('geoquilt_aggregate_mb')::UBIGINT, gq_query())
     FROM gq_parts)) AS stats
