-- resolution_report(catalog, queries): what a query's box holds of each variable, and what is asked for. Documented in src/sql/query/resolution_report.rs.
CREATE OR REPLACE MACRO geoquilt.main.resolution_report(catalog, queries, sizes := NULL) AS TABLE
WITH gq_box AS (
    SELECT avg(gq_row.bbox.ymax - gq_row.bbox.ymin) AS gq_high, avg(CASE WHEN gq_row.bbox.xmin > gq_row.bbox.xmax THEN 360 ELSE 0 END + gq_row.bbox.xmax - gq_row.bbox.xmin) AS gq_wide
    FROM query_table(queries) AS gq_row WHERE true OR geo_catalog_check(gq_row, {place: 'resolution_report(queries)', columns: ['bbox']})
), gq_grids AS (
    SELECT gq_entry.variable::VARCHAR AS gq_variable, min_by(gq_entry.transform::DOUBLE[], encode(gq_entry.path::VARCHAR)) AS gq_transform
    FROM query_table(catalog) AS gq_entry
    WHERE (true OR geo_catalog_check(gq_entry, {place: 'resolution_report(catalog)', columns: ['path', 'variable', 'transform']})) AND gq_entry.variable IS NOT NULL GROUP BY ALL
), gq_sizes AS (
    SELECT gq_variable, abs(gq_transform[6]) AS gq_dy, abs(gq_transform[2]) AS gq_dx, round_even(gq_high / gq_dy, 0)::BIGINT AS gq_n_rows, round_even(gq_wide / gq_dx, 0)::BIGINT AS gq_n_cols,
           geoquilt.main.gq_size_of(sizes, gq_variable) AS gq_size
    FROM gq_grids CROSS JOIN gq_box
)
SELECT gq_variable AS variable, [gq_dy, gq_dx] AS native_resolution, [gq_n_rows, gq_n_cols] AS native_pixels, coalesce(gq_size, native_pixels) AS asked_pixels,
       [asked_pixels[1] / greatest(gq_n_rows, 1), asked_pixels[2] / greatest(gq_n_cols, 1)] AS ratio
FROM gq_sizes
ORDER BY encode(gq_variable) ASC NULLS LAST
