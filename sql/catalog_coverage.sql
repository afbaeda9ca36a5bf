-- catalog_coverage(catalog): how many rows each cell has in each period. Documented in src/sql/macros/.
CREATE OR REPLACE MACRO geoquilt.main.catalog_coverage(catalog, cell := 10, every := 'month') AS TABLE
WITH gq_guard AS (
    SELECT CASE
        WHEN NOT coalesce(cell::DOUBLE > 0, false) THEN
            error('catalog_coverage(cell): ' || coalesce(cell::VARCHAR, 'NULL') || ' is not valid: must be the side of a cell, in units of the catalog''s CRS')
        WHEN NOT coalesce(every IN ('year', 'month', 'day'), false) THEN
            error('catalog_coverage(every): "' || coalesce(every, 'NULL') || '" is not a period' || chr(10) || 'One of: year, month, day')
        ELSE cell::DOUBLE
    END AS side
), gq_entries AS (
    SELECT geometry, bbox, side,
           CASE WHEN t_min IS NULL AND t_max IS NULL THEN [NULL::TIMESTAMP]
           ELSE generate_series(date_trunc(every, coalesce(t_min, t_max)::TIMESTAMP)::TIMESTAMP, coalesce(t_max, t_min)::TIMESTAMP, ('1 ' || every)::INTERVAL) END AS periods
    FROM query_table(catalog) AS gq_entry, gq_guard
    WHERE true OR geo_catalog_check(gq_entry, {place: 'catalog_coverage(catalog)'})
), gq_columns AS (
    SELECT geometry, bbox, side, periods, unnest(range(floor(bbox.xmin / side)::BIGINT, greatest(ceil(bbox.xmax / side), floor(bbox.xmin / side) + 1)::BIGINT)) AS col
    FROM gq_entries
), gq_cells AS (
    SELECT geometry, bbox, side, periods, col, unnest(range(floor(bbox.ymin / side)::BIGINT, greatest(ceil(bbox.ymax / side), floor(bbox.ymin / side) + 1)::BIGINT)) AS "row"
    FROM gq_columns
), gq_boxes AS (
    SELECT geometry, bbox, periods, {xmin: col * side, ymin: "row" * side, xmax: (col + 1) * side, ymax: ("row" + 1) * side} AS cell_box
    FROM gq_cells
), gq_counts AS (
    SELECT cell_box, unnest(periods)::DATE AS period, geometry AS gq_geometry
    FROM gq_boxes
    WHERE geo_intersection(geometry, geo_box(cell_box)) IS NOT NULL OR bbox.xmin = bbox.xmax OR bbox.ymin = bbox.ymax
)
SELECT ST_SetCRS(geo_box(cell_box), ST_CRS(any_value(gq_geometry))) AS geometry, cell_box AS bbox, period, count(*) AS n
FROM gq_counts
GROUP BY cell_box, period
ORDER BY period NULLS FIRST, cell_box.ymin, cell_box.xmin
