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
    SELECT geometry AS gq_geometry, bbox AS gq_bbox, gq_side,
           CASE WHEN isfinite(t_min::TIMESTAMP) THEN t_min::TIMESTAMP END AS gq_start,
           CASE WHEN isfinite(t_max::TIMESTAMP) THEN t_max::TIMESTAMP END AS gq_stop,
           greatest((bbox.xmax - bbox.xmin) / gq_side, 1) * greatest((bbox.ymax - bbox.ymin) / gq_side, 1) AS gq_cells,
           -- What a row becomes: its cells in each of its periods.
           greatest(coalesce(date_diff(every::VARCHAR, gq_start, gq_stop), 0) + 1, 1)::DOUBLE AS gq_n_periods
    FROM query_table(catalog) AS gq_entry, gq_guard
    WHERE (true OR geo_catalog_check(gq_entry, {place: 'catalog_coverage(catalog)'}))
      AND isfinite(bbox.xmin + bbox.ymin + bbox.xmax + bbox.ymax)
), gq_entries AS (
    SELECT gq_geometry, gq_bbox,
           CASE
               WHEN gq_cells > 1e6 THEN
                   error('catalog_coverage(cell): ' || gq_side || ' is not valid: a footprint covers ' || round(gq_cells) || ' such cells' || chr(10) || 'A million is the most: give a larger cell')
               WHEN gq_cells * gq_n_periods > 1e6 THEN
                   error('catalog_coverage(every): "' || every::VARCHAR || '" is not valid: a row from ' || gq_start || ' to ' || gq_stop || ' would be ' || round(gq_cells) || ' cells in ' || gq_n_periods::BIGINT || ' periods' || chr(10) || 'A million of both together is the most: give a larger cell or a longer period, or NULL for a time that is open')
               ELSE gq_side
           END AS gq_side,
           CASE WHEN gq_start IS NULL AND gq_stop IS NULL THEN [NULL::TIMESTAMP]
           ELSE generate_series(date_trunc(every::VARCHAR, coalesce(gq_start, gq_stop))::TIMESTAMP, coalesce(gq_stop, gq_start), ('1 ' || every::VARCHAR)::INTERVAL) END AS gq_periods
    FROM gq_times
), gq_columns AS (
    SELECT gq_geometry, gq_bbox, gq_side, gq_periods, unnest(range(floor(gq_bbox.xmin / gq_side)::BIGINT, greatest(ceil(gq_bbox.xmax / gq_side), floor(gq_bbox.xmin / gq_side) + 1)::BIGINT)) AS gq_col
    FROM gq_entries
    -- Asked for here, so that a row that would become too many is refused before it does.
    WHERE gq_side > 0
), gq_grid AS (
    SELECT gq_geometry, gq_bbox, gq_side, gq_periods, gq_col, unnest(range(floor(gq_bbox.ymin / gq_side)::BIGINT, greatest(ceil(gq_bbox.ymax / gq_side), floor(gq_bbox.ymin / gq_side) + 1)::BIGINT)) AS gq_row
    FROM gq_columns
), gq_boxes AS (
    SELECT gq_geometry, gq_bbox, gq_periods, {xmin: gq_col * gq_side, ymin: gq_row * gq_side, xmax: (gq_col + 1) * gq_side, ymax: (gq_row + 1) * gq_side} AS gq_cell
    FROM gq_grid
), gq_counts AS (
    SELECT gq_cell, unnest(gq_periods)::DATE AS gq_period, gq_geometry
    FROM gq_boxes
    WHERE geo_intersection(gq_geometry, geo_box(gq_cell)) IS NOT NULL OR gq_bbox.xmin = gq_bbox.xmax OR gq_bbox.ymin = gq_bbox.ymax
)
SELECT ST_SetCRS(geo_box(gq_cell), coalesce(ST_CRS(any_value(gq_geometry)), '')) AS geometry, gq_cell AS bbox, gq_period AS period, count(*) AS n
FROM gq_counts
GROUP BY gq_cell, gq_period
ORDER BY gq_period ASC NULLS FIRST, gq_cell.ymin ASC NULLS LAST, gq_cell.xmin ASC NULLS LAST
