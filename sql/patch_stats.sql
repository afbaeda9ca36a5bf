-- patch_stats(registry, split, once, mergeable): statistics of the pixels of a registry's rows. Documented in src/sql/stitch/patch_stats.rs.
CREATE OR REPLACE MACRO geoquilt.main.patch_stats(registry, split := 'train', once := false, mergeable := false) AS TABLE
WITH gq_rows AS (
    SELECT gq_row.path AS gq_path, gq_row.win AS gq_win FROM query_table(registry) AS gq_row WHERE gq_row.split = split
),
gq_read AS (
    SELECT read_patch(gq_path, gq_win) AS gq_data, gq_win FROM gq_rows WHERE NOT once
    UNION ALL
    -- What is left of a window that hangs over may lie beyond the raster.
    SELECT read_patch(gq_path, gq_win, {boundless: true}) AS gq_data, gq_win
    FROM (SELECT gq_path, unnest(geo_distinct_windows(list(gq_win))) AS gq_win FROM gq_rows WHERE once GROUP BY gq_path)
)
SELECT geoquilt.main.stats(gq_data, [len(gq_data) // (gq_win.height::BIGINT * gq_win.width), gq_win.height, gq_win.width], mergeable := mergeable) AS stats
FROM gq_read
