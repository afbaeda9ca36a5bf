-- patch_features(grid, features): which features each patch meets. Documented in src/sql/neighbours/patch_features.rs.
CREATE OR REPLACE MACRO geoquilt.main.patch_features(grid, features) AS TABLE
WITH gq_patches AS (
    SELECT patch_id AS gq_id, bbox AS gq_bbox, crs AS gq_crs, geo_project(geo_box(bbox), crs, 'OGC:CRS84') AS gq_shape FROM query_table(grid) AS gq_patch
    WHERE true OR geo_catalog_check(gq_patch, {place: 'patch_features(grid)', columns: ['patch_id', 'bbox', 'crs']})
), gq_shapes AS (
    SELECT gq_feature.*, geo_project(gq_feature.geometry, coalesce(ST_CRS(gq_feature.geometry), 'OGC:CRS84'), 'OGC:CRS84') AS gq_outline
    FROM query_table(features) AS gq_feature
    WHERE true OR geo_catalog_check(gq_feature, {place: 'patch_features(features)', columns: ['geometry']})
), gq_bounds AS (
    SELECT *, geo_bbox(gq_outline) AS gq_box FROM gq_shapes
)
SELECT gq_id AS patch_id, gq_bound.* EXCLUDE (gq_outline, gq_box)
FROM (SELECT *, geo_bbox(gq_shape) AS gq_around FROM gq_patches) AS gq_patch JOIN gq_bounds AS gq_bound
  ON gq_around.xmin <= gq_box.xmax AND gq_box.xmin <= gq_around.xmax AND gq_around.ymin <= gq_box.ymax AND gq_box.ymin <= gq_around.ymax
 AND geo_intersects(gq_shape, gq_outline)
ORDER BY patch_id ASC NULLS LAST
