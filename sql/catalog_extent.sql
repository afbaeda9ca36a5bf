-- catalog_extent(catalog): the box and the interval of a whole catalog. Documented in src/sql/catalog/catalog_extent.rs.
CREATE OR REPLACE MACRO geoquilt.main.catalog_extent(catalog) AS TABLE
WITH gq_total AS (
    SELECT count(*) AS n, count(*) FILTER (t_min IS NULL AND t_max IS NULL) AS n_undated,
           {xmin: min(bbox.xmin)::DOUBLE, ymin: min(bbox.ymin)::DOUBLE, xmax: max(bbox.xmax)::DOUBLE, ymax: max(bbox.ymax)::DOUBLE} AS bbox,
           min(t_min) AS t_min, max(t_max) AS t_max, any_value(geometry) AS gq_geometry
    FROM query_table(catalog) AS gq_entry
    WHERE true OR geo_catalog_check(gq_entry, {place: 'catalog_extent(catalog)'})
)
SELECT n, n_undated, ST_SetCRS(geo_box(bbox), coalesce(ST_CRS(gq_geometry), '')) AS geometry,
       CASE WHEN bbox.xmin IS NOT NULL THEN bbox END AS bbox, t_min, t_max
FROM gq_total
