-- catalog_extent(catalog): the box and the interval of a whole catalog. Documented in src/sql/catalog/catalog_extent.rs.
CREATE OR REPLACE MACRO geoquilt.main.catalog_extent(catalog) AS TABLE
WITH gq_total AS (
    SELECT count(*) AS gq_n, count(*) FILTER (t_min IS NULL AND t_max IS NULL) AS gq_undated,
           {xmin: min(bbox.xmin)::DOUBLE, ymin: min(bbox.ymin)::DOUBLE, xmax: max(bbox.xmax)::DOUBLE, ymax: max(bbox.ymax)::DOUBLE} AS gq_bbox,
           min(t_min) AS gq_start, max(t_max) AS gq_stop, any_value(geometry) AS gq_geometry
    FROM query_table(catalog) AS gq_entry
    WHERE true OR geo_catalog_check(gq_entry, {place: 'catalog_extent(catalog)'})
)
SELECT gq_n AS n, gq_undated AS n_undated, ST_SetCRS(geo_box(gq_bbox), coalesce(ST_CRS(gq_geometry), '')) AS geometry,
       CASE WHEN gq_bbox.xmin IS NOT NULL THEN gq_bbox END AS bbox, gq_start AS t_min, gq_stop AS t_max
FROM gq_total
