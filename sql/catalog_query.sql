-- catalog_query(catalog): the rows that meet a box or a shape, and an interval. Documented in src/sql/macros/.
--
-- The area does not depend on a row, since ST_CRS(gq_entry.geometry) is a constant of the column's type: DuckDB folds
-- it, and compares the columns of bbox with four numbers, by which a Parquet scan passes over row groups.
--
-- The guard is a row of its own: a condition of the catalog's rows is not asked when another has passed over them all.
CREATE OR REPLACE MACRO geoquilt.main.catalog_query(catalog, bbox := NULL, crs := NULL, t_min := NULL, t_max := NULL, geometry := NULL) AS TABLE
WITH gq_guard AS (
    SELECT CASE
        WHEN t_min::TIMESTAMP > t_max::TIMESTAMP + CASE WHEN length(t_max::VARCHAR) = 10 THEN INTERVAL 1 DAY - INTERVAL 1 MICROSECOND ELSE INTERVAL 0 DAY END THEN
            error('catalog_query(t_max): the interval ends before it starts: ' || t_min || ' to ' || t_max)
    END AS mistake
)
SELECT gq_entry.*
FROM query_table(catalog) AS gq_entry, gq_guard
WHERE (true OR geo_catalog_check(gq_entry, {place: 'catalog_query(catalog)'})) AND gq_guard.mistake IS NULL
  AND (geo_query_area(bbox, geometry, coalesce(crs, ST_CRS(geometry)), ST_CRS(gq_entry.geometry)) IS NULL
       OR gq_entry.bbox.xmin <= geo_bbox(geo_query_area(bbox, geometry, coalesce(crs, ST_CRS(geometry)), ST_CRS(gq_entry.geometry))).xmax)
  AND (geo_query_area(bbox, geometry, coalesce(crs, ST_CRS(geometry)), ST_CRS(gq_entry.geometry)) IS NULL
       OR gq_entry.bbox.xmax >= geo_bbox(geo_query_area(bbox, geometry, coalesce(crs, ST_CRS(geometry)), ST_CRS(gq_entry.geometry))).xmin)
  AND (geo_query_area(bbox, geometry, coalesce(crs, ST_CRS(geometry)), ST_CRS(gq_entry.geometry)) IS NULL
       OR gq_entry.bbox.ymin <= geo_bbox(geo_query_area(bbox, geometry, coalesce(crs, ST_CRS(geometry)), ST_CRS(gq_entry.geometry))).ymax)
  AND (geo_query_area(bbox, geometry, coalesce(crs, ST_CRS(geometry)), ST_CRS(gq_entry.geometry)) IS NULL
       OR gq_entry.bbox.ymax >= geo_bbox(geo_query_area(bbox, geometry, coalesce(crs, ST_CRS(geometry)), ST_CRS(gq_entry.geometry))).ymin)
  -- An undated row matches every interval.
  AND (t_max IS NULL OR gq_entry.t_min IS NULL
       OR gq_entry.t_min <= t_max::TIMESTAMP + CASE WHEN length(t_max::VARCHAR) = 10 THEN INTERVAL 1 DAY - INTERVAL 1 MICROSECOND ELSE INTERVAL 0 DAY END)
  AND (t_min IS NULL OR gq_entry.t_max IS NULL OR gq_entry.t_max >= t_min::TIMESTAMP)
  AND (geo_query_area(bbox, geometry, coalesce(crs, ST_CRS(geometry)), ST_CRS(gq_entry.geometry)) IS NULL
       OR geo_intersects(gq_entry.geometry, geo_query_area(bbox, geometry, coalesce(crs, ST_CRS(geometry)), ST_CRS(gq_entry.geometry))))
