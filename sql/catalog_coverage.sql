-- catalog_coverage(catalog): how many rows each cell has in each period. Documented in src/sql/catalog/catalog_coverage.rs.
CREATE OR REPLACE MACRO geoquilt.main.catalog_coverage(catalog, cell := 10, every := 'month') AS TABLE
WITH gq_guard AS (
    SELECT CASE
        WHEN NOT coalesce(cell::DOUBLE > 0 AND isfinite(cell::DOUBLE), false) THEN
            error('catalog_coverage(cell): ' || coalesce(cell::VARCHAR, 'NULL') || ' is not valid: must be the side of a cell, in units of the catalog''s CRS')
        WHEN NOT coalesce(every::VARCHAR IN ('year', 'month', 'day'), false) THEN
            error('catalog_coverage(every): "' || coalesce(every::VARCHAR, 'NULL') || '" is not a period' || chr(10) || 'One of: year, month, day')
        ELSE cell::DOUBLE
    END AS gq_side
), gq_times AS (
    -- An infinite time is open.
    SELECT geometry, bbox, gq_side AS side,
           CASE WHEN isfinite(t_min::TIMESTAMP) THEN t_min::TIMESTAMP END AS start,
           CASE WHEN isfinite(t_max::TIMESTAMP) THEN t_max::TIMESTAMP END AS stop,
           (bbox.xmax - bbox.xmin) / gq_side * ((bbox.ymax - bbox.ymin) / gq_side) AS cells
    FROM query_table(catalog) AS gq_entry, gq_guard
    WHERE (true OR geo_catalog_check(gq_entry, {place: 'catalog_coverage(catalog)'}))
      AND isfinite(bbox.xmin + bbox.ymin + bbox.xmax + bbox.ymax)
), gq_entries AS (
    SELECT geometry, bbox,
           CASE WHEN cells > 1e6 THEN
               error('catalog_coverage(cell): ' || side || ' is not valid: a footprint covers ' || round(cells) || ' such cells' || chr(10) || 'A million is the most: give a larger cell')
           ELSE side END AS side,
           CASE WHEN start IS NULL AND stop IS NULL THEN [NULL::TIMESTAMP]
           ELSE generate_series(date_trunc(every::VARCHAR, coalesce(start, stop))::TIMESTAMP, coalesce(stop, start), ('1 ' || every::VARCHAR)::INTERVAL) END AS periods
    FROM gq_times
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
SELECT ST_SetCRS(geo_box(cell_box), coalesce(ST_CRS(any_value(gq_geometry)), '')) AS geometry, cell_box AS bbox, period, count(*) AS n
FROM gq_counts
GROUP BY cell_box, period
ORDER BY period NULLS FIRST, cell_box.ymin, cell_box.xmin
