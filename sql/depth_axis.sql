-- depth_axis(root): the levels of an ocean package. Documented in src/sql/ocean/depth_axis.rs.
CREATE OR REPLACE MACRO geoquilt.main.depth_axis(root) AS TABLE
SELECT unnest(range(len(gq_depths))) AS level, unnest(gq_depths) AS depth_m FROM (SELECT geo_ocean_manifest(root).depth_axis_m AS gq_depths) AS gq_manifest
