-- patch_slices(catalog, size): the slices that a grid cuts of each row. Documented in src/sql/sampling/patch_slices.rs.
--
-- gq_entry_facts(entries): what a catalog tells of each file, by gq_index. A relation may lack a column that is optional here: the
-- subquery then sees the NULL of the same name that stands outside it, in gq_absent.
CREATE OR REPLACE MACRO geoquilt.main.gq_entry_facts(entries) AS TABLE
SELECT gq_found.*
FROM (SELECT NULL::VARCHAR AS path, NULL::VARCHAR AS kind, NULL::BIGINT AS width, NULL::BIGINT AS height, NULL::DOUBLE[] AS transform, NULL::VARCHAR AS crs) AS gq_absent,
     LATERAL (SELECT gq_index AS gq_number,
                     {path: path::VARCHAR, kind: kind::VARCHAR, width: width::BIGINT, height: height::BIGINT, transform: transform::DOUBLE[], crs: crs::VARCHAR,
                      t_min: t_min::TIMESTAMP, t_max: t_max::TIMESTAMP} AS gq_facts
              FROM query_table(entries) AS gq_entry) AS gq_found;
CREATE OR REPLACE MACRO geoquilt.main.patch_slices(catalog, size, stride := NULL, resolution := NULL, crs := NULL, edge := 'snap') AS TABLE
WITH gq_entries AS MATERIALIZED (
    SELECT row_number() OVER () AS gq_index, gq_entry.*
    FROM query_table(catalog) AS gq_entry
    WHERE true OR geo_catalog_check(gq_entry, {place: 'patch_slices(catalog)'})
), gq_cut AS (
    SELECT gq_index AS gq_number, unnest(geo_footprint_windows(gq_entry.geometry, ST_CRS(gq_entry.geometry), gq_facts,
                                                               {size: size, stride: stride, edge: edge, resolution: resolution, crs: crs})) AS gq_cell
    FROM gq_entries AS gq_entry JOIN geoquilt.main.gq_entry_facts('gq_entries') AS gq_fact ON gq_fact.gq_number = gq_entry.gq_index
)
SELECT row_number() OVER (ORDER BY gq_number ASC NULLS LAST, gq_cell.number ASC NULLS LAST) - 1 AS patch_id,
       gq_cell.slice AS slice, gq_cell.win AS win, gq_cell.is_partial AS is_partial, gq_entry.* EXCLUDE (gq_index)
FROM gq_cut JOIN gq_entries AS gq_entry ON gq_entry.gq_index = gq_number
ORDER BY gq_number ASC NULLS LAST, gq_cell.number ASC NULLS LAST
