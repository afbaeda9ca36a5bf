-- patch_sample(catalog, n, size): slices drawn over a catalog. Documented in src/sql/sampling/patch_sample.rs.
--
-- Rows are counted in an order of their own (gq_rank), so that a draw does not depend on the catalog's. A row's draws are made
-- together, each with a stream of its own, so that its footprint is projected once.
CREATE OR REPLACE MACRO geoquilt.main.patch_sample(catalog, n, size, resolution := NULL, crs := NULL, weight := 'area', seed := 7, t := 'row') AS TABLE
WITH gq_entries AS MATERIALIZED (
    SELECT row_number() OVER () AS gq_index, md5(gq_entry::VARCHAR) AS gq_text,
           geo_row_number(gq_entry, {name: weight, place: 'patch_sample(weight)', words: ['area', 'uniform']}) AS gq_given, gq_entry.*
    FROM query_table(catalog) AS gq_entry
    WHERE true OR geo_catalog_check(gq_entry, {place: 'patch_sample(catalog)'})
), gq_rooms AS MATERIALIZED (
    SELECT gq_entry.gq_index AS gq_number, gq_facts, gq_given,
           geo_footprint_room(gq_entry.geometry, ST_CRS(gq_entry.geometry), gq_facts, {size: size, resolution: resolution, crs: crs}) AS gq_room,
           row_number() OVER (ORDER BY encode(gq_facts.path) ASC NULLS LAST, gq_facts.t_min ASC NULLS LAST, gq_facts.t_max ASC NULLS LAST,
                                       gq_entry.bbox.xmin ASC NULLS LAST, gq_entry.bbox.ymin ASC NULLS LAST, gq_entry.bbox.xmax ASC NULLS LAST,
                                       gq_entry.bbox.ymax ASC NULLS LAST, encode(gq_text) ASC NULLS LAST) - 1 AS gq_rank
    FROM gq_entries AS gq_entry JOIN geoquilt.main.gq_entry_facts('gq_entries') AS gq_fact ON gq_fact.gq_number = gq_entry.gq_index
), gq_weighed AS MATERIALIZED (
    SELECT *, CASE
        WHEN gq_room.problem IS NOT NULL THEN 0::DOUBLE
        WHEN encode(weight::VARCHAR) = encode('area') THEN gq_room.area
        WHEN encode(weight::VARCHAR) = encode('uniform') THEN 1::DOUBLE
        ELSE coalesce(gq_given, 0::DOUBLE)
    END AS gq_weight
    FROM gq_rooms
), gq_totals AS (
    SELECT count(*) AS gq_count, list(gq_weight ORDER BY gq_rank ASC NULLS LAST) AS gq_weights,
           {too_small: count(*) FILTER (gq_room.problem = 'too_small'), no_footprint: count(*) FILTER (gq_room.problem = 'no_footprint'),
            no_weight: count(*) FILTER (gq_room.problem IS NULL AND gq_weight = 0)} AS gq_left_out
    FROM gq_weighed
), gq_choice AS MATERIALIZED (
    SELECT gq_left_out, CASE
        WHEN n IS NULL THEN error('patch_sample(n): NULL is not valid: must be how many slices are drawn')
        WHEN gq_count = 0 THEN error('patch_sample(catalog): the catalog has no rows, and nothing to draw from')
        WHEN gq_count = gq_left_out.too_small + gq_left_out.no_footprint THEN
            error('patch_sample(size): no footprint holds a patch of ' || size::VARCHAR || ' pixels: of ' || gq_count || ' rows ' || gq_left_out.too_small ||
                  ' are smaller, and ' || gq_left_out.no_footprint || ' have none' || chr(10) || 'Give a smaller size, or a finer resolution')
        ELSE geo_choice(gq_weights, n::BIGINT, seed::BIGINT, true, {place: 'patch_sample', noun: 'rows'})
    END AS gq_places
    FROM gq_totals
), gq_drawn AS (
    SELECT unnest(gq_places) AS gq_place, generate_subscripts(gq_places, 1) - 1 AS gq_draw FROM gq_choice
), gq_lots AS (
    SELECT gq_place, list(gq_draw ORDER BY gq_draw ASC NULLS LAST) AS gq_draws FROM gq_drawn GROUP BY gq_place
), gq_made AS (
    SELECT gq_number, unnest(geo_footprint_places(gq_entry.geometry, ST_CRS(gq_entry.geometry), gq_facts,
                                                  {size: size, resolution: resolution, crs: crs, seed: seed::BIGINT, t: t}, gq_draws)) AS gq_slice
    FROM gq_lots JOIN gq_weighed AS gq_weighed_row ON gq_rank = gq_place JOIN gq_entries AS gq_entry ON gq_entry.gq_index = gq_number
)
SELECT gq_slice.draw AS patch_id, gq_slice.slice AS slice, gq_slice.win AS win, gq_left_out AS left_out,
       gq_entry.* EXCLUDE (gq_index, gq_text, gq_given)
FROM gq_made JOIN gq_entries AS gq_entry ON gq_entry.gq_index = gq_number CROSS JOIN gq_choice
ORDER BY gq_slice.draw ASC NULLS LAST
