-- catalog_query(catalog): the rows that meet a box or a shape, and an interval. Documented in src/sql/algebra/catalog_query.rs.
--
-- The area does not depend on a row, since ST_CRS(gq_entry.geometry) is a constant of the column's type: DuckDB folds
-- it, and compares the columns of bbox with four numbers, by which a Parquet scan passes over row groups.
--
-- gq_utc(t) is a time in UTC, whatever the session's time zone: DuckDB's own cast drops the offset that a text or a
-- TIMESTAMPTZ has. gq_stop(t) is the end of a day, a month or a year that has no time of day.
CREATE OR REPLACE MACRO geoquilt.main.gq_utc(t) AS CASE
    WHEN regexp_matches(t::VARCHAR, ':[0-9.]+ ?[^0-9.: ]') THEN make_timestamp(epoch_us(t::VARCHAR::TIMESTAMPTZ))
    WHEN regexp_full_match(t::VARCHAR, '\d{4}') THEN CAST(t::VARCHAR || '-01-01' AS TIMESTAMP)
    WHEN regexp_full_match(t::VARCHAR, '\d{4}-\d{1,2}') THEN CAST(t::VARCHAR || '-01' AS TIMESTAMP)
    ELSE t::TIMESTAMP
END;
CREATE OR REPLACE MACRO geoquilt.main.gq_stop(t) AS CASE
    WHEN regexp_full_match(t::VARCHAR, '\d{4}(-\d{1,2}){0,2}') THEN
        geoquilt.main.gq_utc(t) + [INTERVAL 1 YEAR, INTERVAL 1 MONTH, INTERVAL 1 DAY][len(string_split(t::VARCHAR, '-'))] - INTERVAL 1 MICROSECOND
    ELSE geoquilt.main.gq_utc(t)
END;
-- gq_slice(s) is a slice in its own type, which NULL does not have.
CREATE OR REPLACE MACRO geoquilt.main.gq_slice(s) AS
    s::STRUCT(bbox STRUCT(xmin DOUBLE, ymin DOUBLE, xmax DOUBLE, ymax DOUBLE), crs VARCHAR, t_min TIMESTAMP, t_max TIMESTAMP, width BIGINT, height BIGINT);
-- A column without a CRS is taken for longitudes and latitudes. Numbers beyond those come of a table whose CRS was lost, as
-- database files of DuckDB 1.5's own format lose it: such rows pass the box, to be refused behind it.
--
-- The guard is a row of its own: a condition of the catalog's rows is not asked when another has passed over them all.
CREATE OR REPLACE MACRO geoquilt.main.catalog_query(catalog, bbox := NULL, crs := NULL, t_min := NULL, t_max := NULL, geometry := NULL, slice := NULL) AS TABLE
WITH gq_guard AS (
    SELECT CASE
        WHEN t_min IS NOT NULL AND TRY(geoquilt.main.gq_utc(t_min)) IS NULL THEN
            error('catalog_query(t_min): "' || t_min || '" is not valid: must be a TIMESTAMP, a DATE, or text such as 2023-06 or 2023-06-30 12:00:00')
        WHEN t_max IS NOT NULL AND TRY(geoquilt.main.gq_stop(t_max)) IS NULL THEN
            error('catalog_query(t_max): "' || t_max || '" is not valid: must be a TIMESTAMP, a DATE, or text such as 2023-06 or 2023-06-30 12:00:00')
        WHEN geoquilt.main.gq_utc(t_min) > geoquilt.main.gq_stop(t_max) THEN
            error('catalog_query(t_max): the interval ends before it starts: ' || t_min || ' to ' || t_max)
    END AS gq_mistake
)
SELECT gq_entry.*
FROM query_table(catalog) AS gq_entry, gq_guard
WHERE (true OR geo_catalog_check(gq_entry, {place: 'catalog_query(catalog)'})) AND gq_guard.gq_mistake IS NULL
  AND (geo_query_area(bbox, geometry, coalesce(crs, ST_CRS(geometry)), ST_CRS(gq_entry.geometry), slice) IS NULL
       OR gq_entry.bbox.xmin <= geo_bbox(geo_query_area(bbox, geometry, coalesce(crs, ST_CRS(geometry)), ST_CRS(gq_entry.geometry), slice)).xmax
       OR ST_CRS(gq_entry.geometry) IS NULL AND gq_entry.bbox.xmin > 540)
  AND (geo_query_area(bbox, geometry, coalesce(crs, ST_CRS(geometry)), ST_CRS(gq_entry.geometry), slice) IS NULL
       OR gq_entry.bbox.xmax >= geo_bbox(geo_query_area(bbox, geometry, coalesce(crs, ST_CRS(geometry)), ST_CRS(gq_entry.geometry), slice)).xmin
       OR ST_CRS(gq_entry.geometry) IS NULL AND gq_entry.bbox.xmax < -540)
  AND (geo_query_area(bbox, geometry, coalesce(crs, ST_CRS(geometry)), ST_CRS(gq_entry.geometry), slice) IS NULL
       OR gq_entry.bbox.ymin <= geo_bbox(geo_query_area(bbox, geometry, coalesce(crs, ST_CRS(geometry)), ST_CRS(gq_entry.geometry), slice)).ymax
       OR ST_CRS(gq_entry.geometry) IS NULL AND gq_entry.bbox.ymin > 91)
  AND (geo_query_area(bbox, geometry, coalesce(crs, ST_CRS(geometry)), ST_CRS(gq_entry.geometry), slice) IS NULL
       OR gq_entry.bbox.ymax >= geo_bbox(geo_query_area(bbox, geometry, coalesce(crs, ST_CRS(geometry)), ST_CRS(gq_entry.geometry), slice)).ymin
       OR ST_CRS(gq_entry.geometry) IS NULL AND gq_entry.bbox.ymax < -91)
  -- An undated row matches every interval.
  AND (t_max IS NULL OR gq_entry.t_min IS NULL OR gq_entry.t_min <= TRY(geoquilt.main.gq_stop(t_max)))
  AND (t_min IS NULL OR gq_entry.t_max IS NULL OR gq_entry.t_max >= TRY(geoquilt.main.gq_utc(t_min)))
  -- The interval of a slice, whose two ends are closed as well.
  AND coalesce(gq_entry.t_min <= geoquilt.main.gq_slice(slice).t_max, true)
  AND coalesce(gq_entry.t_max >= geoquilt.main.gq_slice(slice).t_min, true)
  -- One condition: the rows to be refused meet no area in degrees.
  AND CASE WHEN ST_CRS(gq_entry.geometry) IS NULL AND geo_query_area(bbox, geometry, coalesce(crs, ST_CRS(geometry)), ST_CRS(gq_entry.geometry), slice) IS NOT NULL
                AND (gq_entry.bbox.xmin < -540 OR gq_entry.bbox.xmax > 540 OR gq_entry.bbox.ymin < -91 OR gq_entry.bbox.ymax > 91) THEN
              error('catalog_query(catalog): "geometry" has no CRS, and a box from ' || gq_entry.bbox.xmin || ' to ' || gq_entry.bbox.xmax || ' that is not in degrees' || chr(10) ||
                    'A database file of DuckDB''s default storage version loses the CRS: keep the catalog in Parquet, or say it with ST_SetCRS(geometry, ''EPSG:32632'')')
      ELSE geo_query_area(bbox, geometry, coalesce(crs, ST_CRS(geometry)), ST_CRS(gq_entry.geometry), slice) IS NULL
           OR geo_intersects(gq_entry.geometry, geo_query_area(bbox, geometry, coalesce(crs, ST_CRS(geometry)), ST_CRS(gq_entry.geometry), slice))
      END
