-- patch_points(grid, points): which points each patch holds. Documented in src/sql/neighbours/patch_points.rs.
CREATE OR REPLACE MACRO geoquilt.main.patch_points(grid, points) AS TABLE
WITH gq_patches AS (
    SELECT patch_id AS gq_id, bbox AS gq_bbox, win AS gq_win, crs AS gq_crs FROM query_table(grid) AS gq_patch
    WHERE true OR geo_catalog_check(gq_patch, {place: 'patch_points(grid)', columns: ['patch_id', 'bbox', 'win', 'crs']})
), gq_places AS (
    -- A point in the CRS of each grid that there is, and on a globe a turn to either side of it.
    SELECT gq_point.*, gq_crs, gq_turn AS gq_turns, geo_bbox(geo_project(gq_point.geometry, coalesce(ST_CRS(gq_point.geometry), 'OGC:CRS84'), gq_crs)) AS gq_at
    FROM query_table(points) AS gq_point CROSS JOIN (SELECT DISTINCT gq_crs, unnest([-360, 0, 360]) AS gq_turn FROM gq_patches) AS gq_known
    WHERE true OR geo_catalog_check(gq_point, {place: 'patch_points(points)', columns: ['geometry']})
), gq_held AS (
    SELECT gq_id, gq_bbox, gq_win, gq_place.*, gq_at.xmin + gq_turns AS gq_x, gq_at.ymin AS gq_y
    FROM gq_patches AS gq_held_by JOIN gq_places AS gq_place
      ON gq_held_by.gq_crs = gq_place.gq_crs AND gq_at.xmin + gq_turns >= gq_bbox.xmin AND gq_at.xmin + gq_turns < gq_bbox.xmax
     AND gq_at.ymin > gq_bbox.ymin AND gq_at.ymin <= gq_bbox.ymax
    WHERE gq_turns = 0 OR gq_held_by.gq_crs IN ('OGC:CRS84', 'EPSG:4326')
)
SELECT gq_id AS patch_id,
       least(floor((gq_bbox.ymax - gq_y) / ((gq_bbox.ymax - gq_bbox.ymin) / gq_win.height))::BIGINT, gq_win.height - 1) AS "row",
       least(floor((gq_x - gq_bbox.xmin) / ((gq_bbox.xmax - gq_bbox.xmin) / gq_win.width))::BIGINT, gq_win.width - 1) AS col,
       * EXCLUDE (gq_id, gq_bbox, gq_win, gq_crs, gq_turns, gq_at, gq_x, gq_y)
FROM gq_held
ORDER BY patch_id ASC NULLS LAST, "row" ASC NULLS LAST, col ASC NULLS LAST
