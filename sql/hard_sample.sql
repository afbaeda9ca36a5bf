-- hard_sample(registry, regions): all train rows of hard regions and a share of easy ones. Documented in src/sql/splits/hard_sample.rs.
CREATE OR REPLACE MACRO geoquilt.main.hard_sample(registry, regions, hard_fraction := 0.75, seed := 7, train_only := NULL) AS TABLE
WITH gq_regions AS (
    SELECT unnest(regions::STRUCT(name VARCHAR, xmin DOUBLE, ymin DOUBLE, xmax DOUBLE, ymax DOUBLE, max_land_fraction DOUBLE)[]) AS gq_region
), gq_rows AS (
    SELECT gq_known.* EXCLUDE (gq_lon),
           -- A closed box; longitudes in [-180, 180), so that a box with xmin > xmax crosses the antimeridian.
           gq_part = 'train' AND EXISTS (
               FROM (SELECT gq_region.*, (gq_region.xmin + 180) - 360 * floor((gq_region.xmin + 180) / 360) - 180 AS gq_west,
                            (gq_region.xmax + 180) - 360 * floor((gq_region.xmax + 180) / 360) - 180 AS gq_east FROM gq_regions) AS gq_box
               WHERE gq_lat BETWEEN gq_box.ymin AND gq_box.ymax AND coalesce(gq_land, 0) <= coalesce(gq_box.max_land_fraction, 0.85)
                 AND CASE WHEN gq_box.xmax - gq_box.xmin >= 360 THEN true
                          WHEN gq_west <= gq_east THEN gq_lon BETWEEN gq_west AND gq_east
                          ELSE gq_lon >= gq_west OR gq_lon <= gq_east END) AS gq_hard
    FROM (SELECT NULL::DOUBLE AS land_fraction, NULL::VARCHAR AS force_region, NULL::VARCHAR AS status) AS gq_absent,
         LATERAL (SELECT gq_row.*, gq_row.split::VARCHAR AS gq_part, gq_row.lat_center::DOUBLE AS gq_lat, land_fraction::DOUBLE AS gq_land, CASE WHEN status::VARCHAR IS DISTINCT FROM 'kept' THEN force_region::VARCHAR END AS gq_forced,
                         (gq_row.lon_center + 180) - 360 * floor((gq_row.lon_center + 180) / 360) - 180 AS gq_lon
                  FROM (SELECT gq_entry.*, row_number() OVER () AS gq_place FROM query_table(registry) AS gq_entry
                        WHERE true OR geo_catalog_check(gq_entry, {place: 'hard_sample(registry)', columns: ['split', 'lon_center', 'lat_center']})) AS gq_row) AS gq_known
), gq_counts AS (
    SELECT count(*) FILTER (gq_hard) AS gq_n_hard, count(*) FILTER (gq_part = 'train' AND NOT gq_hard) AS gq_n_easy, count(*) FILTER (gq_part = 'train') AS gq_n_train
    FROM gq_rows
), gq_guard AS (
    SELECT CASE
        WHEN NOT coalesce(hard_fraction > 0 AND hard_fraction <= 1, false) THEN
            error('hard_sample(hard_fraction): ' || coalesce(hard_fraction::VARCHAR, 'NULL') || ' is not valid: must be above 0 and at most 1')
        WHEN seed IS NULL OR seed < 0 THEN error('hard_sample(seed): ' || coalesce(seed::VARCHAR, 'NULL') || ' is not valid: must be 0 or above')
        WHEN (SELECT count(*) FROM gq_regions) = 0 THEN error('hard_sample(regions): no region is given' || chr(10) || 'Give a list such as [{name: ''fjords'', xmin: 4, ymin: 58, xmax: 13, ymax: 66}]')
        WHEN (SELECT count(*) FROM gq_regions WHERE NOT coalesce(isfinite(gq_region.xmin + gq_region.xmax) AND gq_region.ymin <= gq_region.ymax, false)) > 0 THEN
            error('hard_sample(regions): a region has no xmin, ymin, xmax and ymax with ymin <= ymax')
        WHEN gq_n_train > 0 AND gq_n_hard = 0 THEN error('hard_sample(regions): none of ' || gq_n_train || ' train rows has its centre in a region')
    END AS gq_mistake, gq_n_easy,
    CAST(round_even(gq_n_hard * (1 - hard_fraction::DOUBLE) / hard_fraction::DOUBLE, 0) AS BIGINT) AS gq_wanted
    FROM gq_counts
), gq_drawn AS (
    SELECT unnest(geo_draw(gq_n_easy, least(gq_wanted, gq_n_easy), seed::BIGINT)) AS gq_number FROM gq_guard WHERE gq_mistake IS NULL
), gq_numbered AS (
    SELECT *, CASE WHEN gq_part = 'train' AND NOT gq_hard THEN row_number() OVER (PARTITION BY gq_part = 'train' AND NOT gq_hard ORDER BY gq_place ASC NULLS LAST) - 1 END AS gq_number
    FROM gq_rows
)
SELECT gq_row.* EXCLUDE (gq_place, gq_hard, gq_part, gq_lat, gq_land, gq_forced, gq_number),
       CASE WHEN gq_part = 'train' THEN gq_hard END AS hard, greatest(gq_wanted - gq_n_easy, 0) AS easy_missing
FROM gq_guard CROSS JOIN gq_numbered AS gq_row
WHERE gq_guard.gq_mistake IS NULL
  AND CASE WHEN gq_part = 'train' THEN gq_hard OR gq_number IN (SELECT gq_number FROM gq_drawn)
           ELSE NOT coalesce(list_contains(train_only::VARCHAR[], gq_forced), false) END
ORDER BY gq_place ASC NULLS LAST
