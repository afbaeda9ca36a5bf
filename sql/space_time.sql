-- space_time(grid, windows): each patch in each window of time. Documented in src/sql/time/space_time.rs.
CREATE OR REPLACE MACRO geoquilt.main.space_time(grid, windows) AS TABLE
SELECT gq_window.window_id, gq_window.anchor, gq_window.role, gq_window.t_min AS t_min, gq_window.t_max AS t_max, gq_patch.*
FROM query_table(windows) AS gq_window CROSS JOIN query_table(grid) AS gq_patch
WHERE (true OR geo_catalog_check(gq_patch, {place: 'space_time(grid)', columns: ['patch_id']}))
  AND (true OR geo_catalog_check(gq_window, {place: 'space_time(windows)', columns: ['window_id', 'anchor', 'role', 't_min', 't_max']}))
ORDER BY gq_window.window_id ASC NULLS LAST, gq_window.role ASC NULLS LAST, gq_window.t_min ASC NULLS LAST, gq_patch.patch_id ASC NULLS LAST
