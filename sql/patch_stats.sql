-- patch_stats(registry, split): statistics of the pixels of a registry's rows. Documented in src/sql/stitch/patch_stats.rs.
CREATE OR REPLACE MACRO geoquilt.main.patch_stats(registry, split := 'train') AS TABLE
SELECT geoquilt.main.stats(gq_read.gq_data, [len(gq_read.gq_data) // (gq_read.gq_height * gq_read.gq_width), gq_read.gq_height, gq_read.gq_width]) AS stats
FROM (SELECT read_patch(gq_row.path, gq_row.win) AS gq_data, gq_row.win.height::BIGINT AS gq_height, gq_row.win.width::BIGINT AS gq_width
      FROM query_table(registry) AS gq_row
      WHERE gq_row.split = split) AS gq_read
